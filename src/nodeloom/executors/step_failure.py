"""What a step may end with that is its own failure, and nobody else's end."""

from __future__ import annotations

import asyncio

from ..errors import StepError

__all__ = ["FAILURES", "as_failure"]

FAILURES = (Exception, asyncio.CancelledError, SystemExit)
"""What is a failure of the step it comes out of, unless it is the run's cancelling; KeyboardInterrupt never is."""


def as_failure(error: BaseException, node_id: str) -> BaseException:
    """What a step failed with: an error, also where it raised what would end its task, or the process."""
    if isinstance(error, asyncio.CancelledError):
        what = "raised CancelledError, though nobody cancelled it: what it awaited was"
    elif isinstance(error, SystemExit):
        what = f"called sys.exit({error.code!r}), which is no way to end a step: return, or raise an error"
    elif not isinstance(error, Exception):
        what = f"raised {type(error).__name__}, which is no way to end a step: return, or raise an error"
    else:
        return error
    failure = StepError(f"work of node {node_id} {what}")
    failure.__cause__ = error
    return failure
