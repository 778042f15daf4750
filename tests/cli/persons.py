"""A person at a terminal, for commands that ask: reads what is shown, and types."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
from pathlib import Path
from typing import Self

from .conftest import COMMAND, environment

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PATIENCE = 20
"""Seconds until a person gives up on a command that shows nothing more."""


class Person:
    """Runs a command whose standard input and standard error are a terminal.

    Attributes:
        seen: everything that was shown so far, with what was typed.
    """

    def __init__(self, folder: Path, *words: str) -> None:
        self._main, side = pty.openpty()
        self._process = subprocess.Popen(
            [*COMMAND, *words],
            cwd=folder,
            env=environment(),
            stdin=side,
            stdout=subprocess.PIPE,
            stderr=side,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - this process has no threads yet
        )
        os.close(side)
        self._at = 0
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._main)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def reads(self, text: str) -> Self:
        """Wait until a text is shown, behind what was read before."""
        while text not in self.seen[self._at :]:
            assert self._more(), f"{text!r} is not shown; there is:\n{self.seen[self._at :]}"
        self._at = self.seen.index(text, self._at) + len(text)
        return self

    def types(self, *lines: str) -> Self:
        """Answer: each line when there is a question."""
        for line in lines:
            self.reads("> ")
            self.sends(line + "\n")
        return self

    def sends(self, text: str) -> Self:
        os.write(self._main, text.encode())
        return self

    def interrupts(self) -> Self:
        return self.sends("\x03")

    def end(self) -> tuple[int, str]:
        """The exit code and standard output, once the command is done."""
        while self._more():
            continue
        assert self._process.stdout is not None
        out = self._process.stdout.read().decode()
        return self._process.wait(PATIENCE), out

    def _more(self) -> bool:
        ready, _, _ = select.select([self._main], [], [], PATIENCE)
        assert ready, f"nothing more is shown; there was:\n{self.seen}"
        try:
            piece = os.read(self._main, 65536)
        except OSError:  # Linux says so when the last of the other side is closed
            return False
        self.seen += ESCAPE.sub("", piece.decode(errors="replace")).replace("\r", "")
        return bool(piece)


def _take_terminal() -> None:
    """Be in the foreground of the terminal, so that Ctrl-C is a signal."""
    import fcntl
    import termios

    signal.signal(signal.SIGINT, signal.default_int_handler)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
