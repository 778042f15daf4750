"""A node by itself, once or for many items: its config and metadata, and what its watcher is told (8.4, 8.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nodeloom import Batch, Engine, Graph, Node, node
from nodeloom.nodes.event import Event


class CarriedOver(Node):
    """Spelled `execute`."""

    isolation = "inline"

    async def execute(self, state: Any, config: Any, runtime: Any) -> Any:
        runtime.stream.send(state["n"])
        return {"model": config["model"], "n": state["n"]}


@node(id="counts", isolation="inline")
async def counts(inputs: Any, ctx: Any) -> Any:
    ctx.progress(1, 2, "half")
    ctx.stream({"chunk": inputs["n"]})
    return {"n": inputs["n"], "for": ctx.metadata.get("for")}


CONFIG = {"model": "small"}
MANY = [{"n": 1}, {"n": 2}]


async def streamed(node: Node, items: Any, **settings: Any) -> list[Any]:
    return [slot.output async for slot in node.map_stream(items, **settings)]


async def mapped(node: Node, items: Any, **settings: Any) -> list[Any]:
    return list((await node.map(items, **settings)).results)


async def mapped_on_an_engine(node: Node, items: Any, **settings: Any) -> list[Any]:
    async with Engine() as engine:
        return list((await engine.map(node, items, **settings)).results)


every_map = pytest.mark.parametrize("map_", [mapped, streamed, mapped_on_an_engine])


@every_map
async def test_map_takes_a_config(map_: Callable[..., Any]) -> None:
    """What `run` and a direct call take"""
    expected = [{"model": "small", "n": 1}, {"model": "small", "n": 2}]
    assert await map_(CarriedOver(), MANY, config=CONFIG) == expected
    assert await map_(CarriedOver(), MANY, config=CONFIG, parallel=True, max_concurrent=2) == expected


@every_map
async def test_map_takes_metadata(map_: Callable[..., Any]) -> None:
    assert await map_(counts, MANY, metadata={"for": "me"}) == [{"n": 1, "for": "me"}, {"n": 2, "for": "me"}]


def test_code_that_is_not_async_gives_them_too() -> None:
    assert CarriedOver().map_sync(MANY[:1], config=CONFIG).results == [{"model": "small", "n": 1}]
    assert counts.run_sync({"n": 3}, metadata={"for": "you"})["for"] == "you"


@every_map
async def test_the_watcher_of_a_map_is_told_what_that_of_a_step_with_a_batch_is(map_: Callable[..., Any]) -> None:
    """8.5"""
    events: list[Event] = []
    await map_(counts, MANY, watch=events.append)
    in_graph: list[Event] = []

    def shape(of: list[Event]) -> list[Any]:
        return [(each.type, each.node, each.data.keys()) for each in of if each.node is not None]

    async with Engine() as engine:
        await engine.run(Graph(of_a_batch(), name="g"), watch=in_graph.append)
    assert shape(events) == shape(in_graph)
    assert [each["chunk"] for each in events if each.type == "chunk"] == [{"chunk": 1}, {"chunk": 2}]
    assert [each["message"] for each in events if each.type == "progress" and each["message"]] == ["half", "half"]


def of_a_batch() -> Node:
    """The same work on the items of a batch."""

    @node(id="counts", isolation="inline", batch=Batch(items=MANY))
    async def works(ctx: Any) -> Any:
        ctx.progress(1, 2, "half")
        ctx.stream({"chunk": ctx.item["n"]})
        return {"n": ctx.item["n"], "for": None}

    return works


async def test_a_direct_call_has_a_watcher_and_metadata() -> None:
    """As `Engine.run` has"""
    events: list[Event] = []
    outputs = await counts({"n": 3}, watch=events.append, metadata={"for": "me"})
    assert outputs == {"n": 3, "for": "me"}
    assert [each.type for each in events] == [
        "run_started",
        "step_started",
        "progress",
        "chunk",
        "step_completed",
        "run_completed",
    ]


async def test_a_runtime_that_is_given_is_the_nodes_own_all_the_same() -> None:
    """Node classes that carry over: what is given as the runtime streams"""

    class Stream:
        def send(self, chunk: Any) -> None:
            sent.append(chunk)

    class Given:
        stream = Stream()

    sent: list[Any] = []
    await CarriedOver()({"n": 4}, config=CONFIG, runtime=Given())
    assert sent == [4]


@pytest.mark.parametrize("wrong", ["run_id", "confg"])
async def test_what_neither_takes_is_refused(wrong: str) -> None:
    options: dict[str, Any] = {wrong: {}}
    with pytest.raises(TypeError, match=wrong):
        await counts({"n": 1}, **options)
    with pytest.raises(Exception, match=wrong):
        await counts.map(MANY, **options)
