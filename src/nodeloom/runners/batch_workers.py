"""The asyncio tasks that do the items of a batch: begun as they are needed, ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["Workers"]

AGAIN = 0.01
"""Seconds until a worker is cancelled that is in the middle of another cancelling, as by its item's timeout."""


FIRST = 4
"""How many begin at once, if there may be so many."""


class Workers:
    """Up to so many tasks that do the same; some begin at once, the others as they are needed.

    Args:
        work: what each of them does. broken: told what that raises. most: how many there may be.

    Attributes:
        open: they may go on with more. room: how many more of them may be begun.
    """

    __slots__ = ("_broken", "_done", "_stopped", "_tasks", "_work", "open", "room")

    def __init__(
        self, work: Callable[[], Coroutine[Any, Any, None]], broken: Callable[[Exception], None], most: int
    ) -> None:
        self._work = work
        self._broken = broken
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: asyncio.Future[None] | None = None
        self._stopped = False
        self.room = most
        self.open = True

    def is_closed(self) -> bool:
        """Whether they may not go on with more, by now."""
        return not self.open

    async def run(self) -> None:
        """Begin the first ones, and wait for the end of all. Cancelling this cancels them, and awaits them."""
        self._done = asyncio.get_running_loop().create_future()
        self.begin(FIRST)
        try:
            await self._done
        except BaseException as error:
            self.stop(*(error.args if isinstance(error, asyncio.CancelledError) else ()))
            await self._see_out()
            raise

    def begin(self, count: int = 2) -> None:
        """Begin some more: two for each item, so that many are there soon, and few where items never wait."""
        count = min(count, self.room)
        self.room -= count
        for _ in range(count):
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def stop(self, *reason: Any) -> None:
        """Cancel all but the current one, each once: a second cancel would break into what it does to end.

        Args:
            reason: the message of the cancelling.
        """
        self.open = False
        self.room = 0
        if self._stopped:
            return
        self._stopped = True
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                self._cancel(task, *reason)

    def _cancel(self, task: asyncio.Task[None], *reason: Any) -> None:
        if task not in self._tasks:
            return
        if task.cancelling():  # by a timeout of its item's own, which passes
            asyncio.get_running_loop().call_later(AGAIN, self._cancel, task, *reason)
        else:
            task.cancel(*reason)

    async def _see_out(self) -> None:
        """Await them, however often this is cancelled meanwhile."""
        while self._tasks:
            try:
                await asyncio.wait(self._tasks)
            except asyncio.CancelledError:  # not the first one: who awaits this raises that
                continue

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._broken(error)
            error = None
        done = self._done
        if done is None or done.done():
            return
        if error is not None:
            done.set_exception(error)
        elif task.cancelled() and not self._stopped:  # by whoever cancels tasks that are not theirs
            done.cancel()
        elif not self._tasks:
            done.set_result(None)
