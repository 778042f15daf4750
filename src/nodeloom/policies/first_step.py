"""Bounding a call in time, for next to nothing when it does not wait.

A timer of the loop costs more than all other policies together, so it is armed only when the call does not finish at
its first step: the coroutine is driven once by hand, and what it then waits for is handed on to the loop. It runs in
its caller's asyncio task all the while, so context variables, `current_task` and cancellation are as ever.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any

from ..clock import Alarm
from .policy import Handler

if TYPE_CHECKING:
    from ..nodes.context import Context

__all__ = ["bounded"]

_COROUTINE: Any = types.CoroutineType


def bounded(
    call: Handler,
    limit: float,
    reason: str,
    overdue: Callable[[Context], Exception],
    since: Callable[[Context], float] | None = None,
) -> Handler:
    """The call, cancelled when it takes longer than `limit` seconds; then it fails with the error of `overdue`.

    Once the time is over it does not matter how the call ends: what it returns is dropped, and what it raises is
    only the cause. An error it raises before that is its own, also a TimeoutError. A cancellation from outside
    passes, and wins when both happen.

    Args:
        call: what is bounded. limit: seconds. overdue: makes the error.
        reason: the message of the CancelledError, for code that catches it to tell why.
        since: when the time of a call began, where that may have been before the call, in the loop's time.
    """

    async def handle(ctx: Context) -> Any:
        loop = asyncio.get_running_loop()
        end = loop.time() + limit
        if since is not None and (begun := since(ctx)) + limit < end:
            end = begun + limit
            if end <= loop.time():
                raise overdue(ctx)
        work: Any = call(ctx)
        if type(work) is not _COROUTINE:
            work = _awaited(work)
        try:
            waits_for = work.send(None)
        except StopIteration as done:
            return done.value
        alarm = Alarm(reason)
        timer = loop.call_at(end, alarm.ring)
        try:
            result = await _resumed(work, waits_for)
        except (Exception, asyncio.CancelledError) as error:
            if alarm.rang:
                raise alarm.outcome(lambda: overdue(ctx)) from error
            raise
        finally:
            timer.cancel()
        if alarm.rang:
            raise alarm.outcome(lambda: overdue(ctx))
        return result

    return handle


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


@types.coroutine
def _resumed(work: Generator[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    """The rest of a coroutine that was driven to its first wait: it waits for that, and then goes on by itself."""
    while True:
        try:
            yield waits_for
            break
        except GeneratorExit:
            work.close()
            raise
        except BaseException as error:  # as `yield from` does: the coroutine decides what comes of it
            try:
                waits_for = work.throw(error)
            except StopIteration as done:
                return done.value
    return (yield from work)
