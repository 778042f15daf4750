"""What a circuit breaker let through, as long as it still waits for tokens and slots: then it is asked again."""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from .shared import Breaker, Change

if TYPE_CHECKING:
    from ..nodes.context import Context

__all__ = ["Admission", "admission", "still_let_through", "wait_in_line"]


class Admission:
    """One call that a breaker let through.

    Args:
        ctx: the attempt's. breaker: the breaker. ticket: what it gave.

    Attributes:
        refused: it was let through, and then refused after a wait: nothing was asked of what is guarded.
        inside: the breaker counts on it to leave.
    """

    __slots__ = ("breaker", "ctx", "inside", "refused", "ticket")

    def __init__(self, ctx: Context, breaker: Breaker, ticket: int) -> None:
        self.ctx = ctx
        self.breaker = breaker
        self.ticket = ticket
        self.refused = False
        self.inside = True

    def step_aside(self) -> None:
        """Leave before anything was asked of what is guarded: another one may be the probe."""
        self.inside = False
        self.breaker.leave(self.ticket, "neither", _nobody, self.ctx)

    async def step_back(self) -> None:
        """Ask to be let through again. Raises `CircuitOpen`."""
        self.refused = True
        self.ticket = await self.breaker.enter()
        self.refused, self.inside = False, True


admission: contextvars.ContextVar[Admission | None] = contextvars.ContextVar("nodeloom_admission", default=None)


async def still_let_through(ctx: Context) -> None:
    """Ask the breaker around this attempt again, if there is one: it may have opened during a wait inside of it.

    Raises:
        CircuitOpen: it has.
    """
    known = _of(ctx)
    if known is None:
        return
    known.refused = True
    known.ticket = await known.breaker.ask_again(known.ticket)
    known.refused = False


async def wait_in_line(ctx: Context, take: Callable[[], Awaitable[None]]) -> None:
    """Wait for a token or a slot. While its run is paused an attempt stands in no line, and after that at its end.

    Args:
        ctx: the attempt's. take: takes one, behind those who asked before; cancelled, it leaves it to the others.

    Raises:
        CircuitOpen: the run was paused meanwhile, and the breaker around this attempt has opened.
    """
    services = cast("Any", ctx.live.services)
    while not await services.in_line(take, ctx):
        known = _of(ctx)
        if known is not None:
            known.step_aside()
        await ctx.sleep(0)  # until the run goes on
        if known is not None:
            await known.step_back()


def _of(ctx: Context) -> Admission | None:
    """What was let through for this attempt; a wait of a step within its work is not its own."""
    known = admission.get()
    return known if known is not None and known.ctx is ctx else None


def _nobody(change: Change, ctx: Any) -> None:
    """Nobody is told: what leaves without a verdict changes nothing."""
