"""Steps that use asyncio.TaskGroup: a child that fails is no cancelling of the run (semantics 2.5, 5.3, 6.2, 8.2)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nodeloom import Batch, CircuitBreaker, Context, Engine, Fallback, Graph, Retry, RunFailed, node
from nodeloom.testing import run_virtual


async def boom() -> None:
    await asyncio.sleep(0.01)
    raise OSError("boom")


async def caught() -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(boom())
    except* OSError:
        pass


async def failing(tries: int, ctx: Context) -> dict[str, Any]:
    if ctx.attempt < tries:
        async with asyncio.TaskGroup() as group:
            group.create_task(boom())
    return {"tries": ctx.attempt}


@node
async def quiet() -> dict[str, Any]:
    await caught()
    return {"v": 1}


@node
async def after(state: Any) -> dict[str, Any]:
    await asyncio.sleep(0.01)
    return {"after": state["v"]}


@pytest.mark.parametrize("policies", [[], [Retry(2, wait=0), Fallback(value={})]])
def test_a_group_whose_failure_the_node_catches_leaves_the_run_as_it_was(policies: Any) -> None:
    """2.5: the next node runs."""
    a, b = quiet.copy(policies=policies), after.copy()
    a >> b
    result = run_virtual(Graph(a, name="g").run({}, check=False))
    assert (result.status, result.output) == ("completed", {"after": 1})


def test_it_leaves_branches_that_run_at_once_as_they_were() -> None:
    a, b, c = quiet.copy(id="a"), quiet.copy(id="b"), after.copy(id="c")
    [a, b] >> c
    assert run_virtual(Graph([a, b], name="g").run()).output == {"after": 1}


def test_retry_tries_again_after_a_group_that_failed() -> None:
    """5.3."""

    @node(policies=[Retry(3, wait=0.0)])
    async def tried(ctx: Context) -> dict[str, Any]:
        return await failing(3, ctx)

    assert run_virtual(Graph(tried, name="g").run()).output == {"tries": 3}


def test_fallback_and_breaker_see_the_failed_group() -> None:
    """5.5, 5.9."""
    seen: list[Exception] = []

    def counts(error: Exception) -> bool:
        seen.append(error)
        return True

    @node(policies=[Fallback(value={"v": 0}), CircuitBreaker(1, counts=counts)])
    async def fails(ctx: Context) -> dict[str, Any]:
        return await failing(2, ctx)

    async def main() -> list[Any]:
        async with Engine() as engine:
            graph = Graph(fails, name="g")
            return [(await engine.run(graph)).output for _ in range(2)]

    assert run_virtual(main()) == [{"v": 0}] * 2
    assert len(seen) == 1  # the second was not let through


def test_an_error_edge_takes_the_failed_group() -> None:
    """2.5: it is an ExceptionGroup."""

    @node
    async def fails(ctx: Context) -> dict[str, Any]:
        return await failing(2, ctx)

    @node
    async def told(ctx: Context) -> dict[str, Any]:
        assert ctx.error is not None
        return {"type": ctx.error["type"]}

    fails.on_error(ExceptionGroup) >> told
    assert run_virtual(Graph(fails, name="g").run()).output == {"type": "ExceptionGroup"}


def test_without_an_edge_it_fails_the_run() -> None:
    @node
    async def fails(ctx: Context) -> dict[str, Any]:
        return await failing(2, ctx)

    with pytest.raises(RunFailed, match="unhandled errors in a TaskGroup"):
        run_virtual(Graph(fails, name="g").run())


def test_items_that_catch_a_failed_group_are_done() -> None:
    """8.2."""
    one_by_one = quiet.copy(batch=Batch(items=[1, 2]))
    together = quiet.copy(batch=Batch(items=[1, 2], parallel=True))
    for each in (one_by_one, together):
        assert run_virtual(Graph(each, name="g").run()).output["success_count"] == 2


@pytest.mark.parametrize("group_fails", [False, True])
def test_a_cancelling_from_outside_that_the_node_swallows_ends_the_run(group_fails: bool) -> None:
    """6.2: also where a group of the node failed as well."""
    ran: list[str] = []

    @node
    async def swallows() -> dict[str, Any]:
        if group_fails:
            await caught()
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            ran.append("swallowed")
        await caught()
        return {"v": 1}

    b = after.copy(id="b")
    swallows >> b

    async def main() -> None:
        run = asyncio.create_task(Graph(swallows, name="g").run())
        await asyncio.sleep(1)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    run_virtual(main())
    assert ran == ["swallowed"]


def test_a_cancelling_from_outside_while_the_group_waits_is_the_runs() -> None:
    @node
    async def waits() -> dict[str, Any]:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(10))
        return {}

    async def main() -> None:
        run = asyncio.create_task(Graph(waits, name="g").run())
        await asyncio.sleep(1)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    run_virtual(main())


def test_a_caller_that_was_cancelled_may_run_a_graph_to_clean_up() -> None:
    """5.3: what its caller is in the middle of is none of the run's business."""

    @node(policies=[Retry(3, wait=0.0)])
    async def tried(ctx: Context) -> dict[str, Any]:
        if ctx.attempt < 3:  # without a group: since 3.13 one that fails cancels a task anew that was cancelled before
            raise OSError
        return {"tries": ctx.attempt}

    cleaned: list[Any] = []

    async def caller() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            cleaned.append((await Graph(tried, name="g").run()).output)

    async def main() -> None:
        task = asyncio.create_task(caller())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait({task})

    run_virtual(main())
    assert cleaned == [{"tries": 3}]


def test_a_cancelling_that_is_still_to_arrive_when_the_run_begins_is_the_runs() -> None:
    @node
    async def waits() -> dict[str, Any]:
        await asyncio.sleep(10)
        return {}

    async def caller() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await Graph(waits, name="g").run()

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(caller())

    run_virtual(main())


def test_groups_outside_of_steps_are_left_alone() -> None:
    """What Python does to who uses no node is Python's."""

    async def main() -> int:
        await caught()
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    leave: Any = asyncio.TaskGroup.__aexit__
    plain = getattr(leave, "__wrapped__", leave)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.TaskGroup, "__aexit__", plain)
        expected = run_virtual(main())
    assert run_virtual(main()) == expected
