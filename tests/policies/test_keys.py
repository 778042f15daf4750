"""Keys: what state of policies is shared under."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ConfigDict
from tests.policies.surroundings import NAMES, Work, a_place, a_step, around

from nodeloom import Params
from nodeloom.errors import DefinitionError, PolicyError
from nodeloom.policies import CircuitBreaker, Concurrency, Idempotency, RateLimit, Retry
from nodeloom.policies.keys import Key
from nodeloom.testing import run_virtual


def test_a_text_is_a_constant_key():
    key = Key("gpu")
    assert key.constant == "gpu"
    assert key.of(None) == "gpu"  # type: ignore[arg-type]  # without a look at the step


def test_a_text_of_escapes_alone_is_constant_too():
    assert Key("{{{{ gpu }}}}").constant == "{{ gpu }}"
    assert Key("a{{ 1 + 1 }}").constant == "a2"


def test_a_template_is_filled_in_for_each_step():
    """5.6"""
    key = Key("{{ params.host }}")
    assert key.constant is None
    assert key.of(a_step(params={"host": "a.example"})) == "a.example"
    assert key.of(a_step(params={"host": "b.example"})) == "b.example"


def test_it_uses_params_inputs_state_outputs_and_run():
    """12.1"""
    step = a_step(params={"a": 1}, inputs={"b": 2}, state={"c": 3})
    assert Key("{{ params.a }}-{{ inputs.b }}-{{ state.c }}").of(step) == "1-2-3"
    assert Key("{{ run.id }}/{{ params.a }}/{{ outputs.x ?? 0 }}").of(step) == "run-1/1/0"


def test_params_may_be_a_model():
    """12.1"""

    class Strict(Params):
        host: str = "a"

    class Open(Params):
        model_config = ConfigDict(extra="allow")

    key = Key("{{ params.host }}")
    assert key.of(a_step(params=Strict(host="b"))) == "b"
    assert key.of(a_step(params=Open.model_validate({"host": "c"}))) == "c"
    with pytest.raises(PolicyError, match="`params` has no `host`"):
        key.of(a_step(params=Open()))
    with pytest.raises(PolicyError, match="it is empty"):
        key.of(a_step())


def test_it_uses_the_item_of_a_batch():
    """12.1"""
    step = a_step(names={"item": {"host": "c.example"}, "index": 4})
    assert Key("{{ item.host }}:{{ index }}").of(step) == "c.example:4"


@pytest.mark.parametrize(
    ("value", "text"), [(7, "7"), (True, "true"), (0.5, "0.5"), (["a", 1], '["a", 1]'), ("", ""), (0, "0")]
)
def test_a_value_that_is_no_text_is_written_as_json(value, text):
    assert Key("{{ params.id }}").of(a_step(params={"id": value})) == text
    assert Key(lambda ctx: value).of(a_step()) == text


def test_a_function_of_the_context_is_a_key():
    """5.7"""
    key = Key(lambda ctx: ctx.inputs["order"])
    assert key.constant is None
    assert key.of(a_step(inputs={"order": "A-1"})) == "A-1"


def test_without_a_key_the_place_is_the_key():
    assert Key(None).at(a_place()).constant == "web/fetch"
    assert Key(None).of(a_step()) == "web/fetch"
    assert Key("gpu").at(a_place()).constant == "gpu"


def test_a_null_is_no_key():
    """Else all the steps that have no value would be taken for one."""
    with pytest.raises(PolicyError, match=r"Idempotency of node fetch: key: .*null"):
        Key("{{ inputs.order }}", "Idempotency").of(a_step(inputs={"order": None}))


def test_a_missing_name_names_policy_node_and_the_nearest():
    """12.2"""
    with pytest.raises(PolicyError, match=r"RateLimit of node fetch: key: .*did you mean `host`") as caught:
        Key("{{ params.hots }}", "RateLimit").of(a_step(params={"host": "a"}))
    assert caught.value.__cause__ is not None


def test_a_function_that_fails_names_policy_and_node():
    with pytest.raises(PolicyError, match="RateLimit of node fetch: key: KeyError: 'order'"):
        Key(lambda ctx: dict(ctx.inputs)["order"], "RateLimit").of(a_step())


def test_a_value_without_a_text_is_refused():
    with pytest.raises(PolicyError, match="of node fetch: key: a value of type object cannot be written as JSON"):
        Key(lambda ctx: object()).of(a_step())


def test_an_expression_that_cannot_be_parsed_is_refused_at_once():
    with pytest.raises(DefinitionError, match=r"RateLimit: key: .*character 8"):
        Key("{{ 1 + }}", "RateLimit")


@pytest.mark.parametrize("given", [3, ["a"], b"gpu"])
def test_what_can_be_no_key_is_refused_at_once(given):
    with pytest.raises(DefinitionError, match="a key is a text"):
        Key(given)


def test_an_async_function_is_refused_at_once():
    async def ask(ctx):
        return "a"

    with pytest.raises(DefinitionError, match="must not be async"):
        Key(ask)


def test_unknown_names_are_problems_with_their_position_and_the_nearest():
    """2.3"""
    (problem,) = Key("a {{ parms.host }}").problems(NAMES)
    assert "key: there is no name `parms`" in problem
    assert "did you mean `params`" in problem
    assert "at character 6" in problem
    assert Key("{{ params.host }}").problems(NAMES) == []
    assert Key("{{ item }}").problems(NAMES | {"item"}) == []
    assert Key(lambda ctx: "a").problems(frozenset()) == []


def test_unknown_params_are_problems_where_they_are_known():
    """12.2"""
    names = {*NAMES, "params.host", "params.port"}
    (problem,) = Key("a {{ params.hots }}").problems(names)
    assert "key: `params` has no `hots`; it has host, port; did you mean `host`? (at character 6)" in problem
    assert Key("{{ params.host }}{{ params.x ?? 1 }}{{ inputs.hots }}{{ params }}").problems(names) == []
    assert "the names are inputs, outputs, params, run, state;" in Key("{{ para }}").problems(names)[0]


def test_every_unknown_name_is_told_at_once():
    assert len(Key("{{ a }}{{ b }}").problems(NAMES)) == 2


@pytest.mark.parametrize("make", [RateLimit, Concurrency])
def test_an_empty_key_is_refused(make: Any) -> None:
    """5.5 to 5.7: it would be everybody's."""
    with pytest.raises(DefinitionError, match="key='': it is empty"):
        make(1, key="")
    with pytest.raises(DefinitionError, match="key='': it is empty"):
        Idempotency(key="")


def test_a_key_that_comes_out_empty_fails_the_step() -> None:
    """5.7"""
    handle = around(Work({}), Idempotency(key="{{ inputs.order }}"))
    with pytest.raises(PolicyError, match="Idempotency of node fetch: key: it is empty"):
        run_virtual(handle(a_step(inputs={"order": ""})))


def test_policies_about_no_error_are_refused() -> None:
    """5.3, 5.5"""
    for make in (lambda: Retry(retry_on=()), lambda: CircuitBreaker(counts=[])):
        with pytest.raises(DefinitionError, match="it names no error"):
            make()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ 1/0 }}", "division by zero"),
        ("gpu-{{ 'a' * 100000000 }}", "more than 1,000,000 characters"),
        ("{{ null }}", "it is null"),
        ("{{ [1][3] }}", r"a list of 1, and has no `\[3\]`"),
        ("{{ 1e308 * 10 }}", "cannot be written as JSON"),
    ],
)
def test_a_constant_that_is_no_key_is_refused_where_it_is_written(text: str, reason: str):
    with pytest.raises(DefinitionError, match=f"(?s)RateLimit: key=.* is never a key: .*{reason}"):
        RateLimit(10, per=1, key=text)
