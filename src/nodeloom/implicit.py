"""The engine each event loop has without being asked: in memory, closed with the loop (semantics 13.1)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from .engine import Engine
from .errors import NodeloomError
from .nodes import host
from .nodes.context import current_context

__all__ = ["close", "current_engine", "run_sync"]

T = TypeVar("T")

_implicit: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Engine] = weakref.WeakKeyDictionary()
_closers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncIterator[None]] = weakref.WeakKeyDictionary()


def current_engine() -> Engine:
    """The engine of the step this is called in; outside of one, the implicit engine of the running loop."""
    ctx = current_context()
    # On a thread of the engine's this is another loop, and what it runs must not wait for that same thread.
    if ctx is not None and ctx.live.thread == threading.get_ident():
        engine = ctx.live.services
        if isinstance(engine, Engine) and not engine.closed:
            return engine
    loop = asyncio.get_running_loop()
    own = _implicit.get(loop)
    if own is None or own.closed:
        own = _implicit[loop] = Engine()
        _close_with(loop, own)
    return own


async def close() -> None:
    """Close the implicit engine of the running loop."""
    engine = _implicit.pop(asyncio.get_running_loop(), None)
    if engine is not None:
        await engine.close()


def _close_with(loop: asyncio.AbstractEventLoop, engine: Engine) -> None:
    """Close the engine when the loop ends: loops close their async generators, so one of them holds it."""

    async def hold() -> AsyncIterator[None]:
        try:
            yield None
        finally:
            _implicit.pop(loop, None)
            _closers.pop(loop, None)
            await engine.close()

    closer = hold()
    _closers[loop] = closer
    first: Coroutine[Any, Any, None] = closer.__anext__()  # type: ignore[assignment]
    with contextlib.suppress(StopIteration):  # it has run to its yield; from there on the loop knows it
        first.send(None)


def run_sync(function: Callable[..., Coroutine[Any, Any, T]], *args: Any, **kwargs: Any) -> T:
    """Run a coroutine function to its end from code that is not async.

    Raises:
        NodeloomError: inside a running event loop, where it would block it.
    """
    if asyncio._get_running_loop() is not None:
        raise NodeloomError("run_sync was called inside an event loop; there, await the thing itself")
    return asyncio.run(_main(function, *args, **kwargs))


async def _main(function: Callable[..., Coroutine[Any, Any, T]], *args: Any, **kwargs: Any) -> T:
    return await function(*args, **kwargs)


def _policies() -> host.Policies:
    from .policies import declared

    return declared


host.announce(current_engine, run_sync, _policies)
