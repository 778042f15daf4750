"""Time that is over: an alarm for the asyncio task that sets it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ["Alarm"]


class Alarm:
    """Cancels the asyncio task it is made in, when it rings.

    Who sets one cancels its timer when the work has ended, and then asks `rang`: work may swallow what cancels it.

    Args:
        reason: the message of the CancelledError, for code that catches it to tell why.

    Attributes:
        rang: its time was over before the work was done, however that ended.

    Raises:
        RuntimeError: this is not in an asyncio task.
    """

    __slots__ = ("_before", "_reason", "_task", "rang")

    def __init__(self, reason: str) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("what waits with a timeout runs in an asyncio task")
        self._task: asyncio.Task[Any] = task
        self._before = task.cancelling()
        self._reason = reason
        self.rang = False

    def ring(self) -> None:
        """The time is over."""
        self.rang = True
        self._task.cancel(self._reason)

    def outcome(self, overdue: Callable[[], Exception]) -> BaseException:
        """How work ends that it rang in, with its cancelling taken back: when others cancelled too, they win."""
        return asyncio.CancelledError() if self._task.uncancel() > self._before else overdue()
