"""How a token goes on when it is alone: the most frequent move of all, with everything decided beforehand.

A run has one live token for as long as nothing forks. Then no join has anybody to wait for, nobody else sees what
is written, and taking an edge is to write, to count, and to make the next step. All else is an outcome, for
`advance` to fold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .run import Completed, Note, Run, Step
from .values import Values, put_all

__all__ = ["Way", "way_along", "way_of"]

Way = Callable[[Run, Step, Values], Step | Completed]
"""Of a run, a completed step and its outputs: the next step, or the outcome where it takes more to go on."""


class Placed(Protocol):
    """What matters here of a node in a plan; see `plan.PlanNode`."""

    @property
    def index(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def heads(self) -> bool: ...
    @property
    def place(self) -> int: ...
    @property
    def join(self) -> Any: ...


def way_of(taken: tuple[int, ...]) -> Way:
    """The way of a token that takes these edges, where they are none or several: an outcome in any case."""

    def way(run: Run, step: Step, outputs: Values) -> Completed:
        return Completed(step, outputs, taken)

    return way


def way_along(edge: int, source: Placed, target: Placed, max_steps: int) -> Way:
    """The way along one edge. A token on its own may have to wait all the same, where that leads to a quorum."""
    taken = (edge,)
    if target.join is not None and target.join.quorum:
        return way_of(taken)
    index, name, heads = target.index, source.id, target.heads
    stand = _stand(source, target)

    def way(run: Run, step: Step, outputs: Values) -> Step | Completed:
        branch = run.branches[step.branch]
        if not branch.solo or run.steps >= max_steps or type(outputs) is not Values:
            return Completed(step, outputs, taken)
        put_all(branch.state, outputs)  # where they were absorbed already, as they are
        branch.unread[name] = outputs
        run.steps += 1
        branch.ordinal = ordinal = step.ordinal + 1
        branch.step = following = Step(index, step.branch, ordinal, step.seed, outputs)
        if heads:
            rounds = run.rounds
            rounds[index] = rounds[index] + 1 if index in rounds else 1
        if stand is not None:
            stand(run, following)
        return following

    return way


def _stand(source: Placed, target: Placed) -> Callable[[Run, Step], None] | None:
    """What is to be noted where it matters, once the token forks, who stands where; or who came to a join."""
    place, moves = target.place, source.place != target.place
    sources = () if target.join is None else (source.index,)

    def stand(run: Run, step: Step) -> None:
        if moves:
            run.live = {place: 1} if place else {}
            run.live_mask = place
        if sources:
            step.sources = sources
            run.tell(Note("join_started", target.id, {"sources": [source.id]}))

    return stand if moves or sources else None
