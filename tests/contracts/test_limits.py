"""What policies share by key: one suite for every place where it may be kept."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from tests.servers import RedisServer, redis_server

from nodeloom import Route
from nodeloom.errors import CircuitOpen, ConcurrencyConflict, PolicyError, RateLimitConflict
from nodeloom.policies.limits import MemoryLimits
from nodeloom.policies.shared import BreakerSettings, Kept, Limits, Rate
from nodeloom.stores.redis_limits import RedisLimits
from nodeloom.testing import run_virtual

__all__ = ["redis_server"]

Scenario = Callable[[Limits, float], Awaitable[Any]]


class Case(NamedTuple):
    """Where limits are kept, and how a scenario with them is run: with the limits and a unit of time in seconds."""

    run: Callable[[Scenario], Any]


def in_memory(scenario: Scenario) -> Any:
    """Hours pass in no time."""

    async def main() -> Any:
        return await scenario(MemoryLimits(), 1.0)

    return run_virtual(main())


def on_redis(server: RedisServer) -> Callable[[Scenario], Any]:
    """Real time, so a unit is short."""

    def run(scenario: Scenario) -> Any:
        async def main() -> Any:
            limits = RedisLimits(server.url, prefix=f"{uuid.uuid4().hex}:")
            try:
                return await scenario(limits, 0.05)
            finally:
                await limits.close()

        return asyncio.run(main())

    return run


@pytest.fixture(params=["memory", "redis"])
def case(request) -> Case:
    if request.param == "memory":
        return Case(in_memory)
    return Case(on_redis(request.getfixturevalue("redis_server")))


async def take(limits: Limits, key: str, rate: Rate) -> None:
    bucket = limits.bucket(key, rate)
    if not bucket.try_take():
        await bucket.take()


async def enter(limits: Limits, key: str, settings: BreakerSettings) -> tuple[Any, int]:
    breaker = limits.breaker(key, settings)
    ticket = breaker.try_enter()
    return breaker, (await breaker.enter()) if ticket is None else ticket


async def acquire(limits: Limits, key: str, limit: int) -> Any:
    slots = limits.slots(key, limit)
    if not slots.try_acquire():
        await slots.acquire()
    return slots


class Told:
    """What a breaker told of its state, and for whom."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, Any]] = []

    def __call__(self, change: str, ctx: Any) -> None:
        self.changes.append((change, ctx))


async def ended(limits: Limits, key: str, settings: BreakerSettings, verdict: Any, told: Told, ctx: Any = None) -> bool:
    """One call through a breaker; whether it was let through."""
    try:
        breaker, ticket = await enter(limits, key, settings)
    except CircuitOpen:
        return False
    breaker.leave(ticket, verdict, told, ctx)
    return True


def in_a_row(failures: int, reset_after: float) -> BreakerSettings:
    return BreakerSettings(failures, reset_after, 60.0, None, 10)


# --- buckets


def test_a_burst_passes_at_once_and_what_follows_at_the_rate(case: Case):
    """5.6"""

    async def scenario(limits, unit):
        loop, rate = asyncio.get_running_loop(), Rate(1 / unit, 3)
        begun, times = loop.time(), []
        for _ in range(6):
            await take(limits, "api", rate)
            times.append((loop.time() - begun) / unit)
        return times

    times = case.run(scenario)
    assert all(time >= max(0, place - 2) - 1e-6 for place, time in enumerate(times))


def test_those_who_wait_are_served_in_the_order_they_came(case: Case):
    """5.6 FIFO"""

    async def scenario(limits, unit):
        served: list[int] = []

        async def one(number: int) -> None:
            await take(limits, "api", Rate(5 / unit, 1))
            served.append(number)

        callers = []
        for number in range(10):
            callers.append(asyncio.create_task(one(number)))
            await asyncio.sleep(0)
        await asyncio.gather(*callers)
        return served

    assert case.run(scenario) == list(range(10))


def test_who_is_cancelled_leaves_no_gap(case: Case):
    """5.6 its place goes to the next"""

    async def scenario(limits, unit):
        rate = Rate(1 / unit, 1)
        begun = asyncio.get_running_loop().time()
        await take(limits, "api", rate)
        leave = [asyncio.create_task(take(limits, "api", rate)) for _ in range(40)]
        await asyncio.sleep(unit / 10)
        stays = asyncio.create_task(take(limits, "api", rate))
        for caller in leave:
            caller.cancel()
        await asyncio.gather(*leave, return_exceptions=True)
        await stays
        return (asyncio.get_running_loop().time() - begun) / unit

    assert 1 - 1e-6 <= case.run(scenario) < 20


def test_when_all_have_left_a_token_is_there_for_the_next(case: Case):
    """5.6 never lost"""

    async def scenario(limits, unit):
        rate = Rate(1 / unit, 1)
        await take(limits, "api", rate)
        waits = asyncio.create_task(take(limits, "api", rate))
        await asyncio.sleep(unit / 2)
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        await asyncio.sleep(unit)
        begun = asyncio.get_running_loop().time()
        await take(limits, "api", rate)
        return (asyncio.get_running_loop().time() - begun) / unit

    assert case.run(scenario) < 10


def test_keys_do_not_wait_for_one_another(case: Case):
    """5.6 per key"""

    async def scenario(limits, unit):
        slow = Rate(0.001 / unit, 1)
        await take(limits, "slow", slow)
        waits = asyncio.create_task(take(limits, "slow", slow))
        for _ in range(5):
            await take(limits, "quick", Rate(100 / unit, 5))
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        return True

    assert case.run(scenario)


def test_two_rates_on_one_key_are_refused(case: Case):
    """5.6 at first use"""

    async def scenario(limits, unit):
        await take(limits, "api", Rate(0.01 / unit, 1))
        with pytest.raises(RateLimitConflict, match="'api'"):
            await take(limits, "api", Rate(0.01 / unit, 2))

    case.run(scenario)


def test_two_settings_declared_for_one_key_are_refused(case: Case):
    """5.6 at build"""

    async def scenario(limits, unit):
        slow, breaker = Rate(1.0, 1), in_a_row(5, 1.0)
        limits.declare("api", slow)
        limits.declare("api", breaker)
        limits.declare("api", Rate(1.0, 1))
        with pytest.raises(RateLimitConflict):
            limits.declare("api", Rate(2.0, 1))
        with pytest.raises(PolicyError):
            limits.declare("api", in_a_row(6, 1.0))

    case.run(scenario)


def test_a_key_made_of_a_step_may_not_contradict_a_declared_one(case: Case):
    """5.6"""

    async def scenario(limits, unit):
        declared = Rate(1.0, 1)
        limits.declare("api", declared)
        with pytest.raises(RateLimitConflict):
            await take(limits, "api", Rate(2.0, 1))
        breaker = in_a_row(5, 1.0)
        limits.declare("api", breaker)
        with pytest.raises(PolicyError):
            await enter(limits, "api", in_a_row(6, 1.0))

    case.run(scenario)


# --- breakers


def test_failures_in_a_row_open_it_and_a_success_ends_a_row(case: Case):
    """5.5"""

    async def scenario(limits, unit):
        told, settings = Told(), in_a_row(2, 1000 * unit)
        through = [
            await ended(limits, "api", settings, verdict, told, number)
            for number, verdict in enumerate(["failure", "success", "failure", "neither", "failure", "success"])
        ]
        with pytest.raises(CircuitOpen, match="api") as refused:
            await enter(limits, "api", settings)
        return through, told.changes, refused.value.retry_after / unit

    through, changes, retry_after = case.run(scenario)
    assert through == [True] * 5 + [False]
    assert changes == [("opened", 4)]
    assert 0 < retry_after <= 1000


def test_exactly_one_probe_passes_and_its_success_closes_it(case: Case):
    """5.5"""

    async def scenario(limits, unit):
        told, settings = Told(), in_a_row(1, 8 * unit)
        await ended(limits, "api", settings, "failure", told)
        early = await ended(limits, "api", settings, "success", told)
        await asyncio.sleep(16 * unit)
        asked = await asyncio.gather(*(enter(limits, "api", settings) for _ in range(100)), return_exceptions=True)
        probes = [each for each in asked if not isinstance(each, BaseException)]
        assert all(isinstance(each, CircuitOpen) for each in asked if isinstance(each, BaseException))
        for breaker, ticket in probes:
            breaker.leave(ticket, "success", told, "probe")
        after = [await ended(limits, "api", settings, "success", told) for _ in range(3)]
        return early, len(probes), after, told.changes

    assert case.run(scenario) == (False, 1, [True] * 3, [("opened", None), ("closed", "probe")])


def test_a_probe_that_fails_keeps_it_open(case: Case):
    """5.5"""

    async def scenario(limits, unit):
        told, settings = Told(), in_a_row(1, 8 * unit)
        await ended(limits, "api", settings, "failure", told)
        await asyncio.sleep(16 * unit)
        probe = await ended(limits, "api", settings, "failure", told)
        return probe, await ended(limits, "api", settings, "success", told), [change for change, _ in told.changes]

    assert case.run(scenario) == (True, False, ["opened", "opened"])


def test_a_cancelled_probe_frees_its_place(case: Case):
    """5.5"""

    async def scenario(limits, unit):
        told, settings = Told(), in_a_row(1, 4 * unit)
        await ended(limits, "api", settings, "failure", told)
        await asyncio.sleep(12 * unit)
        through = [
            await ended(limits, "api", settings, verdict, told, number)
            for number, verdict in enumerate(["neither", "success", "success"])
        ]
        return through, told.changes

    assert case.run(scenario) == ([True] * 3, [("opened", None), ("closed", 1)])


def test_what_becomes_of_a_call_after_the_state_has_changed_does_not_count(case: Case):
    """5.5"""

    async def scenario(limits, unit):
        told, settings = Told(), in_a_row(1, 8 * unit)
        late = [await enter(limits, "api", settings) for _ in range(2)]
        await ended(limits, "api", settings, "failure", told)
        late[0][0].leave(late[0][1], "success", told, None)
        still = await ended(limits, "api", settings, "success", told)
        await asyncio.sleep(16 * unit)
        probe = await enter(limits, "api", settings)
        late[1][0].leave(late[1][1], "failure", told, None)
        other = await ended(limits, "api", settings, "success", told)
        probe[0].leave(probe[1], "success", told, None)
        return still, other, await ended(limits, "api", settings, "success", told)

    assert case.run(scenario) == (False, False, True)


def test_by_rate_it_opens_at_the_share_once_there_were_enough_calls(case: Case):
    """5.5"""

    async def scenario(limits, unit):
        told, settings = Told(), BreakerSettings(5, 1000 * unit, 1000 * unit, 0.5, 6)
        verdicts = itertools.cycle(["success", "failure"])
        return [await ended(limits, "api", settings, next(verdicts), told) for _ in range(8)], told.changes

    assert case.run(scenario) == ([True] * 6 + [False] * 2, [("opened", None)])


def test_by_rate_old_calls_do_not_count(case: Case):
    """5.5"""

    async def scenario(limits, unit):
        told, settings = Told(), BreakerSettings(5, 1000 * unit, 10 * unit, 0.6, 4)
        for _ in range(3):
            await ended(limits, "api", settings, "failure", told)
        for _ in range(2):
            await asyncio.sleep(6 * unit)
            await ended(limits, "api", settings, "success", told)
        return [await ended(limits, "api", settings, "failure", told) for _ in range(3)]

    assert case.run(scenario) == [True] * 3


def test_two_settings_on_one_breaker_are_refused(case: Case):
    """5.5"""

    async def scenario(limits, unit):
        told = Told()
        await ended(limits, "api", in_a_row(2, 1000.0), "failure", told)
        with pytest.raises(PolicyError, match="'api'"):
            await ended(limits, "api", in_a_row(3, 1000.0), "failure", told)

    case.run(scenario)


# --- slots


def test_no_more_than_so_many_hold_a_slot_and_the_others_come_in_order(case: Case):
    """5.1 concurrency"""

    async def scenario(limits, unit):
        inside, most, order = 0, 0, []

        async def one(number: int) -> None:
            nonlocal inside, most
            slots = await acquire(limits, "gpu", 3)
            order.append(number)
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(unit / 5)
            inside -= 1
            slots.release()

        callers = []
        for number in range(12):
            callers.append(asyncio.create_task(one(number)))
            await asyncio.sleep(0)
        await asyncio.gather(*callers)
        return most, order

    most, order = case.run(scenario)
    assert most == 3
    assert order == list(range(12))


def test_a_slot_of_somebody_cancelled_while_waiting_is_not_lost(case: Case):
    """5.1"""

    async def scenario(limits, unit):
        slots = await acquire(limits, "gpu", 1)
        waits = [asyncio.create_task(acquire(limits, "gpu", 1)) for _ in range(3)]
        await asyncio.sleep(unit)
        waits[0].cancel()
        waits[1].cancel()
        await asyncio.gather(*waits[:2], return_exceptions=True)
        slots.release()
        (await waits[2]).release()
        (await acquire(limits, "gpu", 1)).release()
        return True

    assert case.run(scenario)


def test_two_limits_of_concurrency_on_one_key_are_refused(case: Case):
    """5.1"""

    async def scenario(limits, unit):
        slots = await acquire(limits, "gpu", 1)
        with pytest.raises(ConcurrencyConflict, match="'gpu'"):
            await acquire(limits, "gpu", 2)
        slots.release()

    case.run(scenario)


# --- results


@pytest.mark.parametrize("result", [None, {}, {"n": 1, "lines": [{"a": (1, 2)}]}])
def test_a_result_is_remembered_until_its_time_is_over(case: Case, result):
    """5.7 TTL"""

    async def scenario(limits, unit):
        claim: Any = await limits.claim("k")
        await claim.keep(result, 4 * unit)
        again = await limits.claim("k")
        await asyncio.sleep(4.2 * unit)
        last: Any = await limits.claim("k")
        await last.drop(None)
        return again, isinstance(last, Kept), limits.recall("k")

    again, is_kept, recalled = case.run(scenario)
    assert (again.result, is_kept, recalled) == (result, False, None)


def test_a_result_is_as_old_as_it_is(case: Case):
    """5.7, 5.9"""

    async def scenario(limits, unit):
        claim: Any = await limits.claim("k")
        await claim.keep({"n": 1}, 40 * unit)
        await asyncio.sleep(2 * unit)
        kept = await limits.claim("k")
        return kept.age / unit

    assert 1.9 <= case.run(scenario) < 6


def test_a_route_is_remembered(case: Case):
    """5.7, 1.7"""

    async def scenario(limits, unit):
        claim: Any = await limits.claim("k")
        await claim.keep(Route({"n": 1}, to=["a", ("b", {"p": 1})]), 100 * unit)
        return (await limits.claim("k")).result

    route = case.run(scenario)
    assert (route.outputs, route.sends()) == ({"n": 1}, [("a", None), ("b", {"p": 1})])


def test_a_claim_that_is_dropped_can_be_claimed_again(case: Case):
    """5.7 failures are not remembered"""

    async def scenario(limits, unit):
        claim: Any = await limits.claim("k")
        await claim.drop(ValueError("bad"))
        again: Any = await limits.claim("k")
        await again.keep({"n": 2}, 100 * unit)
        return (await limits.claim("k")).result

    assert case.run(scenario) == {"n": 2}


def test_results_of_different_keys_are_different(case: Case):
    """5.7"""

    async def scenario(limits, unit):
        for number in range(3):
            claim: Any = await limits.claim(f"k{number}" * 100)
            await claim.keep({"n": number}, 100 * unit)
        return [(await limits.claim(f"k{number}" * 100)).result["n"] for number in range(3)]

    assert case.run(scenario) == [0, 1, 2]


def test_a_ticket_of_before_the_breaker_opened_is_refused_when_it_is_asked_again(case):
    """5.5: a wait may have come between."""
    settings = BreakerSettings(1, 1000.0, 60.0, None, 1)

    async def scenario(limits: Limits, unit: float) -> Any:
        breaker, early = await enter(limits, "api", settings)
        same = await breaker.ask_again(early)
        _, late = await enter(limits, "api", settings)
        breaker.leave(late, "failure", lambda *_: None, None)
        with pytest.raises(CircuitOpen):
            await breaker.ask_again(early)
        return early == same

    assert case.run(scenario)
