"""Ctrl-C and SIGTERM: the first cancels the run and waits for it, the second ends the process at once (6.3)."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupts", "end_at_once", "end_in_time"]

SHOW_CURSOR = "\x1b[?25h"


class Interrupts:
    """Listens for SIGINT and SIGTERM while it is entered.

    Args:
        loop: where `stop` is called. stop: called on the first signal, with its number.
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

    def __enter__(self) -> Interrupts:
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
    """Leave the process without waiting for anything."""
    cursor = f"{SHOW_CURSOR}\n" if os.isatty(2) else ""
    try:
        os.write(2, f"{cursor}nodeloom: {message}\n".encode())
    finally:
        os._exit(code)
