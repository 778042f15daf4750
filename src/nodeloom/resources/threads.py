"""Bounded, named pools of threads for work that blocks (semantics 5.4, 6.3, 7.1).

A thread cannot be killed. So a function that is not waited for any more is told, and when it goes on all the same it
is abandoned: it keeps its place in the pool until it ends, and what it returns then is dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import queue
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from ..errors import EngineClosed, PoolExhausted, StillRunning
from .thread_exit import end_with_process

__all__ = ["ThreadPool", "ThreadStats"]

T = TypeVar("T")
TIME_IS_OVER = frozenset({"timeout", "deadline"})
"""The messages of a cancelling that waits for nobody: the step has ended (5.4). Any other gives the grace (6.2)."""


class ThreadStats(NamedTuple):
    """How a pool of threads is doing.

    Attributes:
        size: how many threads it may have. threads: how many it has. busy: how many of them run something.
        waiting: how many calls wait for a thread.
        abandoned: by node, how many threads are held by work that was given up on.
        late: by node, how many results came after that, and were dropped.
    """

    size: int
    threads: int
    busy: int
    waiting: int
    abandoned: Mapping[str, int]
    late: Mapping[str, int]


class ThreadPool:
    """Up to `size` threads, made when they are needed; none is a daemon, and one without work ends after a while.

    Args:
        name: what messages call it. size: how many threads at most.
        grace: seconds a cancelled run's function is given to return before it is abandoned.
        idle: seconds a thread waits for more work.

    Example:
        >>> import asyncio
        >>> async def main():
        ...     pool = ThreadPool("files", 4)
        ...     total = await pool.run("add", lambda: 1 + 1)
        ...     pool.close()
        ...     return total
        >>> asyncio.run(main())
        2
    """

    def __init__(self, name: str, size: int, grace: float = 5.0, idle: float = 10.0) -> None:
        if size < 1:
            raise ValueError(f"pool {name!r}: a size is a number of threads from 1, not {size}")
        self.name = name
        self.size = size
        self.grace = grace
        self.idle = idle
        self.abandoned: Counter[str] = Counter()
        self.late: Counter[str] = Counter()
        self.closed = False
        self._lock = threading.Lock()  # held for moments: threads and loops both look after what follows
        self._threads: set[_Thread] = set()
        self._idle: list[_Thread] = []
        self._waiting: OrderedDict[_Call, None] = OrderedDict()
        self._numbers = itertools.count(1)

    async def run(self, who: str, function: Callable[[], T], stop: Callable[[], None] | None = None) -> T:
        """Run a blocking function on a thread, with this context's variables, and await its value.

        When this is cancelled while the function runs, the function is told by `stop` and given the grace to return;
        not so when the cancelling says that the step's time is over (`task.cancel("timeout")`).

        Args:
            who: whose it is, to be named when it is abandoned. function: what to run.
            stop: tells the function, when this is cancelled while it runs.

        Raises:
            PoolExhausted: every thread is held by functions that were given up on. EngineClosed: the pool is closed.
            StillRunning: this was cancelled, and the function goes on; a CancelledError that says until when.
        """
        call = _Call(who, function)
        self._submit(call)
        try:
            return await call.value  # type: ignore[no-any-return]
        except asyncio.CancelledError as error:
            until = self._withdraw(call)
            if until is None:
                raise
            if stop is not None:
                stop()
            if not TIME_IS_OVER.intersection(error.args):
                with contextlib.suppress(asyncio.CancelledError):  # a second one ends the patience; the first is raised
                    await asyncio.wait({until}, timeout=self.grace)
            if not self._abandon(call):
                raise
            raise StillRunning(f"{who} goes on running on a thread of pool {self.name!r}", until) from error
        finally:
            del call  # which holds an error that holds this frame

    def stats(self) -> ThreadStats:
        """How it is doing now."""
        with self._lock:
            threads, busy = len(self._threads), len(self._threads) - len(self._idle)
            return ThreadStats(self.size, threads, busy, len(self._waiting), dict(self.abandoned), dict(self.late))

    def close(self) -> None:
        """End the threads; a thread that is held by abandoned work ends when that does."""
        with self._lock:
            self.closed = True
            idle, self._idle = self._idle, []
            waiting = self._take_all_waiting()
            self._threads.difference_update(idle)
        for call in waiting:
            call.fail(EngineClosed(self._is_closed(call.who)))
        for thread in idle:
            thread.inbox.put(None)
        for thread in idle:
            thread.join()

    def outlast(self) -> dict[threading.Thread, str]:
        """Wait for abandoned work, as long as its grace lasts; the threads that are stuck, and whose they are."""
        with self._lock:
            calls = [(thread, call) for thread in self._threads if (call := thread.call) is not None and call.given_up]
        for thread, call in calls:
            thread.join(max(0.0, call.told + self.grace - time.monotonic()))
        return {thread: call.who for thread, call in calls if not call.over}

    # --- a call's way through the pool

    def _submit(self, call: _Call) -> None:
        """Give a call to an idle thread, to a new one, or let it wait in line."""
        with self._lock:
            if self.closed:
                raise EngineClosed(self._is_closed(call.who))
            if self.abandoned and self.abandoned.total() >= self.size:
                raise PoolExhausted(self._is_exhausted())
            if self._idle:
                self._idle.pop().inbox.put(call)
                return
            if len(self._threads) >= self.size:
                self._waiting[call] = None
                return
            thread = _Thread(f"nodeloom-{self.name}_{next(self._numbers)}", call, self._serve)
            self._threads.add(thread)
        end_with_process(self)
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads
            with self._lock:
                self._threads.discard(thread)
            raise

    def _withdraw(self, call: _Call) -> asyncio.Future[None] | None:
        """Take a call out of the line; of one that runs, what is done when it has ended."""
        with self._lock:
            if call in self._waiting:
                del self._waiting[call]
                return None
            return None if call.over else call.ending()

    def _abandon(self, call: _Call) -> bool:
        """Give up on a call, unless it has ended. If no thread is left for those who wait, they are told."""
        with self._lock:
            if call.over:
                return False
            call.given_up = True
            self.abandoned[call.who] += 1
            starved = self._take_all_waiting() if self.abandoned.total() >= self.size else []
            reason = self._is_exhausted() if starved else ""
        for each in starved:
            each.fail(PoolExhausted(reason))
        return True

    def _serve(self, thread: _Thread) -> None:
        """A thread's part: one call after the other, until nobody has had one for a while."""
        call = thread.call
        while call is not None:
            call.perform()
            following = self._ended(thread, call)
            call.tell()
            call = thread.call = following  # what it has done is nothing to a thread that waits
            if call is None:
                call = thread.call = self._next(thread)

    def _next(self, thread: _Thread) -> _Call | None:
        try:
            return thread.inbox.get(timeout=self.idle)
        except queue.Empty:
            return None if self._leave(thread) else thread.inbox.get()

    def _ended(self, thread: _Thread, call: _Call) -> _Call | None:
        """A thread is through with a call; gives what it does next, or nothing yet."""
        with self._lock:
            call.over = True
            if call.given_up:
                self.late[call.who] += 1
                self.abandoned[call.who] -= 1
                if not self.abandoned[call.who]:
                    del self.abandoned[call.who]
            if self._waiting:
                return self._waiting.popitem(last=False)[0]
            if self.closed:
                self._threads.discard(thread)
                thread.inbox.put(None)
            else:
                self._idle.append(thread)  # before its caller hears of it, who may have the next call
            return None

    def _leave(self, thread: _Thread) -> bool:
        """A thread has waited long enough; False when it was just given something."""
        with self._lock:
            if thread not in self._idle:
                return False
            self._idle.remove(thread)
            self._threads.discard(thread)
            return True

    def _take_all_waiting(self) -> list[_Call]:
        waiting = list(self._waiting)
        self._waiting.clear()
        for call in waiting:
            call.over = True
        return waiting

    def _is_closed(self, who: str) -> str:
        return f"pool {self.name!r} is closed with its engine; {who} has no thread to run on"

    def _is_exhausted(self) -> str:
        names = ", ".join(f"{name} ({count})" for name, count in self.abandoned.items())
        return f"all {self.size} threads of pool {self.name!r} are held by abandoned work: {names}"


class _Call:
    """A function on its way through a pool.

    Attributes:
        value: what its caller awaits. over: it has ended. told: when it was told to stop, in `time.monotonic` seconds.
        given_up: nobody waits for it any more.
    """

    __slots__ = ("_context", "_error", "_function", "_result", "_until", "given_up", "over", "told", "value", "who")

    def __init__(self, who: str, function: Callable[[], Any]) -> None:
        self.who = who
        self.value: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.over = self.given_up = False
        self.told = 0.0
        self._function = function
        self._context = contextvars.copy_context()
        self._result: Any = None
        self._error: BaseException | None = None
        self._until: asyncio.Future[None] | None = None

    def ending(self) -> asyncio.Future[None]:
        """What is done when the function has ended."""
        self.told = time.monotonic()
        self._until = self.value.get_loop().create_future()
        return self._until

    def perform(self) -> None:
        """Call the function; on the pool's thread."""
        try:
            self._result = self._context.run(self._function)
        except StopIteration as error:  # a future cannot carry one: whoever awaits it would wait for ever
            self._error = RuntimeError("a function on a thread raised StopIteration")
            self._error.__cause__ = error
        except BaseException as error:  # whatever it is, it is the caller's
            self._error = error

    def tell(self) -> None:
        """Tell the caller, who is on a loop of its own."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
            self.value.get_loop().call_soon_threadsafe(self._settle)

    def fail(self, error: Exception) -> None:
        """Let it fail instead of being performed."""
        self._error = error
        self.tell()

    def _settle(self) -> None:
        if self._until is not None:
            self._until.set_result(None)
        if not self.value.done():
            if self._error is not None:
                self.value.set_exception(self._error)
            else:
                self.value.set_result(self._result)
        self._result = self._error = None  # an error holds frames, and they hold this


class _Thread(threading.Thread):
    """One thread of a pool; what it is to do next comes in by its inbox, and None ends it."""

    def __init__(self, name: str, call: _Call, serve: Callable[[_Thread], None]) -> None:
        super().__init__(name=name, daemon=False)
        self.inbox: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self.call: _Call | None = call
        self._serve = serve

    def run(self) -> None:
        self._serve(self)
