"""A run can be cancelled at any point, and leaves nothing behind (6.2)."""

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from nodeloom import Engine, Event, Graph, Node, Route, RunCancelled, RunFailed, node
from nodeloom.errors import StepError


class Open:
    """What steps have open at the moment."""

    def __init__(self) -> None:
        self.now = 0
        self.ever = 0

    def __enter__(self) -> None:
        self.now += 1
        self.ever += 1

    def __exit__(self, *_: object) -> None:
        self.now -= 1


def step(name: str, held: Open, **settings: Any) -> Any:
    @node(id=name, **settings)
    async def step(ctx, inputs):
        with held:
            try:
                await asyncio.sleep(0)
                ctx.stream(1)
                await asyncio.sleep(0)
                ctx.progress(1, 2)
                return {"round": inputs.get("round", 0) + 1, name: 1}
            finally:
                await asyncio.sleep(0)

    return step


def linear(held: Open) -> Graph:
    a, b, c = (step(name, held) for name in "abc")
    a >> b >> c
    return Graph(a)


def forked(held: Open) -> Graph:
    a, b, c, d, e = (step(name, held) for name in "abcde")
    a >> [b, c, d]
    b.on("output.round < 4") >> b
    b.otherwise() >> e
    [c, d] >> e
    return Graph(a)


def threaded(held: Open) -> Graph:
    @node
    def blocks(ctx):
        with held:
            pause = threading.Event()
            for n in range(5):
                if ctx.cancelled:
                    return None
                ctx.stream(n)
                pause.wait(0.001)
        return {"n": 1}

    @node
    def chunks(ctx):
        with held:
            pause = threading.Event()
            for n in range(5):
                yield {"n": n}
                pause.wait(0.001)

    a, b = step("a", held), step("b", held)
    a >> [blocks, chunks] >> b
    return Graph(a)


def nested(held: Open) -> Graph:
    a, z = step("a", held), step("z", held)
    a >> [forked(held).as_node(id="one"), threaded(held).as_node(id="two")] >> z
    return Graph(a)


def streaming(held: Open) -> Graph:
    @node
    async def chunks():
        with held:
            try:
                for n in range(5):
                    yield {"n": n}
                    await asyncio.sleep(0)
            finally:
                await asyncio.sleep(0)

    a = step("a", held)
    a >> chunks >> step("b", held)
    return Graph(a)


class Started(Node):
    memory = True

    def __init__(self, held: Open, **values: Any) -> None:
        super().__init__(**values)
        self.held = held

    async def on_start(self, ctx):
        await asyncio.sleep(0)

    async def on_finish(self, result):
        await asyncio.sleep(0)

    async def work(self, ctx):
        with self.held:
            async with ctx.shared.transaction() as t:
                t["n"] = t.get("n", 0) + 1
                await asyncio.sleep(0)
        return {"n": 1}


def hooked(held: Open) -> Graph:
    a, z = step("a", held), step("z", held, join="any")
    a >> [Started(held, id=f"s{n}") for n in range(3)] >> z
    return Graph(a)


def scattered(held: Open) -> Graph:
    @node
    async def scatter():
        return Route({}, to=[("item", {"n": n}) for n in range(4)])

    item, end = step("item", held), step("end", held, join="all")
    scatter.may_route(item)
    item >> end
    return Graph(scatter)


def failing(held: Open) -> Graph:
    a, b, c = (step(name, held) for name in "abc")

    @node
    async def fail():
        await asyncio.sleep(0)
        raise ValueError("no")

    a >> [b, fail, c]
    return Graph(a)


SHAPES = [linear, forked, threaded, nested, streaming, hooked, scattered, failing]


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def busy(engine: Engine) -> list[str]:
    return list(engine.pool("default").abandoned.elements())


@pytest.mark.parametrize("shape", SHAPES)
async def test_cancelling_after_any_event_leaves_nothing(shape: Callable[[Open], Graph]) -> None:
    """6.2: no task, no busy thread, nothing a step held, no file."""
    held = Open()
    graph = shape(held)
    async with Engine() as engine:
        total = len([event async for event in engine.stream(graph, {})])
        before = open_files()
        for k in range(1, total + 1):
            seen: list[Event] = []
            enough = asyncio.Event()

            def watch(event: Event, seen=seen, enough=enough, k=k) -> None:
                seen.append(event)
                if len(seen) >= k:
                    enough.set()

            run = await engine.start(graph, {}, watch=watch)
            waiting = asyncio.create_task(enough.wait())
            ending = asyncio.create_task(run.result(check=False))
            await asyncio.wait({waiting, ending}, return_when=asyncio.FIRST_COMPLETED)
            await engine.cancel(run.id)
            waiting.cancel()
            await asyncio.wait({waiting, ending})
            assert held.now == 0, k
            assert busy(engine) == [], k
            assert asyncio.all_tasks() == {asyncio.current_task()}, k
            assert run.status in ("completed", "failed", "cancelled")
            assert seen[-1].type in ("run_completed", "run_failed", "run_cancelled"), k
        assert open_files() <= before
    assert held.ever > 0


@pytest.mark.parametrize("shape", SHAPES)
async def test_cancelling_the_caller_at_any_turn_of_the_loop_leaves_nothing(shape: Callable[[Open], Graph]) -> None:
    """6.2: and the CancelledError is the caller's again."""
    held = Open()
    graph = shape(held)
    async with Engine() as engine:
        for turns in range(60):
            caller = asyncio.create_task(engine.run(graph, {}, check=False))
            for _ in range(turns):
                await asyncio.sleep(0)
            asked = caller.cancel()
            await asyncio.wait({caller})
            assert caller.cancelled() is asked, turns
            assert held.now == 0, turns
            assert asyncio.all_tasks() == {asyncio.current_task()}, turns
        assert busy(engine) == []


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in (threaded, nested)])
async def test_cancelling_twice_leaves_nothing_either(shape: Callable[[Open], Graph]) -> None:
    """6.2: an impatient caller does not break into the cleaning up; only a thread is given up on by a second cancel."""
    held = Open()
    graph = shape(held)
    async with Engine() as engine:
        for turns in range(1, 40, 3):
            for between in range(3):
                caller = asyncio.create_task(engine.run(graph, {}, check=False))
                for _ in range(turns):
                    await asyncio.sleep(0)
                caller.cancel()
                for _ in range(between):
                    await asyncio.sleep(0)
                caller.cancel()
                await asyncio.wait({caller})
                assert held.now == 0
                assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_second_cancel_still_awaits_what_cleans_up() -> None:
    """6.2: the caller is cancelled when its steps have ended, and not before."""
    all_in, cleaning, free = asyncio.Barrier(3), asyncio.Event(), asyncio.Event()
    cleaned: list[int] = []

    @node
    async def wait():
        await all_in.wait()
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await free.wait()
            cleaned.append(1)

    caller = asyncio.create_task(Graph([wait.copy(), wait.copy(id="also")]).run())
    await all_in.wait()
    caller.cancel()
    await cleaning.wait()
    for _ in range(3):
        caller.cancel()
        await asyncio.sleep(0)
        assert not caller.done()
    free.set()
    await asyncio.wait({caller})
    assert caller.cancelled()
    assert cleaned == [1, 1]


@pytest.mark.parametrize("children_first", [True, False])
@pytest.mark.parametrize("begun", [True, False])
async def test_a_loop_that_cancels_every_task_does_not_break_into_their_cleaning_up(
    children_first: bool, begun: bool
) -> None:
    """6.2: `asyncio.run` does so at its end, in no order."""
    cleaned: list[int] = []
    ran: list[int] = []

    @node
    async def wait():
        ran.append(1)
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            cleaned.append(1)

    caller = asyncio.create_task(Graph([wait.copy(), wait.copy(id="also")]).run())
    while len(asyncio.all_tasks()) < 4 or (begun and len(ran) < 2):  # noqa: ASYNC110
        await asyncio.sleep(0)
    children = asyncio.all_tasks() - {caller, asyncio.current_task()}
    for task in [*children, caller] if children_first else [caller, *children]:
        task.cancel()
    await asyncio.wait_for(asyncio.wait({caller}), 5)
    assert caller.cancelled()
    assert cleaned == ran
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_timeout_of_a_steps_own_that_fires_while_the_run_is_cancelled_keeps_nothing_running() -> None:
    """6.2: its cancelling passes, and the run's still reaches the step."""
    timed_out, free = asyncio.Event(), asyncio.Event()

    @node
    async def stubborn():
        try:
            async with asyncio.timeout(0):
                try:
                    await asyncio.Event().wait()
                finally:
                    timed_out.set()
                    await free.wait()
        except TimeoutError:
            pass
        await asyncio.Event().wait()

    caller = asyncio.create_task(Graph([stubborn.copy(), stubborn.copy(id="also")]).run())
    await timed_out.wait()
    caller.cancel()
    await asyncio.sleep(0)
    free.set()
    await asyncio.wait_for(asyncio.wait({caller}), 5)
    assert caller.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_leaving_a_stream_early_cancels_the_run() -> None:
    """6.2."""
    held = Open()
    for shape in SHAPES:
        async for event in shape(held).stream({}):
            if event.type == "step_started" and event.node != "a":
                break
        gc.collect()
        async with asyncio.timeout(5):
            while asyncio.all_tasks() != {asyncio.current_task()}:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert held.now == 0


async def test_closing_a_stream_awaits_the_end_of_the_run() -> None:
    """6.2."""
    held = Open()
    events = forked(held).stream({})
    async for event in events:
        if event.type == "chunk":
            break
    assert held.now > 0
    await events.aclose()  # type: ignore[attr-defined]
    assert held.now == 0


async def test_an_exception_in_the_loop_over_a_stream_cancels_the_run() -> None:
    """6.2."""
    held = Open()
    events: AsyncIterator[Event] = forked(held).stream({})
    with pytest.raises(ZeroDivisionError):
        async for _ in events:
            1 / 0  # noqa: B018
    await events.aclose()  # type: ignore[attr-defined]
    assert held.now == 0


async def test_a_timeout_around_a_run_is_the_callers() -> None:
    """6.2: asyncio.timeout and wait_for work."""
    ended = []

    @node
    async def wait():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    start = step("start", Open())
    start >> [wait, wait.copy(id="also")]
    for graph in (Graph(wait.copy()), Graph(start)):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await graph.run({})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(graph.run({}), 0.01)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await wait({})
    assert len(ended) == 8
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert asyncio.all_tasks() == {task}


async def test_a_task_group_around_runs_is_the_callers() -> None:
    """6.2."""
    held = Open()
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(forked(held).run({}))
            group.create_task(failing(held).run({}))
    assert caught.group_contains(RunFailed)
    assert held.now == 0


async def test_a_callers_cancel_is_not_swallowed_by_a_run_that_is_cancelled_at_the_same_time() -> None:
    """6.2: of two cancels each reaches its own."""

    @node
    async def wait():
        await asyncio.Event().wait()

    async with Engine() as engine:
        for check in (True, False):
            run = await engine.start(Graph(wait.copy()))
            caller = asyncio.create_task(run.result(check=check))
            await asyncio.sleep(0)
            run._task.cancel()
            while not run._task.done():  # noqa: ASYNC110
                await asyncio.sleep(0)
            caller.cancel()
            await asyncio.wait({caller})
            assert caller.cancelled()


async def test_a_caller_that_leaves_does_not_cancel_a_started_run() -> None:
    """6.2: the run is the engine's."""
    free = asyncio.Event()

    @node
    async def wait():
        await free.wait()
        return {"n": 1}

    async with Engine() as engine:
        run = await engine.start(Graph(wait))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await run.result()
        assert run.status == "running"
        free.set()
        assert (await run.result()).output == {"n": 1}


async def test_a_cancelled_run_says_so() -> None:
    """6.2."""

    @node
    async def wait():
        await asyncio.Event().wait()

    async with Engine() as engine:
        run = await engine.start(Graph(wait, name="g"), run_id="r")
        await engine.cancel("r")
        assert run.status == "cancelled"
        with pytest.raises(RunCancelled, match="run r of graph g was cancelled") as caught:
            await run.result()
        assert caught.value.result.status == "cancelled"
        assert (await run.result(check=False)).status == "cancelled"
        await engine.cancel("r")


async def test_the_last_event_of_a_cancelled_run_says_so() -> None:
    """6.2."""
    seen: list[str] = []
    began = asyncio.Event()

    @node
    async def wait():
        began.set()
        await asyncio.Event().wait()

    async with Engine() as engine:
        run = await engine.start(Graph(wait), watch=lambda event: seen.append(event.type))
        await began.wait()
        await run.cancel()
    assert seen == ["run_started", "step_started", "step_cancelled", "run_cancelled"]


async def test_a_cancelled_step_on_a_thread_is_told_at_once() -> None:
    """5.4, 6.2: in a line as in a fork, and inside a graph inside; not when the grace is over."""
    for build in (lambda g: g, lambda g: Graph(g.as_node(), name="outer")):
        began, told = threading.Event(), threading.Event()

        @node
        def blocks(ctx, began=began, told=told):
            began.set()
            pause = threading.Event()
            while not ctx.cancelled:
                pause.wait(0.001)
            told.set()

        async with Engine(grace=60) as engine:
            run = await engine.start(build(Graph(blocks, name="inner")))
            assert await asyncio.to_thread(began.wait, 5)
            async with asyncio.timeout(5):
                await run.cancel()
            assert told.is_set()
            assert busy(engine) == []


async def test_a_sync_generator_is_closed_when_its_run_is_cancelled() -> None:
    """1.7, 6.2."""
    closed, began = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    @node
    def chunks():
        pause = threading.Event()
        try:
            while True:
                loop.call_soon_threadsafe(began.set)
                yield {"n": 1}
                pause.wait(0.001)
        finally:
            closed.set()

    async with Engine(grace=60) as engine:
        run = await engine.start(Graph(chunks))
        await began.wait()
        async with asyncio.timeout(5):
            await run.cancel()
        assert closed.is_set()


async def test_an_async_generator_is_closed_when_its_run_is_cancelled() -> None:
    """1.7, 6.2."""
    closed, began = asyncio.Event(), asyncio.Event()

    @node
    async def chunks():
        try:
            while True:
                began.set()
                yield {"n": 1}
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)
            closed.set()

    async with Engine() as engine:
        run = await engine.start(Graph(chunks))
        await began.wait()
        await run.cancel()
        assert closed.is_set()


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("in_fork", [False, True])
async def test_a_cancelled_error_that_nobody_asked_for_is_a_failure_of_the_step(watched: bool, in_fork: bool) -> None:
    """6.2, 2.5: what a node awaited was cancelled, not the run; its caller must not believe it was cancelled."""

    @node
    async def start():
        return {}

    @node
    async def raises():
        other = asyncio.create_task(asyncio.Event().wait())
        other.cancel()
        await other

    start >> raises
    if in_fork:
        start >> step("other", Open())
    graph = Graph(start)
    if watched:
        events = [event async for event in graph.stream({})]
        assert events[-1].type == "run_failed"
        assert events[-1]["error"]["node"] == "raises"
    else:
        with pytest.raises(RunFailed, match="though nobody cancelled it") as caught:
            await graph.run({})
        assert isinstance(caught.value.__cause__, StepError)
        assert isinstance(caught.value.__cause__.__cause__, asyncio.CancelledError)


async def test_a_cancelled_error_from_within_can_be_caught_by_an_edge() -> None:
    """2.5."""

    @node
    def raises():
        raise asyncio.CancelledError

    raises.on_error(StepError) >> step("sorry", Open())
    assert (await Graph(raises).run({})).status == "completed"
    with pytest.raises(StepError):
        await raises.copy(isolation="inline")({})


async def test_a_run_may_be_cancelled_by_its_own_step() -> None:
    """6.2."""

    @node
    async def suicidal(ctx, inputs):
        await inputs["engine"].cancel(ctx.run_id)

    other = step("other", Open())
    async with Engine() as engine:
        for graph in (Graph(suicidal.copy()), Graph([suicidal.copy(), other])):
            run = await engine.start(graph, {"engine": engine})
            with pytest.raises(RunCancelled):
                await asyncio.wait_for(run.result(), 5)
            assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_run_cancelled_before_its_first_turn_never_begins() -> None:
    """6.2."""
    held = Open()
    async with Engine() as engine:
        run = await engine.start(forked(held), {})
        await run.cancel()
        assert run.status == "cancelled"
    assert held.ever == 0


async def test_a_step_among_others_that_its_task_was_cancelled_under_goes_no_further_to_a_join() -> None:
    """2.6, 6.2: it went on to its end all the same; what it wrote remains, and nothing starts by it."""
    tasks: dict[str, asyncio.Task[Any] | None] = {}

    @node
    async def begin() -> dict[str, int]:
        return {}

    @node
    async def quick() -> dict[str, int]:
        return {"quick": 1}

    @node
    async def stubborn() -> dict[str, int]:
        tasks["stubborn"] = asyncio.current_task()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return {"stubborn": 1}

    @node
    async def canceller() -> dict[str, int]:
        await asyncio.sleep(0)
        task = tasks["stubborn"]
        assert task is not None
        task.cancel()
        await asyncio.sleep(0.01)
        return {"canceller": 1}

    @node
    async def end() -> dict[str, int]:
        return {"end": 1}

    begin >> [quick, stubborn, canceller] >> end
    result = await Graph(begin).run({})
    assert dict(result.state) == {"quick": 1, "stubborn": 1, "canceller": 1}
