"""Whether the loop answers: what blocks it is named while it does (semantics 10.3)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import sysconfig
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from .agenda import Agenda, Work
from .limits import FIRST
from .ticker import Tick

__all__ = ["Pulse", "place_of"]

log = logging.getLogger("nodeloom.clock")

_OURS, _PYTHONS = str(Path(__file__).parents[2]), sysconfig.get_path("stdlib")

_PERFORMS = ("_perform", "_performed")
"""What performs a tick, of the clock's methods: on a thread, and on the loop."""


class Pulse:
    """Asks the loop for an answer, again and again, and says what it is at when it gives none.

    Args:
        agenda: the clock's. loop, thread: the loop, and the thread it runs on. stall: seconds it has for an answer.
        ticks: those that run on the loop, by their asyncio tasks. blocked: is told of a node that blocks it.
    """

    def __init__(
        self,
        agenda: Agenda,
        loop: asyncio.AbstractEventLoop,
        thread: int,
        stall: float,
        ticks: Mapping[Any, Tick],
        blocked: Callable[[Tick | None, str], None],
    ) -> None:
        self._agenda = agenda
        self._loop = loop
        self._thread = thread
        self._stall = stall
        self._ticks = ticks
        self._blocked = blocked
        self._asked: float | None = None
        self._told = False

    def start(self, now: float) -> None:
        """Begin to ask; with the lock held."""
        self._agenda.put(now, FIRST, self._ask)

    def _ask(self, now: float) -> Work | None:
        work: Work | None = None
        if self._asked is None:
            self._asked, self._told = now, False
            work = self._send
        elif not self._told and now - self._asked >= self._stall:
            self._told = True
            work = partial(self.name, now - self._asked)
        self._agenda.put(now + self._stall / 2, FIRST, self._ask)
        return work

    def _send(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._asked = None

    def is_busy(self, now: float, until: float) -> None:
        """Code on the loop passes virtual time: that is told as it is of real time."""
        if until - now >= self._stall and asyncio.current_task(self._loop) in self._ticks:
            work = partial(self.name, self._stall)
            with self._agenda.lock:
                self._agenda.put(now + self._stall, FIRST, lambda now: work)

    def name(self, seconds: float) -> None:
        """Say what the loop is at, while it is."""
        task = asyncio.current_task(self._loop)
        tick = None if task is None else self._ticks.get(task)
        task_name = "code" if task is None else f"task {task.get_name()}"
        who = task_name if tick is None else f"node {tick.ticker.id}"
        where = line_of(self._thread)
        log.warning("%s has blocked the event loop for %.2f s, at %s", who, seconds, where)
        self._blocked(tick, where)


def place_of(tick: Tick, thread: int) -> str:
    """The line of an author's that a tick is at on this thread; empty where it does not run there, or only waits."""
    frame, place = _frame_of(thread), None
    while frame is not None:
        if _is_authors(frame.f_code.co_filename):
            place = place or frame
        elif frame.f_code.co_name in _PERFORMS and "tick" in frame.f_code.co_varnames:
            if frame.f_locals["tick"] is tick:
                return "" if place is None else _named(place)
            place = None  # in virtual time one tick may run inside of another's
        frame = frame.f_back
    return ""


def _frame_of(thread: int) -> FrameType | None:
    return sys._current_frames().get(thread)  # pyright: ignore[reportPrivateUsage]


def line_of(thread: int) -> str:
    """The line of an author's that a thread is at."""
    innermost = frame = _frame_of(thread)
    while frame is not None and not _is_authors(frame.f_code.co_filename):
        frame = frame.f_back
    frame = frame or innermost
    return "a line that is not known" if frame is None else _named(frame)


def _named(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"


def _is_authors(file: str) -> bool:
    """Whether code is neither Python's nor nodeloom's."""
    return "site-packages" in file or not file.startswith((_OURS, _PYTHONS, "<frozen"))
