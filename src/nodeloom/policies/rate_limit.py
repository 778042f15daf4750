"""Rate limits: a token bucket per key, first come, first served (semantics 5.6)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from .admission import still_let_through, wait_in_line
from .checks import check, count, differing, number, seconds
from .keys import Key, KeyLike
from .loop_clock import LoopClock
from .policy import Handler, Layer, Place, Policy
from .shared import Rate, own_key

if TYPE_CHECKING:
    from ..nodes.context import Context

__all__ = ["RateLimit", "TokenBucket"]

LATER = 2e-9
"""A timer of the loop may strike a nanosecond early: ours are set this much later, so that one strike is enough."""
CLOSE = 0.0012
"""A timer of the loop strikes up to a millisecond late. From 20 to 400 a second that is more than one in a hundred of
the rate, and with a burst of 1 nothing late may be made up for: there the timer is set this much earlier, and the rest
is waited out turn by turn of the loop."""


@dataclass(frozen=True)
class RateLimit(Policy):
    """Let at most `rate` attempts begin per `per` seconds; the others wait in the order they came.

    Any window of t seconds admits at most `burst + rate / per * t`. The limit is shared by all steps with the same
    key in an engine, across its runs and graphs, and across all engines on one shared store. With a burst of 1 nothing
    that comes late may be caught up, so above 400 a second a loop's timers are too coarse to reach the rate: give a
    burst there.

    Args:
        rate: how many. per: in how many seconds. burst: how many may begin at once after a pause.
        key: what shares the limit: a text as `"api"`, a template as `"{{ params.host }}"`, or a function of the
            context. By default, the steps of this node in this graph.

    Raises:
        DefinitionError: a rate or time that is not above 0, a burst that is no whole number from 1, a key that
            cannot be one. RateLimitConflict: another limit under the same key.

    Example:
        `Fetch(url="https://example.org", policies=[RateLimit(10, per=1.0, burst=10, key="example.org")])`
    """

    layer: ClassVar[Layer] = "rate_limit"
    rate: float
    per: float = 1.0
    burst: int = 1
    key: KeyLike = None
    _key: Key = field(init=False, repr=False, compare=False)
    _limit: Rate = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check(
            self,
            rate=number("rate", self.rate),
            per=seconds("per", self.per),
            burst=count("burst", self.burst),
        )
        object.__setattr__(self, "_key", Key(self.key, "RateLimit"))
        object.__setattr__(self, "_limit", Rate(self.rate / self.per, self.burst))

    def around(self, call: Handler, place: Place) -> Handler:
        """The call, when there is a token for it."""
        key, limit, bucket_of = self._key, self._limit, place.limits.bucket
        constant = key.constant if self.key is not None else own_key(place.key, limit)
        if constant is not None:
            place.limits.declare(constant, limit)

        async def handle(ctx: Context) -> Any:
            bucket = bucket_of(constant if constant is not None else key.of(ctx), limit)
            if not bucket.try_take():
                await wait_in_line(ctx, bucket.take)
                await still_let_through(ctx)
            return await call(ctx)

        return handle

    def problems(self, names: frozenset[str]) -> list[str]:
        """What is wrong with the key."""
        return self._key.problems(names)

    def settings(self) -> Mapping[str, Any]:
        """What a document says of it."""
        return differing(self)


class TokenBucket:
    """A bucket in this process.

    It remembers when it was last full and how many tokens were taken since, so nothing adds up to an error over
    time. Whoever has to wait stands in a line, and one timer is set for whoever is first: nobody sleeps, and a place
    in the line is worth nothing until its token is there, so who leaves leaves no gap.

    Args:
        limit: its pace and burst. clock: tells the time.
    """

    __slots__ = ("_clock", "_full_at", "_line", "_looked_at", "_taken", "_timer", "limit")

    def __init__(self, limit: Rate, clock: LoopClock) -> None:
        self.limit = limit
        self._clock = clock
        self._full_at = float("-inf")
        self._taken = 0
        self._line: OrderedDict[asyncio.Future[float], None] | None = None
        self._timer: asyncio.Handle | None = None
        self._looked_at = 0.0

    @property
    def waiting(self) -> int:
        """How many wait for a token."""
        return len(self._line) if self._line is not None else 0

    def is_idle(self, now: float) -> bool:
        """Whether it is full, and nobody waits: then it is like a new one."""
        return not self._line and self._taken <= (now - self._full_at) * self.limit.pace

    def try_take(self) -> bool:
        """Take a token if that needs no wait, and nobody waits."""
        return not self._line and self._take(self._clock.now())

    async def take(self) -> None:
        """Take a token, behind those who asked before; cancelled, it leaves the token to the others."""
        if self.try_take():
            return
        loop = asyncio.get_running_loop()
        line = self._line = self._line if self._line is not None else OrderedDict()
        turn: asyncio.Future[float] = loop.create_future()
        line[turn] = None
        if self._timer is None:
            self._set_timer(loop)
        try:
            await turn
        except asyncio.CancelledError:
            line.pop(turn, None)
            if turn.done() and not turn.cancelled():
                self._give_back(turn.result())
                self._serve()
            elif not line:
                self._serve()
            raise

    def _take(self, now: float) -> bool:
        limit = self.limit
        taken = self._taken
        earned = (now - self._full_at) * limit.pace
        if taken <= earned:
            self._full_at = now
            self._taken = 1
            return True
        if taken + 1 > limit.burst + earned:
            return False
        self._taken = taken + 1
        return True

    def _give_back(self, full_at: float) -> None:
        """Put back a token that was taken when the bucket had last been full at `full_at`."""
        if self._full_at == full_at:  # else it has been full since, and what is put into a full bucket runs over
            self._taken -= 1

    def _serve(self) -> None:
        """Hand what tokens there are to those who wait longest, and set the timer for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        line = self._line
        if not line:
            self._line = None
            return
        now = self._clock.now()
        while line and (next(iter(line)).done() or self._take(now)):
            turn, _ = line.popitem(last=False)
            if not turn.done():
                turn.set_result(self._full_at)
        if line:
            self._set_timer(asyncio.get_running_loop())

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        limit, now, before = self.limit, self._clock.now(), self._looked_at
        due = self._full_at + (self._taken + 1 - limit.burst) / limit.pace
        self._looked_at = now
        is_fine = 20 <= limit.pace <= 400 and limit.burst - 1 < 0.002 * limit.pace
        if is_fine and due - now > 2 * CLOSE:
            self._timer = loop.call_at(due - CLOSE, self._serve)
        elif is_fine and now not in (before, due):  # time that stands still, as virtual time does, waits for a timer
            self._timer = loop.call_soon(self._serve)
        else:
            self._timer = loop.call_at(due + LATER + abs(due) * 1e-15, self._serve)
