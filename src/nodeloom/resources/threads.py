"""Bounded, named thread pools for work that blocks (semantics 7.1)."""

from __future__ import annotations

import asyncio
import contextvars
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from ..errors import EngineClosed, PoolExhausted

__all__ = ["ThreadPool"]

T = TypeVar("T")


class ThreadPool:
    """Up to `size` threads, made when they are needed; none is a daemon.

    Args:
        name: what messages call it. size: how many threads at most.
        grace: seconds a cancelled step's function is given to return; after that it is abandoned, and keeps its
            place in the pool until it does.
    """

    def __init__(self, name: str, size: int, grace: float = 5.0) -> None:
        if size < 1:
            raise ValueError(f"pool {name!r}: a size is a number of threads from 1, not {size}")
        self.name = name
        self.size = size
        self.grace = grace
        self.abandoned: Counter[str] = Counter()
        self.closed = False
        self._threads: ThreadPoolExecutor | None = None

    async def run(self, who: str, function: Callable[[], T], stop: Callable[[], None] | None = None) -> T:
        """Run a blocking function on a thread, with this context's variables, and await its value.

        Args:
            who: whose it is, to be named when it is abandoned. function: what to run.
            stop: called when this is cancelled while the function runs, to tell it.

        Raises:
            PoolExhausted: every thread is held by functions that were given up on. EngineClosed: the pool is closed.
        """
        if self.closed:
            raise EngineClosed(f"pool {self.name!r} is closed with its engine; {who} has no thread to run on")
        if self.abandoned.total() >= self.size:
            names = ", ".join(f"{name} ({count})" for name, count in self.abandoned.items() if count)
            raise PoolExhausted(f"all {self.size} threads of pool {self.name!r} are held by abandoned work: {names}")
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.size, thread_name_prefix=f"nodeloom-{self.name}")
        future = self._threads.submit(contextvars.copy_context().run, _called, function)
        waiter = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(waiter)
        except asyncio.CancelledError:
            if not future.cancel() and not waiter.done():
                if stop is not None:
                    stop()
                await self._outlast(who, future, waiter)
            raise

    async def _outlast(self, who: str, future: Future[Any], waiter: asyncio.Future[Any]) -> None:
        """Wait for a function that was told to stop; give up on it when it takes too long."""
        try:
            await asyncio.wait({waiter}, timeout=self.grace)
        finally:
            if waiter.done():
                waiter.exception()  # it is of no use any more, but must not be reported as lost
            elif not future.done():
                self.abandoned[who] += 1
                future.add_done_callback(lambda _: self.abandoned.subtract({who: 1}))
                waiter.add_done_callback(lambda late: late.cancelled() or late.exception())

    def close(self) -> None:
        """End the threads; those held by abandoned work end when it does."""
        self.closed = True
        if self._threads is not None:
            self._threads.shutdown(wait=not self.abandoned.total(), cancel_futures=True)
            self._threads = None


def _called(function: Callable[[], T]) -> T:
    try:
        return function()
    except StopIteration as error:  # a future cannot carry one: whoever awaits it would wait for ever
        raise RuntimeError("a function on a thread raised StopIteration") from error
