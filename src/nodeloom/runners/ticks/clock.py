"""A clock: nodes that tick at their rates, and what may be asked of it while it runs (semantics 10)."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Literal, cast

from ...errors import ClockStopped, DefinitionError, NodeloomError
from ...model.values import freeze
from ...nodes.context import current_context
from ...nodes.event import Event
from ...nodes.given import read_only
from ...nodes.graph import Graph
from ...nodes.host import current_host, run_sync
from ...nodes.settings import setting
from ...resources.given import check_seconds
from ..figures import figures
from ..left import Left
from ..observers import Observer
from ..stats import TickStats
from .binding import ClockServices, Memories
from .checks import can_be_safe, wiring_of
from .observers import ClockEvent, ClockObservers
from .report import Report
from .run import ClockRun
from .ticking import ClockSettings

__all__ = ["Clock", "TickingNode"]

EXPECTED = ("duration", "stopped")
"""Reasons to end that are no error."""

MOST_STEPS = 10_000
"""Steps of one tick, in a clock that is given nodes: a loop among those without a rate ends."""

CHANGEABLE = ("rate", "deadline", "watchdog", "on_miss")


class Clock:
    """Nodes that are stepped at their rates, at absolute instants: error does not accumulate.

    A plain `def work` runs on the clock's own threads, at once when it is due; what awaits runs on the loop that awaits
    `run`. No node delays another's cadence, unless it blocks that loop, which is noticed while it does.

    Args:
        nodes: nodes, or a graph; what edges lead to belongs to it too. A node without a rate takes part in the ticks
            that lead to it.
        name: what it is called in logs and messages; `clock`, or as its graph, by default.
        engine: what its nodes use; by default the implicit one of the loop.
        phases: node id to seconds by which its instants are later than those of others.
        spin: seconds before each instant that are spun away instead of slept, for precision at the cost of a core.
        realtime: ask the system for a real-time priority of its threads; the report says what was granted.
        on_failure: `"continue"` goes on when a tick fails; `"stop"` stops the clock.
        grace: seconds that ticks have to end when the clock does.
        stall: seconds after which a loop that does not answer counts as blocked.
        safe_within: seconds that a node's `safe_state` has; then it counts as failed, and an async one is cancelled.
        metadata: what `ctx.metadata` is. config: what nodes spelled `execute` are given.
        watch: is called with each `ClockEvent`, on the loop.

    Raises:
        GraphError: with every problem at once.

    Example:
        >>> import asyncio
        >>> from nodeloom import Clock, Node
        >>> class Pulse(Node):
        ...     def work(self):
        ...         return {"beat": True}
        >>> report = asyncio.run(Clock([Pulse(rate=100)]).run(duration=0.1))
        >>> report["pulse"].expected, report.reason
        (10, 'duration')
    """

    kind = "clock"

    def __init__(  # noqa: PLR0913 - each word is one thing that a clock may be told
        self,
        nodes: Any,
        *,
        name: str | None = None,
        engine: ClockServices | None = None,
        phases: Mapping[str, float] | None = None,
        spin: float = 0.0,
        realtime: bool = False,
        on_failure: Literal["continue", "stop"] = "continue",
        grace: float = 5.0,
        stall: float = 0.1,
        safe_within: float = 5.0,
        metadata: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        watch: Callable[[ClockEvent], Any] | None = None,
    ) -> None:
        bounds = {"spin": spin, "grace": grace, "stall": stall, "safe_within": safe_within}
        for word, seconds in {**bounds, **(phases or {})}.items():
            check_seconds(word, seconds)
        if on_failure not in ("continue", "stop"):
            raise DefinitionError(f"on_failure is 'continue' or 'stop', not {on_failure!r}")
        is_graph = isinstance(nodes, Graph)
        self.graph: Graph = nodes if is_graph else Graph(nodes, name=name or "clock", max_steps=MOST_STEPS)
        self.name = name or self.graph.name
        self._wiring = wiring_of(self.graph, phases or {})
        stops = on_failure == "stop"
        known = (safe_within, read_only(metadata), read_only(config))
        self._settings = ClockSettings(self.name, dict(phases or {}), spin, realtime, stops, grace, stall, *known)
        self._engine = engine
        self._observers = ClockObservers(watch)
        self._memories: Memories = {}
        self._changes: dict[str, dict[str, Any]] = {}
        self._paused: set[str] = set()
        self._run: ClockRun | None = None
        self._running = False

    # --- running

    async def run(
        self, duration: float | None = None, *, inputs: Mapping[str, Any] | None = None, check: bool = True
    ) -> Report:
        """Tick, until the duration is over or something stops it.

        Args:
            duration: seconds; for ever by default. inputs: what the inputs of each tick begin with.
            check: raise when it stops for another reason; else the report says so.

        Raises:
            ClockStopped: with `.report` and `.reason`. NodeloomError: it runs already.
        """
        if duration is not None:
            check_seconds("duration", duration)
        if self._running:
            raise NodeloomError(f"clock {self.name} runs already; a clock runs once at a time")
        engine = self._engine or cast("ClockServices", current_host())
        given = freeze(self.graph.check_inputs(inputs) if inputs is not None else {})
        self._running = True
        try:
            run = self._run = ClockRun(
                self._settings, self.graph, self._wiring, engine, given, self._observers, self._memories
            )
            self._set_up(run)
            await run.drive(duration)
        finally:
            self._running = False
        report = self.report()
        if check and run.reason not in EXPECTED:
            raise ClockStopped(f"clock {self.name} stopped: {run.reason}", report, run.reason) from run.error
        return report

    def run_sync(self, duration: float | None = None, **options: Any) -> Report:
        """The same from code that is not async."""
        report: Report = run_sync(self.run, duration, **options)
        return report

    async def stop(self, *, within: float | None = None) -> tuple[Left, ...]:
        """Begin no tick any more, let those that run end, and wait for that. `run` then gives its report.

        Args:
            within: seconds they have; then they are given up. A tick that asks for this is not waited for.

        Returns:
            The ticks that had not ended by then.
        """
        if within is not None:
            check_seconds("within", within)
        run = self._run
        if run is None or not self._running:
            return ()
        run.stop("stopped", within)
        ctx = current_context()
        return () if ctx is not None and ctx.live.home is run else await run.until_over()

    def report(self) -> Report:
        """How it has ticked so far; from any thread."""
        run = self._run
        if run is None:
            return Report(self.stats())
        return Report(self.stats(), reason=run.reason, duration=run.ran, realtime=run.granted, left=run.left)

    def stats(self) -> dict[str, TickStats]:
        """The figures of each ticking node now, by node id; from any thread."""
        if self._run is not None:
            return self._run.stats()
        rates = {node_id: float(self.graph.nodes[node_id].rate or 0.0) for node_id in self._wiring.ticking}
        return {node_id: TickStats(node_id, rate) for node_id, rate in rates.items()}

    def figures(self, every: float = 1.0) -> AsyncIterator[Event]:
        """The same as events: one now, one every so many seconds, and the last when the clock does not run any more."""
        return figures(self, every, lambda: not self._running)

    # --- while it runs

    def set(self, node_id: str, **changes: Any) -> None:
        """Change the rate or the limits of a node: at once, and for as long as this clock is used; from any thread.

        Args:
            node_id: a ticking node. **changes: `rate`, `deadline`, `watchdog`, `on_miss`.

        Raises:
            DefinitionError: there is no such node, or no such setting, or it cannot be that.
        """
        self._known(node_id)
        for word, value in changes.items():
            if word not in CHANGEABLE or (word == "rate" and value is None):
                can = ", ".join(CHANGEABLE)
                raise DefinitionError(f"{word}={value!r} of node {node_id} cannot be set on a clock; these can: {can}")
            setting(word, value, node_id)
        if changes.get("on_miss") == "safe_state" and not can_be_safe(self.graph.nodes[node_id]):
            raise DefinitionError(f"node {node_id} has no such hook: write `def safe_state(self): ...`")
        self._changes.setdefault(node_id, {}).update(changes)
        if self._run is not None and self._running:
            self._run.change(node_id, changes)

    async def pause(self, node_id: str | None = None) -> None:
        """Let no tick of a node begin, or of any, and wait until those that run have ended; `resume` goes on.

        What comes due meanwhile was never due.
        """
        nodes = self._named(node_id)
        self._paused.update(nodes)
        if self._run is not None and self._running:
            await self._run.pause(nodes)

    def resume(self, node_id: str | None = None) -> None:
        """Go on with a node, or with all."""
        nodes = self._named(node_id)
        self._paused.difference_update(nodes)
        if self._run is not None and self._running:
            self._run.resume(nodes)

    def reset_memory(self, node_id: str) -> None:
        """Forget what a node with `memory=True` remembers, which otherwise lasts as long as this clock."""
        self._memories.pop(self[node_id].id, None)

    def __getitem__(self, node_id: str) -> TickingNode:
        """A node of this clock, to be observed."""
        if node_id not in self.graph.nodes:
            raise KeyError(f"clock {self.name} has no node {node_id!r}; it has {', '.join(self.graph.nodes)}")
        return TickingNode(self, node_id, self._observers)

    def __repr__(self) -> str:
        rates = (f"{node_id} at {self.graph.nodes[node_id].rate:g}" for node_id in self._wiring.ticking)
        return f"<Clock {self.name!r}: {', '.join(rates)}>"

    def _named(self, node_id: str | None) -> list[str]:
        return list(self._wiring.ticking) if node_id is None else [self._known(node_id)]

    def _known(self, node_id: str) -> str:
        if node_id not in self._wiring.ticking:
            raise DefinitionError(f"{node_id!r} does not tick here; these do: {', '.join(self._wiring.ticking)}")
        return node_id

    def _set_up(self, run: ClockRun) -> None:
        """Apply what was said before it ran."""
        for node_id, changes in self._changes.items():
            run.change(node_id, changes)
        for node_id in self._paused:
            run.tickers[node_id].paused_at = -math.inf


class TickingNode:
    """A node of a clock.

    Attributes:
        id: its node id.
    """

    def __init__(self, clock: Clock, node_id: str, observers: ClockObservers) -> None:
        self.id = node_id
        self._clock = clock
        self._observers = observers

    def add_observer(self, observer: Observer) -> None:
        """Give each of its outputs to a function, on the clock's loop: a plain one at once, an async one from a task.

        What it raises is logged, and disturbs nobody; a slow async one loses the oldest when it is 1,000 behind.
        """
        self._observers.of(self.id).add(observer)

    def remove_observer(self, observer: Observer) -> None:
        """Call it no more."""
        self._observers.of(self.id).remove(observer)

    def stats(self) -> TickStats:
        """Its figures now."""
        return self._clock.stats()[self.id]
