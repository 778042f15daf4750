"""One resource, from its opening to its closing, in a task of its own (semantics 7.4).

An async context manager must be left by the task that entered it (anyio's insist on it), and a resource outlives the
step that asked first: so a task enters, waits and exits, and belongs to nobody's run.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from ..errors import EngineClosed, NodeloomError

__all__ = ["Closable", "Factory", "Given", "Held", "on_loop", "running_loop", "to_the_end"]

T = TypeVar("T")
Factory = Callable[[], AbstractAsyncContextManager[Any]]
log = logging.getLogger("nodeloom.resources")


class Closable(Protocol):
    """What was opened, and can be closed."""

    name: str

    async def end(self, limit: float) -> None:
        """Close it, within `limit` seconds."""
        ...


class Held:
    """A resource that an async context manager opens and closes; made on the loop that it belongs to.

    Args:
        name: what messages call it. factory: gives the context manager.
        opened: called at the moment it is open.
        grace: seconds that an opening is given to end when nobody waits for it any more.

    Attributes:
        task: what holds it. abandoned: whether its opening was given up.
    """

    def __init__(self, name: str, factory: Factory, opened: Callable[[Held], None], grace: float = 5.0) -> None:
        self.name = name
        self.grace = grace
        self.abandoned = False
        self._factory = factory
        self._tell = opened
        self._waiting = 0
        self._closing = False
        loop = asyncio.get_running_loop()
        self._value: asyncio.Future[Any] = loop.create_future()
        self._free: asyncio.Future[None] = loop.create_future()
        # An empty context: what is opened for all must not carry the variables of the step that asked first.
        self.task = loop.create_task(self._hold(), name=f"resource {name}", context=contextvars.Context())

    async def _hold(self) -> None:
        try:
            async with self._factory() as value:
                self._value.set_result(value)
                self._tell(self)
                await self._free
        except BaseException as error:
            if self._value.done():
                raise
            self._value.set_exception(self._reason(error))
            self._value.exception()  # it is told to those who wait; where nobody does, it is not lost
            if not isinstance(error, Exception | asyncio.CancelledError):
                raise

    def _reason(self, error: BaseException) -> BaseException:
        if isinstance(error, StopIteration):  # a future cannot carry one
            return RuntimeError(f"opening resource {self.name!r} raised StopIteration")
        if not isinstance(error, asyncio.CancelledError):
            return error
        if self._closing:
            return EngineClosed(f"the engine was closed while resource {self.name!r} was being opened")
        return NodeloomError(f"opening resource {self.name!r} was cancelled from within")

    async def value(self) -> Any:
        """What the context manager gives, once it is open.

        Whoever leaves while it is being opened leaves the others waiting; the last one takes the opening along.
        """
        if self._value.done():
            return self._value.result()
        self._waiting += 1
        try:
            return await asyncio.shield(self._value)
        except asyncio.CancelledError:
            if self._waiting == 1 and not self._value.done():
                self.abandoned = True
                await to_the_end(self.end(self.grace))
            raise
        finally:
            self._waiting -= 1

    async def end(self, limit: float) -> None:
        """Close it, or give its opening up; what takes longer than `limit` seconds is cancelled, then left."""
        if not self._value.done():
            self._closing = not self.abandoned
            self.task.cancel()
        elif not self._free.done():
            self._free.set_result(None)
        await ended(self.task, self.name, limit)


class Given:
    """A client that is open from the moment it was made."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value

    async def end(self, limit: float) -> None:
        """Close it, within `limit` seconds."""
        await ended(asyncio.ensure_future(self.value.aclose()), self.name, limit)


async def ended(task: asyncio.Future[Any], name: str, limit: float) -> None:
    """Wait until a resource is closed. One that fails, or takes too long, must not keep the others open."""
    _, late = await asyncio.wait({task}, timeout=limit)
    if late:
        task.cancel()
        _, late = await asyncio.wait({task}, timeout=limit)
        how = "and cannot be cancelled: it is left as it is" if late else "and was cancelled"
        log.error("closing resource %s took more than %g s %s", name, limit, how)
    elif not task.cancelled() and (error := task.exception()) is not None:
        log.error("closing resource %s failed", name, exc_info=error)


async def to_the_end(work: Awaitable[T]) -> T:
    """Do work that must not stop half-way: a cancellation waits until it is done, and goes on then."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = cancelled or error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()
        raise cancelled
    return task.result()


async def on_loop(
    loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, None]], limit: float | None = None
) -> bool:
    """Do work on the loop it belongs to; False where that loop has ended, or is not done after `limit` seconds."""
    if loop is asyncio.get_running_loop():
        await work()
        return True
    if not loop.is_running():
        return False
    elsewhere = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), loop))
    _, late = await asyncio.wait({elsewhere}, timeout=limit)
    return not late


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs on this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
