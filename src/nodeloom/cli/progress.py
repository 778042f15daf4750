"""Progress on standard error: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Protocol

from ..nodes.event import Event
from ..nodes.logs import StepFilter
from .report import author_line, harmless, innermost, traceback_text, wants_traceback
from .tally import ENDED, NodeTally, Tally, amount, error_text, one_line, seconds_text

__all__ = ["Display", "Plain", "Silent", "display_for", "logging_to_stderr"]


class Display(Protocol):
    """Shows a run while it goes."""

    def start(self) -> None: ...

    def event(self, event: Event, node: NodeTally | None) -> None:
        """An event, which the tally has counted already."""
        ...

    def refresh(self) -> None:
        """Called some ten times a second."""
        ...

    def stop(self) -> None: ...


class Silent:
    """Shows nothing."""

    def start(self) -> None: ...

    def event(self, event: Event, node: NodeTally | None) -> None: ...

    def refresh(self) -> None: ...

    def stop(self) -> None: ...


class Plain(Silent):
    """A line for each step that ends or is tried again; with `verbose`, for its start, chunks and progress too."""

    def __init__(self, tally: Tally, verbose: bool) -> None:
        self._tally = tally
        self._verbose = verbose

    def event(self, event: Event, node: NodeTally | None) -> None:
        text = self._line(event, node)
        if text:
            print(f"{clock(event.time)} {text}", file=sys.stderr, flush=True)

    def _line(self, event: Event, node: NodeTally | None) -> str:
        if node is None:
            return self._about_run(event)
        data = event.data
        if event.type in ENDED:
            joint = "in" if event.type == "step_completed" else "after"
            why = node.message
            took = seconds_text(node.seconds or 0.0)
            return f"{node.label} {ENDED[event.type]} {joint} {took}{': ' + why if why else ''}"
        if event.type == "hook_failed":
            return f"{node.label} {data.get('hook')} failed: {one_line(data.get('error', ''))}"
        if not self._verbose:
            return _retry_text(event, node) if event.type == "step_retried" else ""
        if event.type == "step_started":
            return f"{node.label} started"
        if event.type == "chunk":
            return f"{node.label} chunk {one_line(data.get('chunk'))}"
        return f"{node.label} {progress_text(node)}" if event.type == "progress" else ""

    def _about_run(self, event: Event) -> str:
        tally = self._tally
        if event.run_id != tally.run_id or not event.type.startswith("run_"):
            return ""
        if event.type == "run_started":
            return f"{tally.name} started, run {event.run_id}" if self._verbose else ""
        steps = f"{tally.steps:,} step{'s' * (tally.steps != 1)}"
        return f"{tally.name} {tally.status}: {steps} in {seconds_text(event.time - tally.started)}"


def _retry_text(event: Event, node: NodeTally) -> str:
    """When there is another attempt, and why; with `verbose` the log says so."""
    place = (event.step_id or "").rpartition("[")[2].removesuffix("]")
    which = f" item {int(place) + 1}" if place.isdecimal() and (event.step_id or "").endswith("]") else ""
    wait = seconds_text(event.data.get("wait", 0.0))
    return f"{node.label}{which} retrying in {wait}, attempt {event.attempt}: {error_text(event)}"


def progress_text(node: NodeTally) -> str:
    """How far a step is, in words."""
    if node.done is None:
        return node.message
    done = f"{amount(node.done)} of {amount(node.total)}" if node.total is not None else amount(node.done)
    return f"{done} {node.message}".rstrip()


def clock(seconds: float) -> str:
    """The time of day, here."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def display_for(tally: Tally, *, quiet: bool, verbose: bool) -> Display:
    """The display that fits what standard error is."""
    if quiet:
        return Silent()
    if sys.stderr.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown"):
        from .live import LiveTable

        return LiveTable(tally, verbose=verbose)
    return Plain(tally, verbose)


class _Lines(logging.Handler):
    """Log records as lines like those of the progress, wherever standard error goes at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        node = getattr(record, "node", None) or record.name
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        message = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            message += _about(error, message)
        with suppress(OSError):  # who logs is in the middle of things, such as keeping what was left
            print(f"{clock(record.created)} {node} {level}{harmless(message)}", file=sys.stderr, flush=True)


def _about(error: BaseException, message: str) -> str:
    """What a message does not say yet of its error: the text, and the author's line or the traceback."""
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    said = "" if what in message else f": {what}"
    if wants_traceback():
        return f"{said}\n{traceback_text(error)}".rstrip()
    line = author_line(innermost(error))
    return f"{said} (at {line})" if line else said


@contextmanager
def logging_to_stderr(*, quiet: bool, verbose: bool) -> Generator[None]:
    """Show warnings; with `verbose`, what nodes log as information too."""
    handler = _Lines()
    handler.addFilter(StepFilter())
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or getattr(record, "node", None) is not None)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.ERROR if quiet else logging.INFO if verbose else logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
