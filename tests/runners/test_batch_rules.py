"""Batches: one node, many items, order kept (semantics 8)."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeloom import (
    Batch,
    Context,
    Deadline,
    DefinitionError,
    Engine,
    Graph,
    GraphError,
    Node,
    Params,
    Retry,
    RunFailed,
    Timeout,
    node,
)
from nodeloom.testing import run_virtual


class Boom(Exception):
    """What an item fails with."""


@node
async def act(inputs: dict[str, Any]) -> dict[str, Any]:
    """Take some time, and then do as the item says."""
    await asyncio.sleep(inputs.get("seconds", 0.0))
    if inputs.get("fails"):
        raise Boom(str(inputs["n"]))
    return {"n": inputs["n"]}


def items(*seconds: float, fails: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    return [{"n": n, "seconds": each, "fails": n in fails} for n, each in enumerate(seconds)]


# --- slots


async def test_there_is_a_slot_for_each_item_in_the_order_of_the_items() -> None:
    """8.2: whichever ends first."""
    batch = await act.map(items(0.03, 0.02, 0.01), parallel=True)
    assert [slot.index for slot in batch.slots] == [0, 1, 2]
    assert [slot.output for slot in batch.slots] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert batch.results == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert (batch.count, batch.success_count, batch.error_count, batch.errors) == (3, 3, 0, [])


async def test_no_items_are_a_batch_too() -> None:
    batch = await act.map([])
    assert (batch.count, batch.results, batch.errors) == (0, [], [])


Plan = st.lists(st.tuples(st.sampled_from(["ok", "fail"]), st.integers(0, 5)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(plan=Plan, at_once=st.integers(1, 6), mode=st.sampled_from(["fail_fast", "continue"]))
def test_slots_are_always_aligned_and_say_what_happened(plan: Any, at_once: int, mode: Any) -> None:  # noqa: PLR0915
    """8.2, 8.3: never more than so many at once; nothing begins after a failure is seen; cancelled is not failed."""
    running = most = 0
    begun: dict[int, float] = {}
    failed_at: list[float] = []

    @node
    async def one(inputs: dict[str, Any]) -> dict[str, Any]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        now = asyncio.get_running_loop().time
        begun[inputs["n"]] = now()
        try:
            await asyncio.sleep(inputs["seconds"])
            if inputs["what"] == "fail":
                failed_at.append(now())
                raise Boom(str(inputs["n"]))
            return {"n": inputs["n"]}
        finally:
            running -= 1

    given = [{"n": n, "what": what, "seconds": float(seconds)} for n, (what, seconds) in enumerate(plan)]

    async def main() -> tuple[Any, BaseException | None]:
        try:
            return await one.map(given, max_concurrent=at_once, error_handling=mode), None
        except Boom as error:
            return error.batch, error  # type: ignore[attr-defined]

    batch, error = run_virtual(main())
    statuses = [slot.status for slot in batch.slots]
    failing = [n for n, (what, _) in enumerate(plan) if what == "fail"]
    assert len(statuses) == len(plan)
    assert most <= at_once
    assert running == 0
    for n, slot in enumerate(batch.slots):
        assert slot.index == n
        assert (slot.output == {"n": n}) == (slot.status == "ok")
        assert (slot.error is not None) == (slot.status == "failed")
        assert (slot.status == "skipped") == (n not in begun)
    if mode == "continue":
        assert [n for n, status in enumerate(statuses) if status == "failed"] == failing
        assert set(statuses) <= {"ok", "failed"}
        assert (error is not None) == (bool(plan) and len(failing) == len(plan))
    elif failing:
        assert error is not None
        assert str(error) == str(statuses.index("failed"))
        assert all(moment <= min(failed_at) for moment in begun.values())
    else:
        assert error is None


# --- errors


async def test_fail_fast_raises_the_error_of_the_lowest_index_with_the_finished_slots_on_it() -> None:
    """8.3: running items are cancelled, those that never began are skipped."""
    with pytest.raises(Boom, match="1") as failure:
        await act.map(items(0.0, 0.05, 5.0, 5.0, 0.0, fails=(1,)), max_concurrent=3)
    statuses = [slot.status for slot in failure.value.batch.slots]  # type: ignore[attr-defined]
    assert statuses == ["ok", "failed", "cancelled", "cancelled", "skipped"]


async def test_with_continue_all_items_run_and_the_step_is_degraded() -> None:
    """8.3"""
    batch = await act.map(items(0.0, 0.0, 0.0, fails=(0, 2)), error_handling="continue")
    assert [slot.status for slot in batch.slots] == ["failed", "ok", "failed"]
    assert [(error.index, error.type, error.message, error.attempts) for error in batch.errors] == [
        (0, "Boom", "0", 1),
        (2, "Boom", "2", 1),
    ]
    assert batch.degraded


async def test_with_continue_a_batch_of_failures_has_failed() -> None:
    """8.3"""
    with pytest.raises(Boom, match="0"):
        await act.map(items(0.0, 0.0, fails=(0, 1)), error_handling="continue")


async def test_an_error_edge_catches_what_failed_an_item() -> None:
    """2.5, 8.3"""

    @node
    async def sorry(ctx: Context) -> dict[str, Any]:
        return {"caught": ctx.error["type"] if ctx.error else None}

    batched = act.copy(id="act_all", batch=Batch(items=[1], max_concurrent=2))

    @node
    async def fail(inputs: dict[str, Any]) -> dict[str, Any]:
        raise Boom("no")

    batched = fail.copy(id="fail_all", batch=Batch(items=[1, 2, 3], parallel=True))
    batched.on_error(Boom) >> sorry
    assert (await Graph(batched, name="caught").run()).output == {"caught": "Boom"}


async def test_code_on_a_thread_is_told_and_awaited_when_another_item_fails() -> None:
    """8.3: running sync items are awaited up to the grace."""
    began, ended = threading.Event(), threading.Event()

    @node
    def work(ctx: Context, inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["n"] == 0:
            assert began.wait(10)
            raise Boom("0")
        began.set()
        while not ctx.cancelled:
            threading.Event().wait(0.001)
        ended.set()
        return {}

    with pytest.raises(Boom):
        await work.map([{"n": 0}, {"n": 1}], parallel=True)
    assert ended.is_set()


async def test_cancelling_a_batch_cancels_and_awaits_its_items() -> None:
    """6.2"""
    ended: list[int] = []
    begun = asyncio.Event()

    @node
    async def wait(inputs: dict[str, Any]) -> dict[str, Any]:
        try:
            begun.set()
            await asyncio.sleep(3600)
        finally:
            ended.append(inputs["n"])
        return {}

    running = asyncio.create_task(wait.map([{"n": n} for n in range(20)], max_concurrent=5))
    await begun.wait()
    await asyncio.sleep(0)
    before = len(asyncio.all_tasks())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(ended) == [0, 1, 2, 3, 4]
    assert len(asyncio.all_tasks()) < before


# --- policies


async def test_policies_stand_around_each_item_and_a_deadline_around_the_step() -> None:
    """8.1"""
    tries: list[int] = []

    @node(policies=[Retry(3, wait=0.0)])
    async def twice(inputs: dict[str, Any], ctx: Context) -> dict[str, Any]:
        tries.append(inputs["n"])
        if ctx.attempt < 2:
            raise Boom("again")
        return {"n": inputs["n"]}

    batch = await twice.map([{"n": n} for n in range(3)])
    assert tries == [0, 0, 1, 1, 2, 2]
    assert [slot.attempts for slot in batch.slots] == [2, 2, 2]
    late = act.copy(id="late", policies=[Deadline(0.1)])
    with pytest.raises(TimeoutError, match=r"within its 0\.1 s \(Deadline\)"):
        await late.map(items(0.07, 0.07))


def test_the_short_spellings_are_a_retry_and_a_timeout() -> None:
    """8.1: giving both is refused."""

    async def main() -> None:
        batch = await act.map(items(9.0, 0.0), item_timeout=1.0, max_retries=2, error_handling="continue")
        assert [(slot.status, slot.attempts) for slot in batch.slots] == [("failed", 2), ("ok", 1)]
        assert batch.errors[0].type == "StepTimeout"

    run_virtual(main())
    with pytest.raises(DefinitionError, match="keep one"):
        act.copy(id="both", policies=[Retry(2)], batch=Batch(items=[1], max_retries=2))
    with pytest.raises(DefinitionError, match="keep one"):
        act.copy(id="both", policies=[Timeout(2)], batch=Batch(items=[1], item_timeout=2))


@pytest.mark.parametrize(
    ("given", "about"),
    [
        ({"max_concurrent": 0}, "max_concurrent"),
        ({"max_concurrent": 10_001}, "max_concurrent"),
        ({"max_retries": 11}, "max_retries"),
        ({"retry_wait": -1}, "retry_wait"),
        ({"item_timeout": 0}, "item_timeout"),
        ({"error_handling": "ignore"}, "error_handling"),
        ({"as_": "inputs"}, "as"),
        ({"as_": "index"}, "as"),
        ({"parallel": False, "max_concurrent": 5}, "parallel"),
        ({"colour": "red"}, "colour"),
    ],
    ids=str,
)
async def test_settings_that_cannot_work_are_refused(given: dict[str, Any], about: str) -> None:
    """8.1: unknown keys too."""
    with pytest.raises(DefinitionError, match=about):
        await act.map([{"n": 1}], **given)


# --- in graphs


class SizeParams(Params):
    size: int = 0


class AddParams(Params):
    n: int = 0


@node
async def resize(params: SizeParams, inputs: dict[str, Any], ctx: Context) -> dict[str, Any]:
    return {"half": params.size // 2, "base": inputs["base"], "step": ctx.step_id}


@node
async def scan() -> dict[str, Any]:
    return {"files": [{"size": 10}, {"size": 20}], "base": "b"}


async def test_an_item_sees_the_steps_inputs_its_item_and_its_index() -> None:
    """8.4, 1.3: and has a step id of its own."""
    small = resize.copy(
        id="small", size="{{ file.size + index }}", batch=Batch(items="{{ outputs.scan.files }}", as_="file")
    )
    start = scan.copy(id="scan")
    start >> small
    output = (await Graph(start, name="sizes").run()).output
    assert [(each["half"], each["base"]) for each in output["results"]] == [(5, "b"), (10, "b")]
    ids = [each["step"] for each in output["results"]]
    assert [each.rpartition("[")[2] for each in ids] == ["0]", "1]"]
    assert len({each.rpartition("[")[0] for each in ids}) == 1
    assert (output["count"], output["success_count"], output["error_count"]) == (2, 2, 0)
    assert set(output) >= {"results", "errors", "timing", "slots"}


async def test_an_item_changes_nothing_that_another_one_sees() -> None:
    """8.4, 4.8: each has its own fork of the state, and of what it received."""

    @node
    async def spoil(state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        seen = (list(state["list"]), list(inputs["list"]))
        state["list"].append(1)
        inputs["list"].append(2)
        return {"seen": seen}

    @node
    async def first() -> dict[str, Any]:
        return {"list": [0]}

    @node
    async def after(state: dict[str, Any]) -> dict[str, Any]:
        return {"list_then": state["list"]}

    many = spoil.copy(id="many", batch=Batch(items=[1, 2, 3]))
    first >> many >> after
    result = await Graph(first, name="apart").run()
    assert [each["seen"] for each in result.outputs["many"]["results"]] == [([0], [0])] * 3
    assert result.output["list_then"] == [0]


async def test_reduce_makes_the_steps_outputs_of_the_slots() -> None:
    """8.4"""
    batch = Batch(items=[1, 2, 3], as_="n", reduce=lambda slots: {"ok": [slot.index for slot in slots]})

    @node
    async def nothing() -> dict[str, Any]:
        return {}

    assert (await Graph(nothing.copy(id="all", batch=batch), name="reduced").run()).output == {"ok": [0, 1, 2]}


async def test_a_subgraph_runs_for_each_item_and_batches_nest() -> None:
    """8.4: nested batches."""

    @node
    async def plus(params: AddParams) -> dict[str, Any]:
        return {"n": params.n + 1}

    inner = Graph(
        plus.copy(id="plus", n="{{ item }}", batch=Batch(items="{{ inputs.row }}", parallel=True)),
        name="inner",
        outputs={"sums": "{{ outputs.plus.results }}"},
    )

    @node
    async def rows() -> dict[str, Any]:
        return {"rows": [[1, 2], [3]]}

    many = inner.as_node(id="many", batch=Batch(items="{{ outputs.rows.rows }}", as_="row", parallel=True))
    rows >> many
    results = (await Graph(rows, name="outer").run()).outputs["many"]["results"]
    assert [[each["n"] for each in row["sums"]] for row in results] == [[2, 3], [4]]


async def test_the_names_of_an_item_are_known_when_the_graph_is_built() -> None:
    """12.2"""
    with pytest.raises(GraphError, match="there is no name `itm`"):
        Graph(resize.copy(id="r", size="{{ itm.size }}", batch=Batch(items=[1])), name="misspelt")
    with pytest.raises(GraphError, match="no node has the id 'scann'"):
        Graph(resize.copy(id="r", size=1, batch=Batch(items="{{ outputs.scann.files }}")), name="misspelt")


async def test_a_failing_batch_fails_the_run_with_the_items_error() -> None:
    """2.6"""

    @node
    async def fail() -> dict[str, Any]:
        raise Boom("no")

    with pytest.raises(RunFailed, match=r"Boom: item 1 of 2 \(index 0\): no"):
        await Graph(fail.copy(id="all", batch=Batch(items=[1, 2])), name="failing").run()


async def test_progress_and_finished_items_are_told() -> None:
    """8.5"""

    @node
    async def ok() -> dict[str, Any]:
        return {}

    graph = Graph(ok.copy(id="all", batch=Batch(items=[1, 2, 3], parallel=True)), name="told")
    events = [event async for event in graph.stream()]
    assert [event.type for event in events].count("item_completed") == 3
    last = [event for event in events if event.type == "progress"][-1]
    assert (last["done"], last["total"]) == (3, 3)


async def test_an_item_that_fails_is_told_with_its_error() -> None:
    """8.2, 8.5"""

    @node
    async def odd(inputs: dict[str, Any], params: AddParams) -> dict[str, Any]:
        if params.n == 2:
            raise Boom("two")
        return {}

    batch = Batch(items=[1, 2, 3], error_handling="continue")
    graph = Graph(odd.copy(id="odd", n="{{ item }}", batch=batch), name="told")
    events = [event async for event in graph.stream()]
    (failed,) = [event for event in events if event.type == "item_failed"]
    assert (failed["index"], failed["error"]["type"], failed["error"]["message"]) == (1, "Boom", "two")
    (completed,) = [event for event in events if event.type == "step_completed"]
    assert completed["degraded"]


# --- windows


async def test_an_async_iterator_is_taken_from_as_items_begin_and_is_closed() -> None:
    """8.1: a bounded window; never more items taken than are running or done."""
    taken = done = most = 0
    closed = False

    async def source() -> AsyncIterator[dict[str, Any]]:
        nonlocal taken, most, closed
        try:
            for n in range(500):
                taken += 1
                most = max(most, taken - done)
                yield {"n": n}
        finally:
            closed = True

    @node
    async def slow(inputs: dict[str, Any]) -> dict[str, Any]:
        nonlocal done
        await asyncio.sleep(0)
        done += 1
        return {"n": inputs["n"]}

    batch = await slow.map(source(), max_concurrent=8)
    assert batch.results == [{"n": n} for n in range(500)]
    assert most <= 8 + 1
    assert closed


async def test_fault_8_a_fast_source_does_not_fill_the_memory() -> None:
    """7, docs/io.md: an endless source is stopped by the failure of an item, and closed."""
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[dict[str, Any]]:
        n = 0
        try:
            while True:
                yield {"n": n, "fails": n == 1000}
                n += 1
        finally:
            closed.set()

    with pytest.raises(Boom, match="1000"):
        await act.map(endless(), max_concurrent=4)
    assert closed.is_set()


async def test_slots_can_be_taken_as_they_end() -> None:
    found = [slot.output["n"] async for slot in act.map_stream(items(0.05, 0.0, 0.0), parallel=True) if slot.output]
    assert sorted(found) == [0, 1, 2]
    assert found[-1] == 0


async def test_items_of_a_node_with_memory_go_one_at_a_time() -> None:
    """4.1, 8.1"""

    class Counting(Node):
        memory = True

        async def work(self, ctx: Context) -> dict[str, Any]:
            before = ctx.memory.get("n", 0)
            await asyncio.sleep(0)
            ctx.memory["n"] = before + 1
            return {"n": before + 1}

    async with Engine() as engine:
        counting = Counting(id="counting", batch=Batch(items=range(5), parallel=True))
        output = (await engine.run(Graph(counting, name="counted"))).output
    assert sorted(each["n"] for each in output["results"]) == [1, 2, 3, 4, 5]


# --- which item it was


@node(batch=Batch(items="{{ inputs.values }}"))
async def picky(ctx: Context) -> dict[str, Any]:
    if ctx.item < 0:
        raise ValueError("below zero")
    return {"item": ctx.item}


async def numbers_without_a_count() -> Any:
    for value in (1, -1):
        yield value


@pytest.mark.parametrize(
    ("batch", "which"),
    [
        (Batch(items=[1, -1, 2]), "item 2 of 3 (index 1): "),
        (Batch(items=[-1, -1], error_handling="continue"), "item 1 of 2 (index 0): "),
        (Batch(items=numbers_without_a_count), "item 2 (index 1): "),
    ],
)
def test_a_failed_batch_says_which_item_it_was(batch: Batch, which: str) -> None:
    """8.3: in what is told, and with the slots at hand."""
    graph = Graph(picky.copy(batch=batch), name="g")
    with pytest.raises(RunFailed, match=re.escape(f"picky: ValueError: {which}below zero")):
        run_virtual(graph.run())
    result = run_virtual(graph.run(check=False))
    assert result.error is not None
    assert result.error.message == f"{which}below zero"
    failed = [slot for slot in result.batch.slots if slot.status == "failed"]
    assert failed[0].index == result.error.index
    assert failed[0].error.message == "below zero"


def test_an_error_route_is_told_the_index_of_the_item() -> None:
    """2.5, 8.3"""

    @node
    async def told(ctx: Context) -> dict[str, Any]:
        assert ctx.error is not None
        return {"index": ctx.error["index"]}

    a, b = picky.copy(), told.copy()
    a.on_error() >> b
    assert run_virtual(Graph(a, name="g").run({"values": [1, -1]})).output == {"index": 1}


def test_the_same_exception_raised_elsewhere_names_no_item() -> None:
    error = OSError("down")

    @node
    async def fails() -> None:
        raise error

    of_items, alone = fails.copy(batch=Batch(items=[1])), fails.copy(id="alone")
    messages = [run_virtual(Graph(each, name="g").run(check=False)).error for each in (of_items, alone)]
    assert [each.message for each in messages if each is not None] == ["item 1 of 1 (index 0): down", "down"]


def test_of_a_graph_in_a_graph_the_slots_are_at_hand_too() -> None:
    outer = Graph(Graph(picky.copy(), name="inner").as_node(), name="outer")
    result = run_virtual(outer.run({"values": [-1]}, check=False))
    assert [slot.status for slot in result.batch.slots] == ["failed"]


def test_of_a_graph_as_a_node_the_message_says_the_item_too() -> None:
    inner = Graph(picky.copy(batch=Batch(items="{{ inputs.item }}")), name="inner")
    result = run_virtual(Graph(inner.as_node(batch=Batch(items=[[1], [2, -1]])), name="outer").run(check=False))
    assert result.error is not None
    assert result.error.message == "item 2 of 2 (index 1): item 2 of 2 (index 1): below zero"
    assert result.error.index == 1


@pytest.mark.parametrize(
    ("values", "how", "note"),
    [
        ([1, -1, 2], {}, "item 2 of 3 (index 1) of node picky"),
        ([-1, -1], {"error_handling": "continue"}, "item 1 of 2 (index 0) of node picky"),
        (numbers_without_a_count, {}, "item 2 (index 1) of node picky"),
    ],
)
def test_what_map_raises_says_in_a_note_which_item_it_was(values: Any, how: Any, note: str) -> None:
    """8.3"""
    items = values() if callable(values) else values
    with pytest.raises(ValueError, match=r"^below zero\n") as caught:  # pytest adds the notes
        run_virtual(picky.copy(batch=None).map(items, **how))
    assert caught.value.__notes__ == [note]
    assert vars(caught.value)["batch"].error_count


def test_an_exception_that_is_raised_again_has_the_note_of_the_last_call_alone() -> None:
    error = OSError("down")

    @node
    async def fails(ctx: Context) -> dict[str, Any]:
        if ctx.item < 0:
            raise error
        return {}

    for values in ([-1], [1, -1]):
        with pytest.raises(OSError, match="down"):
            run_virtual(fails.map(values))
    assert error.__notes__ == ["item 2 of 2 (index 1) of node fails"]
