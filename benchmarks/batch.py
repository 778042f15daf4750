"""batch: one node over many items: a millisecond of sleep each, 100 at once; trivial ones; and beside a larger graph.

The limit is 100 workers over one iterator. Where a peer has no limit on how many run at once, all of them do.
"""

import asyncio
import operator
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, TypedDict

from benchmarks.harness import MILLISECONDS, Case, Contender, Target, Workload, timed

AT_ONCE = 100
NAPS = 1_000
NAP = 0.001
ITEMS = 10_000
FEW = 1_000  # for peers whose ten thousand take minutes; a figure is by the item
GRAPHS = (10, 100, 1_000)

Work = Callable[[int], Awaitable[int]]


async def nap(item: int) -> int:
    await asyncio.sleep(NAP)
    return item


async def trivial(item: int) -> int:
    return item


def limit(work: Work, count: int) -> Case:
    async def worker(items: Iterator[int], results: list[int]) -> None:
        for item in items:
            results[item] = await work(item)

    async def once() -> int:
        items, results = iter(range(count)), [0] * count
        await asyncio.gather(*(worker(items, results) for _ in range(AT_ONCE)))
        return sum(results)

    return Case(once, sum(range(count)))


def nodeloom(work: Work, count: int, before: int = 1) -> Case:
    """A batch behind so many nodes: the cost of an item does not depend on how many."""
    from nodeloom import Batch, Context, Graph, node

    @node("bench.scan")
    async def scan() -> dict[str, Any]:
        return {"items": list(range(count))}

    @node("bench.fill")
    async def fill(ctx: Context) -> dict[str, int]:
        return {ctx.node_id: 1}

    @node("bench.item", batch=Batch(items="{{ state.items }}", parallel=True, max_concurrent=AT_ONCE))
    async def item(ctx: Context) -> dict[str, int]:
        return {"n": await work(ctx.item)}

    chain = [scan, *(fill.copy(id=f"n{index}") for index in range(before - 1)), item]
    for source, target in pairwise(chain):
        source >> target
    graph = Graph(chain[0], name="batch")

    async def once() -> int:
        results = (await graph.run({})).output["results"]
        return sum(result["n"] for result in results)

    return Case(once, sum(range(count)))


def mapped(work: Work, count: int) -> Case:
    from nodeloom import node

    @node("bench.call")
    async def call(inputs: Mapping[str, int]) -> dict[str, int]:
        return {"n": await work(inputs["n"])}

    items = [{"n": index} for index in range(count)]

    async def once() -> int:
        batch = await call.map(items, parallel=True, max_concurrent=AT_ONCE)
        return sum(record["output"]["n"] for record in batch.records)

    return Case(once, sum(range(count)))


def pocketflow(work: Work, count: int, at_once: int | None = AT_ONCE) -> Case:
    from pocketflow import AsyncFlow, AsyncParallelBatchNode

    class Items(AsyncParallelBatchNode):
        async def prep_async(self, shared: dict[str, Any]) -> range:
            shared["slots"] = asyncio.Semaphore(at_once or count)
            self.slots = shared["slots"]
            return range(count)

        async def exec_async(self, prep_res: int) -> int:
            if at_once is None:
                return await work(prep_res)
            async with self.slots:
                return await work(prep_res)

        async def post_async(self, shared: dict[str, Any], prep_res: Any, exec_res: list[int]) -> None:
            shared["total"] = sum(exec_res)

    flow = AsyncFlow(start=Items())

    async def once() -> int:
        shared: dict[str, Any] = {}
        await flow.run_async(shared)
        return shared["total"]

    return Case(once, sum(range(count)))


def pydantic_graph(work: Work, count: int) -> Case:
    from pydantic_graph import GraphBuilder, StepContext, reduce_sum

    builder = GraphBuilder(output_type=int, auto_instrument=False)

    @builder.step
    async def scan(ctx: StepContext[None, None, None]) -> list[int]:
        return list(range(count))

    @builder.step
    async def item(ctx: StepContext[None, None, int]) -> int:
        return await work(ctx.inputs)

    total = builder.join(reduce_sum, initial=0)
    builder.add(
        builder.edge_from(builder.start_node).to(scan),
        builder.edge_from(scan).map().to(item),
        builder.edge_from(item).to(total),
        builder.edge_from(total).to(builder.end_node),
    )
    graph = builder.build()

    async def once() -> int:
        return await graph.run()

    return Case(once, sum(range(count)))


class Total(TypedDict):
    total: Annotated[int, operator.add]


class One(TypedDict):
    item: int


def langgraph(work: Work, count: int) -> Case:
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import Send

    def scan(state: Total) -> list[Any]:
        return [Send("item", {"item": index}) for index in range(count)]

    async def item(state: One) -> dict[str, int]:
        return {"total": await work(state["item"])}

    builder = StateGraph(Total)
    builder.add_node("item", item)
    builder.add_conditional_edges(START, scan, ["item"])
    builder.add_edge("item", END)
    graph = builder.compile()

    async def once() -> object:
        return (await graph.ainvoke({"total": 0}, {"max_concurrency": AT_ONCE}))["total"]

    return Case(once, sum(range(count)))


def streamed(count: int) -> Case:
    """Items of an asynchronous iterator, one by one as they end."""
    from nodeloom import node

    @node("bench.streamed")
    async def call(inputs: Mapping[str, int]) -> dict[str, int]:
        return {"n": inputs["item"]}

    async def items() -> AsyncIterator[int]:
        for index in range(count):
            yield index

    async def once() -> int:
        total = 0
        async for slot in call.map_stream(items(), max_concurrent=AT_ONCE):
            total += slot.output["n"]
        return total

    return Case(once, sum(range(count)))


def contenders(work: Work, count: int, per: float, scale: float) -> list[Contender]:
    def of(make: Callable[..., Case], few: int = count, **settings: Any) -> Any:
        return timed(partial(make, work, few, **settings), per=per * few / count, scale=scale)

    few = min(count, FEW)
    only = f", of {few:,} items" if few < count else ""

    return [
        Contender("limit: workers over one iterator", of(limit), "limit"),
        Contender("nodeloom", of(nodeloom), "nodeloom"),
        Contender("nodeloom, map", of(mapped), "variant"),
        Contender("PocketFlow", of(pocketflow)),
        Contender("PocketFlow, all at once", of(pocketflow, at_once=None)),
        Contender(f"pydantic-graph{only}", of(pydantic_graph, few)),
        Contender(f"LangGraph{only}", of(langgraph, few)),
    ]


def workloads(quick: bool) -> list[Workload]:
    count = 1_000 if quick else ITEMS
    slow = contenders(nap, NAPS, 1, MILLISECONDS)
    quick_items = contenders(trivial, count, count, 1e6)
    quick_items += [Contender("nodeloom, streamed", timed(partial(streamed, count), per=count), "variant")]
    growth = [
        Contender(
            f"nodeloom, {size} nodes", timed(partial(nodeloom, trivial, count, size), per=count), "nodeloom", size
        )
        for size in GRAPHS
    ]
    return [
        Workload("batch, 1,000 items of 1 ms, 100 at once", "ms", slow, [Target("limit", 1.2)]),
        Workload(f"batch, {count:,} trivial items", "µs an item", quick_items, [Target("value", 2)]),
        Workload("batch, growth by the size of the graph", "µs an item", growth, [Target("slope", 0.05)], fit="power"),
    ]
