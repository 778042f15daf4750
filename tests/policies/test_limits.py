"""What policies share by key, in one process: kept as long as it matters, and no longer."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nodeloom.errors import CircuitOpen, ConcurrencyConflict
from nodeloom.policies import limits as module
from nodeloom.policies.circuit_breaker import FORGOTTEN
from nodeloom.policies.limits import MemoryLimits
from nodeloom.policies.shared import BreakerSettings, Claim, Rate
from nodeloom.testing import run_virtual

IN_A_ROW = BreakerSettings(2, 5.0, 60.0, None, 10)
BY_RATE = BreakerSettings(5, 5.0, 10.0, 0.5, 3)


def ignored(change: Any, ctx: Any) -> None:
    """Nobody watches."""


@pytest.fixture
def _small(monkeypatch):
    """Idle keys are looked for from the third key on."""
    monkeypatch.setattr(module, "ROOMY", 2)


@pytest.mark.parametrize("count", [5_000])
def test_a_stream_of_distinct_keys_is_held_in_bounded_memory(count):
    """5.5, 5.6, 5.7 idle keys are evicted, with no timer"""

    async def main():
        limits = MemoryLimits()
        for number in range(count):
            key = f"key-{number}"
            assert limits.bucket(key, Rate(1.0, 1)).try_take()
            breaker = limits.breaker(key, IN_A_ROW)
            breaker.leave(breaker.try_enter(), "success", ignored, None)
            limits.remember(key, {"n": number}, ttl=1.0)
            assert limits.slots(key, 1).try_acquire()
            await asyncio.sleep(0.01)
        tables = (limits._buckets, limits._breakers, limits._kept)
        gc.collect()
        return [len(table.states) for table in tables], len(limits._slots)

    sizes, slots = run_virtual(main())
    assert max(sizes) <= module.ROOMY
    assert slots == 0


@pytest.mark.usefixtures("_small")
def test_what_is_not_idle_is_kept_however_many_keys_come():
    """5.5, 5.6, 5.7"""

    async def main():
        limits = MemoryLimits()
        assert limits.bucket("busy", Rate(0.001, 1)).try_take()
        failing = limits.breaker("busy", IN_A_ROW)
        failing.leave(failing.try_enter(), "failure", ignored, None)
        inside = limits.breaker("inside", IN_A_ROW)
        ticket = inside.try_enter()
        limits.remember("busy", {"n": 1}, ttl=1000.0)
        for number in range(50):
            limits.bucket(f"{number}", Rate(1000.0, 1)).try_take()
            limits.breaker(f"{number}", IN_A_ROW)
            limits.remember(f"{number}", None, ttl=0.001)
            await asyncio.sleep(1)
        assert limits.breaker("inside", IN_A_ROW) is inside
        inside.leave(ticket, "failure", ignored, None)
        kept = limits.recall("busy")
        sizes = len(limits._buckets.states), len(limits._breakers.states), len(limits._kept.states)
        return (
            limits.bucket("busy", Rate(0.001, 1)).try_take(),
            limits.breaker("busy", IN_A_ROW) is failing,
            kept,
            sizes,
        )

    taken, same, kept, sizes = run_virtual(main())
    assert (taken, same, kept.result) == (False, True, {"n": 1})
    assert max(sizes) <= 4


@pytest.mark.usefixtures("_small")
def test_a_bucket_that_somebody_waits_for_is_kept():
    """5.6"""

    async def main():
        limits = MemoryLimits()
        bucket = limits.bucket("busy", Rate(1.0, 1))
        bucket.try_take()
        waits = asyncio.ensure_future(bucket.take())
        await asyncio.sleep(0)
        bucket._full_at = -100.0  # it is full, as it is when the loop is late to serve those who wait
        for number in range(10):
            limits.bucket(f"{number}", Rate(1000.0, 1))
        same = limits.bucket("busy", Rate(1.0, 1)) is bucket
        waits.cancel()
        return same

    assert run_virtual(main())


@pytest.mark.usefixtures("_small")
def test_failures_that_nobody_added_to_are_forgotten_after_a_day():
    """5.5 a million keys that failed once do not stay for ever"""

    async def main():
        limits = MemoryLimits()
        for number in range(100):
            breaker = limits.breaker(f"{number}", IN_A_ROW)
            breaker.leave(breaker.try_enter(), "failure", ignored, None)
        before = len(limits._breakers.states)
        await asyncio.sleep(FORGOTTEN + 1)
        for number in range(100):
            limits.breaker(f"other {number}", IN_A_ROW)
        return before, len(limits._breakers.states)

    before, after = run_virtual(main())
    assert before == 100
    assert after < 10


words = st.tuples(
    st.sampled_from(["take", "enter", "rated", "remember", "recall", "wait"]),
    st.integers(0, 5),
    st.sampled_from(["success", "failure", "neither"]),
)


@given(st.lists(words, max_size=80))
@settings(max_examples=150, deadline=None)
@example(
    [("rated", 0, "success")] * 2
    + [("rated", number, "neither") for number in range(6)]
    + [("rated", 0, "failure")] * 2
    + [("rated", 0, "success")]
)
def test_evicting_changes_no_answer(ops):
    """5.6 idle is what answers like a new one: compared with limits that never evict"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROOMY", 2)
        evicting = run_virtual(answers(ops))
        patch.setattr(module, "ROOMY", 1_000_000)
        assert evicting == run_virtual(answers(ops))


async def answers(ops: list[tuple[str, int, Any]]) -> list[Any]:
    limits = MemoryLimits()
    given: list[Any] = []
    for word, number, verdict in ops:
        key = f"{number}"
        if word == "take":
            given.append(limits.bucket(key, Rate(0.5, 2)).try_take())
        elif word in ("enter", "rated"):
            breaker = limits.breaker(f"{word}{key}", IN_A_ROW if word == "enter" else BY_RATE)
            try:
                breaker.leave(breaker.try_enter(), verdict, lambda change, into: into.append(change), given)
                given.append("let through")
            except CircuitOpen:
                given.append("refused")
        elif word == "remember":
            limits.remember(key, {"n": number}, ttl=4.0)
        elif word == "recall":
            given.append(limits.recall(key))
        else:
            await asyncio.sleep(number)
    return given


def test_slots_of_a_key_are_shared_while_somebody_has_them():
    """5.1"""
    limits = MemoryLimits()
    slots = limits.slots("gpu", 2)
    assert limits.slots("gpu", 2) is slots
    with pytest.raises(ConcurrencyConflict, match="'gpu': 2 and 3 at once"):
        limits.slots("gpu", 3)
    del slots
    assert limits.slots("gpu", 3).limit == 3


def test_a_claim_of_what_is_remembered_is_the_result():
    """5.7"""

    async def main():
        limits = MemoryLimits()
        claim: Any = await limits.claim("k")
        await claim.keep({"n": 1}, 10.0)
        again = await limits.claim("k")
        other: Claim | Any = await limits.claim("other")
        await other.drop(None)
        await limits.close()
        return again, limits.recall("other")

    again, other = run_virtual(main())
    assert (again.result, other) == ({"n": 1}, None)


def test_what_is_remembered_anew_counts_from_then():
    """5.7 TTL"""

    async def main():
        limits = MemoryLimits()
        limits.remember("k", 1, ttl=10.0)
        await asyncio.sleep(9)
        limits.remember("k", 2, ttl=10.0)
        await asyncio.sleep(9)
        return limits.recall("k")

    assert run_virtual(main()).result == 2


def test_limits_may_be_used_on_one_loop_after_another():
    """13.1"""
    limits = MemoryLimits()

    async def main():
        bucket = limits.bucket("api", Rate(10.0, 1))
        await bucket.take()
        await bucket.take()

    asyncio.run(main())
    asyncio.run(main())
