"""What a run became, and what failed as data."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ..errors import NodeloomError, RunFailed
from .branches import outputs_of, state_of
from .masks import MASKS
from .order import in_order
from .plan import Plan
from .run import ErrorInfo, Failure, Run, RunResult
from .state import plain, start_values
from .values import Returned, Values, looked_at, merge, shadows

__all__ = [
    "blame_item",
    "blame_nothing",
    "error_info",
    "failures_of",
    "first_failure",
    "note_item",
    "result_of",
    "says_retryable",
]


def result_of(plan: Plan, run: Run) -> RunResult:
    """What the run became, once no token is live; then what has ended is one branch.

    Args:
        plan: the compiled graph. run: the run.
    """
    ended = [branch for branch in in_order(run) if branch.over]
    state, outputs, final = start_values(plan.state, run.inputs), Returned(), Values()
    for branch in ended:
        merge(state, state_of(run, branch, plan.state))
        merge(outputs, outputs_of(run, branch, plan.state) if branch.outputs is None else branch.outputs)
        merge(final, branch.final or {})
    if ended:  # then those were of the branch that it is
        merge(outputs, run.unread)
    if shadows(dict[str, Any].keys(outputs)):  # a node is called as a method of dict is
        looked_at(outputs)
    for key in plan.state.reducers:
        if key in state:
            merge(state, {key: plain(state[key])})
    errors = tuple(failure.error for failure in failures_of(run))
    word: Any = "failed" if errors else run.status
    return RunResult(run.id, word, state, outputs, final, run.steps, errors[0] if errors else None, errors)


def first_failure(run: Run) -> Failure | None:
    """The failure that comes first in the order of the graph (semantics 2.6)."""
    return next(iter(failures_of(run)), None)


def failures_of(run: Run) -> list[Failure]:
    """All failures in the order of the graph, and then those before a quorum that has never started."""
    excused = sorted(
        (each.failure for each in run.excused), key=lambda one: (one.node, one.error.type, one.error.message)
    )
    return [*(failure for branch in in_order(run) for failure in branch.failures), *excused]


def error_info(error: BaseException, node: str) -> ErrorInfo:
    """An exception as data, secrets masked. Of a graph inside a graph, what failed inside it is what failed."""
    names: list[str] = []
    for each in type(error).__mro__[:-1]:
        names += [each.__name__, f"{each.__module__}.{each.__qualname__}"]
    index, which = vars(error).get(_ITEM, (None, ""))
    inner: ErrorInfo | None = error.result.error if isinstance(error, RunFailed) else None
    if inner is not None:
        known = tuple(dict.fromkeys((*inner.names, *names)))
        where = f"{node}/{inner.node}" if inner.node else node
        message, place = f"{which}{inner.message}", inner.index if index is None else index
        return replace(inner, node=where, names=known, message=message, index=place)
    code = getattr(error, "code", None)
    return ErrorInfo(
        type(error).__name__,
        code if isinstance(code, str) else _snake(type(error).__name__),
        MASKS.text(f"{which}{error}"),
        node,
        bool(getattr(error, "retryable", False)),
        tuple(dict.fromkeys(names)),
        index,
    )


_ITEM = "__nodeloom_item__"


def blame_item(error: BaseException, index: int, total: int | None) -> None:
    """Have an exception say which item of a batch it is of.

    Args:
        error: what failed the batch. index: of the item, from 0. total: how many items there are, if that is known.
    """
    of = f" of {total}" if total is not None else ""
    vars(error)[_ITEM] = index, f"item {index + 1}{of} (index {index}): "


def blame_nothing(error: BaseException) -> None:
    """Take that back, once it is told: an exception that is raised again may be another step's."""
    vars(error).pop(_ITEM, None)


def note_item(error: BaseException, info: ErrorInfo) -> None:
    """Have an exception that a caller gets as it is say in a note which item of a batch it is of, if of any.

    Args:
        error: the exception. info: what is told of it.
    """
    if info.index is None:
        return
    what, node = info.message.partition(": ")[0], f" of node {info.node}"
    notes: list[str] = getattr(error, "__notes__", [])
    for note in [note for note in notes if note.startswith("item ") and note.endswith(node)]:
        notes.remove(note)  # of an earlier call that raised the same object
    error.add_note(f"{what}{node}")


def says_retryable(error: BaseException) -> bool | None:
    """What an error says itself of trying again, by an attribute `retryable`; None where it says nothing.

    What all errors of nodeloom have from their root says nothing: authors derive theirs from it without a thought.
    """
    kinds = (kind for kind in type(error).__mro__ if kind is not NodeloomError)
    said = "retryable" in vars(error) or any("retryable" in vars(kind) for kind in kinds)
    value: Any = getattr(error, "retryable", None) if said else None
    return value if isinstance(value, bool) else None


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() and at else char.lower() for at, char in enumerate(name))
