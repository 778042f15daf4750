"""Pauses that meet other calls, and what watchers see of them (6.2)."""

import asyncio
from collections.abc import Callable

import pytest
from tests.runners.pausing import Bench, bench, diamond, line, nested, turns

from nodeloom import Engine, Graph, RunCancelled, RunFailed, node
from nodeloom.errors import NodeloomError

__all__ = ["bench"]


async def test_pausing_a_paused_run_and_resuming_a_running_one_do_nothing(bench: Bench) -> None:
    """6.2."""
    seen: list[str] = []
    async with Engine() as engine:
        run = await engine.start(line(bench), watch=lambda event: seen.append(event.type))
        bench.let("a")
        await turns()
        await run.resume()
        bench.let("b", "c")
        assert await run.pause() is None
        assert await run.pause(within=0) is None
        await run.resume()
        await run.resume()
        await run.result()
        assert await run.pause() is None
        await run.resume()
        assert run.status == "completed"
        assert await engine.pause(run.id) is None
    assert (seen.count("run_paused"), seen.count("run_resumed")) == (1, 1)


async def test_two_pauses_at_once_end_at_once(bench: Bench) -> None:
    """6.2."""
    async with Engine() as engine:
        run = await engine.start(line(bench))
        await turns()
        pausing = [asyncio.create_task(run.pause()) for _ in range(2)]
        await turns()
        bench.let("a")
        assert await asyncio.gather(*pausing) == [None, None]
        bench.let("b", "c")
        await run.resume()
        await run.result()


async def test_a_pause_that_is_taken_back_does_not_wait_any_more(bench: Bench) -> None:
    """6.2."""
    async with Engine() as engine:
        run = await engine.start(line(bench))
        await turns()
        pausing = asyncio.create_task(run.pause())
        await turns()
        await run.resume()
        assert await pausing is None
        assert run.status == "running"
        bench.let("a", "b", "c")
        assert (await run.result()).status == "completed"


async def test_a_caller_who_does_not_wait_for_the_pause_has_paused_the_run(bench: Bench) -> None:
    """6.2."""
    async with Engine() as engine:
        run = await engine.start(line(bench))
        await turns()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await run.pause()
        bench.let("a", "b", "c")
        await turns()
        assert (run.status, bench.began) == ("paused", ["a"])


@pytest.mark.parametrize("when", ["paused", "pausing"])
@pytest.mark.parametrize("shape", [line, diamond, nested])
async def test_a_run_can_be_cancelled_while_it_is_paused_or_being_paused(
    bench: Bench, when: str, shape: Callable[[Bench], Graph]
) -> None:
    """6.2: nothing is left, who waits for the pause is told, and resuming does nothing more."""
    async with Engine() as engine:
        run = await engine.start(shape(bench))
        bench.let("a")
        await turns()
        pausing = asyncio.create_task(run.pause())
        await turns()
        if when == "paused":
            bench.let("b", "c")
            await pausing
        began = list(bench.began)
        await run.cancel()
        assert await pausing is None
        assert run.status == "cancelled"
        await run.resume()
        await turns()
        assert bench.began == began
        assert sorted(bench.ended) == sorted(began)
        with pytest.raises(RunCancelled):
            await run.result()
        assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("shape", [line, diamond])
async def test_a_caller_of_a_paused_run_can_leave(bench: Bench, shape: Callable[[Bench], Graph]) -> None:
    """6.2: the CancelledError is the caller's."""
    bench.let("a")
    async with Engine() as engine:
        caller = asyncio.create_task(engine.run(shape(bench), run_id="r"))
        await turns()
        pausing = asyncio.create_task(engine.pause("r"))
        await turns()
        bench.let("b", "c")
        await pausing
        caller.cancel()
        await asyncio.wait({caller})
        assert caller.cancelled()
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_run_that_fails_while_it_is_being_paused_has_failed(bench: Bench) -> None:
    """6.2, 2.6: its other steps are cancelled, those that wait to go on too."""

    @node
    async def fails():
        await bench.free["c"].wait()
        raise ValueError("no")

    a, b = bench.step("a"), bench.step("b")
    a >> b
    async with Engine() as engine:
        run = await engine.start(Graph([a, fails]))
        await turns()
        pausing = asyncio.create_task(run.pause())
        await turns()
        bench.let("a")
        await turns()
        bench.let("c")
        await pausing
        with pytest.raises(RunFailed, match="no"):
            await asyncio.wait_for(run.result(), 5)
        assert bench.began == ["a"]
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_step_may_pause_its_own_run() -> None:
    """6.2: it is not waited for, for it would wait for itself; it ends, and the next does not begin."""

    @node
    async def pauses(inputs, ctx):
        assert await inputs["engine"].pause(ctx.run_id.partition("/")[0]) is None
        return {"n": 1}

    @node
    async def after():
        return {"m": 1}

    inner = Graph(pauses.copy(id="inside"), name="inner")
    pauses >> after
    deep = inner.as_node(id="deep")
    deep >> after.copy(id="after_deep")
    async with Engine() as engine:
        for graph in (Graph(pauses), Graph(deep)):
            run = await engine.start(graph, {"engine": engine})
            async with asyncio.timeout(5):
                while run.status != "paused":  # noqa: ASYNC110
                    await asyncio.sleep(0)
            await run.resume()
            assert (await run.result()).output == {"m": 1}


async def test_a_run_that_is_not_known_cannot_be_paused() -> None:
    """6.2."""
    async with Engine() as engine:
        with pytest.raises(NodeloomError, match="no run 'nobody' was started here"):
            await engine.pause("nobody")
        with pytest.raises(NodeloomError, match="no run 'nobody'"):
            await engine.resume("nobody")


# --- what watchers see


async def test_watchers_are_told_when_it_stands_still_and_when_it_goes_on(bench: Bench) -> None:
    """6.2."""
    seen: list[str] = []
    async with Engine() as engine:
        run = await engine.start(line(bench), watch=lambda event: seen.append(event.type))
        await turns()
        pausing = asyncio.create_task(run.pause())
        await turns()
        assert "run_paused" not in seen
        bench.let("a", "b", "c")
        await pausing
        assert seen[-2:] == ["step_completed", "run_paused"]
        await run.resume()
        assert seen[-1] == "run_resumed"
        await run.result()
    assert seen[-1] == "run_completed"


async def test_a_run_in_a_paused_state_keeps_no_task_busy(bench: Bench) -> None:
    """7.1: it waits, and nothing turns."""
    bench.let("a", "b", "c")
    async with Engine() as engine:
        run = await engine.start(diamond(bench))
        await run.pause()
        await turns()
        loop = asyncio.get_running_loop()
        assert not loop._ready  # type: ignore[attr-defined]
        bench.let("d")
        await run.resume()
        await run.result()
