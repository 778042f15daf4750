"""`nodeloom run`: one run of a graph, watched."""

from __future__ import annotations

import asyncio
import atexit
import gc
import logging
import math
import signal
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any, TextIO

import msgspec

from ..engine import Engine
from ..errors import GraphError, ParamsError, RunCancelled, RunFailed
from ..model.run import RunResult
from ..nodes.event import Event
from ..nodes.graph import Graph
from ..runners.left import Left
from ..runners.signals import Signals, end_in_time
from .inputs import read_inputs
from .options import RunOptions, check_kind
from .output import write_json, write_line
from .progress import Display, Silent, display_for, logging_to_stderr
from .report import FAILED, WRONG, UsageError, fail, failure_of, problems_paragraph
from .tally import Tally, seconds_text
from .targets import inputs_problem, load_graph, parse_target

__all__ = ["run_command"]

ONLY_OF = {
    **dict.fromkeys(("messages", "outputs", "strict", "left", "dead"), ("actor",)),
    "duration": ("tick",),
    "run_id": ("graph",),
    **dict.fromkeys(("input", "inputs"), ("graph", "tick")),
}
"""Options that mean nothing in another way to run."""
PERIOD = 0.1


def run_command(text: str, options: RunOptions) -> int:
    """Run the graph that a target names; gives the exit code."""
    _check(options)
    atexit.register(gc.freeze)  # else an interpreter that ends looks through all it holds once more: 0.2 s
    target = parse_target(text, options.folder)
    inputs = read_inputs(options.input or (), options.inputs)
    output = sys.stdout
    with redirect_stdout(sys.stderr):  # what nodes print must not end up in the middle of the output
        try:
            graph = _bounded(load_graph(target), options.max_steps)
            if options.kind == "graph":
                graph.check_inputs(inputs)
            with logging_to_stderr(quiet=options.quiet, verbose=options.verbose):
                return _run(graph, inputs, options, output)
        except GraphError as error:
            return fail(problems_paragraph(error, text), WRONG, error)
        except ParamsError as error:
            return fail(inputs_problem(error, text), WRONG, error)


def _run(graph: Graph, inputs: Mapping[str, Any], options: RunOptions, output: TextIO) -> int:
    if options.kind == "actor":
        from .living.actors import run_actors

        return run_actors(graph, options, output)
    if options.kind == "tick":
        from .living.clocks import run_clock

        return run_clock(graph, inputs, options, output)
    return asyncio.run(Command(graph, inputs, options, output).run())


def _check(options: RunOptions) -> None:
    check_kind(options.kind)
    for word, kinds in ONLY_OF.items():
        if getattr(options, word) and options.kind not in kinds:
            raise UsageError(f"--{word.replace('_', '-')} means nothing --as {options.kind}; it is for {kinds[0]}")
    if options.duration is not None and not 0 < options.duration < math.inf:
        raise UsageError(f"--duration {options.duration:g}: give seconds, above 0")
    if options.max_steps is not None and options.max_steps < 1:
        raise UsageError(f"--max-steps {options.max_steps}: give a whole number from 1")
    if not options.grace >= 0:
        raise UsageError(f"--grace {options.grace:g}: give seconds, from 0")
    for root in options.file_root or ():
        if not root.is_dir():
            raise UsageError(f"--file-root {root}: there is no such folder")


def _bounded(graph: Graph, max_steps: int | None) -> Graph:
    if max_steps is None:
        return graph
    declared = msgspec.structs.replace(graph.declaration, max_steps=max_steps, bounded=True)
    return Graph.assemble(declared, list(graph.nodes.values()), graph.inputs, graph.output_templates)


class Command:
    """One run of the command: the engine, the display, the signals.

    Args:
        graph, inputs, options: what to run. output: where the result goes.
    """

    def __init__(self, graph: Graph, inputs: Mapping[str, Any], options: RunOptions, output: TextIO) -> None:
        self._graph = graph
        self._inputs = inputs
        self._options = options
        self._output = output
        self._tally = Tally(graph.name, graph.nodes)
        quiet = options.quiet or options.json
        self._display: Display = display_for(self._tally, quiet=quiet, verbose=options.verbose)
        self._task: asyncio.Task[RunResult] | None = None
        self._engine = Engine(file_roots=[*(options.file_root or ())] or None)
        self._ending: asyncio.Task[tuple[Left, ...]] | None = None
        self._left: tuple[Left, ...] = ()
        self._broken: OSError | None = None

    async def run(self) -> int:
        """Run to the end; gives the exit code."""
        with Signals(asyncio.get_running_loop(), self._stop) as signals:
            async with self._engine as engine:
                watch = self._watch
                work = engine.run(self._graph, self._inputs, run_id=self._options.run_id, watch=watch)
                self._task = asyncio.create_task(work)
                self._task.add_done_callback(_seen)
                await self._shown(self._task)
                if self._ending is not None:
                    self._left = await self._ending
        if self._broken is not None:
            await asyncio.gather(self._task, return_exceptions=True)
            raise self._broken
        code = self._ended(self._task, signals)
        if signals.received is not None:
            end_in_time(code, 5.0)
        return code

    async def _shown(self, task: asyncio.Task[RunResult]) -> None:
        display = self._display
        display.start()
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=None if isinstance(display, Silent) else PERIOD)
                display.refresh()
        finally:
            display.stop()

    def _watch(self, event: Event) -> None:
        """Called with each event, in the middle of the run: nothing may be raised here."""
        node = self._tally.add(event)
        if self._broken is not None:
            return
        out = self._output
        try:
            if self._options.json:
                write_line(_without_none(msgspec.structs.asdict(event)), out)
            else:
                self._display.event(event, node)
        except OSError as error:  # nobody reads, or the disk is full: the run has no purpose any more
            self._broken = error
            if self._task is not None:
                self._task.cancel()

    def _stop(self, number: int) -> None:
        """The first signal: Ctrl-C cancels the run, SIGTERM gives it the grace to end (6.3)."""
        if self._task is None or self._task.done():
            return
        grace = self._options.grace if number == signal.SIGTERM else 0.0
        running = ", ".join(self._tally.running()) or "the run"
        hint = "; Ctrl-C again ends at once" if number == signal.SIGINT else ""
        wait = f", which may take up to {seconds_text(grace)} to end" if grace else ""
        print(f"nodeloom: stopping {running}{wait}{hint}", file=sys.stderr, flush=True)
        logging.getLogger("nodeloom.engine").setLevel(logging.ERROR)  # what is left is said at the end
        self._ending = asyncio.create_task(self._engine.stop(grace=grace))

    def _ended(self, task: asyncio.Task[RunResult], signals: Signals) -> int:
        if task.cancelled():
            return fail("the run was cancelled", signals.code)
        error = task.exception()
        if isinstance(error, RunCancelled):
            self._write_result(error.result)
            what = _unfinished(error.result, self._left)
            return fail(f"{_signal_name(signals.received)}: {what}", signals.code)
        if isinstance(error, RunFailed):
            self._write_result(error.result)
            return fail(failure_of(error), FAILED, error)
        if error is not None:
            raise error
        self._write_result(task.result())
        return 0

    def _write_result(self, result: RunResult) -> None:
        if self._options.json:
            write_line({"type": "result", **msgspec.structs.asdict(result)}, self._output)
        elif result.status == "completed":
            write_json(result.output, self._output)
            self._output.flush()


def _seen(task: asyncio.Task[RunResult]) -> None:
    """A node's sys.exit ends the loop before anybody asks the task for it."""
    if not task.cancelled():
        task.exception()


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _unfinished(result: RunResult, left: tuple[Left, ...]) -> str:
    """What a signal kept the run from ending."""
    nodes = list(dict.fromkeys(step.node for each in left for step in each.steps))
    running = f" while {', '.join(nodes)} ran" if nodes else ""
    return (
        f"the run was cancelled{running}\n  run {result.run_id}, after {result.steps:,} step{'s' * (result.steps != 1)}"
    )


def _signal_name(number: int | None) -> str:
    return "interrupted" if number in (signal.SIGINT, None) else "terminated"
