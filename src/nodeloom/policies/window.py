"""Calls counted over a time that moves on."""

from __future__ import annotations

from collections import deque

__all__ = ["SLICES", "Window"]

SLICES = 10
"""In how many parts a window moves on."""


class Window:
    """The calls of the last so many seconds, and how many of them failed, counted in slices.

    Args:
        seconds: how long it is.
    """

    __slots__ = ("_slices", "_width", "calls", "failures")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / SLICES
        self._slices: deque[list[int]] = deque()  # number, calls, failures
        self.calls = 0
        self.failures = 0

    @property
    def share(self) -> float:
        """What part of the calls failed."""
        return self.failures / self.calls if self.calls else 0.0

    def add(self, now: float, failures: int) -> None:
        """Count a call that failed (1) or did not (0)."""
        number = self._move_to(now)
        if not self._slices or self._slices[-1][0] != number:
            self._slices.append([number, 0, 0])
        latest = self._slices[-1]
        latest[1] += 1
        latest[2] += failures
        self.calls += 1
        self.failures += failures

    def is_empty(self, now: float) -> bool:
        """Whether no call counts any more."""
        self._move_to(now)
        return not self._slices

    def _move_to(self, now: float) -> int:
        number = int(now // self._width)
        while self._slices and self._slices[0][0] <= number - SLICES:
            _, calls, failures = self._slices.popleft()
            self.calls -= calls
            self.failures -= failures
        return number
