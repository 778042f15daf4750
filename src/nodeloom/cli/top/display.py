"""Readings as they come, shown in the way that fits where they go: a table that moves, lines, JSON, or nothing."""

from __future__ import annotations

import os
from typing import Protocol, TextIO

import msgspec
from rich.console import Console
from rich.live import Live

from ...runners.readings import Reading
from ..output import write_line
from .plain import plain_lines
from .table import picture

__all__ = ["JsonLines", "Lines", "Moving", "Quiet", "Show", "is_terminal"]


class Show(Protocol):
    """Shows one reading after another."""

    @property
    def rows(self) -> int:
        """How many nodes of each system are worth asking for."""
        ...

    def start(self) -> None: ...

    def show(self, reading: Reading, note: str = "") -> None:
        """A reading, with what is to be said of it besides."""
        ...

    def stop(self) -> None: ...


class Quiet:
    """Shows nothing."""

    rows = 1

    def start(self) -> None: ...

    def show(self, reading: Reading, note: str = "") -> None: ...

    def stop(self) -> None: ...


class Lines(Quiet):
    """A line for each node, again with each reading.

    Args:
        stream: where to. rows: how many nodes of each system at most.
    """

    def __init__(self, stream: TextIO, rows: int = 50) -> None:
        self.rows = rows
        self._stream = stream

    def show(self, reading: Reading, note: str = "") -> None:
        for line in [*plain_lines(reading, self.rows), *([note] if note else [])]:
            print(line, file=self._stream)
        self._stream.flush()


class JsonLines(Lines):
    """Each reading as a line of JSON."""

    def show(self, reading: Reading, note: str = "") -> None:
        write_line(msgspec.to_builtins(reading), self._stream)


class Moving:
    """Tables that are drawn in place, and left as they were last.

    Args:
        stream: a terminal. rows: how many nodes of each system at most; by default as many as fit.
    """

    def __init__(self, stream: TextIO, rows: int | None = None) -> None:
        self._most = rows
        self.console = Console(file=stream, highlight=False, soft_wrap=False)
        self._live = Live(console=self.console, auto_refresh=False, transient=False, vertical_overflow="crop")

    @property
    def rows(self) -> int:
        return min(self._most or self.console.height, self.console.height)

    def start(self) -> None:
        self._live.start()

    def show(self, reading: Reading, note: str = "") -> None:
        self._live.update(picture(reading, self.console, rows=self._most, note=note), refresh=True)

    def stop(self) -> None:
        self._live.stop()


def is_terminal(stream: TextIO) -> bool:
    """Whether what is written there can move."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
