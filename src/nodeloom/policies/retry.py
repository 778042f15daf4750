"""Retry: the only layer that tries again (semantics 5.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import CircuitOpen, DefinitionError, EngineClosed, GraphError, ParamsError, PolicyError
from ..model.result import error_info
from ..model.run import ErrorInfo
from ..nodes.context import being_cancelled
from .checks import as_written, check, count, differing, number, seconds, switch
from .failures import ErrorsLike, Failures, errors_problem, errors_tuple, inner_failure
from .policy import Handler, Layer, Place, Policy

if TYPE_CHECKING:
    from ..nodes.context import Context

__all__ = ["Retry", "attempts_of"]

NEVER = Failures((CircuitOpen, DefinitionError, GraphError, ParamsError, PolicyError, EngineClosed))
"""What another attempt cannot change: a breaker that is open, what an author wrote, an engine that has ended."""

MOST_ASKED = 31_536_000.0
"""Seconds that an error may ask to wait, a year: what asks for more is wrong, and no timer can be set that late."""

_ATTEMPTS = "__nodeloom_attempts__"


@dataclass(frozen=True, repr=False)
class Retry(Policy):
    """Try again when an attempt fails.

    Before attempt n + 1 it waits a random time between 0 and `wait * backoff ** (n - 1)`, and `max_wait` at most
    (full jitter: what failed together does not come back together). An error with a number of seconds as
    `retry_after` (a `RetryAfter`, or what http.request raises) is waited for at least that long, even past
    `max_wait`: coming back earlier is what was refused. A Deadline bounds all of it. When the last attempt fails, the
    step fails with its error.

    Never tried again: what was cancelled, an open circuit breaker, and an author's mistake (DefinitionError,
    ParamsError, PolicyError). An error that says `retryable = False` itself, as http.request's 404 does, is tried again
    only where `retry_on` names it: its class or one below Exception, or a function of it.

    Args:
        attempts: how many in all, the first one included.
        wait: seconds before the second attempt. backoff: what each wait is multiplied by for the next.
        max_wait: seconds that no wait grows past. jitter: False waits exactly that long.
        retry_on: the errors to try again after: classes, registered names, or a function of the error.
        give_up_on: those not to, though `retry_on` names them.
        random: gives numbers from 0 to 1, for tests.

    Raises:
        DefinitionError: a setting that cannot work; all of them at once.

    Example:
        `Fetch(url="https://example.org", policies=[Retry(3, retry_on=(OSError,), give_up_on="FileNotFoundError")])`
    """

    layer: ClassVar[Layer] = "retry"
    attempts: int = 3
    _: KW_ONLY
    wait: float = 0.1
    backoff: float = 2.0
    max_wait: float = 30.0
    jitter: bool = True
    retry_on: ErrorsLike = (Exception,)
    give_up_on: ErrorsLike = ()
    random: Callable[[], float] | None = field(default=None, compare=False)
    _on: Failures = field(init=False, compare=False)
    _off: Failures = field(init=False, compare=False)

    def __post_init__(self) -> None:
        check(
            self,
            attempts=count("attempts", self.attempts),
            wait=seconds("wait", self.wait, least=0),
            backoff=number("backoff", self.backoff, least=1),
            max_wait=seconds("max_wait", self.max_wait, least=0),
            jitter=switch("jitter", self.jitter),
            retry_on=errors_problem("retry_on", self.retry_on),
            give_up_on=None if self.give_up_on == () else errors_problem("give_up_on", self.give_up_on),
        )
        if self.wait > self.max_wait:
            problem = f"wait={self.wait:g} is longer than max_wait={self.max_wait:g}; give a longer max_wait as well"
            check(self, wait=problem)
        for name, kept in (("retry_on", "_on"), ("give_up_on", "_off")):
            errors = errors_tuple(getattr(self, name))
            object.__setattr__(self, name, errors)
            object.__setattr__(self, kept, Failures(errors))

    def around(self, call: Handler, place: Place) -> Handler:
        """The call, tried again."""

        async def handle(ctx: Context) -> Any:
            try:
                return await call(ctx)
            except Exception as error:
                failure = error
            try:
                return await self._again(call, ctx, failure)
            finally:
                del failure  # its traceback holds this frame

        return handle

    async def _again(self, call: Handler, ctx: Context, failure: Exception) -> Any:
        """The attempts after the first."""
        last, bound = ctx.attempt + self.attempts - 1, self.wait
        try:
            while self._retries(failure, info := error_info(failure, ctx.node_id), last - ctx.attempt):
                wait = self._pause(bound, failure)
                bound = min(bound * self.backoff, self.max_wait)
                ctx = ctx.at_attempt(ctx.attempt + 1)
                _tell(ctx, info, wait)
                await _wait(ctx, wait, failure)
                try:
                    return await call(ctx)
                except Exception as error:
                    failure = error
            vars(failure)[_ATTEMPTS] = self.attempts - last + ctx.attempt
            raise failure
        finally:
            del failure

    def _retries(self, failure: Exception, info: ErrorInfo, left: int) -> bool:
        """Whether there is another attempt; not for one that became a failure while it was being cancelled."""
        if left < 1 or being_cancelled() or NEVER.match(failure, info.names):
            return False
        return self._on.match_named(failure, info.names) and not self._off.match(failure, info.names)

    def _pause(self, bound: float, failure: Exception) -> float:
        """Seconds to wait before the next attempt."""
        return max(bound * self._random() if self.jitter else bound, _asked(failure))

    def _random(self) -> float:
        if self.random is not None:
            return self.random()
        from random import random

        return random()

    def settings(self) -> Mapping[str, Any]:
        """What a document says of it."""
        return differing(self)

    def __repr__(self) -> str:
        return as_written(self)


def attempts_of(error: BaseException) -> int:
    """How many attempts a step had made when it failed with this error; 1 where no Retry counted.

    Args:
        error: what a chain of policies raised.
    """
    return int(vars(error).get(_ATTEMPTS, 1))


def _tell(ctx: Context, info: ErrorInfo, wait: float) -> None:
    """Tell watchers and the log that there is another attempt, and when: nothing else is seen of the wait."""
    ctx.live.emit("step_retried", ctx, error=dict(info.as_values()), wait=wait)
    seconds = round(wait, 3)
    ctx.log.info("attempt %d failed (%s: %s), retrying in %.15g s", ctx.attempt - 1, info.type, info.message, seconds)


async def _wait(ctx: Context, seconds: float, failure: Exception) -> None:
    """Wait with nothing in hand: a run that is paused meanwhile goes on with the next attempt when it is resumed."""
    try:
        await ctx.sleep(seconds)
    except asyncio.CancelledError as error:
        raise error from failure  # a Deadline that ends the wait so tells what was waited for


def _asked(failure: Exception) -> float:
    """Seconds that the error itself asks to wait."""
    asked: Any = getattr(inner_failure(failure), "retry_after", None)
    return min(asked, MOST_ASKED) if number("retry_after", asked, least=0) is None else 0.0
