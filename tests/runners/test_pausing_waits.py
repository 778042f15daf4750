"""A step that only waits for a time to come is at rest (6.2)."""

import asyncio
from typing import Any

from tests.runners.pausing import Bench, bench, turns

from nodeloom import Engine, Graph, Retry, node
from nodeloom.library.flow import Delay
from nodeloom.testing import run_virtual

__all__ = ["bench"]


def test_a_step_that_only_waits_is_not_waited_for_and_does_not_go_on() -> None:
    """6.2: `delay`, and `ctx.sleep` in any node."""
    seen: list[tuple[str, float]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        @node
        async def waits(ctx):
            await ctx.sleep(60)
            seen.append(("waits", loop.time()))

        delay, after = Delay(seconds=60, id="delay"), node(lambda: seen.append(("after", loop.time())))
        after = after.copy(id="after", isolation="inline", join="any")
        delay >> after
        waits >> after
        async with Engine() as engine:
            run = await engine.start(Graph([delay, waits]))
            await asyncio.sleep(1)
            assert await run.pause() is None
            assert loop.time() == 1
            assert run.status == "paused"
            await asyncio.sleep(99)
            assert seen == []
            await run.resume()
            await run.result()
        assert sorted(seen) == [("after", 100), ("after", 100), ("waits", 100)]

    run_virtual(main())


def test_a_wait_that_is_not_over_yet_goes_on_when_the_run_does() -> None:
    """6.2: time goes on in a paused run."""

    async def main() -> float:
        async with Engine() as engine:
            run = await engine.start(Graph(Delay(seconds=60)))
            await asyncio.sleep(1)
            await run.pause()
            await asyncio.sleep(9)
            await run.resume()
            await run.result()
            return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 60


async def test_sleeping_in_a_task_of_the_nodes_own_is_no_rest(bench: Bench) -> None:
    """6.2: the step may be doing something beside it."""

    @node
    async def busy(ctx):
        await asyncio.gather(ctx.sleep(0.01), bench.free["a"].wait())

    async with Engine() as engine:
        run = await engine.start(Graph(busy))
        await turns()
        pausing = asyncio.create_task(run.pause())
        await asyncio.sleep(0.02)
        assert not pausing.done()
        bench.let("a")
        await pausing


def waits_for_a_retry(began: list[float]) -> Graph:
    """A step whose first attempt fails, and whose second begins a minute later."""

    @node(policies=[Retry(2, wait=60.0, max_wait=60.0, jitter=False)])
    async def asks(ctx: Any) -> dict[str, Any]:
        began.append(asyncio.get_running_loop().time())
        if ctx.attempt == 1:
            raise OSError("not yet")
        return {"attempt": ctx.attempt}

    return Graph(asks, name="g")


def test_a_run_that_waits_between_two_attempts_is_at_rest() -> None:
    """6.2: the pause is there at once, and the next attempt begins after it."""
    began: list[float] = []

    async def main() -> Any:
        clock = asyncio.get_running_loop().time
        async with Engine() as engine:
            run = await engine.start(waits_for_a_retry(began), run_id="r")
            await asyncio.sleep(1)
            assert await engine.pause("r") is None
            assert (clock(), run.status) == (1.0, "paused")
            await asyncio.sleep(100)
            assert len(began) == 1
            await engine.resume("r")
            return (await run.result()).output

    assert run_virtual(main()) == {"attempt": 2}
    assert began == [0.0, 101.0]


def test_an_engine_that_stops_does_not_wait_for_the_next_attempt() -> None:
    """6.2"""

    async def main() -> Any:
        engine = Engine()
        await engine.start(waits_for_a_retry([]), run_id="r")
        await asyncio.sleep(1)
        left = await engine.stop(grace=30)
        return [each.run_id for each in left], asyncio.get_running_loop().time()

    assert run_virtual(main()) == (["r"], 1.0)
