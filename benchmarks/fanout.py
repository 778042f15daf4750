"""fanout: a start, 100 nodes that sleep for a millisecond, and a join that has counted them; ms."""

import asyncio
import operator
from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Any, ClassVar, TypedDict

from benchmarks.harness import MILLISECONDS, Case, Contender, Target, Workload, timed

WIDTH = 100
NAP = 0.001


class Hits(TypedDict):
    hits: Annotated[int, operator.add]


def limit() -> Case:
    async def start(state: Mapping[str, int]) -> dict[str, int]:
        return {"hits": 0}

    async def nap(state: Mapping[str, int]) -> dict[str, int]:
        await asyncio.sleep(NAP)
        return {"hits": 1}

    async def once() -> int:
        state = await start({})
        results = await asyncio.gather(*(nap(state) for _ in range(WIDTH)))
        return sum(result["hits"] for result in results)

    return Case(once, WIDTH)


def nodeloom() -> Case:
    from nodeloom import Graph, State, add, node

    class Total(State):
        hits: Annotated[int, add] = 0

    @node("bench.start")
    async def start() -> dict[str, int]:
        return {}

    @node("bench.nap")
    async def nap(state: Mapping[str, int]) -> dict[str, int]:
        await asyncio.sleep(NAP)
        return {"hits": 1}

    @node("bench.join")
    async def join(state: Mapping[str, int]) -> dict[str, int]:
        return {"counted": state["hits"]}

    naps = [nap.copy(id=f"nap{index}") for index in range(WIDTH)]
    start >> naps >> join
    graph = Graph(start, name="fanout", state=Total)

    async def once() -> object:
        return (await graph.run({})).outputs["join"]["counted"]

    return Case(once, WIDTH)


def pocketflow() -> Case:
    from pocketflow import AsyncFlow, AsyncNode, AsyncParallelBatchNode

    class Naps(AsyncParallelBatchNode):  # its way to do many at once: one node over many items
        async def prep_async(self, shared: dict[str, int]) -> range:
            return range(WIDTH)

        async def exec_async(self, prep_res: int) -> int:
            await asyncio.sleep(NAP)
            return 1

        async def post_async(self, shared: dict[str, int], prep_res: Any, exec_res: list[int]) -> None:
            shared["hits"] = sum(exec_res)

    start, naps, join = AsyncNode(), Naps(), AsyncNode()
    start >> naps >> join
    flow = AsyncFlow(start=start)

    async def once() -> int:
        shared: dict[str, int] = {}
        await flow.run_async(shared)
        return shared["hits"]

    return Case(once, WIDTH)


def burr() -> Case:
    from burr.core import ApplicationBuilder, State, action
    from burr.core.graph import GraphBuilder

    @action(reads=[], writes=[])
    async def end(state: State) -> State:
        return state

    edges = [("start", "naps"), ("naps", "join")]
    builder = GraphBuilder().with_actions(start=end, naps=burr_naps(), join=end)
    graph = builder.with_transitions(*edges).build()
    app = ApplicationBuilder().with_graph(graph).with_state(hits=0).with_entrypoint("start").build()

    async def once() -> object:
        app.update_state(app.state.update(hits=0))
        app.reset_to_entrypoint()
        return (await app.arun(halt_after=["join"]))[2]["hits"]

    return Case(once, WIDTH)


def burr_naps() -> Any:
    """Its way to do many at once: an action mapped over as many states, each an application."""
    from burr.core import State, action
    from burr.core.graph import GraphBuilder
    from burr.core.parallelism import MapStates, RunnableGraph

    @action(reads=[], writes=["hits"])
    async def nap(state: State) -> State:
        await asyncio.sleep(NAP)
        return state.update(hits=1)

    branch = RunnableGraph(GraphBuilder().with_actions(nap=nap).build(), "nap", ["nap"])

    class Naps(MapStates):
        reads: ClassVar[list[str]] = []
        writes: ClassVar[list[str]] = ["hits"]

        def is_async(self) -> bool:
            return True

        def action(self, state: State, inputs: dict[str, Any]) -> RunnableGraph:
            return branch

        async def states(self, state: State, context: Any, inputs: Any) -> AsyncGenerator[State, None]:
            for _ in range(WIDTH):
                yield state

        async def reduce(self, state: State, results: AsyncGenerator[State, None]) -> State:
            return state.update(hits=sum([result["hits"] async for result in results]))

    return Naps()


def pydantic_graph() -> Case:
    from pydantic_graph import GraphBuilder, StepContext, reduce_sum

    builder = GraphBuilder(output_type=int, auto_instrument=False)

    @builder.step
    async def start(ctx: StepContext[None, None, None]) -> None:
        return None

    async def nap(ctx: StepContext[None, None, None]) -> int:
        await asyncio.sleep(NAP)
        return 1

    naps = [builder.step(nap, node_id=f"nap{index}") for index in range(WIDTH)]
    join = builder.join(reduce_sum, initial=0)
    builder.add(
        builder.edge_from(builder.start_node).to(start),
        builder.edge_from(start).to(*naps),
        builder.edge_from(*naps).to(join),
        builder.edge_from(join).to(builder.end_node),
    )
    graph = builder.build()

    async def once() -> int:
        return await graph.run()

    return Case(once, WIDTH)


def langgraph() -> Case:
    from langgraph.graph import END, START, StateGraph

    async def nothing(state: Hits) -> dict[str, int]:
        return {}

    async def nap(state: Hits) -> dict[str, int]:
        await asyncio.sleep(NAP)
        return {"hits": 1}

    builder = StateGraph(Hits)
    builder.add_node("start", nothing)
    builder.add_node("join", nothing)
    names = [f"nap{index}" for index in range(WIDTH)]
    for name in names:
        builder.add_node(name, nap)
        builder.add_edge("start", name)
    builder.add_edge(START, "start")
    builder.add_edge(names, "join")
    builder.add_edge("join", END)
    graph = builder.compile()

    async def once() -> object:
        return (await graph.ainvoke({"hits": 0}))["hits"]

    return Case(once, WIDTH)


def workloads(quick: bool) -> list[Workload]:
    contenders = [
        Contender("limit: asyncio.gather", timed(limit, per=1, scale=MILLISECONDS), "limit"),
        Contender("nodeloom", timed(nodeloom, per=1, scale=MILLISECONDS), "nodeloom"),
        Contender("PocketFlow", timed(pocketflow, per=1, scale=MILLISECONDS)),
        Contender("Burr", timed(burr, per=1, scale=MILLISECONDS)),
        Contender("pydantic-graph", timed(pydantic_graph, per=1, scale=MILLISECONDS)),
        Contender("LangGraph", timed(langgraph, per=1, scale=MILLISECONDS)),
    ]
    return [Workload("fanout", "ms", contenders, [Target("limit", 1.2)])]
