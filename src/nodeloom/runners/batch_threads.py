"""The items of a batch whose work is a plain function on a thread (semantics 8.3).

Such work cannot be cancelled. When another item fails it is told, and awaited up to the grace; what it gave when it
ended by itself is its item's, and when it ended because it was told, the item is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..errors import StillRunning
from ..executors.attempts import AttemptServices
from ..executors.calls import Call
from ..nodes.context import Context, Live, Walk, current_context
from ..nodes.event import EventType
from ..nodes.live import Attempted
from ..resources.threads import ThreadPool

__all__ = ["ENDED_BY_ANOTHER", "ItemServices", "in_its_own_walk"]

ENDED_BY_ANOTHER = "another item failed"
"""The message of the cancelling of items, when a batch is ended by a failure."""


class ItemLive(Live):
    """A run's services for one item: told to stop, it tells that item's code only.

    Attributes:
        was_asked: the code has been told so.
    """

    __slots__ = ("_origin", "_told", "was_asked")

    def __init__(self, origin: Live) -> None:
        self._origin = origin
        self._told = self.was_asked = False
        for name in Live.__slots__:
            if name != "stopped":
                setattr(self, name, getattr(origin, name))

    @property
    def stopped(self) -> bool:
        """Whether it is not wanted any more; asking is remembered."""
        self.was_asked = self.was_asked or self._told
        return self._told or self._origin.stopped

    @stopped.setter
    def stopped(self, told: bool) -> None:
        self._told = told

    def emit(self, type: EventType, ctx: Attempted | None = None, **data: Any) -> None:
        """Tell whoever watches the run."""
        self._origin.emit(type, ctx, **data)


def in_its_own_walk(call: Call) -> Call:
    """The call with a walk, and a word to stop, for each item alone."""

    async def handle(ctx: Context) -> Any:
        with Walk(ItemLive(ctx.live)) as walk:
            walk.context = own = ctx.having(walk=walk)
            try:
                return await call(own)
            finally:
                ctx.walk.context = walk.context

    return handle


class Finishing:
    """A pool of threads that gives what a call came to, though it was cancelled, when another item's failure did that.

    Args:
        pool: the engine's.
    """

    def __init__(self, pool: ThreadPool) -> None:
        self._pool = pool

    async def run(self, who: str, function: Callable[[], Any], stop: Callable[[], None] | None = None) -> Any:
        """As of the pool."""
        kept, live = _Kept(function), _item_live()
        try:
            return await self._pool.run(who, kept, live.stop if live is not None else stop)
        except StillRunning:
            if stop is not None:
                stop()
            raise
        except asyncio.CancelledError as error:
            if not kept.ended or ENDED_BY_ANOTHER not in error.args or (live is not None and live.was_asked):
                raise
            return kept.take()


class _Kept:
    """A function that keeps what it gave, or what it raised."""

    __slots__ = ("_error", "_function", "_result", "ended")

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._result: Any = None
        self._error: BaseException | None = None
        self.ended = False

    def __call__(self) -> Any:
        try:
            self._result = self._function()
        except BaseException as error:  # whatever it is, it is the caller's
            self._error = error
            raise
        finally:
            self.ended = True
        return self._result

    def take(self) -> Any:
        """What it gave. Raises what it raised."""
        error, self._error = self._error, None
        if error is not None:
            raise error
        return self._result


def _item_live() -> ItemLive | None:
    ctx = current_context()
    return ctx.live if ctx is not None and isinstance(ctx.live, ItemLive) else None


class ItemServices:
    """What doing an item's work asks of its engine.

    Attributes:
        threaded: the work asked for a pool of threads.
    """

    def __init__(self, services: AttemptServices) -> None:
        self._services = services
        self.threaded = False

    def pool(self, name: str) -> Finishing:
        """The engine's pool of that name, for items."""
        self.threaded = True
        return Finishing(self._services.pool(name))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._services, name)
