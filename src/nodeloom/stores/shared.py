"""The transactional store that steps coordinate through, in memory (semantics 4.1)."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any

from ..errors import StepError
from ..nodes.context import current_context
from ..nodes.memory import Memory

__all__ = ["MemoryShared", "Transaction"]

_open: contextvars.ContextVar[Transaction | None] = contextvars.ContextVar("nodeloom_transaction", default=None)
"""The transaction that this code runs in; threads that a step hands work to inherit it."""


class MemoryShared:
    """Keys and values; a transaction sees and changes them alone, and commits whole or not at all.

    Example:
        `async with ctx.shared.transaction() as t: t["seats"] = t.get("seats", 10) - 1`; in a plain `def work` on a
        thread, the same with `with`.
    """

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._turns = _Turns()

    def transaction(self) -> Transaction:
        """A mapping to read and write; an exception inside undoes every write."""
        return Transaction(self._values, self._turns)


class Transaction:
    """One transaction: entered by `async with` on a loop, by `with` on a thread. Others wait, first come first served.

    Raises:
        StepError: one is open in this step already, so that this one would wait for ever; or a `with` would block a
            loop.
    """

    def __init__(self, values: dict[str, Any], turns: _Turns) -> None:
        self._values = values
        self._turns = turns
        self._step: Any = None
        self._task: asyncio.Task[Any] | None = None
        self._outer: Transaction | None = None
        self._view: Memory | None = None

    async def __aenter__(self) -> Memory:
        self._look_for_one_open(asyncio.current_task())
        waiter = self._turns.ask()
        if waiter is not None:
            try:
                await asyncio.wrap_future(waiter)
            except BaseException:
                self._turns.leave(waiter)
                raise
        return self._begin()

    def __enter__(self) -> Memory:
        if asyncio._get_running_loop() is not None:
            raise StepError(
                "`with ctx.shared.transaction()` would block the event loop while it waits: write `async with`, or let "
                "the node run on a thread (a plain `def work` without isolation='inline')"
            )
        self._look_for_one_open()
        waiter = self._turns.ask()
        if waiter is not None:
            try:
                waiter.result()
            except BaseException:
                self._turns.leave(waiter)
                raise
        return self._begin()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(kind is None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(kind is None)

    def _look_for_one_open(self, task: asyncio.Task[Any] | None = None) -> None:
        """Refuse to wait for oneself: in the same task, or on a thread that a step waits for which holds one."""
        ctx = current_context()
        self._step, self._task = None if ctx is None else ctx.step, task
        self._outer = outer = _open.get()
        while outer is not None:
            mine = outer._task is task if task is not None else outer._step is self._step
            if mine and outer._turns is self._turns and outer._view is not None:
                raise StepError("a transaction on the shared store is open in this step already; use that one")
            outer = outer._outer

    def _begin(self) -> Memory:
        _open.set(self)
        self._view = Memory(self._values)
        return self._view

    def _end(self, commits: bool) -> None:
        view, self._view = self._view, None
        _open.set(self._outer)
        self._outer = None  # tasks that were made inside may last, and hold this
        try:
            if commits and view is not None:
                view.commit()
        finally:
            self._turns.pass_on()


class _Turns:
    """One at a time, tasks of any loop and threads alike, in the order in which they asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held for moments
        self._taken = False
        self._waiting: deque[Future[None]] = deque()

    def ask(self) -> Future[None] | None:
        """None when it is one's turn at once, else what is done when it is; that may be cancelled meanwhile."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return None
            waiter: Future[None] = Future()
            self._waiting.append(waiter)
            return waiter

    def leave(self, waiter: Future[None]) -> None:
        """Wait no longer; a turn that came meanwhile is passed on."""
        if not waiter.cancel():
            self.pass_on()

    def pass_on(self) -> None:
        """One's turn is over: it is that of the first who still waits."""
        with self._lock:
            following = next((each for each in self._all_waiting() if each.set_running_or_notify_cancel()), None)
            self._taken = following is not None
        if following is not None:
            following.set_result(None)

    def _all_waiting(self) -> Iterator[Future[None]]:
        while self._waiting:
            yield self._waiting.popleft()
