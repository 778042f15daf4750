"""build: make, wire and compile a graph of 100, 1,000 and 10,000 nodes, a chain of diamonds; ms.

Each diamond is a head, a left, a right and a tail that joins them; its tail leads to the next head.
"""

import gc
import math
import time
from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Any

from benchmarks.harness import (
    MILLISECONDS,
    Contender,
    NotRun,
    Role,
    Sampler,
    Target,
    Workload,
    check,
    settle,
)
from benchmarks.linear import Counted

SIZES = (100, 1_000, 10_000)
STEPS = (100, 200, 1_000, 10_000)
AFFORDABLE = 5.0  # seconds a build may be expected to take before its contender is left out at that size
Build = Callable[[int], int]  # of so many diamonds, returning the number of nodes made
Diamond = tuple[str, str, str, str]


def names(diamonds: int) -> list[Diamond]:
    return [(f"head{i}", f"left{i}", f"right{i}", f"tail{i}") for i in range(diamonds)]


def limit() -> Build:
    def build(diamonds: int) -> int:
        before: dict[str, set[str]] = {}
        last = ""
        for head, left, right, tail in names(diamonds):
            before |= {head: {last} if last else set(), left: {head}, right: {head}, tail: {left, right}}
            last = tail
        return len(list(TopologicalSorter(before).static_order()))

    return build


def nodeloom() -> Build:
    from nodeloom import Graph, node

    @node("bench.step")
    async def step(state: Mapping[str, int]) -> dict[str, int]:
        return {"n": state["n"] + 1}

    def build(diamonds: int) -> int:
        placed = [[step.copy(id=name) for name in diamond] for diamond in names(diamonds)]
        for head, left, right, tail in placed:
            head >> [left, right] >> tail
        for (*_, tail), (head, *_) in pairwise(placed):
            tail >> head
        return len(Graph(placed[0][0], name="build").nodes)

    return build


def pocketflow() -> Build:
    from pocketflow import AsyncFlow, AsyncNode

    class Step(AsyncNode):
        async def post_async(self, shared: dict[str, int], prep_res: Any, exec_res: Any) -> None:
            shared["n"] += 1

    def build(diamonds: int) -> int:
        placed = [(Step(), Step(), Step(), Step()) for _ in range(diamonds)]
        for head, left, right, tail in placed:
            head - "left" >> left >> tail
            head - "right" >> right >> tail
        for (*_, tail), (head, *_) in pairwise(placed):
            tail >> head
        AsyncFlow(start=placed[0][0])
        return 4 * len(placed)

    return build


def burr() -> Build:
    from burr.core import ApplicationBuilder, State, action, default, when
    from burr.core.graph import GraphBuilder

    @action(reads=["n"], writes=["n"])
    async def step(state: State) -> State:
        return state.update(n=state["n"] + 1)

    def build(diamonds: int) -> int:
        placed = names(diamonds)
        edges: list[Any] = [(last[3], head[0]) for last, head in pairwise(placed)]
        for head, left, right, tail in placed:
            edges += [(head, left, when(n=0)), (head, right, default), (left, tail), (right, tail)]
        actions = {name: step for diamond in placed for name in diamond}
        graph = GraphBuilder().with_actions(**actions).with_transitions(*edges).build()
        app = ApplicationBuilder().with_graph(graph).with_state(n=0).with_entrypoint("head0").build()
        return len(app.graph.actions)

    return build


def pydantic_graph() -> Build:
    from pydantic_graph import GraphBuilder, StepContext, reduce_sum

    async def step(ctx: StepContext[None, None, int]) -> int:
        return ctx.inputs + 1

    def build(diamonds: int) -> int:
        builder = GraphBuilder(input_type=int, output_type=int, auto_instrument=False)
        last: Any = builder.start_node
        for diamond in names(diamonds):
            head, left, right = (builder.step(step, node_id=name) for name in diamond[:3])
            tail = builder.join(reduce_sum, initial=0, node_id=diamond[3])
            builder.add(
                builder.edge_from(last).to(head),
                builder.edge_from(head).to(left, right),
                builder.edge_from(left, right).to(tail),
            )
            last = tail
        builder.add(builder.edge_from(last).to(builder.end_node))
        nodes = builder.build().nodes
        return sum(1 for name in nodes if str(name).startswith(("head", "left", "right", "tail")))

    return build


def langgraph() -> Build:
    from langgraph.graph import END, START, StateGraph

    async def step(state: Counted) -> Counted:
        return {"n": state["n"] + 1}

    def build(diamonds: int) -> int:
        builder = StateGraph(Counted)
        last = START
        for diamond in names(diamonds):
            for name in diamond:
                builder.add_node(name, step)
            head, left, right, tail = diamond
            builder.add_edge(last, head)
            builder.add_edge(head, left)
            builder.add_edge(head, right)
            builder.add_edge([left, right], tail)
            last = tail
        builder.add_edge(last, END)
        builder.compile()
        return len(builder.nodes)

    return build


def prepared(make: Callable[[], Build], size: int) -> Callable[[], Sampler]:
    def prepare() -> Sampler:
        build = make()
        afford(build, size)
        return lambda: spent(build, size) * MILLISECONDS

    return prepare


def afford(build: Build, size: int) -> None:
    """Build smaller graphs first: they warm up, are checked, and foretell what the wanted one would take."""
    before = least(build, STEPS[0])
    for smaller, known, wanted in zip(STEPS, STEPS[1:], STEPS[2:], strict=False):
        if known >= size:
            return
        taken = least(build, known)
        # Cubic at most, so that a disturbed measurement of a quick one cannot rule it out.
        exponent = min(3.0, math.log(taken / before) / math.log(known / smaller))
        expected = taken * (wanted / known) ** exponent
        if expected > AFFORDABLE:
            cost = f"{known:,} nodes take {taken:.2f} s, growing as n^{exponent:.1f}"
            raise NotRun(f"{cost}: {wanted:,} would take some {expected:,.0f} s")
        before = taken


def least(build: Build, size: int) -> float:
    return min(spent(build, size) for _ in range(3))


def spent(build: Build, size: int) -> float:
    settle()
    begun = time.perf_counter()
    made = build(size // 4)
    taken = time.perf_counter() - begun
    check(made, size)
    gc.collect()
    return taken


def workloads(quick: bool) -> list[Workload]:
    made: list[tuple[str, Role, Callable[[], Build]]] = [
        ("limit: dict and graphlib", "limit", limit),
        ("nodeloom", "nodeloom", nodeloom),
        ("PocketFlow", "peer", pocketflow),
        ("Burr", "peer", burr),
        ("pydantic-graph", "peer", pydantic_graph),
        ("LangGraph", "peer", langgraph),
    ]
    sizes = SIZES[:2] if quick else SIZES
    contenders = [Contender(name, prepared(make, n), role, n) for name, role, make in made for n in sizes]
    return [Workload("build", "ms", contenders, [Target("value", 1000, size=10_000)], "power")]
