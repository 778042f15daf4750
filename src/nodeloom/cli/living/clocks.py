"""`nodeloom run FILE --as tick`: the nodes of a graph at their rates, and a report of how they kept them."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, TextIO

import msgspec
from rich.console import Console

from ...engine import Engine
from ...nodes.graph import Graph
from ...runners.readings import read
from ...runners.signals import Signals, end_in_time
from ...runners.ticks.clock import EXPECTED, Clock
from ...runners.ticks.report import Report
from ..options import RunOptions
from ..output import write_json
from ..report import FAILED, fail
from ..tally import one_line, seconds_text
from ..top.display import Quiet, is_terminal
from ..top.table import picture
from .watching import Screen, be_seen, show_for

__all__ = ["run_clock"]

UNWELL: Final = ("failing", "hung")
"""The health of a node that makes the exit code 1."""


def run_clock(graph: Graph, inputs: Mapping[str, Any], options: RunOptions, output: TextIO) -> int:
    """Let the nodes of a graph tick until the time is over, or something ends it; gives the exit code.

    Raises:
        GraphError: it cannot tick, with every reason.
    """
    return asyncio.run(ClockCommand(graph, inputs, options, output).run())


class ClockCommand:
    """One clock: the engine, the display, the signals.

    Args:
        graph, inputs, options: what ticks, and how. output: where the report goes.
    """

    def __init__(self, graph: Graph, inputs: Mapping[str, Any], options: RunOptions, output: TextIO) -> None:
        self._options = options
        self._inputs = inputs or None
        self._output = output
        self._engine = Engine(file_roots=[*(options.file_root or ())] or None)
        self._clock = Clock(graph, name=graph.name, engine=self._engine, grace=options.grace)
        self._show = show_for(quiet=options.quiet or options.json)
        self._stopping: asyncio.Task[Any] | None = None

    async def run(self) -> int:
        """Tick; gives the exit code."""
        with Signals(asyncio.get_running_loop(), self._stop) as signals:
            async with AsyncExitStack() as stack:
                engine = await stack.enter_async_context(self._engine)
                await be_seen(engine, stack)
                if self._stopping is None:  # else a signal was quicker
                    async with Screen([self._clock], self._show):
                        await self._clock.run(self._options.duration, inputs=self._inputs, check=False)
                if self._stopping is not None:
                    await self._stopping
        report = self._clock.report()
        self._write(report)
        code = self._ended(report, signals)
        if signals.received is not None:
            end_in_time(code, 5.0)
        return code

    def _stop(self, number: int) -> None:
        """The first signal: no tick begins any more, and those that run have the grace to end."""
        if self._stopping is None:
            hint = "; Ctrl-C again ends at once" if number == signal.SIGINT else ""
            print(f"nodeloom: stopping {self._clock.name}{hint}", file=sys.stderr, flush=True)
            self._stopping = asyncio.create_task(self._clock.stop(within=self._options.grace))

    def _write(self, report: Report) -> None:
        """The report: tables for who reads it on a terminal, where they do not stand already; else JSON."""
        if self._options.json or not is_terminal(self._output):
            write_json(_as_data(self._clock.name, report), self._output)
        elif isinstance(self._show, Quiet):
            console = Console(file=self._output, highlight=False)
            console.print(picture(read([self._clock]), console))
        self._output.flush()

    def _ended(self, report: Report, signals: Signals) -> int:
        name = self._clock.name
        unwell = _unwell(report)
        if unwell:
            fail(f"clock {name}, at the end: {unwell}", FAILED)
        if report.reason not in ("", *EXPECTED):
            return fail(f"clock {name} stopped after {seconds_text(report.duration)}: {report.reason}", FAILED)
        if signals.received is not None:
            word = "interrupted" if signals.received == signal.SIGINT else "terminated"
            return fail(f"{word} after {seconds_text(report.duration)}", signals.code)
        return FAILED if unwell else 0


def _unwell(report: Report) -> str:
    """What was not well at the end, on one line; empty where all was."""
    left, count = "; ".join(str(each) for each in report.left), len(report.left)
    running = [f"{count} tick{'s' * (count != 1)} left running ({left})"] if left else []
    nodes = [f"{node} is {stats.health}: {stats.reason}" for node, stats in report.items() if stats.health in UNWELL]
    return one_line("; ".join([*nodes, *running]), 2_000)


def _as_data(name: str, report: Report) -> dict[str, Any]:
    nodes = {node: msgspec.structs.asdict(stats) for node, stats in report.items()}
    ended = {"reason": report.reason, "duration": report.duration, "realtime": report.realtime}
    return {"name": name, **ended, "left": [str(each) for each in report.left], "time": time.time(), "nodes": nodes}
