"""Plain functions run off the loop, on bounded pools (1.6, 7.1)."""

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from nodeloom import Engine, Graph, Node, RunFailed, node
from nodeloom.errors import NodeloomError
from nodeloom.executors.calls import of_state
from nodeloom.nodes.context import current_context

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")


def pool_threads(name: str = "") -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(f"nodeloom-{name}")]


@node
def where():
    return {"thread": threading.current_thread().name, "main": threading.current_thread() is threading.main_thread()}


async def test_a_plain_function_runs_on_a_thread_of_the_default_pool() -> None:
    """1.6, 7.1."""
    outputs = await where()
    assert outputs["main"] is False
    assert outputs["thread"].startswith("nodeloom-default")


async def test_an_async_function_runs_on_the_loop() -> None:
    """1.6."""

    @node
    async def here():
        return {"main": threading.current_thread() is threading.main_thread(), "loop": id(asyncio.get_running_loop())}

    assert await here() == {"main": True, "loop": id(asyncio.get_running_loop())}


async def test_an_inline_function_runs_on_the_loop() -> None:
    """1.6."""
    assert (await where.copy(isolation="inline")())["main"] is True


async def test_two_hundred_blocking_nodes_do_not_delay_an_async_one() -> None:
    """1.6: the blocked ones are let go by what the async one does afterwards."""
    free = threading.Event()

    @node
    def block(ctx):
        assert free.wait(30)
        return {}

    @node
    async def go_on():
        for _ in range(100):
            await asyncio.sleep(0)
        return {"rounds": 100}

    @node
    async def release(inputs):
        free.set()
        return {"rounds": inputs["rounds"]}

    blocked = [block.copy(id=f"block{n}") for n in range(200)]
    go_on >> release
    async with Engine() as engine:
        result = await engine.run(Graph([*blocked, go_on]))
        assert result.outputs["release"] == {"rounds": 100}
        assert result.steps == 202
        assert 0 < len(pool_threads()) <= 32
    assert pool_threads() == []


async def test_context_variables_reach_the_thread_and_stay_there() -> None:
    """1.6."""

    @node
    def read():
        before = variable.get()
        variable.set("changed on the thread")
        return {"variable": before}

    variable.set("set by the caller")
    assert await read() == {"variable": "set by the caller"}
    assert variable.get() == "set by the caller"


async def test_a_named_pool_has_its_own_bounded_threads() -> None:
    """7.1."""
    most, inside, lock = 0, 0, threading.Lock()
    third = threading.Event()

    @node(pool="few")
    def count():
        nonlocal most, inside
        with lock:
            inside += 1
            most = max(most, inside)
        third.wait(0.001)
        with lock:
            inside -= 1
        return {"thread": threading.current_thread().name}

    nodes = [count.copy(id=f"count{n}") for n in range(20)]
    async with Engine(pools={"few": 2}) as engine:
        result = await engine.run(Graph(nodes))
        assert len(pool_threads("few")) <= 2
        assert pool_threads("default") == []
    assert most <= 2
    assert all(outputs["thread"].startswith("nodeloom-few") for outputs in result.outputs.values())
    assert pool_threads() == []


async def test_a_full_pool_does_not_hold_up_another() -> None:
    """7.1."""
    free = threading.Event()

    @node(pool="one")
    def block():
        assert free.wait(10)
        return {}

    @node(pool="other")
    def release():
        free.set()
        return {}

    blocked = [block.copy(id=f"block{n}") for n in range(3)]
    async with Engine(pools={"one": 1, "other": 1}) as engine:
        assert (await engine.run(Graph([*blocked, release]))).status == "completed"


async def test_nodes_that_are_not_running_own_no_thread() -> None:
    """7.1: 10,000 idle nodes."""
    before = threading.active_count()
    nodes = [where.copy(id=f"where{n}") for n in range(10_000)]
    Graph(nodes)
    assert threading.active_count() == before


async def test_threads_are_not_daemons() -> None:
    """6.3."""
    async with Engine() as engine:
        await engine.call(where)
        assert [thread.daemon for thread in pool_threads()] == [False]


async def test_an_unknown_pool_is_an_error_naming_those_there_are() -> None:
    """7.1."""
    with pytest.raises(NodeloomError, match="no pool 'gpu'; there are: default"):
        await where.copy(pool="gpu")()


@pytest.mark.parametrize("size", [0, -1])
def test_a_pool_has_a_size(size: int) -> None:
    with pytest.raises(ValueError, match="from 1"):
        Engine(pools={"few": size})


async def test_a_failure_on_a_thread_keeps_its_traceback() -> None:
    """2.6."""

    def deep_down():
        raise ValueError("deep")

    @node
    def fail():
        deep_down()

    with pytest.raises(RunFailed) as caught:
        await Graph(fail).run()
    names = []
    trace = caught.value.__cause__.__traceback__  # type: ignore[union-attr]
    while trace:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names[-2:] == ["fail", "deep_down"]


async def test_offload_runs_on_a_thread_and_hands_on_variables_and_failures() -> None:
    """7.1."""

    @node
    async def use(ctx):
        variable.set("of the step")
        return {
            "thread": await ctx.offload(lambda: threading.current_thread().name),
            "v": await ctx.offload(variable.get),
        }

    outputs = await use()
    assert outputs["thread"].startswith("nodeloom-default")
    assert outputs["v"] == "of the step"

    @node
    async def fails(ctx):
        await ctx.offload(int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        await fails()


@pytest.fixture
async def stuck() -> Any:
    """An engine whose only thread is held by a step that was given up on."""
    entered, free = threading.Event(), threading.Event()

    @node
    def hold():
        entered.set()
        assert free.wait(30)

    engine = Engine(pools={"default": 1}, grace=0.0)
    run = await engine.start(Graph(hold, name="g"))
    await asyncio.to_thread(entered.wait, 5)
    await run.cancel()
    yield engine
    free.set()
    await engine.close()


async def test_an_abandoned_thread_keeps_its_place_and_a_full_pool_names_who_holds_it(stuck: Engine) -> None:
    """5.4."""
    with pytest.raises(RunFailed, match=r"PoolExhausted.*all 1 threads of pool 'default'.*hold \(1\)") as caught:
        await stuck.run(Graph(where.copy(), name="g"))
    assert caught.value.result.error.retryable is True


async def test_a_full_pool_can_be_caught_by_an_edge(stuck: Engine) -> None:
    """2.5, 5.4."""

    @node
    async def wait_for_better_times():
        return {"waited": True}

    step = where.copy()
    step.on_error("PoolExhausted") >> wait_for_better_times
    assert (await stuck.run(Graph(step))).output == {"waited": True}


async def test_a_pool_takes_work_again_when_the_abandoned_work_has_ended() -> None:
    """5.4."""
    entered, free = threading.Event(), threading.Event()

    @node
    def hold():
        entered.set()
        assert free.wait(30)

    async with Engine(pools={"default": 1}, grace=0.0) as engine:
        run = await engine.start(Graph(hold, name="g"))
        await asyncio.to_thread(entered.wait, 5)
        await run.cancel()
        free.set()
        async with asyncio.timeout(5):
            while engine.pool("default").abandoned.total():  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert (await engine.call(where))["main"] is False


async def test_ten_thousand_steps_on_threads_share_the_same_few() -> None:
    """7.1."""

    @node
    def step(state):
        return {"n": state.get("n", 0) + 1}

    step.on("output.n < 2000") >> step
    async with Engine(pools={"default": 4}) as engine:
        result = await engine.run(Graph(step))
        assert result.output == {"n": 2000}
        assert len(pool_threads()) <= 4


class Looks(Node):
    isolation = "inline"

    def work(self, state):
        context = current_context()
        assert context is not None
        return {"n": state.n + 1, "at": context.node_id, "ids": (*state.get("ids", ()), context.step_id)}


async def test_an_inline_function_of_the_state_alone_has_a_context_when_it_asks_for_one() -> None:
    """1.6, 13.2: though none is made for its step (decision 0018)."""
    first, second = Looks(id="first"), Looks(id="second")
    first >> second
    output = (await Graph(first).run({"n": 1})).output
    assert (output["n"], output["at"]) == (3, "second")
    assert len(set(output["ids"])) == 2


@pytest.mark.parametrize(
    ("function", "isolation", "quick"),
    [
        (lambda state: {}, "inline", True),
        (lambda state: {}, "thread", False),
        (lambda state, inputs: {}, "inline", False),
        (lambda *, state: {}, "inline", False),
        (lambda state: (yield {}), "inline", False),
        (lambda ctx: {}, "inline", False),
    ],
)
def test_what_asks_for_the_state_alone_and_runs_where_its_caller_is_needs_no_context(
    function: Any, isolation: Any, quick: bool
) -> None:
    """1.6"""
    assert (of_state(node(isolation=isolation)(function)) is not None) is quick
