"""memory: 1,000 runs at once of one graph of ten nodes, each parked in an asyncio sleep at the fifth.

KiB a run while all are parked, in a traced pass taken once, as it repeats within a hundredth; and the
time to start them all, let go, and check them.
"""

import asyncio
import time
import tracemalloc
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from benchmarks.harness import (
    MILLISECONDS,
    PATIENCE,
    CarPark,
    Contender,
    Once,
    Role,
    Sampler,
    Workload,
    check,
    settle,
)
from benchmarks.linear import Counted

NODES = 10
PARKED_AT = 5
NAMES = [f"n{index}" for index in range(NODES)]


def limit(lot: CarPark) -> Once:
    async def step(state: Mapping[str, int]) -> dict[str, int]:
        return {"n": state["n"] + 1}

    async def parked(state: Mapping[str, int]) -> dict[str, int]:
        await lot.park()
        return {"n": state["n"] + 1}

    chain = [parked if index == PARKED_AT else step for index in range(NODES)]

    async def once() -> int:
        state = {"n": 0}
        for work in chain:
            state.update(await work(state))
        return state["n"]

    return once


def nodeloom(lot: CarPark) -> Once:
    from nodeloom import Graph, node

    @node("bench.step")
    async def step(state: Mapping[str, int]) -> dict[str, int]:
        return {"n": state["n"] + 1}

    @node("bench.parked")
    async def parked(state: Mapping[str, int]) -> dict[str, int]:
        await lot.park()
        return {"n": state["n"] + 1}

    chain = [(parked if index == PARKED_AT else step).copy(id=name) for index, name in enumerate(NAMES)]
    for source, target in pairwise(chain):
        source >> target
    graph = Graph(chain[0], name="parked")

    async def once() -> object:
        return (await graph.run({"n": 0})).state["n"]

    return once


def pocketflow(lot: CarPark) -> Once:
    from pocketflow import AsyncFlow, AsyncNode

    class Step(AsyncNode):
        async def post_async(self, shared: dict[str, int], prep_res: Any, exec_res: Any) -> None:
            shared["n"] += 1

    class Parked(Step):
        async def exec_async(self, prep_res: Any) -> None:
            await lot.park()

    chain = [Parked() if index == PARKED_AT else Step() for index in range(NODES)]
    for source, target in pairwise(chain):
        source >> target
    flow = AsyncFlow(start=chain[0])

    async def once() -> int:
        shared = {"n": 0}
        await flow.run_async(shared)
        return shared["n"]

    return once


def burr(lot: CarPark) -> Once:
    from burr.core import ApplicationBuilder, State, action
    from burr.core.graph import GraphBuilder

    @action(reads=["n"], writes=["n"])
    async def step(state: State) -> State:
        return state.update(n=state["n"] + 1)

    @action(reads=["n"], writes=["n"])
    async def parked(state: State) -> State:
        await lot.park()
        return state.update(n=state["n"] + 1)

    actions = {name: parked if index == PARKED_AT else step for index, name in enumerate(NAMES)}
    graph = GraphBuilder().with_actions(**actions).with_transitions(*pairwise(NAMES)).build()

    async def once() -> object:  # an application is one run: a second one at once needs its own
        app = ApplicationBuilder().with_graph(graph).with_state(n=0).with_entrypoint(NAMES[0]).build()
        return (await app.arun(halt_after=[NAMES[-1]]))[2]["n"]

    return once


def pydantic_graph(lot: CarPark) -> Once:
    from pydantic_graph import GraphBuilder, StepContext

    builder = GraphBuilder(input_type=int, output_type=int, auto_instrument=False)

    async def step(ctx: StepContext[None, None, int]) -> int:
        return ctx.inputs + 1

    async def parked(ctx: StepContext[None, None, int]) -> int:
        await lot.park()
        return ctx.inputs + 1

    works = [parked if index == PARKED_AT else step for index in range(NODES)]
    chain = [builder.step(work, node_id=name) for work, name in zip(works, NAMES, strict=True)]
    for source, target in pairwise([builder.start_node, *chain, builder.end_node]):
        builder.add_edge(source, target)
    graph = builder.build()

    async def once() -> int:
        return await graph.run(inputs=0)

    return once


def langgraph(lot: CarPark) -> Once:
    from langgraph.graph import END, START, StateGraph

    async def step(state: Counted) -> Counted:
        return {"n": state["n"] + 1}

    async def parked(state: Counted) -> Counted:
        await lot.park()
        return {"n": state["n"] + 1}

    builder = StateGraph(Counted)
    for index, name in enumerate(NAMES):
        builder.add_node(name, parked if index == PARKED_AT else step)
    for source, target in pairwise([START, *NAMES, END]):
        builder.add_edge(source, target)
    graph = builder.compile()

    async def once() -> object:
        return (await graph.ainvoke({"n": 0}))["n"]

    return once


async def whole(once: Once, lot: CarPark, runs: int) -> float:
    """Seconds to start the runs, park them all, release them and have their results."""
    async with asyncio.timeout(PATIENCE):
        await held(once, lot, max(1, runs // 100))
        settle()
        begun = time.perf_counter()
        tasks = await lot.fill(once, runs)
        lot.release()
        results = await asyncio.gather(*tasks)
        taken = time.perf_counter() - begun
        check(results, [NODES] * runs)
        return taken


async def held(once: Once, lot: CarPark, runs: int) -> int:
    """Bytes held by the runs while all are parked."""
    before = tracemalloc.get_traced_memory()[0]
    tasks = await lot.fill(once, runs)
    settle()
    size = tracemalloc.get_traced_memory()[0] - before
    lot.release()
    check(await asyncio.gather(*tasks), [NODES] * runs)
    return size


async def traced(once: Once, lot: CarPark, runs: int) -> float:
    async with asyncio.timeout(PATIENCE):
        await held(once, lot, max(1, runs // 100))
        settle()
        tracemalloc.start()
        try:
            return await held(once, lot, runs) / 1024 / runs
        finally:
            tracemalloc.stop()


def prepared(make: Callable[[CarPark], Once], runs: int, timing: bool) -> Callable[[], Sampler]:
    def prepare() -> Sampler:
        lot = CarPark()
        once = make(lot)
        if timing:
            return lambda: asyncio.run(whole(once, lot, runs)) * MILLISECONDS
        return lambda: asyncio.run(traced(once, lot, runs))

    return prepare


def workloads(quick: bool) -> list[Workload]:
    runs = 100 if quick else 1_000
    made: list[tuple[str, Role, Callable[[CarPark], Once]]] = [
        ("limit: asyncio tasks", "limit", limit),
        ("nodeloom", "nodeloom", nodeloom),
        ("PocketFlow", "peer", pocketflow),
        ("Burr", "peer", burr),
        ("pydantic-graph", "peer", pydantic_graph),
        ("LangGraph", "peer", langgraph),
    ]
    sizes = [Contender(name, prepared(make, runs, False), role, runs) for name, role, make in made]
    times = [Contender(name, prepared(make, runs, True), role, runs) for name, role, make in made]
    return [
        Workload("memory", "KiB a parked run", sizes, rounds=1),
        Workload("memory_time", "ms for all runs", times),
    ]
