"""Secrets and a Redis server: no value of one is there in clear (semantics 5.7, 12.3)."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.policies.steps import a_step, guarded
from tests.servers import RedisServer, redis_server

from nodeloom import Node, Route
from nodeloom.errors import PolicyError, RunFailed
from nodeloom.model.masks import MASKS
from nodeloom.policies import Fallback, Idempotency
from nodeloom.policies.shared import Rate
from nodeloom.stores.redis_limits import RedisLimits

__all__ = ["redis_server"]

VALUE = "long-enough-to-be-one"


@pytest.fixture(autouse=True)
def _one_secret() -> Iterator[None]:
    MASKS.remember("token", VALUE)
    calls.clear()
    seen["begun"] = asyncio.Event()
    yield
    MASKS.forget()


calls: list[Any] = []
seen: dict[str, asyncio.Event] = {}


class Login(Node):
    identifier = "tests.login"

    async def work(self, inputs: Any) -> Any:
        calls.append(inputs)
        seen["begun"].set()
        await asyncio.sleep(inputs.get("seconds", 0.0))
        if inputs.get("fails"):
            raise OSError(f"{VALUE} was refused")
        return inputs["gives"]


@contextlib.asynccontextmanager
async def engines(server: RedisServer) -> AsyncIterator[list[RedisLimits]]:
    """The limits of the engines of two processes."""
    prefix = f"{uuid.uuid4().hex}:"
    limits = [RedisLimits(server.url, prefix=prefix) for _ in range(2)]
    try:
        yield limits
    finally:
        for each in limits:
            await each.close()


async def everything(limits: RedisLimits) -> str:
    """All that it has on the server, keys and values."""
    redis: Any = limits._client._connected()
    found: list[Any] = []
    for key in await redis.keys(f"{limits._client._prefix}*"):
        kind = await redis.type(key)
        found += [key, await redis.dump(key), await redis.get(key) if kind == b"string" else b""]
    return b" ".join(found).decode("utf-8", "replace")


HOLDING = [
    {"token": VALUE},
    {"headers": [{"Authorization": f"Bearer {VALUE}"}]},
    Route({"ok": True}, [("next", {"token": VALUE})]),
]


@pytest.mark.parametrize("gives", HOLDING)
async def test_a_result_that_holds_one_is_remembered_in_its_process_alone(
    redis_server: RedisServer, gives: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is whole there, nowhere in clear, and the call is never made twice"""
    login = Login()
    async with engines(redis_server) as (one, other):
        ask, elsewhere = (guarded(login, [Idempotency(key="k", ttl=60)], each) for each in (one, other))
        results = [await ask(a_step(login, {"gives": gives})) for _ in range(2)]
        with pytest.raises(PolicyError, match="made in another process, and its outputs hold the value of a secret"):
            await elsewhere(a_step(login, {"gives": gives}))
        assert VALUE not in await everything(one)
    assert len(calls) == 1
    if isinstance(gives, Route):
        assert [result.sends() for result in results] == [gives.sends()] * 2
    else:
        assert results == [gives, gives]
    assert "holds the value of a secret" in caplog.text
    assert VALUE not in caplog.text


async def test_who_waits_for_it_in_another_process_is_told(redis_server: RedisServer) -> None:
    login = Login()
    async with engines(redis_server) as (one, other):
        ask, elsewhere = (guarded(login, [Idempotency(key="k")], each) for each in (one, other))
        inputs = {"gives": {"token": VALUE}, "seconds": 0.2}
        first = asyncio.ensure_future(ask(a_step(login, inputs)))
        await seen["begun"].wait()
        with pytest.raises(PolicyError, match="value of a secret"):
            await elsewhere(a_step(login, inputs))
        assert await first == {"token": VALUE}
    assert len(calls) == 1


async def test_a_result_that_holds_none_is_shared(redis_server: RedisServer) -> None:
    login = Login()
    async with engines(redis_server) as limits:
        asks = [guarded(login, [Idempotency(key="k")], each) for each in limits]
        assert [await ask(a_step(login, {"gives": {"ok": True}})) for ask in asks] == [{"ok": True}] * 2
    assert len(calls) == 1


async def test_the_message_of_a_failure_holds_none(redis_server: RedisServer) -> None:
    """Who waits for it in another process is told what failed"""
    login = Login()
    async with engines(redis_server) as (one, other):
        ask, elsewhere = (guarded(login, [Idempotency(key="k")], each) for each in (one, other))
        inputs = {"fails": True, "seconds": 0.2}
        first = asyncio.ensure_future(ask(a_step(login, inputs)))
        await seen["begun"].wait()
        with pytest.raises(RunFailed, match=r"\[secret token\] was refused"):
            await elsewhere(a_step(login, inputs))
        with pytest.raises(OSError, match="was refused"):
            await first
        assert VALUE not in await everything(one)


async def test_a_key_that_holds_one_is_a_digest(redis_server: RedisServer) -> None:
    """And the same for all"""
    login = Login()
    async with engines(redis_server) as (one, other):
        asks = [guarded(login, [Idempotency(key=f"k {VALUE}")], each) for each in (one, other)]
        for ask in asks:
            await ask(a_step(login, {"gives": {"ok": True}}))
        await one.bucket(f"api {VALUE}", Rate(1.0, 1)).take()
        await one.slots(f"api {VALUE}", 1).acquire()
        assert VALUE not in await everything(one)
    assert len(calls) == 1


async def test_a_fallback_stands_in_for_what_cannot_be_recalled(redis_server: RedisServer) -> None:
    """5.9"""
    login = Login()
    async with engines(redis_server) as limits:
        policies = [Idempotency(key="k"), Fallback(value={"token": None})]
        asks = [guarded(login, policies, each) for each in limits]
        results = [await ask(a_step(login, {"gives": {"token": VALUE}})) for ask in asks]
    assert results == [{"token": VALUE}, {"token": None}]
