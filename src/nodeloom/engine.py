"""The composition root: an engine owns pools, clients, memory and metrics, and runs graphs (13.1)."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from .errors import NodeloomError
from .executors.memories import Memories
from .executors.metrics import AllMetrics, Metrics
from .executors.started import Started, call_at_end, retrieved
from .model.advance import start
from .model.batch import Batch, BatchResult
from .model.run import RunResult
from .model.values import Values, handed
from .nodes.by_itself import RUN_OPTIONS, RunOptions
from .nodes.context import Context, Live, current_context
from .nodes.event import Event
from .nodes.form_context import FormContext
from .nodes.given import as_mapping, read_only
from .nodes.graph import Graph
from .nodes.latest import Latest
from .nodes.node import Node
from .resources.background import Background
from .resources.given import check_engine, folders
from .resources.named import NamedResources
from .resources.pools import Pools
from .resources.secrets import Secrets, Source
from .resources.threads import ThreadPool
from .resources.topics import Topic, TopicOfNode, Topics
from .runners.batch import settings_of_call
from .runners.batch_run import Each
from .runners.graph import GraphRun
from .runners.handle import RunHandle
from .runners.left import Left
from .runners.lifecycle import Lifecycle, Living
from .runners.outcome import checked, outputs_alone
from .runners.program import Program
from .stores.shared import MemoryShared

if TYPE_CHECKING:
    from typing import Unpack

    from .channels import Channel
    from .forms.asking import Asker
    from .policies.policy import Limits
    from .resources.processes import ProcessPool
    from .runners.actors.system import ActorSystem
    from .runners.stats import ActorStats
__all__ = ["Engine", "Left", "RunHandle"]

P = ParamSpec("P")
T = TypeVar("T")
SINGLE_NODES = 256
"""Of how many nodes called by themselves an engine keeps the program."""


class Engine(Lifecycle):
    """Owns what runs share, and closes it: thread pools, clients, nodes' memory, metrics.

    Args:
        pools: thread pools by name and size; `default` has 32 threads unless it is named here.
        workers: pools of worker processes by name and size; `default` has one for each processor.
        resources: what steps share, by name: functions that give an async context manager, as `sql(url)` or
            `http(per_host=10)` do.
        secrets: where the values of secrets come from: the path of a secrets file, what has a method `get(name)`, or a
            list of these; by default the environment, then the file that NODELOOM_SECRETS_FILE names.
        limits: where policies keep what they share by key: this process by default, or a server as `RedisLimits(url)`.
        file_roots: the folders that file nodes may touch; the working directory by default.
        grace: seconds that a cancelled step on a thread is given to return.
        kept_runs: how many runs started with a `run_id` are known by it after they ended, the latest.

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
        workers: Mapping[str, int] | None = None,
        resources: Mapping[str, Any] | None = None,
        secrets: Source | Sequence[Source | str | Path] | str | Path | None = None,
        limits: Limits | None = None,
        file_roots: str | Path | list[str | Path] | None = None,
        grace: float = 5.0,
        kept_runs: int = 10_000,
    ) -> None:
        check_engine(grace, kept_runs, limits, resources)
        super().__init__(kept_runs)
        self._pools = Pools(pools, workers, grace)
        self._settings: dict[str, Any] = {"file_roots": folders(file_roots)}
        self._resources = NamedResources(resources, grace=grace)
        self._background = Background(self.offload, grace=grace)
        self._shared = MemoryShared()
        self._topics = Topics()
        self.secrets = Secrets(secrets)
        self._limits = limits
        self._asker: Asker | None = None
        self._metrics = AllMetrics()
        self._memories = Memories()
        self._programs: weakref.WeakKeyDictionary[Graph, Program] = weakref.WeakKeyDictionary()
        self._single: dict[tuple[Node, Batch | None], tuple[Any, Graph, Program]] = {}
        self._started = Started()

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
        """Run a graph to its end; see `Graph.run`. `watch` is told each event. A `run_id` gives what `start` began."""
        given = handed(graph.check_inputs(inputs))
        if run_id is not None and (known := self._under_way.started(run_id, graph, given)) is not None:
            return await known.result(check=check)
        live = self._live(graph, given, run_id, watch, metadata, config)
        result = await self._new_run(live, self._program(graph), current_context()).drive()
        return checked(result, live, graph.name) if check else result

    async def start(
        self,
        graph: Graph,
        inputs: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        check: bool = True,
        **options: Any,
    ) -> RunHandle:
        """Start a run and give its handle. Starting the same id again, alike, gives the same run.

        Args:
            graph, inputs, check, **options: as for `run`. run_id: a name of one's own; made up by default.

        Raises:
            NodeloomError: the id is that of a run of another graph, or with other inputs.
        """
        given = handed(graph.check_inputs(inputs))
        if (known := self._under_way.started(run_id, graph, given)) is not None:
            return known
        live = self._live(graph, given, run_id, **options)
        run = self._new_run(live, self._program(graph), None)
        task = asyncio.create_task(_driven(run, live, graph.name, check))
        task.add_done_callback(retrieved)
        return self._under_way.keep(RunHandle(run, graph, live.run.inputs, task), named=bool(run_id))

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
        self, node: Node, inputs: Any = None, *, runtime: Any = None, **options: Unpack[RunOptions]
    ) -> Values:
        """Run one node by itself, and give its outputs; see `Node.__call__`."""
        graph, program = self._program_of_node(node)
        live = self._live(graph, handed(as_mapping(inputs)), None, **options)
        live.runtime = runtime
        return await self._alone(live, program)

    async def map(self, node: Node, items: Any, *, each: Each | None = None, **settings: Any) -> BatchResult:
        """Run one node by itself for each of the items; see `Node.map`. `each` is awaited with each slot."""
        options = {word: settings.pop(word) for word in RUN_OPTIONS & settings.keys()}
        graph, program = self._program_of_node(node, settings_of_call(node.batch, settings))
        live = self._live(graph, {"source": items, "each": each}, **options)
        batch: BatchResult = (await self._alone(live, program))["batch"]
        return batch

    async def _alone(self, live: Live, program: Program) -> Values:
        """The outputs of a node by itself."""
        return outputs_alone(await self._new_run(live, program, current_context()).drive(), live, program.plan.name)

    def actors(self, graph: Graph, **options: Any) -> ActorSystem:
        """The nodes of a graph as actors, each with a mailbox; see `Graph.actors`."""
        from .runners.actors.system import ActorSystem

        return ActorSystem(graph, self, **options)

    async def go(self, node: Node, mailbox: Channel, **options: Any) -> ActorStats:
        """One node as an actor that reads a channel, until that is closed and all is done; see `Node.go`."""
        from .runners.actors.reading import go

        return await go(partial(self.actors, self._program_of_node(node)[0]), node, mailbox, **options)

    async def run_inner(self, graph: Graph, inputs: Mapping[str, Any], ctx: Context) -> Values:
        """Run a graph as part of a step (semantics 2.7)."""
        given, outer = graph.check_inputs(inputs), ctx.live
        live = self._live(graph, given, f"{ctx.run_id}/{ctx.step_id}", outer.watch, outer.metadata, outer.config)
        live.trace_id, live.parent_span_id = ctx.trace_id, ctx.span_id
        return checked(await self._new_run(live, self._program(graph), ctx).drive(), live, graph.name).output

    def _live(
        self,
        graph: Graph,
        inputs: Mapping[str, Any],
        run_id: str | None = None,
        watch: Callable[[Event], None] | None = None,
        metadata: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Live:
        """A run's data, with what is alive about it."""
        run = start(graph.plan, run_id or os.urandom(16).hex(), inputs, notes=watch is not None)
        live = Live(graph, graph.plan, run, self)
        live.metadata = read_only(metadata)
        live.config = read_only(config)
        live.watch = watch
        live.loop = asyncio.get_running_loop()
        return live

    def _new_run(self, live: Live, program: Program, ctx: Context | None) -> GraphRun:
        """A run to be driven; as part of a step, where this is one's context.

        Raises:
            EngineClosed: the engine takes no new runs; while it stops, only those that steps need to come to an end.
        """
        around, outer, step = self._under_way, None, None
        if ctx is not None and (outer := around.of(ctx)) is not None:
            step = ctx.step
        if around.stopping:
            self._refuse(outer, ctx)
        return GraphRun(live, program.bound, program.metrics, around, outer, step)

    def _program(self, graph: Graph) -> Program:
        program = self._programs.get(graph)
        if program is None:
            program = self._programs[graph] = Program(graph, self)
        return program

    def _program_of_node(self, node: Node, call: Batch | None = None) -> tuple[Graph, Program]:
        """A graph and program of one node alone, kept until the node is changed, of the nodes called last."""
        shape = node.shape()
        known = self._single.get((node, call))
        if known is None or known[0] != shape:
            graph = Graph.alone(node, call)
            known = self._single[node, call] = (shape, graph, Program(graph, self, call))
            if len(self._single) > SINGLE_NODES:
                del self._single[next(iter(self._single))]
        return known[1], known[2]

    # --- what steps are offered

    @property
    def shared(self) -> MemoryShared:
        """The transactional store that steps coordinate through."""
        return self._shared

    @property
    def limits(self) -> Limits:
        """What policies share by key, across the runs of this engine."""
        if self._limits is None:
            from .policies.limits import MemoryLimits

            self._limits = MemoryLimits()
        return self._limits

    def resource(self, name: str, loop: asyncio.AbstractEventLoop | None = None) -> Any:
        """What is awaited to have a shared resource, opened on first use; the HTTP client is there at once.

        Args:
            name: of the resource. loop: where it is used, for code on a thread.

        Raises:
            NodeloomError: there is none of that name. EngineClosed: the engine is closed.
        """
        return self._resources.resource(name, loop)

    def background(
        self, ctx: Context, key: str, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Latest[Any]:
        """Start work behind a step unless it is under way; see `Context.background`."""
        return self._background.latest(ctx, key, function, *args, **kwargs)

    @property
    def asker(self) -> Asker:
        """How the functions of forms are asked: plain ones on a thread of the pool `forms`."""
        if self._asker is None:
            from .forms.asking import Asker

            self._asker = Asker(self._off_the_loop, ctx=FormContext(self))
        return self._asker

    async def _off_the_loop(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a form's function on a pool of its own: one that hangs is not to hold up steps."""
        return await self.pool("forms").run("a form", lambda: function(*args, **kwargs))

    def topic(self, name: str, kind: type[T] | None = None) -> Topic[T]:
        """The topic of that name, whose values are of this type; from any thread (10.6)."""
        return self._topics.topic(name, kind)

    def topic_of(self, ctx: Context, name: str) -> TopicOfNode:
        """A topic, as the node of a step reads it; see `Context.topic`."""
        return self._topics.of_step(ctx, name)

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
        return self._pools.threads(name)

    def processes(self, name: str) -> ProcessPool:
        """The pool of worker processes of that name."""
        return self._pools.processes(name)

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Of each node, by `graph/node id`: its identifier, count, attempts, seconds, mean, failures by type.

        Graphs of one name are counted as one. A node that is called by itself is a graph of its own name.
        """
        return self._metrics.snapshot()

    def metrics_of(self, graph: str, node: Node) -> Metrics:
        """The live figures of a node in a graph of this name."""
        return self._metrics.of(graph, node.id, node.identifier)

    def memory_of(self, live: Live, node: Node) -> tuple[MutableMapping[str, Any], asyncio.Lock]:
        """A node's memory, and the lock that makes its steps go one at a time."""
        return self._memories.of(live, node)

    def reset_memory(self, graph: Graph | str, node_id: str) -> None:
        """Forget what a node with `memory=[keys]` keeps between runs."""
        self._memories.reset(graph if isinstance(graph, str) else graph.name, node_id)

    def is_started(self, node: Node) -> bool:
        """Whether the node's `on_start` has been called here, and is done."""
        return node in self._started

    async def start_node(self, node: Node, ctx: Context) -> None:
        """Call the node's `on_start`, once for all the steps that wait for it; after a failure, again."""
        await self._started.start(node, ctx)

    async def restart_node(self, node: Node, ctx: Context) -> None:
        """Call the node's `on_stop`, if it was started, and `on_start` again."""
        await self._started.stop(node)
        await self._started.start(node, ctx)

    async def stop_node(self, node: Node, living: Living) -> None:
        """Call the node's `on_stop`, if it was started, unless others than this live on it; its next step starts it."""
        if not any(other is not living and other.lives_on(node) for other in self._living):
            await self._started.stop(node)

    # --- ending

    async def _let_go(self) -> None:
        await self._background.close()
        await self._started.stop_all()
        await self._resources.close()
        self._programs.clear()
        self._single.clear()
        if self._limits is not None:
            await call_at_end(self._limits.close, "letting go of the limits")
        await self._pools.close()


async def _driven(run: GraphRun, live: Live, name: str, check: bool) -> RunResult:
    result = await run.drive()
    return checked(result, live, name) if check else result
