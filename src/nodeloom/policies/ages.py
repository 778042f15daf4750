"""How old an answer was when a step got it, told from the layer that remembered it to the one around it."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..nodes.context import Context

__all__ = ["AnswerAge", "answer_age", "tell_age"]


class AnswerAge:
    """The age of the answer that a step gets.

    Args:
        ctx: the step's.

    Attributes:
        seconds: since the answer was made; 0 for one that is new.
    """

    __slots__ = ("ctx", "seconds")

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.seconds = 0.0


answer_age: contextvars.ContextVar[AnswerAge | None] = contextvars.ContextVar("nodeloom_answer_age", default=None)
"""Where the age of a step's answer is told to the layer that wants to know it."""


def tell_age(ctx: Context, seconds: float) -> None:
    """Say that the answer of this step is so many seconds old; nothing, where nobody wants to know."""
    known = answer_age.get()
    if known is not None and known.ctx is ctx:  # the answer of a step within this one's work is not this one's
        known.seconds = seconds
