"""What a step may use: its inputs and state, and the engine's services."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, ClassVar, ParamSpec, Protocol, Self, TypeVar

import msgspec

from ..errors import DefinitionError
from ..model.branches import outputs_of, state_of
from ..model.plan import Plan
from ..model.run import ErrorInfo, Run, RunResult, Step, digest
from ..model.values import EMPTY, Values, lend
from .event import Event, EventType
from .memory import Memory
from .runtime import Runtime

__all__ = ["Context", "Live", "Services", "Shared", "Walk", "current_context"]

P = ParamSpec("P")
T = TypeVar("T")

_walk: contextvars.ContextVar[Walk | None] = contextvars.ContextVar("nodeloom_walk", default=None)


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

    def resource(self, name: str) -> Any:
        """The shared resource of that name, opened on first use."""
        ...

    def setting(self, name: str) -> Any:
        """A setting of the engine, as `file_roots`."""
        ...

    async def offload(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function on a thread of the engine's."""
        ...

    async def run_inner(self, graph: Any, inputs: Mapping[str, Any], ctx: Context) -> Values:
        """Run a graph as a step of another; its output."""
        ...


class Walk:
    """One token followed by one task: what is alive about its run, and the step it is at.

    The task's context variable holds the walk, not the context: so a step sets one attribute, and no variable.

    Attributes:
        live: the run. context: the step this walk is at.
    """

    __slots__ = ("_token", "context", "live")

    def __init__(self, live: Live, context: Context | None = None) -> None:
        self.live = live
        self.context = context
        self._token: contextvars.Token[Walk | None] | None = None

    def __enter__(self) -> Self:
        self._token = _walk.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.context = None
        if self._token is not None:
            _walk.reset(self._token)
            self._token = None  # it holds the walk before this one, and that one's the one before


class Live:
    """What is alive about a run: who watches it, what it may use. Never stored, never sent."""

    __slots__ = (
        "config",
        "exceptions",
        "graph",
        "loop",
        "memories",
        "metadata",
        "parent_span_id",
        "plan",
        "run",
        "runtime",
        "seq",
        "services",
        "stopped",
        "thread",
        "trace_id",
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
        self.trace_id: str | None = None
        self.parent_span_id: str | None = None
        self.exceptions: list[tuple[ErrorInfo, BaseException]] = []
        self.memories: dict[str, dict[str, Any]] | None = None
        self.watch: Callable[[Event], None] | None = None
        self.seq = 0
        self.stopped = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread = threading.get_ident()

    def stop(self) -> None:
        """Tell code on threads that it is not wanted any more."""
        self.stopped = True

    def emit(self, type: EventType, ctx: Context | None = None, **data: Any) -> None:
        """Tell whoever watches; from any thread."""
        if self.watch is None:
            return
        if threading.get_ident() != self.thread and self.loop is not None:
            self.loop.call_soon_threadsafe(self._emit, type, ctx, data)
        else:
            self._emit(type, ctx, data)

    def _emit(self, type: EventType, ctx: Context | None, data: dict[str, Any]) -> None:
        if self.watch is None:
            return
        self.seq += 1
        node = data.pop("node", None) if ctx is None else ctx.node_id
        step_id, attempt = (None, None) if ctx is None else (ctx.step_id, ctx.attempt)
        try:
            self.watch(Event(type, self.seq, time.time(), self.run.id, node, step_id, attempt, data))
        except Exception:  # watchers observe
            logging.getLogger("nodeloom.events").exception("a watcher of run %s failed", self.run.id)


class Context(msgspec.Struct, frozen=True):
    """One attempt's view of its run; a step asks for it as `ctx`. It cannot be changed.

    Attributes:
        inputs: what the taken edges brought. run_inputs: what the run was started with.
        state: the flowing state on this path. outputs: what each node on this path returned last, by node id.
        error: on an error route, what failed.
        params: the validated params of the node. attempt: from 1.
        memory: the node's own, where it is declared. shared: the transactional store.
        run_id, step_id, node_id, trace_id, span_id, parent_span_id: who this is.
        graph: the graph that runs, or None. metadata, config: what the caller gave with the run.
        log: a logger under the node's identifier; its records carry node, run and step.
        http: the engine's HTTP client. resources: its named resources, as attributes.
        cancelled: True once the run was cancelled, for code on a thread to look at.
        step, walk, live, node: the runtime's own.
    """

    step: Step
    walk: Walk
    node: Definition
    params: Any = None
    attempt: int = 1
    _memory: Memory | None = None

    @property
    def live(self) -> Live:
        return self.walk.live

    @property
    def inputs(self) -> Values:
        return self.step.inputs

    @property
    def run_inputs(self) -> Values:
        return lend(self.walk.live.run.inputs)

    @property
    def state(self) -> Values:
        live = self.walk.live
        branch = live.run.branches[self.step.branch]
        return branch.state if branch.state is not None else state_of(live.run, branch, live.plan.state)

    @property
    def outputs(self) -> Values:
        live = self.live
        return outputs_of(live.run, live.run.branches[self.step.branch], live.plan.state)

    @property
    def error(self) -> Values | None:
        return self.step.error.as_values() if self.step.error is not None else None

    @property
    def memory(self) -> Memory:
        if self._memory is None:
            raise DefinitionError(
                f"node {self.node_id} has no memory: declare it, as memory=True (kept within a run) or "
                f"memory=['key'] (those keys outlive it)"
            )
        return self._memory

    @property
    def shared(self) -> Shared:
        return self.live.services.shared

    @property
    def run_id(self) -> str:
        return self.live.run.id

    @property
    def node_id(self) -> str:
        return self.live.plan.nodes[self.step.node].id

    @property
    def step_id(self) -> str:
        return self.step.id(self.node_id)

    @property
    def trace_id(self) -> str:
        return self.live.trace_id or digest(self.run_id.encode()).hex()

    @property
    def span_id(self) -> str:
        return self.step_id.rpartition(":")[2][:16]

    @property
    def parent_span_id(self) -> str | None:
        return self.live.parent_span_id

    @property
    def graph(self) -> Compiled | None:
        return self.live.graph

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self.live.metadata

    @property
    def config(self) -> Mapping[str, Any]:
        return self.live.config

    @property
    def runtime(self) -> Any:
        return Runtime(self, self.stream) if self.live.runtime is None else self.live.runtime

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        return StepLog(logging.getLogger(self.node.identifier), log_fields(self))

    @property
    def http(self) -> Any:
        return self.live.services.resource("http")

    @property
    def resources(self) -> Resources:
        return Resources(self.live.services)

    @property
    def cancelled(self) -> bool:
        return self.live.stopped

    def resource(self, name: str) -> Any:
        """The engine's shared resource of that name, opened on first use."""
        return self.live.services.resource(name)

    def setting(self, name: str) -> Any:
        """A setting of the engine, as `file_roots`."""
        return self.live.services.setting(name)

    def stream(self, chunk: Any) -> None:
        """Send a chunk to whoever watches the run, at once; from any thread."""
        self.live.emit("chunk", self, chunk=chunk)

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Tell watchers how far the step is: `done` of `total`, in units of the node's own."""
        self.live.emit("progress", self, done=done, total=total, message=message)

    async def offload(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function on a thread of the engine's, and await its value."""
        return await self.live.services.offload(function, *args, **kwargs)

    async def run_inner(self, graph: Any, inputs: Mapping[str, Any]) -> Values:
        """Run a graph as part of this step, and give its output."""
        return await self.live.services.run_inner(graph, inputs, self)

    def scope(self) -> dict[str, Any]:
        """The names an expression in the node's params may use (semantics 12.1)."""
        run = self.live.run
        scope: dict[str, Any] = {
            "inputs": self.inputs,
            "state": self.state,
            "outputs": self.outputs,
            "run": {"inputs": lend(run.inputs), "id": run.id},
        }
        if self.step.error is not None:
            scope["error"] = self.error
        return scope


class Resources:
    """The engine's named resources, as attributes: `ctx.resources.http`."""

    __slots__ = ("_services",)

    def __init__(self, services: Services) -> None:
        self._services = services

    def __getattr__(self, name: str) -> Any:
        return self._services.resource(name)


class StepLog(logging.LoggerAdapter[logging.Logger]):
    """A logger whose records carry the fields of a step, beside those the author gives as `extra`."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Put the step's fields beside the author's."""
        return msg, {**kwargs, "extra": {**(kwargs.get("extra") or {}), **(self.extra or {})}}


def log_fields(ctx: Context) -> dict[str, Any]:
    """What a log record carries of the step."""
    return {"node": ctx.node_id, "run": ctx.run_id, "step": ctx.step_id}


def current_context() -> Context | None:
    """The context of the step this code runs in, or None outside of one."""
    walk = _walk.get()
    return walk.context if walk is not None else None
