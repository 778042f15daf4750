"""What a clock has to do at which instant, and the lock under which that is decided.

Whoever drives a clock, threads or a loop with virtual time, asks for two things: when something is due next, and what
is to be done now. All else is the same for both.
"""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from collections.abc import Callable

__all__ = ["Agenda", "Alarm", "Work"]

Rank = tuple[int, int, int]
"""Of what is due at one instant, what has the lower rank comes first."""


Work = Callable[[], None]
"""What is to be done at an instant."""


class Alarm:
    """Something that is due at an instant.

    Args:
        at: the instant. ring: called with the agenda's lock held, and the time; gives what is to be done, if anything.

    Attributes:
        off: it is not to ring any more.
    """

    __slots__ = ("at", "off", "ring")

    def __init__(self, at: float, ring: Callable[[float], Work | None]) -> None:
        self.at = at
        self.ring = ring
        self.off = False


class Agenda:
    """The alarms of a clock, the earliest first.

    Attributes:
        lock: held around each look at what clocks decide about, and each change of it; for moments.
        changed: notified when an alarm is put before the one that somebody waits for.
    """

    __slots__ = ("_alarms", "_numbers", "_waited_for", "changed", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self._alarms: list[tuple[float, Rank, int, Alarm]] = []
        self._numbers = itertools.count()
        self._waited_for = -math.inf

    def put(self, at: float, rank: Rank, ring: Callable[[float], Work | None]) -> Alarm:
        """Let something be due at an instant; with the lock held."""
        alarm = Alarm(at, ring)
        if at < math.inf:
            heapq.heappush(self._alarms, (at, rank, next(self._numbers), alarm))
            if at < self._waited_for:
                self.changed.notify_all()
        return alarm

    def next_at(self) -> float:
        """When something is due next, to be waited for; with the lock held."""
        alarms = self._alarms
        while alarms and alarms[0][3].off:
            heapq.heappop(alarms)
        self._waited_for = alarms[0][0] if alarms else math.inf
        return self._waited_for

    def take(self, now: float) -> Work | None:
        """What is to be done now, if there is something left to do."""
        alarms = self._alarms
        with self.lock:
            while alarms and (alarms[0][0] <= now or alarms[0][3].off):
                alarm = heapq.heappop(alarms)[3]
                if not alarm.off and (work := alarm.ring(now)) is not None:
                    return work
        return None
