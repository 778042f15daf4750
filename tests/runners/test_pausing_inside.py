"""A pause holds the steps of graphs inside, and the items of batches (6.2, 2.7, 8.1)."""

import asyncio

import pytest
from tests.runners.pausing import Bench, bench, nested, turns

from nodeloom import Engine, Event, Graph, node
from nodeloom.model.batch import Batch

__all__ = ["bench"]


async def test_the_steps_of_graphs_inside_are_steps_of_the_run(bench: Bench) -> None:
    """6.2, 2.7: pausing the outer run holds the inner one, at any depth."""
    bench.let("a", "c", "z")
    async with Engine() as engine:
        run = await engine.start(nested(bench))
        await turns()
        assert bench.began == ["a", "b"]
        pausing = asyncio.create_task(run.pause())
        await turns()
        assert not pausing.done()
        bench.let("b")
        await pausing
        await turns()
        assert bench.began == ["a", "b"]
        assert run.status == "paused"
        await run.resume()
        assert (await run.result()).status == "completed"
        assert bench.ended == ["a", "b", "c", "z"]


async def test_a_graph_inside_that_begins_while_its_run_is_being_paused_begins_no_step(bench: Bench) -> None:
    """6.2: the step with it runs, and so nothing but it has to end."""
    began, free = asyncio.Event(), asyncio.Event()
    inner = Graph(bench.step("b"), name="inner")

    @node
    async def outer(ctx):
        began.set()
        await free.wait()
        return await ctx.run_inner(inner, {})

    async with Engine() as engine:
        run = await engine.start(Graph(outer))
        await began.wait()
        pausing = asyncio.create_task(run.pause())
        await turns()
        free.set()
        await pausing
        assert bench.began == []
        bench.let("b")
        await run.resume()
        assert (await run.result()).status == "completed"


async def test_an_inner_run_can_be_paused_by_itself_and_stays_so_when_the_outer_one_goes_on(bench: Bench) -> None:
    """6.2."""
    b, c = bench.step("b"), bench.step("c")
    b >> c
    seen: list[Event] = []
    async with Engine() as engine:
        run = await engine.start(Graph(Graph(b, name="inner").as_node(id="in"), name="out"), watch=seen.append)
        await turns()
        inner = next(event.run_id for event in seen if event.node == "b")
        assert inner.startswith(run.id)
        bench.let("b", "c")
        await engine.pause(inner)
        await engine.pause(run.id)
        await engine.resume(run.id)
        await turns()
        assert bench.began == ["b"]
        await engine.resume(inner)
        assert (await run.result()).status == "completed"


async def test_runs_that_a_step_awaits_several_of_end_with_the_step(bench: Bench) -> None:
    """6.2: a step that runs graphs beside one another runs; a pause that held them would wait for ever."""
    b, c = bench.step("b"), bench.step("c")
    b >> c
    inner, after = Graph(b, name="inner"), bench.step("z")

    @node
    async def both(ctx):
        await asyncio.gather(ctx.run_inner(inner, {}), ctx.run_inner(inner, {}))

    both >> after
    async with Engine() as engine:
        run = await engine.start(Graph(both))
        await turns()
        bench.let("b", "c", "z")
        async with asyncio.timeout(5):
            await run.pause()
        assert sorted(bench.ended) == ["b", "b", "c", "c"]
        await run.resume()
        assert (await run.result()).status == "completed"


async def test_parts_of_a_step_that_the_engine_knows_of_are_held_one_by_one(bench: Bench) -> None:
    """6.2, 8.3: as the items of a batch."""
    b, c = bench.step("b"), bench.step("c")
    b >> c
    inner = Graph(b, name="inner")
    items: list[int] = []

    @node
    async def batch(ctx):
        todo = iter(range(6))
        with ctx.live.services.parts(ctx) as parts:

            async def worker():
                with parts.part():
                    for item in todo:
                        await parts.at_gate()
                        items.append(item)
                        await ctx.run_inner(inner, {})

            async with asyncio.TaskGroup() as workers:
                for _ in range(2):
                    workers.create_task(worker())

    async with Engine() as engine:
        run = await engine.start(Graph(batch))
        await turns()
        assert (items, bench.began) == ([0, 1], ["b", "b"])
        pausing = asyncio.create_task(run.pause())
        await turns()
        assert not pausing.done()
        bench.let("b")
        await pausing
        assert bench.began == ["b", "b"]
        bench.let("c")
        await turns()
        assert items == [0, 1]
        await run.resume()
        assert (await run.result()).status == "completed"
        assert sorted(items) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("within", [None, 0.01])
@pytest.mark.parametrize("kind", ["graph", "node"])
async def test_the_items_of_a_batch_are_held_too(bench: Bench, kind: str, within: float | None) -> None:
    """6.2, 8.3: none begins in a paused run, be it a node's or a graph's."""
    b, c = bench.step("b"), bench.step("c")
    batch = Batch(items=list(range(5)), max_concurrent=2)
    many = b.copy(id="many", batch=batch)
    if kind == "graph":
        b >> c
        many = Graph(b, name="inner").as_node(id="many").copy(batch=batch)
    async with Engine() as engine:
        run = await engine.start(Graph(many))
        await turns()
        assert bench.began == ["b", "b"]
        pausing = asyncio.create_task(run.pause(within=within))
        await turns()
        assert not pausing.done()
        if within is None:
            bench.let("b")
        left = await pausing
        assert (left is None) == (within is None)
        await turns()
        assert (bench.began, run.status) == (["b", "b"], "paused")
        bench.let("b", "c")
        await run.resume()
        assert (await run.result()).status == "completed"
        assert bench.began.count("b") == (5 if within is None else 7)


async def test_the_items_of_a_batch_that_are_done_are_not_done_again(bench: Bench) -> None:
    """6.2: of graphs that are items, only the steps that were cancelled begin anew."""
    done: list[int] = []

    @node
    async def first():
        if len(done) == 2:
            await bench.free["last"].wait()
        done.append(len(done))

    many = Graph(first, name="inner").as_node(id="many").copy(batch=Batch(items=[0, 1, 2]))
    async with Engine() as engine:
        run = await engine.start(Graph(many))
        while len(done) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        left = await run.pause(within=0.01)
        assert left is not None
        assert [step.node for step in left.steps] == ["many/first"]
        bench.let("last")
        await run.resume()
        await run.result()
    assert done == [0, 1, 2]
