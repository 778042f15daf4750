"""The order of a run's branches: by their places in their forks (semantics 4.4).

The branches whose token is live or has ended form one list. Labels with gaps make two of them comparable without a
walk (order maintenance, after Dietz and Sleator, 1987); when a gap is used up, all get new labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .run import Branch, Run

__all__ = ["in_order", "replace", "unlink"]

GAP = 1 << 40


def replace(run: Run, gone: Branch, made: Sequence[Branch]) -> None:
    """Put branches, in order, where another one was."""
    count = len(made)
    after = run.branches[gone.after] if gone.after >= 0 else None
    room = GAP * count if after is None else after.label - gone.label
    if room < count:
        _relabel(run, gone, GAP * count)
        room = GAP * count
    label, step = gone.label, room // count
    before = run.branches[gone.before] if gone.before >= 0 else None
    for branch in made:
        branch.label = label
        label += step
        if before is not None:
            before.after = branch.id
            branch.before = before.id
        before = branch
    last = made[-1]
    last.after = gone.after
    if after is not None:
        after.before = last.id


def unlink(run: Run, branch: Branch) -> tuple[Branch | None, Branch | None]:
    """Take a branch out of the list; its neighbours there."""
    before = run.branches[branch.before] if branch.before >= 0 else None
    after = run.branches[branch.after] if branch.after >= 0 else None
    if before is not None:
        before.after = branch.after
    if after is not None:
        after.before = branch.before
    return before, after


def in_order(run: Run) -> Iterator[Branch]:
    """The branches that are live or have ended, first to last."""
    linked = (branch for branch in run.branches.values() if not branch.children and branch.before < 0)
    at = next(linked, None)
    while at is not None:
        yield at
        at = run.branches[at.after] if at.after >= 0 else None


def _relabel(run: Run, wide: Branch, width: int) -> None:
    at = wide
    while at.before >= 0:
        at = run.branches[at.before]
    label = 0
    while True:
        at.label = label
        label += width if at is wide else GAP
        if at.after < 0:
            return
        at = run.branches[at.after]
