"""How a ticking node reads what others give: the newest, each in turn, or the newest once (semantics 10.7)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...model.run import ErrorInfo
from ...model.values import Values, freeze, lend, owned
from ...nodes.settings import Reading

__all__ = ["QUEUED", "Given", "Inbox"]

QUEUED = 1_000
"""How many outputs wait on an edge that is read as a queue; the oldest are dropped."""


class Given(NamedTuple):
    """What came along an edge: the outputs, when, and on an error edge what failed."""

    values: Values
    at: float
    error: ErrorInfo | None = None


class Inbox:
    """What came to a ticking node along its edges and is still to be read. Its clock's lock is held around each call.

    Args:
        readings: by the index of an edge, how it is read.

    Attributes:
        lost: how many outputs were dropped from full queues.
    """

    __slots__ = ("_only_queues", "_queues", "_readings", "_slots", "lost")

    def __init__(self, readings: Mapping[int, Reading]) -> None:
        self._readings = dict(sorted(readings.items()))
        self._slots: dict[int, Given] = {}
        self._queues: deque[tuple[int, Given]] = deque()
        self._only_queues = bool(readings) and set(readings.values()) == {"queue"}
        self.lost = 0

    def put(self, edge: int, given: Given) -> None:
        """Outputs have come along an edge."""
        if self._readings[edge] != "queue":
            self._slots[edge] = given
            return
        if len(self._queues) >= QUEUED:
            self._queues.popleft()
            self.lost += 1
        self._queues.append((edge, given))

    def take(self, base: Values, now: float) -> tuple[list[Given], float | None]:
        """The inputs of a tick's steps, and how old the oldest of what they are made of is.

        Args:
            base: what all inputs begin with. now: the time.
        """
        if not self._readings:
            return [Given(base, now)], None
        slots, queued = self._slots, list(self._queues)
        self._queues.clear()
        ages = [now - given.at for given in slots.values()] + [now - given.at for _, given in queued]
        steps = [self._merged(base, slots, edge, given) for edge, given in queued]
        if not steps and not self._only_queues:
            steps = [self._merged(base, slots)]
        self._slots = {edge: given for edge, given in slots.items() if self._readings[edge] == "latest"}
        return steps, max(ages, default=None)

    def clear(self) -> None:
        """Forget what has come."""
        self._slots.clear()
        self._queues.clear()

    def _merged(
        self, base: Values, slots: Mapping[int, Given], edge: int | None = None, queued: Given | None = None
    ) -> Given:
        """One step's inputs: what lies in the slots, in the order of the edges, with one of those that queued."""
        come = dict(slots)
        if edge is not None and queued is not None:
            come[edge] = queued
        ordered = [come[each] for each in self._readings if each in come]
        if not ordered:
            return Given(base, 0.0)
        if len(ordered) == 1 and not base and lend(ordered[0].values) is ordered[0].values:
            return ordered[0]  # nothing in it can be changed in place
        merged: dict[str, Any] = dict(base)
        for given in ordered:
            merged.update({key: owned(given.values[key]) for key in given.values})
        return Given(freeze(merged), 0.0, next((given.error for given in reversed(ordered) if given.error), None))
