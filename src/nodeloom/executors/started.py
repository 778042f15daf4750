"""The nodes of an engine that were started: `on_start` once before a node's first step, `on_stop` once (6.1)."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

from ..nodes.context import Context
from ..nodes.node import Node

__all__ = ["Started", "call_at_end", "maybe_await", "retrieved"]

log = logging.getLogger("nodeloom.engine")


class Started:
    """Which nodes were started, and those that are being."""

    def __init__(self) -> None:
        self._tasks: dict[Node, asyncio.Task[None]] = {}

    def __contains__(self, node: Node) -> bool:
        """Whether the node's `on_start` has been called here, and is done."""
        task = self._tasks.get(node)
        return task is not None and task.done() and not task.cancelled() and task.exception() is None

    async def start(self, node: Node, ctx: Context) -> None:
        """Call the node's `on_start`, once for all the steps that wait for it; after a failure, again."""
        task = self._tasks.get(node)
        if task is None or (task.done() and node not in self):
            task = self._tasks[node] = asyncio.create_task(maybe_await(node.on_start(ctx)))
            task.add_done_callback(retrieved)
        await asyncio.shield(task)

    async def stop(self, node: Node) -> None:
        """Call the node's `on_stop`, if it was started; its next step starts it again."""
        was_started = node in self
        task = self._tasks.pop(node, None)
        if task is None:
            return
        task.cancel()  # of an on_start that nobody waits for any more
        await asyncio.wait({task})
        if was_started:
            await call_at_end(node.on_stop, f"on_stop of node {node.id}")

    async def stop_all(self) -> None:
        """Call `on_stop` of all that were started."""
        for node in list(self._tasks):
            await self.stop(node)


async def call_at_end(end: Callable[[], Any], what: str) -> None:
    """Call what ends something; one that fails is logged, and keeps no other from being called."""
    try:
        await maybe_await(end())
    except (Exception, SystemExit):
        log.exception("%s failed", what)


async def maybe_await(value: Any) -> None:
    """Await what is to be awaited, as what a hook gave may be."""
    if inspect.isawaitable(value):
        await value


def retrieved(task: asyncio.Task[Any]) -> None:
    """Who waited for it may have left: a failure is not 'never retrieved' then."""
    if not task.cancelled():
        task.exception()
