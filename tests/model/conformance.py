"""The core beside the specification: both run one graph under one schedule, step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.model.adapter import Driven, Seen, plain
from tests.spec import reference
from tests.spec.graphs import GraphData
from tests.spec.reference import RunningStep, SpecRunResult

from nodeloom.model.branches import shares_state
from nodeloom.model.run import FEW, Run, RunResult

Schedule = Callable[[int], int]
"""Given how many steps run, which of them completes next."""


def by_numbers(numbers: Sequence[int]) -> Schedule:
    """A schedule that uses the numbers in turn, again and again; none means first in, first out."""
    turn = [0]

    def choose(running: int) -> int:
        turn[0] += 1
        return numbers[turn[0] % len(numbers)] % running if numbers else 0

    return choose


@dataclass
class Both:
    """What a graph came to on both sides."""

    spec: SpecRunResult
    core: RunResult
    driven: Driven
    failed_joins: int


class Specified(reference._Run):
    """The reference, which also keeps what failed tokens had written: the core counts that as the run's state.

    (Reading: what a run had when it failed is what its ended and its failed tokens had, merged by 4.4. The rules
    say nothing of it; the reference itself leaves failed tokens out.)
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.failing: RunningStep | None = None
        self.with_failed: list[tuple[reference.Place, reference.History]] = []

    def fail(self, step: RunningStep, type_name: str, detail: tuple[str, ...] = ()) -> None:
        self.failing = step
        super().fail(step, type_name, detail)

    def complete(self, step: RunningStep) -> None:
        result = step.result
        outputs = result.outputs if isinstance(result, reference.SpecRoute) else result
        self.failing = step
        if not isinstance(outputs, reference.SpecFailure):
            self.failing = replace(step, history=step.history + self.writes(step, outputs))
        super().complete(step)

    def run_failure(self, failure: reference.SpecFailed) -> None:
        if failure.fails_run and self.failing is not None:
            self.with_failed.append((failure.place, self.failing.history))
        super().run_failure(failure)

    def history(self) -> reference.History:
        ended = [(final.place, final.history) for final in self.finals]
        in_order = sorted(ended + self.with_failed, key=lambda one: one[0])
        return reference.merge_histories(history for _, history in in_order)


def run_both(
    data: GraphData,
    schedule: Schedule,
    *,
    resave: Callable[[], bool] = lambda: False,
    watch: Callable[[Run], None] = lambda run: None,
) -> Both:
    """Run a graph on both sides, the same steps completing in the same order, and compare all the way."""
    chosen: list[int] = []
    running_there: list[Sequence[RunningStep]] = []

    def choose(running: Sequence[RunningStep]) -> int:
        running_there.append(running)
        chosen.append(schedule(len(running)))
        return chosen[-1]

    specified = Specified(data.to_spec(), dict(data.inputs), choose)
    spec = specified.run()
    turn = iter(range(len(chosen)))

    def follow(running: Sequence[Seen]) -> int:
        at = next(turn, None)
        assert at is not None, f"the core still runs {[seen.node for seen in running]}"
        assert [one.node for one in running] == [one.node for one in running_there[at]]
        for mine, theirs in zip(running, running_there[at], strict=True):
            compare_step(mine, theirs)
        return chosen[at]

    driven = Driven(data.to_spec(), dict(data.inputs), follow, resave=resave, watch=watch)
    core = driven.to_end()
    assert next(turn, None) is None, "the core ended early"
    both = Both(spec, core, driven, specified.failed_joins)
    compare_results(both, specified)
    return both


def compare_step(mine: Seen, theirs: RunningStep) -> None:
    saw = theirs.saw
    assert dict(mine.inputs) == dict(saw.inputs), mine.node
    assert dict(mine.state) == dict(saw.state), mine.node
    assert mine.outputs == saw.outputs, mine.node
    assert mine.error == saw.error
    if mine.arrivals:
        assert mine.arrivals == saw.arrivals


def compare_results(both: Both, specified: Specified) -> None:
    spec, core, run = both.spec, both.core, both.driven.run
    assert core.status == spec.status
    if spec.error_type == "MaxStepsExceeded":
        assert "MaxStepsExceeded" in {error.type for error in core.errors}
    else:
        assert (core.error.type if core.error else None) == spec.error_type
        assert (core.error.node if core.error else None) == spec.error_node
        fatal = sorted((one.type, one.node) for one in spec.failures if one.fails_run)
        assert sorted((error.type, error.node) for error in core.errors) == fatal
        assert plain(core.state) == reference.state_of(specified.graph, specified.base, specified.history())
        assert plain(core.outputs) == reference.outputs_of(specified.history())
    assert plain(core.output) == dict(spec.output)
    compare_executions(both)
    compare_drops(both)
    assert_nothing_left(run)
    assert len({seen.id for seen in both.driven.seen}) == len(both.driven.seen), "a step id was given twice"


def compare_executions(both: Both) -> None:
    """The same steps in the same order; what a failure found ready but not begun is no execution here."""
    mine = [seen.node for seen in both.driven.seen]
    theirs = [one.node for one in both.spec.executions]
    assert mine == theirs[: len(mine)]
    assert len(mine) == len(theirs) or both.driven.run.stopping
    assert both.core.steps == len(theirs) + both.failed_joins


def compare_drops(both: Both) -> None:
    assert both.driven.run.dropped == len(both.spec.dropped)
    ended = sum(note.type == "branch_ended" for note in both.driven.notes)
    silent = sum(bool(one.before) for one in both.spec.failures)
    # A runaway ends between two joins that were due at once: which of them still failed is nobody's business.
    if not both.driven.plan.strict_routing and both.spec.error_type != "MaxStepsExceeded":
        assert ended == len(both.spec.ended) + silent


def assert_nothing_left(run: Run) -> None:
    left = (run.tokens, run.late, run.ready, run.flight, run.abandoned, run.waiting, run.waiting_mask)
    assert not any(left)
    assert not any((run.live, run.live_mask))
    assert not run.stretches
    assert len(run.branches) <= 1
    assert all(branch.over and not branch.trail and branch.parent < 0 for branch in run.branches.values())


def assert_sound(run: Run) -> None:
    """What holds between any two folds: who has seen what is said the same on both sides."""
    seen = {number: stretch.seen_by for number, stretch in run.stretches.items()}
    told: dict[int, set[int]] = {}
    for branch in run.branches.values():
        assert len(set(branch.trail)) == len(branch.trail)
        for number in branch.trail:
            told.setdefault(number, set()).add(branch.id)
        assert all(run.branches[child].parent == branch.id for child in branch.children)
        assert len(branch.children) != 1
        assert len(branch.fresh) <= FEW
        wrote = branch.trail or branch.fresh
        assert not wrote or branch.state is None or not shares_state(run, branch), "a write went to the fork's state"
        for key, numbers in (branch.latest or {}).items():
            assert all(key in run.stretches[number].writers and number in branch.trail for number in numbers)
    assert told == seen
    live = [branch for branch in run.branches.values() if not branch.over and not branch.children]
    assert len(live) == run.tokens
    assert sum(bool(branch.late) for branch in live) == run.late
    assert len(run.branches) > 1 or not run.stretches
    assert len(run.branches) > 1 or not any(branch.fresh for branch in run.branches.values())
