"""What nodes remember, and the locks that make such nodes take their steps one at a time (semantics 4.1)."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import MutableMapping
from typing import Any

from ..nodes.context import Live
from ..nodes.memory import Parted
from ..nodes.node import Node

__all__ = ["Memories"]


class Memories:
    """The memories of an engine's nodes: those that outlive a run are kept here, the others with the run."""

    def __init__(self) -> None:
        self._lasting: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._locks: weakref.WeakValueDictionary[tuple[Any, ...], asyncio.Lock] = weakref.WeakValueDictionary()

    def of(self, live: Live, node: Node) -> tuple[MutableMapping[str, Any], asyncio.Lock]:
        """A node's memory, and the lock that makes its steps go one at a time."""
        graph = live.graph.name if live.graph is not None else ""
        live.memories = memories = live.memories if live.memories is not None else {}
        kept: MutableMapping[str, Any] = memories.setdefault(node.id, {})
        scope: tuple[Any, ...] = (live.run.id if live.home is None else id(live.home), node.id)
        if isinstance(node.memory, tuple):
            place = scope = graph, node.identifier, node.id
            kept = Parted(node.memory, self._lasting.setdefault(place, {}), memories[node.id])
        lock = self._locks.get(scope)
        if lock is None:
            lock = self._locks[scope] = asyncio.Lock()
        return kept, lock

    def reset(self, graph: str, node_id: str) -> None:
        """Forget what a node keeps between runs."""
        for kept in [kept for kept in self._lasting if (kept[0], kept[2]) == (graph, node_id)]:
            del self._lasting[kept]
