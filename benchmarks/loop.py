"""loop: two nodes, `tick` counting and `check` deciding whether to go round again; µs a round."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypedDict

from benchmarks.harness import Case, Contender, Target, Workload, timed

ROUNDS = 10_000
WARM_ROUNDS = 100


class Rounds(TypedDict):
    n: int
    last: int
    more: bool


def case(once: Callable[[int], Awaitable[object]], rounds: int) -> Case:
    return Case(partial(once, rounds), rounds, partial(once, WARM_ROUNDS))


def limit(rounds: int) -> Case:
    async def tick(state: Mapping[str, int]) -> dict[str, int]:
        return {"n": state["n"] + 1}

    async def check(state: Mapping[str, int]) -> dict[str, bool]:
        return {"more": state["n"] < state["last"]}

    async def once(last: int) -> int:
        state = {"n": 0, "last": last}
        while True:
            state.update(await tick(state))
            state.update(await check(state))
            if not state["more"]:
                return state["n"]

    return case(once, rounds)


def nodeloom(rounds: int) -> Case:
    from nodeloom import Graph, node

    @node("bench.tick")
    async def tick(state: Mapping[str, int]) -> dict[str, int]:
        return {"n": state["n"] + 1}

    @node("bench.check")
    async def check(state: Mapping[str, int]) -> dict[str, bool]:
        return {"more": state["n"] < state["last"]}

    tick >> check
    check.on(more=True) >> tick
    graph = Graph(tick, name="loop")

    async def once(last: int) -> object:
        return (await graph.run({"n": 0, "last": last})).state["n"]

    return case(once, rounds)


def pocketflow(rounds: int) -> Case:
    from pocketflow import AsyncFlow, AsyncNode, BaseNode

    class Tick(AsyncNode):
        async def post_async(self, shared: dict[str, int], prep_res: Any, exec_res: Any) -> None:
            shared["n"] += 1

    class Check(AsyncNode):
        async def post_async(self, shared: dict[str, int], prep_res: Any, exec_res: Any) -> str:
            return "more" if shared["n"] < shared["last"] else "done"

    tick, check = Tick(), Check()
    tick >> check
    check - "more" >> tick
    check - "done" >> BaseNode()  # without a successor for every action it warns
    flow = AsyncFlow(start=tick)

    async def once(last: int) -> int:
        shared = {"n": 0, "last": last}
        await flow.run_async(shared)
        return shared["n"]

    return case(once, rounds)


def burr(rounds: int) -> Case:
    from burr.core import ApplicationBuilder, State, action, default, when
    from burr.core.graph import GraphBuilder

    @action(reads=["n"], writes=["n"])
    async def tick(state: State) -> State:
        return state.update(n=state["n"] + 1)

    @action(reads=["n", "last"], writes=["more"])
    async def check(state: State) -> State:
        return state.update(more=state["n"] < state["last"])

    @action(reads=[], writes=[])
    async def done(state: State) -> State:
        return state

    builder = GraphBuilder().with_actions(tick, check, done)
    edges = [("tick", "check"), ("check", "tick", when(more=True)), ("check", "done", default)]
    graph = builder.with_transitions(*edges).build()
    app = ApplicationBuilder().with_graph(graph).with_state(n=0).with_entrypoint("tick").build()

    async def once(last: int) -> object:
        app.update_state(app.state.update(n=0, last=last))
        app.reset_to_entrypoint()
        _, _, state = await app.arun(halt_before=["done"])
        return state["n"]

    return case(once, rounds)


def pydantic_graph(rounds: int) -> Case:
    from pydantic_graph import BaseNode, End, GraphBuilder, GraphRunContext

    class Tick(BaseNode[dict[str, int], None, int]):
        async def run(self, ctx: GraphRunContext[dict[str, int], None]) -> "Check":
            ctx.state["n"] += 1
            return Check()

    class Check(BaseNode[dict[str, int], None, int]):
        async def run(self, ctx: GraphRunContext[dict[str, int], None]) -> Tick | End[int]:
            return Tick() if ctx.state["n"] < ctx.state["last"] else End(ctx.state["n"])

    builder = GraphBuilder(state_type=dict[str, int], output_type=int, auto_instrument=False)
    first = builder.edge_from(builder.start_node).transform(lambda _: Tick()).to(Tick)
    builder.add(first, builder.node(Tick), builder.node(Check))
    graph = builder.build()

    async def once(last: int) -> int:
        return await graph.run(state={"n": 0, "last": last})

    return case(once, rounds)


def langgraph(rounds: int) -> Case:
    from langgraph.graph import END, START, StateGraph

    async def tick(state: Rounds) -> dict[str, int]:
        return {"n": state["n"] + 1}

    async def check(state: Rounds) -> dict[str, bool]:
        return {"more": state["n"] < state["last"]}

    builder = StateGraph(Rounds)
    builder.add_node("tick", tick)
    builder.add_node("check", check)
    builder.add_edge(START, "tick")
    builder.add_edge("tick", "check")
    builder.add_conditional_edges("check", lambda state: "tick" if state["more"] else END, ["tick", END])
    graph = builder.compile()

    async def once(last: int) -> object:
        start = {"n": 0, "last": last, "more": True}
        return (await graph.ainvoke(start, {"recursion_limit": 2 * last + 10}))["n"]

    return case(once, rounds)


def workloads(quick: bool) -> list[Workload]:
    rounds = 1000 if quick else ROUNDS
    made = {
        "limit: asyncio loop": limit,
        "nodeloom": nodeloom,
        "PocketFlow": pocketflow,
        "Burr": burr,
        "pydantic-graph": pydantic_graph,
        "LangGraph": langgraph,
    }
    contenders = [
        Contender(
            name,
            timed(partial(make, rounds), per=rounds),
            "limit" if make is limit else "nodeloom" if make is nodeloom else "peer",
        )
        for name, make in made.items()
    ]
    return [Workload("loop", "µs a round", contenders, [Target("peer", 0.6)])]
