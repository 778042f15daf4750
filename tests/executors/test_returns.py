"""What `work` may return, and what becomes of anything else (1.7)."""

import asyncio
import threading
from typing import Any

import pytest

from nodeloom import Event, Graph, Node, Route, RunFailed, node
from nodeloom.errors import OutputError, RoutingError


async def events_of(graph: Graph, inputs: dict[str, Any] | None = None) -> list[Event]:
    return [event async for event in graph.stream(inputs)]


async def test_a_mapping_is_the_output() -> None:
    """1.7: any mapping."""
    from types import MappingProxyType

    for value in ({"a": 1}, MappingProxyType({"a": 1})):

        @node
        async def give(value=value):
            return value

        assert await give() == {"a": 1}


async def test_none_is_no_output() -> None:
    """1.7."""

    @node
    async def nothing():
        return None

    result = await Graph(nothing).run({"a": 1})
    assert result.outputs["nothing"] == {}
    assert result.state == {"a": 1}


async def test_what_was_returned_may_be_changed_afterwards_by_nobody_else() -> None:
    """1.7, 4.8: the top of a mapping is the runtime's once it was returned."""
    kept = {"a": 1}

    @node
    async def give():
        return kept

    @node
    async def read(inputs):
        kept["a"] = 2
        return {"read": inputs["a"]}

    give >> read
    assert (await Graph(give).run()).output == {"read": 1}


@pytest.mark.parametrize("value", [3, "text", [1], (1,), {1}, True, 0, "", [], False, object(), Node])
@pytest.mark.parametrize("inline", [True, False])
async def test_anything_else_is_a_type_error_naming_the_node(value: Any, inline: bool) -> None:
    """1.7."""

    @node(isolation="inline" if inline else "thread")
    def wrong():
        return value

    with pytest.raises(OutputError, match=f"work of node wrong returned {type(value).__name__}"):
        await wrong()
    with pytest.raises(TypeError):
        await wrong()


async def test_a_long_value_is_shortened_in_the_message() -> None:
    @node
    async def wrong():
        return "x" * 10_000

    with pytest.raises(OutputError) as caught:
        await wrong()
    assert len(str(caught.value)) < 300


# --- routes


def routing(to: Any, outputs: Any = None) -> Graph:
    @node
    async def start(inputs):
        return Route(outputs, to=to)

    @node
    async def b(inputs, state):
        return {"b": dict(inputs), "seen": sorted(state)}

    @node
    async def c(inputs):
        return {"c": dict(inputs)}

    start >> b
    start.may_route(c)
    return Graph(start, name="g")


async def test_a_route_takes_one_edge() -> None:
    """1.7."""
    result = await routing("c", {"n": 1}).run({"a": 1})
    assert result.output == {"c": {"n": 1}}
    assert result.state == {"a": 1, "n": 1, "c": {"n": 1}}


async def test_a_route_takes_several_edges() -> None:
    """1.7."""
    result = await routing(["b", "c"], {"n": 1}).run()
    assert result.output == {"b": {"n": 1}, "seen": ["n"], "c": {"n": 1}}


async def test_a_route_names_nodes_as_objects_too() -> None:
    """1.7."""

    @node
    async def b(inputs):
        return {"went": inputs["n"]}

    @node
    async def start():
        return Route({"n": 1}, to=b)

    start.may_route(b)
    assert (await Graph(start).run()).output == {"went": 1}


async def test_a_route_gives_inputs_of_its_own() -> None:
    """1.7, 3.7: the outputs are the state's all the same."""
    result = await routing(("b", {"own": 2}), {"n": 1}).run()
    assert result.output == {"b": {"own": 2}, "seen": ["n"]}
    assert result.outputs["start"] == {"n": 1}


async def test_a_route_sends_one_node_many_times() -> None:
    """3.7: each token starts its target once, and they meet at the next join."""

    @node
    async def scatter():
        return Route({"n": 3}, to=[("square", {"n": n}) for n in range(100)])

    @node
    async def square(inputs):
        await asyncio.sleep(0)
        return {"square": inputs["n"] ** 2}

    @node(join="all")
    async def gather(ctx, state):
        return {"last": state["square"]}

    scatter.may_route(square)
    square >> gather
    result = await Graph(scatter).run()
    assert result.steps == 102
    assert result.output == {"last": 99**2}


async def test_a_route_to_nowhere_ends_the_branch() -> None:
    """1.7, 2.4."""
    nowhere: list[Any] = [[], ()]
    for to in nowhere:
        graph = routing(to, {"n": 1})
        result = await graph.run()
        assert (result.status, result.output, result.steps) == ("completed", {"n": 1}, 1)
        assert "branch_ended" in [event.type for event in await events_of(graph)]


@pytest.mark.parametrize("to", ["nobody", "start", ["b", "nobody"], Node])
async def test_a_route_to_a_node_without_an_edge_fails_the_step(to: Any) -> None:
    """1.7: naming the edges there are."""
    with pytest.raises(RunFailed, match="start") as caught:
        await routing(to).run()
    if isinstance(to, str):
        assert isinstance(caught.value.__cause__, RoutingError)
        assert sorted(str(caught.value).partition("edges to: ")[2].partition(")")[0].split(", ")) == ["b", "c"]
        assert "may_route" in str(caught.value)


@pytest.mark.parametrize("outputs", [3, "text", [1]])
async def test_the_outputs_of_a_route_are_a_mapping_or_none(outputs: Any) -> None:
    """1.7."""
    with pytest.raises(RunFailed, match="OutputError"):
        await routing("b", outputs).run()


async def test_a_failure_of_a_route_can_be_caught() -> None:
    """2.5: it is a failure of the step."""

    @node
    async def start():
        return Route(to="nobody")

    @node
    async def sorry(ctx):
        return {"type": ctx.error["type"]}

    start.on_error(RoutingError) >> sorry
    assert (await Graph(start).run()).output == {"type": "RoutingError"}


# --- generators


def chunked(kind: str, items: list[Any]) -> Any:
    if kind == "async":

        @node
        async def chunks():
            for item in items:
                yield item

        return chunks

    @node(isolation="inline" if kind == "inline" else "thread")
    def plain_chunks():
        yield from items

    return plain_chunks


KINDS = ["async", "thread", "inline"]


@pytest.mark.parametrize("kind", KINDS)
async def test_every_yield_is_streamed_in_order_and_the_last_is_the_output(kind: str) -> None:
    """1.7."""
    items = [*range(500), "text", None, {"n": 1}]
    graph = Graph(chunked(kind, items))
    events = await events_of(graph)
    assert [event["chunk"] for event in events if event.type == "chunk"] == items
    assert events[-1]["output"] == {"n": 1}
    types = [event.type for event in events]
    assert types.index("step_completed") > max(n for n, each in enumerate(types) if each == "chunk")
    assert (await graph.run()).output == {"n": 1}


@pytest.mark.parametrize("kind", KINDS)
async def test_chunks_carry_their_attempt_node_and_step(kind: str) -> None:
    """1.7."""
    events = await events_of(Graph(chunked(kind, [{"n": 1}])))
    chunk = next(event for event in events if event.type == "chunk")
    started = next(event for event in events if event.type == "step_started")
    assert chunk.attempt == 1
    assert (chunk.node, chunk.step_id) == (started.node, started.step_id)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("last", [3, "text", [1], 0, "", None])
async def test_a_last_chunk_that_is_no_mapping_is_a_type_error_naming_the_node(kind: str, last: Any) -> None:
    """1.7."""
    made = chunked(kind, [{"n": 1}, last])
    with pytest.raises(OutputError, match=f"last chunk that node {made.id} yields.*{type(last).__name__}"):
        await made()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_generator_that_yields_nothing_has_no_outputs(kind: str) -> None:
    """1.7."""
    assert await chunked(kind, [])() == {}


@pytest.mark.parametrize("isolation", ["thread", "inline"])
async def test_what_a_generator_returns_besides_is_refused(isolation: str) -> None:
    """1.7: what it yields last is its output, and nothing is lost without a word."""

    @node(isolation=isolation)
    def chunks():
        yield {"n": 1}
        return {"n": 2}

    with pytest.raises(OutputError, match=r"node chunks yields.*yield \{'n': 2\} instead"):
        await chunks()


async def test_a_chunk_is_seen_before_the_next_is_made() -> None:
    """1.7: streamed at once, not gathered."""
    seen = asyncio.Event()

    @node
    async def chunks():
        yield {"n": 1}
        await seen.wait()
        yield {"n": 2}

    async with asyncio.timeout(5):
        async for event in Graph(chunks).stream():
            if event.type == "chunk":
                seen.set()


async def test_a_chunk_of_a_thread_is_seen_before_the_next_is_made() -> None:
    """1.7."""
    seen = threading.Event()

    @node
    def chunks():
        yield {"n": 1}
        assert seen.wait(5)
        yield {"n": 2}

    async for event in Graph(chunks).stream():
        if event.type == "chunk":
            seen.set()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_generator_that_fails_fails_the_step_after_its_chunks(kind: str) -> None:
    """1.7, 2.5."""

    def items():
        yield {"n": 1}
        raise ValueError("half way")

    made = node(id="half")(items) if kind != "async" else None
    if made is None:

        @node(id="half")
        async def made():
            for item in items():
                yield item

    assert made is not None
    events = await events_of(Graph(made))
    types = [event.type for event in events]
    assert types == ["run_started", "step_started", "chunk", "step_failed", "run_failed"]
    assert events[-1]["error"]["message"] == "half way"


async def test_a_sync_function_that_lets_a_stop_iteration_out_fails_its_step() -> None:
    """1.6, 2.5: `next()` of nothing must not leave the run waiting for ever."""

    @node
    def empty():
        return {"n": next(iter([]))}

    with pytest.raises(RuntimeError, match="StopIteration"):
        await asyncio.wait_for(empty(), 5)
