"""One call on behalf of several steps: the context it runs with, and what each step gets of what comes of it.

Such a call belongs to none of the steps: it goes on when the one it was begun for is cancelled, and when that one's
run has ended.
"""

from __future__ import annotations

import asyncio
import copy
from types import FunctionType, TracebackType
from typing import Any, TypeVar

from msgspec.structs import replace

from ..model.values import writable
from ..nodes.context import Context, Live, Own, Walk
from ..nodes.event import EventType

__all__ = ["context_of_its_own", "own_failure", "seen_out"]

E = TypeVar("E", bound=BaseException)


class SeparateLive(Live):
    """A run's services for a call that outlives its step: told to stop, it tells only the call.

    What it emits goes to whoever watches the run it was begun in.
    """

    __slots__ = ("_origin",)

    def __init__(self, origin: Live) -> None:
        super().__init__(origin.graph, origin.plan, origin.run, origin.services)
        self._origin = origin
        for name in ("metadata", "config", "runtime", "trace_id", "parent_span_id", "exceptions", "watch", "loop"):
            setattr(self, name, getattr(origin, name))

    def emit(self, type: EventType, ctx: Any = None, **data: Any) -> None:
        """Tell whoever watches the run."""
        self._origin.emit(type, ctx, **data)


def context_of_its_own(ctx: Context, **changes: Any) -> Context:
    """The step's context for a call in a task of its own: its walk, and the state and outputs as they are now.

    Args:
        ctx: the context of the step it is begun for. **changes: what differs, as `step` or `own`.

    Example:
        `with context_of_its_own(ctx).walk: ...` has what is logged inside carry the step's fields.
    """
    if "own" not in changes:
        known = ctx.own or Own()
        known.scope()  # of an item: what its step's names stand for, while there is the step
        changes["own"] = replace(known, state=writable(ctx.state), outputs=writable(ctx.outputs))
    walk = Walk(SeparateLive(ctx.live))
    walk.context = apart = ctx.having(walk=walk, **changes)
    return apart


async def seen_out(call: asyncio.Task[Any]) -> None:
    """Cancel a call that nobody waits for any more, and wait for its end, however often this is cancelled meanwhile.

    It is awaited by who is being cancelled, and raises that when it is done.
    """
    call.cancel()
    while not call.done():
        try:
            await asyncio.wait({call})
        except asyncio.CancelledError:  # not the first one: the caller raises that
            continue


def own_failure(error: E, trace: TracebackType | None) -> E:
    """A copy of an exception for one of several who raise it: a traceback grows wherever it is raised.

    Args:
        error: the exception; one that cannot be copied is given as it is. trace: its traceback when it was caught.
    """
    kind = type(error)
    try:
        made_here = isinstance(kind.__init__, FunctionType)  # which may not take what it made of its arguments
        twin = kind.__new__(kind, *error.args) if made_here else copy.copy(error)
        vars(twin).update(vars(error))
    except Exception:  # whatever its own code raises: it cannot be copied
        return error.with_traceback(trace)
    twin.__cause__, twin.__context__ = error.__cause__, error.__context__
    twin.__suppress_context__ = error.__suppress_context__
    return twin.with_traceback(trace)
