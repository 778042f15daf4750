"""Idempotency: equal calls are made once."""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
import traceback
import weakref
from decimal import Decimal
from typing import Any

import pytest
from tests.policies.steps import OneRun, a_step, guarded, turns

from nodeloom import Engine, Graph, Node, Params, Route, node
from nodeloom.errors import DefinitionError, OutputError, PolicyError
from nodeloom.library.subgraph import Subgraph
from nodeloom.nodes.own import Own
from nodeloom.policies.fingerprint import fingerprint
from nodeloom.policies.idempotency import Idempotency
from nodeloom.policies.limits import MemoryLimits
from nodeloom.policies.on_behalf import own_failure
from nodeloom.policies.timeout import Deadline, Timeout
from nodeloom.testing import run_virtual


class Charge(Node):
    """Counts its calls, on the class: a node holds nothing about a run."""

    identifier = "tests.charge"

    class Params(Params):
        currency: str = "EUR"

    async def work(self, inputs, params, ctx):
        calls.append(ctx)
        await asyncio.sleep(inputs.get("seconds", 0.0))
        if "fails" in inputs:
            raise inputs["fails"]
        return inputs.get("gives", {"charge": len(calls), "lines": [1]})


calls: list[Any] = []


@pytest.fixture(autouse=True)
def _no_calls_yet():
    calls.clear()


def charged(**settings: Any):
    """A node's work, charged once a key; and the node."""
    charge = Charge()
    return guarded(charge, [Idempotency(**settings)]), charge


def test_a_second_equal_call_gets_the_result_of_the_first():
    """5.7"""

    async def main():
        handle, charge = charged()
        first = await handle(a_step(charge, {"order": 1}))
        return first, await handle(a_step(charge, {"order": 1})), await handle(a_step(charge, {"order": 2}))

    first, again, other = run_virtual(main())
    assert first == again == {"charge": 1, "lines": [1]}
    assert other["charge"] == 2


def test_by_default_calls_are_equal_when_params_and_inputs_are():
    """5.7 default: their digest"""

    async def main():
        limits, inputs = MemoryLimits(), {"a": 1, "b": {2, 3}}
        euros, dollars = Charge(id="e"), Charge(currency="USD", id="d")
        for each, given in ((euros, inputs), (euros, dict(reversed(inputs.items()))), (dollars, inputs)):
            await guarded(each, [Idempotency()], limits)(a_step(each, given))

    run_virtual(main())
    assert len(calls) == 2


def test_by_default_the_items_of_a_batch_are_told_apart_by_the_item():
    """5.7, 8.4 their inputs are those of their step"""

    async def main():
        handle, charge = charged()
        step = a_step(charge, {"folder": "x"})
        for index, item in enumerate(["a", "b", "a"]):
            await handle(step.having(own=Own(index=index, item=item, alias="file")))

    run_virtual(main())
    assert [ctx.item for ctx in calls] == ["a", "b"]


@pytest.mark.parametrize(
    ("key", "same", "different"),
    [
        ("{{ inputs.order }}", {"order": 1, "at": 2}, {"order": 2, "at": 1}),
        (lambda ctx: ctx.inputs["order"], {"order": 1, "at": 2}, {"order": 2, "at": 1}),
        ("{{ params.currency }}-{{ inputs.order }}", {"order": 1, "at": 2}, {"order": 2}),
    ],
)
def test_a_key_is_a_template_or_a_function_over_params_and_inputs(key, same, different):
    """5.7"""

    async def main():
        handle, charge = charged(key=key)
        for inputs in ({"order": 1, "at": 1}, same, different):
            await handle(a_step(charge, inputs))

    run_virtual(main())
    assert len(calls) == 2


def test_keys_are_scoped_by_node_type_and_not_by_place():
    """5.7 scoped by node type"""

    class Refund(Charge):
        identifier = "tests.refund"

    async def main():
        limits, once = MemoryLimits(), Idempotency("order-1")
        for each in (Charge(id="a"), Charge(id="b"), Refund(id="a")):
            await guarded(each, [once], limits)(a_step(each))

    run_virtual(main())
    assert [ctx.node.identifier for ctx in calls] == ["tests.charge", "tests.refund"]


def test_concurrent_duplicates_wait_for_the_first_and_all_get_its_result():
    """5.7 single flight"""

    async def main():
        handle, charge = charged()
        results = await asyncio.gather(*(handle(a_step(charge, {"seconds": 1.0})) for _ in range(50)))
        return results, asyncio.get_running_loop().time()

    results, seconds = run_virtual(main())
    assert len(calls) == 1
    assert results == [{"charge": 1, "lines": [1]}] * 50
    assert seconds == pytest.approx(1.0)


def test_no_caller_can_change_what_another_gets():
    """5.7, 4.8"""

    async def main():
        handle, charge = charged()
        step = {"seconds": 1.0, "gives": {"lines": [{"n": 1}]}}
        first, second = await asyncio.gather(*(handle(a_step(charge, copy.deepcopy(step))) for _ in range(2)))
        first["lines"][0]["n"] = 99
        first["lines"].append("mine")
        third = await handle(a_step(charge, copy.deepcopy(step)))
        third["lines"].clear()
        return second, await handle(a_step(charge, copy.deepcopy(step)))

    assert run_virtual(main()) == ({"lines": [{"n": 1}]}, {"lines": [{"n": 1}]})


def test_what_the_node_keeps_of_its_result_changes_nothing_either():
    """5.7"""
    kept: list[Any] = [1]

    async def main():
        handle, charge = charged(key="one")
        await handle(a_step(charge, {"gives": {"lines": kept}}))
        kept.append(2)
        return await handle(a_step(charge))

    assert run_virtual(main()) == {"lines": [1]}


def test_a_route_is_a_result_too():
    """5.7, 1.7"""

    async def main():
        handle, charge = charged(key="one")
        first = await handle(a_step(charge, {"gives": Route({"n": [1]}, to=["a", ("b", {"p": [1]})])}))
        first.to[1][1]["p"].append(2)
        return await handle(a_step(charge, {}))

    again = run_virtual(main())
    assert (again.outputs, again.sends()) == ({"n": [1]}, [("a", None), ("b", {"p": [1]})])
    assert len(calls) == 1


@pytest.mark.parametrize("gives", [None, {}, {"n": None}])
def test_a_falsy_result_is_remembered(gives):
    """1.8"""

    async def main():
        handle, charge = charged(key="one")
        return [await handle(a_step(charge, {"gives": gives})) for _ in range(2)]

    assert run_virtual(main()) == [gives, gives]
    assert len(calls) == 1


def test_a_result_is_forgotten_after_its_time():
    """5.7 TTL"""

    async def main():
        handle, charge = charged(ttl=60.0)
        await handle(a_step(charge))
        await asyncio.sleep(59.9)
        await handle(a_step(charge))
        before = len(calls)
        await asyncio.sleep(0.1)
        await handle(a_step(charge))
        return before, len(calls)

    assert run_virtual(main()) == (1, 2)


def test_a_failure_goes_to_all_who_waited_and_is_not_remembered():
    """5.7"""

    async def main():
        handle, charge = charged(key="one")
        down = {"seconds": 1.0, "fails": ConnectionError("down")}
        failures = await asyncio.gather(*(handle(a_step(charge, down)) for _ in range(3)), return_exceptions=True)
        return failures, await handle(a_step(charge))

    failures, afterwards = run_virtual(main())
    assert [(type(each), str(each)) for each in failures] == [(ConnectionError, "down")] * 3
    assert len({id(each) for each in failures}) == 3
    assert afterwards["charge"] == 2


def test_each_waiter_has_a_traceback_of_its_own():
    """5.7 a traceback does not grow with those who wait"""

    async def main():
        handle, charge = charged(key="one")
        down = {"seconds": 1.0, "fails": ConnectionError("down")}
        return await asyncio.gather(*(handle(a_step(charge, down)) for _ in range(20)), return_exceptions=True)

    failures = run_virtual(main())
    assert {type(each) for each in failures} == {ConnectionError}
    lengths = {len(traceback.extract_tb(each.__traceback__)) for each in failures}
    assert len(lengths) == 1
    assert lengths.pop() > 1


def test_a_caller_that_leaves_does_not_end_the_flight_of_the_others():
    """5.7 the flight belongs to the key"""

    async def main():
        handle, charge = charged()
        callers = [asyncio.ensure_future(handle(a_step(charge, {"seconds": 1.0}))) for _ in range(3)]
        await asyncio.sleep(0.5)
        callers[0].cancel()
        callers[2].cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        return [caller.cancelled() for caller in callers], callers[1].result(), asyncio.get_running_loop().time()

    cancelled, result, seconds = run_virtual(main())
    assert (cancelled, result["charge"], seconds) == ([True, False, True], 1, pytest.approx(1.0))


def test_the_last_caller_that_leaves_ends_the_flight_and_sees_it_out():
    """5.7 unless it is the last; nothing is left behind"""
    ended: list[float] = []

    @node("tests.slow")
    async def slow():
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(2)
            ended.append(asyncio.get_running_loop().time())

    async def main():
        handle = guarded(slow, [Idempotency()])
        callers = [asyncio.ensure_future(handle(a_step(slow))) for _ in range(2)]
        await asyncio.sleep(1)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        return asyncio.get_running_loop().time(), asyncio.all_tasks() - {asyncio.current_task()}

    seconds, left = run_virtual(main())
    assert (ended, seconds, left) == ([3.0], 3.0, set())


def test_being_cancelled_again_does_not_leave_the_flight_behind():
    """5.7"""
    ended: list[float] = []

    @node("tests.slow")
    async def slow():
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(2)
            ended.append(asyncio.get_running_loop().time())

    async def main():
        caller = asyncio.ensure_future(guarded(slow, [Idempotency()])(a_step(slow)))
        await asyncio.sleep(1)
        caller.cancel()
        await asyncio.sleep(1)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        return caller.cancelled()

    assert run_virtual(main())
    assert ended == [3.0]


def test_who_comes_while_a_flight_is_being_ended_begins_the_next_when_it_has_ended():
    """5.7 never two at once"""
    at_once = [0, 0]

    @node("tests.slow")
    async def slow():
        at_once[0] += 1
        at_once[1] = max(at_once)
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(2)
            at_once[0] -= 1
        return {"n": 1}

    async def main():
        handle = guarded(slow, [Idempotency()])
        first = asyncio.ensure_future(handle(a_step(slow)))
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.sleep(0.5)
        second = await handle(a_step(slow))
        await asyncio.gather(first, return_exceptions=True)
        return second, asyncio.get_running_loop().time()

    assert run_virtual(main()) == ({"n": 1}, 15.0)
    assert at_once == [0, 1]


def test_a_flight_survives_the_end_of_the_run_it_was_begun_in():
    """5.7 with views of its own"""

    @node("tests.looks")
    async def looks(ctx):
        await asyncio.sleep(5)
        return {"saw": dict(ctx.state), "outputs": dict(ctx.outputs), "inputs": dict(ctx.inputs), "id": ctx.step_id}

    async def main():
        handle = guarded(looks, [Idempotency("one")])
        run, other = OneRun(looks, {"a": 1}), OneRun(looks, {"b": 2})
        leaves = asyncio.ensure_future(handle(run.ctx))
        stays = asyncio.ensure_future(handle(other.ctx))
        await asyncio.sleep(1)
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
        step_id = run.ctx.step_id
        run.end({"late": True})
        return await stays, step_id

    result, step_id = run_virtual(main())
    assert result == {"saw": {"a": 1}, "outputs": {}, "inputs": {"a": 1}, "id": step_id}


def test_what_a_flight_logs_and_streams_is_its_first_callers(caplog):
    """5.7, 13.2"""

    @node("tests.talks")
    async def talks(ctx):
        ctx.stream("chunk")
        logging.getLogger("tests.talks").info("plain")
        ctx.log.info("fielded")
        return {}

    async def main():
        run = OneRun(talks, watched=True)
        run.live.emit("step_started", run.ctx)
        await guarded(talks, [Idempotency()])(run.ctx)
        run.live.emit("step_completed", run.ctx)
        return run.events, run.ctx.step_id

    with caplog.at_level(logging.INFO, logger="tests.talks"):
        events, step_id = run_virtual(main())
    assert [(event.type, event.seq, event.step_id) for event in events] == [
        ("step_started", 1, step_id),
        ("chunk", 2, step_id),
        ("step_completed", 3, step_id),
    ]
    assert vars(caplog.records[1])["step"] == step_id


def test_the_context_of_the_flight_is_the_current_one_inside():
    """5.7, 13.2"""
    from nodeloom.nodes.context import current_context

    seen: list[Any] = []

    @node("tests.looks")
    async def looks(ctx):
        seen.append((current_context(), ctx))
        return {}

    run_virtual(guarded(looks, [Idempotency()])(a_step(looks)))  # type: ignore[arg-type]
    assert seen[0][0] is seen[0][1]


def test_ending_a_flight_tells_only_the_flight():
    """5.7 ctx.cancelled is the call's, not that of the run it was begun in"""
    seen: list[Any] = []

    @node("tests.looks")
    async def looks(ctx):
        seen.append(ctx)
        ctx.live.stop()
        return {}

    async def main():
        run = OneRun(looks)
        await guarded(looks, [Idempotency()])(run.ctx)
        return run.ctx.cancelled

    assert not run_virtual(main())
    assert seen[0].cancelled


def test_a_deadline_of_one_caller_is_its_own():
    """5.1 deadline stands outside"""

    async def main():
        limits, charge = MemoryLimits(), Charge()
        hasty = guarded(charge, [Idempotency("one"), Deadline(1.0)], limits)
        patient = guarded(charge, [Idempotency("one")], limits)
        first = asyncio.ensure_future(hasty(a_step(charge, {"seconds": 3.0})))
        await turns()
        second = asyncio.ensure_future(patient(a_step(charge)))
        return await asyncio.gather(first, second, return_exceptions=True)

    first, second = run_virtual(main())
    assert isinstance(first, TimeoutError)
    assert second["charge"] == 1


def test_a_timeout_inside_fails_the_flight():
    """5.1"""

    async def main():
        charge = Charge()
        handle = guarded(charge, [Timeout(1.0), Idempotency()])
        with pytest.raises(TimeoutError):
            await handle(a_step(charge, {"seconds": 3.0}))

    run_virtual(main())


def test_what_is_no_result_is_handed_on_and_not_remembered():
    """1.7"""

    async def main():
        handle, charge = charged(key="one")
        return [await handle(a_step(charge, {"gives": 5})) for _ in range(2)]

    assert run_virtual(main()) == [5, 5]
    assert len(calls) == 2


def test_work_that_ends_with_a_cancelled_error_nobody_asked_for_ends_the_flight():
    """2.6 the executor makes a failure of it"""

    async def main():
        handle, charge = charged(key="one")
        step = {"seconds": 1.0, "fails": asyncio.CancelledError()}
        return await asyncio.gather(*(handle(a_step(charge, step)) for _ in range(2)), return_exceptions=True)

    assert [type(each) for each in run_virtual(main())] == [asyncio.CancelledError] * 2


def test_without_a_key_what_is_no_plain_data_is_an_error_that_says_to_give_one():
    """5.7"""

    async def main():
        handle, charge = charged()
        with pytest.raises(PolicyError, match=r"Idempotency of node charge .*inputs\.file is a .*; give it a key"):
            await handle(a_step(charge, {"file": object()}))

    run_virtual(main())


def test_nothing_is_held_once_the_result_is_there():
    """5.7 a flight does not keep its caller's run"""

    async def main():
        limits, charge = MemoryLimits(), Charge()
        run, held = OneRun(charge), {"a set that can be looked for"}
        run.live.metadata = {"held": held}
        gone = weakref.ref(held)
        await guarded(charge, [Idempotency()], limits)(run.ctx)
        calls.clear()
        del run, held
        await turns()
        gc.collect()
        return gone(), len(limits.flights)

    assert run_virtual(main()) == (None, 0)


class Coded(Exception):
    """What it is made with is not what it keeps as its arguments."""

    def __init__(self, code: int, *, hint: str) -> None:
        super().__init__(f"failed with {code}")
        self.code = code
        self.hint = hint


class Stubborn(Exception):
    """Cannot be copied."""

    def __new__(cls, *args: Any) -> Stubborn:
        if args != ("once",):
            raise RuntimeError("no second one")
        return super().__new__(cls, *args)

    def __init__(self, *args: Any) -> None:
        super().__init__("changed")


@pytest.mark.parametrize(
    "error",
    [
        Coded(5, hint="x"),
        OSError(2, "No such file", "a.txt"),
        KeyError("k"),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"),
        ExceptionGroup("two", [ValueError("a")]),
        ImportError("no", name="x"),
        OutputError("bad"),
    ],
)
def test_a_copied_failure_is_like_the_one_it_is_of(error):
    """5.7"""
    error.add_note("a note")
    error.__cause__ = ValueError("cause")
    twin = own_failure(error, None)
    assert twin is not error
    assert (type(twin), str(twin), twin.args) == (type(error), str(error), error.args)
    assert vars(twin) == vars(error)
    assert twin.__cause__ is error.__cause__


def test_a_failure_that_cannot_be_copied_is_shared():
    """5.7"""
    error = Stubborn("once")
    assert own_failure(error, None) is error


def test_fingerprints_tell_apart_what_is_not_equal():
    """5.7"""
    different: list[Any] = [1, 1.0, "1", True, None, [], {}, [1], (1,), {1}, Decimal(1), {"a": 1}, {1: "a"}, {"1": "a"}]
    assert len({fingerprint({"x": value}) for value in different}) == len(different)


def test_fingerprints_know_no_order_where_there_is_none():
    """5.7"""
    one = {"m": {"b": [1], "a": {"x": 1, "y": 2}}, "s": {"u", "v", "w", (1, 2)}, 5: 1}
    other = {5: 1, "s": {(1, 2), "w", "v", "u"}, "m": {"a": {"y": 2, "x": 1}, "b": [1]}}
    assert fingerprint(one) == fingerprint(other)  # type: ignore[arg-type]


def test_settings_that_cannot_work_are_refused():
    """5.7"""
    with pytest.raises(DefinitionError, match="ttl=0"):
        Idempotency(ttl=0)
    with pytest.raises(DefinitionError, match="key"):
        Idempotency(key="{{ inputs. }}")
    assert Idempotency(key="{{ input.x }}").problems(frozenset({"inputs"}))


# --- graphs as nodes: all of them are of one type


@node
async def priced(inputs: Any) -> dict[str, Any]:
    return {"price": inputs["n"] * 2}


@node
async def weighed(inputs: Any) -> dict[str, Any]:
    return {"weight": inputs["n"] * 3}


def as_step(work: Any, name: str, **settings: Any) -> Graph:
    """A graph whose one node is a graph that is done once."""
    inner = Graph(work.copy(), name=name, **settings)
    return Graph(inner.as_node(id="inner", policies=[Idempotency(key="same")]), name="outer")


@pytest.mark.parametrize("other_name", ["priced", "weighed"])
def test_two_graphs_as_nodes_share_no_result(other_name: str) -> None:
    """5.7: scoped by the graph, also where two have one name."""

    async def main() -> list[Any]:
        async with Engine() as engine:
            graphs = [as_step(priced, "priced"), as_step(weighed, other_name)]
            return [dict((await engine.run(graph, {"n": 1})).output) for graph in graphs]

    assert run_virtual(main()) == [{"price": 2}, {"weight": 3}]


def test_graphs_declared_alike_share_a_result() -> None:
    """5.7: a graph that is made anew is the same one."""

    async def main() -> list[Any]:
        async with Engine() as engine:
            graphs = [as_step(priced, "priced"), as_step(priced, "priced"), as_step(priced, "priced", outputs={"a": 1})]
            return [dict((await engine.run(graph, {"n": n})).output) for n, graph in enumerate(graphs, 1)]

    assert run_virtual(main()) == [{"price": 2}, {"price": 2}, {"a": 1}]


def test_documents_as_steps_share_no_result() -> None:
    """5.7: the library's subgraph is one type for all documents as well."""

    def step(document: dict[str, Any]) -> Graph:
        return Graph(Subgraph(document=document, policies=[Idempotency(key="same")]), name="outer")

    def giving(value: int) -> dict[str, Any]:
        return {"nodeloom": 1, "name": "d", "nodes": {"wait": {"type": "delay", "params": {"seconds": 0}}}} | {
            "outputs": {"value": value}
        }

    async def main() -> list[Any]:
        async with Engine() as engine:
            return [dict((await engine.run(step(giving(value)))).output) for value in (1, 2, 1)]

    assert asyncio.run(main()) == [{"value": 1}, {"value": 2}, {"value": 1}]


# --- a key within itself


def test_a_step_that_asks_for_its_own_key_is_refused_at_once() -> None:
    """5.7: it would wait for itself, and could not even be cancelled."""

    @node("tests.recursive", policies=[Idempotency(key="one")])
    async def recursive() -> dict[str, Any]:
        return dict(await recursive({}))

    with pytest.raises(PolicyError, match="under way in this very step"):
        run_virtual(recursive({}))


def test_steps_that_wait_for_each_others_keys_are_refused() -> None:
    """5.7: the one that closes the circle; the other fails with its error."""

    @node("tests.turns", policies=[Idempotency(key="{{ inputs.key }}")])
    async def turning(inputs: Any) -> dict[str, Any]:
        await asyncio.sleep(1)
        if inputs["then"] is None:
            return {}
        return dict(await turning({"key": inputs["then"], "then": None}))

    async def main() -> list[Any]:
        both = ({"key": "a", "then": "b"}, {"key": "b", "then": "a"})
        return await asyncio.gather(*map(turning, both), return_exceptions=True)

    assert [type(each) for each in run_virtual(main())] == [PolicyError, PolicyError]


def test_a_key_within_another_is_waited_for() -> None:
    @node("tests.nested", policies=[Idempotency(key="{{ inputs.key }}")])
    async def nested(inputs: Any) -> dict[str, Any]:
        await asyncio.sleep(1)
        return {"key": inputs["key"]} if inputs["key"] == "in" else dict(await nested({"key": "in"}))

    async def main() -> list[Any]:
        return await asyncio.gather(*(nested({"key": key}) for key in ("in", "one", "two")))

    assert run_virtual(main()) == [{"key": "in"}] * 3
