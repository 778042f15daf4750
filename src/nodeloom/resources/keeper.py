"""The process between an engine and a worker: it sees to it that nothing of the worker outlives its use.

    engine ── tether ── keeper ── worker ── whatever the node's code starts

A worker may hold its interpreter's lock for ever, and so cannot look after itself; the engine may be killed, and then
nobody else is left to. The keeper runs none of an author's code: it waits until the worker ends, or the engine lets go
of the tether, by wish or by dying. Then it kills and reaps all there is below it, and tells how the worker ended.

This file is run as a program, before anything else is imported: a keeper is small, and there from the first moment.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import signal
import struct
import sys

__all__ = ["STATUS", "keep", "main"]

STATUS = struct.Struct("=i")
"""What a keeper says last on its tether: the worker's status, as `os.waitpid` gives it."""

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def keep(tether: int, engine: int, data: int) -> None:
    """Become a keeper. This returns in the worker alone, which is a process of its own and a leader of its group.

    Args:
        tether: a socket to the engine. engine: the process whose keeper this is. data: the worker's socket.
    """
    wakes, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):  # Ctrl-C and the like are for the engine to judge
        signal.signal(number, _ignore)
    process_control(PR_SET_CHILD_SUBREAPER, 1)
    process_control(PR_SET_PDEATHSIG, signal.SIGTERM)  # a fork of the engine's may hold on to the tether
    keeper = os.getpid()
    worker = os.fork()
    if worker == 0:
        _become_worker(keeper, (tether, wakes, woken))
        return
    os.close(data)
    try:
        with contextlib.suppress(OSError):
            os.setpgid(worker, worker)  # both do, for nobody knows who comes first
        status = _end(worker, _watched(worker, tether, wakes, engine))
        with contextlib.suppress(OSError):  # nobody may be there to hear it
            os.write(tether, STATUS.pack(status))
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        os._exit(1)
    os._exit(0)


def _ignore(number: int, frame: object) -> None:
    """Not SIG_IGN, which the programs that a node starts would inherit."""


def _become_worker(keeper: int, not_mine: tuple[int, ...]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for each in not_mine:
        os.close(each)
    os.setpgid(0, 0)
    process_control(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:  # it died before it could be told
        os._exit(1)


def process_control(option: int, value: int) -> None:
    """What Linux offers a process for its relations; elsewhere a group of processes must do."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, int(value), 0, 0, 0)


def _watched(worker: int, tether: int, wakes: int, engine: int) -> int:
    """Wait until the worker ends, and give its status; or the engine lets go, and give -1."""
    poll = select.poll()
    for each in (tether, wakes):
        poll.register(each, select.POLLIN)
    while os.getppid() == engine:
        if any(ready == tether for ready, _ in poll.poll()):
            break
        os.read(wakes, 512)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == worker:
                    return ended[1]
    return -1


def _end(worker: int, status: int) -> int:
    """Kill and reap whatever is left, in the worker's group or outside of it; the worker's status."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            ended = os.waitpid(-1, os.WNOHANG)
            if ended[0] == 0:
                for child in _children():  # those whose parents are gone have come to this process
                    with contextlib.suppress(PermissionError):
                        os.kill(child, signal.SIGKILL)
                ended = os.waitpid(-1, 0)
            if ended[0] == worker:
                status = ended[1]
    return status


def _children() -> list[int]:
    """The processes whose parent this is."""
    if not os.path.exists("/proc/self/stat"):
        return []
    return [int(name) for name in os.listdir("/proc") if name.isdecimal() and _parent(name) == os.getpid()]


def _parent(process: str) -> int:
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            # The name of a program may hold anything, so fields are counted from the bracket behind it.
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:  # it has ended meanwhile
        return -1


def main(arguments: list[str]) -> None:
    """Keep a worker, and be it.

    Args:
        arguments: numbers of the socket for messages, of the tether, and of the engine's process; the module whose
            `main` is called in the worker, with the first; and where modules are looked for.
    """
    data, tether, engine = map(int, arguments[:3])
    os.set_inheritable(data, False)
    os.set_inheritable(tether, False)
    sys.path[:] = arguments[4:]
    keep(tether, engine, data)
    importlib.import_module(arguments[3]).main(data)


if __name__ == "__main__":
    main(sys.argv[1:])
