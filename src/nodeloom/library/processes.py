"""A command in a process group of its own, of which nothing is left when it ends, fails or is cancelled."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from nodeloom.errors import LimitExceeded

from .keeper import be_ready, keep, let_go

__all__ = ["Finished", "run_command"]

POLL = 0.01
DRAIN = 1.0


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended.

    Attributes: `exit_code` its status, below 0 for the number of the signal that ended it; `stdout` and `stderr`.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes


class _Talk(asyncio.SubprocessProtocol):
    """Collects what a command writes, up to a limit for each of the two streams."""

    def __init__(self, limit: int) -> None:
        loop = asyncio.get_running_loop()
        self.limit = limit
        self.written = {1: bytearray(), 2: bytearray()}
        self.exited: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.excess: LimitExceeded | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        keep(cast("asyncio.SubprocessTransport", transport).get_pid())

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if len(self.written[fd]) + len(data) <= self.limit:
            self.written[fd] += data
        elif self.excess is None:
            name = "stdout" if fd == 1 else "stderr"
            self.excess = LimitExceeded(f"the command wrote more than {self.limit:,} bytes to {name} (max_output)")
            if not self.exited.done():  # its end may be told before the last it wrote
                self.exited.set_exception(self.excess)

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


async def run_command(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdin: bytes = b"",
    max_output: int = 10_000_000,
    grace: float = 2.0,
) -> Finished:
    """Run a command to its end.

    Whatever ends this, the command's whole process group is told to terminate, killed after `grace` seconds, and
    awaited: children it started too, unless they left for a session of their own. When this process is killed, a
    keeper ends the group.

    Args:
        argv: the command and its arguments. env: its whole environment. cwd: its folder. stdin: what it can read.
        max_output: the most bytes it may write to stdout, and to stderr.

    Raises:
        LimitExceeded: it wrote more. OSError: it cannot be started.
    """
    transport, talk = await _started(argv, env, cwd, max_output)
    try:
        _feed(transport, stdin)
        await talk.exited
    finally:
        await _end(transport, talk, grace)
    if talk.excess is not None:
        raise talk.excess
    return Finished(transport.get_returncode() or 0, bytes(talk.written[1]), bytes(talk.written[2]))


async def _started(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path, max_output: int
) -> tuple[asyncio.SubprocessTransport, _Talk]:
    """Start the command; a cancellation meanwhile ends it as soon as it is there."""
    loop = asyncio.get_running_loop()
    be_ready()
    starting = asyncio.ensure_future(
        loop.subprocess_exec(lambda: _Talk(max_output), *argv, env=dict(env), cwd=cwd, start_new_session=True)
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait({starting})
        if starting.exception() is None:
            await _end(*starting.result(), grace=0.0)
        raise


def _feed(transport: asyncio.SubprocessTransport, data: bytes) -> None:
    """Let the command read this; it need not."""
    pipe = cast("asyncio.WriteTransport | None", transport.get_pipe_transport(0))
    if pipe is not None:
        pipe.write(data)
        pipe.write_eof()


async def _end(transport: asyncio.SubprocessTransport, talk: _Talk, grace: float) -> None:
    """End what is left of the command's group, and let go of its pipes."""
    group = transport.get_pid()
    try:
        try:
            if _signal(group, signal.SIGTERM):
                await _gone(group, grace)
        finally:
            # Without waiting, so that not even a second cancellation leaves anything running.
            killed = _signal(group, _KILL)
        if killed:
            await _gone(group, DRAIN)
        await asyncio.wait({talk.closed}, timeout=DRAIN)
    finally:
        let_go(group)
        transport.close()
        if talk.exited.done() and not talk.exited.cancelled():
            talk.exited.exception()  # seen, whether or not it is raised
    await asyncio.wait({talk.closed}, timeout=DRAIN)


async def _gone(group: int, timeout: float) -> None:
    """Wait until no process of the group is left, or the time is up."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    while loop.time() < end and _signal(group, 0):  # noqa: ASYNC110 - only the system knows, and tells nobody
        await asyncio.sleep(POLL)


def _signal(group: int, number: int) -> bool:
    """Send a signal to a process group; False when there is none any more."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(group, number)
        else:
            os.kill(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
