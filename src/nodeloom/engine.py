"""The composition root: an engine owns pools, clients, memory and metrics, and runs graphs (13.1)."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from .errors import EngineClosed, NodeloomError, ParamsError
from .executors.local import Perform, Short, bind
from .executors.metrics import Metrics
from .model.advance import start
from .model.plan import Plan
from .model.run import RunResult
from .model.values import EMPTY, Values
from .nodes.context import Context, Live
from .nodes.event import Event
from .nodes.graph import Graph
from .nodes.memory import Parted
from .nodes.node import Node
from .resources.http import open_http
from .resources.threads import ThreadPool
from .runners.graph import GraphRun, checked
from .runners.handle import RunHandle
from .stores.shared import MemoryShared

__all__ = ["Engine", "RunHandle"]

P = ParamSpec("P")
T = TypeVar("T")
SINGLE_NODES = 256
"""Of how many nodes called by themselves an engine keeps the program."""
log = logging.getLogger("nodeloom.engine")


class Program:
    """A graph's nodes, bound to one engine. It does not hold the graph, which may go while its engine stays."""

    __slots__ = ("bound", "metrics", "plan")

    def __init__(self, graph: Graph, engine: Engine) -> None:
        self.plan: Plan = graph.plan
        self.bound: list[tuple[Perform, Short | None]] = [
            bind(graph.nodes[place.id], place, graph.plan, engine) for place in graph.plan.nodes
        ]
        self.metrics: list[Metrics] = [engine.metrics_of(graph.nodes[place.id]) for place in graph.plan.nodes]


class Engine:
    """Owns what runs share, and closes it: thread pools, clients, nodes' memory, metrics.

    Args:
        pools: thread pools by name and size; `default` has 32 threads unless it is named here.
        file_roots: the folders that file nodes may touch; the working directory by default.
        grace: seconds that a cancelled step on a thread is given to return.

    Example:
        >>> import asyncio
        >>> from nodeloom import Engine, Graph, node
        >>> @node
        ... async def hello():
        ...     return {"text": "hello"}
        >>> async def main():
        ...     async with Engine() as engine:
        ...         run = await engine.start(Graph(hello, name="greeting"))
        ...         return (await run.result()).output
        >>> asyncio.run(main())
        {'text': 'hello'}
    """

    def __init__(
        self,
        *,
        pools: Mapping[str, int] | None = None,
        file_roots: list[str | Path] | None = None,
        grace: float = 5.0,
    ) -> None:
        sizes = {"default": 32, **(pools or {})}
        self._pools = {name: ThreadPool(name, size, grace) for name, size in sizes.items()}
        self._settings: dict[str, Any] = {"file_roots": [Path(root) for root in file_roots or ["."]]}
        self._resources: dict[str, Any] = {}
        self._shared = MemoryShared()
        self._metrics: dict[str, Metrics] = {}
        self._memories: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._locks: weakref.WeakValueDictionary[tuple[Any, ...], asyncio.Lock] = weakref.WeakValueDictionary()
        self._programs: weakref.WeakKeyDictionary[Graph, Program] = weakref.WeakKeyDictionary()
        self._single: dict[Node, tuple[Any, Graph, Program]] = {}
        self._started: dict[Node, asyncio.Task[None]] = {}
        self._runs: dict[str, RunHandle] = {}
        self._ended: weakref.WeakValueDictionary[str, RunHandle] = weakref.WeakValueDictionary()
        self._closing = self.closed = False

    # --- running

    async def run(
        self,
        graph: Graph,
        inputs: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        check: bool = True,
        metadata: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        watch: Callable[[Event], None] | None = None,
    ) -> RunResult:
        """Run a graph to its end; see `Graph.run`. `watch` is called with each event."""
        given = graph.check_inputs(inputs)
        program = self._program(graph)
        live = self._live(graph, program, given, run_id, watch)
        live.metadata = metadata or EMPTY
        live.config = config or EMPTY
        return await self._drive(graph, program, live, check)

    async def start(
        self,
        graph: Graph,
        inputs: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        **options: Any,
    ) -> RunHandle:
        """Start a run and give its handle. Starting the same id again gives the same run.

        Args:
            graph, inputs, **options: as for `run`. run_id: a name of one's own; made up by default.
        """
        known = self._runs.get(run_id) if run_id is not None else None
        if known is not None:
            return known
        self._be_open()
        graph.check_inputs(inputs)
        name = run_id or os.urandom(16).hex()
        task = asyncio.create_task(self.run(graph, inputs, run_id=name, **options))
        task.add_done_callback(_seen)
        handle = self._runs[name] = RunHandle(name, graph, task)
        if not run_id:  # nobody can ask for it by a name of their own, so its handle is enough to keep it
            task.add_done_callback(lambda _: self._let_go(name))
        return handle

    def _let_go(self, run_id: str) -> None:
        self._ended[run_id] = self._runs.pop(run_id)

    async def cancel(self, run_id: str) -> None:
        """Cancel a run that `start` gave, and wait until its last step has ended."""
        handle = self._runs.get(run_id) or self._ended.get(run_id)
        if handle is None:
            raise NodeloomError(f"no run {run_id!r} was started here")
        await handle.cancel()

    async def stream(
        self, graph: Graph, inputs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncIterator[Event]:
        """Run a graph and watch it; see `Graph.stream`."""
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        run = asyncio.create_task(self.run(graph, inputs, check=False, watch=events.put_nowait, **options))
        run.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            await run
        finally:
            if not run.done():
                run.cancel()
                await asyncio.wait({run})

    async def call(
        self, node: Node, inputs: Any = None, *, config: Mapping[str, Any] | None = None, runtime: Any = None
    ) -> Values:
        """Run one node by itself, and give its outputs; see `Node.__call__`."""
        graph, program = self._program_of_node(node)
        live = self._live(graph, program, as_mapping(inputs), None, None)
        live.config = config or EMPTY
        live.runtime = runtime
        result = await GraphRun(live, program.bound, program.metrics).drive()
        if result.status != "completed":
            cause = live.exceptions[0][1] if live.exceptions else None
            if cause is not None:
                raise cause
            checked(result, live, node.id)
        return result.output

    async def run_inner(self, graph: Graph, inputs: Mapping[str, Any], ctx: Context) -> Values:
        """Run a graph as part of a step (semantics 2.7)."""
        given = graph.check_inputs(inputs)
        program = self._program(graph)
        outer = ctx.live
        live = self._live(graph, program, given, f"{ctx.run_id}/{ctx.step_id}", outer.watch)
        live.metadata, live.config = outer.metadata, outer.config
        live.trace_id, live.parent_span_id = ctx.trace_id, ctx.span_id
        return (await self._drive(graph, program, live, check=True)).output

    async def _drive(self, graph: Graph, program: Program, live: Live, check: bool) -> RunResult:
        result = await GraphRun(live, program.bound, program.metrics).drive()
        return checked(result, live, graph.name) if check else result

    def _live(
        self,
        graph: Graph,
        program: Program,
        inputs: Mapping[str, Any],
        run_id: str | None,
        watch: Callable[[Event], None] | None,
    ) -> Live:
        self._be_open()
        run = start(program.plan, run_id or os.urandom(16).hex(), inputs, notes=watch is not None)
        live = Live(graph, program.plan, run, self)
        live.watch = watch
        if watch is not None:
            live.loop = asyncio.get_running_loop()
        return live

    def _program(self, graph: Graph) -> Program:
        program = self._programs.get(graph)
        if program is None:
            program = self._programs[graph] = Program(graph, self)
        return program

    def _program_of_node(self, node: Node) -> tuple[Graph, Program]:
        """A graph and program of one node alone, kept until the node is changed, of the nodes called last."""
        shape = node.shape()
        known = self._single.get(node)
        if known is None or known[0] != shape:
            graph = Graph.alone(node)
            known = self._single[node] = (shape, graph, Program(graph, self))
            if len(self._single) > SINGLE_NODES:
                del self._single[next(iter(self._single))]
        return known[1], known[2]

    def _be_open(self) -> None:
        if self._closing:
            raise EngineClosed("this engine is closed; it takes no new runs")

    # --- what steps are offered

    @property
    def shared(self) -> MemoryShared:
        """The transactional store that steps coordinate through."""
        return self._shared

    def resource(self, name: str) -> Any:
        """A shared resource, opened on first use.

        Raises:
            NodeloomError: there is none of that name.
        """
        if self.closed:
            raise EngineClosed("this engine is closed; its resources are too")
        if name != "http":
            raise NodeloomError(f"no resource {name!r}; there is: http")
        if name not in self._resources:
            self._resources[name] = open_http()
        return self._resources[name]

    def setting(self, name: str) -> Any:
        """A setting given to the engine."""
        if name not in self._settings:
            raise NodeloomError(f"no setting {name!r}; there are: {', '.join(self._settings)}")
        return self._settings[name]

    async def offload(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function on a thread of the default pool."""
        who = getattr(function, "__name__", "function")
        return await self.pool("default").run(who, lambda: function(*args, **kwargs))

    def pool(self, name: str) -> ThreadPool:
        """The thread pool of that name."""
        if name not in self._pools:
            raise NodeloomError(f"no pool {name!r}; there are: {', '.join(self._pools)} (Engine(pools={{...}}))")
        return self._pools[name]

    def metrics(self) -> dict[str, dict[str, Any]]:
        """For each node type that ran: count, attempts, seconds, mean, slowest, failures by type."""
        return {identifier: each.snapshot() for identifier, each in self._metrics.items()}

    def metrics_of(self, node: Node) -> Metrics:
        """The live figures of a node's type."""
        return self._metrics.setdefault(node.identifier, Metrics())

    def memory_of(self, live: Live, node: Node) -> tuple[MutableMapping[str, Any], asyncio.Lock]:
        """A node's memory, and the lock that makes its steps go one at a time."""
        graph = live.graph.name if live.graph is not None else ""
        keeps = isinstance(node.memory, tuple)
        scope: tuple[Any, ...] = (graph, node.identifier, node.id) if keeps else (live.run.id, node.id)
        memories = live.memories = live.memories if live.memories is not None else {}
        kept: MutableMapping[str, Any] = memories.setdefault(node.id, {})
        if isinstance(node.memory, tuple):
            kept = Parted(
                node.memory, self._memories.setdefault((graph, node.identifier, node.id), {}), memories[node.id]
            )
        lock = self._locks.get(scope)
        if lock is None:
            lock = self._locks[scope] = asyncio.Lock()
        return kept, lock

    def reset_memory(self, graph: Graph | str, node_id: str) -> None:
        """Forget what a node with `memory=[keys]` keeps between runs."""
        name = graph if isinstance(graph, str) else graph.name
        for kept in [kept for kept in self._memories if (kept[0], kept[2]) == (name, node_id)]:
            del self._memories[kept]

    def is_started(self, node: Node) -> bool:
        """Whether the node's `on_start` has been called here, and is done."""
        task = self._started.get(node)
        return task is not None and task.done() and not task.cancelled() and task.exception() is None

    async def start_node(self, node: Node, ctx: Context) -> None:
        """Call the node's `on_start`, once for all the steps that wait for it; after a failure, again."""
        task = self._started.get(node)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._started[node] = asyncio.create_task(_maybe_await(node.on_start(ctx)))
            task.add_done_callback(_seen)
        await asyncio.shield(task)

    # --- ending

    async def close(self) -> None:
        """Cancel what runs, call `on_stop`, close clients and pools. A second call does nothing."""
        if self._closing:
            return
        self._closing = True
        for handle in list(self._runs.values()):
            await handle.cancel()
        self.closed = True
        for node, task in list(self._started.items()):
            task.cancel()  # of an on_start that nobody waits for any more
            await asyncio.wait({task})
            if self.is_started(node):
                await self._call_at_end(node.on_stop, f"on_stop of node {node.id}")
        for name, resource in self._resources.items():
            await self._call_at_end(resource.aclose, f"closing {name}")
        for held in (self._resources, self._programs, self._single, self._started):
            held.clear()
        for pool in self._pools.values():
            pool.close()

    async def _call_at_end(self, end: Callable[[], Any], what: str) -> None:
        try:
            await _maybe_await(end())
        except Exception:  # one failing end must not keep the others from being called
            log.exception("%s failed", what)

    async def __aenter__(self) -> Engine:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def as_mapping(value: Any) -> Mapping[str, Any]:
    """What a node is called with: a mapping, or a dataclass or model as one."""
    if value is None:
        return EMPTY
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value)
    if hasattr(value, "model_dump"):
        return {**value.model_dump()}
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    if hasattr(value, "__dict__"):
        return {**vars(value)}
    raise ParamsError(f"a node is called with a mapping, a dataclass or a model, not {type(value).__name__}")


async def _maybe_await(value: Any) -> None:
    if inspect.isawaitable(value):
        await value


def _seen(task: asyncio.Task[Any]) -> None:
    """A handle may be dropped: its run's failure is not 'never retrieved' then."""
    if not task.cancelled():
        task.exception()
