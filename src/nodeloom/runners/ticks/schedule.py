"""When a node ticks: a pure schedule, with no clock and no I/O (semantics 10.1, 10.2).

The instants of a node are `start + n / rate`. Each of them is either ticked or counted as dropped, exactly once, and
since it is computed from the start, and not from the tick before it, error does not accumulate.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

__all__ = ["BURST", "OnOverrun", "Schedule"]

OnOverrun = Literal["skip", "catch_up", "coalesce"]

BURST = 10
"""Of how many instants that are past ticks are run one right after the other; what is older is dropped."""


class Schedule:
    """The instants of one node, and what becomes of those that come while its last tick runs.

    Args:
        start: its first instant, in seconds of whatever clock. rate: ticks a second.
        overrun: what becomes of instants that come while a tick runs: `"skip"` drops them, `"catch_up"` runs them
            right after it, `"coalesce"` runs one for them all.
        burst: of how many past instants ticks are run.

    Attributes:
        until: from then on there are no instants. running: a tick runs.
        overruns: instants that came while a tick ran. dropped: those of all that were not ticked.

    Example:
        >>> schedule = Schedule(0.0, rate=100)
        >>> schedule.begin(0.0), schedule.end(0.025), schedule.next, schedule.overruns
        (0.0, None, 0.03, 2)
    """

    __slots__ = (
        "_before",
        "_burst",
        "_last",
        "_number",
        "_owed",
        "_rate",
        "_start",
        "dropped",
        "overrun",
        "overruns",
        "running",
        "until",
    )

    def __init__(self, start: float, rate: float, overrun: OnOverrun = "skip", burst: int = BURST) -> None:
        self._start = start
        self._rate = rate
        self._burst = burst
        self._number = 0  # of the next instant that nothing is decided about
        self._before = 0  # how many were due before the start, which a change of the rate moves
        self._last: float | None = None  # the instant before the start, where the rate was changed
        self._owed: deque[float] = deque()
        self.overrun: OnOverrun = overrun
        self.until = math.inf
        self.running = False
        self.overruns = self.dropped = 0

    @property
    def rate(self) -> float:
        """Ticks a second."""
        return self._rate

    @property
    def next(self) -> float:
        """The instant that the next tick is for, which may be past; infinity where none will come."""
        if self._owed:
            return self._owed[0]
        return self.ahead

    @property
    def ahead(self) -> float:
        """The first instant that nothing is decided about; infinity where none will come."""
        at = self._instant(self._number)
        return at if at < self.until else math.inf

    def following(self, now: float) -> float:
        """The first instant after now; infinity where none will come."""
        at = self._instant(self._passed(now))
        return at if at < self.until else math.inf

    def expected(self, now: float) -> int:
        """How many instants have come, counting this one."""
        return self._before + self._passed(now)

    def missed(self, now: float) -> int:
        """How many instants have come while the tick ran that runs."""
        return self._passed(now) - self._number if self.running else 0

    def begin(self, now: float) -> float | None:
        """A tick is to begin: the instant it is for; None where none is due.

        What came while no tick ran is owed: it is no overrun that the system was late.
        """
        if self.running:
            return None
        self._owe(self._take(now))
        if not self._owed:
            return None
        self.running = True
        return self._owed.popleft()

    def end(self, now: float) -> float | None:
        """The tick has ended: what came meanwhile is counted; an instant that a tick is owed for, to begin at once."""
        self.note(now)
        self.running = False
        return self._owed[0] if self._owed else None

    def note(self, now: float) -> None:
        """Decide about the instants that have come while the tick ran that runs."""
        missed = self._take(now)
        self.overruns += len(missed)
        if self.overrun == "skip":
            self.dropped += len(missed)
        elif self.overrun == "catch_up":
            self._owe(missed)
        elif missed:
            self.dropped += len(missed) - 1
            self._owe(missed[-1:])

    def leave_out(self) -> None:
        """The next tick is not run: it is dropped."""
        if self._owed:
            self._owed.popleft()
        else:
            self._number += 1
        self.dropped += 1

    def give_up(self) -> None:
        """What is owed is not run: it is dropped."""
        self.dropped += len(self._owed)
        self._owed.clear()

    def drop(self, now: float) -> None:
        """Drop all that has come."""
        self.dropped += len(self._take(now))
        self.give_up()

    def pass_over(self, now: float) -> None:
        """What has come since was not due at all: the node was paused."""
        passed = self._passed(now)
        if passed > self._number:
            self._before -= passed - self._number
            self._number = passed

    def change(self, rate: float, now: float) -> None:
        """Tick at another rate: the next tick is a new period after the last instant, or now where that is past."""
        if self.running:
            self.note(now)
        else:
            self._owe(self._take(now))
        if self._number:
            self._last = self._instant(self._number - 1)
        if self._last is not None:
            self._start = max(self._last + 1 / rate, now)
        self._before += self._number
        self._number = 0
        self._rate = rate

    def _instant(self, number: int) -> float:
        return self._start + number / self._rate

    def _passed(self, now: float) -> int:
        """How many instants from the start are decided about, or have come."""
        number, start, rate = self._number, self._start, self._rate
        if now < start + number / rate:
            return number
        if now < start + (number + 1) / rate:
            return number + (self._instant(number) < self.until)
        return max(number, self._counted(now))

    def _counted(self, now: float) -> int:
        """How many instants from the start have come."""
        last = int((now - self._start) * self._rate)
        while self._instant(last) > now:  # what a float rounds is put right
            last -= 1
        while self._instant(last + 1) <= now:
            last += 1
        while last >= 0 and self._instant(last) >= self.until:
            over = int((self._instant(last) - self.until) * self._rate)
            last -= max(1, over)
        return last + 1

    def _take(self, now: float) -> range:
        """The numbers of the instants that have come, which are decided about now."""
        first, self._number = self._number, self._passed(now)
        return range(first, self._number)

    def _owe(self, instants: range) -> None:
        """Ticks of these are to be run, of the latest where they are too many."""
        excess = len(self._owed) + len(instants) - self._burst
        if excess > 0:
            old = min(excess, len(self._owed))
            for _ in range(old):
                self._owed.popleft()
            instants = instants[excess - old :]
            self.dropped += excess
        self._owed.extend(self._instant(number) for number in instants)
