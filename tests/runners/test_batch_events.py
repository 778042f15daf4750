"""What watchers are told of a batch (8.5), and how it is paused (6.2)."""

from __future__ import annotations

import asyncio
from typing import Any

from nodeloom import Batch, Engine, Event, Graph, node
from nodeloom.testing import run_virtual


def batch_of(work: Any, **settings: Any) -> Graph:
    return Graph(node(id="each", batch=Batch(**settings))(work), name="batch")


def watched(graph: Graph, inputs: dict[str, Any]) -> list[Event]:
    """The events of a run in virtual time."""

    async def main() -> list[Event]:
        return [event async for event in graph.stream(inputs)]

    return run_virtual(main())


def test_each_item_is_told_of_as_it_ends() -> None:
    """8.5: with its index, what it gave or what failed it, and how long it took."""

    async def work(ctx):
        await asyncio.sleep(3 - ctx.item)
        return {"n": 1 / ctx.item}

    events = watched(batch_of(work, items=[2, 0, 1], parallel=True, error_handling="continue"), {})
    told = [(event.type, event["index"], event["duration"]) for event in events if event.type.startswith("item_")]
    assert told == [("item_completed", 0, 1), ("item_completed", 2, 2), ("item_failed", 1, 3)]
    completed = next(event for event in events if event.type == "item_completed")
    failed = next(event for event in events if event.type == "item_failed")
    assert completed["outputs"] == {"n": 0.5}
    assert completed.step_id is not None
    assert completed.step_id.endswith("[0]")
    assert (failed["error"]["type"], failed["error"]["index"]) == ("ZeroDivisionError", 1)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_a_cancelled_item_is_told_of_as_cancelled() -> None:
    """8.2, 8.5: cancelled is not failed."""

    async def work(ctx):
        await asyncio.sleep(ctx.item)
        raise ValueError

    events = watched(batch_of(work, items=[1, 2], parallel=True), {})
    told = [(event.type, event["index"]) for event in events if event.type.startswith("item_")]
    assert told == [("item_failed", 0), ("item_cancelled", 1)]
    assert [event.type for event in events][-2:] == ["step_failed", "run_failed"]


def test_progress_says_how_many_are_done_and_failed_the_rate_and_the_seconds_left() -> None:
    """8.5: at the beginning, at the end, and at most some ten times a second between."""

    async def work(ctx):
        await asyncio.sleep(0.02)
        return {"n": 1 / (ctx.item % 4)}

    graph = batch_of(work, items="{{ inputs.items }}", error_handling="continue")
    progress = [event for event in watched(graph, {"items": list(range(100))}) if event.type == "progress"]
    first, *between, last = progress
    assert (first["done"], first["failed"], first["total"], first["rate"], first["left"]) == (0, 0, 100, None, None)
    assert (last["done"], last["failed"], last["total"], last["left"]) == (100, 25, 100, 0)
    assert last["message"] == "25 failed"
    assert 15 <= len(between) <= 20  # 2 s
    middle = between[len(between) // 2]
    assert 45 < middle["rate"] < 55
    assert abs(middle["left"] - (100 - middle["done"]) * 0.02) < 0.1
    assert all(event.step_id == first.step_id for event in progress)


def test_of_an_iterator_the_total_is_known_at_the_end() -> None:
    """8.5."""

    async def work():
        await asyncio.sleep(1)

    progress = [event for event in watched(batch_of(work, items=lambda: iter([1, 2])), {}) if event.type == "progress"]
    assert [event["total"] for event in progress] == [None, None, None, 2]
    assert [event["left"] for event in progress] == [None, None, None, 0]


def test_a_retry_of_an_item_is_announced() -> None:
    """1.7, 8.1."""

    async def work(ctx):
        if ctx.attempt == 1:
            raise ValueError
        return {}

    events = watched(batch_of(work, items=[1], max_retries=2), {})
    (retried,) = [event for event in events if event.type == "step_retried"]
    assert retried.step_id is not None
    assert (retried.step_id[-3:], retried.attempt) == ("[0]", 2)


def test_a_paused_run_begins_no_item_and_goes_on_where_it_was() -> None:
    """6.2: running items finish."""
    begun: list[int] = []
    ended: list[int] = []

    async def work(ctx):
        begun.append(ctx.item)
        await asyncio.sleep(0.001)
        ended.append(ctx.item)
        return {"n": ctx.item}

    async def main(**settings: Any) -> None:
        begun.clear()
        ended.clear()
        async with Engine() as engine:
            graph = batch_of(work, items=list(range(6)), **settings)
            run = await engine.start(graph, run_id="paused")
            await asyncio.sleep(0.0015)
            await engine.pause("paused")
            at_pause = list(begun)
            assert sorted(begun) == sorted(ended)
            assert len(begun) < 6
            await asyncio.sleep(10)
            assert begun == at_pause
            await engine.resume("paused")
            assert (await run.result()).output["results"] == [{"n": n} for n in range(6)]
            assert sorted(begun) == list(range(6))

    run_virtual(main())
    run_virtual(main(max_concurrent=2))
    run_virtual(main(max_concurrent=2, error_handling="continue"))


def test_a_worker_that_comes_when_the_run_is_paused_begins_nothing() -> None:
    """6.2."""
    begun: list[int] = []
    first = asyncio.Event()

    async def work(ctx):
        begun.append(ctx.item)
        first.set()
        await asyncio.sleep(1)

    async def main() -> None:
        async with Engine() as engine:
            run = await engine.start(batch_of(work, items=list(range(50)), max_concurrent=50), run_id="paused")
            await first.wait()
            at_pause = len(begun)
            await engine.pause("paused")
            assert len(begun) == at_pause < 50
            await engine.resume("paused")
            await run.result()
            assert sorted(begun) == list(range(50))

    run_virtual(main())
