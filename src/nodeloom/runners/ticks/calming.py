"""Bringing nodes to a safe state: each call of `safe_state`, and how long it may take (semantics 10.4)."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from .agenda import Agenda, Work
from .pulse import line_of
from .ticker import Calming

__all__ = ["SafeStates"]

log = logging.getLogger("nodeloom.clock")

FIRST = (0, 0, 0)
"""The rank of what watches."""


class Around(Protocol):
    """What is asked of the clock."""

    agenda: Agenda
    now: Callable[[], float]

    @property
    def virtual(self) -> bool: ...
    def on_loop(self, call: Callable[[], Any]) -> None: ...
    def spawn(self, work: Callable[[], Any]) -> asyncio.Task[Any]: ...
    def tell(self, kind: str, node: str, data: dict[str, Any]) -> None: ...
    def look_for_rest(self) -> None: ...
    def thread_ended(self) -> None: ...
    def thread_is_stuck(self) -> None: ...


class SafeStates:
    """Calls the `safe_state` of nodes, and sees to it that none takes longer than it may.

    Args:
        within: seconds that each call has. around: the clock.
    """

    def __init__(self, within: float, around: Around) -> None:
        self._within = within
        self._around = around

    def call(self, calming: Calming) -> None:
        """Call it, on the thread that this is called on."""
        around = self._around
        with around.agenda.lock:
            calming.thread = None if around.virtual else threading.get_ident()
            calming.alarm = around.agenda.put(around.now() + self._within, FIRST, partial(self._time_is_over, calming))
        try:
            answer = calming.ticker.node.safe_state()
        except (Exception, SystemExit) as error:
            self._failed(calming, error)
        else:
            if answer is None:
                self._done(calming)
            else:
                with around.agenda.lock:
                    self._leave_thread(calming)
                around.on_loop(partial(self._begin, calming, answer))

    def _begin(self, calming: Calming, answer: Awaitable[None]) -> None:
        calming.task = self._around.spawn(partial(self._wait, calming, answer))
        if calming.late:
            calming.task.cancel()

    async def _wait(self, calming: Calming, answer: Awaitable[None]) -> None:
        """Wait for a `safe_state` that is async."""
        try:
            await answer
        except (Exception, SystemExit) as error:
            self._failed(calming, error)
        except asyncio.CancelledError:
            with self._around.agenda.lock:
                self._end(calming)
            raise
        else:
            self._done(calming)

    def _time_is_over(self, calming: Calming, now: float) -> Work:
        """It takes longer than it may; with the lock held."""
        calming.late = True
        where = ""
        if calming.thread is not None:
            where = f", at {line_of(calming.thread)}"
            self._around.thread_is_stuck()
        elif calming.task is not None:
            self._around.on_loop(calming.task.cancel)
        self._around.look_for_rest()
        late = TimeoutError(f"it was not done within {self._within:g} s (safe_within){where}")
        return partial(self._is_unsafe, calming, late)

    def _leave_thread(self, calming: Calming) -> None:
        """Its thread is free; with the lock held."""
        if calming.late and calming.thread is not None:
            self._around.thread_ended()
        calming.thread = None

    def _end(self, calming: Calming) -> None:
        """It has ended, however; with the lock held."""
        self._leave_thread(calming)
        if calming.alarm is not None:
            calming.alarm.off = True
        calming.ticker.calming = None
        self._around.look_for_rest()

    def _done(self, calming: Calming) -> None:
        """It is done: the node is safe, unless a tick was done in time meanwhile."""
        ticker = calming.ticker
        with self._around.agenda.lock:
            self._end(calming)
            ticker.unsafe = ""
            if ticker.figures.health != "healthy":
                ticker.figures.feel("safe_state", calming.reason)
        self._around.tell("safe_state", ticker.id, {"reason": calming.reason})

    def _failed(self, calming: Calming, error: BaseException) -> None:
        """It has failed: it is tried again when a limit is missed next."""
        with self._around.agenda.lock:
            self._end(calming)
        self._is_unsafe(calming, error)

    def _is_unsafe(self, calming: Calming, error: BaseException) -> None:
        ticker, what = calming.ticker, f"{type(error).__name__}: {error}"
        with self._around.agenda.lock:
            known, ticker.unsafe = ticker.unsafe, what
            ticker.figures.feel("failing", f"safe_state failed: {what}")
        self._around.tell("safe_state_failed", ticker.id, {"error": what})
        if what != known:
            traced = None if calming.late else error
            log.error("safe_state of node %s failed: %s", ticker.id, what, exc_info=traced)
