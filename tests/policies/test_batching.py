"""Batching: the calls of concurrent steps, gathered and made as one."""

from __future__ import annotations

import asyncio
import copy
import itertools
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.policies.steps import OneRun, a_step, guarded

from nodeloom import Batch, Context, Field, Graph, Node, Params, Route
from nodeloom.errors import CircuitOpen, DefinitionError, OutputError, SignatureError, StepError
from nodeloom.nodes.context import current_context
from nodeloom.nodes.own import Own
from nodeloom.policies.batching import Batching
from nodeloom.policies.circuit_breaker import CircuitBreaker
from nodeloom.policies.concurrency import Concurrency
from nodeloom.policies.idempotency import Idempotency
from nodeloom.policies.limits import MemoryLimits
from nodeloom.policies.policy import Policy
from nodeloom.policies.rate_limit import RateLimit
from nodeloom.policies.retry import Retry
from nodeloom.policies.timeout import Deadline, Timeout
from nodeloom.testing import run_virtual

made: list[list[Any]] = []
seen: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_made_yet():
    made.clear()
    seen.clear()


class Single(Node):
    """What each of these nodes has beside its work_batch."""

    class Params(Params):
        model: str = "small"
        options: dict[str, Any] = Field(default_factory=dict)

    async def work(self, inputs):
        raise AssertionError("a node with Batching is never called for one step alone")


class Embed(Single):
    """Doubles numbers, many at once."""

    async def work_batch(self, items, params, ctx):
        made.append([item["n"] for item in items])
        seen.append((params, ctx, current_context()))
        await asyncio.sleep(items[0].get("seconds", 0.0))
        return [item.get("gives", {"n": item["n"] * 2}) for item in items]


async def asked(handle: Any, embed: Node, *inputs: Any) -> list[Any]:
    """What each of several concurrent steps gets."""
    given = ({"n": each} if isinstance(each, int) else each for each in inputs)
    return await asyncio.gather(*(handle(a_step(embed, each)) for each in given), return_exceptions=True)


def test_concurrent_calls_are_made_as_one_in_the_order_they_came():
    """5.8"""

    async def main():
        embed = Embed()
        return await asked(guarded(embed, [Batching(size=100, wait=0.01)]), embed, *range(5))

    assert run_virtual(main()) == [{"n": 0}, {"n": 2}, {"n": 4}, {"n": 6}, {"n": 8}]
    assert made == [[0, 1, 2, 3, 4]]


def test_a_full_call_begins_at_once():
    """5.8 by size"""

    async def main():
        embed = Embed()
        handle = guarded(embed, [Batching(size=3, wait=None)])
        await asked(handle, embed, *range(6))
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 0.0
    assert made == [[0, 1, 2], [3, 4, 5]]


def test_time_begins_with_those_that_are_there():
    """5.8 by time"""
    ended: list[float] = []

    async def main():
        embed = Embed()
        handle = guarded(embed, [Batching(size=None, wait=1.0)])
        first = asyncio.ensure_future(asked(handle, embed, 1))
        await asyncio.sleep(0.9)
        second = asyncio.ensure_future(asked(handle, embed, 2))
        await asyncio.gather(first, second)
        ended.append(asyncio.get_running_loop().time())
        await asked(handle, embed, 3)
        ended.append(asyncio.get_running_loop().time())

    run_virtual(main())
    assert (made, ended) == ([[1, 2], [3]], [1.0, 2.0])


def test_whichever_is_first():
    """5.8"""

    async def main():
        embed = Embed()
        await asked(guarded(embed, [Batching(size=3, wait=1.0)]), embed, *range(5))
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 1.0
    assert made == [[0, 1, 2], [3, 4]]


def test_with_no_wait_those_of_one_turn_are_gathered():
    """5.8"""

    async def main():
        embed = Embed()
        return await asked(guarded(embed, [Batching(wait=0)]), embed, 1, 2)

    assert run_virtual(main()) == [{"n": 2}, {"n": 4}]
    assert made == [[1, 2]]


def test_one_items_failure_is_that_items_alone():
    """5.8"""

    async def main():
        embed, bad = Embed(), ValueError("bad")
        return await asked(guarded(embed, [Batching()]), embed, 1, {"n": 2, "gives": bad}, 3, {"n": 4, "gives": bad})

    first, second, third, fourth = run_virtual(main())
    assert (first, third) == ({"n": 2}, {"n": 6})
    assert (type(second), str(second)) == (ValueError, "bad")
    assert second is not fourth


@pytest.mark.parametrize("gives", [None, {}, Route({"n": 1}, to="x")])
def test_an_item_may_give_whatever_work_may(gives):
    """1.7, 1.8"""

    async def main():
        embed = Embed()
        return await asked(guarded(embed, [Batching()]), embed, {"n": 1, "gives": gives}, 2)

    assert run_virtual(main()) == [gives, {"n": 4}]


def test_a_failure_of_the_call_is_everybodys_each_with_its_own():
    """5.8"""

    class Down(Single):
        async def work_batch(self, items):
            raise ConnectionError("down")

    async def main():
        down = Down()
        return await asked(guarded(down, [Batching()]), down, 1, 2)

    first, second = run_virtual(main())
    assert [(type(each), str(each)) for each in (first, second)] == [(ConnectionError, "down")] * 2
    assert first is not second


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        ([{}], r"work_batch of node wrong returned 1 outputs; it returns a list of 2 outputs"),
        ([{}, {}, {}], r"returned 3 outputs"),
        ({"n": 1}, r"work_batch of node wrong returned dict"),
        (None, r"returned NoneType"),
        ("ab", r"returned str"),
    ],
)
def test_a_wrong_count_is_an_error_that_names_node_and_counts(gives, message):
    """5.8"""

    class Wrong(Single):
        async def work_batch(self, items):
            return gives

    async def main():
        wrong = Wrong()
        return await asked(guarded(wrong, [Batching()]), wrong, 1, 2)

    for each in run_virtual(main()):
        with pytest.raises(OutputError, match=message):
            raise each


def test_steps_of_different_params_are_gathered_apart():
    """5.1 different keys gather apart"""

    async def main():
        small, large = Embed(), Embed(model="large")
        handle = guarded(small, [Batching()])
        same = Embed().params
        steps = [
            a_step(small, {"n": 1}),
            a_step(large, {"n": 2}),
            a_step(small, {"n": 3}).having(params=same),
            a_step(large, {"n": 4}),
        ]
        return await asyncio.gather(*(handle(step) for step in steps))

    assert run_virtual(main()) == [{"n": 2}, {"n": 4}, {"n": 6}, {"n": 8}]
    assert made == [[1, 3], [2, 4]]
    assert [params.model for params, _, _ in seen] == ["small", "large"]


def test_params_that_cannot_be_hashed_nor_encoded_are_gathered_by_what_they_are():
    """5.8"""

    async def main():
        embed = Embed(options={"a": [1]})
        handle = guarded(embed, [Batching()])
        equal, *odd = (Embed(options={"a": each}).params for each in ([1], object(), object()))
        steps = [a_step(embed, {"n": n}) for n in range(6)]
        for number, params in ((1, equal), (2, odd[0]), (3, odd[1]), (4, odd[0])):
            steps[number] = steps[number].having(params=params)
        await asyncio.gather(*(handle(step) for step in steps))

    run_virtual(main())
    assert made == [[0, 1, 5], [2, 4], [3]]


class Plain(Embed):
    """Its params can be hashed."""

    class Params(Params):
        model: str = "small"


def test_params_that_can_be_hashed_are_gathered_by_what_is_in_them():
    """5.8"""

    async def main():
        plain = Plain()
        handle = guarded(plain, [Batching()])
        steps = [a_step(Plain(model=model), {"n": n}) for n, model in enumerate(("small", "large", "small"))]
        await asyncio.gather(*(handle(step) for step in steps))

    run_virtual(main())
    assert made == [[0, 2], [1]]


def test_steps_of_several_runs_are_gathered_together_and_the_context_is_nobodys():
    """5.8"""

    async def main():
        embed = Embed()
        handle = guarded(embed, [Batching()])
        runs = [OneRun(embed, {"n": n}) for n in range(3)]
        await asyncio.gather(*(handle(run.ctx) for run in runs))
        return runs[0].ctx.step_id

    step_id = run_virtual(main())
    _, ctx, current = seen[0]
    assert ctx is current
    assert (dict(ctx.inputs), dict(ctx.state), dict(ctx.outputs), ctx.step_id) == ({}, {}, {}, step_id)


def of_a_batch(step: Any, item: Any, index: int) -> Any:
    """The step's context for an item of its batch."""
    return step.having(own=Own(index=index, item=item, alias="file"))


def test_the_items_of_a_batch_bring_the_item_and_its_index():
    """8.4 the inputs are those of their step"""

    class Sizes(Single):
        async def work_batch(self, items):
            seen.append([dict(item) for item in items])
            return items

    async def main():
        sizes = Sizes()
        handle, step = guarded(sizes, [Batching()]), a_step(sizes, {"folder": "x"})
        await asyncio.gather(*(handle(of_a_batch(step, name, place)) for place, name in enumerate("ab")))
        shadowed = a_step(sizes, {"file": "mine"})
        return await asyncio.gather(
            handle(of_a_batch(shadowed, "c", 0)), handle(of_a_batch(step, "d", 1)), return_exceptions=True
        )

    refused, fine = run_virtual(main())
    assert seen[0] == [{"folder": "x", "file": "a", "index": 0}, {"folder": "x", "file": "b", "index": 1}]
    assert isinstance(refused, StepError)
    assert fine["file"] == "d"


def test_who_leaves_before_the_call_begins_is_not_in_it():
    """5.8"""

    async def main():
        embed = Embed()
        handle = guarded(embed, [Batching(wait=1.0)])
        steps = [asyncio.ensure_future(handle(a_step(embed, {"n": n}))) for n in range(3)]
        await asyncio.sleep(0.5)
        steps[0].cancel()
        return await asyncio.gather(*steps, return_exceptions=True)

    first, *others = run_virtual(main())
    assert isinstance(first, asyncio.CancelledError)
    assert others == [{"n": 2}, {"n": 4}]
    assert made == [[1, 2]]


def test_when_all_leave_before_it_begins_there_is_no_call():
    """5.8"""

    async def main():
        embed = Embed()
        handle = guarded(embed, [Batching(wait=1.0)])
        steps = [asyncio.ensure_future(handle(a_step(embed, {"n": n}))) for n in range(2)]
        await asyncio.sleep(0.5)
        for step in steps:
            step.cancel()
        await asyncio.gather(*steps, return_exceptions=True)
        await asyncio.sleep(0.4)
        late = asyncio.ensure_future(asked(handle, embed, 5))
        await asyncio.sleep(0.5)
        before = list(made)
        await late
        return before

    assert run_virtual(main()) == []
    assert made == [[5]]


def test_who_leaves_while_it_runs_does_not_end_it_unless_it_is_the_last():
    """5.8 all leaving cancels it"""
    ended: list[float] = []

    class Slow(Single):
        async def work_batch(self, items):
            try:
                await asyncio.sleep(10)
            finally:
                await asyncio.sleep(1)
                ended.append(asyncio.get_running_loop().time())

    async def main():
        slow = Slow()
        handle = guarded(slow, [Batching(wait=0)])
        steps = [asyncio.ensure_future(handle(a_step(slow, {"n": n}))) for n in range(2)]
        await asyncio.sleep(2)
        steps[0].cancel()
        await asyncio.sleep(2)
        assert not ended
        steps[1].cancel()
        await asyncio.gather(*steps, return_exceptions=True)
        return asyncio.get_running_loop().time(), asyncio.all_tasks() - {asyncio.current_task()}

    assert run_virtual(main()) == (5.0, set())
    assert ended == [5.0]


def test_the_layers_inside_stand_around_the_one_call():
    """5.1 a gathered call is one call to the service"""

    async def main():
        embed = Embed()
        handle = guarded(embed, [Batching(size=10), RateLimit(1), Concurrency(1)])
        await asked(handle, embed, *range(30))
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(2.0)
    assert [len(items) for items in made] == [10, 10, 10]


def test_a_timeout_is_that_of_the_one_call_and_a_failure_for_the_breaker():
    """5.1"""

    async def main():
        embed = Embed()
        handle = guarded(embed, [Batching(size=2), Timeout(1.0), CircuitBreaker(1)])
        slow = {"n": 1, "seconds": 5.0}
        return await asked(handle, embed, slow, slow), await asked(handle, embed, 1, 2)

    timed_out, refused = run_virtual(main())
    assert all(isinstance(each, TimeoutError) for each in timed_out)
    assert all(isinstance(each, CircuitOpen) for each in refused)
    assert len(made) == 1


def test_a_failed_item_is_no_failure_for_the_breaker_and_is_retried_alone():
    """5.1, 5.8 a retry of one step is gathered anew"""

    class Flaky(Single):
        async def work_batch(self, items):
            made.append([item["n"] for item in items])
            return [ValueError("odd") if item["n"] % 2 and len(made) == 1 else {"n": item["n"]} for item in items]

    async def main():
        flaky = Flaky()
        handle = guarded(flaky, [Batching(), Retry(2, wait=0.0), CircuitBreaker(1)])
        return await asked(handle, flaky, *range(4))

    assert run_virtual(main()) == [{"n": 0}, {"n": 1}, {"n": 2}, {"n": 3}]
    assert made == [[0, 1, 2, 3], [1, 3]]


def test_a_deadline_of_one_step_is_its_own():
    """5.1 deadline stands outside"""

    async def main():
        limits, embed = MemoryLimits(), Embed()
        handle = guarded(embed, [Batching(wait=0.5), Deadline(1.0)], limits)
        hasty = asyncio.ensure_future(handle(a_step(embed, {"n": 1, "seconds": 0.7})))
        await asyncio.sleep(0.4)
        patient = asyncio.ensure_future(handle(a_step(embed, {"n": 2})))
        return await asyncio.gather(hasty, patient, return_exceptions=True)

    hasty, patient = run_virtual(main())
    assert isinstance(hasty, TimeoutError)
    assert patient == {"n": 4}


def test_duplicates_are_gathered_once():
    """5.1 idempotency stands outside"""

    async def main():
        embed = Embed()
        return await asked(guarded(embed, [Batching(), Idempotency()]), embed, 1, 2, 1, 2, 1)

    assert run_virtual(main()) == [{"n": 2}, {"n": 4}, {"n": 2}, {"n": 4}, {"n": 2}]
    assert made == [[1, 2]]


async def test_a_plain_work_batch_runs_on_a_thread_as_its_step():
    """7, 5.8"""

    class Blocking(Single):
        def work_batch(self, items, ctx):
            seen.append((threading.current_thread(), current_context() is ctx))
            return [{} for _ in items]

    blocking = Blocking()
    assert await asked(guarded(blocking, [Batching()]), blocking, 1, 2) == [{}, {}]
    assert seen[0][0] is not threading.current_thread()
    assert seen[0][1]


async def test_a_thread_that_outlives_its_call_is_its_step_all_the_same():
    """7, 13.2"""
    goes_on, has_begun, done = threading.Event(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Blocking(Single):
        def work_batch(self, items, ctx):
            loop.call_soon_threadsafe(has_begun.set)
            goes_on.wait(5)
            seen.append((ctx, current_context()))
            loop.call_soon_threadsafe(done.set)

    blocking = Blocking()
    caller = asyncio.ensure_future(asked(guarded(blocking, [Batching(wait=0)]), blocking, 1))
    await has_begun.wait()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    goes_on.set()
    await done.wait()
    assert seen[0][0] is seen[0][1]


def test_an_inline_one_runs_on_the_loop():
    """1.6"""

    class Inline(Single):
        isolation = "inline"

        def work_batch(self, items):
            seen.append(threading.current_thread())
            return [{} for _ in items]

    async def main():
        inline = Inline()
        await asked(guarded(inline, [Batching()]), inline, 1, 2)

    run_virtual(main())
    assert seen == [threading.current_thread()]


class Wider(Policy):
    """An author's own, innermost, which sees the list."""

    layer = "work"

    async def apply(self, call, ctx):
        return [{**outputs, "seen": True} for outputs in await call(ctx)]


def test_an_authors_own_policy_inside_sees_the_list():
    """5.1"""

    async def main():
        embed = Embed()
        return await asked(guarded(embed, [Batching(), Wider()]), embed, 1, 2)

    assert run_virtual(main()) == [{"n": 2, "seen": True}, {"n": 4, "seen": True}]


def _with(work_batch: Any) -> Any:
    return type("Given", (Single,), {"work_batch": work_batch})()


async def _no_items(self, params):
    return []


async def _unknown(self, items, inputs):
    return []


async def _anything(self, *items):
    return []


async def _yields(self, items):
    yield {}


@pytest.mark.parametrize(
    ("work_batch", "kind", "message"),
    [
        (None, DefinitionError, r"no work_batch"),
        (_no_items, SignatureError, r"asks for no `items`"),
        (_unknown, SignatureError, r"asks for 'inputs'"),
        (_anything, SignatureError, r"asks for '\*items'"),
        (_yields, SignatureError, r"work_batch of Given yields"),
    ],
)
def test_a_node_that_cannot_be_batched_is_refused_when_it_is_bound(work_batch, kind, message):
    """5.8, 1.5"""
    with pytest.raises(kind, match=message):
        guarded(_with(work_batch), [Batching()])


def test_a_node_with_a_memory_is_refused():
    """4.1 it takes its steps one at a time"""
    with pytest.raises(DefinitionError, match="a memory"):
        guarded(Embed(memory=True), [Batching()])


@pytest.mark.parametrize("name", ["inputs", "state", "outputs"])
def test_a_key_inside_that_uses_more_than_params_is_refused(name):
    """5.1 their keys use params only"""
    with pytest.raises(DefinitionError, match=name):
        guarded(Embed(), [Batching(), RateLimit(1, key=f"{{{{ {name}.x }}}}")])
    guarded(Embed(), [Batching(), RateLimit(1, key="{{ params.model }}"), Idempotency(key=f"{{{{ {name}.x }}}}")])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 0}, "size=0"),
        ({"wait": -1}, "wait=-1"),
        ({"size": None, "wait": None}, "a size, a wait or both"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong, message):
    """5.8"""
    with pytest.raises(DefinitionError, match=message):
        Batching(**wrong)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.none() | st.integers(0, 30)), min_size=1, max_size=30),
    st.none() | st.integers(1, 5),
    st.integers(0, 10),
)
@settings(max_examples=100, deadline=None)
def test_whoever_comes_and_goes_each_gets_its_own_answer_once(steps, size, wait):
    """5.8 no answer is lost, doubled or given to another"""
    made.clear()

    async def main():
        embed, loop = Embed(), asyncio.get_running_loop()
        handle = guarded(embed, [Batching(size=size, wait=wait / 10), Concurrency(1)])
        tasks = []
        for number, (comes, leaves) in enumerate(sorted(steps, key=lambda step: step[0])):
            await asyncio.sleep(comes / 10 - loop.time())
            task = asyncio.ensure_future(handle(a_step(embed, {"n": number, "seconds": 0.25})))
            tasks.append((number, leaves, task))
            if leaves is not None:
                loop.call_later(leaves / 10, task.cancel)
        await asyncio.gather(*(task for _, _, task in tasks), return_exceptions=True)
        return tasks

    for number, leaves, task in run_virtual(main()):
        assert (leaves is not None) if task.cancelled() else (task.result() == {"n": number * 2})
    flat = list(itertools.chain.from_iterable(made))
    assert flat == sorted(set(flat))
    assert size is None or max(map(len, made), default=0) <= size


@pytest.mark.parametrize("batch", [None, Batch(items=[[0]], as_="each")])
def test_what_a_failed_call_changed_in_its_items_and_params_is_gone(batch: Any) -> None:
    """4.7"""

    class Changes(Single):
        async def work_batch(self, items: Any, params: Any, ctx: Context) -> Any:
            seen.append(copy.deepcopy(([dict(item) for item in items], params.options)))
            for item in items:
                (item["each"] if "each" in item else item["values"]).append(1)
            params.options["changed"] = True
            raise OSError

    policies = [Batching(size=1), Retry(2, wait=0.0)]
    changes = Changes(options={"kept": 1}, policies=policies, batch=batch)
    told = Told(id="told")
    changes.on_error() >> told
    result = run_virtual(Graph(changes, name="g").run({"values": [0]}))
    assert seen[0] == seen[1]
    assert result.output == {"inputs": {"values": [0]}}


class Told(Node):
    async def work(self, inputs: Any) -> dict[str, Any]:
        return {"inputs": dict(inputs)}
