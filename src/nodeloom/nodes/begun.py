"""When a step began that first had to wait for its node's `on_start`: its deadline counts from there."""

from __future__ import annotations

import contextvars
import math

from .context import Context

__all__ = ["begun_at", "say_begun"]

_begun: contextvars.ContextVar[tuple[str, str, float] | None] = contextvars.ContextVar("nodeloom_begun", default=None)


def say_begun(ctx: Context, at: float) -> None:
    """Say when the step of this task began, in the loop's time; `-inf` where its deadline is over."""
    _begun.set((ctx.run_id, ctx.step_id, at))


def begun_at(ctx: Context) -> float:
    """When it was said that this step began, told once, for it may be begun anew; `inf` where nothing was said."""
    known = _begun.get()
    if known is None:
        return math.inf
    _begun.set(None)
    return known[2] if known[:2] == (ctx.run_id, ctx.step_id) else math.inf
