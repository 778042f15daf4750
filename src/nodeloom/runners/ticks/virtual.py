"""A clock on a loop with virtual time: one thread, and every run alike.

A plain tick runs where it is due, on the loop. When it lets time pass (`testing.pass_time`), what comes due meanwhile
is done meanwhile, as other threads would.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any, Protocol, TypeGuard, cast

from .agenda import Agenda

__all__ = ["OnVirtualLoop", "VirtualLoop", "is_virtual"]


class Passing(Protocol):
    """What has something to do while virtual time passes."""

    def busy(self, until: float) -> None:
        """Code passes time until then."""
        ...

    def next_at(self) -> float:
        """When that is."""
        ...

    def ring(self) -> None:
        """It is then."""
        ...


class VirtualLoop(Protocol):
    """A loop whose time passes by itself; see `testing.VirtualTimeLoop`."""

    passing: list[Passing]

    def time(self) -> float: ...
    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> asyncio.TimerHandle: ...


def is_virtual(loop: Any) -> TypeGuard[VirtualLoop]:
    """Whether a loop's time is virtual."""
    return hasattr(loop, "passing")


class OnVirtualLoop:
    """Drives a clock on a loop with virtual time.

    Args:
        agenda: what is to be done. loop: the loop. ended: called when it is closed.
        busy: is told when code on the loop passes time, from when until when.
    """

    granted = "not granted: time is virtual"
    alive = 0

    def __init__(
        self, agenda: Agenda, loop: VirtualLoop, ended: Callable[[], None], busy: Callable[[float, float], None]
    ) -> None:
        self._agenda = agenda
        self._loop = loop
        self._ended = ended
        self._busy = busy
        self._timer: asyncio.TimerHandle | None = None
        self._over = self._ringing = False

    def now(self) -> float:
        """The time."""
        return self._loop.time()

    def start(self) -> None:
        """Begin."""
        self._loop.passing.append(self)
        self._arm()

    def close(self) -> None:
        """Do nothing more."""
        if not self._over:
            self._over = True
            self._loop.passing.remove(self)
            if self._timer is not None:
                self._timer.cancel()
            self._ended()

    def one_more(self) -> None:
        """There are no threads."""

    def leave(self, who: dict[int, str]) -> None:
        """There are no threads."""

    def wake(self) -> None:
        """Something may be due earlier than it was."""
        if not self._ringing:
            self._arm()

    def busy(self, until: float) -> None:
        """Code passes time; that of a plain tick, which would be on a thread, is not the loop's."""
        if not self._ringing:
            self._busy(self.now(), until)

    def next_at(self) -> float:
        """When something is due."""
        with self._agenda.lock:
            return self._agenda.next_at()

    def ring(self) -> None:
        """Do what is due now."""
        ringing, self._ringing = self._ringing, True
        try:
            while not self._over and (work := self._agenda.take(self.now())) is not None:
                work()
        finally:
            self._ringing = ringing

    def _arm(self) -> None:
        at = self.next_at()
        if self._over or at == math.inf or (self._timer is not None and self._timer.when() == at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = cast("Any", self._loop).call_at(at, self._due)

    def _due(self) -> None:
        self._timer = None
        try:
            self.ring()
        finally:
            self._arm()
