"""Fallback: what a step gives when it has failed for good."""

from __future__ import annotations

import asyncio
import copy
import logging
from typing import Any

import pytest
from tests.policies.steps import OneRun, guarded
from tests.policies.surroundings import Work, a_place, a_step, around

from nodeloom import Batch, Graph, Node, Params, Route, node
from nodeloom.errors import CircuitOpen, DefinitionError, GraphError, StartFailed
from nodeloom.model.values import freeze
from nodeloom.policies import Deadline, Fallback, Idempotency, Retry, Timeout
from nodeloom.testing import run_virtual

DONE = {"n": 1}


@node
async def other(inputs):
    return {"n": 2}


async def test_a_value_stands_in_for_what_failed():
    """5.9"""
    assert await around(Work(OSError()), Fallback(value={"n": 0}))(a_step()) == {"n": 0}
    assert await around(Work(OSError()), Fallback({"n": 0}))(a_step()) == {"n": 0}


@pytest.mark.parametrize("value", [{}, {"n": None}, {"n": 0}, None])
async def test_a_falsy_value_is_a_value(value):
    """1.8"""
    assert await around(Work(OSError()), Fallback(value=value))(a_step()) == value


@pytest.mark.parametrize("policy", [Fallback({"n": 0}), Fallback(last_good=60), Fallback(node=other)])
async def test_what_did_not_fail_is_left_alone(policy):
    """5.9"""
    step = a_step()
    assert await around(Work(DONE), policy)(step) == DONE
    assert step.live.events == step.live.called == []


async def test_it_is_for_the_final_failure():
    """5.9"""
    work = Work(OSError(), OSError(), DONE)
    assert await around(work, Retry(3, wait=0), Fallback({"n": 0}))(a_step()) == DONE
    work = Work(OSError())
    assert await around(work, Retry(3, wait=0), Fallback({"n": 0}))(a_step()) == {"n": 0}
    assert work.count == 3


@pytest.mark.parametrize("policy", [Fallback({"n": 0}), Fallback(last_good=60), Fallback(node=other)])
async def test_a_node_that_cannot_start_fails_the_run(policy):
    """6.1: in a worker process too; nothing stands in for it, and it is not tried again."""
    work = Work(DONE, StartFailed("on_start failed"))
    call = around(work, Retry(3, wait=0), policy)
    assert await call(a_step()) == DONE
    with pytest.raises(StartFailed):
        await call(a_step())
    assert work.count == 2


@pytest.mark.parametrize("error", [TimeoutError(), CircuitOpen("open"), ValueError(), KeyError()])
async def test_it_is_for_any_failure(error):
    """5.9"""
    assert await around(Work(error), Fallback({"n": 0}))(a_step()) == {"n": 0}


@pytest.mark.parametrize("policy", [Fallback({"n": 0}), Fallback(last_good=60), Fallback(node=other)])
async def test_cancelling_is_no_failure(policy):
    """5.9"""
    work = Work(DONE, seconds=60)
    step = a_step()
    call = around(work, policy)
    running = asyncio.create_task(call(step))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert step.live.events == step.live.called == []


@pytest.mark.parametrize("policy", [Fallback({"n": 0}), Fallback(last_good=60)])
async def test_a_failure_while_being_cancelled_has_no_fallback(policy):
    """5.9"""
    tries: list[int] = []

    async def work(ctx):
        tries.append(1)
        if len(tries) == 1:
            return DONE
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ValueError("tidied up badly") from None

    call = around(work, policy)
    await call(a_step())
    running = asyncio.create_task(call(a_step()))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(ValueError, match="tidied"):
        await running


async def test_cancelled_error_that_nobody_asked_for_is_a_failure():
    """1.4"""
    assert await around(Work(asyncio.CancelledError()), Fallback({"n": 0}))(a_step()) == {"n": 0}


async def test_nobody_can_change_the_value():
    """1.1"""
    given: dict[str, Any] = {"hits": [1], "by": {"a": [2]}}
    policy = Fallback(given)
    call = around(Work(OSError()), policy)
    given["hits"].append(9)
    first = await call(a_step())
    first["hits"].append(9)
    first["by"]["a"].append(9)
    assert await call(a_step()) == {"hits": [1], "by": {"a": [2]}}
    with pytest.raises(TypeError):
        policy.value["hits"] = []  # type: ignore[index]


# --- the last good answer


def test_the_last_good_answer_stands_in():
    """5.9"""
    work = Work({"n": 1}, {"n": 2}, OSError())

    async def main():
        call = around(work, Fallback(last_good=60))
        return [await call(a_step()) for _ in range(4)]

    assert run_virtual(main()) == [{"n": 1}, {"n": 2}, {"n": 2}, {"n": 2}]


def test_its_age_is_told():
    """5.9"""

    async def main():
        call = around(Work(DONE, OSError("away")), Fallback(last_good=60))
        await call(a_step())
        await asyncio.sleep(7)
        step = a_step()
        await call(step)
        return step.live.events

    ((type, _, data),) = run_virtual(main())
    assert (type, data["by"], data["age"]) == ("fallback_used", "last_good", 7)
    assert data["error"]["type"] == "OSError"
    assert data["error"]["message"] == "away"


class Rates(Node):
    """Gives the rate of a currency until its line is down."""

    identifier = "tests.rates"
    is_down = False

    async def work(self, inputs):
        await asyncio.sleep(1)
        if self.is_down:
            raise OSError("away")
        return {"of": inputs["of"]}


def asked_with_age(rates: Node) -> Any:
    """Asks it for the rate of a currency; gives its answer, and the ages that were told by its fallback."""
    policies = [Idempotency(key="{{ inputs.of }}", ttl=100), Deadline(50), Fallback(last_good=60)]
    call = guarded(rates, policies)

    async def ask(of: str) -> tuple[Any, list[float]]:
        run = OneRun(rates, {"of": of}, watched=True)
        answer = await call(run.ctx)
        return answer, [event.data["age"] for event in run.events if event.type == "fallback_used"]

    return ask


@pytest.mark.parametrize("at_once", [1, 3])
def test_what_was_recalled_is_as_old_as_the_call_it_came_from(at_once):
    """5.7, 5.9 asking again makes an answer no newer"""

    async def main():
        ask = asked_with_age(rates := Rates())
        await asyncio.gather(*(ask("EUR") for _ in range(at_once)))
        await asyncio.sleep(8)
        assert await ask("EUR") == ({"of": "EUR"}, [])
        await asyncio.sleep(4)
        rates.is_down = True
        return await ask("INR")

    assert run_virtual(main()) == ({"of": "EUR"}, [13])


def test_what_was_recalled_displaces_nothing_newer():
    """5.7, 5.9"""

    async def main():
        ask = asked_with_age(rates := Rates())
        await ask("EUR")
        await asyncio.sleep(40)
        await ask("INR")
        await asyncio.sleep(10)
        assert await ask("EUR") == ({"of": "EUR"}, [])
        rates.is_down = True
        return await ask("USD")

    assert run_virtual(main()) == ({"of": "INR"}, [11])


def test_what_was_recalled_after_its_time_is_no_last_good_answer():
    """5.7, 5.9"""

    async def main():
        ask = asked_with_age(rates := Rates())
        await ask("EUR")
        await asyncio.sleep(70)
        assert await ask("EUR") == ({"of": "EUR"}, [])
        rates.is_down = True
        with pytest.raises(OSError, match="away"):
            await ask("USD")

    run_virtual(main())


def test_what_a_step_inside_recalled_says_nothing_of_the_one_around():
    """5.9"""

    async def main():
        rates = Rates()
        inner = guarded(rates, [Idempotency(ttl=100)])

        async def outer(ctx: Any) -> Any:
            if ctx.inputs:
                raise OSError
            return await inner(OneRun(rates, {"of": "EUR"}).ctx)

        call = around(outer, Fallback(last_good=60))
        await inner(OneRun(rates, {"of": "EUR"}).ctx)
        await asyncio.sleep(70)
        await call(a_step())
        return await call(a_step(inputs={"fails": True}))

    assert run_virtual(main()) == {"of": "EUR"}


@pytest.mark.parametrize(("age", "used"), [(59.9, True), (60, True), (60.1, False), (1e6, False)])
def test_an_answer_that_is_too_old_is_none(age, used):
    """5.9"""

    async def main():
        call = around(Work(DONE, OSError()), Fallback(last_good=60))
        await call(a_step())
        await asyncio.sleep(age)
        return await call(a_step())

    if used:
        assert run_virtual(main()) == DONE
    else:
        with pytest.raises(OSError):
            run_virtual(main())


async def test_without_a_good_answer_the_step_fails():
    """5.9"""
    step = a_step()
    with pytest.raises(OSError):
        await around(Work(OSError()), Fallback(last_good=60))(step)
    assert step.live.events == []


async def test_good_answers_are_kept_apart_by_key():
    """5.9"""
    good, bad = Work({"n": "a"}, {"n": "b"}, OSError()), "{{ params.host }}"
    call = around(good, Fallback(last_good=60, key=bad))
    for host in "ab":
        await call(a_step(params={"host": host}))
    assert await call(a_step(params={"host": "a"})) == {"n": "a"}
    assert await call(a_step(params={"host": "b"})) == {"n": "b"}
    with pytest.raises(OSError):
        await call(a_step(params={"host": "c"}))


async def test_nobody_can_change_a_good_answer():
    """4.8"""
    shared = ["x"]
    view = freeze({"deep": shared})
    answer = {"hits": [1], "view": view, "pair": ([2],), "set": {3}}
    call = around(Work(answer, OSError()), Fallback(last_good=60))
    mine = await call(a_step())
    expected = copy.deepcopy({**mine, "view": {"deep": ["x"]}})
    mine["hits"].append(9)
    mine["pair"][0].append(9)
    mine["set"].add(9)
    shared.append("y")
    for _ in range(2):
        again = await call(a_step())
        assert again == expected
        again["hits"].append(9)
        again["pair"][0].append(9)


async def test_a_route_is_a_good_answer_too():
    """1.7"""
    route = Route({"hits": [1]}, to=["a", ("b", {"path": ["p"]})])
    call = around(Work(route, OSError()), Fallback(last_good=60))
    first = await call(a_step())
    first.outputs["hits"].append(9)
    again = await call(a_step())
    assert again.outputs == {"hits": [1]}
    assert again.sends() == [("a", None), ("b", {"path": ["p"]})]


async def test_what_is_no_result_is_not_kept():
    """1.7"""
    call = around(Work(3, OSError()), Fallback(last_good=60))
    assert await call(a_step()) == 3, "which then fails the step"
    with pytest.raises(OSError):
        await call(a_step())


def test_answers_that_are_too_old_are_forgotten():
    """3.5"""

    async def main():
        call = around(Work(DONE), Fallback(last_good=60, key="{{ params.n }}"))
        for n in range(1000):
            await call(a_step(params={"n": n}))
            await asyncio.sleep(1)
        kept = [cell.cell_contents for cell in call.__closure__ if hasattr(cell.cell_contents, "_answers")]
        return len(kept[0]._answers)

    assert 60 <= run_virtual(main()) <= 62


async def test_a_key_that_cannot_be_made_fails_the_step():
    """12.2"""
    work = Work(DONE)
    with pytest.raises(Exception, match="Fallback of node fetch: key: "):
        await around(work, Fallback(last_good=60, key="{{ params.host }}"))(a_step(params={}))
    assert work.count == 0


# --- another node


async def test_another_node_stands_in_with_the_steps_inputs():
    """5.9"""
    step = a_step(inputs={"url": "u", "tags": [1]})
    step.live.answer = {"n": 2}
    assert await around(Work(OSError("away")), Fallback(node=other))(step) == {"n": 2}
    ((called, inputs),) = step.live.called
    assert called is other
    assert inputs == {"url": "u", "tags": [1]}
    ((type, _, data),) = step.live.events
    assert (type, data["by"], data["error"]["message"]) == ("fallback_used", "node", "away")


async def test_the_other_node_cannot_change_the_steps_inputs():
    """4.8"""
    step = a_step(inputs={"tags": [1]})
    await around(Work(OSError()), Fallback(node=other))(step)
    step.live.called[0][1]["tags"].append(9)
    assert step.inputs == {"tags": [1]}


async def test_when_the_other_node_fails_too_its_error_is_the_steps():
    """5.9"""
    step = a_step()
    step.live.answer = ValueError("as well")
    with pytest.raises(ValueError, match="as well") as caught:
        await around(Work(OSError("first")), Fallback(node=other))(step)
    assert isinstance(caught.value.__context__, OSError)


async def test_using_it_is_logged(caplog):
    """13.2 since the step does not look as if it had failed."""
    with caplog.at_level(logging.WARNING):
        await around(Work(OSError("away")), Fallback({"n": 0}))(a_step())
    assert "node fetch failed (OSError: away); fallback: value" in caplog.text


def test_it_stands_outside_of_everything_else():
    """5.1"""

    async def main():
        return await around(Work(DONE, seconds=60), Timeout(5), Retry(2, wait=0), Fallback({"n": 0}))(a_step())

    assert run_virtual(main()) == {"n": 0}


# --- its settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "exactly one of value, last_good and node, not none"),
        ({"value": {}, "last_good": 60}, "exactly one of value, last_good and node, not last_good and value"),
        ({"last_good": 60, "node": other}, "exactly one"),
        ({"value": 3}, "value=3 is no outputs"),
        ({"value": {1: 2}}, "is no outputs"),
        ({"last_good": 0}, "last_good=0 is not a number of seconds above 0"),
        ({"last_good": float("inf")}, "last_good=inf"),
        ({"node": "other"}, "node='other' is no node"),
        ({"value": {}, "key": "a"}, "comes with last_good only"),
        ({"last_good": 60, "key": "{{ 1 + }}"}, "key: "),
    ],
)
def test_bad_settings_are_refused_at_once(given, said):
    with pytest.raises(DefinitionError, match=said) as caught:
        Fallback(**given)
    assert str(caught.value).startswith("Fallback: ")


def test_it_is_a_frozen_definition():
    """1.1"""
    assert Fallback({"n": [1]}) == Fallback(value={"n": [1]}) == copy.copy(Fallback({"n": [1]}))
    assert Fallback({}) != Fallback(None)
    assert Fallback(node=other) == Fallback(node=other)
    assert repr(Fallback(last_good=60.0)) == "Fallback(last_good=60.0)"
    assert repr(Fallback({"n": 0})) == "Fallback(value={'n': 0})"


def test_the_key_of_a_fallback_is_judged():
    """12.2"""
    with pytest.raises(DefinitionError, match=r"policies of node fetch: Fallback: key: .*did you mean `params`"):
        around(Work(DONE), Fallback(last_good=60, key="{{ parms.host }}"), place=a_place())


# --- another node, in graphs


class Instead(Node):
    async def work(self, inputs: Any) -> dict[str, Any]:
        return {"instead": inputs["each"], "index": inputs["index"], "all": inputs["values"]}


def test_of_a_batch_the_other_node_is_given_the_item_and_its_index() -> None:
    """5.9, 8.4"""

    @node(batch=Batch(items="{{ inputs.values }}", as_="each"), policies=[Fallback(node=Instead())])
    async def fails() -> None:
        raise OSError

    output = run_virtual(Graph(fails, name="g").run({"values": [5, 6]})).output
    assert [dict(each) for each in output["results"]] == [
        {"instead": 5, "index": 0, "all": [5, 6]},
        {"instead": 6, "index": 1, "all": [5, 6]},
    ]


class Templated(Node):
    class Params(Params):
        text: str = ""

    async def work(self, params: Any) -> dict[str, Any]:
        return {"text": params.text}


@pytest.mark.parametrize("batch", [None, Batch(items=[1])])
def test_the_other_nodes_names_are_checked_when_the_graph_is_made(batch: Any) -> None:
    """12.2"""
    templated = Templated(id="careful", policies=[Fallback(node=Templated(text="{{ nope }}"))], batch=batch)
    with pytest.raises(GraphError, match=r"node templated.*there is no name `nope`") as caught:
        Graph(templated, name="g")
    assert [problem.node for problem in caught.value.problems] == ["careful"]
