"""Circuit breakers: what keeps failing is left alone for a while, then tried by one call (semantics 5.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import CircuitOpen, PolicyError
from ..model.result import error_info
from ..nodes.context import being_cancelled
from .admission import Admission, admission
from .checks import check, count, differing, seconds, share
from .failures import ErrorsLike, Failures, errors_problem, errors_tuple
from .keys import Key, KeyLike
from .loop_clock import LoopClock
from .policy import Handler, Layer, Place, Policy
from .shared import BreakerSettings, Change, Tell, Verdict, own_key, shown_key
from .window import Window

if TYPE_CHECKING:
    from ..nodes.context import Context

__all__ = ["CircuitBreaker", "MemoryBreaker", "refusal"]

FORGOTTEN = 86_400.0
"""Seconds after which failures that nobody added to are forgotten."""


@dataclass(frozen=True)
class CircuitBreaker(Policy):
    """Refuse attempts while what they call keeps failing.

    After `failures` in a row (or, with a `rate`, when that share of the calls in the window failed) it opens: every
    attempt is refused with `CircuitOpen`, whose `retry_after` says in how many seconds it makes sense to come back.
    After `reset_after` seconds exactly one attempt is let through as a probe: when it succeeds the breaker closes,
    when it fails it stays open for as long again. An attempt that times out has failed; one that is cancelled has
    neither failed nor succeeded. Who was let through, and waits for tokens or slots when it opens, is refused after
    the wait. An error that does not count is an answer: it is taken for a success;
    so is one that says `retryable = False` itself (http.request's 404), unless `counts` names it.

    The state is shared by all steps with the same key in an engine, across its runs and graphs, and across all
    engines on one shared store. Watchers of a run are told of `breaker_opened` and `breaker_closed`.

    Args:
        failures: how many in a row open it. reset_after: seconds until a probe.
        rate: the share of failures that opens it, instead of `failures` in a row: above 0, up to 1.
        window: of how many seconds calls count for the rate, counted in tenths of it; 60 by default.
        minimum: how many calls there must be in the window before the rate counts.
        key: what shares the state: a text as `"api"`, a template as `"{{ params.host }}"`, or a function of the
            context. By default, the steps of this node in this graph.
        counts: the errors that are failures: classes, registered names, or a function of the error.

    Raises:
        DefinitionError: a setting that cannot work; all of them at once. PolicyError: a breaker with other settings
            under the same key.

    Example:
        `Fetch(url="https://example.org", policies=[CircuitBreaker(5, reset_after=30.0, key="example.org")])`
    """

    layer: ClassVar[Layer] = "circuit_breaker"
    failures: int = 5
    _: KW_ONLY
    reset_after: float = 30.0
    window: float | None = None
    rate: float | None = None
    minimum: int = 10
    key: KeyLike = None
    counts: ErrorsLike = (Exception,)
    _key: Key = field(init=False, repr=False, compare=False)
    _settings: BreakerSettings = field(init=False, repr=False, compare=False)
    _counts: Failures = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lonely = None if self.window is None or self.rate is not None else "window goes with a rate, as rate=0.5"
        check(
            self,
            failures=count("failures", self.failures),
            reset_after=seconds("reset_after", self.reset_after),
            window=lonely if self.window is None or lonely else seconds("window", self.window),
            rate=None if self.rate is None else share("rate", self.rate),
            minimum=count("minimum", self.minimum),
            counts=errors_problem("counts", self.counts),
        )
        errors = errors_tuple(self.counts)
        settings = BreakerSettings(self.failures, self.reset_after, self.window or 60.0, self.rate, self.minimum)
        object.__setattr__(self, "_key", Key(self.key, "CircuitBreaker"))
        object.__setattr__(self, "counts", errors)
        object.__setattr__(self, "_counts", Failures(errors))
        object.__setattr__(self, "_settings", settings)

    def around(self, call: Handler, place: Place) -> Handler:
        """The call, unless the breaker is open."""
        key, settings, breaker_of, tell = self._key, self._settings, place.limits.breaker, self._tell
        constant = key.constant if self.key is not None else own_key(place.key, settings)
        if constant is not None:
            place.limits.declare(constant, settings)

        async def handle(ctx: Context) -> Any:
            breaker = breaker_of(constant if constant is not None else key.of(ctx), settings)
            ticket = breaker.try_enter()
            if ticket is None:
                ticket = await breaker.enter()
            verdict: Verdict = "neither"
            let_through = Admission(ctx, breaker, ticket)
            before = admission.set(let_through)
            try:
                result = await call(ctx)
                verdict = "success"
            except Exception as error:
                verdict = "neither" if let_through.refused else self._verdict(error)
                raise
            finally:
                admission.reset(before)
                if let_through.inside:
                    breaker.leave(let_through.ticket, verdict, tell, ctx)
            return result

        return handle

    def _verdict(self, error: Exception) -> Verdict:
        if being_cancelled() or isinstance(error, PolicyError):  # of a policy inside: nothing was asked
            return "neither"
        return "failure" if self._counts.match_named(error, error_info(error, "").names) else "success"

    def _tell(self, change: Change, ctx: Context) -> None:
        key = self._key.of(ctx)
        if change == "opened":
            ctx.log.warning("circuit breaker %s opened (%s)", key, self._settings)
            ctx.live.emit("breaker_opened", ctx, key=key, reset_after=self.reset_after)
        else:
            ctx.log.info("circuit breaker %s closed", key)
            ctx.live.emit("breaker_closed", ctx, key=key)

    def problems(self, names: frozenset[str]) -> list[str]:
        """What is wrong with the key."""
        return self._key.problems(names)

    def settings(self) -> Mapping[str, Any]:
        """What a document says of it."""
        return differing(self)


class MemoryBreaker:
    """A breaker in this process.

    A ticket is the number of the state a call was let through in: what becomes of a call after the state has changed
    says nothing about the new one.

    Args:
        key: what errors call it. settings: when it opens. clock: tells the time.
    """

    __slots__ = (
        "_clock",
        "_failed_at",
        "_failures",
        "_inside",
        "_key",
        "_probing",
        "_ticket",
        "_until",
        "_window",
        "settings",
    )

    def __init__(self, key: str, settings: BreakerSettings, clock: LoopClock) -> None:
        self.settings = settings
        self._key = key
        self._clock = clock
        self._until: float | None = None  # None while it is closed; else when a probe may be let through
        self._probing = False
        self._ticket = 0
        self._inside = 0
        self._failures = 0
        self._failed_at = 0.0
        self._window = None if settings.rate is None else Window(settings.window)

    @property
    def state(self) -> str:
        """`closed`, `open` or `half_open`."""
        if self._until is None:
            return "closed"
        return "half_open" if self._clock.now() >= self._until else "open"

    def is_idle(self, now: float) -> bool:
        """Whether it is like a new one: nobody inside, closed, nothing counted; or all of that long ago."""
        if self._inside:
            return False
        if self._until is None and not self._failures and (self._window is None or self._window.is_empty(now)):
            return True
        return now - max(self._failed_at, self._until or 0.0) > max(FORGOTTEN, self.settings.window)

    def try_enter(self) -> int:
        """A ticket. Raises `CircuitOpen`."""
        if self._until is not None:
            self._begin_probe(self._until)
        self._inside += 1
        return self._ticket

    async def enter(self) -> int:
        """A ticket. Raises `CircuitOpen`."""
        return self.try_enter()

    async def ask_again(self, ticket: int) -> int:
        """The ticket of a call that has waited: one of before the breaker opened is worth nothing."""
        if self._until is not None and ticket != self._ticket:
            self._begin_probe(self._until)
        return self._ticket

    def _begin_probe(self, until: float) -> None:
        left = until - self._clock.now()
        if self._probing or left > 0:
            raise refusal(self._key, self.settings, max(left, 0.0))
        self._probing = True

    def leave(self, ticket: int, verdict: Verdict, tell: Tell, ctx: Any) -> None:
        """Say what became of the call; `tell(change, ctx)` is called when that changes the state."""
        self._inside -= 1
        if ticket != self._ticket:
            return
        if self._until is not None:
            self._end_probe(verdict, tell, ctx)
        elif verdict == "failure":
            if self._opens():
                self._open()
                tell("opened", ctx)
        elif verdict == "success":
            self._failures = 0
            if self._window is not None:
                self._window.add(self._clock.now(), 0)

    def _opens(self) -> bool:
        """Count a failure; whether it is one too many."""
        now = self._failed_at = self._clock.now()
        if self._window is None:
            self._failures += 1
            return self._failures >= self.settings.failures
        self._window.add(now, 1)
        return self._window.calls >= self.settings.minimum and self._window.share >= (self.settings.rate or 0.0)

    def _open(self) -> None:
        self._until = self._clock.now() + self.settings.reset_after
        self._ticket += 1

    def _end_probe(self, verdict: Verdict, tell: Tell, ctx: Any) -> None:
        self._probing = False
        if verdict == "failure":
            self._open()
            tell("opened", ctx)
        elif verdict == "success":
            self._until = None
            self._ticket += 1
            self._failures = 0
            if self._window is not None:
                self._window = Window(self.settings.window)
            tell("closed", ctx)


def refusal(key: str, settings: BreakerSettings, left: float) -> CircuitOpen:
    """The error of a call that is not let through, `left` seconds before a probe may be."""
    if left > 0:
        when = f"a probe is let through in {left:.3g} s"
    else:
        left = settings.reset_after
        when = "its probe is under way"
    return CircuitOpen(f"circuit breaker {shown_key(key)} is open, for what it guards kept failing; {when}", left)
