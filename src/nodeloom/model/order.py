"""The order of a run's branches, and what ended ones leave to the result.

Segments form one list, in the order of the forks they come from. Labels with gaps make two of them comparable
without a walk (order maintenance, after Dietz and Sleator, 1987); when a gap is used up, all get new labels.
Neighbours that are over are merged, so the list is as long as there are live tokens, whatever a loop has done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .reducers import Reducer, append, extend
from .run import Base, Branch, Run, Segment
from .state import StateSchema, concat, log
from .values import Gathered, Values, owned

__all__ = ["close", "discard", "forget", "in_order", "insert_after", "open_first", "place_of", "record"]

GAP = 1 << 40


def place_of(run: Run, branch: Branch) -> int:
    """A number that orders the branch among the others alive at this time."""
    return run.segments[branch.segment].label if branch.segment >= 0 else 0


def open_first(run: Run, branch: Branch, state: Values, schema: StateSchema) -> None:
    """Begin the list, with the branch that is about to fork and its state."""
    if branch.segment < 0:
        branch.segment = _new(run, 0, -1, -1).id
        run.base = {key: _base_of(state[key], schema.reducers[key]) for key in schema.reducers if key in state}


def forget(run: Run, branch: Branch) -> None:
    """A single token, and nothing kept of others: the order is of no use until the next fork."""
    if run.tokens == 1 and not run.kept and not branch.parents and not run.failures:
        run.segments.clear()
        run.base = {}
        branch.segment = -1


def insert_after(run: Run, segment_id: int, count: int) -> list[int]:
    """Ids of `count` new segments behind one, in order."""
    left = run.segments[segment_id]
    right = run.segments[left.after] if left.after >= 0 else None
    room = right.label - left.label if right is not None else GAP * (count + 1)
    if room <= count:
        _relabel(run, segment_id, GAP * (count + 1))
        room = GAP * (count + 1)
    step = room // (count + 1)
    made: list[int] = []
    for number in range(count):
        before = made[-1] if made else segment_id
        made.append(_new(run, left.label + step * (number + 1), before, run.segments[before].after).id)
    return made


def record(
    run: Run, branch: Branch, updates: Mapping[str, Any], node_id: str, outputs: Values, schema: StateSchema
) -> None:
    """Remember a step's writes for the result."""
    segment = run.segments[branch.segment]
    log(segment.writes, updates, schema)
    segment.outputs[node_id] = outputs


def close(run: Run, segment_id: int, schema: StateSchema) -> None:
    """The segment is over: from here on it is one with its neighbours that are."""
    segment = run.segments.get(segment_id)
    if segment is None:
        return  # it has been merged already
    segment.open = False
    if segment.pinned:
        return
    if segment.after >= 0 and _is_over(run.segments[segment.after]):
        _merge_next(run, segment, schema)
    if segment.before >= 0 and _is_over(run.segments[segment.before]):
        _merge_next(run, run.segments[segment.before], schema)


def discard(run: Run, segment_id: int, schema: StateSchema) -> None:
    """The segment's token was dropped: it leaves nothing to the result."""
    segment = run.segments[segment_id]
    segment.writes, segment.outputs, segment.finals = {}, {}, {}
    close(run, segment_id, schema)


def in_order(run: Run) -> Iterator[Segment]:
    """All segments, first to last."""
    at = next((segment.id for segment in run.segments.values() if segment.before < 0), -1)
    while at >= 0:
        segment = run.segments[at]
        yield segment
        at = segment.after


def _base_of(value: Any, reducer: Reducer) -> Base:
    if type(value) is Gathered and reducer in (append, extend):
        return Base(value, len(value))  # it only grows, so its beginning stays what it is
    return Base(owned(value))


def _is_over(segment: Segment) -> bool:
    return not segment.open and not segment.pinned


def _new(run: Run, label: int, before: int, after: int) -> Segment:
    run.next_segment += 1
    segment = Segment(run.next_segment, label, before, after)
    run.segments[segment.id] = segment
    if before >= 0:
        run.segments[before].after = segment.id
    if after >= 0:
        run.segments[after].before = segment.id
    return segment


def _merge_next(run: Run, segment: Segment, schema: StateSchema) -> None:
    gone = run.segments.pop(segment.after)
    concat(segment.writes, gone.writes, schema)
    segment.outputs.update(gone.outputs)
    segment.finals.update(gone.finals)
    segment.after = gone.after
    if gone.after >= 0:
        run.segments[gone.after].before = segment.id


def _relabel(run: Run, wide_after: int, width: int) -> None:
    label = 0
    for segment in in_order(run):
        segment.label = label
        label += width if segment.id == wide_after else GAP
