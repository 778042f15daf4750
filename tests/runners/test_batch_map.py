"""`map`: a node by itself, for each of many items; all at the end, or one by one (8.4, 8.5)."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pydantic
import pytest

from nodeloom import Batch, BatchResult, Graph, Node, Params, Slot, node
from nodeloom.errors import NodeloomError
from nodeloom.policies import Deadline
from nodeloom.testing import run_virtual


@node
async def double(inputs):
    return {"n": inputs["n"] * 2}


@dataclass
class Point:
    n: int


class Model(pydantic.BaseModel):
    n: int


async def test_a_mapping_is_that_call_s_inputs() -> None:
    """8.4; a dataclass and a model are taken as in a call."""
    batch = await double.map([{"n": 1}, Point(2), Model(n=3)])
    assert batch.results == [{"n": 2}, {"n": 4}, {"n": 6}]
    assert batch.results[0] is not None
    assert batch.results[0].n == 2
    assert repr(batch) == "<BatchResult: 3 items, 3 ok, 0 failed>"


async def test_what_is_no_mapping_is_the_one_input_item() -> None:
    """8.4: or what `as_` calls it."""
    path = PurePosixPath("a/b")

    @node
    async def see(inputs, state):
        return {"inputs": dict(inputs), "state": dict(state)}

    results = (await see.map([1, "two", None, [3], path])).results
    assert results == [{"inputs": {"item": each}, "state": {"item": each}} for each in (1, "two", None, [3], path)]
    assert (await see.map([1], as_="file")).results == [{"inputs": {"file": 1}, "state": {"file": 1}}]


async def test_each_item_is_as_a_call_of_the_node() -> None:
    """8.4: inputs, state, `run.inputs` and the item are that call's; in expressions and in Python."""

    class See(Node):
        class Params(Params):
            text: str = "{{ item.n }} {{ inputs.n }} {{ state.n }} {{ run.inputs.n }} {{ index }}"

        async def work(self, params, ctx):
            return {"text": params.text, "same": ctx.inputs == ctx.state == ctx.run_inputs == ctx.item, "i": ctx.index}

    see = See(text="{{ item.n }} {{ inputs.n }} {{ state.n }} {{ run.inputs.n }} {{ index }}")
    assert (await see.map([{"n": 7}, {"n": 8}])).results == [
        {"text": "7 7 7 7 0", "same": True, "i": 0},
        {"text": "8 8 8 8 1", "same": True, "i": 1},
    ]


async def test_what_an_item_changes_in_place_the_caller_does_not_see() -> None:
    """4.8."""
    items = [{"list": [1]}, [1], {"list": [1]}]

    @node
    async def change(inputs):
        next(iter(inputs.values())).append(2)

    await change.map(items)
    assert items == [{"list": [1]}, [1], {"list": [1]}]


async def test_items_are_values_and_never_read_as_templates() -> None:
    """12.1: only a document or the author's Python holds templates."""

    @node
    async def echo(inputs):
        return inputs

    assert (await echo.map(["{{ run.id }}", {"text": "{{ 1 + }}"}])).results == [
        {"item": "{{ run.id }}"},
        {"text": "{{ 1 + }}"},
    ]


async def test_a_call_says_what_is_different_from_the_node_s_own_batch() -> None:
    """8.1."""
    each = double.copy(
        id="each",
        batch=Batch(items="{{ outputs.nowhere.files }}", as_="file", max_concurrent=7, error_handling="continue"),
    )
    batch = await each.map([{"n": 1}, {"m": 1}])
    assert [slot.status for slot in batch.slots] == ["ok", "failed"]
    with pytest.raises(KeyError):
        await double.copy(id="each", batch=each.batch).map([{"m": 1}, {"n": 1}], error_handling="fail_fast")
    own = each.batch
    assert own is not None
    assert [own.mapped(settings).at_once for settings in ({}, {"parallel": True}, {"parallel": False})] == [7, 7, 1]
    assert own.mapped({"max_concurrent": 3}).at_once == 3
    assert own.mapped({}).as_ == "file"


async def test_the_error_of_the_lowest_failed_index_is_raised_with_the_slots() -> None:
    """8.3."""
    with pytest.raises(KeyError) as caught:
        await double.map([{"n": 1}, {}, {"n": 2}], parallel=True)
    batch: BatchResult = caught.value.batch  # type: ignore[attr-defined]
    assert batch.slots[1].status == "failed"
    assert batch.errors[0].type == "KeyError"


async def test_continue_raises_only_when_all_failed() -> None:
    """8.3."""
    batch = await double.map([{}, {"n": 1}], error_handling="continue")
    assert (batch.degraded, batch.error_count, batch.success_count) == (True, 1, 1)
    with pytest.raises(KeyError) as caught:
        await double.map([{}, {}], error_handling="continue")
    assert caught.value.batch.error_count == 2  # type: ignore[attr-defined]
    assert (await double.map([], error_handling="continue")).count == 0


def test_a_deadline_bounds_the_whole_call() -> None:
    """8.1."""

    @node(policies=[Deadline(1.5)])
    async def slow():
        await asyncio.sleep(1)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await slow.map([1, 2])

    run_virtual(main())


async def test_a_graph_is_mapped_as_a_node() -> None:
    """3.7, 8.4: each item is a run of the graph, with a step id of its own."""

    @node
    async def again(ctx):
        return {"n": ctx.state["n"] * 10, "run": ctx.run_id}

    first = double.copy(id="first")
    first >> again
    batch = await Graph(first, name="inner").as_node().map([{"n": 1}, {"n": 2}], parallel=True)
    assert [result and result.n for result in batch.results] == [20, 40]
    assert len({result and result.run for result in batch.results}) == 2


async def test_a_step_may_map_another_node() -> None:
    """8.4: nested, in the engine of the step."""

    @node
    async def outer(inputs):
        batch = await double.map([{"n": n} for n in range(inputs["item"])], parallel=True)
        return {"total": sum(result.n for result in batch.results if result is not None)}

    assert (await outer.map([1, 2, 3], parallel=True)).results == [{"total": 0}, {"total": 2}, {"total": 6}]


def test_map_from_code_that_is_not_async() -> None:
    """8.4."""
    assert double.map_sync([{"n": 1}]).results == [{"n": 2}]


async def test_items_that_are_no_list_are_refused() -> None:
    """8.1."""
    for wrong in (3, "text", {"n": 1}):
        with pytest.raises(NodeloomError, match="the items of the batch of node double are"):
            await double.map(wrong)


async def test_a_coroutine_that_gives_the_items_is_awaited() -> None:
    """8.1."""

    async def items() -> list[Any]:
        return [{"n": 1}]

    assert (await double.map(items())).results == [{"n": 2}]


async def numbers(count: int, taken: list[int] | None = None) -> AsyncIterator[dict[str, int]]:
    for n in range(count):
        if taken is not None:
            taken.append(n)
        yield {"n": n}


# --- one by one


def test_slots_are_given_as_they_end() -> None:
    """8.5."""

    @node
    async def wait(inputs):
        await asyncio.sleep(inputs["item"])
        return {"after": inputs["item"]}

    async def main() -> list[Slot]:
        return [slot async for slot in wait.map_stream([3, 1, 2], parallel=True)]

    slots = run_virtual(main())
    assert [(slot.index, slot.status, slot.seconds) for slot in slots] == [(1, "ok", 1), (2, "ok", 2), (0, "ok", 3)]
    assert slots[0].output is not None
    assert slots[0].output.after == 1


def test_who_is_slow_to_take_slots_holds_the_items_up() -> None:
    """8.5: no more are begun than can be taken."""
    taken: list[int] = []

    async def main() -> None:
        given = 0
        async for slot in double.map_stream(numbers(50, taken), max_concurrent=3):
            given += 1
            await asyncio.sleep(1)
            assert slot.status == "ok"
            assert len(taken) <= given + 2 * 3

    run_virtual(main())
    assert len(taken) == 50


async def test_a_failure_is_given_as_a_slot_and_raised_at_the_end() -> None:
    """8.3."""
    given: list[str] = []
    with pytest.raises(KeyError):
        async for slot in double.map_stream([{"n": 1}, {}, {"n": 2}]):
            given.append(slot.status)
    assert given == ["ok", "failed"]
    slots = [slot async for slot in double.map_stream([{"n": 1}, {}, {"n": 2}], error_handling="continue")]
    assert [slot.status for slot in slots] == ["ok", "failed", "ok"]
    assert slots[1].error is not None
    assert slots[1].error.type == "KeyError"
    given.clear()
    with pytest.raises(KeyError):
        async for slot in double.map_stream([{}, {}], error_handling="continue"):
            given.append(slot.status)
    assert given == ["failed", "failed"]


def test_leaving_the_loop_cancels_what_runs() -> None:
    """6.2."""
    running = 0

    @node
    async def wait(inputs):
        nonlocal running
        running += 1
        try:
            await asyncio.sleep(inputs["item"])
        finally:
            running -= 1

    async def main() -> None:
        slots = wait.map_stream([1, 100, 100], parallel=True)
        async for slot in slots:
            assert slot.index == 0
            break
        await slots.aclose()  # type: ignore[attr-defined]
        assert (running, asyncio.get_running_loop().time()) == (0, 1)

    run_virtual(main())


async def test_the_memory_of_a_stream_does_not_grow_with_its_items() -> None:
    """8.1, 8.5: items and slots are not held."""

    async def peak(count: int) -> int:
        tracemalloc.start()
        try:
            async for slot in double.map_stream(numbers(count), max_concurrent=4):
                assert slot.status == "ok"
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    await peak(100)
    assert await peak(4_000) < 1.5 * await peak(400)


# --- graphs as nodes, in a batch


async def test_a_graph_in_a_batch_is_given_the_item_and_its_index() -> None:
    """2.7, 8.4: beside the step's inputs."""

    @node
    async def see(ctx):
        return {**ctx.inputs, "state": dict(ctx.state)}

    inner = Graph(see, name="inner").as_node(batch=Batch(items="{{ inputs.files }}", as_="file", parallel=True))
    output = (await Graph(inner).run({"files": ["a", "b"], "k": 1})).output
    given = [{"files": ["a", "b"], "k": 1, "file": file, "index": index} for index, file in enumerate("ab")]
    assert output["results"] == [{**each, "state": each} for each in given]


async def test_a_graph_that_declares_its_inputs_is_given_those_of_the_two_that_it_declares() -> None:
    """2.7, 8.4."""

    @node
    async def see(inputs):
        return dict(inputs)

    graph = Graph(see, name="inner", inputs={"file": "string"})
    step = graph.as_node(batch=Batch(items=["a"], as_="file"))
    assert (await Graph(step).run()).output["results"] == [{"file": "a"}]


async def test_an_item_does_not_shadow_an_input_of_its_graph() -> None:
    """8.1: which may shadow nothing."""

    @node
    async def see(inputs):
        return dict(inputs)

    inner = Graph(see, name="inner").as_node(batch=Batch(items=["a"], error_handling="continue"))
    with pytest.raises(Exception, match="the inputs of this step have 'item' already"):
        await Graph(inner).run({"item": 1})


async def test_batches_within_batches() -> None:
    """8: a batched graph whose node has a batch; each inner step has an id of its own."""
    ids: set[str] = set()

    @node(batch=Batch(items="{{ inputs.row }}", as_="cell", parallel=True))
    async def cell(ctx):
        ids.add(f"{ctx.run_id}/{ctx.step_id}")
        return {"n": ctx.item * 10 + ctx.inputs["index"]}

    rows = Graph(cell, name="rows", outputs={"cells": "{{ outputs.cell.results }}"})
    step = rows.as_node(batch=Batch(items="{{ inputs.table }}", as_="row", parallel=True))
    output = (await Graph(step).run({"table": [[1, 2], [3]]}, run_id="r")).output
    assert output["results"] == [{"cells": [{"n": 10}, {"n": 20}]}, {"cells": [{"n": 31}]}]
    assert len(ids) == 3
    assert all(each.startswith("r/rows:") for each in ids)


async def test_what_fails_inside_a_graph_is_what_failed_an_item() -> None:
    """2.7, 8.2."""
    inner = Graph(double.copy(id="inside"), name="inner").as_node()
    batch = await inner.map([{"n": 1}, {"m": 1}], error_handling="continue")
    assert (batch.errors[0].type, batch.errors[0].message) == ("KeyError", "'n'")


def test_cancelling_reaches_the_runs_inside() -> None:
    """6.2, 8.3: fail_fast in the outer batch cancels the inner ones, and awaits them."""
    running = 0

    @node(batch=Batch(items=[1, 2], parallel=True))
    async def inside(ctx):
        nonlocal running
        running += 1
        try:
            if ctx.inputs["item"] == 2:
                await asyncio.sleep(1)
                raise ValueError
            await asyncio.sleep(10)
        finally:
            running -= 1

    async def main() -> None:
        outer = Graph(inside, name="inner").as_node()
        with pytest.raises(Exception, match="ValueError") as caught:
            await outer.map([1, 2, 3], parallel=True)
        batch: Any = caught.value.batch  # type: ignore[attr-defined]
        assert [slot.status for slot in batch.slots] == ["cancelled", "failed", "cancelled"]
        assert (running, asyncio.get_running_loop().time()) == (0, 1)

    run_virtual(main())
