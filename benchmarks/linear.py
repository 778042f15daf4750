"""linear: a chain of 100 async nodes, each returning {"n": state["n"] + 1}; µs a step."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, TypedDict

from benchmarks.harness import Case, Contender, Target, Workload, timed

STEPS = 100


class Counted(TypedDict):
    n: int


def limit(steps: int = STEPS) -> Case:
    async def step(state: Mapping[str, int]) -> dict[str, int]:
        return {"n": state["n"] + 1}

    chain = [step] * steps

    async def once() -> int:
        state = {"n": 0}
        for work in chain:
            state.update(await work(state))
        return state["n"]

    return Case(once, steps)


def nodeloom(steps: int = STEPS) -> Case:
    from nodeloom import Graph, node

    @node("bench.step")
    async def step(state: Mapping[str, int]) -> dict[str, int]:
        return {"n": state["n"] + 1}

    chain = [step.copy(id=f"n{index}") for index in range(steps)]
    for source, target in pairwise(chain):
        source >> target
    graph = Graph(chain[0], name="linear")

    async def once() -> object:
        return (await graph.run({"n": 0})).state["n"]

    return Case(once, steps)


def pocketflow(steps: int = STEPS) -> Case:
    from pocketflow import AsyncFlow, AsyncNode

    class Step(AsyncNode):
        async def post_async(self, shared: dict[str, int], prep_res: Any, exec_res: Any) -> None:
            shared["n"] += 1

    chain = [Step() for _ in range(steps)]
    for source, target in pairwise(chain):
        source >> target
    flow = AsyncFlow(start=chain[0])

    async def once() -> int:
        shared = {"n": 0}
        await flow.run_async(shared)
        return shared["n"]

    return Case(once, steps)


def burr() -> Case:
    from burr.core import ApplicationBuilder, State, action
    from burr.core.graph import GraphBuilder

    @action(reads=["n"], writes=["n"])
    async def step(state: State) -> State:
        return state.update(n=state["n"] + 1)

    names = [f"n{index}" for index in range(STEPS)]
    actions = dict.fromkeys(names, step)
    graph = GraphBuilder().with_actions(**actions).with_transitions(*pairwise(names)).build()
    app = ApplicationBuilder().with_graph(graph).with_state(n=0).with_entrypoint(names[0]).build()

    async def once() -> object:
        app.update_state(app.state.update(n=0))
        app.reset_to_entrypoint()
        _, _, state = await app.arun(halt_after=[names[-1]])
        return state["n"]

    return Case(once, STEPS)


def pydantic_graph() -> Case:
    from pydantic_graph import GraphBuilder, StepContext

    builder = GraphBuilder(state_type=dict, input_type=int, output_type=int, auto_instrument=False)

    async def step(ctx: StepContext[dict, None, int]) -> int:
        return ctx.inputs + 1

    chain = [builder.step(step, node_id=f"n{index}") for index in range(STEPS)]
    for source, target in pairwise([builder.start_node, *chain, builder.end_node]):
        builder.add_edge(source, target)
    graph = builder.build()

    async def once() -> int:
        return await graph.run(inputs=0)

    return Case(once, STEPS)


def langgraph() -> Case:
    from langgraph.graph import END, START, StateGraph

    async def step(state: Counted) -> Counted:
        return {"n": state["n"] + 1}

    builder = StateGraph(Counted)
    names = [f"n{index}" for index in range(STEPS)]
    for name in names:
        builder.add_node(name, step)
    for source, target in pairwise([START, *names, END]):
        builder.add_edge(source, target)
    graph = builder.compile()

    async def once() -> object:
        return (await graph.ainvoke({"n": 0}, {"recursion_limit": STEPS + 10}))["n"]

    return Case(once, STEPS)


def workloads(quick: bool) -> list[Workload]:
    contenders = [
        Contender("limit: asyncio loop", timed(limit, per=STEPS), "limit"),
        Contender("nodeloom", timed(nodeloom, per=STEPS), "nodeloom"),
        Contender("PocketFlow", timed(pocketflow, per=STEPS)),
        Contender("Burr", timed(burr, per=STEPS)),
        Contender("pydantic-graph", timed(pydantic_graph, per=STEPS)),
        Contender("LangGraph", timed(langgraph, per=STEPS)),
    ]
    return [Workload("linear", "µs a step", contenders, [Target("value", 1.5), Target("peer", 0.7)])]
