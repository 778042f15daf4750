"""Whatever becomes of the items, the slots are as the rule says (8.2, 8.3)."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeloom import Batch, BatchResult, Graph, RunFailed, node
from nodeloom.testing import run_virtual

PRIMES = [n for n in range(2, 400) if all(n % d for d in range(2, n))]
"""No two sums of roots of different primes are equal, so no two items end at the same time."""


class Plan(NamedTuple):
    """What becomes of an item: ok, fails, ends as ok though it was cancelled, fails when it is cancelled."""

    outcome: str
    seconds: float


class Expected(NamedTuple):
    statuses: list[str]
    error: int | None
    seconds: float


@st.composite
def plans(draw: st.DrawFn) -> list[Plan]:
    outcomes = draw(st.lists(st.sampled_from(["ok", "ok", "fails", "stubborn", "bitter"]), max_size=30))
    primes = draw(st.permutations(PRIMES))[: len(outcomes)]
    return [Plan(outcome, prime**0.5) for outcome, prime in zip(outcomes, primes, strict=True)]


def expected(items: list[Plan], at_once: int, mode: str) -> Expected:
    """What the rule says, of workers that are free in turn."""
    statuses = ["skipped"] * len(items)
    running: list[tuple[float, int]] = []
    following = iter(range(len(items)))
    now = 0.0
    is_over = False
    while True:
        while not is_over and len(running) < at_once and (index := next(following, None)) is not None:
            statuses[index] = "running"
            heapq.heappush(running, (now + items[index].seconds, index))
        if not running:
            break
        now, index = heapq.heappop(running)
        if items[index].outcome != "fails":
            statuses[index] = "ok"
            continue
        statuses[index] = "failed"
        if mode == "fail_fast":
            is_over = True
            for _, other in running:
                ends = {"stubborn": "ok", "bitter": "failed"}
                statuses[other] = ends.get(items[other].outcome, "cancelled")
            running.clear()
    failed = [index for index, status in enumerate(statuses) if status == "failed"]
    is_failure = bool(failed) and (mode == "fail_fast" or len(failed) == len(items))
    return Expected(statuses, failed[0] if is_failure else None, now)


class Work:
    """Does what the plans say, and counts how many do at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def __call__(self, index: int, plan: Plan) -> dict[str, int]:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(plan.seconds)
        except asyncio.CancelledError:
            if plan.outcome == "bitter":
                raise ValueError(index) from None
            if plan.outcome != "stubborn":
                raise
        finally:
            self.now -= 1
        if plan.outcome == "fails":
            raise ValueError(index)
        return {"index": index}


def source(kind: str, items: list[Plan]) -> Any:
    def one_by_one() -> Iterator[Plan]:
        yield from items

    async def later() -> AsyncIterator[Plan]:
        for item in items:
            yield item

    return {"list": items, "iterator": one_by_one, "async": later}[kind]


def graph_of(work: Work, kind: str, items: list[Plan], at_once: int, mode: Any) -> Graph:
    @node(id="each", batch=Batch(items=source(kind, items), max_concurrent=at_once, error_handling=mode))
    async def each(ctx):
        return await work(ctx.index, ctx.item)

    return Graph(each, name="batch")


@settings(max_examples=150, deadline=None)
@given(
    plans(),
    st.integers(1, 8),
    st.sampled_from(["fail_fast", "continue"]),
    st.sampled_from(["list", "iterator", "async"]),
)
def test_the_slots_are_as_the_rule_says(items: list[Plan], at_once: int, mode: str, kind: str) -> None:
    """8.2, 8.3: aligned with the items, the statuses exact, the error that of the lowest failed index, never more at
    once than allowed; and the time is that of workers which are never idle while there are items."""
    work, wanted = Work(), expected(items, at_once, mode)
    statuses = wanted.statuses
    if kind != "list":  # what an iterator was not asked for has no slot
        statuses = [status for status in statuses if status != "skipped"]

    async def main() -> None:
        graph = graph_of(work, kind, items, at_once, mode)
        try:
            batch = (await graph.run()).outputs["each"]
            found, results = [slot["status"] for slot in batch["slots"]], batch["results"]
            indexes = [slot["index"] for slot in batch["slots"]]
            assert wanted.error is None
        except RunFailed as error:
            failure: Any = error.__cause__
            result: BatchResult = failure.batch
            found, results = [slot.status for slot in result.slots], result.results
            indexes = [slot.index for slot in result.slots]
            assert failure.args == (wanted.error,)
        assert found == statuses
        assert indexes == list(range(len(statuses)))
        assert results == [{"index": n} if status == "ok" else None for n, status in enumerate(statuses)]
        assert work.now == 0
        assert work.most <= at_once
        assert asyncio.get_running_loop().time() == pytest.approx(wanted.seconds)
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


@settings(max_examples=60, deadline=None)
@given(
    plans(),
    st.integers(1, 8),
    st.sampled_from(["fail_fast", "continue"]),
    st.sampled_from(["list", "iterator", "async"]),
    st.floats(0, 60),
)
def test_whenever_it_is_cancelled_nothing_is_left(
    items: list[Plan], at_once: int, mode: str, kind: str, seconds: float
) -> None:
    """6.2, 8.3."""
    work = Work()

    async def main() -> None:
        run = asyncio.create_task(graph_of(work, kind, items, at_once, mode).run())
        await asyncio.sleep(seconds)
        was_done = run.done()
        run.cancel()
        await asyncio.wait({run})
        assert run.cancelled() or was_done
        assert not run.cancelled() or work.now == 0
        assert len(asyncio.all_tasks()) == 1
        assert work.most <= at_once

    run_virtual(main())
