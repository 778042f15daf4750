"""The same wired nodes as a graph, as actors and by tick: the same steps and outputs (semantics 2, 3, 9.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import pytest
from tests.matrix.ways import on_a_loop

from nodeloom import Clock, Fallback, Graph, Node, Quorum, Route, node

Given = list[tuple[str, dict[str, Any]]]


@node
async def number(inputs: Any) -> dict[str, Any]:
    return {"n": inputs["n"]}


@node
async def double(inputs: Any) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"n": inputs["n"] * 2, "doubled": True}


@node
def plain_double(inputs: Any) -> dict[str, Any]:
    return {"n": inputs["n"] * 2, "doubled": True}


@node
async def square(inputs: Any) -> dict[str, Any]:
    return {"n": inputs["n"] ** 2, "squared": True}


@node
async def more(state: Any) -> dict[str, Any]:
    return {"n": state["n"] + 1}


@node
async def all_of_it(ctx: Any) -> dict[str, Any]:
    return {
        "state": dict(ctx.state),
        "inputs": dict(ctx.inputs),
        "outputs": {k: dict(v) for k, v in ctx.outputs.items()},
    }


@node
async def breaks(inputs: Any) -> None:
    raise ValueError(f"no good: {inputs['n']}")


@node
async def sorry(ctx: Any) -> dict[str, Any]:
    return {"error": dict(ctx.error), "inputs": dict(ctx.inputs)}


@node
async def spreads(inputs: Any) -> Route:
    return Route({"n": 0}, to=[("double", {"n": each}) for each in range(inputs["n"])])


def diamond() -> Node:
    start, end = number.copy(), all_of_it.copy()
    start >> [double.copy(), square.copy()] >> end
    return start


def conditions() -> Node:
    start = number.copy()
    start.on(n__gt=10) >> double.copy()
    start.on("output.n <= 3 and inputs.n > 1") >> square.copy()
    start.otherwise() >> more.copy()
    return start


def error_edge() -> Node:
    start, bad = number.copy(), breaks.copy()
    start >> bad
    bad.on_error(ValueError) >> sorry.copy()
    bad >> double.copy()
    return start


def error_nobody_catches() -> Node:
    start = number.copy()
    start >> breaks.copy() >> double.copy()
    return start


def loop() -> Node:
    start, again = number.copy(), more.copy()
    start >> again
    again.on("output.n < 6") >> again
    again.otherwise() >> all_of_it.copy()
    return start


def routes() -> Node:
    start, end = spreads.copy(), all_of_it.copy(join="all")
    target = double.copy()
    start.may_route(target)
    target >> end
    return start


def any_join() -> Node:
    start, end = number.copy(), more.copy(join="any")
    start >> [double.copy(), square.copy()] >> end
    return start


def quorum() -> Node:
    start, end = number.copy(), more.copy(join=Quorum(1))
    start >> [double.copy(), square.copy()] >> end
    return start


def fallback() -> Node:
    start = number.copy()
    start >> breaks.copy(policies=[Fallback(value={"n": 1})]) >> double.copy()
    return start


def across_threads() -> Node:
    start = number.copy()
    start >> plain_double.copy() >> all_of_it.copy()
    return start


# --- the ways


async def as_graph(start: Node, inputs: Mapping[str, Any]) -> Given:
    events = [event async for event in Graph(start, name="wired").stream(inputs)]
    return [(event.node, dict(event["outputs"])) for event in events if event.type == "step_completed" and event.node]


def noting(given: Given, name: str) -> Callable[[Any], None]:
    return lambda outputs: given.append((name, dict(outputs)))


async def as_actors(start: Node, inputs: Mapping[str, Any]) -> Given:
    given: Given = []
    graph = Graph(start, name="wired")
    async with graph.actors() as system:
        for name in graph.nodes:
            system[name].add_observer(noting(given, name))
        await system.tell(start, inputs)
        await system.drain()
    return given


async def by_tick(start: Node, inputs: Mapping[str, Any]) -> Given:
    given: Given = []
    start.rate = 1.0
    clock = Clock(Graph(start, name="wired"), grace=1e6)
    for name in clock.graph.nodes:
        clock[name].add_observer(noting(given, name))
    await clock.run(duration=0.5, inputs=inputs)
    await asyncio.sleep(0)
    return given


class Way(NamedTuple):
    """A way to run wired nodes once from their start."""

    name: str
    run: Callable[[Node, Mapping[str, Any]], Awaitable[Given]]
    virtual: bool = False

    def __repr__(self) -> str:
        return self.name


WAYS = [Way("actors", as_actors), Way("tick", by_tick, virtual=True), Way("tick-thread", by_tick)]
WIRED = [
    (diamond, {"n": 3}),
    (conditions, {"n": 20}),
    (conditions, {"n": 2}),
    (conditions, {"n": 5}),
    (error_edge, {"n": 3}),
    (error_nobody_catches, {"n": 3}),
    (loop, {"n": 1}),
    (routes, {"n": 3}),
    (any_join, {"n": 3}),
    (fallback, {"n": 3}),
    (across_threads, {"n": 3}),
]


def in_order(given: Given) -> list[str]:
    return sorted(repr(each) for each in given)


@pytest.mark.parametrize("way", WAYS, ids=repr)
@pytest.mark.parametrize(("wired", "inputs"), WIRED, ids=lambda each: getattr(each, "__name__", str(each)))
def test_wired_nodes_take_the_same_steps_in_every_way(
    wired: Callable[[], Node], inputs: dict[str, Any], way: Way
) -> None:
    """2.1, 2.5, 3.1, 9.6, 10.3: conditions, error edges, joins and routes are those of the graph."""
    expected = on_a_loop(lambda: as_graph(wired(), inputs))
    seen = on_a_loop(lambda: way.run(wired(), inputs), virtual=way.virtual and wired is not across_threads)
    assert in_order(seen) == in_order(expected)


@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_a_quorum_starts_once_in_every_way(way: Way) -> None:
    """3.4: which arrival counted depends on timing."""
    seen = on_a_loop(lambda: way.run(quorum(), {"n": 3}), virtual=way.virtual)
    assert [name for name, _ in seen].count("more") == 1
