"""Many runs in one engine leave its memory flat."""

import gc
import tracemalloc
from collections import deque

import pytest

from nodeloom import Engine, Graph, Node, Route, node
from nodeloom import Params as BaseParams


class Greet(Node):
    class Params(BaseParams):
        text: str = ""
        tags: list[str] = []

    async def work(self, params):
        return {"text": params.text}


class Hooked(Node):
    memory = True

    async def on_start(self, ctx):
        return None

    async def on_finish(self, result):
        return None

    async def work(self, ctx, inputs):
        ctx.memory["n"] = ctx.memory.get("n", 0) + 1
        async with ctx.shared.transaction() as t:
            t["n"] = t.get("n", 0) + 1
        if ctx.memory["n"] == 2:
            raise ValueError("each second time")
        return {"round": ctx.memory["n"]}


def mixed() -> Graph:
    """A template, a thread, a generator, a nested graph, a loop, a Route, an error edge, memory, hooks, a join."""

    @node
    def on_thread(inputs):
        return {"thread": len(inputs)}

    @node
    async def chunks():
        yield {"n": 1}
        yield {"n": 2}

    @node
    async def scatter():
        return Route({}, to=[("item", {"n": n}) for n in range(3)])

    @node
    async def item(inputs):
        return {"n": inputs["n"]}

    @node
    async def sorry(ctx):
        return {"sorry": ctx.error["type"]}

    @node
    async def end(state):
        return {"size": len(state)}

    start = Greet(text="hello {{ inputs.name }}", tags=["a"])
    inner = Graph(item.copy(id="inside"), name="inner").as_node(id="nested")
    looped = Hooked(id="looped")
    start >> [on_thread, chunks, scatter, looped]
    scatter.may_route(item)
    chunks >> inner
    looped.on("output.round < 3") >> looped
    looped.on_error(ValueError) >> sorry
    [on_thread, inner, item, sorry] >> end
    return Graph(start, name="mixed")


async def size_after(engine: Engine, graph: Graph, runs: int, watched: bool) -> int:
    for n in range(runs):
        if watched:
            events = deque([event async for event in engine.stream(graph, {"name": "x", "n": n})], maxlen=1)
            assert events[0].type == "run_completed"
        elif n % 3 == 0:
            assert (await (await engine.start(graph, {"name": "x", "n": n})).result()).status == "completed"
        else:
            assert (await engine.run(graph, {"name": "x", "n": n})).status == "completed"
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize("watched", [False, True])
async def test_two_thousand_runs_of_a_mixed_graph_leave_memory_flat(watched: bool) -> None:
    """1.1, 13.1: what 500 runs need, 2,000 need as well."""
    graph = mixed()
    async with Engine(pools={"default": 4}) as engine:
        tracemalloc.start()
        try:
            early = await size_after(engine, graph, 500, watched)
            late = await size_after(engine, graph, 1500, watched)
        finally:
            tracemalloc.stop()
    assert late - early < 60_000, f"{(late - early) / 1500:.0f} bytes a run"
