"""`nodeloom run FILE --as actor`: the nodes of a graph as actors, which are sent lines of JSON."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import Any, Final, TextIO

import msgspec

from ...engine import Engine
from ...expressions.wording import nearest
from ...model.values import Values
from ...nodes.event import Event
from ...nodes.graph import Graph
from ...runners.actors.dead_letters import DeadLetters
from ...runners.actors.left import sendable
from ...runners.actors.system import ActorSystem
from ...runners.signals import Signals, end_in_time
from ..options import RunOptions
from ..output import as_line, write_line
from ..refusals import final_nodes
from ..report import FAILED, WRONG, UsageError, fail
from ..tally import seconds_text
from ..top.display import Moving
from .intake import Intake
from .keeping import Line, keep, tell_lost
from .messages import dead_line, left_line
from .watching import Screen, be_seen, show_for

__all__ = ["run_actors"]

KEPT: Final = 1_000_000
"""How many dead letters are kept for `--dead`, the latest."""


def run_actors(graph: Graph, options: RunOptions, output: TextIO) -> int:
    """Let the nodes of a graph live on as actors until there are no more messages; gives the exit code."""
    outputs = _observed(graph, options.outputs)
    with ExitStack() as stack:
        descriptor, name = 0, "standard input"
        if options.messages is not None and str(options.messages) != "-":
            descriptor, name = os.open(options.messages, os.O_RDONLY), str(options.messages)
            stack.callback(os.close, descriptor)
        return asyncio.run(ActorCommand(graph, options, output, outputs).run(descriptor, name))


def _observed(graph: Graph, named: list[str] | None) -> list[str]:
    """The nodes whose outputs are written: those that were named, else those that nothing follows.

    Raises:
        UsageError: there is none.
    """
    for name in named or ():
        if name not in graph.nodes:
            raise UsageError(f"--outputs {name}: {graph.name} has no such node{nearest(name, graph.nodes)}")
    if named:
        return list(dict.fromkeys(named))
    final = final_nodes(graph)
    if not final:
        known = ", ".join(graph.nodes)
        raise UsageError(f"something follows on every node of {graph.name}: say with --outputs whose go out ({known})")
    return final


class ActorCommand:
    """One system of actors: the engine, the intake, the display, the signals.

    Args:
        graph, options: what, and how. output: where outputs go. outputs: of which nodes.
    """

    def __init__(self, graph: Graph, options: RunOptions, output: TextIO, outputs: list[str]) -> None:
        self._graph = graph
        self._options = options
        self._output = output
        self._outputs = outputs
        self._engine = Engine(file_roots=[*(options.file_root or ())] or None)
        self._show = show_for(quiet=options.quiet or options.json)
        self._above = isinstance(self._show, Moving) and output.isatty()
        self._stopping = asyncio.Event()
        self._grace = options.grace
        self._broken: OSError | None = None
        self._intake: Intake | None = None

    async def run(self, descriptor: int, name: str) -> int:
        """Live until there are no more messages, or a signal comes; gives the exit code."""
        began = time.monotonic()
        with Signals(asyncio.get_running_loop(), self._stop) as signals:
            async with AsyncExitStack() as stack:
                engine = await stack.enter_async_context(self._engine)
                await be_seen(engine, stack)
                watch = self._tell_event if self._options.json else None
                system = engine.actors(self._graph, watch=watch, kept=KEPT if self._options.dead is not None else 1)
                self._observe(system)
                intake = self._intake = Intake(system, descriptor, name, strict=self._options.strict)
                async with Screen([system], self._show):
                    await self._live(system, intake)
        code = self._ended(system, intake, signals, time.monotonic() - began)
        if self._broken is not None:
            raise self._broken
        if signals.received is not None:
            end_in_time(code, 5.0)
        return code

    async def _live(self, system: ActorSystem, intake: Intake) -> None:
        """Feed the actors, wait for what they have, and stop them."""
        feeding = asyncio.create_task(intake.run())
        stopping = asyncio.create_task(self._stopping.wait())
        drained = asyncio.create_task(_drained(feeding, system))
        await asyncio.wait({drained, stopping}, return_when=asyncio.FIRST_COMPLETED)
        intake.close()
        logging.getLogger("nodeloom.actors").setLevel(logging.ERROR)  # what is left is said at the end
        await system.stop(within=self._grace)
        await asyncio.wait({feeding})
        for task in (drained, stopping):
            task.cancel()
        await asyncio.wait({drained, stopping})
        await feeding

    # --- what it is told, and tells

    def _observe(self, system: ActorSystem) -> None:
        for node in self._outputs:
            system[node].add_observer(partial(self._write_outputs, node))

    def _write_outputs(self, node: str, outputs: Values) -> None:
        kind = {"type": "output"} if self._options.json else {}
        self._write({**kind, "node": node, "outputs": outputs})

    def _tell_event(self, event: Event) -> None:
        self._write({key: value for key, value in msgspec.structs.asdict(event).items() if value is not None})

    def _write(self, line: Mapping[str, Any]) -> None:
        """Called in the middle of things: nothing may be raised here."""
        if self._broken is not None:
            return
        try:
            if self._above:
                print(as_line(line))  # which stands above the table
            else:
                write_line(line, self._output)
        except OSError as error:  # nobody reads, or the disk is full
            self._broken = error
            self._grace = 0.0
            self._stopping.set()

    def _stop(self, number: int) -> None:
        """The first signal: nothing more is read, and what there is has the grace to be done (9.5)."""
        if self._stopping.is_set():
            return
        wait = f", which may take up to {seconds_text(self._grace)}" if self._grace else ""
        hint = "; Ctrl-C again ends at once" if number == signal.SIGINT else ""
        print(f"nodeloom: stopping: {self._graph.name} ends what it has{wait}{hint}", file=sys.stderr, flush=True)
        if self._intake is not None:
            self._intake.close()
        self._stopping.set()

    # --- the end

    def _ended(self, system: ActorSystem, intake: Intake, signals: Signals, seconds: float) -> int:
        """Keep what was left, say how it went; gives the exit code, which an output that broke has of its own."""
        left: list[Line] = [*map(left_line, sendable(system.left)), *intake.left()]
        if left and self._options.left is not None:
            keep("left", self._options.left, left)
        elif left:
            tell_lost(left, intake.name)
        self._keep_dead(system.dead_letters)
        dead = system.dead_letters.total
        if self._options.json and self._broken is None:
            figures = {"sent": intake.sent, "bad_lines": intake.bad, "dead_letters": dead, "left": len(left)}
            write_line({"type": "result", "name": system.name, **figures}, self._output)
        said = _summary(system, intake, len(left), seconds)
        if self._broken is not None and left:
            return fail(f"stopped after {intake.place}: nobody takes the output\n  {said}", FAILED)
        if signals.received is not None and (left or not intake.over):
            word = "interrupted" if signals.received == signal.SIGINT else "terminated"
            return fail(f"{word} after {intake.place}\n  {said}", signals.code)
        if not self._options.quiet:
            print(f"nodeloom: {said}", file=sys.stderr)
        if intake.bad and self._options.strict:
            return WRONG
        return FAILED if intake.bad or dead or left else 0

    def _keep_dead(self, letters: DeadLetters) -> None:
        """Write the dead letters where `--dead` says; else say how many there were."""
        path, count = self._options.dead, letters.total if self._options.dead is None else letters.lost
        if path is not None and letters:
            keep("dead", path, [dead_line(letter) for letter in letters])
        if count:
            how = "--dead FILE keeps them" if path is None else f"--dead keeps the latest {KEPT:,}"
            fail(f"{count:,} dead letter{'s' * (count != 1)} not kept; {how}", FAILED)


async def _drained(feeding: asyncio.Task[None], system: ActorSystem) -> None:
    await asyncio.wait({feeding})
    if feeding.exception() is None:
        await system.drain()


def _summary(system: ActorSystem, intake: Intake, left: int, seconds: float) -> str:
    dead, steps = system.dead_letters.total, sum(actor.processed for actor in system.actors)
    parts = [
        f"{intake.sent:,} message{'s' * (intake.sent != 1)} in {seconds_text(seconds)}",
        f"{steps:,} step{'s' * (steps != 1)}",
        f"{dead:,} dead letter{'s' * (dead != 1)}" if dead else "",
        f"{intake.bad:,} bad line{'s' * (intake.bad != 1)}" if intake.bad else "",
        f"{left:,} left",
    ]
    return f"{system.name}: {', '.join(part for part in parts if part)}"
