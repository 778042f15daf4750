"""What can fail a step or its run."""

from __future__ import annotations

import asyncio
from typing import Any

from .definitions import NodeloomError

__all__ = [
    "CircuitOpen",
    "CommandFailed",
    "ConcurrencyConflict",
    "DeadlineExceeded",
    "LimitExceeded",
    "MaxStepsExceeded",
    "OutputError",
    "PathNotAllowed",
    "PolicyError",
    "PoolExhausted",
    "QuorumNotReached",
    "RateLimitConflict",
    "ReducerFailed",
    "RemoteError",
    "RetryAfter",
    "RoutingError",
    "SecretError",
    "SecretNotFound",
    "StartFailed",
    "StateConflict",
    "StepError",
    "StepTimeout",
    "StillRunning",
    "StoreUnavailable",
    "WorkerDied",
]


class StepError(NodeloomError):
    """What can fail a step, or the run it is part of."""

    code = "step"


class OutputError(StepError, TypeError):
    """`work` returned something that is neither a mapping, None, a Route nor a generator of mappings."""

    code = "output"


class RoutingError(StepError):
    """A condition failed while the run was routing, or a Route names a node without an edge."""

    code = "routing"


class StateConflict(StepError):
    """Two branches replaced one key of a declared state, and neither had seen the other's write."""

    code = "state_conflict"


class ReducerFailed(StepError):
    """A reducer raised while an update was merged into the state; it is no step's failure, and no edge catches it.

    Attributes:
        key: of the state. node: whose update it was, where that is known.
    """

    code = "reducer"

    def __init__(self, message: str, key: str = "", node: str = "") -> None:
        super().__init__(message)
        self.key = key
        self.node = node


class QuorumNotReached(StepError):
    """Fewer branches can still arrive than the quorum asks for."""

    code = "quorum_not_reached"


class MaxStepsExceeded(StepError):
    """The run took more steps than its graph allows."""

    code = "max_steps"


class PoolExhausted(StepError):
    """Every thread of a pool is held by work that was given up on."""

    code = "pool_exhausted"
    retryable = True


class WorkerDied(StepError):
    """A worker process ended before it gave its outputs; the message says how."""

    code = "worker_died"
    retryable = True


class StartFailed(StepError):
    """A node's `on_start` failed in the worker process that was to perform its steps; `__cause__` says why."""

    code = "start_failed"
    retryable = False


class RemoteError(StepError):
    """What failed in a worker process, where its class cannot be had here, or not be made anew.

    It is raised as a class of the same name, which also is of those of its classes that are known here: so
    `on_error("ThatError")` and `retry_on=(ValueError,)` match as if it had been raised in this process.
    """

    code = "remote"

    def __init__(self, message: str = "") -> None:
        BaseException.__init__(self, message)  # not that of a class it stands in for, which wants other arguments

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class RetryAfter(StepError):
    """Raise it to be tried again, but not before some time has passed: Retry waits at least that long.

    Attributes: `retry_after` seconds to wait. Any exception with a number under this name is honoured alike.

    Args:
        retry_after: seconds, from 0. message: why; made up by default.

    Raises:
        ValueError: not a finite number of seconds from 0.

    Example:
        `raise RetryAfter(20, "the model is loading")`
    """

    code = "retry_after"
    retryable = True

    def __init__(self, retry_after: float, message: str = "") -> None:
        number: object = retry_after
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < float("inf"):
            raise ValueError(f"RetryAfter({retry_after!r}): give the seconds to wait, as a number from 0")
        super().__init__(message or f"to be tried again after {retry_after:g} s")
        self.retry_after = retry_after


class StepTimeout(StepError, TimeoutError):
    """One attempt took longer than the Timeout of its node."""

    code = "step_timeout"
    retryable = True


class DeadlineExceeded(StepError, TimeoutError):
    """A step, with all its attempts and waits, took longer than the Deadline of its node."""

    code = "deadline_exceeded"


class CircuitOpen(StepError):
    """A circuit breaker lets nothing through, for what it guards has failed too often.

    Attributes: `retry_after` in how many seconds it makes sense to come back.
    """

    code = "circuit_open"

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PolicyError(StepError):
    """A policy cannot do its part, as a key that cannot be made. Trying again does not help."""

    code = "policy"


class RateLimitConflict(PolicyError):
    """Two different rate limits under one key."""

    code = "rate_limit_conflict"


class ConcurrencyConflict(PolicyError):
    """Two different limits of concurrency under one key."""

    code = "concurrency_conflict"


class StoreUnavailable(StepError):
    """A store that steps depend on did not answer. Trying again may help."""

    code = "store_unavailable"
    retryable = True


class PathNotAllowed(StepError):
    """A path outside the roots that the engine allows."""

    code = "path_not_allowed"


class LimitExceeded(StepError):
    """A body, a file or an output larger than its limit."""

    code = "limit_exceeded"


class CommandFailed(StepError):
    """A command ended with a status that is no success, or could not be started."""

    code = "command_failed"


class SecretError(StepError):
    """A secret cannot be had; the message names it and where it was looked for, and never shows a value."""

    code = "secret"


class SecretNotFound(SecretError, LookupError):
    """There is no secret of this name in any of the places looked in; the message names those, and near names."""


class StillRunning(asyncio.CancelledError):
    """A step was cancelled, and its code goes on running on a thread, which nobody can end.

    Attributes: `until` is done when the code has ended: what it holds (its slots) is not free before.
    """

    def __init__(self, message: str, until: asyncio.Future[Any]) -> None:
        super().__init__(message)
        self.until = until
