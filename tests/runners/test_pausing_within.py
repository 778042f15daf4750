"""The deadline of a pause: what still runs then is cancelled, and begins anew (6.2)."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.runners.pausing import Bench, bench, diamond, line, nested, turns

from nodeloom import Engine, Graph, Retry, node

__all__ = ["bench"]


@pytest.mark.parametrize("shape", [line, diamond])
async def test_what_still_runs_at_the_deadline_is_named_and_begins_anew(
    bench: Bench, shape: Callable[[Bench], Graph]
) -> None:
    """6.2, 11.2: under the same step id, and with nothing left of its first go."""
    async with Engine() as engine:
        run = await engine.start(shape(bench))
        bench.let("a", "c")
        await turns()
        left = await engine.pause(run.id, within=0.01)
        assert left is not None
        assert (left.run_id, left.graph) == (run.id, shape.__name__)
        assert [step.node for step in left.steps] == ["b"]
        assert str(left) == f"run {run.id} of graph {shape.__name__}, at b"
        assert bench.began.count("b") == bench.ended.count("b") == 1
        assert run.status == "paused"
        await turns()
        assert bench.began.count("b") == 1
        bench.let("b", "d")
        await engine.resume(run.id)
        result = await run.result()
        assert result.status == "completed"
        assert bench.began.count("b") == 2
        assert [step_id for step_id in bench.ids if step_id.startswith("b:")] == [left.steps[0].step_id] * 2
        assert result.steps == len(set(bench.began))


async def test_what_still_runs_in_graphs_inside_is_named_by_its_way(bench: Bench) -> None:
    """6.2, 2.7: only that step begins anew, not the step of the graph it is in."""
    bench.let("a", "c", "z")
    async with Engine() as engine:
        run = await engine.start(nested(bench))
        await turns()
        left = await run.pause(within=0.01)
        assert left is not None
        assert [step.node for step in left.steps] == ["mid/deep/b"]
        bench.let("b")
        await run.resume()
        assert (await run.result()).status == "completed"
        assert bench.began == ["a", "b", "b", "c", "z"]


async def test_a_step_that_ends_though_it_is_cancelled_has_ended() -> None:
    """6.2: its outputs count, and the cancelling is nobody else's."""
    began = asyncio.Event()

    @node
    async def stubborn():
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return {"n": 1}

    @node
    async def after(state):
        await asyncio.sleep(0)
        return {"m": state.n + 1}

    stubborn >> after
    async with Engine() as engine:
        caller = asyncio.create_task(engine.run(Graph(stubborn), run_id="r"))
        await began.wait()
        left = await engine.pause("r", within=0)
        assert left is not None
        await engine.resume("r")
        assert (await caller).state == {"n": 1, "m": 2}
        assert caller.cancelling() == 0


async def test_a_step_that_fails_when_it_is_cancelled_has_failed() -> None:
    """6.2, 2.5: an edge that catches it is taken when the run goes on."""
    began = asyncio.Event()

    @node
    async def fails():
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("no") from None

    sorry = node(lambda: {"sorry": 1}).copy(id="sorry")
    fails.on_error(ValueError) >> sorry
    async with Engine() as engine:
        run = await engine.start(Graph(fails))
        await began.wait()
        assert await run.pause(within=0) is not None
        await run.resume()
        assert (await run.result()).output == {"sorry": 1}


async def test_policies_see_nothing_of_a_step_that_begins_anew(bench: Bench) -> None:
    """6.2, 5.3: a pause is no failed attempt."""
    attempts: list[int] = []

    @node(policies=[Retry(2, wait=0)])
    async def step(ctx):
        attempts.append(ctx.attempt)
        await bench.free["a"].wait()
        return {"n": 1}

    async with Engine() as engine:
        run = await engine.start(Graph(step))
        for _ in range(5):
            await turns()
            await run.pause(within=0)
            await run.resume()
        bench.let("a")
        assert (await run.result()).output == {"n": 1}
        assert attempts == [1] * 6


async def test_a_function_on_a_thread_is_told_and_not_told_any_more_when_it_begins_anew() -> None:
    """6.2, 5.4."""
    told: list[bool] = []
    began, ended = threading.Event(), threading.Event()

    @node
    def blocks(ctx):
        pause = threading.Event()
        began.set()
        for _ in range(100):
            if ctx.cancelled:
                break
            pause.wait(0.001 if told else 0.05)
        told.append(ctx.cancelled)
        ended.set()

    async with Engine(grace=60) as engine:
        run = await engine.start(Graph(blocks))
        assert await asyncio.to_thread(began.wait, 5)
        assert await run.pause(within=0) is not None
        assert await asyncio.to_thread(ended.wait, 5)  # a pause keeps its time, whatever a thread does
        assert told == [True]
        await run.resume()
        await run.result()
        assert told == [True, False]


async def test_a_pause_returns_when_its_time_is_over_whatever_a_thread_does() -> None:
    """6.2: the code that goes on is named, and its step begins anew when the run does."""
    may_end, began = threading.Event(), threading.Event()

    @node
    def stuck() -> dict[str, Any]:
        began.set()
        may_end.wait(60)
        return {"done": True}

    async with Engine(grace=30) as engine:
        run = await engine.start(Graph(stuck, name="g"), run_id="r")
        await asyncio.to_thread(began.wait, 60)
        left = await engine.pause("r", within=0.01)
        assert not may_end.is_set()
        assert left is not None
        assert [step.node for step in left.steps] == ["stuck"]
        may_end.set()
        await engine.resume("r")
        assert (await run.result()).output == {"done": True}
