"""Runs of any graph, paused and cancelled at any moment (6.2)."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.model.adapter import declaration_of
from tests.runners.pausing import pause_and_look, turns
from tests.spec.graphs import GraphData, Options, behave, graphs
from tests.spec.reference import SpecFailure, SpecRoute

from nodeloom import Engine, Graph, Node, Route
from nodeloom.errors import NodeloomError


class Drawn(Node):
    """What a drawn node does, after some turns of the loop."""

    def __init__(self, behaviour: Any, waits: Iterator[int], began: list[str], **values: Any) -> None:
        super().__init__(**values)
        self.behaviour = behaviour
        self.waits = waits
        self.began = began

    async def work(self, ctx):
        self.began.append(ctx.step_id)
        for _ in range(next(self.waits)):
            await asyncio.sleep(0)
        result = behave(self.behaviour, ctx)
        if isinstance(result, SpecFailure):
            raise {"ValueError": ValueError, "KeyError": KeyError}[result.type_name](result.type_name)
        if isinstance(result, SpecRoute):
            return Route(result.outputs, to=[(to, {} if given is None else given) for to, given in result.sends])
        return result


def round_and_round(numbers: Sequence[int]) -> Iterator[int]:
    while True:
        yield from numbers


def drawn_graph(data: GraphData, numbers: Sequence[int], began: list[str]) -> Graph:
    waits = round_and_round(numbers)
    nodes = [Drawn(each.behaviour, waits, began, id=each.id) for each in data.nodes]
    return Graph.assemble(declaration_of(data.to_spec()), nodes, None, None)


async def undisturbed(graph: Graph, inputs: dict[str, Any]) -> Any:
    async with Engine() as engine:
        return await engine.run(graph, inputs, check=False, run_id="r")


SURE = Options(quorums=False, any_joins=False, unhandled=False, broken_conditions=False)
"""Graphs whose results do not depend on timing."""
WAITS = st.lists(st.integers(0, 3), min_size=1, max_size=8)


@settings(deadline=None)
@given(
    data=graphs(SURE),
    numbers=WAITS,
    moments=st.lists(st.tuples(st.integers(0, 6), st.sampled_from((None, 0))), max_size=8),
    watched=st.booleans(),
    looks=st.booleans(),
)
def test_a_run_that_is_paused_at_any_moment_becomes_what_it_would_have_become(
    data: GraphData, numbers: list[int], moments: list[tuple[int, float | None]], watched: bool, looks: bool
) -> None:
    """6.2: and no step begins between the pause and its end."""

    async def main() -> None:
        expected = await undisturbed(drawn_graph(data, numbers, []), dict(data.inputs))
        began: list[str] = []
        async with Engine() as engine:
            graph = drawn_graph(data, numbers, began)
            watch = (lambda event: None) if watched else None
            run = await engine.start(graph, dict(data.inputs), run_id="r", check=False, watch=watch)
            for moment, within in moments:
                await turns(moment)
                await pause_and_look(run, began, within)
            result = await asyncio.wait_for(run.result(check=False), 10)
        assert result.status == expected.status
        if result.status == "completed":
            assert result == expected
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with pytest.MonkeyPatch.context() as patch:
        if not looks:
            patch.setattr("nodeloom.runners.graph.LOOK", 1e9)
        asyncio.run(main())


@settings(deadline=None, max_examples=50)
@given(data=graphs(), numbers=WAITS, moment=st.integers(0, 40), paused=st.booleans(), within=st.sampled_from((None, 0)))
def test_a_run_of_any_graph_can_be_cancelled_at_any_moment_and_leaves_no_task(
    data: GraphData, numbers: list[int], moment: int, paused: bool, within: float | None
) -> None:
    """6.2: also while it is paused, or on its way there."""

    async def main() -> None:
        async with Engine() as engine:
            run = await engine.start(drawn_graph(data, numbers, []), dict(data.inputs), check=False)
            await turns(moment)
            pausing = asyncio.create_task(run.pause(within=within))
            await turns(moment % 5 if paused else 0)
            await asyncio.wait_for(run.cancel(), 10)
            await asyncio.wait_for(pausing, 10)
            assert run.status in ("cancelled", "completed", "failed")
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert not engine._under_way.runs

    asyncio.run(main())


CALLS = st.sampled_from(
    ("pause", "pause soon", "resume", "cancel", "cancel soon", "drain soon", "leave", "stop", "close")
)


@settings(deadline=None, max_examples=60)
@given(
    drawn=st.lists(graphs(), min_size=1, max_size=3),
    numbers=WAITS,
    calls=st.lists(st.tuples(st.integers(0, 2), CALLS, st.integers(0, 5)), max_size=12),
    inside=st.booleans(),
)
def test_whatever_is_asked_of_runs_in_whatever_order_all_of_it_is_done_and_nothing_is_left(
    drawn: list[GraphData], numbers: list[int], calls: list[tuple[int, str, int]], inside: bool
) -> None:
    """6.2: each call comes to its end, however many others there are."""

    async def main() -> None:
        engine = Engine()
        asked: list[asyncio.Task[Any]] = []
        for n, data in enumerate(drawn):
            graph = drawn_graph(data, numbers, [])
            graph = Graph([graph.as_node(id="one"), graph.as_node(id="two")]) if inside else graph
            asked.append(asyncio.create_task(engine.run(graph, dict(data.inputs), run_id=str(n), check=False)))
        for n, call, moment in calls:
            await turns(moment)
            asked.append(asyncio.create_task(_ask(engine, str(n % len(drawn)), call, asked[n % len(drawn)])))
        await turns(10)
        async with asyncio.timeout(10):
            await engine.close()
            await asyncio.wait(asked)
        errors = [task.exception() for task in asked if not task.cancelled()]
        assert [error for error in errors if not isinstance(error, NodeloomError | None)] == []
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not engine._under_way.runs

    asyncio.run(main())


async def _ask(engine: Engine, run_id: str, call: str, caller: asyncio.Task[Any]) -> None:
    within = 0 if call.endswith("soon") else None
    match call.split(maxsplit=1)[0]:
        case "pause":
            await engine.pause(run_id, within=within)
        case "resume":
            await engine.resume(run_id)
        case "cancel":
            await engine.cancel(run_id, within=within)
        case "drain":
            await engine.drain(within=within)
        case "leave":
            caller.cancel()
        case "stop":
            await engine.stop(grace=0.001)
        case _:
            await engine.close()
