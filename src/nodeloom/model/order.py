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
    before = gone.before
    for number, branch in enumerate(made):
        branch.label = gone.label + number * (room // count)
        _link(run, before, branch.id)
        branch.before = before
        before = branch.id
    made[-1].after = gone.after
    if after is not None:
        after.before = before


def unlink(run: Run, branch: Branch) -> None:
    """Take a branch out of the list."""
    _link(run, branch.before, branch.after)
    if branch.after >= 0:
        run.branches[branch.after].before = branch.before


def in_order(run: Run) -> Iterator[Branch]:
    """The branches that are live or have ended, first to last."""
    linked = (branch for branch in run.branches.values() if not branch.children and branch.before < 0)
    at = next(linked, None)
    while at is not None:
        yield at
        at = run.branches[at.after] if at.after >= 0 else None


def _link(run: Run, before: int, after: int) -> None:
    if before >= 0:
        run.branches[before].after = after


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
