"""Items whose work is a plain function: on threads, on the loop, in a worker process (7, 8.3)."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from nodeloom import Deadline, Engine, Graph, Node, node
from nodeloom.errors import StillRunning


class Gate:
    """What functions on threads wait for."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.inside = 0
        self._changed = threading.Condition()

    def enter(self) -> None:
        with self._changed:
            self.inside += 1
            self._changed.notify_all()

    def pass_through(self) -> None:
        self.enter()
        assert self.open.wait(10)

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.inside >= count, 10)

    async def full(self, count: int) -> None:
        await asyncio.to_thread(self.wait_for, count)


async def failed(engine: Engine, work: Node, items: list[Any], **settings: Any) -> Any:
    """The slots of a batch that failed."""
    with pytest.raises(ValueError, match="no") as caught:
        await engine.map(work, items, **settings)
    return caught.value.batch  # type: ignore[attr-defined]


async def test_items_run_on_as_many_threads_as_may_run_at_once() -> None:
    """1.6, 8.1."""
    gate = Gate()

    @node
    def work(inputs):
        gate.pass_through()
        return {"n": inputs["item"]}

    run = asyncio.create_task(work.map(list(range(6)), max_concurrent=3))
    await gate.full(3)
    await asyncio.sleep(0.01)
    assert gate.inside == 3
    gate.open.set()
    assert (await run).results == [{"n": n} for n in range(6)]


async def test_running_sync_items_are_awaited_when_another_one_fails() -> None:
    """8.3: up to the grace; what they gave is theirs, and what failed in them too."""
    gate = Gate()

    @node
    def work(inputs):
        if inputs["item"] == "first":
            gate.pass_through()
            return {"n": 1}
        if inputs["item"] == "late":
            gate.pass_through()
            raise LookupError("no, late")
        gate.wait_for(2)
        threading.Timer(0.02, gate.open.set).start()
        raise ValueError("no")

    async with Engine(grace=5) as engine:
        with pytest.raises(LookupError, match="no, late") as caught:
            await engine.map(work, ["first", "late", "fails", "never"], max_concurrent=3)
        batch = caught.value.batch  # type: ignore[attr-defined]
        assert [slot.status for slot in batch.slots] == ["ok", "failed", "failed", "skipped"]
        assert batch.results[0] == {"n": 1}
        assert engine.pool("default").stats().abandoned == {}


async def test_a_sync_item_that_ends_because_it_was_told_is_cancelled() -> None:
    """5.4, 8.3: `ctx.cancelled` tells it; what it then returns, or yields, is no output."""
    gate = Gate()

    @node
    def asks(ctx, inputs):
        if inputs["item"] == "fails":
            gate.wait_for(1)
            raise ValueError("no")
        gate.enter()
        while not ctx.cancelled:
            gate.open.wait(0.001)
        return {"n": "half of it"}

    @node
    def yields(ctx, inputs):
        if inputs["item"] == "fails":
            gate.wait_for(1)
            raise ValueError("no")
        while True:
            gate.enter()
            gate.open.wait(0.001)
            yield {"n": gate.inside}

    async with Engine(grace=5) as engine:
        for work in (asks, yields):
            gate.inside = 0
            batch = await failed(engine, work, ["asks", "fails"], parallel=True)
            assert [slot.status for slot in batch.slots] == ["cancelled", "failed"]


async def test_a_sync_item_that_does_not_end_within_the_grace_is_cancelled_and_abandoned() -> None:
    """5.4, 8.3."""
    gate = Gate()

    @node
    def work(inputs):
        if inputs["item"] == "stuck":
            gate.pass_through()
            return {}
        gate.wait_for(1)
        raise ValueError("no")

    async with Engine(grace=0.05) as engine:
        batch = await failed(engine, work, ["stuck", "fails"], parallel=True)
        assert [slot.status for slot in batch.slots] == ["cancelled", "failed"]
        assert engine.pool("default").stats().abandoned == {"work": 1}
        gate.open.set()


async def test_a_deadline_waits_for_no_thread() -> None:
    """5.4: the step has ended, whatever its items' code still does."""
    gate = Gate()

    @node(policies=[Deadline(0.05)])
    def work():
        gate.pass_through()

    async with Engine(grace=60) as engine:
        with pytest.raises(TimeoutError):
            await engine.map(work, [1, 2], parallel=True)
        assert engine.pool("default").stats().abandoned == {"work": 2}
        gate.open.set()


async def test_sync_items_that_have_no_thread_yet_are_cancelled_at_once() -> None:
    """8.3: no item's code starts after a failure was seen."""
    gate = Gate()
    begun: list[Any] = []

    @node
    def work(inputs):
        begun.append(inputs["item"])
        if inputs["item"] == 0:
            raise ValueError("no")
        return {}

    async with Engine(pools={"default": 1}) as engine:
        batch = await failed(engine, work, [0, 1, 2], parallel=True)
        statuses = [slot.status for slot in batch.slots]
        assert statuses[0] == "failed"
        assert len(begun) == 1 + statuses.count("ok")
        assert gate.inside == 0


async def test_what_is_told_to_an_item_is_not_told_to_the_steps_after_it() -> None:
    """2.5, 8.3: an error edge catches the failure, and the run goes on as if nobody had been told."""
    gate = Gate()

    @node(batch={"items": ["asks", "fails"], "parallel": True})
    def each(ctx):
        if ctx.item == "fails":
            gate.wait_for(1)
            raise ValueError("no")
        gate.enter()
        while not ctx.cancelled:
            gate.open.wait(0.001)

    @node
    def after(ctx):
        return {"cancelled": ctx.cancelled}

    each.on_error(ValueError) >> after
    assert (await Graph(each).run()).output == {"cancelled": False}


async def test_cancelling_the_step_tells_sync_items_and_awaits_them() -> None:
    """6.2."""
    gate = Gate()
    ended: list[bool] = []

    @node
    def work(ctx):
        gate.enter()
        while not ctx.cancelled:
            gate.open.wait(0.001)
        ended.append(True)

    run = asyncio.create_task(work.map([1, 2, 3], parallel=True))
    await gate.full(3)
    run.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await run
    assert ended == [True] * 3
    assert not isinstance(caught.value, StillRunning)


async def test_an_inline_item_runs_on_the_loop() -> None:
    """1.6."""

    @node(isolation="inline")
    def work(inputs):
        return {"thread": threading.get_ident()}

    batch = await work.map([1, 2], parallel=True)
    assert {result and result.thread for result in batch.results} == {threading.get_ident()}


async def test_chunks_and_logs_of_an_item_carry_its_step_id(caplog: pytest.LogCaptureFixture) -> None:
    """1.3, 1.7, 13.2: from a thread too."""

    @node(batch={"items": [5, 6], "parallel": True})
    def each(ctx):
        with caplog.at_level("INFO"):
            ctx.log.info("at it")
        yield {"half": ctx.item / 2}
        yield {"n": ctx.item}

    events = [event async for event in Graph(each).stream()]
    chunks = [event for event in events if event.type == "chunk"]
    of_items = [[event.data["chunk"] for event in chunks if str(event.step_id).endswith(f"[{n}]")] for n in (0, 1)]
    assert of_items == [[{"half": 2.5}, {"n": 5}], [{"half": 3.0}, {"n": 6}]]
    steps = {getattr(record, "step", "") for record in caplog.records if record.message == "at it"}
    assert sorted(step[-3:] for step in steps) == ["[0]", "[1]"]
