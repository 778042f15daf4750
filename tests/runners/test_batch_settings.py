"""What a batch may be told, and what it is refused (8.1)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from nodeloom import Batch, DefinitionError, Graph, GraphError, Node, Params, Retry, Timeout, node


@node
async def echo(inputs):
    return inputs


@pytest.mark.parametrize(
    ("settings", "at_once"),
    [
        ({}, 1),
        ({"parallel": False}, 1),
        ({"parallel": True}, 10),
        ({"parallel": True, "max_concurrent": 20}, 20),
        ({"max_concurrent": 20}, 20),
        ({"max_concurrent": 1}, 1),
        ({"parallel": True, "max_concurrent": 1}, 1),
        ({"parallel": False, "max_concurrent": 10}, 1),
        ({"max_concurrent": 10_000}, 10_000),
    ],
)
def test_how_many_run_at_once(settings: dict[str, Any], at_once: int) -> None:
    """8.1: `parallel=False` is the same as `max_concurrent=1`; 10 is what `parallel` alone means."""
    batch = Batch(items=[1], **settings)
    assert batch.at_once == at_once
    assert dataclasses.replace(batch, items=[2]).at_once == at_once


def test_the_defaults_are_those_of_the_rule() -> None:
    """8.1."""
    batch = Batch(items="{{ inputs.files }}")
    assert (batch.as_, batch.parallel, batch.max_concurrent) == ("item", False, 10)
    assert (batch.max_retries, batch.retry_wait, batch.item_timeout) == (1, 0, None)
    assert (batch.error_handling, batch.reduce) == ("fail_fast", None)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"items": None}, "it needs items"),
        ({"items": "files"}, "items='files' is a text; give an expression"),
        ({"items": "{{ a }} and {{ b }"}, "is a text; give an expression"),
        ({"items": "{{ a + }}"}, "at character"),
        ({"items": {"a": 1}}, "items is a mapping; give a list"),
        ({"items": b"ab"}, "items is bytes; give a list"),
        ({"items": 3}, "items=3 cannot be iterated"),
        ({"items": list}, "cannot be iterated"),
        ({"as_": "inputs"}, "as='inputs' would shadow the name 'inputs'"),
        ({"as_": "index"}, "would shadow the name 'index'"),
        ({"as_": "params"}, "would shadow"),
        ({"as_": "len"}, "would shadow the function of that name"),
        ({"as_": "not"}, "as='not' is no name"),
        ({"as_": "a-b"}, "as='a-b' is no name"),
        ({"as_": ""}, "is no name"),
        ({"parallel": 1}, "parallel=1 is neither true nor false"),
        ({"parallel": False, "max_concurrent": 20}, "parallel is false, which is one item at a time, but"),
        ({"max_concurrent": 0}, "max_concurrent=0 is not a whole number from 1 to 10,000"),
        ({"max_concurrent": 10_001}, "from 1 to 10,000"),
        ({"max_concurrent": True}, "max_concurrent=True"),
        ({"max_retries": 0}, "max_retries=0 is not a whole number from 1 to 10"),
        ({"max_retries": 11}, "from 1 to 10"),
        ({"retry_wait": -1}, "retry_wait=-1 is not a number of seconds from 0"),
        ({"retry_wait": float("nan")}, "retry_wait=nan"),
        ({"item_timeout": 0}, "item_timeout=0 is not a number of seconds above 0"),
        ({"error_handling": "stop"}, "error_handling='stop' is neither 'fail_fast' nor 'continue'"),
        ({"error_handling": None}, "error_handling=None"),
        ({"reduce": 3}, "reduce=3 is no function of the slots"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_written(settings: dict[str, Any], problem: str) -> None:
    """8.1."""
    with pytest.raises(DefinitionError) as caught:
        Batch(**{"items": [1], **settings})
    assert problem in str(caught.value)


def test_every_problem_is_told_at_once_and_unknown_settings_are_problems() -> None:
    """8.1."""
    with pytest.raises(DefinitionError) as caught:
        Batch.of({"items": [1], "max_retries": 0, "as": "state", "max_concurent": 3})
    message = str(caught.value)
    assert "max_retries=0" in message
    assert "as='state'" in message
    assert "there is no setting 'max_concurent'; did you mean `max_concurrent`?" in message


@pytest.mark.parametrize(
    ("batch", "policy", "problem"),
    [
        ({"max_retries": 3}, Retry(2), "are a Retry, and there is Retry("),
        ({"item_timeout": 1.0}, Timeout(2), "is a Timeout, and there is Timeout("),
    ],
)
def test_what_a_policy_says_too_is_refused(batch: dict[str, Any], policy: Any, problem: str) -> None:
    """8.1: `max_retries`, `retry_wait`, `item_timeout` are spellings of Retry and Timeout; giving both is refused."""
    with pytest.raises(DefinitionError, match="keep one") as caught:
        echo.copy(id="both", batch=Batch(items=[1], **batch), policies=[policy])
    assert problem in str(caught.value)


async def test_a_call_of_map_that_says_what_a_policy_says_is_refused() -> None:
    """8.1."""
    with pytest.raises(DefinitionError, match="are a Retry"):
        await echo.copy(policies=[Retry(2)]).map([1], max_retries=3)


async def test_map_refuses_what_it_does_not_know() -> None:
    """8.1."""
    settings: Any = {"max_paralel": 3}
    with pytest.raises(DefinitionError, match="there is no setting 'max_paralel'"):
        await echo.map([1], **settings)
    settings = {"reduce": len}
    with pytest.raises(DefinitionError, match="it takes no reduce"):
        await echo.map([1], **settings)


def test_a_batch_is_a_setting_of_a_class_and_of_a_function_too() -> None:
    """8.1: on any node."""

    class Resize(Node):
        batch = Batch(items=[1])

        async def work(self):
            return {}

    @node(batch={"items": [1, 2], "as": "file"})
    async def resize():
        return {}

    assert Resize().batch == Batch(items=[1])
    assert Resize(batch=Batch(items=[2])).batch == Batch(items=[2])
    assert resize.batch == Batch(items=[1, 2], as_="file")
    with pytest.raises(DefinitionError, match="give a Batch"):
        echo.copy(batch=[1, 2])


def test_the_names_in_a_graph_are_checked() -> None:
    """12.1, 12.2: `item` (or its alias) and `index` in a batch, and nowhere else; `items` cannot use them."""

    class Show(Node):
        class Params(Params):
            text: str = ""

        async def work(self, params):
            return {"text": params.text}

    Graph(Show(text="{{ file.name }} {{ index }}", batch=Batch(items=[1], as_="file")))
    with pytest.raises(GraphError, match="there is no name `item`"):
        Graph(Show(text="{{ item }}", batch=Batch(items=[1], as_="file")))
    with pytest.raises(GraphError, match="there is no name `index`"):
        Graph(Show(text="{{ index }}"))
    with pytest.raises(GraphError, match=r"batch\.items.*there is no name `item`"):
        Graph(Show(batch=Batch(items="{{ item.parts }}")))
    with pytest.raises(GraphError, match="no node has the id 'scn'"):
        Graph(Show(batch=Batch(items="{{ outputs.scn.files }}")))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"items": [1], "retry_wait": 1.0}, "retry_wait comes with max_retries"),
        ({"items": "{{ 3 }}"}, "is always 3, which is no list"),
        ({"items": "{{ 'abc' }}"}, "is always 'abc'"),
        ({"items": "{{ inputs.a }}{{ inputs.b }}"}, "are several expressions, which make a text"),
    ],
)
def test_settings_that_can_never_work_are_refused(settings: Any, said: str) -> None:
    """8.1"""
    with pytest.raises(DefinitionError, match=said):
        Batch(**settings)


def test_a_map_may_make_one_attempt_where_the_node_makes_several() -> None:
    batch = Batch(items=[1], max_retries=3, retry_wait=1.0)
    assert batch.mapped({"max_retries": 1}).retry_wait == 0
    assert Batch(items="{{ [1, 2] }}").items == "{{ [1, 2] }}"
