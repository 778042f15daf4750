"""The core gives what the specification gives, on any graph under any schedule (semantics 2, 3 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.model.adapter import Driven, Seen, plain
from tests.model.conformance import assert_nothing_left, assert_sound, by_numbers, run_both
from tests.spec.graphs import GraphData, Options, digraphs, graphs, schedules, structured_graphs

from nodeloom.model import order

ANY_GRAPH = graphs(Options(reducers_undeclared=True))
CROSSING = Options(reducers_undeclared=True, unhandled=False, broken_conditions=False, max_growth=9)
TIMELESS = graphs(Options(quorums=False, reducers_undeclared=True))


@given(ANY_GRAPH, schedules())
def test_the_core_gives_what_the_specification_gives(data: GraphData, numbers: tuple[int, ...]) -> None:
    """2.1, 2.4 to 2.7, 3.1 to 3.5, 4.1 to 4.6: result, failures, drops, and what every step saw."""
    run_both(data, by_numbers(numbers), watch=assert_sound)


@given(structured_graphs(CROSSING), schedules())
def test_large_graphs_whose_forks_do_not_nest(data: GraphData, numbers: tuple[int, ...]) -> None:
    """3.1 to 3.4, 4.3 to 4.6: forks and joins that cross, quorums, loops, without failures that end it early."""
    run_both(data, by_numbers(numbers), watch=assert_sound)


@given(digraphs(Options(reducers_undeclared=True)), schedules())
def test_graphs_without_any_structure(data: GraphData, numbers: tuple[int, ...]) -> None:
    """3.1, 3.3, 3.4: cycles entered anywhere."""
    run_both(data, by_numbers(numbers), watch=assert_sound)


@given(structured_graphs(Options(declared=True, max_growth=8)), schedules())
def test_declared_states_and_their_conflicts(data: GraphData, numbers: tuple[int, ...]) -> None:
    """4.1, 4.5: conflicts where the specification has them, and nowhere else."""
    run_both(data, by_numbers(numbers), watch=assert_sound)


@given(ANY_GRAPH, schedules(), st.integers(0, 1_000))
def test_a_run_goes_on_from_its_bytes_at_any_point(data: GraphData, numbers: tuple[int, ...], seed: int) -> None:
    """1.2: a run is data: encoded and decoded between any two outcomes, it becomes the same."""
    coin = Random(seed)
    run_both(data, by_numbers(numbers), watch=assert_sound, resave=lambda: coin.random() < 0.4)


@pytest.mark.parametrize("gap", [1, 2, 3])
def test_the_order_of_branches_survives_new_labels(gap: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """4.4: places stay in order when the gaps between their labels are used up."""
    monkeypatch.setattr(order, "GAP", gap)

    @given(structured_graphs(CROSSING), schedules())
    def test(data: GraphData, numbers: tuple[int, ...]) -> None:
        run_both(data, by_numbers(numbers), watch=assert_sound)

    test()


def outcome_of(data: GraphData, choose: Any) -> tuple[Driven, Any, Any]:
    driven = Driven(data.to_spec(), dict(data.inputs), choose)
    result = driven.to_end()
    assert_nothing_left(driven.run)
    ids = {seen.id: (seen.node, plain(seen.inputs), plain(seen.state), plain(seen.outputs)) for seen in driven.seen}
    said = repr((result.status, result.errors, plain(result.state), plain(result.outputs), plain(result.output)))
    return driven, said, ids


@given(TIMELESS, st.lists(st.integers(0, 1_000), min_size=3, max_size=3, unique=True))
def test_the_order_of_completion_changes_nothing(data: GraphData, seeds: Sequence[int]) -> None:
    """1.3, 4.4: the same result and step ids under shuffled completion, down to the order of keys."""
    data = replace(data, on_failure="continue")
    first = None
    for seed in seeds:
        coin = Random(seed)

        def choose(running: Sequence[Seen], coin: Random = coin) -> int:
            return coin.randrange(len(running))

        driven, said, ids = outcome_of(data, choose)
        assume(driven.run.steps < data.max_steps)
        first = first or (said, ids)
        assert (said, ids) == first


@given(ANY_GRAPH, schedules())
def test_a_run_that_is_stopped_from_outside_ends(data: GraphData, numbers: tuple[int, ...]) -> None:
    """2.6: whatever runs or waits when a run is stopped, nothing is left live."""
    from nodeloom.model.advance import advance, stop
    from nodeloom.model.run import Cancelled

    choose = by_numbers(numbers)
    driven = Driven(data.to_spec(), dict(data.inputs), lambda running: choose(len(running)))
    driven._take_ready()
    for _ in range(len(numbers)):
        if driven.running:
            driven.complete(driven.choose(driven.running))
    stop(driven.run)
    for seen in driven.running:
        advance(driven.plan, driven.run, Cancelled(seen.step))
        assert_sound(driven.run)
    assert_nothing_left(driven.run)
