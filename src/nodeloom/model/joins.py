"""The one join rule: a join starts when no live token elsewhere in the run can still reach it (semantics 3).

Live steps and waiting joins are each one bitmask, so the test is one AND. Only joins whose turn may have come are
looked at: those that a place which has just been left, or an arrival, could have held. Only while tokens are late
for a quorum, which no mask tells, is every waiting join looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from ..errors import QuorumNotReached, StateConflict
from .branches import drop, join
from .plan import Join, Plan, PlanNode
from .result import error_info
from .run import Arrival, Branch, ErrorInfo, Note, Run, Step
from .values import Lent, Values, lend, merge, put_all

__all__ = ["Start", "arrive", "enter", "leave", "next_join", "settle_failures"]

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


def arrive(plan: Plan, run: Run, node: PlanNode, branch: Branch, arrival: Arrival) -> Start | None:
    """A token reaches a join: it waits there, or is dropped as late; a quorum may start at once."""
    if node.index in branch.late:
        run.dropped += 1
        run.tell(Note("arrival_dropped", node.id, {"source": _source(plan, arrival)}))
        drop(plan, run, branch)
        return None
    assert node.join is not None
    arrivals = run.waiting.setdefault(node.index, [])
    arrivals.append(arrival)
    reach = node.join.reach
    run.waiting_mask |= reach.bit
    if node.join.quorum and len(arrivals) == node.join.quorum:
        run.stirred |= reach.downstream
        return _start(plan, run, node)
    if run.late or not reach.watched & run.live_mask:  # else whoever is live holds this join, and those behind it
        run.stirred |= reach.bit | reach.downstream
    return None


def next_join(plan: Plan, run: Run) -> Start | None:
    """Start the first join whose turn has come, in declaration order; None when there is none.

    One at a time: its step stands somewhere from then on, and may hold others.
    """
    if run.late:
        return _next_beside_late(plan, run)
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
    return _first_of(plan, others | reach.bit) == reach.bit


def _first_of(plan: Plan, group: int) -> int:
    """The first of a group in declaration order; quorums that are not met yet stand back for the others."""
    first = group & -group
    while group:
        bit = group & -group
        group ^= bit
        node = plan.nodes[plan.joins[bit]]
        if node.join is not None and not node.join.quorum:
            return bit
    return first


def _next_beside_late(plan: Plan, run: Run) -> Start | None:
    """The same, where a token that is late for a quorum is none that can still arrive there (3.4)."""
    behind = {bit: _waiting_before(plan, run, bit) for bit in _bits(run.waiting_mask)}
    for bit in behind:
        group = _all_behind(bit, behind)
        if any(not _all_behind(other, behind) & bit for other in _bits(group)):
            continue
        if not any(_is_held(plan, run, other) for other in _bits(group)) and _first_of(plan, group) == bit:
            return _start(plan, run, plan.nodes[plan.joins[bit]])
    return None


def _waiting_before(plan: Plan, run: Run, bit: int) -> int:
    """The joins where somebody waits who can still come to this one; late is what all who wait there are."""
    found = 0
    for other in _bits(_join_at(plan, bit).reach.watched & run.waiting_mask & ~bit):
        first, *others = (run.branches[each.branch].late for each in run.waiting[plan.joins[other]])
        if _leads_to(plan, other, bit, first.intersection(*others)):
            found |= other
    return found


def _leads_to(plan: Plan, place: int, join: int, late: frozenset[int]) -> bool:
    """Whether a token at a place can come to a join, when some quorums let nothing of it through any more (3.4)."""
    if not late:
        return True
    closed = 0
    for index in late:
        join_there = plan.nodes[index].join
        closed |= 0 if join_there is None else join_there.reach.bit
    found = todo = place
    while todo and not found & join & ~closed:
        bit = todo & -todo
        todo ^= bit
        if not bit & closed:
            todo |= plan.leads[bit] & ~found
            found |= plan.leads[bit]
    return bool(found & join & ~closed)


def _all_behind(bit: int, behind: dict[int, int]) -> int:
    group, todo = bit, behind[bit]
    while todo & ~group:
        other = todo & ~group & -(todo & ~group)
        group |= other
        todo |= behind[other]
    return group


def _is_held(plan: Plan, run: Run, bit: int) -> bool:
    """A running step can still come to the join."""
    reach = _join_at(plan, bit).reach
    if not reach.watched & run.live_mask:
        return False
    for branch in run.branches.values():
        place = plan.nodes[branch.step.node].place if branch.step is not None else 0
        if place & reach.watched and _leads_to(plan, place, bit, branch.late):
            return True
    return False


def _join_at(plan: Plan, bit: int) -> Join:
    found = plan.nodes[plan.joins[bit]].join
    assert found is not None
    return found


def _bits(mask: int) -> list[int]:
    """Each bit of a mask, lowest (first declared) first."""
    found: list[int] = []
    while mask:
        found.append(mask & -mask)
        mask &= mask - 1
    return found


def _start(plan: Plan, run: Run, node: PlanNode) -> Start:
    """Take the arrivals waiting at a join and make them one step."""
    assert node.join is not None
    arrivals = run.waiting.pop(node.index)
    run.waiting_mask &= ~node.join.reach.bit
    _sort(run, arrivals)
    for arrival in arrivals:
        run.branches[arrival.branch].heading = -1
    short = _short_of_quorum(node, node.join, arrivals)
    if node.join.quorum and short is None:
        _mark_late(plan, run, node, node.join)
    branch, conflict = _gather(plan, run, arrivals)
    errors = [arrival.error for arrival in arrivals if arrival.error is not None]
    error = errors[-1] if errors else None
    sources = tuple([arrival.source for arrival in arrivals])
    step = Step(node.index, branch.id, branch.ordinal, branch.seed, _inputs_of(arrivals), error, sources)
    if run.notes is not None:
        run.tell(Note("join_started", node.id, {"sources": [_source(plan, arrival) for arrival in arrivals]}))
    if conflict is not None and short is None:
        short = error_info(conflict, node.id)
    return step, short


_edge_of = attrgetter("edge")


def _sort(run: Run, arrivals: list[Arrival]) -> None:
    """By edge declaration, then by the token's place in its fork (4.4)."""
    arrivals.sort(key=_edge_of)
    if len(set(map(_edge_of, arrivals))) < len(arrivals):
        arrivals.sort(key=lambda arrival: (arrival.edge, run.branches[arrival.branch].label))


def _gather(plan: Plan, run: Run, arrivals: Sequence[Arrival]) -> tuple[Branch, StateConflict | None]:
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
        inputs = arrival.inputs
        if type(inputs) is Values:
            put_all(merged, inputs)
            continue
        shared = shared or isinstance(inputs, Lent)
        merge(merged, dict(dict[str, Any].items(inputs)))
    return lend(merged) if shared else merged


def _short_of_quorum(node: PlanNode, join: Join, arrivals: Sequence[Arrival]) -> ErrorInfo | None:
    if len(arrivals) >= join.quorum:
        return None
    message = f"{len(arrivals)} of {join.quorum} branches arrived at {node.id}, and no other can"
    return error_info(QuorumNotReached(message), node.id)


def _mark_late(plan: Plan, run: Run, node: PlanNode, join: Join) -> None:
    """Whoever is live and could still reach the quorum is too late for this start (semantics 3.4)."""
    late = frozenset((node.index,))
    settle_failures(run, join)
    for branch in run.branches.values():
        if _place_of(plan, branch) & join.reach.watched:
            run.late += not branch.late
            branch.late |= late


def settle_failures(run: Run, join: Join) -> None:
    """Failures before a quorum are nobody's any more: it has started, or that it cannot has been dealt with."""
    run.excused = [each for each in run.excused if not each.before & join.reach.bit]


def _place_of(plan: Plan, branch: Branch) -> int:
    """Where a branch's token stands, runs or waits, or will when it arrives."""
    if branch.step is not None:
        return plan.nodes[branch.step.node].place
    if branch.heading < 0:
        return 0
    node = plan.nodes[branch.heading]
    return node.place if node.join is None else node.join.reach.bit


def _source(plan: Plan, arrival: Arrival) -> str:
    return plan.nodes[arrival.source].id if arrival.source >= 0 else "start"
