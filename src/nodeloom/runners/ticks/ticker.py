"""One ticking node of a clock that runs, and one tick of it."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from ...model.values import EMPTY, Values
from ...nodes.context import Live, Walk
from ...nodes.node import Node
from ...nodes.settings import Reading
from ..stats import TickStats
from .agenda import Alarm
from .figures import Figures
from .reading import Given, Inbox
from .schedule import OnOverrun, Schedule

__all__ = ["Tick", "Ticker"]


class Tick:
    """One tick of a node, from when it is due until it is done or given up.

    Attributes:
        due: the instant it is for. steps: the inputs of its steps: one, unless queues are read.
        walk: what is alive about it. run_id: the run of the step it is at.
        thread, task: the clock thread it began on, or the asyncio task that it runs in on the loop.
        begun: it runs, and does not only wait for the loop. missed: it has passed its deadline.
        given_up: nobody waits for it, and what it returns is dropped.
        cancelled: it ended by that, and has returned nothing.
        failure: why it failed; None of one that did not. limit: the alarm of its deadline.
    """

    __slots__ = (
        "begun",
        "cancelled",
        "due",
        "failure",
        "given_up",
        "limit",
        "missed",
        "number",
        "run_id",
        "steps",
        "task",
        "thread",
        "ticker",
        "walk",
    )

    def __init__(self, ticker: Ticker, due: float, number: int, walk: Walk) -> None:
        self.ticker = ticker
        self.due = due
        self.number = number
        self.steps: Sequence[Given] = ()
        self.walk = walk
        self.thread: int | None = None
        self.task: asyncio.Task[Any] | None = None
        self.failure: BaseException | None = None
        self.limit: Alarm | None = None
        self.run_id = ""
        self.begun = self.missed = self.given_up = self.cancelled = False

    def give_up(self) -> None:
        """Wait for it no longer: it is told, and what it returns is dropped. With the lock held."""
        self.given_up = True
        if self.limit is not None:
            self.limit.off = True
        self.walk.stop()


class Calming:
    """One call of a node's `safe_state`.

    Args:
        ticker: the node. reason: why it is called.

    Attributes:
        alarm: when its time is over. late: it is.
        thread, task: what it is at: a thread, or a task of the loop; None where that is not so.
    """

    __slots__ = ("alarm", "late", "reason", "task", "thread", "ticker")

    def __init__(self, ticker: Ticker, reason: str) -> None:
        self.ticker = ticker
        self.reason = reason
        self.alarm: Alarm | None = None
        self.thread: int | None = None
        self.task: asyncio.Task[Any] | None = None
        self.late = False


class Ticker:
    """One ticking node of a clock that runs. What changes of it changes under the clock's lock.

    Args:
        node: the definition. index: its place in the plan.
        readings: by the index of each edge that leads here from ticking nodes, how it is read.
        base: what the inputs of its steps begin with. here: its steps need no loop.

    Attributes:
        schedule, figures, inbox: when it ticks, what is counted, what came to it.
        tick: the one that runs. alarm, dog: when it ticks next, and when its watchdog looks.
        deadline, watchdog, on_miss: its limits, which may change.
        paused_at: since when it is paused. held: it does not tick, for it is restarted.
        told: the failure that was logged last. tardy: a miss of its deadline was logged, and no tick is in time since.
        calming, unsafe: the call of its `safe_state` that runs; how one failed last.
        restarts: when it was restarted lately.
        ending: who waits until no tick of it runs.
    """

    def __init__(
        self,
        node: Node,
        index: int,
        *,
        readings: Mapping[int, Reading],
        base: Values = EMPTY,
        here: bool = True,
    ) -> None:
        self.node = node
        self.id = node.id
        self.index = index
        self.base = base
        self.here = here
        assert node.rate is not None
        overrun: OnOverrun = node.on_overrun
        self.schedule = Schedule(0.0, float(node.rate), overrun)
        self.figures = Figures()
        self.inbox = Inbox(readings)
        self._numbers = itertools.count()
        self.tick: Tick | None = None
        self.alarm: Alarm | None = None
        self.dog: Alarm | None = None
        self.fed = 0.0  # since when its watchdog counts
        self.deadline = node.deadline
        self.watchdog = node.watchdog
        self.on_miss = node.on_miss
        self.paused_at: float | None = None
        self.held = False
        self.told: str | None = None
        self.tardy = False
        self.calming: Calming | None = None
        self.unsafe = ""
        self.restarts: deque[float] = deque()
        self.ending: list[asyncio.Future[None]] = []

    @property
    def rank(self) -> tuple[int, int, int]:
        """Of nodes due at one instant, the one with the lowest order comes first, then the one given first."""
        return (1, self.node.order, self.index)

    def begin_at(self, start: float, until: float) -> None:
        """Say when its first instant is, and from when on there are none."""
        self.schedule = Schedule(start, self.schedule.rate, self.schedule.overrun)
        self.schedule.until = until
        self.fed = self.figures.first = start

    @property
    def is_done(self) -> bool:
        """No tick runs, and none is owed; nor does its `safe_state`, unless its time is over."""
        if self.tick is not None or (self.calming is not None and not self.calming.late):
            return False
        return self.stands_still or self.schedule.next == math.inf

    @property
    def stands_still(self) -> bool:
        """No tick of it is to begin."""
        return self.held or self.paused_at is not None

    def begin(self, now: float, live: Live) -> Tick | None:
        """Begin a tick, if one is due."""
        if self.stands_still or (due := self.schedule.begin(now)) is None:
            return None
        tick = self.tick = Tick(self, due, next(self._numbers), Walk(live))
        tick.steps, age = self.inbox.take(self.base, now)
        if age is not None:
            self.figures.data_age = age
        return tick

    def started(self, tick: Tick, now: float) -> None:
        """A tick starts to run."""
        tick.begun = True
        self.figures.begin(now, 1.0 / self.schedule.rate, self.schedule.dropped)

    def end(self, tick: Tick, now: float) -> bool:
        """A tick has ended; False of one that was given up."""
        if self.tick is not tick:
            self.figures.late += not tick.cancelled
            return False
        self.tick = None
        if tick.limit is not None:
            tick.limit.off = True
        self.schedule.end(now)
        if tick.failure is None:
            self.fed = self.figures.done = now
        return True

    def leave(self, now: float) -> Tick | None:
        """Wait no longer for the tick that runs, if one does, and give it."""
        tick, self.tick = self.tick, None
        if tick is not None:
            tick.give_up()
            self.schedule.end(now)
            self.schedule.dropped += not tick.begun
        return tick

    def resume(self, now: float) -> None:
        """It is paused no longer: what came due meanwhile was never due."""
        if self.paused_at is not None:
            self.figures.first += max(0.0, now - max(self.paused_at, self.figures.first))
            self.paused_at = None
            self.figures.break_off()
            self.schedule.pass_over(now)

    def close(self, now: float) -> None:
        """No tick of it begins any more: what is not ticked by now is dropped."""
        if self.paused_at is None:
            self.schedule.drop(now)
        else:
            self.schedule.pass_over(now)
            self.schedule.give_up()

    def snapshot(self, now: float) -> TickStats:
        """Its figures now."""
        self.figures.lost = self.inbox.lost
        if self.paused_at is not None:
            now = min(now, self.paused_at)
        return self.figures.snapshot(self.id, self.schedule, now)
