"""Ctrl-C and SIGTERM: the first brings an engine to its end, the second ends the process at once (semantics 6.3)."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, Protocol

from ..errors import EngineClosed, NodeloomError, RunCancelled
from .left import Left

__all__ = ["Signals", "UntilSignal", "end_at_once", "end_in_time"]

SHOW_CURSOR = "\x1b[?25h"


class Signals:
    """Listens for SIGINT and SIGTERM while it is entered.

    Args:
        loop: where `stop` is called. stop: called on the first signal, with its number.

    Attributes:
        received: the number of the first signal, once it has come.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, stop: Callable[[int], None]) -> None:
        self.received: int | None = None
        self._loop = loop
        self._stop = stop
        self._before: dict[int, Any] = {}

    @property
    def code(self) -> int:
        """The exit code of the signal that came: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + (self.received or 0)

    def __enter__(self) -> Signals:
        # A handler of Python's own, not the loop's: the second signal must end even a process whose loop is blocked.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.received is not None:
            return  # a second signal still ends the process at once
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            end_at_once(128 + number, "stopped at once; what was running was not awaited")
        self.received = number
        self._loop.call_soon_threadsafe(self._stop, number)


class Stop(Protocol):
    """`Engine.stop`."""

    def __call__(self, *, grace: float) -> Awaitable[tuple[Left, ...]]: ...


class UntilSignal:
    """What `engine.until_signal()` gives: entered, the first signal stops the engine.

    The block ends quietly when a run in it is cancelled by that; leaving it waits for the end of the engine then.

    Attributes:
        left: the runs that were cancelled, once the engine has stopped.
        was_cut_short: the block was left by a run of its own that was cancelled, or refused because the engine stops.
    """

    def __init__(self, stop: Stop, grace: float) -> None:
        self.left: tuple[Left, ...] = ()
        self.was_cut_short = False
        self._stop = stop
        self._grace = grace
        self._came = asyncio.Event()
        self._signals: Signals | None = None
        self._ending: asyncio.Task[tuple[Left, ...]] | None = None

    @property
    def received(self) -> int | None:
        """The number of the signal, once it has come."""
        return None if self._signals is None else self._signals.received

    @property
    def code(self) -> int:
        """What the process may exit with: 0 where everything came to its end, else 143 for SIGTERM, 130 for Ctrl-C."""
        whole = self.received == signal.SIGTERM and not self.left and not self.was_cut_short
        if self.received is None or whole:
            return 0
        return 128 + self.received

    async def wait(self) -> None:
        """Wait for a signal, and until the engine has stopped by it."""
        await self._came.wait()
        if self._ending is not None:
            self.left = await asyncio.shield(self._ending)

    async def __aenter__(self) -> UntilSignal:
        if threading.current_thread() is not threading.main_thread():
            raise NodeloomError("until_signal is for the main thread: signals reach no other")
        self._signals = Signals(asyncio.get_running_loop(), self._begin)
        self._signals.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._signals is not None:
            self._signals.__exit__(kind, error, trace)
        if self.received is None:
            return False
        await self.wait()
        self.was_cut_short = isinstance(error, RunCancelled | EngineClosed)
        return self.was_cut_short

    def _begin(self, number: int) -> None:
        grace = self._grace if number == signal.SIGTERM else 0.0
        self._ending = asyncio.ensure_future(self._stop(grace=grace))
        self._came.set()


def end_in_time(code: int, grace: float, busy: Sequence[str] = ()) -> None:
    """Let the process end with `code` after the grace, whatever threads still hold it, and name them.

    Args:
        code: the exit code. grace: seconds. busy: whose threads they are; their own names where nobody knows.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return

    def late(number: int, frame: FrameType | None) -> None:
        names = busy or [each.name for each in threading.enumerate() if each is not threading.main_thread()]
        end_at_once(code, f"still busy, and left behind: {', '.join(names) or 'nothing'}")

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, grace)


def end_at_once(code: int, message: str) -> None:
    """Leave the process without waiting for anything. What steps have started in other processes has its keepers."""
    cursor = f"{SHOW_CURSOR}\n" if os.isatty(2) else ""
    try:
        os.write(2, f"{cursor}nodeloom: {message}\n".encode())
    finally:
        os._exit(code)
