"""Deadlines and watchdogs: noticed while a tick still runs, and what is done about them (semantics 10.4)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from .agenda import Agenda, Work
from .ticker import Calming, Tick, Ticker

__all__ = ["Limits"]

log = logging.getLogger("nodeloom.clock")

MOST_RESTARTS, WITHIN = 5, 60.0
"""How often a node is restarted within how many seconds; once more stops the clock."""

FIRST = (0, 0, 0)
"""The rank of what watches: it looks before ticks of the same instant begin."""


class Around(Protocol):
    """What is asked of the clock."""

    def stop_because(self, reason: str, error: BaseException | None = None) -> None:
        """Stop, for this reason; with the lock held."""
        ...

    def give_up(self, ticker: Ticker, now: float) -> None:
        """Wait no longer for its tick; with the lock held."""
        ...

    def arm(self, ticker: Ticker) -> None:
        """Let it tick when it is due next; with the lock held."""
        ...

    def restart(self, ticker: Ticker) -> None:
        """Call its `on_stop` and `on_start`, then let it tick again."""
        ...

    def to_safe_state(self, calming: Calming) -> None:
        """Call a node's `safe_state`."""
        ...

    def place_of(self, tick: Tick) -> str:
        """The line that it is at, where it does not only wait; else empty."""
        ...

    def tell(self, kind: str, node: str, data: dict[str, Any]) -> None:
        """Tell who watches."""
        ...


class Limits:
    """Watches the limits of the ticks of a clock. All is called with its lock held.

    Args:
        agenda: the clock's. around: the clock.
    """

    def __init__(self, agenda: Agenda, around: Around) -> None:
        self._agenda = agenda
        self._around = around

    def watch_tick(self, tick: Tick) -> None:
        """A tick has begun: look at its deadline, if it has one."""
        if tick.ticker.deadline is not None:
            at = tick.due + tick.ticker.deadline
            tick.limit = self._agenda.put(at, FIRST, partial(self._deadline_passed, tick))

    def ended(self, tick: Tick, now: float) -> Work | None:
        """A tick has ended: it may have passed its deadline before anybody looked."""
        deadline = tick.ticker.deadline
        if tick.missed or deadline is None or now <= tick.due + deadline:
            return None
        return self._missed(tick, now)

    def done(self, tick: Tick) -> Work | None:
        """A tick was done: where that was in time, all is well again."""
        ticker = tick.ticker
        works, ticker.told = ticker.told is not None, None
        in_time = ticker.tardy and not tick.missed
        if not tick.missed:
            ticker.figures.feel("healthy")
            ticker.tardy = False
        if works:
            return partial(log.info, "node %s works again", ticker.id)
        return partial(log.info, "node %s is in time again", ticker.id) if in_time else None

    def watch(self, ticker: Ticker, now: float) -> None:
        """Watch how long it is since a tick of a node was done, if it has a watchdog."""
        if ticker.dog is not None:
            ticker.dog.off = True
        ticker.fed = max(ticker.fed, now)
        self._let_out(ticker)

    def _let_out(self, ticker: Ticker) -> None:
        if ticker.watchdog is not None:
            ticker.dog = self._agenda.put(ticker.fed + ticker.watchdog, FIRST, partial(self._look, ticker))

    def _deadline_passed(self, tick: Tick, now: float) -> Work | None:
        return None if tick.given_up or tick.missed else self._missed(tick, now)

    def _missed(self, tick: Tick, now: float) -> Work | None:
        ticker = tick.ticker
        tick.missed = True
        ticker.figures.misses += 1
        reason = f"a tick was not done {ticker.deadline:g} s after it was due"
        return self._act(ticker, "late", reason, now)

    def _look(self, ticker: Ticker, now: float) -> Work | None:
        """Its watchdog looks."""
        if ticker.watchdog is None or ticker.stands_still:
            return None
        work = None
        if now >= ticker.fed + ticker.watchdog:
            ticker.fed = now
            ticker.figures.expired += 1
            reason = f"no tick was done for {ticker.watchdog:g} s"
            work = self._act(ticker, "hung", reason, now)
        self._let_out(ticker)
        return work

    def _act(self, ticker: Ticker, health: Any, reason: str, now: float) -> Work | None:
        """What its `on_miss` says."""
        kind = "missed" if health == "late" else "expired"
        where = "" if ticker.tick is None else self._around.place_of(ticker.tick)
        if where:
            reason = f"{reason}, at {where}"
        self._around.tell(kind, ticker.id, {"reason": reason, "on_miss": ticker.on_miss, "where": where})
        figures = ticker.figures
        is_safe = figures.health == "safe_state"
        if not is_safe:
            figures.feel(health, reason)
        warn = self._warning(ticker, kind, reason)
        if ticker.on_miss == "skip":
            ticker.schedule.leave_out()
        elif ticker.on_miss == "safe_state":
            if is_safe or ticker.calming:
                return warn
            ticker.calming = Calming(ticker, reason)
            return partial(_after, warn, partial(self._around.to_safe_state, ticker.calming))
        elif ticker.on_miss == "restart":
            return self._restart(ticker, reason, now, warn)
        elif ticker.on_miss == "stop":
            self._around.give_up(ticker, now)
            self._around.stop_because(f"node {ticker.id}: {reason}")
        return warn

    def _warning(self, ticker: Ticker, kind: str, reason: str) -> Work:
        """Log it; of ticks that miss their deadline one after the other, the first."""
        if kind == "missed":
            known, ticker.tardy = ticker.tardy, True
            if known:
                return _nothing
        return partial(log.warning, "node %s: %s (on_miss=%s)", ticker.id, reason, ticker.on_miss)

    def _restart(self, ticker: Ticker, reason: str, now: float, warn: Work) -> Work:
        """Restart a node, unless that was done too often of late."""
        times = ticker.restarts
        while times and times[0] <= now - WITHIN:
            times.popleft()
        self._around.give_up(ticker, now)
        if len(times) >= MOST_RESTARTS:
            often = f"node {ticker.id} was restarted {len(times)} times within {WITHIN:g} s, and {reason} again"
            self._around.stop_because(often)
            return warn
        times.append(now)
        ticker.figures.restarts += 1
        ticker.held = True
        return partial(_after, warn, partial(self._around.restart, ticker))


def _nothing() -> None:
    pass


def _after(first: Work, then: Callable[[], None]) -> None:
    first()
    then()
