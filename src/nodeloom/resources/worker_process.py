"""One worker process and what can be done with it: have it perform a call, ask it to end, kill it (semantics 7.2)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

from ..errors import StepError, WorkerDied
from . import keeper
from .frames import Frames
from .keeper import STATUS

__all__ = ["Told", "Worker"]

Told = Callable[[bytes], bytes | None]
"""What is done with what a worker says during a call; what it gives is sent back."""

LAST_RESORT = 0.5
"""Seconds a keeper has to end what it keeps, before it is killed itself."""

log = logging.getLogger("nodeloom.processes")


class Worker:
    """One worker process, with its keeper.

    Args:
        program: see `ProcessPool`.

    Attributes:
        gone: done when nothing of it is left: with its status, as `os.waitpid` gives it; -1 for a killed one.
        killed: it was. ending: it was, or was asked to end. rests_since: by the loop's clock.
        who: whose call it performs. knows: what it was prepared for, for whoever prepares it.
    """

    def __init__(self, program: str) -> None:
        loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[int] = loop.create_future()
        self.ending = self.killed = False
        self.rests_since = 0.0
        self.who = ""
        self.knows: dict[bytes, None] = {}
        self._loop = loop
        self._answer: asyncio.Future[bytes] | None = None
        self._told: Told = _ignored
        mine, theirs = socket.socketpair()
        self._tether, its_tether = socket.socketpair()
        try:
            self._keeper = _started(program, theirs.fileno(), its_tether.fileno())
        except BaseException:
            mine.close()
            self._tether.close()
            raise
        finally:
            theirs.close()
            its_tether.close()
        self._frames = Frames(mine, self._received)
        self._tether.setblocking(False)
        loop.add_reader(self._tether, self._untied)

    @property
    def busy(self) -> bool:
        return self._answer is not None

    @property
    def is_free(self) -> bool:
        return self._answer is None and not self.gone.done()

    async def perform(self, message: bytes, told: Told) -> bytes:
        """Have it perform a call, and await its answer. When this is cancelled, it is killed first.

        Args:
            message: what it is sent. told: called with what it says before its answer.

        Raises:
            WorkerDied: it ended before it answered.
        """
        self._answer = self._loop.create_future()
        self._told = told
        if self.gone.done():
            self._fail(self.gone.result())
        else:
            self._frames.send(message)
        try:
            return await self._answer
        except BaseException:
            await self.destroy()
            raise
        finally:
            self._answer = None
            self._told = _ignored

    def dismiss(self) -> None:
        """Ask it to end."""
        if not self.ending:
            self.ending = True
            self._frames.send(b"")

    def kill(self) -> None:
        """Have it killed, whatever it does; `gone` tells when that is done."""
        if not self.gone.done():
            self.killed = self.ending = True
            self._tether.shutdown(socket.SHUT_WR)  # not `close`: a fork of this process may hold it as well

    async def destroy(self) -> None:
        """Kill it and await its end, however often this is cancelled meanwhile."""
        self.kill()
        end = self._loop.time() + LAST_RESORT
        while not self.gone.done():
            with contextlib.suppress(asyncio.CancelledError):  # the first one is on its way already
                await asyncio.wait({self.gone}, timeout=max(0.0, end - self._loop.time()))
            if self._loop.time() >= end:
                self.give_up()

    def give_up(self) -> None:
        """The keeper does not do its part: kill it, and say so."""
        log.warning(
            "the keeper of a worker (process %d) did not end it in time, and is killed itself", self._keeper.pid
        )
        self._keeper.kill()
        self._bury(-1)

    def _received(self, frame: bytes) -> None:
        """What the worker says: an answer (A), or what is told before it (T)."""
        if self._answer is None or self._answer.done():
            if frame[:1] == b"T":
                _ignored(frame)
            return
        if frame[:1] == b"A":
            self._answer.set_result(frame[1:])
            return
        try:
            reply = self._told(frame[1:])
        except Exception as error:
            self._answer.set_exception(error)
            return
        if reply is not None:
            self._frames.send(reply)

    def _untied(self) -> None:
        """The keeper has let go of its end: nothing of the worker is left."""
        try:
            data = self._tether.recv(STATUS.size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        self._frames.drain()  # an answer may be among the last it said
        self._bury(STATUS.unpack(data)[0] if len(data) == STATUS.size else -1)

    def _bury(self, status: int) -> None:
        self._loop.remove_reader(self._tether)
        self._tether.close()
        self._frames.close()
        self._keeper.wait()  # it is at its end, or over
        if not self.gone.done():
            self.gone.set_result(status)
        self._fail(status)

    def _fail(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(WorkerDied(_obituary(self.who, status)))


def _ignored(message: bytes) -> None:
    """Nobody listens: what a worker says between two calls comes from threads that a node has left behind."""


def _started(program: str, data: int, tether: int) -> subprocess.Popen[bytes]:
    """Start a Python with the keeper, and the worker in it."""
    if os.name != "posix" or not sys.executable:
        raise StepError(
            "isolation='process' needs a Python program to start (sys.executable) and a system with process groups "
            "(Linux, macOS): use isolation='thread' here"
        )
    numbers = [str(number) for number in (data, tether, os.getpid())]
    paths = [str(path) for path in sys.path]
    return subprocess.Popen(
        [sys.executable, *_flags(), "-P", keeper.__file__, *numbers, program, *paths],
        stdin=subprocess.DEVNULL,
        stdout=_standard_error(),  # what a node prints must not end up in the middle of a result
        pass_fds=(data, tether),
        start_new_session=True,
    )


def _flags() -> list[str]:
    """The interpreter's own options that change what a module means."""
    names = {"optimize": "-O", "isolated": "-I", "ignore_environment": "-E", "no_user_site": "-s"}
    given = [option for name, option in names.items() for _ in range(int(getattr(sys.flags, name)))]
    return [*given, *(f"-W{option}" for option in sys.warnoptions)]


def _standard_error() -> int:
    try:
        os.fstat(2)
    except OSError:
        return subprocess.DEVNULL
    return 2


def _obituary(who: str, status: int) -> str:
    """What is known about a worker's end."""
    code = os.waitstatus_to_exitcode(status) if status >= 0 else 0
    how = "was lost"
    if code < 0:
        known = -code in signal.Signals.__members__.values()
        how = f"was ended by {signal.Signals(-code).name if known else f'signal {-code}'}"
        if -code == signal.SIGKILL:
            how += " (by somebody, or by the system when memory ran out)"
    elif status >= 0:
        how = f"ended with exit code {code}"
    return f"the worker process of node {who} {how} before it gave its outputs; what it has printed is in stderr"
