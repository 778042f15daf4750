"""What a step may use: its inputs and state, and the engine's services."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, ParamSpec, Self, TypeVar, cast, overload

import msgspec
from msgspec.structs import replace

from ..errors import DefinitionError
from ..model.branches import outputs_of, state_of
from ..model.masks import MASKS
from ..model.run import Step, digest
from ..model.values import Values, lend
from .latest import Latest
from .live import Compiled, Definition, Live, Services, Shared
from .memory import Memory
from .own import Own, with_item
from .runtime import Runtime
from .topic import TopicView

__all__ = ["Context", "Live", "Own", "Services", "Shared", "Walk", "being_cancelled", "cancels_of", "current_context"]

P = ParamSpec("P")
T = TypeVar("T")


_walk: contextvars.ContextVar[Walk | None] = contextvars.ContextVar("nodeloom_walk", default=None)


class Walk:
    """One token followed by one task: what is alive about its run, and the step it is at.

    The task's context variable holds the walk, not the context: so a step sets one attribute, and no variable.

    Attributes:
        live: the run. stopped: what it does is not wanted any more.
        context: the step this walk is at. Of a step that is handed none it is made when somebody asks for it, by
            `here`, from `step` and `quick`, which has the node and its params.
        cancels: how often its task was being cancelled before the walk began, which is none of its business.
    """

    __slots__ = ("_token", "cancels", "context", "live", "quick", "step", "stopped")

    def __init__(self, live: Live, context: Context | None = None) -> None:
        self.live = live
        self.context = context
        self.stopped = False
        self.cancels = 0
        self.step: Step | None = None
        self.quick: tuple[Any, ...] = ()
        self._token: contextvars.Token[Walk | None] | None = None

    def stop(self) -> None:
        """Tell code on a thread that it is not wanted any more."""
        self.stopped = True

    def here(self) -> Context | None:
        """The context of the step this walk is at."""
        if self.context is None and self.step is not None:
            self.context = Context(self.step, self.live.walk or self, self.quick[2], self.quick[3])
        return self.context

    def leave(self) -> None:
        """It is at no step any more."""
        self.context = self.step = None

    def begin(self) -> None:
        """Enter it for good: in a task, whose variables end with it."""
        _walk.set(self)

    def __enter__(self) -> Self:
        self._token = _walk.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
        if self._token is not None:
            _walk.reset(self._token)
            self._token = None  # it holds the walk before this one, and that one's the one before


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
        item, index: in a batch, the item this work is for, and its place.
        log: a logger under the node's identifier; its records carry node, run and step.
        http: the engine's HTTP client. resources: its named resources, as attributes.
        cancelled: True once the run was cancelled, for code on a thread to look at.
        step, walk, live, node, own, own_memory: the runtime's own.
    """

    step: Step
    walk: Walk
    node: Definition
    params: Any = None
    attempt: int = 1
    own_memory: Memory | None = None
    own: Own | None = None

    @property
    def live(self) -> Live:
        return self.walk.live

    @property
    def inputs(self) -> Values:
        own = self.own
        if own is None or own.index is None:
            return self.step.inputs
        if own.inputs is None:
            own.inputs = lend(self.step.inputs)
        return own.inputs

    @property
    def run_inputs(self) -> Values:
        own = self.own
        alone = own.inputs if own is not None and own.alone else None
        return lend(self.walk.live.run.inputs if alone is None else alone)

    @property
    def state(self) -> Values:
        own = self.own
        if own is not None and own.state is not None:
            return own.state
        live = self.walk.live
        branch = live.run.branches[self.step.branch]
        state = branch.state
        if state is None:
            state = state_of(live.run, branch, live.plan.state)
        if own is not None:
            state = own.state = lend(state)
        return state

    @property
    def outputs(self) -> Values:
        own = self.own
        if own is not None and own.outputs is not None:
            return own.outputs
        live = self.walk.live
        outputs = outputs_of(live.run, live.run.branches[self.step.branch], live.plan.state)
        if own is not None:
            outputs = own.outputs = lend(outputs)
        return outputs

    @property
    def item(self) -> Any:
        own = self.own
        if own is not None and own.index is not None:
            return own.item
        raise self.no_batch("item")

    @property
    def index(self) -> int:
        if self.own is None or self.own.index is None:
            raise self.no_batch("index")
        return self.own.index

    def no_batch(self, word: str) -> DefinitionError:
        """What to say to who asks for an item where there is none."""
        return DefinitionError(f"node {self.node_id} has no batch, so there is no ctx.{word}")

    @property
    def error(self) -> Values | None:
        return self.step.error.as_values() if self.step.error is not None else None

    @property
    def memory(self) -> Memory:
        if self.own_memory is None:
            raise DefinitionError(
                f"node {self.node_id} has no memory: declare it, as memory=True (kept within a run) or "
                f"memory=['key'] (those keys outlive it)"
            )
        return self.own_memory

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
        step_id = self.step.id(self.node_id)
        return step_id if self.own is None or self.own.index is None else f"{step_id}[{self.own.index}]"

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
        return self.live.services.resource("http", self.live.loop)

    @property
    def resources(self) -> Resources:
        return Resources(self)

    @property
    def cancelled(self) -> bool:
        return self.walk.stopped or self.walk.live.stopped

    def resource(self, name: str) -> Any:
        """The engine's shared resource of that name: `db = await ctx.resource("db")`; opened on first use.

        Plain code on a thread writes `ctx.resource("db").result()`, and waits there.
        """
        return self.live.services.resource(name, self.live.loop)

    @overload
    def background(
        self, key: str, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> Latest[T]: ...
    @overload
    def background(self, key: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Latest[T]: ...
    def background(self, key: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Latest[Any]:
        """Start `function` unless it is under way for this key, and give what is known, at once (7.3).

        Args:
            key: names what is fetched; it is one of this node's place in its graph, in whatever run.
            function: async, on the loop, or plain, on a thread. args, kwargs: what it is called with.

        Example:
            `weather = ctx.background("weather", fetch, "Pune")`, then `weather.value`, `weather.age`
        """
        return self.live.services.background(self, key, function, *args, **kwargs)

    def publish(self, topic: str, value: Any) -> None:
        """Send a value to a topic of the engine; from any thread (10.6)."""
        self.topic(topic).send(value)

    def latest(self, topic: str, default: Any = None) -> Any:
        """The newest value of a topic, again and again; the default before the first."""
        return self.topic(topic).latest(default)

    def topic(self, name: str) -> TopicView:
        """A topic: its `age`, and `take()` for each value once."""
        return self.live.services.topic_of(self, name)

    def setting(self, name: str) -> Any:
        """A setting of the engine, as `file_roots`."""
        return self.live.services.setting(name)

    def stream(self, chunk: Any) -> None:
        """Send a chunk to whoever watches the run, at once; from any thread."""
        if not self.walk.stopped:
            self.live.emit("chunk", self, chunk=chunk)

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Tell watchers how far the step is: `done` of `total`, in units of the node's own."""
        self.live.emit("progress", self, done=done, total=total, message=message)

    async def offload(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function on a thread of the engine's, and await its value."""
        return await self.live.services.offload(function, *args, **kwargs)

    async def sleep(self, seconds: float) -> None:
        """Wait for a time to come, with nothing in hand: a pause, or an engine that stops, does not wait for this."""
        if self.live.graph is None:  # in a worker process nobody can pause it
            await asyncio.sleep(seconds)
        else:
            await cast("Any", self.live.services).sleep(seconds, self)

    async def run_inner(self, graph: Any, inputs: Mapping[str, Any] | None = None) -> Values:
        """Run a graph as part of this step, and give its output.

        Args:
            graph: the graph. inputs: its run's; by default the step's, and in a batch the item and its index with them.
        """
        given = with_item(self.inputs, self.own, graph.inputs) if inputs is None else inputs
        return await self.live.services.run_inner(graph, given, self)

    def at_attempt(self, attempt: int) -> Context:
        """The same step, tried again: inputs, state and outputs as they were before the attempt (4.7)."""
        return Context(self.step, self.walk, self.node, self.params, attempt, self.own_memory, self.own)

    def having(self, **changes: Any) -> Context:
        """The same with some of it changed: `step`, `walk`, `params`, `own_memory`, `own`."""
        return replace(self, **changes)

    def scope(self) -> dict[str, Any]:
        """The names an expression in the node's params may use (semantics 12.1)."""
        known = self.own.scope() if self.own is not None else None
        if known is not None:
            return known
        run = self.live.run
        scope: dict[str, Any] = {
            "inputs": self.inputs,
            "state": self.state,
            "outputs": self.outputs,
            "run": {"inputs": lend(run.inputs), "id": run.id},
        }
        if self.step.error is not None:
            scope["error"] = self.error
        if self.own is not None:
            scope.update(self.own.names())
        return scope


class Resources:
    """The engine's named resources, as attributes: `await ctx.resources.db`."""

    __slots__ = ("_ctx",)

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def __getattr__(self, name: str) -> Any:
        return self._ctx.resource(name)


class StepLog(logging.LoggerAdapter[logging.Logger]):
    """A logger whose records carry the fields of a step, beside those the author gives as `extra`."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Put the step's fields beside the author's, in which secrets are masked."""
        return msg, {**kwargs, "extra": {**MASKS.data(kwargs.get("extra") or {}), **(self.extra or {})}}


def log_fields(ctx: Context) -> dict[str, Any]:
    """What a log record carries of the step."""
    return {"node": ctx.node_id, "run": ctx.run_id, "step": ctx.step_id}


def current_context() -> Context | None:
    """The context of the step this code runs in, or None outside of one."""
    walk = _walk.get()
    return walk.here() if walk is not None else None


def being_cancelled() -> bool:
    """Whether what runs here is being cancelled: no failure it then ends with is one to do anything about.

    A caller that was cancelled, and runs a graph to clean up, is none of the graph's business.
    """
    task = asyncio.current_task()
    if task is None or not (cancelling := task.cancelling()):
        return False
    walk = _walk.get()
    return cancelling > (0 if walk is None else walk.cancels)


def cancels_of(task: asyncio.Task[Any]) -> int:
    """How often a task was cancelled before now; a cancelling that is still to reach its code is not before."""
    return task.cancelling() - bool(getattr(task, "_must_cancel", False))
