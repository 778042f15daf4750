"""What branches wrote, and who has it in their past (semantics 4.3 to 4.6).

A join applies the stretches that its first arrival has not seen, in the order of the arrivals: so a write reached
by two paths is merged once, and a write superseded by a step that had seen it comes before that step's. What is
kept is what a later join can still ask for: stretches with one past become one, a key that a later stretch of
the same past replaces goes, and what every branch has seen is forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from ..errors import StateConflict
from .plan import Plan
from .run import Branch, Run, Stretch
from .state import StateSchema, concat, log
from .values import Values, owned

__all__ = ["conflict_of", "forget_all", "forget_branch", "given", "join_pasts", "tidy", "unseen", "write"]

Latest = dict[str, frozenset[int]]


def write(plan: Plan, run: Run, branch: Branch, updates: Mapping[str, Any], node: int, outputs: Values) -> None:
    """Keep what a step wrote, in the branch's own stretch."""
    if branch.stretch < 0:
        run.next_stretch += 1
        branch.stretch = run.next_stretch
        run.stretches[branch.stretch] = Stretch(branch.stretch, {branch.id})
        branch.trail.append(branch.stretch)
    stretch = run.stretches[branch.stretch]
    schema = plan.state
    log(stretch.writes, updates, schema)
    stretch.produced[plan.nodes[node].id] = outputs
    if schema.declared:
        own = frozenset((stretch.id,))
        for key in updates:
            if key not in schema.reducers:
                stretch.writers[key] = node
                branch.latest[key] = own


def unseen(run: Run, trail: Iterable[int], seen: Iterable[int]) -> list[Stretch]:
    """The stretches of a trail that are not on another."""
    known = set(seen)
    return [run.stretches[number] for number in trail if number not in known]


def given(stretch: Stretch, written: dict[str, Any]) -> dict[str, Any]:
    """What a stretch wrote or produced, for a branch of its own: copied where others can be given it too (4.8)."""
    return written if len(stretch.seen_by) == 1 else {key: owned(value) for key, value in written.items()}


def join_pasts(run: Run, arrived: Sequence[Branch], joined: Branch) -> None:
    """Give a branch the pasts of several, in arrival order, each stretch once."""
    joined.trail = list(dict.fromkeys(number for branch in arrived for number in branch.trail))
    for number in joined.trail:
        run.stretches[number].seen_by.add(joined.id)
    joined.latest = _latest_of(run, arrived)


def conflict_of(plan: Plan, run: Run, arrived: Sequence[Branch], joined: Branch) -> StateConflict | None:
    """Two of the branches replaced one key, and neither had seen the other's write (semantics 4.5)."""
    place = {number: at for at, number in enumerate(joined.trail)}
    for key, latest in joined.latest.items():
        for pair in combinations(sorted(latest, key=lambda number: place[number]), 2):
            if not any(branch.latest.get(key, frozenset()).issuperset(pair) for branch in arrived):
                first, second = (plan.nodes[run.stretches[number].writers[key]].id for number in pair)
                return StateConflict(
                    f"nodes {first} and {second} both replaced state key {key!r} in branches "
                    f"that met; declare a reducer for it (Annotated[..., append]) or let only one write it"
                )
    return None


def forget_branch(run: Run, branch: Branch) -> None:
    """A branch is no more: what only it had seen goes with it."""
    for number in branch.trail:
        stretch = run.stretches[number]
        stretch.seen_by.discard(branch.id)
        if not stretch.seen_by:
            del run.stretches[number]


def forget_all(run: Run, last: Branch) -> None:
    """One branch is left: no join can ask what was written, nor in which order branches lie."""
    run.stretches.clear()
    last.trail.clear()
    last.latest.clear()
    last.stretch = last.before = last.after = -1
    last.label = 0


def tidy(run: Run, branch: Branch, schema: StateSchema) -> None:
    """Forget of a branch's past what no join can ask for any more."""
    everyone = len(run.branches)
    alike: dict[int, list[int]] = {}
    for number in tuple(branch.trail):
        count = len(run.stretches[number].seen_by)
        if count == everyone:
            _forget(run, number)
        else:
            alike.setdefault(count, []).append(number)
    for count, numbers in alike.items():
        if len(numbers) < 2:
            continue
        if count == 1:
            _tidy_own(run, branch, numbers, schema)
        else:
            for group in _of_one_past(run, numbers):
                _tidy_shared(run, group, schema)


def _latest_of(run: Run, arrived: Sequence[Branch]) -> Latest:
    """For each replaced key, the writes that nobody who has seen them has superseded."""
    by_id = {branch.id: branch for branch in arrived}
    found: dict[str, set[int]] = {}
    for branch in arrived:
        for key, numbers in branch.latest.items():
            found.setdefault(key, set()).update(numbers)

    def is_latest(key: str, number: int) -> bool:
        informed = run.stretches[number].seen_by & by_id.keys()
        return all(number in by_id[each].latest.get(key, ()) for each in informed)

    return {key: frozenset(number for number in numbers if is_latest(key, number)) for key, numbers in found.items()}


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
    for number in tuple(branch.trail):
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
    concat(gone.writes, kept.writes, schema)
    kept.writes = gone.writes
    kept.produced = gone.produced | kept.produced
    for key in gone.writers:
        _rename(run, gone, key, later)
    kept.writers = gone.writers | kept.writers
    _forget(run, number)


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
        if stretch.id in latest.get(key, ()):
            latest[key] = latest[key] - {stretch.id} | {later}


def _forget(run: Run, number: int) -> None:
    stretch = run.stretches.pop(number)
    for each in stretch.seen_by:
        branch = run.branches[each]
        branch.trail.remove(number)
        for key in stretch.writers:
            if number in branch.latest.get(key, ()):
                branch.latest[key] -= {number}
