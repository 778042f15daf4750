"""Step ids: derived, repeatable, unique (1.3)."""

import asyncio
import random
from collections import Counter

from nodeloom import Graph, Node, Route, node


class Noted(Node):
    """Waits for a while of its own, and notes its step id with what the step is about."""

    async def work(self, ctx, inputs):
        ctx.metadata["ids"].append((ctx.node_id, ctx.step_id))
        for _ in range(ctx.metadata["order"].randrange(6)):
            await asyncio.sleep(0)
        return {"round": inputs.get("round", 0) + 1}


def mixed() -> Graph:
    """A line, a fork, loops of different lengths, a scattering Route, joins."""

    @node
    async def scatter(ctx):
        ctx.metadata["ids"].append((ctx.node_id, ctx.step_id))
        return Route({}, to=[("item", {"round": 0, "n": n}) for n in range(5)])

    first, left, right, item = Noted(id="first"), Noted(id="left"), Noted(id="right"), Noted(id="item")
    meet, end = Noted(id="meet"), Noted(id="end", join="all")
    first >> [left, right, scatter]
    left.on("output.round < 4") >> left
    left.otherwise() >> meet
    right >> meet
    scatter.may_route(item)
    [item, meet] >> end
    return Graph(first, name="mixed")


async def ids_of(graph: Graph, seed: int, run_id: str) -> Counter[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    await graph.run({}, run_id=run_id, metadata={"ids": found, "order": random.Random(seed)})
    return Counter(found)


async def test_the_same_run_id_gives_the_same_step_ids_in_whatever_order_steps_complete() -> None:
    """1.3."""
    graph = mixed()
    first = await ids_of(graph, 0, "run-1")
    for seed in range(1, 60):
        assert await ids_of(graph, seed, "run-1") == first


async def test_an_equal_graph_made_anew_gives_the_same_step_ids() -> None:
    """1.3: a resumed process compiles its graph again."""
    assert await ids_of(mixed(), 1, "run-1") == await ids_of(mixed(), 2, "run-1")


async def test_step_ids_are_unique_in_a_run() -> None:
    """1.3."""
    ids = await ids_of(mixed(), 3, "run-1")
    assert set(ids.values()) == {1}
    assert len(ids) == sum(ids.values()) == 13


async def test_other_runs_have_other_step_ids() -> None:
    """1.3."""
    graph = mixed()
    one, two = await ids_of(graph, 0, "run-1"), await ids_of(graph, 0, "run-2")
    assert not set(one) & set(two)


async def test_a_step_id_says_its_node() -> None:
    for name, step_id in await ids_of(mixed(), 0, "run-1"):
        assert step_id.startswith(f"{name}:")


async def test_the_steps_of_a_graph_inside_are_the_same_again_too() -> None:
    """1.3, 2.7."""
    outer = Graph(mixed().as_node(id="inside"), name="outer")
    first = await ids_of(outer, 0, "run-1")
    assert await ids_of(outer, 1, "run-1") == first
    assert set(first.values()) == {1}
