"""What each node did, kept per node and readable at any time (semantics 13.2)."""

from __future__ import annotations

from collections import Counter
from typing import Any

__all__ = ["Metrics"]


class Metrics:
    """Counts of one node type's steps.

    Attributes:
        count: steps that ended. seconds: their total duration. slowest: the longest, in seconds.
        attempts: tries made in them. failures: failed steps by error type.
    """

    __slots__ = ("attempts", "count", "failures", "seconds", "slowest")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.slowest = 0.0
        self.attempts = 0
        self.failures: Counter[str] = Counter()

    def add(self, seconds: float) -> None:
        """One step ended after so many seconds."""
        self.count += 1
        self.attempts += 1
        self.seconds += seconds
        if seconds > self.slowest:
            self.slowest = seconds

    def snapshot(self) -> dict[str, Any]:
        """The figures now, as plain data."""
        mean = self.seconds / self.count if self.count else 0.0
        return {
            "count": self.count,
            "attempts": self.attempts,
            "seconds": self.seconds,
            "mean": mean,
            "slowest": self.slowest,
            "failures": dict(self.failures),
        }
