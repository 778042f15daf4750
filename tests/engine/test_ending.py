"""How an engine comes to its end, and what those who await its runs get (6.2, 6.3, 13.1)."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import nodeloom
from nodeloom import Engine, Event, Graph, Node, RunCancelled, node
from nodeloom.engine import Left
from nodeloom.errors import EngineClosed, NodeloomError
from nodeloom.library.flow import Delay
from nodeloom.testing import run_virtual


class Waiting:
    """Nodes that wait for ever, and how many of them began, and were cleaned up after."""

    def __init__(self) -> None:
        self.began = self.ended = 0

    def step(self, name: str = "wait") -> Any:
        @node(id=name)
        async def wait():
            self.began += 1
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                self.ended += 1

        return wait


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def alone() -> bool:
    return asyncio.all_tasks() == {asyncio.current_task()}


def parallel(waiting: Waiting) -> Graph:
    return Graph([waiting.step("one"), waiting.step("two")], name="parallel")


def single(waiting: Waiting) -> Graph:
    return Graph(waiting.step(), name="single")


def inside(waiting: Waiting) -> Graph:
    return Graph(parallel(waiting).as_node(id="inner"), name="outer")


def called(waiting: Waiting) -> Graph:
    """A step that runs another graph as any caller does."""
    other = single(waiting)

    @node
    async def calls():
        await other.run()

    return Graph(calls, name="calling")


SHAPES = [single, parallel, inside, called]
Ending = Callable[[Engine], Awaitable[Any]]
ENDINGS: list[Ending] = [Engine.close, lambda engine: engine.stop(grace=0.01)]


# --- who awaits a run


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("shape", SHAPES)
async def test_a_run_that_a_caller_awaits_is_cancelled_with_its_engine(
    waiting: Waiting, shape: Callable[[Waiting], Graph], end: Ending
) -> None:
    """6.2, 13.1: the caller is told by RunCancelled, its task is not cancelled, and nothing is left."""
    engine = Engine()
    after: list[int] = []

    async def caller() -> None:
        with pytest.raises(RunCancelled, match=r"run r of graph \w+ was cancelled") as caught:
            await engine.run(shape(waiting), run_id="r")
        assert caught.value.result.status == "cancelled"
        await asyncio.sleep(0)
        after.append(1)

    task = asyncio.create_task(caller())
    await turns()
    await end(engine)
    assert waiting.began == waiting.ended > 0
    await task
    assert (after, task.cancelling()) == ([1], 0)
    assert alone()


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_caller_that_asks_for_no_error_gets_a_cancelled_result(
    waiting: Waiting, shape: Callable[[Waiting], Graph]
) -> None:
    """6.2: with what the run had come to."""
    first = node(lambda: {"n": 1}).copy(id="first", isolation="inline")
    first >> shape(waiting).as_node(id="rest")
    engine = Engine()
    caller = asyncio.create_task(engine.run(Graph(first), {"given": 0}, check=False))
    await turns()
    await engine.close()
    result = await caller
    assert (result.status, result.state, result.outputs) == ("cancelled", {"given": 0, "n": 1}, {"first": {"n": 1}})


async def test_a_stream_ends_with_the_word_that_the_run_was_cancelled(waiting: Waiting) -> None:
    """6.2, 6.3: which says what it was at."""
    engine = Engine()
    events: list[Event] = []

    async def watch() -> None:
        events.extend([event async for event in engine.stream(single(waiting), run_id="r")])

    task = asyncio.create_task(watch())
    await turns()
    await engine.close()
    await task
    assert events[-1].type == "run_cancelled"
    assert [left["node"] for left in events[-1]["left"]] == ["wait"]


async def test_a_node_that_is_called_by_itself_is_cancelled_too(waiting: Waiting) -> None:
    """13.1."""
    engine = Engine()
    caller = asyncio.create_task(engine.call(waiting.step()))
    await turns()
    await engine.close()
    with pytest.raises(RunCancelled):
        await caller


async def test_the_implicit_engine_ends_what_runs_in_it(waiting: Waiting) -> None:
    """13.1: `await nodeloom.close()`."""
    caller = asyncio.create_task(single(waiting).run())
    await turns()
    await nodeloom.close()
    with pytest.raises(RunCancelled):
        await caller
    assert alone()


async def test_a_timeout_and_an_engine_that_closes_at_the_same_time_reach_both(waiting: Waiting) -> None:
    """6.2: whoever else cancels the caller is not robbed of it."""
    engine = Engine()

    async def caller(timed: asyncio.Timeout) -> None:
        async with timed:
            await engine.run(single(waiting))

    timed = asyncio.timeout(None)
    task = asyncio.create_task(caller(timed))
    await turns()
    closing = asyncio.create_task(engine.close())
    await asyncio.sleep(0)
    timed.reschedule(asyncio.get_running_loop().time())
    await closing
    with pytest.raises((TimeoutError, RunCancelled)):
        await task
    assert task.cancelling() == 0


@pytest.mark.parametrize("first", ["caller", "engine"])
@pytest.mark.parametrize("shape", SHAPES)
async def test_a_caller_that_is_cancelled_beside_has_its_own_back(
    waiting: Waiting, shape: Callable[[Waiting], Graph], first: str
) -> None:
    """6.2."""
    engine = Engine()
    task = asyncio.create_task(engine.run(shape(waiting)))
    await turns()
    closing = asyncio.create_task(engine.close())
    for cancels in (True, False) if first == "caller" else (False, True):
        if cancels:
            task.cancel()
        else:
            await turns(2)
    await closing
    await asyncio.wait({task})
    assert task.cancelled()
    assert waiting.began == waiting.ended


@pytest.mark.parametrize("over", [False, True])
async def test_a_background_run_that_a_step_left_is_ended_too(waiting: Waiting, over: bool) -> None:
    """6.2, 13.1: with the run that began it, or after that is over."""
    left: list[asyncio.Task[Any]] = []
    graph = single(waiting)

    @node
    async def leaves(ctx):
        left.append(asyncio.create_task(graph.run(check=False)))
        await (asyncio.sleep(0) if over else asyncio.Event().wait())

    engine = Engine()
    run = await engine.start(Graph(leaves))
    await turns()
    assert (run.status == "completed") == over
    await engine.close()
    assert (await left[0]).status == "cancelled"
    assert waiting.ended == 1


# --- cancelling by id


async def test_a_run_that_a_caller_awaits_can_be_cancelled_by_its_id(waiting: Waiting) -> None:
    """6.2."""
    async with Engine() as engine:
        callers = [asyncio.create_task(engine.run(single(waiting), run_id=name)) for name in ("mine", "yours")]
        await turns()
        assert await engine.cancel("mine") is None
        with pytest.raises(RunCancelled):
            await callers[0]
        assert not callers[1].done()
        with pytest.raises(NodeloomError, match="no run 'mine'"):
            await engine.cancel("mine")
    with pytest.raises(RunCancelled):
        await callers[1]


async def test_a_graph_inside_that_is_cancelled_by_its_id_fails_its_step(waiting: Waiting) -> None:
    """6.2, 2.5: the outer run is not cancelled, and an edge can catch it."""
    seen: list[Event] = []
    inner = single(waiting).as_node(id="inner")
    inner.on_error(RunCancelled) >> node(lambda: {"sorry": 1}).copy(id="sorry")
    async with Engine() as engine:
        run = await engine.start(Graph(inner), watch=seen.append)
        await turns()
        await engine.cancel(next(event.run_id for event in seen if event.node == "wait"))
        assert (await run.result()).output == {"sorry": 1}


async def test_cancelling_tells_what_had_not_ended_in_time() -> None:
    """6.2: and it goes on ending."""
    free, began = asyncio.Event(), asyncio.Event()

    @node
    async def slow():
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await free.wait()

    for graph in (Graph(slow.copy(), name="g"), Graph([slow.copy(), slow.copy(id="also")], name="g")):
        began.clear()
        free.clear()
        async with Engine() as engine:
            run = await engine.start(graph, run_id="r")
            await began.wait()
            await turns()
            left = await engine.cancel("r", within=0.01)
            assert left is not None
            assert [step.node for step in left.steps] == list(graph.nodes)
            assert run.status == "running"
            free.set()
            assert await engine.cancel("r", within=5) is None
            assert run.status == "cancelled"
            assert await engine.cancel("r") is None


# --- draining


def test_draining_waits_for_what_runs_and_takes_more() -> None:
    """6.2: new runs are not waited for."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with Engine() as engine:
            short, long = Graph(Delay(seconds=1)), Graph(Delay(seconds=5), name="long")
            await engine.start(short)
            awaited = asyncio.create_task(engine.run(Graph(Delay(seconds=2))))
            draining = asyncio.create_task(engine.drain())
            await asyncio.sleep(0.5)
            late = await engine.start(long, run_id="late")
            assert await draining == ()
            assert (loop.time(), awaited.done()) == (2, True)
            left = await engine.drain(within=1)
            assert loop.time() == 3
            assert [(each.run_id, each.graph, each.steps[0].node) for each in left] == [("late", "long", "delay")]
            assert (await late.result()).status == "completed"
            assert await engine.drain() == ()

    run_virtual(main())


async def test_a_step_cannot_drain_the_engine_it_runs_in() -> None:
    """6.2: it would wait for itself."""

    @node
    async def drains(inputs):
        await inputs["engine"].drain()

    async with Engine() as engine:
        with pytest.raises(NodeloomError, match="would wait for that step"):
            await engine.call(drains, {"engine": engine})


# --- stopping


def working(seconds: float, name: str) -> Any:
    """A node that works for so long."""

    @node(id=name)
    async def works():
        await asyncio.sleep(seconds)
        return {name: seconds}

    return works


def test_stopping_lets_runs_end_within_the_grace_with_all_their_steps() -> None:
    """6.2: no newcomers, but what a run needs to come to its end is taken."""

    async def main() -> None:
        a, b, c = working(1, "a"), working(1, "b"), Graph(working(1, "c"), name="inner").as_node(id="inner")

        @node
        async def calls():
            return await working(1, "d")({})

        a >> b >> c >> calls
        engine = Engine()
        run = await engine.start(Graph(a))
        await asyncio.sleep(0.5)
        stopping = asyncio.create_task(engine.stop(grace=10))
        await asyncio.sleep(0)
        for attempt in (engine.run(Graph(a)), engine.start(Graph(a)), engine.call(b)):
            with pytest.raises(EngineClosed, match="takes no new runs"):
                await attempt
        assert not engine.closed
        assert await stopping == ()
        assert engine.closed
        assert asyncio.get_running_loop().time() == 4
        assert (await run.result()).status == "completed"

    run_virtual(main())


async def test_a_run_that_ends_as_its_engine_stops_has_ended() -> None:
    """6.2: wherever in its last turns it is."""
    for moment in range(25):
        a, b, c = working(0, "a"), working(0, "b"), working(0, "c")
        a >> [b, c]
        engine = Engine()
        run = await engine.start(Graph(a))
        await turns(moment)
        assert await engine.stop(grace=60) == ()
        assert (await run.result()).status == "completed"


def test_what_is_left_after_the_grace_is_cancelled_named_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """6.2, 6.3."""

    async def main() -> tuple[Left, ...]:
        engine = Engine()
        a, b = working(1, "a"), working(60, "b")
        a >> [b, working(60, "c")]
        run = await engine.start(Graph(a, name="long"), run_id="order-42")
        mine = asyncio.create_task(engine.run(Graph(working(3, "short"))))
        await asyncio.sleep(0)
        left = await engine.stop(grace=10)
        assert asyncio.get_running_loop().time() == 10
        assert run.status == "cancelled"
        assert (await mine).status == "completed"
        assert alone()
        return left

    with caplog.at_level(logging.WARNING, "nodeloom.engine"):
        left = run_virtual(main())
    assert [str(each) for each in left] == ["run order-42 of graph long, at b, c"]
    assert [step.step_id.partition(":")[0] for step in left[0].steps] == ["b", "c"]
    assert caplog.messages == ["stopped before its end: run order-42 of graph long, at b, c"]


def poller(period: float, call: float = 0.2) -> Graph:
    """Asks again and again, for ever."""
    ask, wait = working(call, "ask"), Delay(seconds=period, id="wait")
    ask >> wait
    wait.on("not (state.over exists)") >> ask
    return Graph(ask, name="poller")


@pytest.mark.parametrize("at", [0.1, 0.2, 0.3, 55, 60.15, 60.3, 3000])
def test_a_poller_stops_within_a_second_whenever_it_is_told_to(at: float) -> None:
    """6.2, 6.3: nothing is lost by not waiting; a call that is under way ends first."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        engine = Engine()
        run = await engine.start(poller(60), run_id="poller")
        await asyncio.sleep(at)
        left = await engine.stop(grace=10)
        assert loop.time() - at < 1
        assert [str(each) for each in left] == ["run poller of graph poller, at wait"]
        assert run.status == "cancelled"
        result = await run.result(check=False)
        assert result.outputs["ask"] == {"ask": 0.2}
        assert alone()

    run_virtual(main())


def test_a_wait_beside_work_does_not_end_the_work() -> None:
    """6.2: a run is cancelled when all of it only waits, and no sooner."""

    async def main() -> None:
        engine = Engine()
        polls = poller(60, call=1.5).as_node(id="polls")
        run = await engine.start(Graph([Delay(seconds=60, id="wait"), polls, working(3, "works")]))
        inner = await engine.start(Graph(polls.copy()))
        await asyncio.sleep(1)
        left = await engine.stop(grace=10)
        assert asyncio.get_running_loop().time() == 3
        assert [[step.node for step in each.steps] for each in left] == [["polls/wait"], ["wait", "polls/wait"]]
        result = await run.result(check=False)
        assert (result.status, result.outputs) == ("cancelled", {"works": {"works": 3}})
        assert inner.status == "cancelled"

    run_virtual(main())


async def test_a_paused_run_is_not_waited_for(waiting: Waiting) -> None:
    """6.2: it would not end by itself; its steps are none, where none runs."""
    engine = Engine()
    run = await engine.start(single(waiting), run_id="r")
    await run.pause()
    async with asyncio.timeout(5):
        assert [str(each) for each in await engine.stop(grace=60)] == ["run r of graph single"]
    assert run.status == "cancelled"
    assert waiting.began == 0


async def test_a_run_that_is_being_paused_when_its_engine_stops_is_cancelled_as_soon_as_it_stands_still() -> None:
    """6.2: and who waits for the pause is told."""
    free, began = asyncio.Event(), asyncio.Event()

    @node
    async def step():
        began.set()
        await free.wait()

    step >> node(lambda: {"n": 1}).copy(id="after")
    engine = Engine()
    run = await engine.start(Graph(step))
    await began.wait()
    pausing = asyncio.create_task(run.pause())
    await turns()
    stopping = asyncio.create_task(engine.stop(grace=60))
    await turns()
    assert not stopping.done()
    free.set()
    async with asyncio.timeout(5):
        assert len(await stopping) == 1
        assert await pausing is None
    assert run.status == "cancelled"


def test_closing_ends_the_grace_of_a_stop(caplog: pytest.LogCaptureFixture) -> None:
    """6.2."""

    async def main() -> None:
        engine = Engine()
        await engine.start(Graph(working(60, "long")), run_id="r")
        stopping = asyncio.create_task(engine.stop(grace=30))
        await asyncio.sleep(1)
        again = asyncio.create_task(engine.stop(grace=5))
        await asyncio.sleep(1)
        await engine.close()
        assert asyncio.get_running_loop().time() == 2
        left = await stopping
        assert [each.run_id for each in left] == ["r"]
        assert await again == left
        assert await engine.stop() == left

    run_virtual(main())


async def test_who_asks_for_the_end_and_leaves_does_not_break_it(waiting: Waiting) -> None:
    """6.2, 13.1."""
    stopped: list[int] = []

    class Stops(Node):
        async def work(self):
            return None

        async def on_stop(self):
            await asyncio.sleep(0.01)
            stopped.append(1)

    engine = Engine()
    await engine.call(Stops())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await engine.close()
    await engine.close()
    assert stopped == [1]
    assert engine.closed


@pytest.mark.parametrize("end", [Engine.close, lambda engine: engine.stop(grace=60)])
@pytest.mark.parametrize("several", [False, True])
async def test_a_step_may_end_its_own_engine(waiting: Waiting, several: bool, end: Ending) -> None:
    """6.2: it has nothing else to do then, so that it is not waited for."""

    @node
    async def ends(inputs):
        await end(inputs["engine"])

    engine = Engine()
    graph = Graph([ends, Delay(seconds=60)]) if several else Graph(ends)
    with pytest.raises(RunCancelled):
        await asyncio.wait_for(engine.run(graph, {"engine": engine}), 5)
    await engine.close()
    assert engine.closed
    assert alone()


async def test_an_engine_knows_of_no_run_that_is_over(waiting: Waiting) -> None:
    """4.9: whichever way it ended."""

    @node
    async def fails():
        raise ValueError("no")

    async with Engine() as engine:
        await engine.run(Graph(Delay(seconds=0)))
        await engine.run(Graph(fails), check=False)
        caller = asyncio.create_task(engine.run(single(waiting)))
        await turns()
        assert len(engine._under_way.runs) == 1
        caller.cancel()
        await asyncio.wait({caller})
        assert not engine._under_way.runs
        run = await engine.start(Graph(Delay(seconds=0)), run_id="kept")
        await run.result()
        assert run.run is None


async def test_a_started_run_whose_task_was_cancelled_before_its_first_turn_is_over(waiting: Waiting) -> None:
    """6.2: as a loop does that ends."""
    async with Engine() as engine:
        run = await engine.start(single(waiting))
        run.task.cancel()
        async with asyncio.timeout(5):
            assert await engine.cancel(run.id) is None
            assert await engine.drain() == ()
        assert run.status == "cancelled"


# --- signals


def tell(number: int) -> None:
    asyncio.get_running_loop().call_later(0.02, os.kill, os.getpid(), number)


posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_ends_the_engine_and_the_block(waiting: Waiting, number: int, code: int) -> None:
    """6.3: and the block says what was left, and what to exit with."""
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    async with Engine() as engine:
        try:
            async with engine.until_signal(grace=0.01) as ending:
                tell(number)
                await engine.run(single(waiting), run_id="r")
            assert (ending.received, ending.code) == (number, code)
            assert [str(each) for each in ending.left] == ["run r of graph single, at wait"]
            assert engine.closed
            assert waiting.ended == 1
        finally:
            for each, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
                signal.signal(each, handler)


@posix
async def test_a_run_that_ends_within_the_grace_of_sigterm_has_completed() -> None:
    """6.3: the code is 0."""
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    async with Engine() as engine:
        try:
            async with engine.until_signal(grace=10) as ending:
                tell(signal.SIGTERM)
                await engine.start(Graph(working(0.1, "works")))
                await ending.wait()
            assert (ending.received, ending.code, ending.left) == (signal.SIGTERM, 0, ())
        finally:
            for each, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
                signal.signal(each, handler)


@posix
@pytest.mark.parametrize("asks", [False, True])
async def test_a_block_whose_next_run_is_refused_was_cut_short(asks: bool) -> None:
    """6.3: what it was to do is not done, whatever of it was; a loop that asks has done all that it was to."""
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    async with Engine() as engine:
        try:
            async with engine.until_signal(grace=10) as ending:
                tell(signal.SIGTERM)
                await engine.run(Graph(working(0.1, "works")))
                if not asks or ending.received is None:
                    await engine.run(Graph(working(0.1, "works")))
            assert (ending.left, ending.was_cut_short) == ((), not asks)
            assert ending.code == (0 if asks else 143)
        finally:
            for each, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
                signal.signal(each, handler)


@posix
async def test_without_a_signal_everything_is_as_before() -> None:
    """6.3: an error of the block is its own."""
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    async with Engine() as engine:
        with pytest.raises(ZeroDivisionError):
            async with engine.until_signal() as ending:
                assert signal.getsignal(signal.SIGTERM) not in before
                1 / 0  # noqa: B018
        assert (ending.received, ending.code) == (None, 0)
        assert not engine.closed
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_signals_are_for_the_main_thread() -> None:
    """6.3."""
    errors: list[BaseException] = []

    async def main() -> None:
        async with Engine() as engine, engine.until_signal():
            pass

    def on_thread() -> None:
        try:
            asyncio.run(main())
        except NodeloomError as error:
            errors.append(error)

    thread = threading.Thread(target=on_thread)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])
