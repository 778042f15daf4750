"""Engines: what they own, runs they start, how they end (13.1)."""

import asyncio
import contextlib
import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

import nodeloom
from nodeloom import Engine, Graph, Node, RetryAfter, RunCancelled, RunFailed, node
from nodeloom.errors import DefinitionError, EngineClosed, NodeloomError, ParamsError
from nodeloom.implicit import current_engine


@node
async def double(inputs):
    await asyncio.sleep(0)
    return {"n": inputs.get("n", 1) * 2}


@node
def blocking():
    return {"thread": threading.current_thread().name}


def pool_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("nodeloom-")]


# --- started runs


async def test_a_started_run_gives_its_result() -> None:
    """The code of the public face's "Engine", as far as it exists."""
    graph = Graph(double.copy(), name="doubling")
    async with Engine() as engine:
        run = await engine.start(graph, {"n": 21}, run_id="order-42")
        assert (run.id, run.status, run.graph) == ("order-42", "running", graph)
        result = await run.result()
        assert (result.output, result.run_id, run.status) == ({"n": 42}, "order-42", "completed")
        assert await run.result() is result


async def test_starting_the_same_id_again_gives_the_same_run() -> None:
    """13.1: while it runs and afterwards."""
    begun: list[int] = []

    @node
    async def once():
        begun.append(1)
        await asyncio.sleep(0)

    graph = Graph(once)
    async with Engine() as engine:
        first, second = await asyncio.gather(*(engine.start(graph, run_id="r") for _ in range(2)))
        assert first is second
        await first.result()
        assert await engine.start(graph, run_id="r") is first
    assert begun == [1]


@pytest.mark.parametrize(
    ("other", "inputs", "said"),
    [
        ("double", {"n": 2}, r"of graph doubling with other inputs \(n differ\)"),
        ("after", {"n": 1}, "of graph doubling;"),
    ],
)
async def test_an_id_of_a_started_run_is_refused_for_another_one(other: str, inputs: Any, said: str) -> None:
    """13.1"""
    graph = Graph(double.copy(), name="doubling")
    others = {"double": graph, "after": Graph(double.copy(), name="another")}
    async with Engine() as engine:
        run = await engine.start(graph, {"n": 1}, run_id="r")
        for again in (engine.start, engine.run):
            with pytest.raises(NodeloomError, match=rf"run 'r' was started already, {said}"):
                await again(others[other], inputs, run_id="r")
        assert (await run.result()).output == {"n": 2}


async def test_run_gives_the_result_of_the_run_that_was_started_as_this() -> None:
    """13.1: also of a graph that was made anew, as of a document."""
    async with Engine() as engine:
        run = await engine.start(Graph(double.copy(), name="doubling"), {"n": 1}, run_id="r")
        result = await engine.run(Graph(double.copy(), name="doubling"), {"n": 1}, run_id="r")
        assert result is await run.result()


async def test_of_started_runs_the_latest_are_known_when_they_have_ended() -> None:
    graph = Graph(double.copy(), name="doubling")
    async with Engine(kept_runs=2) as engine:
        for number in range(4):
            await (await engine.start(graph, {"n": number}, run_id=f"r{number}")).result()
        await asyncio.sleep(0)
        known = engine._under_way.handles  # type: ignore[attr-defined, unused-ignore]
        assert list(known) == ["r2", "r3"]
        assert (await (await engine.start(graph, {"n": 5}, run_id="r0")).result()).output == {"n": 10}


async def test_made_up_run_ids_are_all_different() -> None:
    graph = Graph(double.copy())
    async with Engine() as engine:
        runs = [await engine.start(graph) for _ in range(200)]
        results = await asyncio.gather(*(run.result() for run in runs))
    assert len({result.run_id for result in results}) == 200


async def test_a_run_that_failed_says_so_in_the_way_that_is_asked() -> None:
    """13.1: `result()` raises, `result(check=False)` tells."""

    @node
    async def fail():
        raise ValueError("no")

    async with Engine() as engine:
        run = await engine.start(Graph(fail))
        with pytest.raises(RunFailed, match="no"):
            await run.result()
        assert run.status == "failed"
        result = await run.result(check=False)
        assert (result.status, result.error.message) == ("failed", "no")  # type: ignore[union-attr]


async def test_a_handle_may_be_dropped() -> None:
    """A failure that nobody asks for is not reported as lost."""

    @node
    async def fail():
        raise ValueError("no")

    async with Engine() as engine:
        await engine.start(Graph(fail))
    gc.collect()


async def test_wrong_inputs_are_refused_when_a_run_is_started() -> None:
    async with Engine() as engine:
        with pytest.raises(ParamsError):
            await engine.start(Graph(double.copy()), [1])  # type: ignore[arg-type]


async def test_a_run_that_was_not_started_here_cannot_be_cancelled() -> None:
    async with Engine() as engine:
        with pytest.raises(NodeloomError, match="no run 'nobody' was started here"):
            await engine.cancel("nobody")


# --- the end of an engine


async def test_an_engine_that_is_closed_takes_nothing_new() -> None:
    """13.1."""
    engine = Engine()
    graph = Graph(double.copy())
    await engine.run(graph)
    await engine.close()
    assert engine.closed
    with pytest.raises(EngineClosed):
        await engine.run(graph)
    with pytest.raises(EngineClosed):
        await engine.start(graph)
    with pytest.raises(EngineClosed):
        await engine.call(double)
    with pytest.raises(EngineClosed):
        _ = [event async for event in engine.stream(graph)]
    with pytest.raises(EngineClosed):
        engine.resource("http")
    with pytest.raises(EngineClosed):
        await engine.offload(len, "x")
    assert pool_threads() == []


async def test_closing_twice_or_at_once_does_nothing_more() -> None:
    stops: list[int] = []

    class Stops(Node):
        async def work(self):
            return None

        async def on_stop(self):
            await asyncio.sleep(0)
            stops.append(1)

    engine = Engine()
    await engine.call(Stops())
    await asyncio.gather(engine.close(), engine.close())
    await engine.close()
    assert stops == [1]


async def test_closing_cancels_what_runs_and_awaits_it() -> None:
    """6.2, 13.1."""
    ended: list[str] = []
    began = asyncio.Event()

    @node
    async def wait(ctx):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            assert ctx.http is not None  # the clients are still open
            await asyncio.sleep(0)
            ended.append("finally")

    engine = Engine()
    run = await engine.start(Graph(wait))
    await began.wait()
    await engine.close()
    assert ended == ["finally"]
    assert run.status == "cancelled"
    assert asyncio.all_tasks() == {asyncio.current_task()}


@node
async def change(inputs, ctx):
    inputs["items"].append(1)
    inputs["deep"]["list"].append(1)
    ctx.state["items"].append(2)
    return {"items": len(inputs["items"])}


async def test_what_a_node_does_to_its_inputs_is_seen_by_nobody_who_was_given_the_same() -> None:
    """4.8: the caller and other runs have what they had."""
    given: dict[str, Any] = {"items": [0], "deep": {"list": []}}
    graph = Graph(change)
    async with Engine() as engine:
        results = await asyncio.gather(*(engine.run(graph, given) for _ in range(3)))
        started = await engine.start(graph, given)
        assert [result.output["items"] for result in (*results, await started.result())] == [3] * 4
        assert await engine.call(change, given) == {"items": 3}
        _ = [event async for event in engine.stream(graph, given)]
    assert given == {"items": [0], "deep": {"list": []}}


async def test_a_started_run_has_the_inputs_of_when_it_was_started() -> None:
    """4.8: its task begins when its caller goes on, who may change what it gave."""
    given: dict[str, Any] = {"items": [0], "deep": {"list": []}}
    async with Engine() as engine:
        run = await engine.start(Graph(change.copy()), given)
        given["items"].append(9)
        given.clear()
        assert (await run.result()).output == {"items": 3}


async def test_inputs_may_hold_themselves_and_share_what_they_hold() -> None:
    """4.8: what is one list stays one list."""

    @node
    async def look(inputs):
        return {"same": inputs["a"] is inputs["b"][0], "own": inputs["a"][0] is inputs["a"]}

    loop: list[Any] = []
    loop.append(loop)
    shared: list[Any] = [1]
    for _ in range(60):  # copied each time it is met, this would never end
        shared = [shared, shared]
    assert (await Graph(look).run({"a": loop, "b": [shared]})).output == {"same": False, "own": True}


@pytest.mark.parametrize("word", ["metadata", "config"])
async def test_a_node_cannot_change_what_is_given_with_a_run(word: str) -> None:
    """13.1: the mapping is read-only; objects in it are shared, as a caller may want."""
    mine: list[int] = []

    class Change(Node):
        async def execute(self, config, runtime):
            given = config if word == "config" else runtime.context.metadata
            given["list"].append(1)
            given["other"] = 1

    options: dict[str, Any] = {word: {"list": mine}}
    result = await Graph(Change()).run(check=False, **options)
    assert result.error is not None
    assert "read-only" in result.error.message
    assert mine == [1]


async def test_a_run_in_flight_cannot_open_a_closed_engines_threads_again() -> None:
    """13.1: it ends with its engine."""
    free = asyncio.Event()

    @node
    async def wait():
        await free.wait()

    wait >> blocking.copy()
    engine = Engine()
    caller = asyncio.create_task(engine.run(Graph(wait)))
    await asyncio.sleep(0)
    await engine.close()
    free.set()
    with pytest.raises(RunCancelled):
        await caller
    assert pool_threads() == []


async def test_leaving_the_block_closes_clients_and_threads() -> None:
    """7.4, 13.1: also by an exception."""
    with pytest.raises(ZeroDivisionError):
        async with Engine() as engine:
            client = engine.resource("http")
            await engine.call(blocking)
            assert pool_threads()
            1 / 0  # noqa: B018
    assert client.is_closed
    assert pool_threads() == []


async def test_a_resource_that_fails_to_close_does_not_keep_threads_open(caplog: pytest.LogCaptureFixture) -> None:
    """13.1."""

    @contextlib.asynccontextmanager
    async def stubborn():
        yield "open"
        raise OSError("will not close")

    engine = Engine(resources={"stubborn": stubborn})
    await engine.call(blocking)
    assert await engine.resource("stubborn") == "open"
    await engine.close()
    assert pool_threads() == []
    assert "closing resource stubborn failed" in caplog.text


# --- the implicit engine


async def test_runs_outside_an_engine_share_one_of_the_loop() -> None:
    """13.1."""
    engines: list[Engine] = []

    @node
    async def look():
        engines.append(current_engine())

    graph = Graph(look.copy())
    await graph.run()
    await look()
    assert engines[0] is engines[1] is current_engine()


async def test_steps_of_an_explicit_engine_run_what_they_run_in_it() -> None:
    """13.1."""
    seen: list[Any] = []

    @node
    async def look():
        seen.append(current_engine())

    @node
    async def outer():
        await look()
        await Graph(look.copy()).run()

    async with Engine() as engine:
        await engine.run(Graph(outer))
        assert seen == [engine, engine]
        assert current_engine() is not engine


async def test_close_closes_the_implicit_engine_and_the_next_run_has_another() -> None:
    """13.1: `await nodeloom.close()`."""
    await blocking()
    first = current_engine()
    client = first.resource("http")
    assert pool_threads()
    await nodeloom.close()
    assert first.closed
    assert client.is_closed
    assert pool_threads() == []
    await blocking()
    assert current_engine() is not first
    await nodeloom.close()
    await nodeloom.close()


def test_the_implicit_engine_ends_with_its_loop() -> None:
    """13.1: threads gone, clients closed, `on_stop` called, the engine forgotten."""
    seen: dict[str, Any] = {"stops": 0}

    class Stops(Node):
        async def work(self, ctx):
            seen["client"] = ctx.http
            seen["engine"] = weakref.ref(ctx.live.services)
            return await blocking()

        async def on_stop(self):
            await asyncio.sleep(0)
            seen["stops"] += 1

    async def main() -> None:
        await Stops()()
        assert pool_threads()

    asyncio.run(main())
    assert pool_threads() == []
    assert seen["client"].is_closed
    assert seen["stops"] == 1
    gc.collect()
    assert seen["engine"]() is None


def test_a_loop_that_ends_with_an_exception_closes_its_engine_too() -> None:
    """13.1."""

    async def main() -> None:
        await blocking()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert pool_threads() == []


def test_a_loop_that_ends_in_the_middle_of_a_run_ends_the_run() -> None:
    """13.1, 6.2."""
    ended: list[int] = []
    tasks: list[Any] = []

    @node
    async def wait(inputs):
        try:
            await inputs["all_in"].wait()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(1)

    async def main() -> None:
        all_in = asyncio.Barrier(3)
        graph = Graph([wait.copy(), wait.copy(id="also")])
        tasks.append(asyncio.create_task(graph.run({"all_in": all_in})))
        await all_in.wait()

    asyncio.run(main())
    assert ended == [1, 1]


def test_each_loop_has_an_engine_of_its_own() -> None:
    """13.1."""

    async def main() -> int:
        await double({})
        return id(current_engine())

    assert [asyncio.run(main()) > 0 for _ in range(3)] == [True] * 3

    engines: list[Engine] = []

    def run() -> None:
        async def inner() -> None:
            await double({})
            engines.append(current_engine())

        asyncio.run(inner())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, engines))) == 4
    assert all(engine.closed for engine in engines)


# --- code that is not async


def test_run_sync_runs_again_and_again() -> None:
    graph = Graph(double.copy())
    assert [graph.run_sync({"n": n}).output["n"] for n in range(3)] == [0, 2, 4]
    assert [double.run_sync({"n": n})["n"] for n in range(3)] == [0, 2, 4]
    assert blocking.run_sync()["thread"].startswith("nodeloom-default")
    assert pool_threads() == []


async def test_run_sync_inside_a_loop_is_an_error_that_says_what_to_do() -> None:
    graph = Graph(double.copy())
    for attempt in (lambda: graph.run_sync({}), lambda: double.run_sync({})):
        with pytest.raises(NodeloomError, match="inside an event loop; there, await the thing itself"):
            attempt()


async def test_run_sync_works_on_a_thread_of_a_program_that_has_a_loop() -> None:
    assert await asyncio.to_thread(double.run_sync, {"n": 4}) == {"n": 8}


def test_run_sync_inside_a_plain_work_function_works_too() -> None:
    """A thread has no loop."""

    @node
    def outer():
        return double.run_sync({"n": 5})

    assert outer.run_sync() == {"n": 10}


def test_run_sync_hands_options_on_and_raises_what_the_run_raises() -> None:
    @node
    async def fail():
        raise ValueError("no")

    graph = Graph(fail)
    with pytest.raises(RunFailed):
        graph.run_sync()
    assert graph.run_sync(check=False, run_id="r").run_id == "r"


# --- the engine does not keep what it does not need


async def test_a_graph_may_go_while_its_engine_stays() -> None:
    """1.1."""
    async with Engine() as engine:
        graph = Graph([double.copy(), blocking.copy()])
        await engine.run(graph)
        _ = [event async for event in engine.stream(graph)]
        await engine.offload(int)  # the thread has something else to hold
        gone: list[Any] = [weakref.ref(graph), *(weakref.ref(each) for each in graph.nodes.values())]
        del graph
        gc.collect()
        assert [each() for each in gone] == [None] * 3


async def test_nodes_called_once_do_not_pile_up() -> None:
    """1.1."""
    async with Engine() as engine:
        gone: list[Any] = []

        async def call_one(n: int) -> None:
            each = double.copy(id=f"n{n}")
            gone.append(weakref.ref(each))
            await engine.call(each)

        for n in range(600):
            await call_one(n)
        gc.collect()
        assert sum(ref() is not None for ref in gone) <= 256


def test_loops_and_engines_do_not_pile_up() -> None:
    """13.1: also with a node that is started."""

    class Starts(Node):
        async def on_start(self, ctx):
            loops.append(weakref.ref(asyncio.get_running_loop()))

        async def work(self):
            return None

    loops: list[Any] = []
    step = Starts()
    for _ in range(10):
        step.run_sync()
    gc.collect()
    assert [loop() for loop in loops] == [None] * 10


async def test_runs_without_a_name_of_ones_own_are_not_kept_for_ever() -> None:
    """13.1: those with one are, for starting it again gives the same run."""
    graph = Graph(double.copy())
    async with Engine() as engine:
        handles = [await engine.start(graph) for _ in range(50)]
        await asyncio.gather(*(handle.result() for handle in handles))
        for handle in handles:
            await engine.cancel(handle.id)
        gone = [weakref.ref(handle) for handle in handles]
        del handles, handle
        gc.collect()
        assert [each() for each in gone] == [None] * 50


# --- what it is given


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"grace": "5"}, "grace='5': give a number of seconds from 0"),
        ({"grace": -1}, "grace=-1: give"),
        ({"grace": float("nan")}, "grace=nan: give"),
        ({"kept_runs": -1}, "kept_runs=-1: give how many"),
        ({"limits": "redis://"}, "limits='redis://': give where"),
        ({"resources": ["db"]}, r"resources=\['db'\]: give them by name"),
        ({"file_roots": 3}, "file_roots=3: give folders"),
        ({"file_roots": [3]}, r"file_roots=\[3\]: each is a folder"),
        ({"pools": 8}, "pool: give sizes by name, as {'default': 8}, not 8"),
        ({"pools": {"slow": "8"}}, "pool 'slow': a size is a number of threads from 1, not '8'"),
        ({"workers": {"slow": True}}, "workers 'slow': a size is a number of processes from 1, not True"),
    ],
)
def test_wrong_settings_are_refused_when_they_are_given(settings: Any, said: str) -> None:
    """13.1"""
    with pytest.raises((DefinitionError, ValueError), match=said):
        Engine(**settings)


async def test_a_text_is_one_folder() -> None:
    async with Engine(file_roots="data") as engine:
        assert engine.setting("file_roots") == [Path("data")]


async def test_wrong_times_are_refused_when_they_are_given() -> None:
    """6.2"""
    async with Engine() as engine:
        for wrong in (engine.stop(grace="1"), engine.drain(within=-1), engine.pause("r", within="1")):  # type: ignore[arg-type]
            with pytest.raises(DefinitionError, match="give a number of seconds from 0"):
                await wrong
    for seconds in ("20", None, -1, True):
        with pytest.raises(ValueError, match="give the seconds to wait"):
            RetryAfter(seconds)  # type: ignore[arg-type]
