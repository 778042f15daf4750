"""A node's work for each of many items, as one step (8)."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest

from nodeloom import Batch, BatchResult, Context, Graph, Node, Params, Route, RunFailed, State, add, node
from nodeloom.errors import OutputError, StepError
from nodeloom.policies import Concurrency, Deadline, Fallback, Idempotency, RateLimit, Retry, Timeout
from nodeloom.testing import run_virtual

FULL = {"slots", "results", "errors", "count", "success_count", "error_count", "timing"}


class Numbered(Params):
    n: int = 0


class Show(Node):
    async def work(self, params: Numbered, ctx: Context):
        return {"n": params.n, "index": ctx.index, "item": ctx.item}


def graph_of(work: Any, *, items: Any = "{{ inputs.items }}", **settings: Any) -> Graph:
    """A graph of one node with a batch."""
    policies = settings.pop("policies", [])
    return Graph(node(id="each", policies=policies, batch=Batch(items=items, **settings))(work), name="batch")


async def failing(graph: Graph, inputs: Any) -> tuple[BaseException, BatchResult]:
    """The error that failed a batch, with what was done before."""
    with pytest.raises(RunFailed) as caught:
        await graph.run(inputs)
    error: Any = caught.value.__cause__
    return error, error.batch


# --- slots and outputs


async def test_each_item_has_a_slot_in_input_order() -> None:
    """8.2: in input order, whatever ends first; the outputs derive from the slots."""

    async def work(ctx):
        await asyncio.sleep((3 - ctx.item) * 0.001)
        return {"n": ctx.item}

    output = (await graph_of(work, parallel=True).run({"items": [0, 1, 2]})).output
    assert set(output) == FULL
    assert [slot["index"] for slot in output["slots"]] == [0, 1, 2]
    assert [slot["status"] for slot in output["slots"]] == ["ok"] * 3
    assert output["results"] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert (output["count"], output["success_count"], output["error_count"], output["errors"]) == (3, 3, 0, [])


async def test_results_are_aligned_with_the_items_and_none_where_not_ok() -> None:
    """8.2: errors say index, type, message and attempts."""

    async def work(ctx):
        if ctx.item % 2:
            raise ValueError(f"{ctx.item} is odd")
        return {"n": ctx.item}

    output = (await graph_of(work, error_handling="continue").run({"items": [0, 1, 2, 3]})).output
    assert output["results"] == [{"n": 0}, None, {"n": 2}, None]
    assert [slot["status"] for slot in output["slots"]] == ["ok", "failed", "ok", "failed"]
    first = output["errors"][0]
    assert (first["index"], first["type"], first["message"], first["attempts"]) == (1, "ValueError", "1 is odd", 1)
    assert (output["count"], output["success_count"], output["error_count"]) == (4, 2, 2)
    assert output["slots"][1]["error"] == first


def test_timing_derives_from_the_slots() -> None:
    """8.2: seconds until the last item ended, and what an item took in the mean and at most."""

    async def work(inputs):
        await asyncio.sleep(inputs["item"])

    async def main() -> BatchResult:
        return await node(work).map([1.0, 3.0, 2.0], max_concurrent=2)

    batch = run_virtual(main())
    assert [(slot.started, slot.seconds) for slot in batch.slots] == [(0.0, 1.0), (0.0, 3.0), (1.0, 2.0)]
    assert batch.timing == {"seconds": 3.0, "mean": 2.0, "slowest": 3.0}


async def test_a_batch_of_no_items_is_fine() -> None:
    """8.2, 8.3: none failed, so nothing fails."""

    async def work():
        raise AssertionError

    for settings in ({}, {"parallel": True}, {"error_handling": "continue"}):
        output = (await graph_of(work, **settings).run({"items": []})).output
        assert (output["count"], output["slots"], output["timing"]["seconds"]) == (0, [], 0.0)


async def test_reduce_makes_the_outputs() -> None:
    """8.4: `reduce(slots) -> mapping`, plain or async; it sees every slot."""

    async def work(ctx):
        return {"n": ctx.item}

    def total(slots):
        return {"total": sum(slot.output.n for slot in slots), "seen": [slot.index for slot in slots]}

    async def later(slots):
        await asyncio.sleep(0)
        return total(slots)

    for reduce in (total, later):
        result = await graph_of(work, reduce=reduce).run({"items": [1, 2, 3]})
        assert result.output == {"total": 6, "seen": [0, 1, 2]}
    with pytest.raises(RunFailed, match="reduce of the batch of node each returned 6"):
        await graph_of(work, reduce=lambda slots: 6).run({"items": [1, 2, 3]})


async def test_what_an_item_returns_is_a_mapping_or_nothing() -> None:
    """1.7, 8.2: nothing is no outputs; an item has no way on of its own."""

    async def work(ctx):
        return [{"n": 1}, None, {}][ctx.item]

    assert (await graph_of(work).run({"items": [0, 1, 2]})).output["results"] == [{"n": 1}, {}, {}]
    for wrong, what in ((3, "int 3"), (Route({}, []), "Route a Route, but items have no way on")):
        error, _ = await failing(graph_of(lambda wrong=wrong: wrong), {"items": [0]})
        assert isinstance(error, OutputError)
        assert f"work of node each returned for an item of its batch {what}" in str(error)


async def test_what_an_item_returned_is_as_it_was_then() -> None:
    """4.8: outputs belong to the runtime once handed over; names are texts."""
    box: dict[str, Any] = {}

    async def work(ctx):
        box["n"] = ctx.item
        return box

    assert (await graph_of(work).run({"items": [0, 1]})).output["results"] == [{"n": 0}, {"n": 1}]

    async def whole(ctx):
        return {"state": ctx.state}

    result = await graph_of(whole, reduce=lambda slots: {"k": 2, "first": slots[0].output.state}).run(
        {"items": [0], "k": 1}
    )
    assert (result.state["k"], result.output["first"]) == (2, {"items": [0], "k": 1})
    error, _ = await failing(graph_of(lambda: {1: 2}), {"items": [0]})
    assert "the names of inputs and outputs are texts" in str(error)


async def test_the_outputs_flow_on_and_can_be_routed_by() -> None:
    """8.2: a dot is a key look-up, in slots too."""

    @node(batch=Batch(items="{{ inputs.items }}", error_handling="continue"))
    async def each(ctx):
        return {"half": 6 / ctx.item}

    class Pick(Node):
        class Params(Params):
            first: float

        async def work(self, params):
            return {"first": params.first}

    pick = Pick(first="{{ outputs.each.slots[0].output.half }}")
    each.on(error_count__gt=0) >> pick
    assert (await Graph(each).run({"items": [3, 0]})).output == {"first": 2.0}


# --- failing


def test_fail_fast_begins_no_item_after_a_failure_was_seen() -> None:
    """8.3: running items are cancelled and awaited, the rest is skipped; the finished slots are kept on the error."""
    ended: list[str] = []

    async def work(ctx):
        try:
            await asyncio.sleep([1.0, 5.0, 2.0, 9.0, 0.0, 0.0][ctx.item])
        finally:
            await asyncio.sleep(0.5 if ctx.item == 1 else 0)
            ended.append(f"{ctx.item}")
        if ctx.item == 2:
            raise ValueError("two")
        return {"n": ctx.item}

    async def main() -> float:
        loop = asyncio.get_running_loop()
        error, batch = await failing(graph_of(work, max_concurrent=3), {"items": [0, 1, 2, 3, 4, 5]})
        assert isinstance(error, ValueError)
        assert [slot.status for slot in batch.slots] == ["ok", "cancelled", "failed", "cancelled", "skipped", "skipped"]
        assert batch.results == [{"n": 0}, None, None, None, None, None]
        assert (batch.count, batch.success_count, batch.error_count) == (6, 1, 1)
        assert [slot.attempts for slot in batch.slots] == [1, 1, 1, 1, 0, 0]
        assert sorted(ended) == ["0", "1", "2", "3"]
        assert len(asyncio.all_tasks()) == 1
        return loop.time()

    assert run_virtual(main()) == 2.5


def test_the_error_raised_is_that_of_the_lowest_failed_index() -> None:
    """8.3: not of the one that failed first."""

    async def work(ctx):
        try:
            await asyncio.sleep(3 - ctx.item)
        except asyncio.CancelledError:
            if ctx.item == 1:
                raise KeyError("while it was cancelled") from None
            raise
        raise ValueError(ctx.item)

    async def main() -> None:
        error, batch = await failing(graph_of(work, parallel=True), {"items": [0, 1, 2]})
        assert isinstance(error, KeyError)
        assert [slot.status for slot in batch.slots] == ["cancelled", "failed", "failed"]
        assert [each.index for each in batch.errors] == [1, 2]

    run_virtual(main())


def test_continue_runs_all_items_and_is_degraded_when_some_failed(caplog: pytest.LogCaptureFixture) -> None:
    """8.3: the step's event says so, and a record under the node's identifier names the first failure."""

    async def work(ctx):
        await asyncio.sleep(1)
        return {"n": 1 / ctx.item}

    async def main() -> list[Any]:
        graph = graph_of(work, parallel=True, error_handling="continue")
        events = [event async for event in graph.stream({"items": [1, 0, 2, 0]})]
        return [event.data.get("degraded") for event in events if event.type == "step_completed"]

    with caplog.at_level(logging.WARNING):
        assert run_virtual(main()) == [True]
    assert "2 of 4 items failed; the first is item 1: ZeroDivisionError: division by zero" in caplog.text


async def test_continue_that_is_not_degraded_does_not_say_so() -> None:
    """8.3."""

    async def work():
        return {}

    graph = graph_of(work, error_handling="continue")
    events = [event async for event in graph.stream({"items": [1, 2]})]
    assert all("degraded" not in event.data for event in events)


async def test_continue_fails_when_all_items_did() -> None:
    """8.3."""
    seen: list[int] = []

    async def work(ctx):
        seen.append(ctx.item)
        raise ValueError(ctx.item)

    error, batch = await failing(graph_of(work, parallel=True, error_handling="continue"), {"items": [7, 8, 9]})
    assert isinstance(error, ValueError)
    assert error.args == (7,)
    assert seen == [7, 8, 9]
    assert batch.error_count == 3


async def test_an_error_edge_matches_the_item_s_error() -> None:
    """2.5, 8.3."""

    @node(batch=Batch(items=[0]))
    async def each(ctx):
        return {"n": 1 / ctx.item}

    @node
    async def sorry(ctx):
        return {"type": ctx.error["type"], "inputs": dict(ctx.inputs)}

    each.on_error(ArithmeticError) >> sorry
    assert (await Graph(each).run({"a": 1})).output == {"type": "ZeroDivisionError", "inputs": {"a": 1}}


async def test_an_item_that_raises_cancelled_by_itself_has_failed() -> None:
    """2.6, 8.2: nobody cancelled it, so it is not cancelled."""

    async def work():
        raise asyncio.CancelledError

    for settings in ({}, {"parallel": True}):
        error, batch = await failing(graph_of(work, **settings), {"items": [1]})
        assert isinstance(error, StepError)
        assert [slot.status for slot in batch.slots] == ["failed"]


# --- what an item sees


async def test_an_item_sees_the_inputs_its_item_and_its_index() -> None:
    """8.4, 12.1: in expressions, under its alias, and in Python."""
    show = Show(
        n="{{ file.size + index + inputs.more + state.more + run.inputs.more }}",
        batch=Batch(items="{{ inputs.files }}", as_="file"),
    )
    result = await Graph(show).run({"files": [{"size": 10}, {"size": 20}], "more": 100})
    assert result.output["results"] == [
        {"n": 310, "index": 0, "item": {"size": 10}},
        {"n": 321, "index": 1, "item": {"size": 20}},
    ]


async def test_there_is_no_item_outside_of_a_batch() -> None:
    """8.4."""

    @node
    async def alone(ctx):
        return {"n": ctx.item}

    with pytest.raises(RunFailed, match=r"node alone has no batch, so there is no ctx\.item"):
        await Graph(alone).run()
    with pytest.raises(TypeError, match=r"no ctx\.index"):
        await node(lambda ctx: {"n": ctx.index})()


async def test_items_share_nothing_that_they_could_change() -> None:
    """4.8, 8.4: not the item, the inputs, the state, the outputs, nor a param made of them."""
    seen: list[Any] = []

    class Change(Node):
        class Params(Params):
            given: dict[str, Any]
            item: dict[str, Any]

        async def work(self, params, ctx):
            views = (ctx.inputs["box"], ctx.state["box"], ctx.outputs["first"]["box"], params.given, params.item)
            seen.append([*map(repr, views), repr(ctx.item), repr(ctx.run_inputs["box"])])
            for view in (*views, ctx.item, ctx.run_inputs["box"]):
                view["changed"] = True
                view["list"].append(1)

    @node(id="first")
    async def first(inputs):
        return {"box": inputs["box"]}

    @node(id="last")
    async def last(ctx):
        return {"after": ctx.state["box"], "again": ctx.outputs["first"]["box"], "run": ctx.run_inputs}

    change = Change(
        given="{{ state.box }}",
        item="{{ item }}",
        batch=Batch(items="{{ run.inputs.items }}", parallel=True, reduce=lambda slots: {}),
    )
    first >> change >> last
    box = {"list": [0]}
    item = {"list": [0]}
    result = await Graph(first).run({"box": box, "items": [item, item, item]})
    assert seen == [["{'list': [0]}"] * 7] * 3
    assert result.output["after"] == result.output["again"] == {"list": [0]}
    assert result.output["run"] == {"box": {"list": [0]}, "items": [{"list": [0]}] * 3}
    assert item == {"list": [0]}


async def test_a_retried_item_sees_what_its_first_attempt_saw() -> None:
    """4.7."""
    seen: list[Any] = []

    async def work(ctx):
        seen.append((dict(ctx.item), ctx.state["box"][:]))
        ctx.item["n"] = 2
        ctx.state["box"].append(2)
        if ctx.attempt == 1:
            raise ValueError

    await graph_of(work, max_retries=2).run({"items": [{"n": 1}], "box": [1]})
    assert seen == [({"n": 1}, [1])] * 2


async def test_what_items_return_does_not_reach_the_state_one_by_one() -> None:
    """4.2, 8.4: the step returns updates once, for all of them."""

    class Rounds(State):
        items: Any = None
        count: Annotated[int, add] = 0

    async def work(ctx):
        return {"count": 100, "seen": ctx.state["count"]}

    each = node(id="each", batch=Batch(items="{{ state.items }}"))(work)
    result = await Graph(each, state=Rounds).run({"items": [1, 2], "count": 1})
    assert result.outputs["each"]["results"] == [{"count": 100, "seen": 1}] * 2
    assert result.state["count"] == 3


async def test_an_item_has_a_step_id_of_its_own() -> None:
    """1.3: for batch items the index."""

    async def work(ctx):
        return {"id": ctx.step_id, "node": ctx.node_id}

    graph = graph_of(work, parallel=True)
    one = (await graph.run({"items": [5, 6]}, run_id="a")).output["results"]
    assert one[0]["id"].startswith("each:")
    assert one[0]["id"].endswith("[0]")
    assert one[1]["id"] == one[0]["id"].replace("[0]", "[1]")
    assert (await graph.run({"items": [5, 6]}, run_id="a")).output["results"] == one


# --- where items come from


async def items_of(count: int, taken: list[int], closed: list[bool]) -> AsyncIterator[int]:
    try:
        for n in range(count):
            taken.append(n)
            yield n
            await asyncio.sleep(0)
    finally:
        closed.append(True)


@pytest.mark.parametrize(
    "items",
    [[1, 2, 3], (1, 2, 3), range(1, 4), lambda: iter([1, 2, 3]), lambda: {1: 0, 2: 0, 3: 0}.keys()],
    ids=["list", "tuple", "range", "function of an iterator", "keys"],
)
async def test_items_are_whatever_can_be_iterated(items: Any) -> None:
    """8.1: expression, list or iterator."""

    async def work(ctx):
        return {"n": ctx.item}

    graph = graph_of(work, items=items)
    for _ in range(2):
        assert (await graph.run()).output["results"] == [{"n": 1}, {"n": 2}, {"n": 3}]


async def test_a_list_may_hold_expressions() -> None:
    """12.1: a structure of the author's own."""

    async def work(ctx):
        return {"n": ctx.item}

    output = (await graph_of(work, items=[1, "{{ inputs.two }}"]).run({"two": 2})).output
    assert output["results"] == [{"n": 1}, {"n": 2}]


async def test_a_function_of_an_async_iterator_gives_each_step_its_own() -> None:
    """8.1, 1.1."""
    taken: list[int] = []

    async def work(ctx):
        return {"n": ctx.item}

    graph = graph_of(work, items=lambda: items_of(3, taken, []))
    for _ in range(2):
        assert (await graph.run()).output["count"] == 3
    assert taken == [0, 1, 2] * 2


async def test_an_iterator_in_a_definition_serves_one_step() -> None:
    """1.1: the second step is told, and not given nothing."""

    async def work():
        return {}

    for items in (iter([1, 2]), items_of(2, [], [])):
        graph = graph_of(work, items=items)
        assert (await graph.run()).output["count"] == 2
        with pytest.raises(RunFailed, match="are an iterator, which an earlier step has used up"):
            await graph.run()


@pytest.mark.parametrize("wrong", [3, "text", {"a": 1}, None, b"ab"])
async def test_items_that_are_no_list_fail_the_step_with_a_clear_error(wrong: Any) -> None:
    """8.1."""

    async def work():
        return {}

    error, _ = await failing_plainly(graph_of(work), {"items": wrong})
    assert isinstance(error, StepError)
    assert str(error).startswith("the items of the batch of node each are ")


async def failing_plainly(graph: Graph, inputs: Any) -> tuple[BaseException | None, Any]:
    with pytest.raises(RunFailed) as caught:
        await graph.run(inputs)
    return caught.value.__cause__, caught.value.result


async def test_items_that_are_missing_fail_the_step() -> None:
    """12.2."""

    async def work():
        return {}

    with pytest.raises(RunFailed, match="`inputs` has no `items`"):
        await graph_of(work).run({"itms": []})


def test_an_async_iterator_is_not_asked_before_there_is_room() -> None:
    """8.1: a bounded window is kept, not all items at once."""
    taken: list[int] = []
    most = 0
    running = 0

    async def work(ctx):
        nonlocal most, running
        running += 1
        most = max(most, running)
        assert len(taken) <= ctx.index + 3
        await asyncio.sleep(1)
        running -= 1

    async def main() -> None:
        closed: list[bool] = []
        output = (await graph_of(work, items=lambda: items_of(20, taken, closed), max_concurrent=3).run()).output
        assert (output["count"], most, closed) == (20, 3, [True])
        assert asyncio.get_running_loop().time() == 7

    run_virtual(main())


def test_an_async_iterator_is_closed_when_an_item_fails_and_when_the_step_is_cancelled() -> None:
    """8.3."""

    async def work(ctx):
        await asyncio.sleep(1)
        if ctx.item == 4:
            raise ValueError
        if ctx.item > 4:
            await asyncio.sleep(100)

    async def main() -> None:
        taken: list[int] = []
        closed: list[bool] = []
        graph = graph_of(work, items=lambda: items_of(100, taken, closed), max_concurrent=2)
        _, batch = await failing(graph, {})
        assert closed == [True]
        assert [slot.status for slot in batch.slots] == ["ok"] * 4 + ["failed", "cancelled"]
        closed.clear()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(graph.run(), 1.5)
        assert closed == [True]
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


def test_an_item_that_comes_too_late_is_skipped() -> None:
    """8.2, 8.3: a source that gives one more, though it was told to end."""

    async def stubborn() -> AsyncIterator[int]:
        yield 0
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            yield 1

    async def work():
        await asyncio.sleep(1)
        raise ValueError

    async def main() -> None:
        _, batch = await failing(graph_of(work, items=stubborn, parallel=True), {})
        assert [slot.status for slot in batch.slots] == ["failed", "skipped"]

    run_virtual(main())


@pytest.mark.parametrize("settings", [{}, {"parallel": True}, {"parallel": True, "error_handling": "continue"}])
def test_items_that_cannot_be_had_fail_the_step(settings: dict[str, Any]) -> None:
    """8.3: what runs is cancelled, or with `continue` awaited; the slots so far are kept."""

    def broken():
        yield 1
        yield 2
        raise LookupError("no more")

    async def broken_later():
        for n in broken():
            yield n

    async def work():
        await asyncio.sleep(1)
        return {}

    async def main() -> None:
        for items in (broken, broken_later):
            error, batch = await failing(graph_of(work, items=items, **settings), {})
            assert isinstance(error, LookupError)
            is_cancelled = settings == {"parallel": True}
            assert [slot.status for slot in batch.slots] == ["cancelled" if is_cancelled else "ok"] * 2

    run_virtual(main())


async def test_the_list_may_change_while_its_items_are_done() -> None:
    """4.8: what an item does to the list it came from is not seen by the batch."""
    files = [1, 2, 3]

    async def work(ctx):
        files.append(4)
        return {"n": ctx.item}

    assert (await graph_of(work, items=lambda: files).run()).output["count"] == 3


# --- policies, memory, hooks


def test_policies_stand_around_each_item() -> None:
    """8.1: retries and attempts are an item's."""
    tries: list[int] = []

    async def work(ctx):
        tries.append(ctx.item)
        if ctx.item == 1 and ctx.attempt < 3:
            raise ValueError
        return {"attempt": ctx.attempt}

    async def main() -> None:
        for settings in ({"max_retries": 3, "retry_wait": 1.0}, {"policies": [Retry(3, wait=1.0)]}):
            tries.clear()
            output = (await graph_of(work, parallel=True, **settings).run({"items": [0, 1, 2]})).output
            assert [slot["attempts"] for slot in output["slots"]] == [1, 3, 1]
            assert output["results"][1] == {"attempt": 3}
            assert sorted(tries) == [0, 1, 1, 1, 2]

    run_virtual(main())


def test_the_attempts_of_a_failed_item_are_told() -> None:
    """8.2."""

    async def work(ctx):
        raise ValueError

    async def main() -> None:
        _, batch = await failing(graph_of(work, max_retries=4), {"items": [0]})
        assert (batch.errors[0].attempts, batch.slots[0].attempts) == (4, 4)

    run_virtual(main())


def test_attempts_that_another_step_s_flight_made_are_told_too() -> None:
    """5.7, 8.2: equal items wait for the first, and fail with its error."""

    async def work():
        raise ValueError

    async def main() -> None:
        policies = [Idempotency(key="same"), Retry(3)]
        _, batch = await failing(graph_of(work, error_handling="continue", policies=policies), {"items": [0]})
        assert batch.errors[0].attempts == 3

    run_virtual(main())


def test_a_failure_does_not_break_into_what_a_timeout_cancels() -> None:
    """8.3: an item that is being cancelled already is not cancelled a second time meanwhile."""
    ended: list[int] = []

    async def work(ctx):
        if ctx.item == 0:
            await asyncio.sleep(1.5)
            raise ValueError
        async with asyncio.timeout(1):
            try:
                await asyncio.sleep(10)
            finally:
                await asyncio.sleep(2)
                ended.append(ctx.item)

    async def main() -> None:
        _, batch = await failing(graph_of(work, parallel=True), {"items": [0, 1]})
        assert [slot.error and slot.error.type for slot in batch.slots] == ["ValueError", "TimeoutError"]
        assert ended == [1]

    run_virtual(main())


def test_item_timeout_is_for_one_attempt_at_an_item() -> None:
    """8.1."""

    async def work(ctx):
        await asyncio.sleep(ctx.item)
        return {}

    async def main() -> None:
        for settings in ({"item_timeout": 2.0}, {"policies": [Timeout(2.0)]}):
            graph = graph_of(work, parallel=True, error_handling="continue", **settings)
            output = (await graph.run({"items": [1, 3, 1.5]})).output
            assert [slot["status"] for slot in output["slots"]] == ["ok", "failed", "ok"]
            assert output["errors"][0]["type"] == "StepTimeout"

    run_virtual(main())


def test_a_deadline_bounds_the_whole_step() -> None:
    """8.1: all items together; what was done is kept on its cause."""

    async def work(ctx):
        await asyncio.sleep(1)
        return {"n": ctx.item}

    async def main() -> None:
        graph = graph_of(work, max_concurrent=2, policies=[Deadline(2.5)], error_handling="continue")
        error, _ = await failing_plainly(graph, {"items": list(range(10))})
        assert type(error).__name__ == "DeadlineExceeded"
        assert asyncio.get_running_loop().time() == 2.5
        batch: Any = error.__cause__.batch  # type: ignore[union-attr]
        assert [slot.status for slot in batch.slots] == ["ok"] * 4 + ["cancelled"] * 2 + ["skipped"] * 4

    run_virtual(main())


def test_a_fallback_is_an_item_s() -> None:
    """8.1, 5.9."""

    async def work(ctx):
        return {"n": 1 / ctx.item}

    async def main() -> None:
        output = (await graph_of(work, policies=[Fallback(value={"n": 0})]).run({"items": [1, 0]})).output
        assert output["results"] == [{"n": 1.0}, {"n": 0}]

    run_virtual(main())


def test_the_keys_of_policies_may_use_the_item() -> None:
    """12.1: `item` (or its alias) and `index` in a batch."""
    running: dict[str, int] = {"a": 0, "b": 0}
    most = 0

    async def work(ctx):
        nonlocal most
        running[ctx.item] += 1
        most = max(most, *running.values())
        await asyncio.sleep(1)
        running[ctx.item] -= 1

    async def main() -> None:
        policies = [Concurrency(1, key="{{ host }}"), RateLimit(100, key="{{ host }}", burst=10)]
        await graph_of(work, as_="host", parallel=True, policies=policies).run({"items": ["a", "b", "a", "b"]})
        assert asyncio.get_running_loop().time() == 2

    run_virtual(main())
    assert most == 1


def test_a_node_with_memory_does_its_items_one_at_a_time() -> None:
    """4.1: as it does its steps; the memory goes from item to item."""
    running = 0

    async def work(ctx):
        nonlocal running
        running += 1
        assert running == 1
        ctx.memory["n"] = ctx.memory.get("n", 0) + ctx.item
        await asyncio.sleep(1)
        running -= 1
        if ctx.item == 2:
            raise ValueError
        return {"n": ctx.memory["n"]}

    async def main() -> None:
        each = node(id="each", memory=True, batch=Batch(items=[1, 2, 4], parallel=True, error_handling="continue"))
        output = (await Graph(each(work)).run()).output
        assert output["results"] == [{"n": 1}, None, {"n": 5}]  # 4.7: a failed attempt leaves no trace

    run_virtual(main())


async def test_hooks_and_figures_are_the_step_s() -> None:
    """6.1, 13.2: not of each item."""
    told: list[Any] = []

    class Each(Node):
        async def on_start(self, ctx):
            told.append("start")

        async def on_finish(self, result):
            told.append(result["count"])

        async def on_error(self, error):
            told.append(str(error))

        async def work(self, ctx):
            if ctx.item == "bad":
                raise ValueError("bad")
            return {}

    graph = Graph(Each(batch=Batch(items="{{ inputs.items }}")))
    await graph.run({"items": [1, 2]})
    await failing(graph, {"items": ["bad"]})
    assert told == ["start", 2, "bad"]


# --- cancelling, fairness


@pytest.mark.parametrize("settings", [{}, {"parallel": True}, {"parallel": True, "error_handling": "continue"}])
def test_cancelling_the_step_cancels_and_awaits_every_item(settings: dict[str, Any]) -> None:
    """6.2: nothing is left running."""
    running = 0

    async def work():
        nonlocal running
        running += 1
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(1)
            running -= 1

    async def main() -> None:
        run = asyncio.create_task(graph_of(work, **settings).run({"items": list(range(20))}))
        await asyncio.sleep(5)
        assert running == (10 if settings else 1)
        run.cancel()
        await asyncio.sleep(0.5)
        if settings:
            run.cancel()  # a second one does not break into what the items do to end
        with pytest.raises(asyncio.CancelledError):
            await run
        assert (running, asyncio.get_running_loop().time()) == (0, 6)
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


@pytest.mark.parametrize("settings", [{}, {"max_concurrent": 2}])
def test_an_item_that_swallows_its_cancellation_is_the_last(settings: dict[str, Any]) -> None:
    """2.6: cancelling begins no further item."""
    seen: list[int] = []

    async def work(ctx):
        seen.append(ctx.item)
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return {"swallowed": True}

    async def main() -> None:
        run = asyncio.create_task(graph_of(work, **settings).run({"items": list(range(20))}))
        await asyncio.sleep(1)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert len(seen) == (2 if settings else 1)

    run_virtual(main())


@pytest.mark.parametrize("settings", [{}, {"max_concurrent": 100}])
async def test_items_that_never_wait_let_others_have_a_turn(settings: dict[str, Any]) -> None:
    """3.6: and they all together, not each of them."""
    done = 0

    async def work():
        nonlocal done
        done += 1

    async def main() -> int:
        run = asyncio.create_task(graph_of(work, **settings).run({"items": range(1_000_000)}))
        for _ in range(10):
            await asyncio.sleep(0)
        turns = done
        run.cancel()
        await asyncio.wait({run})
        return turns

    assert 0 < await main() < 1_000_000


async def test_a_batch_of_many_leaves_nothing_behind() -> None:
    """8.3: no frames, no tasks, no references to errors that were handled."""

    class Big:
        alive = 0

        def __init__(self) -> None:
            Big.alive += 1

        def __del__(self) -> None:
            Big.alive -= 1

    async def work():
        held = Big()
        if held:
            raise ValueError(held)

    graph = graph_of(work, parallel=True, error_handling="continue")
    for _ in range(3):
        with pytest.raises(RunFailed):
            await graph.run({"items": list(range(50))})
    gc.collect()
    assert Big.alive == 0
