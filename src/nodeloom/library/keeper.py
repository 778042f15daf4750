"""A small process that ends the commands this one has started, should this one be killed.

A process that dies by SIGKILL, or by a SIGTERM that nobody handles, runs no code of its own any more. So a shell of a
few lines is told which process groups live, by a pipe; when that closes, it ends those that are left, and itself. One
serves the whole process; it is started with the first command. Linux could bind a command's life to its parent's, but
only between `fork` and `exec`, where a process with threads must not run Python, and only for the command itself.
"""

from __future__ import annotations

import atexit
import logging
import os
import subprocess
import threading

__all__ = ["be_ready", "keep", "let_go"]

log = logging.getLogger("nodeloom.library")
GRACE = 2
"""Seconds from SIGTERM to SIGKILL, as when a command is ended by its step."""

SCRIPT = f"""
trap '' HUP INT QUIT TERM
live=
while read -r what group; do
    case $what in
    +) live="$live $group" ;;
    -) left=; for each in $live; do [ "$each" = "$group" ] || left="$left $each"; done; live=$left ;;
    esac
done
[ -n "$live" ] || exit 0
for each in $live; do kill -s TERM -- "-$each"; done
sleep {GRACE}
for each in $live; do kill -s KILL -- "-$each"; done
"""


class _Keeper:
    """The process at the other end of the pipe, and what it has been told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # commands may run on several loops
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_missing = not hasattr(os, "killpg")

    def be_there(self) -> None:
        with self._lock:
            if self._process is None or self._process.poll() is not None:  # somebody may have ended it
                self._begin()

    def tell(self, what: str, group: int) -> None:
        with self._lock:
            if what == "+":
                self._groups.add(group)
            else:
                self._groups.discard(group)
            if not self._writes(f"{what} {group}\n") and self._groups:
                self._begin()

    def _begin(self) -> None:
        if not self._is_missing:
            self._end()
            self._process = self._started()
            self._writes("".join(f"+ {each}\n" for each in sorted(self._groups)))

    def _writes(self, text: str) -> bool:
        if self._process is None or self._process.stdin is None:
            return False
        try:
            self._process.stdin.write(text.encode())
        except OSError:
            return False
        return True

    def _started(self) -> subprocess.Popen[bytes] | None:
        try:
            return subprocess.Popen(
                ["/bin/sh", "-c", SCRIPT, "nodeloom-keeper"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                cwd="/",
                env={"PATH": os.defpath},
                start_new_session=True,  # what ends this process's group must not end it before
            )
        except OSError as error:
            self._is_missing = True
            log.warning("commands would outlive this process, should it be killed: no keeper could start: %s", error)
            return None

    def _end(self) -> None:
        """Close its pipe, and wait for it where it has nothing left to do."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        if self._groups and process.poll() is None:
            process.returncode = 0  # nobody will wait for it
        else:
            process.wait()

    def end(self) -> None:
        """Let it end, at the end of the process; what still runs goes with it."""
        with self._lock:
            self._end()

    def forget(self) -> None:
        """In a process that was forked: the keeper is the other one's."""
        self._lock = threading.Lock()
        self._groups.clear()
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.returncode = 0  # it is no child of this process, which need not wait for it
            self._process = None


_keeper = _Keeper()
atexit.register(_keeper.end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keeper.forget)


def be_ready() -> None:
    """Have the keeper there before a command is: what lies between its start and `keep` is in nobody's hands."""
    _keeper.be_there()


def keep(group: int) -> None:
    """See to it that a process group ends when this process does, however it does."""
    _keeper.tell("+", group)


def let_go(group: int) -> None:
    """A process group has ended."""
    _keeper.tell("-", group)
