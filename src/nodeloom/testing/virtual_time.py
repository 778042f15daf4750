"""An event loop whose clock jumps to the next timer instead of waiting for it: an hour passes in no time.

from nodeloom.testing import run_virtual
run_virtual(main())
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from ..errors import DefinitionError

__all__ = ["VirtualTimeLoop", "pass_time", "run_virtual"]

T = TypeVar("T")

_NO_VIRTUAL_TIME = (
    "pass_time passes virtual time, and here is none: it is for the work of a node that a Clock runs by "
    "nodeloom.testing.run_virtual. Plain work of a graph or of an actor is on a thread beside that time: "
    "write `async def work` there, with `await asyncio.sleep(seconds)`; outside of run_virtual, time.sleep(seconds)"
)


class _Selector(selectors.DefaultSelector):
    """Passes virtual time instead of waiting, when nothing is there to be read."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout is None or timeout <= 0:
            return ready or super().select(timeout)
        self.passed += timeout
        return ready


class Passing(Protocol):
    """What has something to do at instants of its own, also while code passes time without letting the loop run."""

    def busy(self, until: float) -> None: ...

    def next_at(self) -> float: ...

    def ring(self) -> None: ...


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop with virtual time. Threads and other processes do not know of it: wait for those on a real one.

    Attributes:
        passing: what has something to do while `pass_time` passes time, as a clock, whose threads would do it.
    """

    def __init__(self) -> None:
        self._virtual = _Selector()
        self.passing: list[Passing] = []
        super().__init__(self._virtual)

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._virtual.passed

    def pass_time(self, seconds: float) -> None:
        """Let time pass while the loop is busy."""
        until = self.time() + seconds
        for each in self.passing:
            each.busy(until)
        while self.passing:
            first = min(self.passing, key=lambda each: each.next_at())
            at = first.next_at()
            if at > until:
                break
            self._virtual.passed = max(self._virtual.passed, at)
            first.ring()
        self._virtual.passed = max(self._virtual.passed, until)


def pass_time(seconds: float) -> None:
    """Take this long, as plain code that blocks does: for a `def work` that a clock runs in virtual time.

    Args:
        seconds: of virtual time.

    Raises:
        DefinitionError: no loop with virtual time runs here: there is none, or this is a thread beside it.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    if not isinstance(loop, VirtualTimeLoop):
        raise DefinitionError(_NO_VIRTUAL_TIME)
    loop.pass_time(seconds)


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop with virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
