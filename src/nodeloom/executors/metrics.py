"""What each node did, kept per node and readable at any time (semantics 13.2)."""

from __future__ import annotations

from collections import Counter
from typing import Any

__all__ = ["Metrics"]


class Metrics:
    """Counts of one node type's steps.

    Attributes:
        count: steps that ended. seconds: how long they took together, from when a step was taken up until its
            outcome was there. retries: tries made in them after the first. failures: failed steps by error type.
    """

    __slots__ = ("count", "failures", "retries", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.retries = 0
        self.failures: Counter[str] = Counter()

    def snapshot(self) -> dict[str, Any]:
        """The figures now, as plain data."""
        return {
            "count": self.count,
            "attempts": self.count + self.retries,
            "seconds": self.seconds,
            "mean": self.seconds / self.count if self.count else 0.0,
            "failures": dict(self.failures),
        }
