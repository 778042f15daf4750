"""Timeout bounds one attempt, Deadline the whole step (semantics 5.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import DeadlineExceeded, StepTimeout
from ..nodes.begun import begun_at
from .checks import check, seconds
from .first_step import bounded
from .policy import Handler, Layer, Place, Policy

if TYPE_CHECKING:
    from ..nodes.context import Context

__all__ = ["Deadline", "Timeout"]


@dataclass(frozen=True)
class Timeout(Policy):
    """Cancel an attempt that takes too long; waiting for tokens and slots is not counted.

    It raises `StepTimeout`, a TimeoutError, so `on_error(TimeoutError)` and `Retry(retry_on=TimeoutError)` match. A
    TimeoutError of the node's own stays as it is. Code on a thread cannot be killed: the step ends, the late result
    is dropped.

    Args:
        seconds: how long one attempt may take.

    Raises:
        DefinitionError: not a number above 0.

    Example:
        `Fetch(url="https://example.org", policies=[Retry(3), Timeout(10)])`
    """

    layer: ClassVar[Layer] = "timeout"
    seconds: float

    def __post_init__(self) -> None:
        check(self, seconds=seconds("seconds", self.seconds))

    def around(self, call: Handler, place: Place) -> Handler:
        """The call, within its time."""
        return bounded(call, self.seconds, "timeout", self._overdue)

    def _overdue(self, ctx: Context) -> StepTimeout:
        return StepTimeout(f"node {ctx.node_id} took longer than its {self.seconds:g} s (Timeout)")

    def settings(self) -> Mapping[str, Any]:
        """What a document says of it."""
        return {"seconds": self.seconds}


@dataclass(frozen=True)
class Deadline(Policy):
    """Cancel a step that takes too long, with all its attempts and the waits for tries, tokens and slots.

    It raises `DeadlineExceeded`, a TimeoutError; only a Fallback stands outside of it. A first step that waits for
    its node's `on_start` waits within it, too; `on_start` itself goes on, for the steps that come after.

    Args:
        seconds: how long the whole step may take.

    Raises:
        DefinitionError: not a number above 0.

    Example:
        `Fetch(url="https://example.org", policies=[Retry(10), Timeout(5), Deadline(30)])`
    """

    layer: ClassVar[Layer] = "deadline"
    seconds: float

    def __post_init__(self) -> None:
        check(self, seconds=seconds("seconds", self.seconds))

    def around(self, call: Handler, place: Place) -> Handler:
        """The call, within its time."""
        return bounded(call, self.seconds, "deadline", self._overdue, begun_at)

    def _overdue(self, ctx: Context) -> DeadlineExceeded:
        return DeadlineExceeded(f"node {ctx.node_id} was not done within its {self.seconds:g} s (Deadline)")

    def settings(self) -> Mapping[str, Any]:
        """What a document says of it."""
        return {"seconds": self.seconds}
