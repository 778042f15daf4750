"""A step that waits for a token or a slot has begun nothing: a pause does not wait for it (semantics 5.5, 5.6, 6.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeloom import Batch, Engine, Graph, Node, RunCancelled, RunFailed, node
from nodeloom.policies import CircuitBreaker, Concurrency, Deadline, RateLimit, Retry
from nodeloom.policies.shared import Rate
from nodeloom.testing import run_virtual

SLOW = RateLimit(1, per=10.0, key="api")


def now() -> float:
    return round(asyncio.get_running_loop().time(), 3)


began: list[tuple[str, float]] = []


@pytest.fixture(autouse=True)
def _none_began_yet() -> None:
    began.clear()


def calls(name: str, *policies: Any, lasts: float = 0.0, **settings: Any) -> Node:
    """A node that says when its work begins."""

    @node(id=name, policies=list(policies), **settings)
    async def work() -> None:
        began.append((name, now()))
        await asyncio.sleep(lasts)

    return work


def alone(name: str, *policies: Any, lasts: float = 0.0, **settings: Any) -> Graph:
    return Graph(calls(name, *policies, lasts=lasts, **settings), name=name)


def on_engine(scenario: Callable[[Engine], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with Engine() as engine:
            return await scenario(engine)

    return run_virtual(main())


def test_a_pause_does_not_wait_for_a_token_and_takes_none() -> None:
    async def scenario(engine: Engine) -> Any:
        await engine.run(alone("first", SLOW))
        waits = await engine.start(alone("waits", SLOW), run_id="waits")
        await asyncio.sleep(1)
        left = await engine.pause("waits")
        paused = now(), left, waits.status
        await engine.run(alone("other", SLOW))  # behind it in the line, and let through before it
        await asyncio.sleep(39)
        await engine.resume("waits")
        await waits.result()
        return paused

    assert on_engine(scenario) == (1, None, "paused")
    assert began == [("first", 0), ("other", 10), ("waits", 49)]


def test_a_paused_run_holds_no_slot_that_others_wait_for() -> None:
    one = Concurrency(1, key="gpu")

    async def scenario(engine: Engine) -> Any:
        first = await engine.start(alone("first", one, lasts=5))
        await asyncio.sleep(1)
        waits = await engine.start(alone("waits", one), run_id="waits")
        await asyncio.sleep(1)
        await engine.pause("waits")
        paused = now()
        await engine.run(alone("other", one, lasts=3))
        await first.result()
        await asyncio.sleep(10)
        await engine.resume("waits")
        await waits.result()
        return paused

    assert on_engine(scenario) == 2
    assert began == [("first", 0), ("other", 5), ("waits", 18)]


def test_steps_that_waited_together_are_let_through_one_after_the_other_after_a_pause() -> None:
    """5.6 any window: what would have been admitted meanwhile is not made up for"""

    async def scenario(engine: Engine) -> None:
        nodes = [calls(f"n{number}", SLOW) for number in range(4)]
        run = await engine.start(Graph(nodes, name="g"), run_id="r")
        await asyncio.sleep(1)
        await engine.pause("r")
        await asyncio.sleep(99)
        await engine.resume("r")
        await run.result()

    on_engine(scenario)
    assert [when for _, when in began] == [0, 100, 110, 120]


@pytest.mark.parametrize("within", [None, 0, 5.0])
def test_items_of_a_batch_that_wait_do_not_hold_it_up(within: float | None) -> None:
    """8.1 those that run are awaited"""

    async def scenario(engine: Engine) -> Any:
        each = calls("each", SLOW, lasts=3, batch=Batch(items=[1, 2, 3], parallel=True))
        run = await engine.start(Graph(each, name="g"), run_id="r")
        await asyncio.sleep(1)
        left = await engine.pause("r", within=within)
        paused = now(), left is not None
        await asyncio.sleep(50)
        await engine.resume("r")
        await run.result()
        return paused

    paused = on_engine(scenario)
    if within == 0:
        assert paused[1], "the first item runs"
    else:
        assert paused == (3, False)
        assert [when for _, when in began] == [0, 53, 63]


def test_a_pause_with_a_time_names_no_step_that_waits_in_line() -> None:
    async def scenario(engine: Engine) -> Any:
        await engine.run(alone("first", SLOW))
        run = await engine.start(alone("waits", SLOW), run_id="r")
        await asyncio.sleep(1)
        left = await engine.pause("r", within=0)
        await engine.resume("r")
        await run.result()
        return left, now()

    assert on_engine(scenario) == (None, 10)


def test_a_pause_in_a_graph_inside() -> None:
    async def scenario(engine: Engine) -> Any:
        await engine.run(alone("first", SLOW))
        outer = Graph(alone("inside", SLOW).as_node(id="inner"), name="outer")
        run = await engine.start(outer, run_id="r")
        await asyncio.sleep(1)
        left = await engine.pause("r")
        paused = now(), left
        await asyncio.sleep(50)
        await engine.resume("r")
        await run.result()
        return paused

    assert on_engine(scenario) == (1, None)
    assert began[-1] == ("inside", 51)


def test_a_paused_run_is_nobodys_probe() -> None:
    """5.5 exactly one probe, and a run that stands still does not take it from the others"""
    breaker = CircuitBreaker(failures=1, reset_after=2.0, key="api")

    @node(id="fails", policies=[breaker])
    async def fails() -> None:
        raise OSError("down")

    async def scenario(engine: Engine) -> Any:
        with pytest.raises(RunFailed):
            await engine.run(Graph(fails, name="fails"))
        await engine.run(alone("token", SLOW))
        await asyncio.sleep(3)
        waits = await engine.start(alone("waits", breaker, SLOW), run_id="waits")
        await asyncio.sleep(1)
        with pytest.raises(RunFailed, match="its probe is under way"):
            await engine.run(alone("refused", breaker))
        await engine.pause("waits")
        await engine.run(alone("probe", breaker))
        await asyncio.sleep(20)
        await engine.resume("waits")
        await waits.result()

    on_engine(scenario)
    assert [name for name, _ in began] == ["token", "probe", "waits"]


def test_a_breaker_that_opened_during_the_pause_refuses() -> None:
    """5.5 it is asked again, and counts nothing"""
    breaker = CircuitBreaker(failures=1, reset_after=100.0, key="api")

    @node(id="fails", policies=[breaker])
    async def fails() -> None:
        raise OSError("down")

    async def scenario(engine: Engine) -> Any:
        await engine.run(alone("token", SLOW))
        waits = await engine.start(alone("waits", breaker, SLOW), run_id="waits")
        await asyncio.sleep(1)
        await engine.pause("waits")
        with pytest.raises(RunFailed):
            await engine.run(Graph(fails, name="fails"))
        await engine.resume("waits")
        with pytest.raises(RunFailed, match="CircuitOpen"):
            await waits.result()
        await asyncio.sleep(100)
        await engine.run(alone("probe", breaker))

    on_engine(scenario)
    assert [name for name, _ in began] == ["token", "probe"]


def test_a_deadline_goes_on_in_a_pause() -> None:
    """5.4, 6.2"""

    async def scenario(engine: Engine) -> Any:
        await engine.run(alone("token", SLOW))
        run = await engine.start(alone("waits", Deadline(5), Retry(3), SLOW), run_id="r")
        await asyncio.sleep(1)
        await engine.pause("r")
        await asyncio.sleep(20)
        await engine.resume("r")
        with pytest.raises(RunFailed, match="DeadlineExceeded"):
            await run.result()

    on_engine(scenario)


@pytest.mark.parametrize("paused", [False, True])
def test_a_run_that_waits_in_line_can_be_cancelled(paused: bool) -> None:
    """6.2 also in the moment in which it is paused, and it takes no token"""

    async def scenario(engine: Engine) -> Any:
        await engine.run(alone("token", SLOW))
        run = await engine.start(alone("waits", SLOW), run_id="r")
        await asyncio.sleep(1)
        pausing = asyncio.create_task(engine.pause("r"))
        await asyncio.sleep(1 if paused else 0)
        await engine.cancel("r")
        await pausing
        with pytest.raises(RunCancelled):
            await run.result()
        await engine.run(alone("other", SLOW))

    on_engine(scenario)
    assert began == [("token", 0), ("other", 10)]


def test_an_engine_that_stops_still_lets_it_through() -> None:
    """6.2 stop drains: a step that waits for a token is about to work"""

    async def scenario(engine: Engine) -> Any:
        await engine.run(alone("token", SLOW))
        run = await engine.start(alone("waits", SLOW), run_id="r")
        await asyncio.sleep(1)
        left = await engine.stop(grace=20)
        return left, run.status

    left, status = on_engine(scenario)
    assert (list(left), status) == ([], "completed")
    assert began[-1] == ("waits", 10)


CALLS = st.tuples(
    st.sampled_from(("pause", "pause soon", "pause at once", "resume", "cancel")),
    st.integers(0, 2),
    st.sampled_from((0.0, 0.0, 0.05, 0.4, 1.0)),
)


@settings(deadline=None, max_examples=60)
@given(asked=st.lists(CALLS, max_size=20), lasts=st.sampled_from((0.0, 0.1, 0.7)), hurry=st.booleans())
def test_whatever_is_asked_of_runs_that_wait_in_line_nothing_is_kept(
    asked: list[tuple[str, int, float]], lasts: float, hurry: bool
) -> None:
    """5.5, 5.6, 6.2: no slot, no place in a line, and no ticket of a breaker; and no more run at once than may"""
    limits = [RateLimit(4, burst=2, key="r"), Concurrency(2, key="c"), CircuitBreaker(2, reset_after=1.0, key="b")]
    policies = [*limits, Retry(2, wait=0.3), *([Deadline(3)] if hurry else [])]
    at_once = [0, 0]

    @node(id="one", policies=policies)
    async def one(ctx: Any) -> None:
        at_once[0] += 1
        at_once[1] = max(at_once)
        try:
            await asyncio.sleep(lasts)
            if ctx.attempt == 1:
                raise OSError("not at the first time")
        finally:
            at_once[0] -= 1

    several = one.copy(id="several", batch=Batch(items=[1, 2, 3], parallel=True, error_handling="continue"))
    one >> several

    async def scenario(engine: Engine) -> None:
        graphs = [Graph(one, name=f"g{number}") for number in range(3)]
        runs = [await engine.start(graph, run_id=graph.name, check=False) for graph in graphs]
        pauses: list[asyncio.Future[Any]] = []
        for call, number, wait in asked:
            await asyncio.sleep(wait)
            if call == "resume":
                await runs[number].resume()
            elif call == "cancel":
                await runs[number].cancel()
            else:
                within = {"pause": None, "pause soon": 0.1, "pause at once": 0}[call]
                pauses.append(asyncio.ensure_future(runs[number].pause(within=within)))
        await asyncio.sleep(0.2)
        for run in runs:
            await run.resume()
        for run in runs:
            await run.result(check=False)
        await asyncio.gather(*pauses)
        kept: Any = engine.limits
        slots, bucket = kept.slots("c", 2), kept.bucket("r", Rate(4.0, 2))
        assert (slots.held, slots.waiting, bucket.waiting) == (0, 0, 0)
        assert [breaker._inside for breaker in kept._breakers.states.values()] == [0]

    on_engine(scenario)
    assert at_once[1] <= 2
