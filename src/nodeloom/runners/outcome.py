"""What a run that has ended is to who awaits it: its result, or what failed it."""

from __future__ import annotations

from typing import Any

from ..errors import RunCancelled, RunFailed
from ..model.advance import first_failure
from ..model.result import note_item
from ..model.run import ErrorInfo, RunResult
from ..model.values import Values
from ..nodes.context import Live

__all__ = ["batch_of", "checked", "failure_of", "outputs_alone"]


def checked(result: RunResult, live: Live, name: str) -> RunResult:
    """The result of a run that completed.

    Raises:
        RunFailed: of one that failed, from the exception that failed it. RunCancelled: its engine cancelled it.
    """
    if result.status == "completed":
        return result
    if result.status == "cancelled":
        raise RunCancelled(f"run {result.run_id} of graph {name} was cancelled", result)
    raise RunFailed(f"run {result.run_id} of graph {name} failed: {result.error}", result) from failure_of(result, live)


def outputs_alone(result: RunResult, live: Live, name: str) -> Values:
    """The outputs of a node by itself.

    Raises:
        what failed it, as it was raised, with a note of the item of a batch that it was. RunCancelled: as of `checked`.
    """
    if result.status == "failed" and live.exceptions:
        info, error = live.exceptions[0]
        note_item(error, info)
        raise error
    return checked(result, live, name).output


def failure_of(result: RunResult, live: Live) -> BaseException | None:
    """The exception that failed a run."""
    failure = first_failure(live.run)
    error: ErrorInfo | None = failure.error if failure is not None else result.error
    return next((exception for info, exception in live.exceptions if info is error), None)


def batch_of(info: ErrorInfo | None, error: BaseException | None) -> Any:
    """What became of the items of the batch that failed a run; None of one that failed otherwise."""
    if isinstance(error, RunFailed):  # of a graph inside of a step
        return error.result.batch
    return getattr(error, "batch", None) if info is not None and info.index is not None else None
