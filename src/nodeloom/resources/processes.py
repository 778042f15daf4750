"""Bounded, named pools of worker processes, for work that can be killed (semantics 5.4, 7.2).

A worker is started when it is first needed, performs one call at a time and is used again. A call that is cancelled
costs its worker: it is killed with all it has started, reaped, and replaced when another is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import ClassVar, NamedTuple

from ..errors import EngineClosed, StepError, WorkerDied
from .worker_process import Told, Worker

__all__ = ["PROGRAM", "ProcessPool", "ProcessStats"]

PROGRAM = "nodeloom.executors.worker"


class ProcessStats(NamedTuple):
    """How a pool of processes is doing.

    Attributes:
        size: how many workers it may have. workers: how many it has. busy: how many of them perform a call.
        waiting: how many calls wait for a worker.
        started: how many workers there were. killed: how many of them were killed. died: and ended by themselves.
    """

    size: int
    workers: int
    busy: int
    waiting: int
    started: int
    killed: int
    died: int


class ProcessPool:
    """Up to `size` worker processes.

    Args:
        name: what messages call it. size: how many processes at most.
        grace: seconds that workers are given to end when the pool closes; then they are killed.
        idle: seconds a worker waits for more work.
        program: the module whose `main` is called in the worker, with the number of its socket.

    Example:
        `answer = await ProcessPool("default", 4).call("resize", message, told)`
    """

    may_start: ClassVar[bool] = True
    """False in a worker while it imports a module, which might run itself, and start others, and so on."""

    def __init__(self, name: str, size: int, *, grace: float = 5.0, idle: float = 60.0, program: str = PROGRAM) -> None:
        if size < 1:
            raise ValueError(f"pool {name!r}: a size is a number of processes from 1, not {size}")
        self.name = name
        self.size = size
        self.grace = grace
        self.idle = idle
        self.closed = False
        self._program = program
        self._places = asyncio.Semaphore(size)  # who waits longest is served first
        self._busy = self._waiting = self._started = self._killed = self._died = 0
        self._idle: list[Worker] = []
        self._workers: set[Worker] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    @contextlib.asynccontextmanager
    async def hold(self, who: str) -> AsyncGenerator[Worker]:
        """Have a worker to oneself: `async with pool.hold(who) as worker`.

        Args:
            who: whose call it is for, for messages.

        Raises:
            EngineClosed: the pool is closed.
        """
        self._be_open(who)
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        self._busy += 1
        try:
            self._be_open(who)
            worker = self._rested() or self._start()
            worker.who = who
            try:
                yield worker
            except WorkerDied:
                self._be_open(who)
                raise
            finally:
                self._rest(worker)
        finally:
            self._busy -= 1
            self._places.release()

    async def call(self, who: str, message: bytes, told: Told) -> bytes:
        """Have a worker perform a call, and await its answer; see `Worker.perform`."""
        async with self.hold(who) as worker:
            return await worker.perform(message, told)

    def stats(self) -> ProcessStats:
        """How it is doing now."""
        workers = len(self._workers)
        return ProcessStats(self.size, workers, self._busy, self._waiting, self._started, self._killed, self._died)

    async def close(self) -> None:
        """End the workers: those at rest by asking them, those at work by force."""
        self.closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._idle.clear()
        workers = set(self._workers)
        for worker in workers:
            if worker.busy:
                worker.kill()
            else:
                worker.dismiss()
        if workers:
            await asyncio.wait({worker.gone for worker in workers}, timeout=self.grace)
        for worker in workers:
            await worker.destroy()

    def _be_open(self, who: str) -> None:
        if self.closed:
            raise EngineClosed(f"pool {self.name!r} is closed with its engine; {who} has no process to run in")

    def _rested(self) -> Worker | None:
        while self._idle:
            worker = self._idle.pop()
            if not worker.gone.done():
                return worker
        return None

    def _start(self) -> Worker:
        if not ProcessPool.may_start:
            raise StepError("a module that a worker process imports cannot start worker processes meanwhile")
        worker = Worker(self._program)
        worker.gone.add_done_callback(lambda _: self._lost(worker))
        self._workers.add(worker)
        self._started += 1
        return worker

    def _lost(self, worker: Worker) -> None:
        self._workers.discard(worker)
        self._killed += worker.killed
        self._died += not worker.ending
        if worker in self._idle:
            self._idle.remove(worker)

    def _rest(self, worker: Worker) -> None:
        """A worker waits for its next call; after a while it ends."""
        if worker.busy:  # with a call that nobody who was given it waits for
            worker.kill()
        elif self.closed:
            worker.dismiss()
        if worker.ending or worker.gone.done():
            return
        worker.rests_since = asyncio.get_running_loop().time()
        self._idle.append(worker)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(self.idle, self._sweep)

    def _sweep(self) -> None:
        """End the workers that nobody has needed for a while: the last used is the next to be used."""
        loop = asyncio.get_running_loop()
        self._sweeper = None
        since = loop.time() - self.idle
        for worker in [worker for worker in self._idle if worker.rests_since <= since]:
            self._idle.remove(worker)
            worker.dismiss()
            loop.call_later(self.grace, worker.kill)
        if self._idle:
            self._sweeper = loop.call_at(self._idle[0].rests_since + self.idle, self._sweep)
