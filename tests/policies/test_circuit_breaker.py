"""Circuit breakers: closed, open, half-open."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.policies.surroundings import Work, a_place, a_step, around

from nodeloom.errors import CircuitOpen, DefinitionError, PolicyError, RateLimitConflict, StepError
from nodeloom.library.http_errors import HttpStatusError
from nodeloom.policies.circuit_breaker import CircuitBreaker, MemoryBreaker
from nodeloom.policies.concurrency import Concurrency
from nodeloom.policies.limits import MemoryLimits
from nodeloom.policies.loop_clock import LoopClock
from nodeloom.policies.rate_limit import RateLimit
from nodeloom.policies.retry import Retry
from nodeloom.policies.shared import BreakerSettings
from nodeloom.policies.timeout import Deadline, Timeout
from nodeloom.policies.window import Window
from nodeloom.testing import run_virtual

DONE: dict[str, Any] = {"n": 1}
DOWN = ConnectionError("down")


async def outcomes(handle: Any, count: int, step: Any = None) -> list[str]:
    """What became of calls made one after another, in a word each."""
    words: list[str] = []
    for _ in range(count):
        try:
            await handle(step or a_step())
            words.append("ok")
        except CircuitOpen:
            words.append("refused")
        except Exception:
            words.append("failed")
    return words


def test_it_opens_after_failures_in_a_row():
    """5.5"""

    async def main():
        work = Work(DOWN)
        handle = around(work, CircuitBreaker(3))
        return await outcomes(handle, 5), work.count

    assert run_virtual(main()) == (["failed"] * 3 + ["refused"] * 2, 3)


def test_a_success_ends_a_row():
    """5.5"""

    async def main():
        return await outcomes(around(Work(DOWN, DOWN, DONE, DOWN, DOWN, DONE), CircuitBreaker(3)), 7)

    assert run_virtual(main()) == ["failed", "failed", "ok", "failed", "failed", "ok", "ok"]


def test_a_refused_call_is_told_when_to_come_back():
    """5.5"""

    async def main():
        handle = around(Work(DOWN), CircuitBreaker(1, reset_after=30.0, key="api"))
        await outcomes(handle, 1)
        await asyncio.sleep(10)
        with pytest.raises(CircuitOpen, match=r"circuit breaker api is open.*probe is let through in 20 s") as refused:
            await handle(a_step())
        return refused.value.retry_after

    assert run_virtual(main()) == pytest.approx(20.0)


def test_exactly_one_probe_passes_in_half_open_under_a_hundred_callers():
    """5.5 exactly one probe"""

    async def main():
        work = Work(DOWN, DONE, seconds=1.0)
        handle = around(work, CircuitBreaker(1, reset_after=5.0))
        await outcomes(handle, 1)
        await asyncio.sleep(5)
        words = await asyncio.gather(*(outcomes(handle, 1) for _ in range(100)))
        return sorted(word for each in words for word in each), work.count, await outcomes(handle, 2)

    words, count, afterwards = run_virtual(main())
    assert words == ["ok"] + ["refused"] * 99
    assert count == 2
    assert afterwards == ["ok", "ok"]


def test_a_probe_that_fails_keeps_it_open_for_as_long_again():
    """5.5"""

    async def main():
        handle = around(Work(DOWN, DOWN, DONE), CircuitBreaker(1, reset_after=5.0))
        first = await outcomes(handle, 1)
        await asyncio.sleep(5)
        probe = await outcomes(handle, 2)
        await asyncio.sleep(4.9)
        early = await outcomes(handle, 1)
        await asyncio.sleep(0.1)
        return first, probe, early, await outcomes(handle, 2)

    assert run_virtual(main()) == (["failed"], ["failed", "refused"], ["refused"], ["ok", "ok"])


def test_a_cancelled_probe_frees_its_slot_and_is_neither_success_nor_failure():
    """5.5"""

    async def main():
        work = Work(DOWN, DONE, seconds=1.0)
        handle = around(work, CircuitBreaker(1, reset_after=5.0))
        await outcomes(handle, 1)
        await asyncio.sleep(5)
        probe = asyncio.ensure_future(handle(a_step()))
        await asyncio.sleep(0.5)
        refused = await outcomes(handle, 1)
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        return refused, await outcomes(handle, 2)

    assert run_virtual(main()) == (["refused"], ["ok", "ok"])


def test_cancelled_calls_do_not_open_it_nor_end_a_row():
    """5.5 cancellation is neither"""

    async def main():
        work = Work(DOWN, DONE, DOWN, seconds=1.0)
        handle = around(work, CircuitBreaker(2))
        await outcomes(handle, 1)
        cancelled = asyncio.ensure_future(handle(a_step()))
        await asyncio.sleep(0.5)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        return await outcomes(handle, 2)

    assert run_virtual(main()) == ["failed", "refused"]


def test_what_a_call_ends_with_while_it_is_being_cancelled_does_not_count():
    """5.5"""

    async def main():
        async def stubborn(ctx: Any) -> Any:
            try:
                await asyncio.sleep(10)
            finally:
                raise DOWN

        handle = around(stubborn, CircuitBreaker(1), Deadline(1.0))
        return await outcomes(handle, 3)

    assert run_virtual(main()) == ["failed"] * 3


def test_a_timeout_is_a_failure():
    """5.1, 5.5 it is inside"""

    async def main():
        return await outcomes(around(Work(DONE, seconds=9.0), CircuitBreaker(2), Timeout(1.0)), 3)

    assert run_virtual(main()) == ["failed", "failed", "refused"]


def test_an_open_breaker_is_not_retried():
    """5.3"""

    async def main():
        work = Work(DOWN)
        handle = around(work, CircuitBreaker(2), Retry(10, wait=1.0))
        return await outcomes(handle, 2), work.count

    assert run_virtual(main()) == (["refused", "refused"], 2)


@pytest.mark.parametrize(
    ("counts", "error", "opens"),
    [
        ((OSError,), ValueError("answered"), False),
        ((OSError,), ConnectionError("down"), True),
        ("ConnectionError", ConnectionError("down"), True),
        ((lambda error: "down" in str(error)), ValueError("down"), True),
    ],
)
def test_only_errors_that_count_open_it(counts, error, opens):
    """5.5"""

    async def main():
        return await outcomes(around(Work(error), CircuitBreaker(2, counts=counts)), 3)

    assert run_virtual(main())[-1] == ("refused" if opens else "failed")


def test_a_probe_that_gets_an_error_which_does_not_count_closes_it():
    """5.5 it is an answer"""

    async def main():
        handle = around(Work(DOWN, ValueError("answered")), CircuitBreaker(1, reset_after=1.0, counts=OSError))
        await outcomes(handle, 1)
        await asyncio.sleep(1)
        return await outcomes(handle, 3)

    assert run_virtual(main()) == ["failed"] * 3


def test_a_policy_inside_that_cannot_do_its_part_says_nothing_about_what_is_guarded():
    """5.5"""

    async def main():
        return await outcomes(around(Work(RateLimitConflict("two limits")), CircuitBreaker(1)), 3)

    assert run_virtual(main()) == ["failed"] * 3


def test_a_late_answer_of_a_call_from_before_it_opened_changes_nothing():
    """5.5"""

    async def main():
        slow, quick = Work(DONE, seconds=3.0), Work(DOWN)
        place, policy = a_place(), CircuitBreaker(1, reset_after=10.0, key="api")
        one, other = around(slow, policy, place=place), around(quick, policy, place=place)
        late = asyncio.ensure_future(one(a_step()))
        await asyncio.sleep(1)
        await outcomes(other, 1)
        await late
        return await outcomes(other, 1)

    assert run_virtual(main()) == ["refused"]


def test_a_late_failure_does_not_end_the_probe_of_another():
    """5.5 exactly one probe"""

    async def main():
        late, quick = Work(DOWN, seconds=6.0), Work(DOWN, DONE, seconds=0.0)
        probe = Work(DONE, seconds=4.0)
        place, policy = a_place(), CircuitBreaker(1, reset_after=5.0, key="api")
        slow_call = asyncio.ensure_future(around(late, policy, place=place)(a_step()))
        await asyncio.sleep(0)
        await outcomes(around(quick, policy, place=place), 1)
        await asyncio.sleep(5)
        probing = asyncio.ensure_future(around(probe, policy, place=place)(a_step()))
        await asyncio.sleep(2)  # the late failure has come by now
        refused = await outcomes(around(quick, policy, place=place), 1)
        await asyncio.gather(slow_call, probing, return_exceptions=True)
        return refused, await outcomes(around(quick, policy, place=place), 1)

    assert run_virtual(main()) == (["refused"], ["ok"])


def test_by_rate_it_opens_when_the_share_of_failures_is_reached_and_there_were_enough_calls():
    """5.5 by rate over a window"""

    async def main():
        work = Work(DONE, DOWN, DONE, DOWN, DONE, DOWN)
        return await outcomes(around(work, CircuitBreaker(rate=0.5, minimum=6, window=10.0)), 7)

    assert run_virtual(main()) == ["ok", "failed", "ok", "failed", "ok", "failed", "refused"]


def test_by_rate_calls_older_than_the_window_do_not_count():
    """5.5"""

    async def main():
        work = Work(DOWN, DOWN, DOWN, DONE, DONE, DONE, DONE, DOWN)
        handle = around(work, CircuitBreaker(rate=0.5, minimum=4, window=10.0))
        first = await outcomes(handle, 3)
        await asyncio.sleep(10)
        return first + await outcomes(handle, 6)

    assert run_virtual(main()) == ["failed"] * 3 + ["ok"] * 4 + ["failed"] * 2


def test_by_rate_the_count_begins_anew_when_it_closes():
    """5.5"""

    async def main():
        work = Work(DOWN, DOWN, DONE, DOWN)
        handle = around(work, CircuitBreaker(rate=0.5, minimum=2, window=100.0, reset_after=1.0))
        first = await outcomes(handle, 3)
        await asyncio.sleep(1)
        return first + await outcomes(handle, 3)

    assert run_virtual(main()) == ["failed", "failed", "refused", "ok", "failed", "failed"]


def test_changes_are_told_to_watchers_and_to_the_log(caplog):
    """5.5"""

    async def main():
        step = a_step()
        handle = around(Work(DOWN, DONE), CircuitBreaker(1, reset_after=2.0, key="api"))
        await outcomes(handle, 1, step)
        await asyncio.sleep(2)
        await outcomes(handle, 1, step)
        return step.live.events

    with caplog.at_level(logging.INFO, logger="tests.fetch"):
        events = run_virtual(main())
    assert [(type, data) for type, _, data in events] == [
        ("breaker_opened", {"key": "api", "reset_after": 2.0}),
        ("breaker_closed", {"key": "api"}),
    ]
    assert [record.getMessage() for record in caplog.records] == [
        "circuit breaker api opened (open after 1 failures in a row, for 2 s)",
        "circuit breaker api closed",
    ]


def test_each_key_has_its_own_breaker_and_places_of_one_key_share_one():
    """5.5 shared by key across runs"""

    async def main():
        place = a_place()
        templated = around(Work(DOWN), CircuitBreaker(1, key="{{ params.host }}"), place=place)
        constant = around(Work(DONE), CircuitBreaker(1, key="a.org"), place=place)
        await outcomes(templated, 1, a_step(params={"host": "a.org"}))
        other = await outcomes(templated, 1, a_step(params={"host": "b.org"}))
        return other + await outcomes(constant, 1)

    assert run_virtual(main()) == ["failed", "refused"]


def test_without_a_key_graphs_of_one_name_do_not_contradict_each_other():
    """5.5 by default the state is that of this node in this graph"""

    async def main():
        place = a_place()
        hasty, patient = (around(Work(DOWN), CircuitBreaker(count), place=place) for count in (1, 2))
        words = await outcomes(hasty, 2) + await outcomes(patient, 3)
        with pytest.raises(CircuitOpen, match="circuit breaker web/fetch is open"):
            await hasty(a_step())
        return words

    assert run_virtual(main()) == ["failed", "refused", "failed", "failed", "refused"]


def test_two_settings_on_one_key_are_refused():
    """5.5"""
    place = a_place()
    kept = CircuitBreaker(5, key="api")
    around(Work({}), kept, place=place)
    with pytest.raises(PolicyError, match="two circuit breakers share the key 'api'"):
        around(Work({}), CircuitBreaker(6, key="api"), place=place)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"failures": 0}, "failures=0"),
        ({"reset_after": 0}, "reset_after=0"),
        ({"rate": 1.5}, "rate=1.5"),
        ({"rate": 0.5, "window": -1}, "window=-1"),
        ({"window": 5}, "window goes with a rate"),
        ({"minimum": 0}, "minimum=0"),
        ({"counts": 5}, "counts=5: give exception classes"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong, message):
    """5.5"""
    with pytest.raises(DefinitionError, match=message):
        CircuitBreaker(**wrong)


moves = st.lists(
    st.tuples(st.sampled_from(["enter", "success", "failure", "neither", "wait"]), st.integers(0, 9)), max_size=60
)


@given(moves)
@settings(max_examples=200, deadline=None)
def test_whatever_happens_open_lets_nobody_through_and_half_open_one(moves):
    """5.5 against the state machine as the rule says it"""
    model = _Model(failures=2, reset_after=5.0)

    async def main():
        limits = MemoryLimits()
        settings = BreakerSettings(2, 5.0, 60.0, None, 10)
        inside: list[tuple[MemoryBreaker, int, int]] = []
        for word, which in moves:
            if word == "wait":
                await asyncio.sleep(which)
                continue
            now = asyncio.get_running_loop().time()
            if word == "enter":
                breaker = limits.breaker("api", settings)
                try:
                    inside.append((breaker, breaker.try_enter(), model.enter(now)))
                except CircuitOpen:
                    with pytest.raises(CircuitOpen):
                        model.enter(now)
            elif inside:
                breaker, ticket, twin = inside.pop(which % len(inside))
                told: list[str] = []
                breaker.leave(ticket, word, lambda change, into: into.append(change), told)
                assert told == model.leave(twin, word, now)

    run_virtual(main())


class _Model:
    """The rule, in words: an era begins with each change of state, and only calls of this era count."""

    def __init__(self, failures: int, reset_after: float) -> None:
        self.failures, self.reset_after = failures, reset_after
        self.era = self.row = 0
        self.open_since: float | None = None
        self.probe: int | None = None

    def enter(self, now: float) -> int:
        if self.open_since is not None:
            if self.probe is not None or now < self.open_since + self.reset_after:
                raise CircuitOpen("open")
            self.era += 1
            self.probe = self.era
        return self.era

    def leave(self, era: int, verdict: str, now: float) -> list[str]:
        if self.open_since is not None:
            return self.end_probe(verdict, now) if era == self.probe else []
        if era != self.era or verdict == "neither":
            return []
        self.row = 0 if verdict == "success" else self.row + 1
        if self.row < self.failures:
            return []
        self.open_since, self.row = now, 0
        self.era += 1
        return ["opened"]

    def end_probe(self, verdict: str, now: float) -> list[str]:
        self.probe = None
        if verdict == "neither":
            return []
        self.era += 1
        self.open_since = None if verdict == "success" else now
        return ["closed" if verdict == "success" else "opened"]


def test_a_window_forgets_in_tenths():
    """5.5"""
    window = Window(10.0)
    for now in range(10):
        window.add(float(now), now % 2)
    assert (window.calls, window.failures) == (10, 5)
    assert not window.is_empty(18.9)
    assert (window.calls, window.failures) == (1, 1)
    assert window.is_empty(19.0)


def test_the_state_can_be_read():
    """5.5"""

    async def main():
        breaker = MemoryBreaker("api", BreakerSettings(1, 5.0, 60.0, None, 10), LoopClock())
        states = [breaker.state]
        breaker.leave(breaker.try_enter(), "failure", lambda change, ctx: None, None)
        states.append(breaker.state)
        await asyncio.sleep(5)
        return [*states, breaker.state]

    assert run_virtual(main()) == ["closed", "open", "half_open"]


@pytest.mark.parametrize("wait", [Concurrency(2), RateLimit(2)])
def test_who_waited_behind_it_when_it_opened_is_not_let_through(wait: Any):
    """5.5: two hundred callers ask what is down only a few times."""

    async def main():
        work = Work(DOWN, seconds=1.0)
        handle = around(work, CircuitBreaker(3, reset_after=1000.0), wait)
        words = await asyncio.gather(*(outcomes(handle, 1) for _ in range(200)))
        return work.count, [word for (word,) in words].count("refused")

    count, refused = run_virtual(main())
    assert count <= 5
    assert count + refused == 200


def test_of_those_who_waited_past_its_time_exactly_one_is_the_probe():
    """5.5: with half-open reached while they waited."""

    async def main():
        work = Work(*[DOWN] * 3, DONE, seconds=15.0)
        handle = around(work, CircuitBreaker(2, reset_after=0.5), RateLimit(1, per=10.0))
        return [word for (word,) in await asyncio.gather(*(outcomes(handle, 1) for _ in range(6)))]

    # One begins every ten seconds, it opens after 25; what begins at 30 probes until 45.
    assert run_virtual(main()) == ["failed", "failed", "failed", "ok", "refused", "ok"]


def test_a_probe_may_wait_for_a_slot():
    """5.5: it is asked again too, and is the same probe."""

    async def main():
        limits = MemoryLimits()
        slow = around(Work(DONE, seconds=20.0), Concurrency(1, key="one"), place=a_place(limits))
        work = Work(DOWN, DONE)
        handle = around(work, CircuitBreaker(1, reset_after=5.0), Concurrency(1, key="one"), place=a_place(limits))
        words = await outcomes(handle, 1)
        await asyncio.sleep(6)
        holder = asyncio.create_task(slow(a_step()))
        await asyncio.sleep(1)
        words += await outcomes(handle, 2)
        await holder
        return words, work.count

    assert run_virtual(main()) == (["failed", "ok", "ok"], 3)


@pytest.mark.parametrize(
    ("counts", "words"), [((Exception,), ["failed"] * 3), ((StepError,), ["failed"] + ["refused"] * 2)]
)
def test_an_error_that_says_itself_that_it_is_final_counts_only_when_it_is_named(counts: Any, words: list[str]):
    """5.5: what answers 404 works."""

    async def main():
        return await outcomes(around(Work(HttpStatusError("404", 404)), CircuitBreaker(1, counts=counts)), 3)

    assert run_virtual(main()) == words
