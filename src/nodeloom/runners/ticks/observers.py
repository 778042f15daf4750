"""Who is told what happens to a clock, and what its nodes give (semantics 9.9, 10.5)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from ...model.values import Values

__all__ = ["ClockEvent", "Observer", "Observers"]

Observer = Callable[[Values], Any]
"""Is called with the outputs of each step of a node, on the clock's loop."""

log = logging.getLogger("nodeloom.clock")


class ClockEvent(msgspec.Struct, frozen=True):
    """One thing that happened to a clock.

    Attributes:
        type: `failed`, `missed`, `expired`, `blocked`, `safe_state`, `restarted`, or `stopped`.
        node: the node it is about; empty where it is about none. time: seconds since the epoch.
        data: what belongs to it, as a `reason`.
    """

    type: str
    node: str
    time: float
    data: dict[str, Any]


class Observers:
    """Those who observe a clock. They are told on its loop; one that fails is logged, and disturbs nobody.

    Args:
        watch: is told of each event.
    """

    def __init__(self, watch: Callable[[ClockEvent], Any] | None = None) -> None:
        self.watch = watch
        self._of: dict[str, tuple[Observer, ...]] = {}

    def add(self, node_id: str, observer: Observer) -> None:
        """Tell an observer of each output of a node."""
        self._of[node_id] = (*self.of(node_id), observer)

    def remove(self, node_id: str, observer: Observer) -> None:
        """Tell an observer no more."""
        self._of[node_id] = tuple(each for each in self.of(node_id) if each != observer)

    def of(self, node_id: str) -> tuple[Observer, ...]:
        """The observers of a node."""
        return self._of.get(node_id, ())

    def tell(self, node_id: str, outputs: Values) -> None:
        """A node has given outputs."""
        for observer in self.of(node_id):
            try:
                observer(outputs)
            except Exception:
                log.exception("an observer of node %s failed", node_id)

    def happened(self, event: ClockEvent) -> None:
        """Something has happened."""
        try:
            if self.watch is not None:
                self.watch(event)
        except Exception:
            log.exception("a watcher of the clock failed")
