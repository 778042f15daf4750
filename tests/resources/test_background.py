"""Work behind a step: one at a time for each key, its latest result and its age, wake-up on completion (7.3)."""

import asyncio
import contextlib
import functools
import inspect
import logging
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nodeloom import Engine, Graph, Node, StepFilter, node
from nodeloom.errors import EngineClosed, NodeloomError, StepError
from nodeloom.nodes.context import Context, current_context
from nodeloom.resources.background import Background
from nodeloom.resources.threads import ThreadPool
from nodeloom.testing import run_virtual


async def context_of(definition: Node, graph: str = "watching") -> Context:
    """The context of a step of this node."""
    seen: list[Context] = []

    @node("tests.look")
    async def look(ctx):
        seen.append(ctx)

    async with Engine() as engine:
        await engine.run(Graph(look.copy(id=definition.id), name=graph))
    seen[0].live.loop = asyncio.get_running_loop()
    return seen[0]


@node("tests.camera")
async def camera():
    return {}


async def no_threads(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A thread that takes no time, for loops with virtual time."""
    return function(*args, **kwargs)


def on_virtual_time(test: Callable[[Background, Context], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test on a loop with virtual time; the background is closed afterwards."""

    @functools.wraps(test)
    def run() -> None:
        async def main() -> None:
            background = Background(no_threads)
            try:
                await test(background, await context_of(camera))
            finally:
                await background.close()
            assert asyncio.all_tasks() == {asyncio.current_task()}

        run_virtual(main())

    del run.__wrapped__  # pytest would ask it for fixtures
    return run


class Slow:
    """An async function that takes a second; the nth call gives n, or fails with what is planned for it."""

    def __init__(self, *plan: Exception | None, takes: float = 1.0) -> None:
        self.plan = list(plan)
        self.takes = takes
        self.calls = self.now = self.at_once = 0

    async def __call__(self) -> int:
        self.calls += 1
        number = self.calls
        self.now += 1
        self.at_once = max(self.at_once, self.now)
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.now -= 1
        if number <= len(self.plan) and (error := self.plan[number - 1]) is not None:
            raise error
        return number


# --- one at a time, at once


@on_virtual_time
async def test_a_tick_never_waits_and_reads_the_latest(background: Background, ctx: Context) -> None:
    """7.3: a node that ticks a hundred times a second beside work that takes one."""
    slow, seen = Slow(), []
    for _ in range(350):
        latest = background.latest(ctx, "weather", slow)
        seen.append(latest.value)
        await asyncio.sleep(0.01)
    assert slow.at_once == 1
    assert slow.calls == 4
    assert [seen.count(value) for value in (None, 1, 2)] == pytest.approx([101, 101, 101], abs=2)


@on_virtual_time
async def test_a_handle_tells_what_is_known(background: Background, ctx: Context) -> None:
    """7.3."""
    latest = background.latest(ctx, "weather", Slow(None, ValueError("no wind")))
    assert (latest.value, latest.age, latest.error, latest.running, latest.count) == (None, None, None, True, 0)
    assert latest.read() == (None, None)
    await asyncio.sleep(3.0)
    assert (latest.value, latest.error, latest.running, latest.count) == (1, None, False, 1)
    assert latest.age == pytest.approx(2.0)
    assert latest.read() == (1, latest.age)


@on_virtual_time
async def test_the_last_good_value_outlives_a_failure_and_grows_old(background: Background, ctx: Context) -> None:
    """7.3."""
    slow = Slow(None, ValueError("no wind"), None)
    latest = background.latest(ctx, "weather", slow)
    assert await latest.next() == 1
    latest = background.latest(ctx, "weather", slow)
    with pytest.raises(ValueError, match="no wind"):
        await latest.next()
    assert (latest.value, str(latest.error), latest.count) == (1, "no wind", 2)
    assert latest.age == pytest.approx(1.0)
    assert await background.latest(ctx, "weather", slow).next() == 3
    assert (latest.value, latest.error, latest.age) == (3, None, 0.0)


@on_virtual_time
async def test_none_is_a_value(background: Background, ctx: Context) -> None:
    """1.8: its age tells that it is there."""
    latest = background.latest(ctx, "key", lambda: None)
    assert await latest.next() is None
    assert (latest.value, latest.age, latest.count) == (None, 0.0, 1)


@on_virtual_time
async def test_keys_and_places_have_work_of_their_own(background: Background, ctx: Context) -> None:
    """7.3: a key is one of its node's place, in its graph; runs of that graph share it."""

    @node("tests.look")
    async def radar():
        return {}

    same, elsewhere, other = await context_of(camera), await context_of(camera, "other"), await context_of(radar)
    slow = Slow()
    works = [background.latest(each, "a", slow) for each in (ctx, same, elsewhere, other)]
    works.append(background.latest(ctx, "b", slow))
    assert await asyncio.gather(*(work.next() for work in works)) == [1, 1, 2, 3, 4]


# --- wake-up


@on_virtual_time
async def test_whoever_waits_is_woken_when_it_is_done(background: Background, ctx: Context) -> None:
    """7.3."""
    latest = background.latest(ctx, "weather", Slow())
    assert await asyncio.gather(*(latest.next() for _ in range(3))) == [1, 1, 1]
    assert asyncio.get_running_loop().time() == pytest.approx(1.0)


@on_virtual_time
async def test_what_is_done_between_two_looks_is_not_missed(background: Background, ctx: Context) -> None:
    """7.3: waiting after the fact does not wait for the one after."""
    latest = background.latest(ctx, "weather", Slow())
    await asyncio.sleep(5.0)
    async with asyncio.timeout(0.1):
        assert await latest.next() == 1
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await latest.next()
    assert latest.work._waiting == []


@on_virtual_time
async def test_a_waiter_may_leave_and_the_work_goes_on(background: Background, ctx: Context) -> None:
    """7.3."""
    latest = background.latest(ctx, "weather", Slow())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await latest.next()
    assert latest.running
    assert await latest.next() == 1


# --- failures


@on_virtual_time
async def test_a_failure_that_goes_on_is_logged_once(background: Background, ctx: Context) -> None:
    """7.3: it is never lost, and does not fill the log at every tick."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[assignment]
    logger = logging.getLogger("tests.look")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    plan = [OSError("down"), OSError("down"), OSError("refused"), None, OSError("down")]
    slow = Slow(*plan)
    for _ in plan:
        with contextlib.suppress(OSError):
            await background.latest(ctx, "weather", slow).next()
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    assert [record.getMessage() for record in records] == [
        "background weather failed: OSError: down",
        "background weather failed: OSError: refused",
        "background weather works again",
        "background weather failed: OSError: down",
    ]
    assert {(record.node, record.run) for record in records} == {("camera", ctx.run_id)}  # type: ignore[attr-defined]
    assert records[0].exc_info is not None


@on_virtual_time
async def test_a_cancellation_from_within_is_a_failure(background: Background, ctx: Context) -> None:
    """7.3: nobody is cancelled who was not."""

    async def gives_up() -> None:
        raise asyncio.CancelledError

    latest = background.latest(ctx, "key", gives_up)
    with pytest.raises(StepError, match=r"background 'key' of node camera was cancelled from within"):
        await latest.next()
    assert not latest.running


# --- what may be run


class Asks:
    async def method(self, n: int) -> int:
        return n

    async def __call__(self, n: int) -> int:
        return n

    def plain(self, n: int) -> int:
        return n


async def ask(n: int) -> int:
    return n


@pytest.mark.parametrize(
    "function", [ask, Asks().method, Asks(), Asks().plain, lambda n: n, lambda n: ask(n), functools.partial(ask)]
)
def test_functions_of_every_kind_are_run(function: Callable[[int], Any]) -> None:
    """7.3: a plain one that gives a coroutine too, as a lambda does."""

    async def main() -> None:
        background = Background(no_threads)
        assert await background.latest(await context_of(camera), "key", function, 7).next() == 7
        assert await background.latest(await context_of(camera), "key", function, n=8).next() == 8
        await background.close()

    run_virtual(main())


async def test_a_plain_function_runs_on_a_thread() -> None:
    """7.3, 1.6."""
    pool = ThreadPool("default", 2)

    async def offload(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await pool.run("background", lambda: function(*args, **kwargs))

    background = Background(offload)
    ctx = await context_of(camera)
    name = await background.latest(ctx, "key", lambda: threading.current_thread().name).next()
    assert name.startswith("nodeloom-default")
    await background.close()
    pool.close()


@pytest.mark.parametrize("first", ["the end", "the thread"])
async def test_a_coroutine_that_comes_too_late_is_closed(first: str) -> None:
    """7.3: nothing is left that nobody awaits, whichever of the two is first."""
    pool = ThreadPool("default", 1, grace=0.0)
    began, free = threading.Event(), threading.Event()
    made: list[Coroutine[Any, Any, int]] = []

    async def offload(function: Callable[[], Any]) -> Any:
        return await pool.run(function.__name__, function)

    def call() -> Coroutine[Any, Any, int]:
        began.set()
        assert free.wait(5)
        made.append(ask(1))
        return made[0]

    background = Background(offload, grace=0.0)
    background.latest(await context_of(camera), "key", call)
    while not began.is_set():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    if first == "the end":
        await background.close()
        free.set()
    else:
        free.set()
        while not made:  # the loop does not turn: the result is on its way when the end comes
            pass
        await background.close()
    async with asyncio.timeout(5):
        while not made or inspect.getcoroutinestate(made[0]) != inspect.CORO_CLOSED:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    pool.close()


@on_virtual_time
async def test_what_it_logs_is_its_steps_and_it_knows_its_context(background: Background, ctx: Context) -> None:
    """13.2: though the step has ended."""
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "hello", (), None)

    async def look() -> Context | None:
        StepFilter().filter(record)
        return current_context()

    assert await background.latest(ctx, "key", look).next() is ctx
    assert record.node == "camera"  # type: ignore[attr-defined]
    assert current_context() is None


# --- threads and other loops


async def test_a_plain_node_on_a_thread_may_call_it() -> None:
    """7.3, 10.3: the work runs on the loop all the same, once, however many threads ask."""
    background = Background(no_threads)
    ctx = await context_of(camera)
    free = asyncio.Event()
    home = threading.get_ident()
    where: list[int] = []

    async def work() -> int:
        where.append(threading.get_ident())
        await free.wait()
        return len(where)

    gate = threading.Barrier(8)

    def tick() -> Any:
        gate.wait(30)
        latest = background.latest(ctx, "key", work)
        assert latest.running
        return latest

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(8) as threads:
        handles = await asyncio.gather(*(loop.run_in_executor(threads, tick) for _ in range(8)))
    free.set()
    assert await asyncio.gather(*(handle.next() for handle in handles)) == [1] * 8
    assert where == [home]
    value, age = await asyncio.to_thread(handles[0].read)
    assert value == 1
    assert 0.0 <= age < 60.0
    await background.close()


async def test_threads_that_ask_at_the_same_moment_share_one_start() -> None:
    """7.3: for each key, however the threads take turns."""
    background = Background(no_threads)
    ctx = await context_of(camera)
    slow = Slow(takes=60.0)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        asking = [asyncio.to_thread(lambda: [background.latest(ctx, f"{n}", slow) for n in range(300)]) for _ in "abcd"]
        handles = [handle for some in await asyncio.gather(*asking) for handle in some]
    finally:
        sys.setswitchinterval(interval)
    async with asyncio.timeout(5):
        while slow.calls < 300:  # noqa: ASYNC110 - each start takes a turn of the loop
            await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert slow.calls == 300
    assert len({id(handle.work) for handle in handles}) == 300
    await background.close()


async def test_code_on_another_loop_is_woken_there() -> None:
    """7.3: a handle may be taken to any loop."""
    background = Background(no_threads)
    latest = background.latest(await context_of(camera), "key", Slow(takes=0.02))
    assert await asyncio.to_thread(asyncio.run, latest.next()) == 1
    await background.close()


async def test_a_thread_is_told_when_its_loop_has_ended() -> None:
    background = Background(no_threads)
    ctx = await context_of(camera)
    ctx.live.loop = loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(EngineClosed, match="its loop has ended"):
        await asyncio.to_thread(background.latest, ctx, "key", ask, 1)
    ctx.live.loop = None
    with pytest.raises(NodeloomError, match="no event loop runs on this thread"):
        await asyncio.to_thread(background.latest, ctx, "key", ask, 1)
    await background.close()


# --- the end


def test_closing_cancels_what_is_under_way_and_waits_for_it() -> None:
    """7.3: who waits learns why, and nothing new is taken."""
    ended: list[float] = []

    async def careful() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(1.0)
            ended.append(asyncio.get_running_loop().time())

    async def main() -> None:
        background = Background(no_threads)
        ctx = await context_of(camera)
        latest = background.latest(ctx, "key", careful)
        waiting = asyncio.create_task(latest.next())
        await asyncio.sleep(1.0)
        closing = asyncio.create_task(background.close())
        await asyncio.sleep(0.5)
        closing.cancel()
        await asyncio.wait({closing})
        assert closing.cancelled()
        assert ended == [pytest.approx(2.0)]
        for after in (waiting, latest.next()):
            with pytest.raises(EngineClosed, match="'key' of node camera: what it belonged to was closed"):
                await after
        assert not latest.running
        with pytest.raises(EngineClosed):
            background.latest(ctx, "key", careful)

    run_virtual(main())


def test_work_that_does_not_end_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """7.3, 6.3."""

    async def stubborn() -> None:
        time = asyncio.get_running_loop().time
        end = time() + 60.0
        while time() < end:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(end - time())

    async def main() -> None:
        background = Background(no_threads, grace=2.0)
        background.latest(await context_of(camera), "key", stubborn)
        await asyncio.sleep(1.0)
        await background.close()
        assert asyncio.get_running_loop().time() == pytest.approx(4.0)

    run_virtual(main())
    assert "background key of node camera did not end when it was cancelled" in caplog.text


class LateLoop:
    """The running loop, which a start from a thread reaches only when it is let go."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.free = threading.Event()

    def call_soon_threadsafe(self, callback: Any, *args: Any, **kwargs: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            assert self.free.wait(5)
        return self.loop.call_soon_threadsafe(callback, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loop, name)


async def test_a_start_that_a_thread_asked_for_before_the_end_does_nothing_after_it() -> None:
    """7.3."""
    background = Background(no_threads)
    ctx = await context_of(camera)
    late: Any = LateLoop()
    ctx.live.loop = late
    slow = Slow()
    asking = asyncio.create_task(asyncio.to_thread(background.latest, ctx, "key", slow))
    while not background._works:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    await background.close()
    late.free.set()
    latest = await asking
    await asyncio.sleep(0)
    assert slow.calls == 0
    assert not latest.running


@on_virtual_time
async def test_results_are_kept_of_so_many_keys_and_the_oldest_go_first(background: Background, ctx: Context) -> None:
    """7.3: keys may be made from data."""
    background._kept = 3
    held = background.latest(ctx, "under way", Slow(takes=100.0))
    for n in range(10):
        await background.latest(ctx, f"key {n}", ask, n).next()
    known = [place[-1] for place in background._works]
    assert known == ["under way", "key 8", "key 9"]
    assert held.running
    assert background.latest(ctx, "key 9", ask, 0).value == 9
    assert background.latest(ctx, "key 0", ask, 0).value is None
