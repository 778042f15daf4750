"""Deadline bounds the wait for a node's `on_start` in its first steps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nodeloom import Batch, Engine, Graph, Node, Params, RunFailed, node
from nodeloom.errors import DeadlineExceeded
from nodeloom.policies import Deadline, Fallback, Retry
from nodeloom.testing import run_virtual

started: list[str] = []


@pytest.fixture(autouse=True)
def _none_started_yet():
    started.clear()


class Camera(Node):
    """Takes its time to be started, and to take a picture."""

    class Params(Params):  # type: ignore[misc, unused-ignore]
        starting: float = 60.0
        working: float = 0.0

    async def on_start(self, ctx):
        started.append(self.id)
        await asyncio.sleep(ctx.params.starting)

    async def work(self, params):
        await asyncio.sleep(params.working)
        return {"frame": 1}


def camera(*policies: Any, **settings: Any) -> Node:
    """One with these policies."""
    return Camera(**{"id": "camera", **settings}, policies=list(policies))


def timed(graph: Graph) -> tuple[Any, float]:
    """What comes of a run, and after how many seconds."""

    async def main():
        async with Engine() as engine:
            begun = asyncio.get_running_loop().time()
            result = await engine.run(graph, check=False)
            return result, asyncio.get_running_loop().time() - begun

    return run_virtual(main())


def test_a_step_that_waits_too_long_for_on_start_fails():
    """5.4 deadline bounds the whole step"""
    result, seconds = timed(Graph(camera(Retry(3), Deadline(5)), name="g"))
    assert (result.status, result.error.type, seconds) == ("failed", "DeadlineExceeded", 5)
    assert result.error.message == "node camera was not done within its 5 s (Deadline)"


def test_a_deadline_counts_from_before_on_start():
    """5.4"""
    result, seconds = timed(Graph(camera(Deadline(5), starting=3, working=4), name="g"))
    assert (result.error.type, seconds) == ("DeadlineExceeded", 5)
    result, seconds = timed(Graph(camera(Deadline(8), starting=3, working=4), name="g"))
    assert (result.status, seconds) == ("completed", 7)


def test_a_deadline_of_a_batch_does_too():
    """5.4, 8.1"""
    batch = Batch(items=[1, 2, 3])
    result, seconds = timed(Graph(camera(Deadline(5), starting=3, working=1, batch=batch), name="g"))
    assert (result.error.type, seconds) == ("DeadlineExceeded", 5)
    result, seconds = timed(Graph(camera(Deadline(5), batch=batch), name="g"))
    assert (result.error.type, seconds) == ("DeadlineExceeded", 5)


def test_a_fallback_and_an_error_edge_take_it():
    """5.1, 5.9"""
    result, seconds = timed(Graph(camera(Deadline(5), Fallback(value={"frame": 0})), name="g"))
    assert (result.output, seconds) == ({"frame": 0}, 5)

    @node(isolation="inline")
    def sorry(ctx):
        return {"why": ctx.error.type}

    slow = camera(Deadline(5))
    slow.on_error(TimeoutError) >> sorry
    result, seconds = timed(Graph(slow, name="g"))
    assert (result.output, seconds) == ({"why": "DeadlineExceeded"}, 5)


def test_on_start_goes_on_for_the_steps_after():
    """6.1 once before a node's first step"""

    async def main():
        slow = camera(Deadline(5), starting=12)
        graph = Graph(slow, name="g")
        async with Engine() as engine:
            for _ in range(2):
                with pytest.raises(RunFailed, match="Deadline"):
                    await engine.run(graph)
            outputs = (await engine.run(graph)).output
            await engine.run(graph)
            return outputs, asyncio.get_running_loop().time()

    assert run_virtual(main()) == ({"frame": 1}, 12)
    assert started == ["camera"]


def test_a_later_step_has_its_whole_time():
    """5.4 also one that the same task follows"""

    async def main():
        quick = camera(Deadline(5), starting=4, working=0.5, id="quick")
        quick >> camera(Deadline(5), starting=0, working=4)
        async with Engine() as engine:
            return (await engine.run(Graph(quick, name="g"))).output

    assert run_virtual(main()) == {"frame": 1}


def test_a_timeout_error_of_its_own_fails_the_run():
    """6.1 a failure of on_start fails the run, whatever edges there are"""

    class Broken(Camera):
        async def on_start(self, ctx):
            raise TimeoutError("no camera")

    broken = Broken(id="broken", policies=[Deadline(5), Fallback(value={})])
    broken.on_error(TimeoutError) >> node(id="sorry", isolation="inline")(lambda: {"sorry": True})
    result, _ = timed(Graph(broken, name="g"))
    assert (result.status, result.error.type, result.error.message) == ("failed", "TimeoutError", "no camera")


def test_a_node_by_itself():
    """5.4"""

    async def main():
        with pytest.raises(DeadlineExceeded):
            await camera(Deadline(5))()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 5


def test_a_step_that_is_begun_anew_has_its_whole_time_again():
    """5.4, 6.2 as any other step that a pause interrupts"""

    async def main():
        graph = Graph(camera(Deadline(5), starting=3, working=1.5), name="g")
        async with Engine() as engine:
            run = await engine.start(graph, run_id="r")
            await asyncio.sleep(4)
            assert await engine.pause("r", within=0) is not None
            await asyncio.sleep(60)
            await engine.resume("r")
            return (await run.result()).output

    assert run_virtual(main()) == {"frame": 1}
