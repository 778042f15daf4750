"""What branches wrote since the forks they come from, and whose past it is (semantics 4.3 to 4.6).

A join applies the stretches of its arrivals' pasts since their common fork, in the order of the arrivals, each
once: so a write reached by two paths is merged once, and a write superseded by a step that had seen it comes
before that step's. What is kept is what a later join can still ask for: neighbours in one past become one, a key
that a later stretch of the same past replaces goes, and of what lies before every open fork nothing is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Any

from ..errors import StateConflict
from .plan import Plan
from .run import FEW, Branch, Run, Stretch
from .state import StateSchema, apply, apply_log, concat, log
from .values import Values, merge, owned, sort_from

__all__ = [
    "Past",
    "apply_trail",
    "conflict_of",
    "forget_past",
    "join_pasts",
    "keep",
    "log_fresh",
    "merge_trail",
    "past_of",
    "take_past",
    "tidy",
]

Latest = dict[str, frozenset[int]]
Past = tuple[tuple[int, ...], Latest]
"""Stretches in order, and for each replaced key those whose write of it is unsuperseded."""


def keep(plan: Plan, run: Run, branch: Branch, node_id: str, outputs: Values) -> None:
    """Keep what a step wrote: as it is while that is little, else in the branch's own stretch."""
    if branch.trail or len(branch.fresh) >= FEW or type(outputs) is not Values:
        log_fresh(plan, run, branch)
        _write(plan, run, branch, node_id, outputs)
    else:
        branch.fresh += ((node_id, outputs),)


def log_fresh(plan: Plan, run: Run, branch: Branch) -> None:
    """Make a stretch of the branch's fresh steps, for whoever asks for its trail."""
    fresh, branch.fresh = branch.fresh, ()
    for node_id, outputs in fresh:
        _write(plan, run, branch, node_id, outputs)


def _write(plan: Plan, run: Run, branch: Branch, node_id: str, outputs: Values) -> None:
    if branch.stretch < 0:
        run.next_stretch += 1
        branch.stretch = run.next_stretch
        run.stretches[branch.stretch] = Stretch(branch.stretch, {branch.id})
        branch.trail += (branch.stretch,)
    stretch = run.stretches[branch.stretch]
    schema = plan.state
    updates = schema.select(outputs)
    log(stretch.writes, updates, schema)
    stretch.produced[node_id] = outputs
    replaced = [key for key in updates if key in schema.replaced]
    if replaced:
        stretch.writers |= dict.fromkeys(replaced, plan.by_id[node_id])
        branch.latest = {**(branch.latest or {}), **dict.fromkeys(replaced, frozenset((stretch.id,)))}


def apply_trail(run: Run, branch: Branch, state: Values, schema: StateSchema) -> Values:
    """Write what a branch's trail wrote into its fork's state, which becomes its own.

    Which stretches are kept apart depends on timing, so keys that come together at a join are in the order of
    their names.
    """
    known = len(state)
    for number in branch.trail:
        stretch = run.stretches[number]
        apply_log(state, _given(stretch, stretch.writes), schema)
    for _, outputs in branch.fresh:
        apply(state, schema.select(outputs), schema)
    if branch.joined:
        sort_from(state, known)
    return state


def merge_trail(run: Run, branch: Branch, outputs: Values) -> Values:
    """The same with what its trail produced, by node id."""
    known = len(outputs)
    for number in branch.trail:
        stretch = run.stretches[number]
        merge(outputs, _given(stretch, stretch.produced))
    for node_id, produced in branch.fresh:
        merge(outputs, {node_id: produced})
    if branch.joined:
        sort_from(outputs, known)
    return outputs


def past_of(run: Run, branch: Branch, fork: Branch | None) -> Past:
    """A branch's past since one of the forks it comes from, or since the first."""
    path = [branch]
    while path[-1].parent >= 0 and (fork is None or path[-1].parent != fork.id):
        path.append(run.branches[path[-1].parent])
    if len(path) == 1:
        return branch.trail, branch.latest or {}
    latest: Latest = {}
    for each in reversed(path):
        latest |= each.latest or {}
    return tuple([number for each in reversed(path) for number in each.trail]), latest


def join_pasts(run: Run, pasts: Sequence[Past], joined: Branch) -> None:
    """Give a branch several pasts, in arrival order, each stretch once."""
    joined.trail = tuple(dict.fromkeys(number for trail, _ in pasts for number in trail))
    for number in joined.trail:
        run.stretches[number].seen_by.add(joined.id)
    joined.latest = _latest_of(pasts) or None


def conflict_of(plan: Plan, run: Run, joined: Branch, pasts: Sequence[Past]) -> StateConflict | None:
    """Two of the pasts replaced one key, and neither had seen the other's write (semantics 4.5)."""
    place = {number: at for at, number in enumerate(joined.trail)}
    for key, numbers in (joined.latest or {}).items():
        for pair in combinations(sorted(numbers, key=lambda number: place[number]), 2):
            if not any(latest.get(key, frozenset()).issuperset(pair) for _, latest in pasts):
                first, second = (plan.nodes[run.stretches[number].writers[key]].id for number in pair)
                return StateConflict(
                    f"nodes {first} and {second} both replaced state key {key!r} in branches "
                    f"that met; declare a reducer for it (Annotated[..., append]) or let only one write it"
                )
    return None


def take_past(run: Run, fork: Branch, child: Branch) -> None:
    """The only branch left of a fork has the fork's past before its own."""
    for number in fork.trail:
        seen_by = run.stretches[number].seen_by
        seen_by.discard(fork.id)
        seen_by.add(child.id)
    child.trail = fork.trail + child.trail
    child.latest = (fork.latest or {}) | (child.latest or {}) or None


def forget_past(run: Run, branch: Branch) -> None:
    """Nobody will ask for a branch's past: what is only its own goes."""
    for number in branch.trail:
        stretch = run.stretches[number]
        stretch.seen_by.discard(branch.id)
        if not stretch.seen_by:
            del run.stretches[number]
    branch.trail, branch.latest, branch.stretch, branch.fresh = (), None, -1, ()


def tidy(run: Run, branch: Branch, schema: StateSchema) -> None:
    """Forget of a branch's past what no join can ask for any more."""
    alike: dict[int, list[int]] = {}
    for number in branch.trail:
        alike.setdefault(len(run.stretches[number].seen_by), []).append(number)
    for count, numbers in alike.items():
        if len(numbers) < 2:
            continue
        if count == 1:
            _tidy_own(run, branch, numbers, schema)
        else:
            for group in _of_one_past(run, numbers):
                _tidy_shared(run, group, schema)


def _given(stretch: Stretch, written: dict[str, Any]) -> dict[str, Any]:
    """What a stretch wrote or produced, for one branch: copied where others can be given it too (4.8)."""
    return written if len(stretch.seen_by) == 1 else {key: owned(value) for key, value in written.items()}


def _latest_of(pasts: Sequence[Past]) -> Latest:
    """For each replaced key, the writes that nobody who has seen them has superseded."""
    keys = {key for _, latest in pasts for key in latest}
    if not keys:
        return {}
    informed: dict[int, list[Latest]] = {}
    for trail, latest in pasts:
        for number in trail:
            informed.setdefault(number, []).append(latest)
    found: Latest = {}
    for key in keys:
        numbers = {number for _, latest in pasts for number in latest.get(key, ())}
        found[key] = frozenset(
            number for number in numbers if all(number in latest.get(key, ()) for latest in informed[number])
        )
    return found


def _of_one_past(run: Run, numbers: Sequence[int]) -> list[list[int]]:
    """Groups of at least two stretches that the same branches have seen."""
    groups: dict[frozenset[int], list[int]] = {}
    for number in numbers:
        groups.setdefault(frozenset(run.stretches[number].seen_by), []).append(number)
    return [group for group in groups.values() if len(group) > 1]


def _tidy_own(run: Run, branch: Branch, numbers: Sequence[int], schema: StateSchema) -> None:
    """Stretches that only this branch has seen: neighbours become one, replaced keys go."""
    own = set(numbers)
    before = -1
    for number in branch.trail:
        if number in own and before in own:
            _absorb(run, before, number, schema)
        before = number
    later: dict[str, int] = {}
    produced: set[str] = set()
    for number in [number for number in reversed(branch.trail) if number in own]:
        stretch = run.stretches[number]
        _strip(run, stretch, later, produced, schema)
        later |= dict.fromkeys(stretch.writes, number) | later
        produced.update(stretch.produced)


def _tidy_shared(run: Run, group: Sequence[int], schema: StateSchema) -> None:
    """The same for stretches that several branches have seen, as far as all have them in the same order."""
    trails = [run.branches[each].trail for each in run.stretches[group[0]].seen_by]
    places = [{number: at for at, number in enumerate(trail)} for trail in trails]
    for at, number in enumerate(group):
        for later in group[at + 1 :]:
            distances = {place[later] - place[number] for place in places}
            if distances == {1}:
                _absorb(run, number, later, schema)
                break
            if min(distances) > 0:
                kept = run.stretches[later]
                _strip(run, run.stretches[number], dict.fromkeys(kept.writes, later), kept.produced, schema)
            if number not in run.stretches:
                break


def _absorb(run: Run, number: int, later: int, schema: StateSchema) -> None:
    """A stretch and its neighbour behind it, of one past, become one."""
    gone, kept = run.stretches[number], run.stretches[later]
    kept.writes = concat(gone.writes, kept.writes, schema)
    kept.produced = _updated(gone.produced, kept.produced)
    for key in gone.writers:
        _rename(run, gone, key, later)
    kept.writers = _updated(gone.writers, kept.writers)
    _forget(run, number)


def _updated(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """One of two, with the other's items, the later ones winning: at the cost of the smaller."""
    if len(before) > len(after):
        before.update(after)
        return before
    for key, value in before.items():
        after.setdefault(key, value)
    return after


def _strip(
    run: Run, stretch: Stretch, later: Mapping[str, int], produced: Collection[str], schema: StateSchema
) -> None:
    """Take out of a stretch what stretches behind it, of the same past, replace."""
    for key in stretch.writes.keys() & later.keys() - schema.reducers.keys():
        del stretch.writes[key]
        if stretch.writers.pop(key, None) is not None:
            _rename(run, stretch, key, later[key])
    for node_id in stretch.produced.keys() & produced:
        del stretch.produced[node_id]
    if not stretch.writes and not stretch.produced:
        _forget(run, stretch.id)


def _rename(run: Run, stretch: Stretch, key: str, later: int) -> None:
    """Where a stretch's write of a key is unsuperseded, so is that of the one that takes its place."""
    for each in stretch.seen_by:
        latest = run.branches[each].latest
        if latest and stretch.id in latest.get(key, ()):
            latest[key] = latest[key] - {stretch.id} | {later}


def _forget(run: Run, number: int) -> None:
    for each in run.stretches.pop(number).seen_by:
        branch = run.branches[each]
        branch.trail = tuple([other for other in branch.trail if other != number])
