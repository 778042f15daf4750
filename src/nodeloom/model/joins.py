"""The one join rule: a join starts when no live token elsewhere in the run can still reach it (semantics 3).

Live steps and waiting joins are each one bitmask, so the test is one AND. Only joins whose turn may have come are
looked at: those that a place which has just been left, or an arrival, could have held.
"""

from __future__ import annotations

from collections.abc import Sequence

from .branches import drop, join
from .order import place_of
from .plan import Join, Plan, PlanNode
from .run import Arrival, Branch, ErrorInfo, Note, Run, Step
from .values import Lent, Values, lend, merge

__all__ = ["Start", "arrive", "enter", "leave", "next_join"]

Start = tuple[Step, ErrorInfo | None]
"""A join's step, and the error it fails with instead of starting."""


def enter(run: Run, place: int) -> None:
    """A step begins to stand at a place."""
    if place:
        count = run.live.get(place, 0)
        run.live[place] = count + 1
        if not count:
            run.live_mask |= place


def leave(plan: Plan, run: Run, place: int) -> None:
    """A step no longer stands at a place."""
    if place:
        count = run.live[place] - 1
        if count:
            run.live[place] = count
        else:
            del run.live[place]
            run.live_mask ^= place
            run.stirred |= plan.reaches[place]


def arrive(plan: Plan, run: Run, node: PlanNode, branch: Branch, arrival: Arrival) -> list[Start]:
    """A token reaches a join: it waits there, or is dropped as late; a quorum may start at once."""
    if node.index in branch.late:
        run.dropped += 1
        run.tell(Note("arrival_dropped", node.id, {"source": _source(plan, arrival)}))
        drop(plan, run, branch)
        return []
    assert node.join is not None
    arrivals = run.waiting.setdefault(node.index, [])
    arrivals.append(arrival)
    run.waiting_mask |= node.join.reach.bit
    run.stirred |= node.join.reach.bit | node.join.reach.downstream
    if node.join.quorum and len(arrivals) == node.join.quorum:
        return [_start(plan, run, node)]
    return []


def next_join(plan: Plan, run: Run) -> Start | None:
    """Start the first join whose turn has come, in declaration order; None when there is none.

    One at a time: its step stands somewhere from then on, and may hold others.
    """
    while candidates := run.stirred & run.waiting_mask:
        bit = candidates & -candidates
        run.stirred &= ~bit
        node = plan.nodes[plan.joins[bit]]
        assert node.join is not None
        if _is_next(plan, run, node.join):
            run.stirred |= node.join.reach.downstream
            return _start(plan, run, node)
    run.stirred = 0
    return None


def _is_next(plan: Plan, run: Run, join: Join) -> bool:
    """Nobody else can come; or only joins that wait on this one in turn, and it is the first of them (3.3)."""
    reach = join.reach
    if reach.watched & run.live_mask:
        return False
    others = reach.watched & run.waiting_mask & ~reach.bit
    if not others:
        return True
    if others & ~reach.downstream:
        return False
    group = others | reach.bit
    return _first_of(plan, run, group) == reach.bit


def _first_of(plan: Plan, run: Run, group: int) -> int:
    """The first of a group in declaration order; quorums that are not met yet stand back for the others."""
    first = group & -group
    while group:
        bit = group & -group
        group ^= bit
        node = plan.nodes[plan.joins[bit]]
        if node.join is not None and not node.join.quorum:
            return bit
    return first


def _start(plan: Plan, run: Run, node: PlanNode) -> Start:
    """Take the arrivals waiting at a join and make them one step."""
    assert node.join is not None
    arrivals = run.waiting.pop(node.index)
    run.waiting_mask &= ~node.join.reach.bit
    arrivals.sort(key=lambda arrival: (arrival.edge, place_of(run, run.branches[arrival.branch])))
    short = _short_of_quorum(node, node.join, arrivals)
    if node.join.quorum and short is None:
        _mark_late(plan, run, node, node.join)
    branch, conflict = _gather(plan, run, arrivals)
    error = next((arrival.error for arrival in arrivals if arrival.error is not None), None)
    sources = tuple(arrival.source for arrival in arrivals)
    step = Step(node.index, branch.id, branch.ordinal, branch.seed, _inputs_of(arrivals), error, sources)
    run.tell(Note("join_started", node.id, {"sources": [_source(plan, arrival) for arrival in arrivals]}))
    if conflict is not None and short is None:
        short = ErrorInfo(
            "StateConflict", conflict.code, str(conflict), node.id, names=("StateConflict", "StepError")
        )
    return step, short


def _gather(plan: Plan, run: Run, arrivals: Sequence[Arrival]) -> tuple[Branch, Exception | None]:
    branches = [run.branches[arrival.branch] for arrival in arrivals]
    if len(branches) == 1:
        return branches[0], None
    return join(plan, run, branches)


def _inputs_of(arrivals: Sequence[Arrival]) -> Values:
    """One arrival's inputs unchanged, or those of all of them, later ones winning."""
    if len(arrivals) == 1:
        return arrivals[0].inputs
    merged = Values()
    shared = False
    for arrival in arrivals:
        shared = shared or isinstance(arrival.inputs, Lent)
        merge(merged, dict(dict.items(arrival.inputs)))
    return lend(merged) if shared else merged


def _short_of_quorum(node: PlanNode, join: Join, arrivals: Sequence[Arrival]) -> ErrorInfo | None:
    if len(arrivals) >= join.quorum:
        return None
    message = f"{len(arrivals)} of {join.quorum} branches arrived at {node.id}, and no other can"
    return ErrorInfo(
        "QuorumNotReached", "quorum_not_reached", message, node.id, names=("QuorumNotReached", "StepError")
    )


def _mark_late(plan: Plan, run: Run, node: PlanNode, join: Join) -> None:
    """Whoever is live and could still reach the quorum is too late for this start (semantics 3.4)."""
    late = frozenset((node.index,))
    for branch in run.branches.values():
        if branch.step is not None and plan.nodes[branch.step.node].place & join.reach.watched:
            branch.late |= late
    for other, arrivals in run.waiting.items():
        other_join = plan.nodes[other].join
        if other_join is not None and other_join.reach.bit & join.reach.watched:
            for arrival in arrivals:
                run.branches[arrival.branch].late |= late


def _source(plan: Plan, arrival: Arrival) -> str:
    return plan.nodes[arrival.source].id if arrival.source >= 0 else "start"

