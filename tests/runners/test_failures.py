"""Error edges, and what becomes of a run that fails (2.5, 2.6)."""

import asyncio
import socket
import threading
import traceback
from typing import Annotated, Any

import pytest

from nodeloom import Engine, Graph, Node, Quorum, RunFailed, State, add, node
from nodeloom.errors import QuorumNotReached, StateConflict, StepError


class Refused(ConnectionError):
    code = "refused_by_peer"
    retryable = True


TimeoutOfAnother = type("TimeoutError", (Exception,), {"__module__": "another.library"})


class Fail(Node):
    def __init__(self, error: Any, **values: Any) -> None:
        super().__init__(**values)
        self.error = error

    async def work(self, inputs):
        raise self.error


class Caught(Node):
    async def work(self, ctx, inputs):
        return {"by": ctx.node_id, "error": ctx.error, "inputs": dict(inputs)}


@pytest.mark.parametrize(
    ("edge", "error", "caught"),
    [
        (TimeoutError, TimeoutError("t"), True),
        (OSError, TimeoutError("t"), True),
        (Exception, ValueError("v"), True),
        (ValueError, KeyError("k"), False),
        ("TimeoutError", TimeoutError("t"), True),
        ("OSError", Refused("r"), True),
        (Refused, Refused("r"), True),
        ("Refused", Refused("r"), True),
        (f"{Refused.__module__}.Refused", Refused("r"), True),
        (ConnectionError, Refused("r"), True),
        (Refused, ConnectionError("c"), False),
        ("timeouterror", TimeoutError("t"), False),
        (StepError, Refused("r"), False),
        ("builtins.TimeoutError", TimeoutError("t"), True),
        (TimeoutError, TimeoutOfAnother("t"), False),
        (TimeoutOfAnother, TimeoutError("t"), False),
        (TimeoutOfAnother, TimeoutOfAnother("t"), True),
        ("TimeoutError", TimeoutOfAnother("t"), True),
        ("another.library.TimeoutError", TimeoutOfAnother("t"), True),
        (asyncio.TimeoutError, TimeoutError("t"), True),
        (socket.timeout, TimeoutError("t"), True),
    ],
)
async def test_an_error_edge_catches_by_class_by_name_and_by_base_class(
    edge: Any, error: Exception, caught: bool
) -> None:
    """2.5: a class is that class, whatever others are called; a document keeps that."""
    fail, sorry = Fail(error), Caught(id="sorry")
    fail.on_error(edge) >> sorry
    result = await Graph(fail).run({"n": 1}, check=False)
    assert (result.status == "completed") is caught
    if caught:
        assert result.output["inputs"] == {"n": 1}


@pytest.mark.parametrize("caught", [True, False])
async def test_an_edge_that_takes_a_quorum_not_reached_deals_with_the_failures_before_it(caught: bool) -> None:
    """3.4, 2.5: they only ended their tokens, and that too few were left is what was caught (decision 0003)."""

    @node
    async def start():
        return {}

    @node(join=Quorum(2))
    async def both():
        return {}

    @node
    async def one():
        return {"one": 1}

    start >> [Fail(ValueError("no")), one] >> both
    if caught:
        both.on_error("QuorumNotReached") >> Caught(id="sorry")
    result = await Graph(start).run(check=False)
    assert (result.status, len(result.errors)) == (("completed", 0) if caught else ("failed", 2))


@pytest.mark.parametrize("edge", [QuorumNotReached, StepError, Exception, "QuorumNotReached"])
async def test_an_error_edge_catches_what_the_runtime_itself_fails_a_step_with(edge: Any) -> None:
    """2.5, 3.4: by class, base class and name, as any other error."""
    first, meet = Caught(id="first"), Caught(id="meet", join=Quorum(2))
    first >> meet
    meet.on_error(edge) >> Caught(id="sorry")
    result = await Graph(first).run()
    assert result.output["error"]["type"] == "QuorumNotReached"


class Counted(State):
    n: int = 0


@pytest.mark.parametrize("edge", [StateConflict, StepError, "StateConflict"])
async def test_an_error_edge_catches_a_conflict_of_branches(edge: Any) -> None:
    """2.5, 4.5."""

    class Count(Node):
        async def work(self, ctx):
            return {"n": ord(ctx.node_id)}

    a, b, c, meet = Count(id="a"), Count(id="b"), Count(id="c"), Caught(id="meet")
    a >> [b, c] >> meet
    meet.on_error(edge) >> Caught(id="sorry")
    assert (await Graph(a, state=Counted).run()).output["error"]["type"] == "StateConflict"


async def test_an_error_edge_without_types_catches_any_failure() -> None:
    """2.5."""
    fail = Fail(ValueError("v"))
    fail.on_error() >> Caught(id="sorry")
    assert (await Graph(fail).run()).output["by"] == "sorry"


async def test_the_first_matching_edge_is_taken_in_declaration_order() -> None:
    """2.5."""
    fail = Fail(TimeoutError("t"))
    fail.on_error(ValueError) >> Caught(id="first")
    fail.on_error(OSError) >> Caught(id="second")
    fail.on_error(TimeoutError) >> Caught(id="third")
    result = await Graph(fail).run()
    assert set(result.outputs) == {"second"}


async def test_one_edge_may_name_several_types() -> None:
    """2.5."""
    for error in (KeyError("k"), TimeoutError("t")):
        fail = Fail(error)
        fail.on_error(KeyError, "TimeoutError") >> Caught(id="sorry")
        assert (await Graph(fail).run()).status == "completed"


async def test_the_target_is_told_what_failed() -> None:
    """2.5: error = {type, code, message, node, retryable}."""
    fail = Fail(Refused("go away"))
    fail.on_error() >> Caught(id="sorry")
    error = (await Graph(fail).run()).output["error"]
    assert error == {
        "type": "Refused",
        "code": "refused_by_peer",
        "message": "go away",
        "node": "fail",
        "retryable": True,
    }
    other = Fail(ZeroDivisionError("0"))
    other.on_error() >> Caught(id="sorry")
    assert (await Graph(other).run()).output["error"]["code"] == "zero_division_error"


async def test_a_failure_in_a_handler_fails_the_run() -> None:
    """2.5."""
    fail, worse = Fail(ValueError("first")), Fail(KeyError("second"), id="worse")
    fail.on_error() >> worse
    with pytest.raises(RunFailed, match="worse: KeyError"):
        await Graph(fail).run()


async def test_a_handler_may_lead_back() -> None:
    """2.5: an error route in a loop is a retry by hand."""
    tries: list[int] = []

    @node
    async def flaky():
        tries.append(1)
        if len(tries) < 4:
            raise TimeoutError("again")
        return {"tries": len(tries)}

    @node
    async def again():
        return {}

    flaky.on_error(TimeoutError) >> again >> flaky
    assert (await asyncio.wait_for(Graph(flaky).run(), 5)).output == {"tries": 4}


async def test_a_failed_step_leaves_nothing_in_the_state() -> None:
    """4.7."""
    fail = Fail(ValueError("v"))
    fail.on_error() >> Caught(id="sorry")
    result = await Graph(fail).run({"n": 1})
    assert "fail" not in result.outputs


# --- what else runs when a run fails


def with_sibling(work: Any, **options: Any) -> tuple[Graph, asyncio.Event]:
    ready = asyncio.Event()

    @node
    async def start():
        return {}

    @node
    async def fail():
        await ready.wait()
        raise ValueError("the first")

    sibling = node(id="sibling")(work(ready))
    start >> [fail, sibling]
    return Graph(start, name="g", **options), ready


async def test_siblings_are_cancelled_and_awaited_and_their_finally_blocks_run() -> None:
    """2.6."""
    seen: list[str] = []

    def work(ready):
        async def wait():
            try:
                ready.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
            finally:
                for _ in range(5):
                    await asyncio.sleep(0)
                seen.append("finally")

        return wait

    graph, _ = with_sibling(work)
    with pytest.raises(RunFailed, match="the first"):
        await graph.run()
    assert seen == ["cancelled", "finally"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_sibling_on_a_thread_is_told_and_awaited() -> None:
    """2.6, 5.4: `ctx.cancelled` tells sync code."""
    told: list[bool] = []
    loop = asyncio.get_running_loop()

    def work(ready):
        def wait(ctx):
            loop.call_soon_threadsafe(ready.set)
            pause = threading.Event()
            for _ in range(10_000):
                if ctx.cancelled:
                    told.append(True)
                    return {}
                pause.wait(0.001)
            return {}

        return wait

    graph, _ = with_sibling(work)
    with pytest.raises(RunFailed, match="the first"):
        await graph.run()
    assert told == [True]


async def test_a_failure_while_cancelling_is_attached() -> None:
    """2.6: the first failure by the order of the graph, the others with it."""

    def work(ready):
        async def wait():
            try:
                ready.set()
                await asyncio.Event().wait()
            finally:
                raise KeyError("while cleaning up")

        return wait

    graph, _ = with_sibling(work)
    result = await graph.run(check=False)
    assert [error.type for error in result.errors] == ["ValueError", "KeyError"]
    assert result.error == result.errors[0]


async def test_the_first_failure_is_that_of_the_graphs_order_not_of_the_clock() -> None:
    """2.6, 4.4: fifty times alike."""

    @node
    async def start():
        return {}

    turns = [asyncio.Event() for _ in range(3)]
    all_in = asyncio.Barrier(3)

    def failing(n: int) -> Any:
        @node(id=f"f{n}")
        async def fail():
            try:
                await all_in.wait()
                await turns[n].wait()
            finally:
                raise ValueError(f"of {n}")

        return fail

    start >> [failing(n) for n in range(3)]
    graph = Graph(start)
    for first in (0, 1, 2) * 10:
        for turn in turns:
            turn.clear()
        turns[first].set()
        result = await graph.run(check=False)
        assert [error.message for error in result.errors] == ["of 0", "of 1", "of 2"]


async def test_a_failure_while_cancelling_does_not_break_into_a_siblings_cleaning_up() -> None:
    """2.6: a step is cancelled once, however many failures follow."""
    all_in, cleaned = asyncio.Barrier(3), asyncio.Event()

    @node
    async def fail():
        await all_in.wait()
        raise ValueError("the first")

    @node
    async def fails_too():
        await all_in.wait()
        try:
            await asyncio.Event().wait()
        finally:
            raise KeyError("the second")

    @node
    async def cleans():
        await all_in.wait()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
            cleaned.set()

    with pytest.raises(RunFailed, match="the first"):
        await Graph([fail, fails_too, cleans]).run()
    assert cleaned.is_set()


async def test_a_failure_before_a_sibling_has_begun_keeps_it_from_beginning() -> None:
    """2.6."""
    begun: list[int] = []

    @node
    async def start():
        return {}

    @node
    async def fail():
        raise ValueError("at once")

    @node
    async def late():
        begun.append(1)

    start >> [fail, late]
    with pytest.raises(RunFailed, match="at once"):
        await asyncio.wait_for(Graph(start).run(), 5)
    assert begun == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_run_failed_is_chained_to_the_original_with_its_traceback() -> None:
    """2.6."""

    def deep_down():
        raise KeyError("deep") from ValueError("deeper")

    @node
    async def fail():
        deep_down()

    @node
    async def start():
        return {}

    start >> fail
    for graph in (Graph(start), Graph([fail.copy(), start.copy(id="other")])):
        with pytest.raises(RunFailed) as caught:
            await graph.run()
        cause = caught.value.__cause__
        assert isinstance(cause, KeyError)
        assert isinstance(cause.__cause__, ValueError)
        assert "deep_down" in "".join(traceback.format_exception(cause))


async def test_an_error_in_the_result_has_no_cause_twice() -> None:
    """2.6: of many failures the cause is the one that is named."""

    @node
    async def start():
        return {}

    a, b = Fail(ValueError("a"), id="a"), Fail(KeyError("b"), id="b")
    start >> [a, b]
    with pytest.raises(RunFailed, match="a: ValueError: a") as caught:
        await Graph(start, on_failure="continue").run()
    assert isinstance(caught.value.__cause__, ValueError)
    assert [error.type for error in caught.value.result.errors] == ["ValueError", "KeyError"]


async def test_on_failure_continue_lets_other_branches_finish_first() -> None:
    """2.6."""
    done: list[str] = []
    failed = asyncio.Event()

    @node
    async def start():
        return {}

    @node
    async def fail():
        failed.set()
        raise ValueError("no")

    @node
    async def slow():
        await failed.wait()
        await asyncio.sleep(0)
        return {"slow": 1}

    @node
    async def after(inputs):
        done.append("after")
        return {"after": 1}

    start >> [fail, slow]
    slow >> after
    result = await Graph(start, on_failure="continue").run(check=False)
    assert result.status == "failed"
    assert done == ["after"]
    assert result.outputs["after"] == {"after": 1}


async def test_what_was_done_before_the_failure_is_in_the_result() -> None:
    """2.6."""

    @node
    async def first():
        return {"n": 1}

    first >> Fail(ValueError("no"))
    result = await Graph(first).run({"a": 0}, check=False)
    assert result.outputs["first"] == {"n": 1}
    assert result.state == {"a": 0, "n": 1}


async def test_a_failing_reducer_in_a_fork_leaves_no_task() -> None:
    """2.6, 4.2."""
    ended = asyncio.Event()

    def refuse(old, new):
        raise ArithmeticError("cannot add these")

    class Keys(State):
        key: Annotated[int, refuse] = 0

    @node
    async def start():
        return {}

    begun = asyncio.Event()

    @node
    async def write():
        await begun.wait()
        return {"key": 1}

    @node
    async def read(state):
        return {"n": state["key"]}

    @node
    async def wait():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    start >> [write, wait]
    write >> read
    with pytest.raises(RunFailed, match="cannot add these"):
        await asyncio.wait_for(Graph(start, state=Keys).run(), 5)
    assert ended.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_failing_reducer_is_named_with_its_key_and_node_and_what_was_written_stays() -> None:
    """2.6, 4.2: the step is completed, so that no error edge catches it."""

    class Sums(State):
        total: Annotated[int, add] = 0
        n: int = 0

    @node
    async def one():
        return {"total": 1, "n": 5}

    @node
    async def other():
        return {"total": "x"}

    sorry = Caught(id="sorry")
    one >> other
    other.on_error() >> sorry
    result = await Graph(one, state=Sums).run(check=False)
    assert result.status == "failed"
    assert str(result.error) == (
        "other: ReducerFailed: state key 'total': its reducer add failed to merge str 'x' into int 1: "
        "TypeError: unsupported operand type(s) for +: 'int' and 'str'"
    )
    assert (result.state, result.output) == ({"total": 1, "n": 5}, {})
    assert result.outputs["one"] == {"total": 1, "n": 5}


async def test_a_condition_that_fails_fails_the_run_and_leaves_its_step_completed() -> None:
    """2.3: no error edge catches it."""

    @node
    async def a():
        return {"score": "high"}

    b, sorry = Caught(id="b"), Caught(id="sorry")
    a.on(score__gt=1) >> b
    a.on_error() >> sorry
    result = await Graph(a).run(check=False)
    assert (result.status, result.error.type, result.steps) == ("failed", "RoutingError", 1)  # type: ignore[union-attr]
    assert result.outputs["a"] == {"score": "high"}


async def test_a_predicate_that_raises_fails_the_run() -> None:
    """2.3."""
    from nodeloom import EdgeCondition

    a, b = Caught(id="a"), Caught(id="b")
    a.goto(b, condition=EdgeCondition(lambda step: step.outputs["nothing"]))
    with pytest.raises(RunFailed, match=r"condition of edge a -> b failed"):
        await Graph(a).run()


class Odd(BaseException):
    pass


async def test_an_exception_that_is_no_exception_passes_through_and_leaves_no_task() -> None:
    """2.6: as SystemExit would."""
    ended = asyncio.Event()

    @node
    async def start():
        return {}

    @node
    async def odd():
        raise Odd

    @node
    async def wait():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    start >> [wait, odd]
    with pytest.raises(Odd):
        await Graph(start).run()
    assert ended.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    with pytest.raises(Odd):
        await Graph(odd.copy()).run()


async def test_failing_runs_do_not_disturb_their_neighbours() -> None:
    """1.1, 2.6."""

    @node
    async def maybe(inputs):
        await asyncio.sleep(0)
        if inputs["n"] % 2:
            raise ValueError(str(inputs["n"]))
        return {"n": inputs["n"]}

    graph = Graph(maybe)
    async with Engine() as engine:
        results = await asyncio.gather(*(engine.run(graph, {"n": n}, check=False) for n in range(100)))
    for n, result in enumerate(results):
        assert result.status == ("failed" if n % 2 else "completed")
        assert (result.error.message if result.error else result.output["n"]) == (str(n) if n % 2 else n)
