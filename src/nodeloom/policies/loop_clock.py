"""The time of the running loop, for those who ask often."""

from __future__ import annotations

import asyncio

__all__ = ["LoopClock"]


class LoopClock:
    """Seconds of the running loop's time, virtual or not.

    Asking for the running loop costs a system call before Python 3.12, so the loop is kept while it runs.
    """

    __slots__ = ("_loop",)

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def now(self) -> float:
        """The time; called on a loop."""
        loop = self._loop
        if loop is None or not loop.is_running():
            loop = self._loop = asyncio.get_running_loop()
        return loop.time()
