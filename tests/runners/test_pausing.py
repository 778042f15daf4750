"""A run can be paused at any moment, stands still then, and goes on as if nothing had been (6.2)."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from tests.runners.pausing import Bench, bench, diamond, line, never_looking, pause_and_look, turns

from nodeloom import Engine, Graph, Quorum, node

__all__ = ["bench", "never_looking"]


@pytest.mark.usefixtures("never_looking")
@pytest.mark.parametrize("watch", [None, lambda event: None])
async def test_a_paused_run_begins_no_step_and_lets_the_running_one_end(bench: Bench, watch: Any) -> None:
    """6.2: whether somebody watches or not."""
    async with Engine() as engine:
        run = await engine.start(line(bench), watch=watch)
        await turns()
        pausing = asyncio.create_task(engine.pause(run.id))
        await turns()
        assert not pausing.done()
        assert run.status == "running"
        bench.let("a", "b", "c")
        assert await pausing is None
        assert run.status == "paused"
        await turns()
        assert (bench.began, bench.ended) == (["a"], ["a"])
        await engine.resume(run.id)
        assert run.status == "running"
        result = await run.result()
        assert bench.ended == ["a", "b", "c"]
        assert (result.status, list(result.state)) == ("completed", ["a", "b", "c"])


@pytest.mark.usefixtures("never_looking")
async def test_a_token_that_is_left_alone_while_the_run_is_being_paused_stops_too(bench: Bench) -> None:
    """6.2, 3.4: the last of several, when the others are late for a quorum and dropped."""
    a, b, c, after = (bench.step(name) for name in ("a", "b", "c", "after"))
    first = bench.step("first", join=Quorum(1))
    a >> [b, c] >> first >> after
    async with Engine() as engine:
        run = await engine.start(Graph(a))
        bench.let("a", "c", "after")
        await turns()
        assert bench.began == ["a", "b", "c", "first"]
        pausing = asyncio.create_task(run.pause())
        await turns()
        bench.let("b")
        await turns()
        bench.let("first")
        await pausing
        assert bench.began == ["a", "b", "c", "first"]
        await run.resume()
        assert (await run.result()).status == "completed"


@pytest.mark.usefixtures("never_looking")
async def test_all_branches_stop_where_they_are(bench: Bench) -> None:
    """6.2: the join waits for the one that ends last, and then for the run to go on."""
    async with Engine() as engine:
        run = await engine.start(diamond(bench))
        bench.let("a")
        await turns()
        bench.let("b", "d")
        await turns()
        pausing = asyncio.create_task(run.pause())
        await turns()
        assert not pausing.done()
        bench.let("c")
        await pausing
        await turns()
        assert bench.began == ["a", "b", "c"]
        await run.resume()
        assert list((await run.result()).state) == ["a", "b", "c", "d"]


async def test_steps_that_are_ready_and_have_not_begun_do_not_begin(bench: Bench) -> None:
    """6.2: a fork's steps, between the fork and their first turn."""
    async with Engine() as engine:
        run = await engine.start(diamond(bench))
        await turns()
        pausing = asyncio.create_task(run.pause())
        await turns()
        bench.let("a", "b", "c", "d")
        await pausing
        assert bench.began == ["a"]
        await run.resume()
        assert (await run.result()).status == "completed"


async def test_a_loop_of_steps_that_never_wait_is_stopped_too() -> None:
    """6.2: and goes on as fast as before."""
    count = [0]

    @node
    async def step(state):
        count[0] += 1
        return {"n": state.get("n", 0) + 1}

    step.on("state.n < 60000") >> step
    async with Engine() as engine:
        run = await engine.start(Graph(step, name="loop"))
        stops: list[int] = []
        while run.status == "running" and len(stops) < 4:
            await engine.pause(run.id)
            stops.append(count[0])
            await turns()
            assert count[0] == stops[-1]
            await engine.resume(run.id)
            await asyncio.sleep(0)
        assert len(set(stops)) == 4
        handle = run.run
        assert handle is not None
        assert [branch.solo for branch in handle._run.branches.values()] == [True]
        assert (await run.result()).state == {"n": 60_000}


async def test_a_run_paused_before_its_first_turn_begins_when_it_is_resumed(bench: Bench) -> None:
    """6.2."""
    bench.let("a", "b", "c")
    async with Engine() as engine:
        run = await engine.start(line(bench))
        await run.pause()
        assert run.status == "paused"
        await turns()
        assert bench.began == []
        await run.resume()
        assert (await run.result()).status == "completed"


async def test_a_run_that_a_caller_awaits_can_be_paused_by_its_id(bench: Bench) -> None:
    """6.2: `engine.run` and `graph.stream` as well as `engine.start`."""
    bench.let("a", "c")
    async with Engine() as engine:
        caller = asyncio.create_task(engine.run(line(bench), run_id="mine"))
        await turns()
        pausing = asyncio.create_task(engine.pause("mine"))
        await turns()
        bench.let("b")
        await pausing
        await turns()
        assert not caller.done()
        assert bench.ended == ["a", "b"]
        await engine.resume("mine")
        assert (await caller).status == "completed"


def passing(began: list[str], name: str, count: int) -> Any:
    """A step that takes so many turns of the loop."""

    @node(id=name)
    async def passes():
        began.append(name)
        await turns(count)
        return {name: count}

    return passes


@pytest.mark.usefixtures("never_looking")
async def test_no_step_of_a_line_begins_once_a_pause_was_asked_for() -> None:
    """6.2: however far it has come, and though its steps need nothing around their work."""
    for moment in range(2, 40):
        began: list[str] = []
        steps = [passing(began, name, 2) for name in "abcdefgh"]
        for each, following in pairwise(steps):
            each >> following
        async with Engine() as engine:
            run = await engine.start(Graph(steps[0]))
            await turns(moment)
            await pause_and_look(run, began, None)
            await pause_and_look(run, began, 0)
            assert (await run.result()).steps == 8


@pytest.mark.usefixtures("never_looking")
@pytest.mark.parametrize("within", [None, 0])
async def test_it_does_not_matter_where_between_two_steps_a_pause_comes(within: float | None) -> None:
    """6.2: while steps are ready, in the hands of a task that has not begun, at a join, at the end."""
    for moment in range(40):
        began: list[str] = []
        a, b, c, d = (passing(began, name, count) for name, count in zip("abcd", (3, 1, 4, 1), strict=True))
        a >> [b, c] >> d
        async with Engine() as engine:
            run = await engine.start(Graph(a))
            await turns(moment)
            await pause_and_look(run, began, within)
            result = await asyncio.wait_for(run.result(), 5)
            assert dict(result.state) == {"a": 3, "b": 1, "c": 4, "d": 1}
