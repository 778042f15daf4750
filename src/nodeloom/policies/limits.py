"""What policies share by key, in this process (semantics 5.5 to 5.7); `stores.redis_limits` shares it on a server."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import MutableMapping
from typing import Any, Generic, Protocol, TypeVar

from ..errors import ConcurrencyConflict, PolicyError, RateLimitConflict
from .circuit_breaker import MemoryBreaker
from .loop_clock import LoopClock
from .rate_limit import TokenBucket
from .shared import BreakerSettings, Claim, Kept, Rate
from .slots import Slots

__all__ = ["Declarations", "MemoryLimits", "conflict"]

ROOMY = 1_000
"""Below this many keys of a kind nothing is looked for to be forgotten."""


class Forgettable(Protocol):
    """A state that can be told from a new one, or not."""

    def is_idle(self, now: float) -> bool:
        """Whether it would answer whatever it is asked as a new one does."""
        ...


S = TypeVar("S", bound=Forgettable)


class Table(Generic[S]):
    """States by key. Each new key makes it look at the two it has not looked at for longest, and drop what is idle.

    So it holds at most the states that are in use and as many idle ones, without a timer.

    Args:
        clock: tells the time.
    """

    __slots__ = ("_clock", "states")

    def __init__(self, clock: LoopClock) -> None:
        self._clock = clock
        self.states: OrderedDict[str, S] = OrderedDict()

    def add(self, key: str, state: S) -> S:
        """Keep a new state."""
        states = self.states
        if len(states) >= ROOMY:
            now = self._clock.now()
            for _ in range(2):
                oldest, kept = states.popitem(last=False)
                if not kept.is_idle(now):
                    states[oldest] = kept
        states[key] = state
        return state


class Declarations:
    """Which settings are declared for constant keys, for as long as a definition holds them."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: weakref.WeakValueDictionary[tuple[type, str], Rate | BreakerSettings]
        self._known = weakref.WeakValueDictionary()

    def add(self, key: str, settings: Rate | BreakerSettings) -> None:
        """Declare settings.

        Raises:
            RateLimitConflict, PolicyError: others are declared for the key.
        """
        self.check(key, settings)
        self._known.setdefault((type(settings), key), settings)

    def check(self, key: str, settings: Rate | BreakerSettings) -> None:
        """Refuse settings for a key for which others are declared."""
        known = self._known.get((type(settings), key), settings)
        if known is not settings and known != settings:
            raise conflict(key, known, settings)


class MemoryLimits:
    """The state that policies share by key across the runs of an engine.

    A key that is idle is forgotten when room is needed, for it would answer like a new one: a bucket that is full, a
    breaker that is closed and has counted nothing (or, for a day, nothing new), a result that has expired, slots that
    nobody holds or waits for. There is no timer and no thread.

    Example:
        >>> from nodeloom.policies.shared import Rate
        >>> import asyncio
        >>> async def main():
        ...     limits = MemoryLimits()
        ...     return [limits.bucket("api", Rate(10.0, 2)).try_take() for _ in range(3)]
        >>> asyncio.run(main())
        [True, True, False]
    """

    __slots__ = ("_breakers", "_buckets", "_clock", "_declared", "_kept", "_slots", "flights")

    def __init__(self) -> None:
        clock = self._clock = LoopClock()
        self.flights: MutableMapping[str, Any] = {}
        self._declared = Declarations()
        self._buckets: Table[TokenBucket] = Table(clock)
        self._breakers: Table[MemoryBreaker] = Table(clock)
        self._kept: Table[Expiring] = Table(clock)
        self._slots: weakref.WeakValueDictionary[str, Slots] = weakref.WeakValueDictionary()

    def declare(self, key: str, settings: Rate | BreakerSettings) -> None:
        """Say under which settings a constant key will be used. Raises `RateLimitConflict` or `PolicyError`."""
        self._declared.add(key, settings)

    def bucket(self, key: str, rate: Rate) -> TokenBucket:
        """The key's token bucket. Raises `RateLimitConflict`."""
        bucket = self._buckets.states.get(key)
        if bucket is None:
            self._declared.check(key, rate)
            return self._buckets.add(key, TokenBucket(rate, self._clock))
        if bucket.limit is not rate and bucket.limit != rate:
            raise conflict(key, bucket.limit, rate)
        return bucket

    def breaker(self, key: str, settings: BreakerSettings) -> MemoryBreaker:
        """The key's circuit breaker. Raises `PolicyError`."""
        breaker = self._breakers.states.get(key)
        if breaker is None:
            self._declared.check(key, settings)
            return self._breakers.add(key, MemoryBreaker(key, settings, self._clock))
        if breaker.settings is not settings and breaker.settings != settings:
            raise conflict(key, breaker.settings, settings)
        return breaker

    def slots(self, key: str, limit: int) -> Slots:
        """The key's slots, which are forgotten when nobody has them. Raises `ConcurrencyConflict`."""
        slots = self._slots.get(key)
        if slots is None:
            slots = self._slots[key] = Slots(limit)
        if slots.limit != limit:
            raise ConcurrencyConflict(
                f"two limits of concurrency share the key {key!r}: {slots.limit} and {limit} at once; give them the "
                f"same limit, or keys of their own"
            )
        return slots

    def recall(self, key: str) -> Kept | None:
        """The key's remembered result."""
        found = self._kept.states.get(key)
        now = self._clock.now()
        return Kept(found.result, now - found.since) if found is not None and not found.is_idle(now) else None

    async def claim(self, key: str) -> Kept | Claim:
        """The key's remembered result, or the right to find it out."""
        return self.recall(key) or MemoryClaim(self, key)

    def remember(self, key: str, result: Any, ttl: float) -> None:
        """Remember a result for `ttl` seconds."""
        self._kept.add(key, Expiring(result, self._clock.now(), ttl))

    async def close(self) -> None:
        """Nothing is open."""


class Expiring:
    """A result, when it was made, and for how many seconds it is remembered."""

    __slots__ = ("_until", "result", "since")

    def __init__(self, result: Any, since: float, ttl: float) -> None:
        self.result = result
        self.since = since
        self._until = since + ttl

    def is_idle(self, now: float) -> bool:
        """Whether it has expired."""
        return now >= self._until


class MemoryClaim:
    """The right to find out a result; in one process it needs no more than the flight that holds it."""

    __slots__ = ("_key", "_limits")

    def __init__(self, limits: MemoryLimits, key: str) -> None:
        self._limits = limits
        self._key = key

    async def keep(self, result: Any, ttl: float) -> None:
        """Remember the result."""
        self._limits.remember(self._key, result, ttl)

    async def drop(self, error: BaseException | None) -> None:
        """Give the claim up."""


def conflict(key: str, known: Rate | BreakerSettings, settings: Rate | BreakerSettings) -> PolicyError:
    """The error of two settings under one key."""
    if isinstance(settings, Rate):
        return RateLimitConflict(
            f"two rate limits share the key {key!r}: {known}, and {settings}; give them the same limit, or keys of "
            f"their own"
        )
    return PolicyError(
        f"two circuit breakers share the key {key!r}: {known}, and {settings}; give them the same settings, or keys "
        f"of their own"
    )
