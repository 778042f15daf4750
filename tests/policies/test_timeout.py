"""Timeout bounds one attempt; its timer is armed only for work that waits."""

from __future__ import annotations

import asyncio
import contextvars
import copy
from contextlib import aclosing, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.policies.surroundings import Work, a_step, around

from nodeloom import Batch, Graph, GraphError, node
from nodeloom.errors import DefinitionError, StepError, StepTimeout
from nodeloom.policies import Concurrency, Deadline, Timeout
from nodeloom.policies.first_step import bounded
from nodeloom.testing import VirtualTimeLoop, run_virtual

DONE = {"n": 1}


def within(seconds: float, work, *others):
    """What the work returned within its time, in virtual time, and at what time it was over."""

    async def main():
        result = await around(work, Timeout(seconds), *others)(a_step())
        return result, asyncio.get_running_loop().time()

    return run_virtual(main())


def failing(seconds: float, work, kind: type[BaseException] = StepTimeout):
    """What the work failed with, and at what time."""

    async def main():
        with pytest.raises(kind) as caught:
            await around(work, Timeout(seconds))(a_step())
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0, "its cancelling is taken back"
        await asyncio.sleep(0)  # and nothing of it strikes later
        return caught.value, asyncio.get_running_loop().time()

    return run_virtual(main())


# --- in time


def test_work_that_is_in_time_is_left_alone():
    """5.4"""
    assert within(5, Work(DONE, seconds=4.9)) == (DONE, 4.9)


async def test_work_that_does_not_wait_sets_no_timer(monkeypatch):
    """5.2"""
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "call_at", None)
    assert await around(Work(DONE), Timeout(5), Deadline(9))(a_step()) == DONE


@pytest.mark.parametrize("waits", [1, 2, 10])
def test_work_may_wait_any_number_of_times(waits):
    """5.4"""

    async def work(ctx):
        for _ in range(waits):
            await asyncio.sleep(0)
            await asyncio.sleep(0.1)
        return DONE

    result, time = within(5, work)
    assert result == DONE
    assert time == pytest.approx(waits / 10)


@pytest.mark.parametrize("seconds", [0, 1])
def test_what_work_raises_in_time_is_its_own(seconds):
    """5.4"""
    error = ValueError("own")
    assert failing(5, Work(error, seconds=seconds), ValueError)[0] is error


@pytest.mark.parametrize("seconds", [0, 1])
def test_its_own_timeout_error_is_not_relabelled(seconds):
    """5.4"""
    error = TimeoutError("own")
    assert failing(5, Work(error, seconds=seconds), TimeoutError)[0] is error


def test_a_timeout_inside_the_work_is_its_own():
    """5.4"""

    async def work(ctx):
        async with asyncio.timeout(1):
            await asyncio.sleep(60)

    error, time = failing(5, work, TimeoutError)
    assert not isinstance(error, StepTimeout)
    assert time == 1


def test_work_may_catch_its_own_timeout_and_go_on():
    """5.4"""

    async def work(ctx):
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.sleep(60)
        await asyncio.sleep(1)
        return DONE

    assert within(5, work) == (DONE, 2)


def test_it_runs_in_the_callers_task_and_context():
    """5.4 as if it were not there."""
    kept: contextvars.ContextVar[int] = contextvars.ContextVar("kept", default=0)

    async def work(ctx):
        kept.set(1)
        first = asyncio.current_task()
        await asyncio.sleep(1)
        assert asyncio.current_task() is first
        kept.set(kept.get() + 1)
        return {"task": first}

    async def main():
        result = await around(work, Timeout(5), Deadline(9))(a_step())
        assert result["task"] is asyncio.current_task()
        return kept.get()

    assert run_virtual(main()) == 2


def test_work_may_wait_for_futures_tasks_locks_and_groups():
    """5.4"""

    async def work(ctx):
        loop, lock = asyncio.get_running_loop(), asyncio.Lock()
        future = loop.create_future()
        loop.call_later(0.5, future.set_result, 1)
        async with asyncio.TaskGroup() as group, lock:
            child = group.create_task(asyncio.sleep(0.5, 2))
        waited = await asyncio.gather(asyncio.sleep(0.5, 3), asyncio.wait_for(asyncio.sleep(0.5, 4), 1))
        return [await future, child.result(), *waited]

    assert within(5, work) == ([1, 2, 3, 4], 1)


def test_work_may_be_any_awaitable():
    """5.2"""

    class Later:
        def __await__(self):
            yield from asyncio.sleep(1).__await__()
            return DONE

    assert within(5, lambda ctx: Later()) == (DONE, 1)
    assert within(5, lambda ctx: asyncio.ensure_future(asyncio.sleep(1, DONE))) == (DONE, 1)
    assert isinstance(failing(0.5, lambda ctx: Later())[0], StepTimeout)


def test_nothing_strikes_once_the_work_is_done():
    """5.4"""

    async def main():
        call = around(Work(DONE, OSError(), seconds=1), Timeout(5), Deadline(9))
        await call(a_step())
        with pytest.raises(OSError):
            await call(a_step())
        await asyncio.sleep(60)

    run_virtual(main())


# --- too late


def test_work_that_takes_too_long_fails_as_timed_out():
    """5.4"""
    work = Work(DONE, seconds=60)
    error, time = failing(5, work)
    assert time == 5
    assert str(error) == "node fetch took longer than its 5 s (Timeout)"
    assert isinstance(error, StepError)
    assert isinstance(error, TimeoutError), "so that on_error(TimeoutError) and retry_on=TimeoutError match"
    assert (error.code, error.retryable) == ("step_timeout", True)
    assert work.ended == [5], "its finally blocks have run"


def test_the_work_can_tell_why_it_is_cancelled():
    """5.4"""
    error, _ = failing(5, Work(DONE, seconds=60))
    assert isinstance(error.__cause__, asyncio.CancelledError)
    assert error.__cause__.args == ("timeout",)


def test_work_that_catches_its_cancelling_has_timed_out_all_the_same():
    """5.4 once it ends."""

    async def work(ctx):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(3)
        return DONE

    error, time = failing(5, work)
    assert isinstance(error, StepTimeout)
    assert time == 8


def test_what_work_raises_when_it_is_cancelled_is_only_the_cause():
    """5.4"""

    async def work(ctx):
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError("while tidying up")

    error, _ = failing(5, work)
    assert isinstance(error.__cause__, ValueError)


def test_a_group_inside_the_work_is_cancelled_with_it():
    """5.4"""
    ended: list[str] = []

    async def child(name):
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(name)

    async def work(ctx):
        async with asyncio.TaskGroup() as group:
            group.create_task(child("a"))
            group.create_task(child("b"))

    failing(5, work)
    assert sorted(ended) == ["a", "b"]


def test_an_async_generator_inside_the_work_is_closed():
    """5.4"""
    closed: list[bool] = []

    async def chunks():
        try:
            while True:
                await asyncio.sleep(2)
                yield 1
        finally:
            closed.append(True)

    async def work(ctx):
        async with aclosing(chunks()) as stream:
            async for _ in stream:
                pass

    assert failing(5, work)[1] == 5
    assert closed == [True]


def test_code_that_blocks_at_its_first_step_uses_up_its_time():
    """5.4"""

    async def main():
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)

        async def work(ctx):
            loop._virtual.passed += 4  # as a blocking call would
            await asyncio.sleep(3)

        with pytest.raises(StepTimeout):
            await around(work, Timeout(5))(a_step())
        return loop.time()

    assert run_virtual(main()) == 5


def test_waiting_for_a_slot_does_not_count():
    """5.4"""
    work = Work(DONE, seconds=4)

    async def main():
        call = around(work, Timeout(5), Concurrency(1))
        return await asyncio.gather(*(call(a_step()) for _ in range(4)))

    assert run_virtual(main()) == [DONE] * 4


# --- cancelled from outside


async def test_a_cancellation_from_outside_passes():
    """2.6"""
    running = asyncio.create_task(around(Work(DONE, seconds=60), Timeout(5), Deadline(9))(a_step()))
    await asyncio.sleep(0)
    running.cancel("from outside")
    with pytest.raises(asyncio.CancelledError, match="from outside"):
        await running
    assert running.cancelled()


@pytest.mark.parametrize("swallowed", [False, True])
@pytest.mark.parametrize("first", ["outside", "timeout"])
def test_a_cancellation_from_outside_wins_over_a_timeout_of_the_same_moment(first, swallowed):
    """2.6 whichever comes first, and also when the work swallows it."""

    async def work(ctx):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if not swallowed:
                raise

    async def main():
        loop = asyncio.get_running_loop()
        running = asyncio.create_task(around(work, Timeout(5))(a_step()))
        if first == "outside":
            loop.call_at(5, running.cancel)
        await asyncio.sleep(0)
        if first == "timeout":
            loop.call_at(5, running.cancel)
        await asyncio.wait({running})
        return running.cancelled()

    assert run_virtual(main()) is True


async def test_work_may_swallow_a_cancellation_at_its_first_wait_and_go_on():
    """5.4 as if it were not there: that is the work's affair."""

    async def work(ctx):
        for _ in range(3):
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        return DONE

    running = asyncio.create_task(around(work, Timeout(5))(a_step()))
    for _ in range(3):
        await asyncio.sleep(0)
        running.cancel()
    assert await running == DONE


async def test_work_that_raises_cancelled_error_by_itself_has_not_timed_out():
    """5.4"""

    async def work(ctx):
        await asyncio.sleep(0)
        raise asyncio.CancelledError("own")

    with pytest.raises(asyncio.CancelledError, match="own"):
        await around(work, Timeout(5))(a_step())


class Handed:
    """Something to wait for that the loop would be handed."""

    def __await__(self):
        return (yield self)


@pytest.mark.parametrize("steps", [1, 2])
async def test_closing_the_call_closes_the_work(steps):
    """2.6 its finally blocks run at once, whoever else holds it."""
    ended: list[int] = []
    held = []

    async def work():
        try:
            await Handed()
            await Handed()
        finally:
            ended.append(1)

    def begun(ctx):
        held.append(work())
        return held[-1]

    call = around(begun, Timeout(5))(a_step())
    for _ in range(steps):
        call.send(None)
    call.close()
    assert ended == [1]


async def test_what_the_work_waits_for_is_handed_on_as_it_is():
    """5.4 as if it were not there: no more turns of the loop, and nothing in between."""
    first, second = Handed(), Handed()

    async def work(ctx):
        await first
        await second
        return DONE

    call = around(work, Timeout(5), Deadline(9))(a_step())
    assert call.send(None) is first
    assert call.send(None) is second
    with pytest.raises(StopIteration) as done:
        call.send(None)
    assert done.value.value == DONE


# --- one in another


@pytest.mark.parametrize(
    ("inner", "outer", "kind", "time"), [(2, 5, "inner", 2), (5, 2, "outer", 2), (3, 3, "outer", 3)]
)
def test_of_nested_bounds_the_one_that_ends_first_tells(inner, outer, kind, time):
    """5.4 and when both end at once, the outer one: nothing inside goes on."""

    async def main():
        call = bounded(Work(DONE, seconds=60), inner, "inner", lambda ctx: StepTimeout("inner"))
        call = bounded(call, outer, "outer", lambda ctx: StepTimeout("outer"))
        with pytest.raises(StepTimeout, match=kind):
            await call(a_step())
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == time


Plan = tuple  # ("sleep", seconds) | ("then", plan, plan) | ("ours" | "asyncio" | "caught", seconds, plan)
SECONDS = st.sampled_from([0.0, 1.0, 2.0, 3.0, 5.0, 8.0])
PLANS = st.recursive(
    st.tuples(st.just("sleep"), SECONDS),
    lambda plans: st.one_of(
        st.tuples(st.just("then"), plans, plans),
        st.tuples(st.sampled_from(["ours", "asyncio", "caught"]), SECONDS.map(lambda s: s + 0.5), plans),
    ),
    max_leaves=6,
)


async def follow(plan: Plan, bound) -> str:
    """Do what a plan says; `bound` gives the coroutine of `ours`."""
    match plan:
        case ("sleep", seconds):
            await asyncio.sleep(seconds)
            return "slept"
        case ("then", first, second):
            return f"{await follow(first, bound)},{await follow(second, bound)}"
        case ("ours", seconds, inner):
            return await bound(seconds, lambda: follow(inner, bound))
        case ("asyncio", seconds, inner):
            async with asyncio.timeout(seconds):
                return await follow(inner, bound)
        case (_, seconds, inner):
            try:
                async with asyncio.timeout(seconds):
                    return await follow(inner, bound)
            except TimeoutError:
                return "caught"
    raise AssertionError(plan)


async def ours(seconds: float, make):
    return await bounded(lambda ctx: make(), seconds, "timeout", lambda ctx: StepTimeout(f"{seconds}"))(a_step())


async def theirs(seconds: float, make):
    async with asyncio.timeout(seconds):
        return await make()


def outcome(plan: Plan, bound, cancel_at: float | None) -> tuple[str, float, int]:
    async def main():
        loop = asyncio.get_running_loop()
        running = asyncio.create_task(follow(plan, bound))
        if cancel_at is not None:
            loop.call_at(cancel_at, running.cancel)
        await asyncio.wait({running})
        if running.cancelled():
            return "cancelled", loop.time(), running.cancelling()
        error = running.exception()
        told = running.result() if error is None else "timed out" if isinstance(error, TimeoutError) else repr(error)
        return told, loop.time(), running.cancelling()

    return run_virtual(main())


@given(PLANS, st.one_of(st.none(), SECONDS.map(lambda s: s + 0.25)))
def test_it_always_ends_when_and_as_asyncio_timeout_would(plan, cancel_at):
    """5.4 nested in any way, beside timeouts of the work's own, and cancelled from outside at any moment."""
    assert outcome(plan, ours, cancel_at) == outcome(plan, theirs, cancel_at)


# --- its settings


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True, "5", None, 10**400])
@pytest.mark.parametrize("kind", [Timeout, Deadline])
def test_bad_settings_are_refused_at_once(kind, seconds):
    with pytest.raises(DefinitionError, match=rf"{kind.__name__}: seconds=.* is not a number of seconds above 0"):
        kind(seconds)


def test_it_is_a_frozen_definition():
    """1.1"""
    assert Timeout(5) == Timeout(5.0) == copy.deepcopy(Timeout(5))
    assert Timeout(5) != Timeout(6)
    assert Timeout(5) != Deadline(5)  # type: ignore[comparison-overlap]
    assert repr(Timeout(5)) == "Timeout(seconds=5)"


@pytest.mark.parametrize("policy", [Timeout(1.0), Deadline(1.0)])
def test_plain_work_on_the_loop_cannot_be_bounded(policy: Any) -> None:
    """5.4: nothing could interrupt it."""

    @node(isolation="inline", policies=[policy])
    def plain() -> None: ...

    @node(isolation="inline", policies=[policy])
    async def waits() -> dict[str, Any]:
        return {}

    with pytest.raises(GraphError, match=rf"{type(policy).__name__}: work is a plain function that runs inline"):
        Graph(plain, name="g")
    assert run_virtual(Graph(waits, name="g").run()).status == "completed"


def test_many_items_of_plain_work_on_the_loop_have_a_deadline() -> None:
    """5.4, 8.1: it is looked at between two items."""

    @node(isolation="inline", policies=[Deadline(1.0)], batch=Batch(items=[1]))
    def plain() -> None: ...

    assert run_virtual(Graph(plain, name="g").run()).status == "completed"
