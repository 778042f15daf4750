"""The pure schedule of a ticking node (semantics 10.1, 10.2)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeloom.runners.ticks.schedule import BURST, Schedule

RATES = st.sampled_from([0.5, 1.0, 3.0, 10.0, 30.0, 59.94, 100.0, 1000.0]) | st.floats(0.1, 2000.0)
OVERRUNS = st.sampled_from(["skip", "catch_up", "coalesce"])


def test_instants_are_counted_from_the_start_and_error_does_not_accumulate() -> None:
    """10.1: the n-th instant is t0 + n/rate, however many there were before."""
    schedule = Schedule(5.0, 30.0)
    for number in range(100_000):
        due = schedule.begin(schedule.next)
        assert due == 5.0 + number / 30.0
        schedule.end(due)
    assert schedule.dropped == schedule.overruns == 0


def test_a_rate_of_n_has_n_instants_in_each_second() -> None:
    """10.1: the end of a duration is not part of it."""
    for rate in (1.0, 30.0, 59.94, 100.0, 1000.0):
        schedule = Schedule(0.0, rate)
        schedule.until = 10.0
        assert schedule.expected(10.0) == schedule.expected(1e9) == math.ceil(rate * 10)


def test_skip_drops_what_comes_while_a_tick_runs() -> None:
    """10.2"""
    schedule = Schedule(0.0, 10.0)
    schedule.begin(0.0)
    assert schedule.end(0.35) is None
    assert (schedule.overruns, schedule.dropped, schedule.next) == (3, 3, 0.4)


def test_catch_up_owes_what_came_and_drops_what_is_too_much() -> None:
    """10.2: bounded; the oldest are dropped."""
    schedule = Schedule(0.0, 10.0, "catch_up")
    schedule.begin(0.0)
    assert schedule.end(0.35) == 0.1
    begun = [schedule.begin(0.35)]
    while schedule.end(0.35) is not None:
        begun.append(schedule.begin(0.35))
    assert begun == pytest.approx([0.1, 0.2, 0.3])
    schedule.begin(0.4)
    schedule.end(100.0)
    assert schedule.overruns == 3 + 996
    assert schedule.dropped == 996 - BURST


def test_coalesce_owes_one_tick_for_all_that_came() -> None:
    """10.2"""
    schedule = Schedule(0.0, 10.0, "coalesce")
    schedule.begin(0.0)
    assert schedule.end(0.35) == pytest.approx(0.3)
    assert (schedule.overruns, schedule.dropped) == (3, 2)
    schedule.begin(0.35)
    assert schedule.end(0.36) is None
    assert schedule.next == 0.4


def test_what_came_while_no_tick_ran_is_run_and_is_no_overrun() -> None:
    """10.2: the system was late, not the node; but an hour is not replayed."""
    schedule = Schedule(0.0, 10.0)
    assert schedule.begin(0.25) == 0.0
    assert schedule.end(0.25) == pytest.approx(0.1)
    assert schedule.overruns == 0
    asleep = Schedule(0.0, 10.0)
    assert asleep.begin(3600.0) == pytest.approx(3600.0 - (BURST - 1) / 10)
    assert (asleep.overruns, asleep.dropped) == (0, 36_001 - BURST)


def test_a_change_of_the_rate_counts_from_the_last_instant() -> None:
    """10.3"""
    schedule = Schedule(0.0, 1.0)
    schedule.begin(0.0)
    schedule.end(0.0)
    schedule.change(10.0, 0.02)
    assert schedule.next == 0.1
    schedule.change(0.5, 0.05)
    assert schedule.next == 2.0
    slow = Schedule(0.0, 0.1)
    slow.begin(0.0)
    slow.end(0.0)
    slow.change(100.0, 5.0)
    assert slow.next == 5.0, "what would have been before is not replayed"


def test_time_in_a_pause_was_never_due() -> None:
    """6.2: and the grid stays."""
    schedule = Schedule(0.0, 10.0)
    schedule.begin(0.0)
    schedule.end(0.0)
    schedule.pass_over(7.05)
    assert schedule.next == pytest.approx(7.1)
    assert schedule.expected(7.05) == 1


@given(
    rate=RATES,
    overrun=OVERRUNS,
    moves=st.lists(
        st.tuples(st.floats(0.0, 5.0), st.floats(0.0, 5.0), st.sampled_from(["", "leave", "change"])), max_size=40
    ),
)
def test_every_instant_is_either_ticked_or_dropped_exactly_once(
    rate: float, overrun: str, moves: list[tuple[float, float, str]]
) -> None:
    """10.2: whatever ticks take, however late they begin, whatever changes meanwhile."""
    schedule = Schedule(0.0, rate, overrun)  # type: ignore[arg-type]
    now, ticked, begun = 0.0, 0, []
    for wait, lasts, what in moves:
        now += wait / rate
        due = schedule.begin(now)
        if due is not None:
            ticked += 1
            begun.append(due)
            assert due <= now
            now += lasts / rate
            if what == "change":
                schedule.change(rate * 1.5, now)
            schedule.end(now)
        if what == "leave":
            schedule.leave_out()
            now = max(now, schedule.next)
    schedule.until = now
    schedule.drop(now)
    assert ticked + schedule.dropped == schedule.expected(now)
    assert begun == sorted(begun)
    assert len(begun) == len(set(begun)), "no instant is ticked twice"
    assert schedule.overruns <= schedule.expected(now)


@given(rate=RATES, start=st.floats(0.0, 1e6), now=st.floats(0.0, 1e6))
def test_no_instant_that_is_to_come_lies_in_the_past(rate: float, start: float, now: float) -> None:
    """10.1: and the one before it does."""
    schedule = Schedule(start, rate)
    following = schedule.following(now)
    assert following > now or following == start
    count = schedule.expected(now)
    assert count == 0 or start + (count - 1) / rate <= now < start + count / rate
