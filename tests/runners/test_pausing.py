"""A run can be paused at any moment, stands still then, and goes on as if nothing had been (6.2)."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.model.adapter import declaration_of
from tests.spec.graphs import GraphData, Options, behave, graphs
from tests.spec.reference import SpecFailure, SpecRoute

from nodeloom import Engine, Event, Graph, Node, Quorum, Retry, Route, RunCancelled, RunFailed, node
from nodeloom.engine import Left, RunHandle
from nodeloom.errors import NodeloomError
from nodeloom.library.flow import Delay
from nodeloom.model.batch import Batch
from nodeloom.testing import run_virtual


class Bench:
    """Steps that begin, wait until they may go on, and end; what began and what ended, in order."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.ended: list[str] = []
        self.ids: list[str] = []
        self.free: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def step(self, name: str, **options: Any) -> Any:
        @node(id=name, **options)
        async def step(ctx):
            self.began.append(name)
            self.ids.append(ctx.step_id)
            try:
                await self.free[name].wait()
                return {name: ctx.step_id}
            finally:
                self.ended.append(name)

        return step

    def let(self, *names: str) -> None:
        for name in names:
            self.free[name].set()


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def never_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """However quick the steps, none begins because nobody has looked yet."""
    monkeypatch.setattr("nodeloom.runners.graph.LOOK", 1e9)


async def turns(count: int = 20) -> None:
    """Let everybody else have their turn."""
    for _ in range(count):
        await asyncio.sleep(0)


def line(bench: Bench) -> Graph:
    a, b, c = (bench.step(name) for name in "abc")
    a >> b >> c
    return Graph(a, name="line")


def diamond(bench: Bench) -> Graph:
    a, b, c, d = (bench.step(name) for name in "abcd")
    a >> [b, c] >> d
    return Graph(a, name="diamond")


# --- no step begins, and those that run end


@pytest.mark.usefixtures("never_looking")
@pytest.mark.parametrize("watch", [None, lambda event: None])
async def test_a_paused_run_begins_no_step_and_lets_the_running_one_end(bench: Bench, watch: Any) -> None:
    """6.2: whether somebody watches or not."""
    async with Engine() as engine:
        run = await engine.start(line(bench), watch=watch)
        await turns()
        pausing = asyncio.create_task(engine.pause(run.id))
        await turns()
        assert not pausing.done()
        assert run.status == "running"
        bench.let("a", "b", "c")
        assert await pausing is None
        assert run.status == "paused"
        await turns()
        assert (bench.began, bench.ended) == (["a"], ["a"])
        await engine.resume(run.id)
        assert run.status == "running"
        result = await run.result()
        assert bench.ended == ["a", "b", "c"]
        assert (result.status, list(result.state)) == ("completed", ["a", "b", "c"])


@pytest.mark.usefixtures("never_looking")
async def test_a_token_that_is_left_alone_while_the_run_is_being_paused_stops_too(bench: Bench) -> None:
    """6.2, 3.4: the last of several, when the others are late for a quorum and dropped."""
    a, b, c, after = (bench.step(name) for name in ("a", "b", "c", "after"))
    first = bench.step("first", join=Quorum(1))
    a >> [b, c] >> first >> after
    async with Engine() as engine:
        run = await engine.start(Graph(a))
        bench.let("a", "c", "after")
        await turns()
        assert bench.began == ["a", "b", "c", "first"]
        pausing = asyncio.create_task(run.pause())
        await turns()
        bench.let("b")
        await turns()
        bench.let("first")
        await pausing
        assert bench.began == ["a", "b", "c", "first"]
        await run.resume()
        assert (await run.result()).status == "completed"


@pytest.mark.usefixtures("never_looking")
async def test_all_branches_stop_where_they_are(bench: Bench) -> None:
    """6.2: the join waits for the one that ends last, and then for the run to go on."""
    async with Engine() as engine:
        run = await engine.start(diamond(bench))
        bench.let("a")
        await turns()
        bench.let("b", "d")
        await turns()
        pausing = asyncio.create_task(run.pause())
        await turns()
        assert not pausing.done()
        bench.let("c")
        await pausing
        await turns()
        assert bench.began == ["a", "b", "c"]
        await run.resume()
        assert list((await run.result()).state) == ["a", "b", "c", "d"]


async def test_steps_that_are_ready_and_have_not_begun_do_not_begin(bench: Bench) -> None:
    """6.2: a fork's steps, between the fork and their first turn."""
    async with Engine() as engine:
        run = await engine.start(diamond(bench))
        await turns()
        pausing = asyncio.create_task(run.pause())
        await turns()
        bench.let("a", "b", "c", "d")
        await pausing
        assert bench.began == ["a"]
        await run.resume()
        assert (await run.result()).status == "completed"


async def test_a_loop_of_steps_that_never_wait_is_stopped_too() -> None:
    """6.2: and goes on as fast as before."""
    count = [0]

    @node
    async def step(state):
        count[0] += 1
        return {"n": state.get("n", 0) + 1}

    step.on("state.n < 60000") >> step
    async with Engine() as engine:
        run = await engine.start(Graph(step, name="loop"))
        stops: list[int] = []
        while run.status == "running" and len(stops) < 4:
            await engine.pause(run.id)
            stops.append(count[0])
            await turns()
            assert count[0] == stops[-1]
            await engine.resume(run.id)
            await asyncio.sleep(0)
        assert len(set(stops)) == 4
        handle = run.run
        assert handle is not None
        assert [branch.solo for branch in handle._run.branches.values()] == [True]
        assert (await run.result()).state == {"n": 60_000}


async def test_a_run_paused_before_its_first_turn_begins_when_it_is_resumed(bench: Bench) -> None:
    """6.2."""
    bench.let("a", "b", "c")
    async with Engine() as engine:
        run = await engine.start(line(bench))
        await run.pause()
        assert run.status == "paused"
        await turns()
        assert bench.began == []
        await run.resume()
        assert (await run.result()).status == "completed"


async def test_a_run_that_a_caller_awaits_can_be_paused_by_its_id(bench: Bench) -> None:
    """6.2: `engine.run` and `graph.stream` as well as `engine.start`."""
    bench.let("a", "c")
    async with Engine() as engine:
        caller = asyncio.create_task(engine.run(line(bench), run_id="mine"))
        await turns()
        pausing = asyncio.create_task(engine.pause("mine"))
        await turns()
        bench.let("b")
        await pausing
        await turns()
        assert not caller.done()
        assert bench.ended == ["a", "b"]
        await engine.resume("mine")
        assert (await caller).status == "completed"


# --- runs inside of runs


def nested(bench: Bench) -> Graph:
    a, z = bench.step("a"), bench.step("z")
    b, c = bench.step("b"), bench.step("c")
    b >> c
    inner = Graph(b, name="inner")
    middle = Graph(inner.as_node(id="deep"), name="middle")
    a >> middle.as_node(id="mid") >> z
    return Graph(a, name="outer")


async def test_the_steps_of_graphs_inside_are_steps_of_the_run(bench: Bench) -> None:
    """6.2, 2.7: pausing the outer run holds the inner one, at any depth."""
    bench.let("a", "c", "z")
    async with Engine() as engine:
        run = await engine.start(nested(bench))
        await turns()
        assert bench.began == ["a", "b"]
        pausing = asyncio.create_task(run.pause())
        await turns()
        assert not pausing.done()
        bench.let("b")
        await pausing
        await turns()
        assert bench.began == ["a", "b"]
        assert run.status == "paused"
        await run.resume()
        assert (await run.result()).status == "completed"
        assert bench.ended == ["a", "b", "c", "z"]


async def test_a_graph_inside_that_begins_while_its_run_is_being_paused_begins_no_step(bench: Bench) -> None:
    """6.2: the step with it runs, and so nothing but it has to end."""
    began, free = asyncio.Event(), asyncio.Event()
    inner = Graph(bench.step("b"), name="inner")

    @node
    async def outer(ctx):
        began.set()
        await free.wait()
        return await ctx.run_inner(inner, {})

    async with Engine() as engine:
        run = await engine.start(Graph(outer))
        await began.wait()
        pausing = asyncio.create_task(run.pause())
        await turns()
        free.set()
        await pausing
        assert bench.began == []
        bench.let("b")
        await run.resume()
        assert (await run.result()).status == "completed"


async def test_an_inner_run_can_be_paused_by_itself_and_stays_so_when_the_outer_one_goes_on(bench: Bench) -> None:
    """6.2."""
    b, c = bench.step("b"), bench.step("c")
    b >> c
    seen: list[Event] = []
    async with Engine() as engine:
        run = await engine.start(Graph(Graph(b, name="inner").as_node(id="in"), name="out"), watch=seen.append)
        await turns()
        inner = next(event.run_id for event in seen if event.node == "b")
        assert inner.startswith(run.id)
        bench.let("b", "c")
        await engine.pause(inner)
        await engine.pause(run.id)
        await engine.resume(run.id)
        await turns()
        assert bench.began == ["b"]
        await engine.resume(inner)
        assert (await run.result()).status == "completed"


async def test_runs_that_a_step_awaits_several_of_end_with_the_step(bench: Bench) -> None:
    """6.2: a step that runs graphs beside one another runs; a pause that held them would wait for ever."""
    b, c = bench.step("b"), bench.step("c")
    b >> c
    inner, after = Graph(b, name="inner"), bench.step("z")

    @node
    async def both(ctx):
        await asyncio.gather(ctx.run_inner(inner, {}), ctx.run_inner(inner, {}))

    both >> after
    async with Engine() as engine:
        run = await engine.start(Graph(both))
        await turns()
        bench.let("b", "c", "z")
        async with asyncio.timeout(5):
            await run.pause()
        assert sorted(bench.ended) == ["b", "b", "c", "c"]
        await run.resume()
        assert (await run.result()).status == "completed"


async def test_parts_of_a_step_that_the_engine_knows_of_are_held_one_by_one(bench: Bench) -> None:
    """6.2, 8.3: as the items of a batch."""
    b, c = bench.step("b"), bench.step("c")
    b >> c
    inner = Graph(b, name="inner")
    items: list[int] = []

    @node
    async def batch(ctx):
        todo = iter(range(6))
        with ctx.live.services.parts(ctx) as parts:

            async def worker():
                with parts.part():
                    for item in todo:
                        await parts.at_gate()
                        items.append(item)
                        await ctx.run_inner(inner, {})

            async with asyncio.TaskGroup() as workers:
                for _ in range(2):
                    workers.create_task(worker())

    async with Engine() as engine:
        run = await engine.start(Graph(batch))
        await turns()
        assert (items, bench.began) == ([0, 1], ["b", "b"])
        pausing = asyncio.create_task(run.pause())
        await turns()
        assert not pausing.done()
        bench.let("b")
        await pausing
        assert bench.began == ["b", "b"]
        bench.let("c")
        await turns()
        assert items == [0, 1]
        await run.resume()
        assert (await run.result()).status == "completed"
        assert sorted(items) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("within", [None, 0.01])
@pytest.mark.parametrize("kind", ["graph", "node"])
async def test_the_items_of_a_batch_are_held_too(bench: Bench, kind: str, within: float | None) -> None:
    """6.2, 8.3: none begins in a paused run, be it a node's or a graph's."""
    b, c = bench.step("b"), bench.step("c")
    batch = Batch(items=list(range(5)), max_concurrent=2)
    many = b.copy(id="many", batch=batch)
    if kind == "graph":
        b >> c
        many = Graph(b, name="inner").as_node(id="many").copy(batch=batch)
    async with Engine() as engine:
        run = await engine.start(Graph(many))
        await turns()
        assert bench.began == ["b", "b"]
        pausing = asyncio.create_task(run.pause(within=within))
        await turns()
        assert not pausing.done()
        if within is None:
            bench.let("b")
        left = await pausing
        assert (left is None) == (within is None)
        await turns()
        assert (bench.began, run.status) == (["b", "b"], "paused")
        bench.let("b", "c")
        await run.resume()
        assert (await run.result()).status == "completed"
        assert bench.began.count("b") == (5 if within is None else 7)


async def test_the_items_of_a_batch_that_are_done_are_not_done_again(bench: Bench) -> None:
    """6.2: of graphs that are items, only the steps that were cancelled begin anew."""
    done: list[int] = []

    @node
    async def first():
        if len(done) == 2:
            await bench.free["last"].wait()
        done.append(len(done))

    many = Graph(first, name="inner").as_node(id="many").copy(batch=Batch(items=[0, 1, 2]))
    async with Engine() as engine:
        run = await engine.start(Graph(many))
        while len(done) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        left = await run.pause(within=0.01)
        assert left is not None
        assert [step.node for step in left.steps] == ["many/first"]
        bench.let("last")
        await run.resume()
        await run.result()
    assert done == [0, 1, 2]


# --- steps that only wait


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


# --- the deadline of a pause


@pytest.mark.parametrize("shape", [line, diamond])
async def test_what_still_runs_at_the_deadline_is_named_and_begins_anew(
    bench: Bench, shape: Callable[[Bench], Graph]
) -> None:
    """6.2, 11.2: under the same step id, and with nothing left of its first go."""
    async with Engine() as engine:
        run = await engine.start(shape(bench))
        bench.let("a", "c")
        await turns()
        left = await engine.pause(run.id, within=0.01)
        assert left is not None
        assert (left.run_id, left.graph) == (run.id, shape.__name__)
        assert [step.node for step in left.steps] == ["b"]
        assert str(left) == f"run {run.id} of graph {shape.__name__}, at b"
        assert bench.began.count("b") == bench.ended.count("b") == 1
        assert run.status == "paused"
        await turns()
        assert bench.began.count("b") == 1
        bench.let("b", "d")
        await engine.resume(run.id)
        result = await run.result()
        assert result.status == "completed"
        assert bench.began.count("b") == 2
        assert [step_id for step_id in bench.ids if step_id.startswith("b:")] == [left.steps[0].step_id] * 2
        assert result.steps == len(set(bench.began))


async def test_what_still_runs_in_graphs_inside_is_named_by_its_way(bench: Bench) -> None:
    """6.2, 2.7: only that step begins anew, not the step of the graph it is in."""
    bench.let("a", "c", "z")
    async with Engine() as engine:
        run = await engine.start(nested(bench))
        await turns()
        left = await run.pause(within=0.01)
        assert left is not None
        assert [step.node for step in left.steps] == ["mid/deep/b"]
        bench.let("b")
        await run.resume()
        assert (await run.result()).status == "completed"
        assert bench.began == ["a", "b", "b", "c", "z"]


async def test_a_step_that_ends_though_it_is_cancelled_has_ended() -> None:
    """6.2: its outputs count, and the cancelling is nobody else's."""
    began = asyncio.Event()

    @node
    async def stubborn():
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return {"n": 1}

    @node
    async def after(state):
        await asyncio.sleep(0)
        return {"m": state.n + 1}

    stubborn >> after
    async with Engine() as engine:
        caller = asyncio.create_task(engine.run(Graph(stubborn), run_id="r"))
        await began.wait()
        left = await engine.pause("r", within=0)
        assert left is not None
        await engine.resume("r")
        assert (await caller).state == {"n": 1, "m": 2}
        assert caller.cancelling() == 0


async def test_a_step_that_fails_when_it_is_cancelled_has_failed() -> None:
    """6.2, 2.5: an edge that catches it is taken when the run goes on."""
    began = asyncio.Event()

    @node
    async def fails():
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("no") from None

    sorry = node(lambda: {"sorry": 1}).copy(id="sorry")
    fails.on_error(ValueError) >> sorry
    async with Engine() as engine:
        run = await engine.start(Graph(fails))
        await began.wait()
        assert await run.pause(within=0) is not None
        await run.resume()
        assert (await run.result()).output == {"sorry": 1}


async def test_policies_see_nothing_of_a_step_that_begins_anew(bench: Bench) -> None:
    """6.2, 5.3: a pause is no failed attempt."""
    attempts: list[int] = []

    @node(policies=[Retry(2, wait=0)])
    async def step(ctx):
        attempts.append(ctx.attempt)
        await bench.free["a"].wait()
        return {"n": 1}

    async with Engine() as engine:
        run = await engine.start(Graph(step))
        for _ in range(5):
            await turns()
            await run.pause(within=0)
            await run.resume()
        bench.let("a")
        assert (await run.result()).output == {"n": 1}
        assert attempts == [1] * 6


async def test_a_function_on_a_thread_is_told_and_not_told_any_more_when_it_begins_anew() -> None:
    """6.2, 5.4."""
    told: list[bool] = []
    began, ended = threading.Event(), threading.Event()

    @node
    def blocks(ctx):
        pause = threading.Event()
        began.set()
        for _ in range(100):
            if ctx.cancelled:
                break
            pause.wait(0.001 if told else 0.05)
        told.append(ctx.cancelled)
        ended.set()

    async with Engine(grace=60) as engine:
        run = await engine.start(Graph(blocks))
        assert await asyncio.to_thread(began.wait, 5)
        assert await run.pause(within=0) is not None
        assert await asyncio.to_thread(ended.wait, 5)  # a pause keeps its time, whatever a thread does
        assert told == [True]
        await run.resume()
        await run.result()
        assert told == [True, False]


def passing(began: list[str], name: str, count: int) -> Any:
    """A step that takes so many turns of the loop."""

    @node(id=name)
    async def passes():
        began.append(name)
        await turns(count)
        return {name: count}

    return passes


@pytest.mark.usefixtures("never_looking")
async def test_no_step_of_a_line_begins_once_a_pause_was_asked_for() -> None:
    """6.2: however far it has come, and though its steps need nothing around their work."""
    for moment in range(2, 40):
        began: list[str] = []
        steps = [passing(began, name, 2) for name in "abcdefgh"]
        for each, following in pairwise(steps):
            each >> following
        async with Engine() as engine:
            run = await engine.start(Graph(steps[0]))
            await turns(moment)
            await pause_and_look(run, began, None)
            await pause_and_look(run, began, 0)
            assert (await run.result()).steps == 8


@pytest.mark.usefixtures("never_looking")
@pytest.mark.parametrize("within", [None, 0])
async def test_it_does_not_matter_where_between_two_steps_a_pause_comes(within: float | None) -> None:
    """6.2: while steps are ready, in the hands of a task that has not begun, at a join, at the end."""
    for moment in range(40):
        began: list[str] = []
        a, b, c, d = (passing(began, name, count) for name, count in zip("abcd", (3, 1, 4, 1), strict=True))
        a >> [b, c] >> d
        async with Engine() as engine:
            run = await engine.start(Graph(a))
            await turns(moment)
            await pause_and_look(run, began, within)
            result = await asyncio.wait_for(run.result(), 5)
            assert dict(result.state) == {"a": 3, "b": 1, "c": 4, "d": 1}


# --- calls that meet


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


# --- at any moment


class Drawn(Node):
    """What a drawn node does, after some turns of the loop."""

    def __init__(self, behaviour: Any, waits: Iterator[int], began: list[str], **values: Any) -> None:
        super().__init__(**values)
        self.behaviour = behaviour
        self.waits = waits
        self.began = began

    async def work(self, ctx):
        self.began.append(ctx.step_id)
        for _ in range(next(self.waits)):
            await asyncio.sleep(0)
        result = behave(self.behaviour, ctx)
        if isinstance(result, SpecFailure):
            raise {"ValueError": ValueError, "KeyError": KeyError}[result.type_name](result.type_name)
        if isinstance(result, SpecRoute):
            return Route(result.outputs, to=[(to, {} if given is None else given) for to, given in result.sends])
        return result


def round_and_round(numbers: Sequence[int]) -> Iterator[int]:
    while True:
        yield from numbers


def drawn_graph(data: GraphData, numbers: Sequence[int], began: list[str]) -> Graph:
    waits = round_and_round(numbers)
    nodes = [Drawn(each.behaviour, waits, began, id=each.id) for each in data.nodes]
    return Graph.assemble(declaration_of(data.to_spec()), nodes, None, None)


async def undisturbed(graph: Graph, inputs: dict[str, Any]) -> Any:
    async with Engine() as engine:
        return await engine.run(graph, inputs, check=False, run_id="r")


SURE = Options(quorums=False, any_joins=False, unhandled=False, broken_conditions=False)
"""Graphs whose results do not depend on timing."""
WAITS = st.lists(st.integers(0, 3), min_size=1, max_size=8)


@settings(deadline=None)
@given(
    data=graphs(SURE),
    numbers=WAITS,
    moments=st.lists(st.tuples(st.integers(0, 6), st.sampled_from((None, 0))), max_size=8),
    watched=st.booleans(),
    looks=st.booleans(),
)
def test_a_run_that_is_paused_at_any_moment_becomes_what_it_would_have_become(
    data: GraphData, numbers: list[int], moments: list[tuple[int, float | None]], watched: bool, looks: bool
) -> None:
    """6.2: and no step begins between the pause and its end."""

    async def main() -> None:
        expected = await undisturbed(drawn_graph(data, numbers, []), dict(data.inputs))
        began: list[str] = []
        async with Engine() as engine:
            graph = drawn_graph(data, numbers, began)
            watch = (lambda event: None) if watched else None
            run = await engine.start(graph, dict(data.inputs), run_id="r", check=False, watch=watch)
            for moment, within in moments:
                await turns(moment)
                await pause_and_look(run, began, within)
            result = await asyncio.wait_for(run.result(check=False), 10)
        assert result.status == expected.status
        if result.status == "completed":
            assert result == expected
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with pytest.MonkeyPatch.context() as patch:
        if not looks:
            patch.setattr("nodeloom.runners.graph.LOOK", 1e9)
        asyncio.run(main())


async def pause_and_look(run: RunHandle, began: list[str], within: float | None) -> None:
    before = list(began)
    async with asyncio.timeout(10):
        left: Left | None = await run.pause(within=within)
    await turns(7)
    assert began == before
    assert run.status != "running"
    assert left is None or left.steps
    await run.resume()


@settings(deadline=None, max_examples=50)
@given(data=graphs(), numbers=WAITS, moment=st.integers(0, 40), paused=st.booleans(), within=st.sampled_from((None, 0)))
def test_a_run_of_any_graph_can_be_cancelled_at_any_moment_and_leaves_no_task(
    data: GraphData, numbers: list[int], moment: int, paused: bool, within: float | None
) -> None:
    """6.2: also while it is paused, or on its way there."""

    async def main() -> None:
        async with Engine() as engine:
            run = await engine.start(drawn_graph(data, numbers, []), dict(data.inputs), check=False)
            await turns(moment)
            pausing = asyncio.create_task(run.pause(within=within))
            await turns(moment % 5 if paused else 0)
            await asyncio.wait_for(run.cancel(), 10)
            await asyncio.wait_for(pausing, 10)
            assert run.status in ("cancelled", "completed", "failed")
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert not engine._under_way.runs

    asyncio.run(main())


CALLS = st.sampled_from(
    ("pause", "pause soon", "resume", "cancel", "cancel soon", "drain soon", "leave", "stop", "close")
)


@settings(deadline=None, max_examples=60)
@given(
    drawn=st.lists(graphs(), min_size=1, max_size=3),
    numbers=WAITS,
    calls=st.lists(st.tuples(st.integers(0, 2), CALLS, st.integers(0, 5)), max_size=12),
    inside=st.booleans(),
)
def test_whatever_is_asked_of_runs_in_whatever_order_all_of_it_is_done_and_nothing_is_left(
    drawn: list[GraphData], numbers: list[int], calls: list[tuple[int, str, int]], inside: bool
) -> None:
    """6.2: each call comes to its end, however many others there are."""

    async def main() -> None:
        engine = Engine()
        asked: list[asyncio.Task[Any]] = []
        for n, data in enumerate(drawn):
            graph = drawn_graph(data, numbers, [])
            graph = Graph([graph.as_node(id="one"), graph.as_node(id="two")]) if inside else graph
            asked.append(asyncio.create_task(engine.run(graph, dict(data.inputs), run_id=str(n), check=False)))
        for n, call, moment in calls:
            await turns(moment)
            asked.append(asyncio.create_task(_ask(engine, str(n % len(drawn)), call, asked[n % len(drawn)])))
        await turns(10)
        async with asyncio.timeout(10):
            await engine.close()
            await asyncio.wait(asked)
        errors = [task.exception() for task in asked if not task.cancelled()]
        assert [error for error in errors if not isinstance(error, NodeloomError | None)] == []
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not engine._under_way.runs

    asyncio.run(main())


async def _ask(engine: Engine, run_id: str, call: str, caller: asyncio.Task[Any]) -> None:
    within = 0 if call.endswith("soon") else None
    match call.split(maxsplit=1)[0]:
        case "pause":
            await engine.pause(run_id, within=within)
        case "resume":
            await engine.resume(run_id)
        case "cancel":
            await engine.cancel(run_id, within=within)
        case "drain":
            await engine.drain(within=within)
        case "leave":
            caller.cancel()
        case "stop":
            await engine.stop(grace=0.001)
        case _:
            await engine.close()


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


async def test_a_pause_returns_when_its_time_is_over_whatever_a_thread_does() -> None:
    """6.2: the code that goes on is named, and its step begins anew when the run does."""
    may_end, began = threading.Event(), threading.Event()

    @node
    def stuck() -> dict[str, Any]:
        began.set()
        may_end.wait(60)
        return {"done": True}

    async with Engine(grace=30) as engine:
        run = await engine.start(Graph(stuck, name="g"), run_id="r")
        await asyncio.to_thread(began.wait, 60)
        left = await engine.pause("r", within=0.01)
        assert not may_end.is_set()
        assert left is not None
        assert [step.node for step in left.steps] == ["stuck"]
        may_end.set()
        await engine.resume("r")
        assert (await run.result()).output == {"done": True}
