"""What policies share by key, across the runs of an engine or of all engines on one store (semantics 5.5 to 5.7).

`policies.limits.MemoryLimits` keeps it in this process, `stores.redis_limits.RedisLimits` on a Redis server. What a
name with `try_` does, it does without a wait; a store that has to ask somebody answers that it does not know, and
the method beside it is awaited. So a policy is written once and costs no wait where none is needed.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, Literal, Protocol

import msgspec

__all__ = [
    "Breaker",
    "BreakerSettings",
    "Bucket",
    "Change",
    "Claim",
    "Kept",
    "Limits",
    "Rate",
    "SlotsLike",
    "Tell",
    "Verdict",
    "own_key",
    "shown_key",
]

Change = Literal["opened", "closed"]
Verdict = Literal["success", "failure", "neither"]
"""What became of a call that a breaker let through; `neither` is one that was cancelled."""

Tell = Callable[[Change, Any], None]
"""What a breaker calls when its state changes, with the context of the call that changed it."""


class Rate(msgspec.Struct, frozen=True, weakref=True):
    """How fast: any window of t seconds admits at most `burst + pace * t`.

    Attributes:
        pace: tokens a second. burst: how many at once, from 1.
    """

    pace: float
    burst: int

    def __str__(self) -> str:
        pace = f"{self.pace:g} a second" if self.pace >= 1 else f"one every {1 / self.pace:g} s"
        return f"{pace}, burst {self.burst}"


class BreakerSettings(msgspec.Struct, frozen=True, weakref=True):
    """When a breaker opens, and for how long.

    Attributes:
        failures: how many in a row open it. reset_after: seconds until a probe is let through.
        window, rate, minimum: or, with a rate: the share of failures among the calls of the last `window` seconds
            that opens it, once there were `minimum`.
    """

    failures: int
    reset_after: float
    window: float
    rate: float | None
    minimum: int

    def __str__(self) -> str:
        opens = f"{self.failures} failures in a row"
        if self.rate is not None:
            opens = f"{self.rate:.0%} failures of at least {self.minimum} calls in {self.window:g} s"
        return f"open after {opens}, for {self.reset_after:g} s"


def own_key(place: str, settings: Rate | BreakerSettings) -> str:
    """The key of a place whose author named none: graphs may share a name, but not each other's limits."""
    return f"{place}\x1f{settings}"


def shown_key(key: str) -> str:
    """A key as messages show it."""
    return key.partition("\x1f")[0]


class Bucket(Protocol):
    """A token bucket: first come, first served."""

    def try_take(self) -> bool:
        """Take a token if that needs no wait, and nobody waits."""
        ...

    async def take(self) -> None:
        """Take a token, behind those who asked before; cancelled, it leaves the token to the others."""
        ...


class Breaker(Protocol):
    """A circuit breaker. Who is let through calls `leave` once, with the ticket it was given."""

    def try_enter(self) -> int | None:
        """A ticket, or None where the answer needs a wait. Raises `CircuitOpen`."""
        ...

    async def enter(self) -> int:
        """A ticket. Raises `CircuitOpen`."""
        ...

    async def ask_again(self, ticket: int) -> int:
        """The ticket to leave with, of who was let through and has waited since. Raises `CircuitOpen`."""
        ...

    def leave(self, ticket: int, verdict: Verdict, tell: Tell, ctx: Any) -> None:
        """Say what became of the call; `tell(change, ctx)` is called when that changes the state."""
        ...


class SlotsLike(Protocol):
    """So many at once: first come, first served."""

    limit: int

    def try_acquire(self) -> bool:
        """Take a slot if that needs no wait."""
        ...

    async def acquire(self) -> None:
        """Take a slot, behind those who asked before."""
        ...

    def release(self) -> None:
        """Give a slot back."""
        ...


class Kept(msgspec.Struct, frozen=True):
    """A remembered result.

    Attributes:
        result: a mapping, None or a `Route`; whoever hands it out keeps it from being changed.
        age: seconds since it was made.
    """

    result: Any
    age: float = 0.0


class Claim(Protocol):
    """The right to find out what a key's result is: nobody else has it meanwhile."""

    async def keep(self, result: Any, ttl: float) -> None:
        """Remember the result for `ttl` seconds, and give the claim up."""
        ...

    async def drop(self, error: BaseException | None) -> None:
        """Give the claim up without a result; who waits for it gets the error, or None: one of them may claim."""
        ...


class Limits(Protocol):
    """The state that policies share by key."""

    @property
    def flights(self) -> MutableMapping[str, Any]:
        """What is being found out in this process, by key: idempotency's own."""
        ...

    def declare(self, key: str, settings: Rate | BreakerSettings) -> None:
        """Say under which settings a constant key will be used, for as long as the settings are held.

        Raises:
            RateLimitConflict: others are declared for it; `PolicyError` for those of a breaker.
        """
        ...

    def bucket(self, key: str, rate: Rate) -> Bucket:
        """The key's token bucket. Raises `RateLimitConflict`."""
        ...

    def breaker(self, key: str, settings: BreakerSettings) -> Breaker:
        """The key's circuit breaker. Raises `PolicyError` when it has other settings."""
        ...

    def slots(self, key: str, limit: int) -> SlotsLike:
        """The key's slots. Raises `ConcurrencyConflict`."""
        ...

    def recall(self, key: str) -> Kept | None:
        """The key's remembered result, if it is known without a wait."""
        ...

    async def claim(self, key: str) -> Kept | Claim:
        """The key's remembered result, or the right to find it out; waits while somebody else has that right."""
        ...

    async def close(self) -> None:
        """Let go of what is open; called once, by the engine that owns it."""
        ...
