"""All that a fork made meets again: the usual fan-out, which takes no stretch (semantics 3.1, 4.3, 4.4, 4.6)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.model.adapter import Driven
from tests.model.drawn import build, drive, gives, saw
from tests.spec.graphs import REDUCERS

from nodeloom.model.advance import advance, result_of, stop
from nodeloom.model.branches import shares_state, state_of
from nodeloom.model.codec import decode_run, encode_run
from nodeloom.model.run import FEW, Cancelled, Completed
from nodeloom.model.values import freeze

FAN = "s>a s>b s>c a>j b>j c>j"


def begun(text: str, bodies: Any = None, **options: Any) -> Driven:
    """A run whose first step is done, and with it the fork."""
    driven = Driven(build(text, bodies), **options)
    driven._take_ready()
    driven.complete(0)
    return driven


def test_a_fan_out_that_meets_again_makes_no_stretch() -> None:
    """4.3: what each wrote is kept as it is, and goes into the fork's state at the join."""
    stretches: list[int] = []
    driven = drive(build(FAN), watch=lambda run: stretches.append(run.next_stretch))
    assert driven.result.state == dict.fromkeys("sabcj", 1)
    assert stretches == [0] * 5


def test_a_long_branch_gets_a_stretch_and_the_join_is_the_same() -> None:
    """4.3, 4.4: beyond a few steps what a branch wrote is condensed."""
    long = [f"x{number}" for number in range(FEW + 2)]
    chain = " ".join(f"{one}>{other}" for one, other in zip(["s", *long], [*long, "j"], strict=True))
    driven = drive(build(f"{chain} s>b b>j", {long[0]: gives(k="first"), long[-1]: gives(k="last")}))
    assert driven.run.next_stretch > 0
    assert driven.result.state["k"] == "last"
    assert list(saw(driven, "j")[0].state) == ["s", *sorted(["k", "b", *long[1:-1]])]


def test_of_many_on_their_way_to_a_join_those_between_take_no_outcome() -> None:
    """3.1: neither the first, which begins to wait, nor the last, with which the join starts."""
    driven = begun(FAN)
    plan, run = driven.plan, driven.run
    went = []
    for seen in driven.running:
        way = plan.way(plan.nodes[seen.step.node].always or ())
        outcome = way(run, seen.step, freeze({seen.node: 1}))
        went.append(type(outcome))
        if isinstance(outcome, Completed):
            advance(plan, run, outcome)
    assert went == [Completed, type(None), Completed]
    assert [step.inputs for step in run.ready] == [{"a": 1, "b": 1, "c": 1}]


def test_of_a_run_that_is_cancelled_what_waiting_tokens_wrote_remains() -> None:
    """2.6, 4.3: a token that waits has no view of the state, and gets one where it ends there."""
    driven = begun(FAN)
    driven.complete(0)
    driven.complete(0)
    stop(driven.run)
    advance(driven.plan, driven.run, Cancelled(driven.running[0].step))
    result = result_of(driven.plan, driven.run)
    assert (result.state, list(result.outputs)) == ({"s": 1, "a": 1, "b": 1}, ["s", "a", "b"])


@pytest.mark.parametrize("order", ["abc", "cba", "bca"])
def test_a_reduced_key_is_reduced_in_the_order_of_the_edges(order: str) -> None:
    """4.2, 4.4."""
    bodies = {name: gives(log=name) for name in "abc"}
    spec = build(FAN, bodies, reducers={"log": ("append", REDUCERS["append"])})
    driven = drive(spec, *order)
    assert list(driven.result.state["log"]) == ["a", "b", "c"]


def test_a_branch_has_the_state_of_its_fork_until_it_writes() -> None:
    """4.3: and what it writes, its siblings and the fork do not see."""
    driven = begun("s>a s>b a>c b>j c>j", inputs={"k": 0})
    run, schema = driven.run, driven.plan.state
    a, b = (run.branches[seen.step.branch] for seen in driven.running)
    assert shares_state(run, a)
    assert shares_state(run, b)
    driven.complete(0)
    assert state_of(run, a, schema) == {"k": 0, "s": 1, "a": 1}
    assert state_of(run, b, schema) == run.branches[b.parent].state == {"k": 0, "s": 1}


def test_a_state_that_branches_share_is_stored_once() -> None:
    """1.2: a fork does not make a run's bytes grow with the state."""
    whole = "x" * 10_000
    driven = begun(FAN, inputs={"k": whole})
    data = encode_run(driven.run)
    assert len(data) < 2.5 * len(whole)  # the inputs and the state
    run = decode_run(data)
    for seen in driven.running:
        assert state_of(run, run.branches[seen.step.branch], driven.plan.state)["k"] == whole
