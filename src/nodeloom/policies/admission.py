"""What a circuit breaker let through, as long as it still waits for tokens and slots: then it is asked again."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING

from .shared import Breaker

if TYPE_CHECKING:
    from ..nodes.context import Context

__all__ = ["Admission", "admission", "still_let_through"]


class Admission:
    """One call that a breaker let through.

    Args:
        ctx: the attempt's. breaker: the breaker. ticket: what it gave.

    Attributes:
        refused: it was let through, and then refused after a wait: nothing was asked of what is guarded.
    """

    __slots__ = ("breaker", "ctx", "refused", "ticket")

    def __init__(self, ctx: Context, breaker: Breaker, ticket: int) -> None:
        self.ctx = ctx
        self.breaker = breaker
        self.ticket = ticket
        self.refused = False


admission: contextvars.ContextVar[Admission | None] = contextvars.ContextVar("nodeloom_admission", default=None)


async def still_let_through(ctx: Context) -> None:
    """Ask the breaker around this attempt again, if there is one: it may have opened during a wait inside of it.

    Raises:
        CircuitOpen: it has.
    """
    known = admission.get()
    if known is None or known.ctx is not ctx:  # a wait of a step within this attempt's work is not the attempt's
        return
    known.refused = True
    known.ticket = await known.breaker.ask_again(known.ticket)
    known.refused = False
