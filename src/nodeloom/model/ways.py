"""How a token goes on where nothing has to be decided: the most frequent moves of all, with everything known before.

A run has one live token for as long as nothing forks. Then no join has anybody to wait for, nobody else sees what
is written, and taking an edge is to write, to count, and to make the next step. And of many tokens on their way to
one join, each but the first and the last only has to be put beside those that wait there. All else is an outcome,
for `advance` to fold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .run import FEW, Arrival, Branch, Completed, Note, Run, Step
from .values import Values, as_values, put_all

__all__ = ["Kept", "Way", "way_along", "way_of"]

Kept = Values | dict[str, Any]
"""What a step returned, as the runtime keeps it; see `values.kept`."""

Way = Callable[[Run, Step, Kept], Step | Completed | None]
"""Of a run, a completed step and its outputs: the next step, or None where its token waits at a join and nothing else
moves, or the outcome where it takes more to go on."""


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

    def way(run: Run, step: Step, outputs: Kept) -> Completed:
        return Completed(step, as_values(outputs), taken)

    return way


def way_along(edge: int, source: Placed, target: Placed, max_steps: int) -> Way:
    """The way along one edge. A token on its own may have to wait all the same, where that leads to a quorum."""
    taken = (edge,)
    if target.join is not None and target.join.quorum:
        return way_of(taken)
    index, name, heads = target.index, source.id, target.heads
    stand, wait = _stand(source, target), _wait(edge, source, target)

    def way(run: Run, step: Step, outputs: Kept) -> Step | Completed | None:
        branch, kind = run.branches[step.branch], type(outputs)
        if not branch.solo or run.steps >= max_steps or (kind is not dict and kind is not Values):
            outputs = as_values(outputs)
            if wait is not None and wait(run, branch, step, outputs):
                return None
            return Completed(step, outputs, taken)
        put_all(branch.state, outputs)  # where they were absorbed already, as they are
        run.unread[name] = outputs
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


def _wait(edge: int, source: Placed, target: Placed) -> Callable[[Run, Branch, Step, Values], bool] | None:
    """To put a token beside those that wait at a join, where another one stands that holds it; whether that was all.

    Its view of the state goes: a join asks only for what it wrote, and if it ends there, the view is made again.
    """
    if target.join is None:
        return None
    index, name, node, place = target.index, source.id, source.index, source.place

    def wait(run: Run, branch: Branch, step: Step, outputs: Values) -> bool:
        standing, arrivals, fresh = run.live[place], run.waiting.get(index), branch.fresh
        if standing == 1 or arrivals is None or run.late or run.stopping or branch.absorbed == step.ordinal:
            return False
        if branch.trail or len(fresh) >= FEW or type(outputs) is not Values:
            return False
        run.live[place] = standing - 1
        branch.fresh = (*fresh, (name, outputs))
        branch.state = branch.outputs = branch.step = None
        branch.ordinal = step.ordinal + 1
        branch.heading = index
        arrivals.append(Arrival(index, edge, step.branch, node, outputs))
        return True

    return wait


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
