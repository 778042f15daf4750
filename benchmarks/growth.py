"""growth: cost a step against the steps before it, the size of the graph, and the runs beside it.

The limit and PocketFlow grow through the processor's caches alone and show how flat flat is here.
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise

from benchmarks import linear, loop, memory
from benchmarks.harness import CarPark, Case, Contender, Once, Role, Target, Workload, timed

FLAT_EXPONENT = 0.05  # over two powers of ten, 26 % more
ROUNDS = 1_000  # of the loop beside the dormant chain
REPEATS = 50  # of the chain beside parked runs


def dormant(size: int) -> Case:
    """The loop of two nodes in a graph that also has a long chain, which is never entered."""
    from nodeloom import Graph, node

    @node("bench.tick")
    async def tick(state: Mapping[str, int]) -> dict[str, int]:
        return {"n": state["n"] + 1}

    @node("bench.check")
    async def check(state: Mapping[str, int]) -> dict[str, bool]:
        return {"more": state["n"] < state["last"], "never": False}

    @node("bench.asleep")
    async def asleep(state: Mapping[str, int]) -> dict[str, int]:
        return {"n": -1}

    chain = [asleep.copy(id=f"n{index}") for index in range(size - 2)]
    for source, target in pairwise(chain):
        source >> target
    tick >> check
    check.on(more=True) >> tick
    check.on(never=True) >> chain[0]
    graph = Graph(tick, name="dormant")

    async def once(last: int) -> object:
        return (await graph.run({"n": 0, "last": last})).state["n"]

    return loop.case(once, ROUNDS)


def beside(make: Callable[[], Case], park: Callable[[CarPark], Once], parked: int) -> Case:
    """A chain of 100 steps, run again and again while other runs are parked; `asyncio.run` ends those."""
    chain, lot = make(), CarPark()
    other = park(lot)

    async def warm() -> None:
        await lot.fill(other, parked)
        await chain.run()

    async def once() -> object:
        for _ in range(REPEATS - 1):
            await chain.run()
        return await chain.run()

    return Case(once, chain.expected, warm)


def workloads(quick: bool) -> list[Workload]:
    sizes = (50, 200, 1_000) if quick else (100, 1_000, 10_000)
    parked = (5, 20, 100) if quick else (10, 100, 1_000)
    chains: list[tuple[str, Role, Callable[[int], Case]]] = [
        ("limit: asyncio loop", "limit", linear.limit),
        ("nodeloom", "nodeloom", linear.nodeloom),
        ("PocketFlow", "peer", linear.pocketflow),
    ]
    parks: list[tuple[str, Role, Callable[[], Case], Callable[[CarPark], Once]]] = [
        ("limit: asyncio loop", "limit", linear.limit, memory.limit),
        ("nodeloom", "nodeloom", linear.nodeloom, memory.nodeloom),
        ("PocketFlow", "peer", linear.pocketflow, memory.pocketflow),
    ]
    every = [(name, role, n, partial(make, n)) for name, role, make in chains for n in sizes]
    before = [Contender(name, timed(make, per=n), role, n) for name, role, n, make in every]
    size = [Contender("nodeloom", timed(partial(dormant, n), per=2 * ROUNDS), "nodeloom", n) for n in sizes]
    others = [
        Contender(name, timed(partial(beside, make, park, n), per=REPEATS * linear.STEPS), role, n)
        for name, role, make, park in parks
        for n in parked
    ]
    flat = [Target("slope", FLAT_EXPONENT)]
    return [
        Workload("growth_steps_before", "µs a step", before, flat, "power"),
        Workload("growth_graph_size", "µs a step", size, flat, "power"),
        Workload("growth_runs_beside", "µs a step", others, flat, "power"),
    ]
