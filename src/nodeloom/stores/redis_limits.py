"""What policies share by key, on a Redis server: across the engines of many processes (semantics 5.5 to 5.7)."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import MutableMapping
from typing import Any, Literal, cast

from ..errors import ConcurrencyConflict, PolicyError, RateLimitConflict
from ..policies.circuit_breaker import refusal
from ..policies.limits import Declarations, MemoryLimits
from ..policies.shared import BreakerSettings, Change, Claim, Kept, Rate, Tell, Verdict
from ..policies.window import SLICES
from . import redis_scripts as scripts
from .redis_claims import claim
from .redis_client import RedisClient
from .turnstile import Passed, Turnstile

__all__ = ["RedisLimits"]

GRACE = 1.0
"""Seconds that a process which waits may be late to ask again before it loses its place in the line."""
POLL = 0.05
"""Seconds between two looks at whether a slot is free that another process holds."""


class RedisLimits:
    """The state that policies share by key, on a Redis server: give all engines that share limits the same one.

    Rate limits, circuit breakers, slots and remembered results mean there what they mean within one engine, by the
    server's clock. In one process it is first come, first served; processes take turns. Slots, probes and calls
    under way are leased: what a process held that died is free after `lease` seconds. A bound holds for when the
    server says yes; how long its answer takes comes on top.

    When the server cannot be reached, what asks for leave fails with `StoreUnavailable`, which may be retried; what
    only tells of an end is logged. Results are encoded by `model.codec`: plain data, and a `Route` without inputs
    that are not. One that holds the value of a secret is remembered in the process that found it out; others are told
    that it was, and fail.

    Args:
        url: as `redis://host:6379/0`, `rediss://` with TLS, or `unix://path`.
        prefix: what its keys begin with. lease: seconds after which what a dead process held is free.
        timeout: seconds to wait for the server.

    Example:
        `async with Engine(limits=RedisLimits("redis://127.0.0.1:6379/0")) as engine: ...`
    """

    def __init__(
        self, url: str, *, prefix: str = "nodeloom:limits:", lease: float = 10.0, timeout: float = 5.0
    ) -> None:
        self._client = RedisClient(url, prefix, lease, timeout)
        self.flights: MutableMapping[str, Any] = {}
        self._declared = Declarations()
        self._here = MemoryLimits()
        self._buckets: weakref.WeakValueDictionary[str, RedisBucket] = weakref.WeakValueDictionary()
        self._breakers: weakref.WeakValueDictionary[str, RedisBreaker] = weakref.WeakValueDictionary()
        self._slots: weakref.WeakValueDictionary[str, RedisSlots] = weakref.WeakValueDictionary()

    def declare(self, key: str, settings: Rate | BreakerSettings) -> None:
        """Say under which settings a constant key will be used. Raises `RateLimitConflict` or `PolicyError`.

        Only definitions in this process are compared; the server compares when the key is used.
        """
        self._declared.add(key, settings)

    def bucket(self, key: str, rate: Rate) -> RedisBucket:
        """The key's token bucket."""
        bucket = self._buckets.get(key)
        if bucket is None or bucket.limit != rate:  # the server tells of a conflict with others
            self._declared.check(key, rate)
            bucket = self._buckets[key] = RedisBucket(self._client, key, rate)
        return bucket

    def breaker(self, key: str, settings: BreakerSettings) -> RedisBreaker:
        """The key's circuit breaker."""
        breaker = self._breakers.get(key)
        if breaker is None or breaker.settings != settings:
            self._declared.check(key, settings)
            breaker = self._breakers[key] = RedisBreaker(self._client, key, settings)
        return breaker

    def slots(self, key: str, limit: int) -> RedisSlots:
        """The key's slots. Raises `ConcurrencyConflict`."""
        slots = self._slots.get(key)
        if slots is None:
            slots = self._slots[key] = RedisSlots(self._client, key, limit)
        if slots.limit != limit:
            raise _slots_conflict(key, str(slots.limit), limit)
        return slots

    def recall(self, key: str) -> Kept | None:
        """What is known without asking the server: results that hold a secret, and were found out in this process."""
        return self._here.recall(key)

    async def claim(self, key: str) -> Kept | Claim:
        """The key's remembered result, or the right to find it out; waits while another process has that right.

        Raises:
            RunFailed: it failed in the other process, with what failed there as its result's error. PolicyError: it
                holds a secret, and was found out in another process.
        """
        return await claim(self._client, key, self._here.remember)

    async def close(self) -> None:
        """Finish what was begun, and disconnect."""
        await self._client.close()


class RedisBucket:
    """A token bucket on the server: see `policies.rate_limit.TokenBucket`."""

    def __init__(self, client: RedisClient, key: str, limit: Rate) -> None:
        self.limit = limit
        self._client = client
        self._key = key
        self._state = client.key("bucket", key)
        self._line = Turnstile(self._ask, self._give_back, self._leave)

    def try_take(self) -> bool:
        """The server has to be asked."""
        return False

    async def take(self) -> None:
        """Take a token. Raises `RateLimitConflict` or `StoreUnavailable`."""
        await self._line.enter()

    async def _ask(self) -> Passed | float:
        limit = self.limit
        args = (self._client.process, str(limit), repr(limit.pace), limit.burst, int(GRACE * 1e6))
        answer, value = await self._client.run(scripts.TAKE_TOKEN, (self._state, f"{self._state}:line"), args)
        if answer < 0:
            raise RateLimitConflict(
                f"two rate limits share the key {self._key!r} on the Redis server at {self._client.where}: "
                f"{value.decode()}, and {limit}; give them the same limit, or keys of their own"
            )
        return Passed(str(value)) if answer else value / 1e6

    def _give_back(self, ticket: str) -> None:
        self._client.later(self._client.run(scripts.GIVE_BACK, (self._state,), (ticket,)), "giving a token back")

    def _leave(self) -> None:
        keys = (self._state, f"{self._state}:line")
        self._client.later(self._client.run(scripts.LEAVE_LINE, keys, (self._client.process,)), "leaving a line")


class RedisBreaker:
    """A circuit breaker on the server: see `policies.circuit_breaker.MemoryBreaker`."""

    def __init__(self, client: RedisClient, key: str, settings: BreakerSettings) -> None:
        self.settings = settings
        self._client = client
        self._key = key
        self._state = client.key("breaker", key)
        self._probes: set[int] = set()
        self._leaving: set[asyncio.Future[None]] = set()

    def try_enter(self) -> int | None:
        """The server has to be asked."""
        return None

    async def enter(self) -> int:
        """A ticket. Raises `CircuitOpen`, `PolicyError` or `StoreUnavailable`."""
        if self._leaving:  # what this process knows of calls that have ended, the server knows first
            await asyncio.wait(self._leaving)
        args = (str(self.settings), self._client.lease_micros)
        asked = self._client.send(self._client.run(scripts.ENTER, (self._state,), args))
        try:
            answer, value = await asyncio.shield(asked)
        except asyncio.CancelledError:
            asked.add_done_callback(self._abandon)
            raise
        if answer < 0:
            raise PolicyError(
                f"two circuit breakers share the key {self._key!r} on the Redis server at {self._client.where}: "
                f"{value.decode()}, and {self.settings}; give them the same settings, or keys of their own"
            )
        if answer == 0:
            raise refusal(self._key, self.settings, value / 1e6)
        ticket = int(value)
        if answer == 2:
            self._probes.add(ticket)
            self._client.hold(self._lease(ticket), lambda: self._renew(ticket))
        return ticket

    async def ask_again(self, ticket: int) -> int:
        """The ticket of a call that has waited; a probe has what it needs. Raises as `enter`."""
        return ticket if ticket in self._probes else await self.enter()

    def _abandon(self, asked: asyncio.Future[Any]) -> None:
        """Leave for who was cancelled before the answer came: it may have been let through."""
        if not asked.cancelled() and asked.exception() is None and asked.result()[0] > 0:
            self.leave(int(asked.result()[1]), "neither", _nobody, None)

    def leave(self, ticket: int, verdict: Verdict, tell: Tell, ctx: Any) -> None:
        """Tell the server what became of the call, and whoever watches if that changes the state."""
        self._probes.discard(ticket)
        self._client.let_go(self._lease(ticket))
        telling = self._tell(ticket, verdict, tell, ctx)
        told = self._client.send(self._client.logged(telling, "telling what became of a call"))
        self._leaving.add(told)
        told.add_done_callback(self._leaving.discard)

    async def _tell(self, ticket: int, verdict: Verdict, tell: Tell, ctx: Any) -> None:
        settings = self.settings
        times = (int(settings.reset_after * 1e6), settings.rate or 0, settings.minimum)
        width = int(settings.window * 1e6 / SLICES)
        changed: Literal[0, 1, 2] = await self._client.run(
            scripts.LEAVE, (self._state, f"{self._state}:window"), (ticket, verdict, settings.failures, *times, width)
        )
        if changed:
            tell("opened" if changed == 1 else "closed", ctx)

    def _lease(self, ticket: int) -> str:
        return f"{self._state} {ticket}"

    async def _renew(self, ticket: int) -> bool:
        return bool(await self._client.run(scripts.EXTEND_PROBE, (self._state,), (ticket, self._client.lease_micros)))


class RedisSlots:
    """Slots on the server: see `policies.slots.Slots`."""

    def __init__(self, client: RedisClient, key: str, limit: int) -> None:
        self.limit = limit
        self._client = client
        self._key = key
        self._state = client.key("slots", key)
        self._holders = f"{self._state}:held"
        self._held: list[str] = []
        self._line = Turnstile(self._ask, self._drop, self._leave)

    def try_acquire(self) -> bool:
        """The server has to be asked."""
        return False

    async def acquire(self) -> None:
        """Take a slot. Raises `ConcurrencyConflict` or `StoreUnavailable`."""
        self._held.append(await self._line.enter())

    def release(self) -> None:
        """Give a slot back; which of those that this process holds does not matter."""
        self._drop(self._held.pop())

    async def _ask(self) -> Passed | float:
        client, token = self._client, self._client.token()
        keys = (self._state, f"{self._state}:line", self._holders)
        args = (client.process, self.limit, token, client.lease_micros, int(GRACE * 1e6))
        answer, value = await client.run(scripts.TAKE_SLOT, keys, args)
        if answer < 0:
            raise _slots_conflict(self._key, cast("bytes", value).decode(), self.limit)
        if not answer:
            return POLL
        client.hold(token, lambda: self._renew(token))
        return Passed(token)

    async def _renew(self, token: str) -> bool:
        args = (token, self._client.lease_micros)
        return bool(await self._client.run(scripts.EXTEND_SLOT, (self._state, self._holders), args))

    def _drop(self, token: str) -> None:
        self._client.let_go(token)
        free = self._client.run(scripts.RELEASE, (self._holders,), (token,))
        self._client.later(free, "freeing a slot", self._line.wake)

    def _leave(self) -> None:
        keys = (self._state, f"{self._state}:line")
        self._client.later(self._client.run(scripts.LEAVE_LINE, keys, (self._client.process,)), "leaving a line")


def _slots_conflict(key: str, known: str, limit: int) -> ConcurrencyConflict:
    return ConcurrencyConflict(
        f"two limits of concurrency share the key {key!r}: {known} and {limit} at once; give them the same limit, or "
        f"keys of their own"
    )


def _nobody(change: Change, ctx: Any) -> None:
    """Who would be told has left."""
