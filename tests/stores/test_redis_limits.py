"""Limits on a Redis server: shared by processes, of which any may die, as may the server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
import sys
import textwrap
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.policies.steps import a_step, guarded
from tests.servers import RedisServer, redis_or_skip, redis_server

from nodeloom import Node, Route
from nodeloom.errors import (
    CircuitOpen,
    NodeloomError,
    NotStorable,
    RateLimitConflict,
    RunFailed,
    StepError,
    StoreUnavailable,
)
from nodeloom.model.result import error_info
from nodeloom.policies import CircuitBreaker, Concurrency, Idempotency, RateLimit, Retry
from nodeloom.policies.shared import BreakerSettings, Kept, Rate
from nodeloom.stores.redis_limits import RedisLimits

__all__ = ["redis_server"]

calls: list[Any] = []
seen: dict[str, asyncio.Event] = {}


class Charge(Node):
    identifier = "tests.charge"

    async def work(self, inputs):
        calls.append(inputs)
        seen["begun"].set()
        await asyncio.sleep(inputs.get("seconds", 0.0))
        if "fails" in inputs:
            raise inputs["fails"]
        return inputs.get("gives", {"charge": len(calls)})


@pytest.fixture(autouse=True)
def _no_calls_yet():
    calls.clear()
    seen["begun"] = asyncio.Event()


@contextlib.asynccontextmanager
async def engines(server: RedisServer, count: int = 2, **options: Any) -> AsyncIterator[list[RedisLimits]]:
    """The limits of so many engines, which share a server."""
    prefix = f"{uuid.uuid4().hex}:"
    limits = [RedisLimits(server.url, prefix=prefix, **options) for _ in range(count)]
    try:
        yield limits
    finally:
        for each in limits:
            await each.close()


def ignored(change: Any, ctx: Any) -> None:
    """Nobody watches."""


# --- shared across processes


async def test_a_rate_is_that_of_all_engines_together_and_they_take_turns(redis_server):
    """5.6 shared across workers"""
    async with engines(redis_server) as both:
        loop, charge = asyncio.get_running_loop(), Charge()
        begun = loop.time()
        served: list[int] = []

        async def one(which: int, handle: Any) -> None:
            await handle(a_step(charge))
            served.append(which)

        handles = [guarded(charge, [RateLimit(50, key="api")], limits) for limits in both]
        await asyncio.gather(*(one(which, handle) for _ in range(10) for which, handle in enumerate(handles)))
        assert loop.time() - begun >= 19 / 50 - 0.001
        assert max(abs(served[:place].count(0) - served[:place].count(1)) for place in range(20)) <= 3


async def test_two_engines_with_two_limits_on_one_key_are_told(redis_server):
    """5.6"""
    async with engines(redis_server) as (one, other):
        await one.bucket("api", Rate(0.1, 1)).take()
        with pytest.raises(RateLimitConflict, match=r"'api' on the Redis server at 127.0.0.1:\d+: one every 10 s"):
            await other.bucket("api", Rate(0.2, 1)).take()


async def test_a_breaker_that_one_engine_opened_is_open_for_all_and_one_probe_passes(redis_server):
    """5.5 shared across workers"""
    async with engines(redis_server) as both:
        policy, charge = CircuitBreaker(2, reset_after=0.3, key="api"), Charge()
        handles = [guarded(charge, [policy], limits) for limits in both]
        for handle in handles:
            with pytest.raises(ConnectionError):
                await handle(a_step(charge, {"fails": ConnectionError("down")}))
        with pytest.raises(CircuitOpen):
            await handles[0](a_step(charge))
        await asyncio.sleep(0.5)
        many = [handle(a_step(charge, {"seconds": 0.2})) for handle in handles for _ in range(20)]
        ended = await asyncio.gather(*many, return_exceptions=True)
        assert sum(isinstance(each, dict) for each in ended) == 1
        assert sum(isinstance(each, CircuitOpen) for each in ended) == 39


async def test_slots_are_those_of_all_engines_together(redis_server):
    """5.1 shared across workers"""
    inside, most = 0, 0

    class Render(Node):
        async def work(self):
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.02)
            inside -= 1

    async with engines(redis_server) as both:
        render = Render()
        handles = [guarded(render, [Concurrency(2, key="gpu")], limits) for limits in both]
        await asyncio.gather(*(handle(a_step(render)) for handle in handles for _ in range(6)))
    assert most == 2


async def test_equal_calls_of_two_engines_are_made_once(redis_server):
    """5.7 single flight across workers"""
    async with engines(redis_server) as both:
        charge = Charge()
        handles = [guarded(charge, [Idempotency("order-1")], limits) for limits in both]
        step = {"seconds": 0.2, "gives": Route({"n": [1]}, to="x")}
        results = await asyncio.gather(*(handle(a_step(charge, step)) for handle in handles for _ in range(3)))
        again = await handles[1](a_step(charge, {}))
    assert len(calls) == 1
    assert [(each.outputs, each.sends()) for each in [*results, again]] == [({"n": [1]}, [("x", None)])] * 7


async def test_a_failure_in_one_engine_is_that_of_who_waits_in_another_by_name(redis_server):
    """5.7 failures go to all who waited, and are not remembered"""
    async with engines(redis_server) as (one, other):
        charge = Charge()
        first, second = (guarded(charge, [Idempotency("order-1")], limits) for limits in (one, other))
        fails = asyncio.ensure_future(first(a_step(charge, {"seconds": 0.2, "fails": ConnectionError("down")})))
        await seen["begun"].wait()
        waits = asyncio.ensure_future(second(a_step(charge)))
        here: Any
        there: Any
        here, there = await asyncio.gather(fails, waits, return_exceptions=True)
        assert isinstance(here, ConnectionError)
        assert isinstance(there, RunFailed)
        info = error_info(there, "charge")
        assert (info.type, info.message, "OSError" in info.names) == ("ConnectionError", "down", True)
        assert await second(a_step(charge)) == {"charge": 2}


async def test_the_last_caller_that_leaves_gives_the_call_to_another_engine(redis_server):
    """5.7"""
    async with engines(redis_server) as (one, other):
        charge = Charge()
        first, second = (guarded(charge, [Idempotency("order-1")], limits) for limits in (one, other))
        leaves = asyncio.ensure_future(first(a_step(charge, {"seconds": 30.0})))
        await seen["begun"].wait()
        stays = asyncio.ensure_future(second(a_step(charge)))
        await asyncio.sleep(0.05)
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
        assert await asyncio.wait_for(stays, 5) == {"charge": 2}


# --- processes that die

DIES = """
    import asyncio, sys
    from nodeloom.policies.shared import BreakerSettings, Rate
    from nodeloom.stores.redis_limits import RedisLimits

    async def main():
        limits = RedisLimits(sys.argv[1], prefix=sys.argv[2], lease=1.0)
        await limits.slots("gpu", 1).acquire()
        await limits.claim("k")
        breaker = limits.breaker("api", BreakerSettings(1, 0.01, 60.0, None, 10))
        breaker.leave(await breaker.enter(), "failure", lambda change, ctx: None, None)
        await asyncio.sleep(0.2)
        await breaker.enter()
        print("holds", flush=True)
        await asyncio.sleep(60)

    asyncio.run(main())
"""


async def test_what_a_killed_process_held_is_free_after_its_lease_and_not_before(redis_server):
    """5.5, 5.7 a dead owner frees what it had"""
    prefix = f"{uuid.uuid4().hex}:"
    words = [sys.executable, "-c", textwrap.dedent(DIES), redis_server.url, prefix]
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"holds\n"
        limits = RedisLimits(redis_server.url, prefix=prefix, lease=1.0)
        settings = BreakerSettings(1, 0.01, 60.0, None, 10)
        slot = asyncio.create_task(limits.slots("gpu", 1).acquire())
        claim = asyncio.create_task(limits.claim("k"))
        await asyncio.sleep(2.0)  # two leases, which it renews
        with pytest.raises(CircuitOpen, match="probe is under way"):
            await limits.breaker("api", settings).enter()
        assert not slot.done()
        assert not claim.done()
    finally:
        process.kill()
        await process.wait()
    await asyncio.wait_for(slot, 10)
    assert not isinstance(await asyncio.wait_for(claim, 10), Kept)
    await limits.breaker("api", settings).enter()
    await limits.close()


async def test_a_process_that_waits_and_dies_holds_nobody_up_for_long(redis_server):
    """5.6 its place in the line goes to the next"""
    async with engines(redis_server) as (dies, lives):
        await dies.bucket("api", Rate(4.0, 1)).take()
        gone = asyncio.create_task(dies.bucket("api", Rate(4.0, 1)).take())
        await asyncio.sleep(0.05)
        dies.bucket("api", Rate(4.0, 1))._line._asking.cancel()  # type: ignore[union-attr]
        await asyncio.wait_for(lives.bucket("api", Rate(4.0, 1)).take(), 5)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)


async def test_a_lease_that_was_lost_is_told(redis_server, caplog):
    """5.5 a process that was held up for too long"""
    async with engines(redis_server, 1, lease=0.2) as (limits,):
        await limits.slots("gpu", 1).acquire()
        client = limits._client
        await client.run("return redis.call('DEL', KEYS[1])", (f"{client.key('slots', 'gpu')}:held",), ())
        with caplog.at_level(logging.ERROR, logger="nodeloom.stores.redis"):
            await asyncio.sleep(0.3)
    assert "was lost" in caplog.text


# --- answers and questions that are late


def late(limits: RedisLimits, *asked: float, answered: float = 0.0) -> None:
    """Have the next questions take so many seconds to the server, and every answer from it."""
    run, delays = limits._client.run, list(asked)

    async def slowly(script: Any, keys: Any, args: Any) -> Any:
        await asyncio.sleep(delays.pop(0) if delays else 0.0)
        answer = await run(script, keys, args)
        await asyncio.sleep(answered)
        return answer

    limits._client.run = slowly  # type: ignore[method-assign]


async def test_who_is_cancelled_before_the_answer_comes_leaves_nothing_behind(redis_server):
    """5.5, 5.6, 5.7 a probe, a token, a slot and a claim that nobody heard of"""
    async with engines(redis_server) as (one, other):
        settings, rate = BreakerSettings(1, 0.01, 60.0, None, 10), Rate(0.05, 1)
        breaker = one.breaker("api", settings)
        breaker.leave(await breaker.enter(), "failure", ignored, None)
        await asyncio.sleep(0.05)
        late(one, answered=0.2)
        slots, bucket = one.slots("gpu", 1), one.bucket("api", rate)
        questions: list[Any] = [breaker.enter(), bucket.take(), slots.acquire(), one.claim("k")]
        asked = [asyncio.ensure_future(each) for each in questions]
        await asyncio.sleep(0.1)
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await asyncio.sleep(0.5)
        again = (
            other.breaker("api", settings).enter(),
            other.bucket("api", rate).take(),
            other.slots("gpu", 1).acquire(),
            other.claim("k"),
        )
        await asyncio.wait_for(asyncio.gather(*again), 3)


async def test_a_failure_is_known_to_the_next_call_of_the_same_process(redis_server):
    """5.5 in the order things happened here"""
    async with engines(redis_server, 1) as (limits,):
        late(limits, 0.0, 0.2, 0.0)
        breaker = limits.breaker("api", BreakerSettings(1, 100.0, 60.0, None, 10))
        breaker.leave(await breaker.enter(), "failure", ignored, None)
        with pytest.raises(CircuitOpen):
            await breaker.enter()


async def test_who_leaves_the_line_is_not_waited_for(redis_server):
    """5.6 nobody waits for a place that was given up"""
    async with engines(redis_server) as (one, other):
        rate = Rate(2.0, 1)
        await one.bucket("api", rate).take()
        begun = asyncio.get_running_loop().time()
        leaves = asyncio.ensure_future(one.bucket("api", rate).take())
        await asyncio.sleep(0.1)
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
        await other.bucket("api", rate).take()
        assert asyncio.get_running_loop().time() - begun < 1.4


async def test_a_result_that_comes_after_its_lease_was_lost_is_not_remembered(redis_server, caplog):
    """5.7 a late owner is fenced off"""
    async with engines(redis_server, lease=0.1) as (one, other):
        lost: Any = await one.claim("k")
        one._client.let_go(lost._token)  # as of a process that is held up, and renews nothing
        await asyncio.sleep(0.2)
        claim: Any = await other.claim("k")
        await lost.keep({"n": 1}, 60.0)
        await claim.keep({"n": 2}, 60.0)
        kept = await one.claim("k")
        assert isinstance(kept, Kept)
        assert kept.result == {"n": 2}
    assert "after its lease was lost" in caplog.text


# --- servers that die


async def test_without_a_server_what_asks_for_leave_fails_clearly_and_may_be_retried():
    """5.5, 5.6, 5.7 never a silent pass"""
    with redis_or_skip() as server:
        charge = Charge()
        limits = RedisLimits(server.url.replace("//", "//user:secret@"), timeout=0.5)
        server.stop()
        for policy in (RateLimit(10), CircuitBreaker(), Concurrency(1), Idempotency()):
            with pytest.raises(
                StoreUnavailable, match=rf"Redis server at 127.0.0.1:{server.port}.*nothing was let"
            ) as no:
                await guarded(charge, [policy], limits)(a_step(charge))
            assert isinstance(no.value, StepError)
            assert no.value.retryable
            assert "secret" not in str(no.value)
        assert not calls
        await limits.close()


async def test_when_the_server_is_back_a_retry_gets_through():
    """5.3, 5.6"""
    with redis_or_skip() as server:
        charge, limits = Charge(), RedisLimits(server.url, timeout=0.5)
        handle = guarded(charge, [Retry(50, wait=0.05, backoff=1.0), RateLimit(10)], limits)
        await handle(a_step(charge))
        server.stop()
        comes = asyncio.ensure_future(handle(a_step(charge)))
        await asyncio.sleep(0.2)
        assert not comes.done()
        server.start()
        await asyncio.wait_for(comes, 10)
        await limits.close()
    assert len(calls) == 2


async def test_when_the_server_dies_while_a_call_runs_what_was_done_is_done(caplog):
    """5.7"""
    with redis_or_skip() as server:
        charge, limits = Charge(), RedisLimits(server.url, timeout=0.5)
        handle = guarded(charge, [Idempotency(), CircuitBreaker(), Concurrency(1)], limits)
        running = asyncio.ensure_future(handle(a_step(charge, {"seconds": 0.3})))
        await seen["begun"].wait()
        server.stop()
        with caplog.at_level(logging.WARNING, logger="nodeloom.stores.redis"):
            assert await running == {"charge": 1}
            await limits.close()
    assert "is not remembered" in caplog.text
    assert "freeing a slot" in caplog.text
    assert "telling what became of a call" in caplog.text


# --- values


async def test_a_result_that_is_no_plain_data_is_an_error_and_frees_the_claim(redis_server):
    """12.3 encoded, never pickled"""
    async with engines(redis_server, 1) as (limits,):
        charge = Charge()
        handle = guarded(charge, [Idempotency("one")], limits)
        with pytest.raises(NotStorable, match="object"):
            await handle(a_step(charge, {"gives": {"x": object()}}))
        assert await handle(a_step(charge)) == {"charge": 2}


async def test_everything_it_keeps_expires(redis_server):
    """5.5, 5.6, 5.7 idle keys go away by themselves"""
    async with engines(redis_server, 1) as (limits,):
        await limits.bucket("api", Rate(100.0, 1)).take()
        for verdict in ("failure", "success"):
            breaker = limits.breaker(verdict, BreakerSettings(5, 1.0, 60.0, 0.5, 1))
            breaker.leave(await breaker.enter(), verdict, ignored, None)
        await limits.slots("gpu", 1).acquire()
        claim: Any = await limits.claim("k")
        await claim.keep({}, 60.0)
        await limits.claim("other")
        await asyncio.sleep(0.05)
        own = f"{limits._client.key('', '')[:32]}*"
        left = await limits._client.run(TIMES_LEFT, (), (own,))
    assert len(left) >= 7
    assert all(time > 0 for time in left)


TIMES_LEFT = """
local left = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do left[#left + 1] = redis.call('PTTL', key) end
return left
"""

# --- ends


async def test_closing_leaves_nothing_behind(redis_server):
    """13.1"""
    before = asyncio.all_tasks()
    async with engines(redis_server, 1) as (limits,):
        slots = limits.slots("gpu", 1)
        await slots.acquire()
        slots.release()
        waits = asyncio.create_task(limits.bucket("api", Rate(0.01, 1)).take())
        await waits
    assert asyncio.all_tasks() == before


async def test_without_its_client_the_error_says_what_to_install(monkeypatch):
    """13.1"""
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(NodeloomError, match=r"pip install 'nodeloom\[redis\]'"):
        await RedisLimits("redis://127.0.0.1:1/0").bucket("api", Rate(1.0, 1)).take()


def test_it_may_be_used_on_one_loop_after_another(redis_server):
    """13.1 connections belong to a loop"""
    limits = RedisLimits(redis_server.url, prefix=f"{uuid.uuid4().hex}:")

    async def main() -> None:
        await limits.bucket("api", Rate(100.0, 1)).take()
        await limits.close()

    asyncio.run(main())
    asyncio.run(main())
