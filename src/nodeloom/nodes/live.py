"""What is alive about a run: who watches it, what it may use, and which step a task is at."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, ParamSpec, Protocol, TypeVar

from ..model.masks import MASKS
from ..model.plan import Plan
from ..model.run import ErrorInfo, Run, RunResult
from ..model.values import EMPTY, Values
from .event import Event, EventType
from .latest import Latest
from .topic import TopicView

__all__ = ["Attempted", "Compiled", "Definition", "Live", "Services", "Shared"]

P = ParamSpec("P")
T = TypeVar("T")


class Attempted(Protocol):
    """What an event tells of the step it is about."""

    @property
    def node_id(self) -> str: ...
    @property
    def step_id(self) -> str: ...
    @property
    def attempt(self) -> int: ...


class Definition(Protocol):
    """What a context needs of its node."""

    identifier: ClassVar[str]


class Compiled(Protocol):
    """What a context shows of the graph that runs."""

    name: str
    plan: Plan

    @property
    def nodes(self) -> Mapping[str, Any]: ...

    @property
    def output_templates(self) -> Mapping[str, Any] | None: ...

    def output_of(self, result: RunResult, inputs: Mapping[str, Any]) -> Values:
        """The graph's output, from what its run became."""
        ...


class Shared(Protocol):
    """A transactional store that steps coordinate through (semantics 4.1)."""

    def transaction(self) -> Any:
        """`async with shared.transaction() as t`: what is written to `t` commits whole, or not at all."""
        ...


class Services(Protocol):
    """What an engine offers to the steps it runs."""

    @property
    def shared(self) -> Shared: ...

    def resource(self, name: str, loop: asyncio.AbstractEventLoop | None = None) -> Any:
        """What is awaited to have the shared resource of that name, opened on first use."""
        ...

    def background(self, ctx: Any, key: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Latest[Any]:
        """Start work behind a step unless it is under way; what is known of it."""
        ...

    def setting(self, name: str) -> Any:
        """A setting of the engine, as `file_roots`."""
        ...

    async def offload(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function on a thread of the engine's."""
        ...

    def topic_of(self, ctx: Any, name: str) -> TopicView:
        """A topic, as the node of this step reads it."""
        ...

    async def run_inner(self, graph: Any, inputs: Mapping[str, Any], ctx: Any) -> Values:
        """Run a graph as a step of another; its output."""
        ...

    async def call(self, node: Any, inputs: Any = None) -> Values:
        """Run one node by itself; its outputs."""
        ...


class Live:
    """What is alive about a run: who watches it, what it may use. Never stored, never sent."""

    __slots__ = (
        "config",
        "entry",
        "exceptions",
        "graph",
        "home",
        "keeps_caught",
        "loop",
        "memories",
        "metadata",
        "on_read",
        "parent_span_id",
        "plan",
        "run",
        "runtime",
        "seq",
        "services",
        "stopped",
        "thread",
        "trace_id",
        "walk",
        "watch",
    )

    def __init__(self, graph: Compiled | None, plan: Plan, run: Run, services: Services) -> None:
        self.graph = graph
        self.plan = plan
        self.run = run
        self.services = services
        self.metadata: Mapping[str, Any] = EMPTY
        self.config: Mapping[str, Any] = EMPTY
        self.runtime: Any = None
        self.keeps_caught = False  # exceptions that an edge caught are wanted too
        self.on_read: Callable[[float], None] | None = None  # is told how old what a step has read is
        self.entry = -1  # the node that it began at, by index, where that is not where the graph starts
        self.home: Any = None  # what lives on that this is part of: a system of actors, a clock
        self.trace_id: str | None = None
        self.parent_span_id: str | None = None
        self.exceptions: list[tuple[ErrorInfo, BaseException]] = []
        self.memories: dict[str, dict[str, Any]] | None = None
        self.watch: Callable[[Event], None] | None = None
        self.walk: Any = None  # what the contexts of its steps have in common, where no step has one of its own
        self.seq = 0
        self.stopped = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread = threading.get_ident()

    def stop(self) -> None:
        """Tell code on threads that it is not wanted any more."""
        self.stopped = True

    def tell_notes(self) -> None:
        """Tell whoever watches what folding has noted."""
        for note in self.run.notes or ():
            if note.type in ("branch_ended", "arrival_dropped", "join_started"):
                self.emit(note.type, node=note.node, **note.data)
        if self.run.notes:
            self.run.notes.clear()

    def emit(self, type: EventType, ctx: Attempted | None = None, **data: Any) -> None:
        """Tell whoever watches; from any thread."""
        if self.watch is None:
            return
        if threading.get_ident() != self.thread and self.loop is not None:
            self.loop.call_soon_threadsafe(self._emit, type, ctx, data)
        else:
            self._emit(type, ctx, data)

    def _emit(self, type: EventType, ctx: Attempted | None, data: dict[str, Any]) -> None:
        if self.watch is None:
            return
        self.seq += 1
        node = data.pop("node", None) if ctx is None else ctx.node_id
        step_id, attempt = (None, None) if ctx is None else (ctx.step_id, ctx.attempt)
        data = MASKS.data(data)
        try:
            self.watch(Event(type, self.seq, time.time(), self.run.id, node, step_id, attempt, data))
        except Exception:  # watchers observe
            logging.getLogger("nodeloom.events").exception("a watcher of run %s failed", self.run.id)
