"""How many a second, over the last seconds: counters that are read now and then (semantics 9, 10.5)."""

from __future__ import annotations

from collections import deque
from time import perf_counter as clock

__all__ = ["Rates"]

PERIOD = 5.0
"""Seconds over which a rate is taken, at most, where it is read often enough."""


class Rates:
    """The rates of two counters. They cost nothing until they are read."""

    __slots__ = ("_readings",)

    def __init__(self) -> None:
        self._readings: deque[tuple[float, int, int]] = deque([(clock(), 0, 0)])

    def read(self, first: int, second: int) -> tuple[float, float]:
        """What came to the counters a second, since a reading that is some seconds ago."""
        now, readings = clock(), self._readings
        while len(readings) > 1 and now - readings[1][0] >= PERIOD:
            readings.popleft()
        then, first_then, second_then = readings[0]
        if now - readings[-1][0] >= PERIOD / 20:
            readings.append((now, first, second))
        passed = now - then
        return ((first - first_then) / passed, (second - second_then) / passed) if passed > 0 else (0.0, 0.0)
