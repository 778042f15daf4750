"""Params, inputs, outputs and state keys with the names of methods of mappings and of models."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

import pydantic
import pytest

from nodeloom import (
    Batch,
    Batching,
    Concurrency,
    DefinitionError,
    Engine,
    Fallback,
    Field,
    Graph,
    Idempotency,
    Node,
    Params,
    RateLimit,
    Registry,
    Retry,
    Secret,
    append,
    node,
)
from nodeloom.executors.parcel import plain_params
from nodeloom.forms.secret_places import secrets_in, with_secrets
from nodeloom.library.tables import as_table
from nodeloom.library.template import plain
from nodeloom.library.texts import ContentError, as_json
from nodeloom.model.masks import Masks
from nodeloom.model.reducers import messages
from nodeloom.model.values import freeze, sealed

OF_MAPPINGS = sorted(name for name in dir(dict) if not name.startswith("_"))
OF_MODELS = ["dict", "json", "model_copy", "model_dump", "schema"]
NAMES = [*OF_MAPPINGS, *OF_MODELS]
every_name = pytest.mark.parametrize("name", NAMES)
called: list[Any] = []


@pytest.fixture(autouse=True)
def _none_called_yet():
    called.clear()


def params_named(name: str, kind: Any = list, default: Any = ..., **fields: Any) -> Any:
    """A model of params with a field of that name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic says that the field hides a method, which is what is tried here
        make: Any = pydantic.create_model
        return make("Named", __base__=Params, **{name: (kind, default)}, **fields)


class Echo(Node):
    """Gives its param, and how often it was called."""

    abstract = True
    isolation = "inline"
    name = ""

    def work(self, params: Any) -> Any:
        called.append(params)
        return {self.name: getattr(params, self.name), "calls": len(called)}

    def work_batch(self, items: Any, params: Any) -> Any:
        called.append(params)
        return [{self.name: getattr(params, self.name)} for _ in items]


def echo_of(name: str, model: Any = None, given: Any = None, **settings: Any) -> Node:
    """A node with a param of that name."""
    body = {"Params": model or params_named(name), "identifier": "tests.echo", "name": name, "abstract": False}
    make: Any = type(Echo)
    kind = make("EchoOf", (Echo,), body)
    return kind(params={name: ["{{ inputs.of }}"], **(given or {})}, id="echo", **settings)


@every_name
async def test_a_param_under_every_policy(name):
    own, other = "{{ params." + name + " }}", "{{ params." + name + " }} {{ outputs }}"
    limits = [RateLimit(100, burst=9, key=own), Concurrency(2, key=other)]
    echo = echo_of(name, policies=[Idempotency(), Retry(2), *limits, Fallback(last_good=60.0, key=own)])
    graph = Graph.alone(echo)
    async with Engine() as engine:
        first, again, other = [(await engine.run(graph, {"of": of})).outputs["echo"] for of in (1, 1, 2)]
    assert first == again == {name: [1], "calls": 1}
    assert other == {name: [2], "calls": 2}


@every_name
def test_a_param_where_calls_are_gathered(name):
    echo = echo_of(name, policies=[Batching(size=2)], batch=Batch(items="{{ inputs.many }}", parallel=True))
    assert echo.run_sync({"many": [1, 2], "of": 1})["results"] == [{name: [1]}] * 2
    assert len(called) == 1


@every_name
def test_a_param_in_conditions(name):
    @node(isolation="inline")
    def end():
        return {"end": 1}

    for condition in (f"params.{name} == [1]", f"output.{name} == [1]"):
        echo, last = echo_of(name), end.copy(id="last")
        echo.on(condition) >> last
        assert Graph(echo, name="g").run_sync({"of": 1}).output == {"end": 1}
    echo, last = echo_of(name), end.copy(id="last")
    echo.on(**{name: [1]}) >> last
    assert Graph(echo, name="g").run_sync({"of": 1}).output == {"end": 1}


@every_name
@pytest.mark.parametrize("given", [{}, {"of": "{{ inputs.of }}"}])
def test_a_param_that_is_a_secret(name, given, monkeypatch):
    monkeypatch.setenv("NODELOOM_SECRET_TOKEN", "long-enough-to-be-one")
    echo = echo_of(name, params_named(name, Secret, of=(int, 0)), {name: Secret("token"), **given}, policies=[Retry(2)])
    echo.run_sync({"of": 1})
    assert getattr(called[0], name).reveal() == "long-enough-to-be-one"


@every_name
def test_a_param_that_a_model_of_ones_own_allows(name):
    class Anything(Params):
        model_config = pydantic.ConfigDict(extra="allow")

    class Any_(Node):
        isolation = "inline"
        Params = Anything

        def work(self, params):
            return {name: params.model_extra[name]}

    key = "{{ params." + name + " }}"
    policies = [Idempotency(), RateLimit(100, key=key), Fallback(last_good=1.0, key=key)]
    assert Any_(params={name: [1]}, policies=policies).run_sync() == {name: [1]}


@pytest.mark.parametrize("name", ["model_extra", "model_fields_set"])
def test_what_pydantic_keeps_for_itself_is_refused(name):
    with pytest.raises(DefinitionError, match=f"Named has a field '{name}', which pydantic keeps for its own"):
        params_named(name)


@every_name
async def test_a_field_of_a_form(name):
    asks: dict[str, Any] = {}
    exec(f"def towns({name}): return ['x' + {name}]\ndef made({name}): return 'm' + {name}", asks)  # noqa: S102
    others = {
        "town": (str, Field("", options=asks["towns"])),
        "made": (str, Field("", derived=asks["made"])),
        "seen": (str, Field("", visible_when=f"{name} == 'q'")),
    }
    given = {name: "q", "town": "xq"}
    echo = echo_of(name, params_named(name, str, "a", **others), given)
    kind = type(echo)
    assert {field["name"] for field in kind.schema()["fields"]} == {name, *others}
    offered = await kind.get_dependent_options("town", freeze({name: "q"}))
    assert [option.value for option in offered or ()] == ["xq"]
    assert await kind.check(freeze(given)) == []
    assert (await echo())[name] == "q"
    assert called[0].made == "mq"
    registry = Registry()
    registry.register(kind)
    document = Graph(echo, name="g").to_document()
    assert (await Graph.from_document(document, registry=registry).run()).output[name] == "q"


@every_name
async def test_objects_of_a_form_within_a_form(name):
    inner = params_named(name, str, "", made=(str, Field("", derived=_made)))
    rows: Any = list
    outer = params_named("inner", inner, rows=(rows[inner], []))
    one = {name: "a"}
    echo = echo_of("inner", outer, {"inner": "{{ inputs.one }}", "rows": ["{{ inputs.one }}"]})
    await echo({"one": one})
    assert [(each.made, getattr(each, name)) for each in (called[0].inner, *called[0].rows)] == [("made", "a")] * 2


def _made() -> str:
    return "made"


@every_name
def test_inputs_and_outputs_under_policies_and_in_templates(name):
    class Give(Node):
        isolation = "inline"

        def work_batch(self, items):
            return [{name: item[name]} for item in items]

        def work(self, inputs):
            return {name: inputs[name]}

    class Last(Node):
        isolation = "inline"

        class Params(Params):
            text: str
            whole: dict[str, Any]

        def work(self, params, state, inputs):
            return {"seen": [state[name], inputs[name], getattr(state, name)], **dict(params)}

    text = "{{ state." + name + " }} {{ outputs.give." + name + " }} {{ inputs." + name + " }}"
    policies = [Idempotency(key="{{ inputs." + name + " }}"), Batching(size=1), Fallback(value={name: 1})]
    give, last = (
        Give(id="give", policies=policies),
        Last(id="last", text=text, whole="{{ inputs }}", policies=[Idempotency()]),
    )
    give.on(f"state.{name} == [1] and outputs.give.{name} == [1] and inputs.{name} == [1]") >> last
    output = Graph(give, name="g").run_sync({name: [1]}).output
    assert output == {"seen": [[1]] * 3, "text": "[1] [1] [1]", "whole": {name: [1]}}


@every_name
@pytest.mark.parametrize("declared", [False, True])
def test_a_key_of_the_state_over_branches(name, declared):
    def giving(id, value):
        return node(id=id, isolation="inline")(lambda inputs: {name: value, id: 1})

    a, b, c = giving("a", [1]), giving("b", [2]), giving("c", [3])
    d = node(id="d", isolation="inline")(lambda inputs, state: {"seen": state[name], "of": inputs[name]})
    a >> [b, c]
    [b, c] >> d
    made: Any = TypedDict
    state = made("State", {name: Annotated[list, append]}, total=False) if declared else None
    result = Graph(a, name="g", state=state).run_sync({name: [0]})
    assert result.output["seen"] == result.state[name] == ([0, [1], [2], [3]] if declared else [3])


@every_name
async def test_in_a_batch(name):
    give = node(id="give", isolation="inline")(lambda inputs: {name: inputs[name]})
    model = params_named(name, int)
    batch = await give.map([{name: 1}, freeze({name: 2}), model(**{name: 3})])
    assert batch.results == [{name: 1}, {name: 2}, {name: 3}]
    item = "{{ item." + name + " }}"
    echo = echo_of(name, given={name: [item]}, batch=Batch(items="{{ inputs.all }}"), policies=[Idempotency()])
    assert [each[name] for each in (await echo({"all": [{name: 1}, {name: 2}]}))["results"]] == [[1], [2]]


@every_name
async def test_the_inputs_a_graph_declares(name):
    give = node(id="give", isolation="inline")(lambda inputs: {"given": inputs[name]})
    for declared in (params_named(name, int), {name: "integer"}):
        graph = Graph(give.copy(), name="g", inputs=declared, state={name: "integer"})
        for inputs in ({name: 1}, freeze({name: 1})):
            assert (await graph.run(inputs)).output == {"given": 1}


@every_name
async def test_a_run_that_is_started_again_with_other_inputs(name):
    give = node(id="give", isolation="inline")(lambda inputs: {"given": inputs[name]})
    graph = Graph(give, name="g")
    async with Engine() as engine:
        await engine.start(graph, freeze({name: 1}), run_id="r")
        await engine.start(graph, freeze({name: 1}), run_id="r")
        with pytest.raises(Exception, match=name):
            await engine.start(graph, freeze({name: 2}), run_id="r")


@every_name
def test_where_values_are_walked_through(name):
    value = freeze({name: Secret("token")})
    assert [each.name for each in secrets_in(value)] == ["token"]
    assert with_secrets(value, lambda secret: Secret("other")) == {name: Secret("other")}
    assert plain_params(freeze({"of": freeze({name: 1})})) == {"of": {name: 1}}
    masks = Masks()
    masks.remember("token", "long-enough-to-be-one")
    model = params_named(name, str)(**{name: "long-enough-to-be-one"})
    assert getattr(masks.data(model), name) == "[secret token]"
    assert sealed({"of": value}) == {"of": value}


@every_name
def test_what_the_library_writes(name):
    assert as_table([freeze({name: 1})], "rows", None, ",", header=True).split() == [name, "1"]
    assert as_json(freeze({name: 1}), "value") == f'{{"{name}": 1}}'
    with pytest.raises(ContentError, match=rf"value\.{name} is a object"):
        as_json(freeze({name: object()}), "value")
    assert plain(freeze({name: 1}), "of") == {name: 1}


@every_name
def test_messages(name):
    one: Mapping[str, Any] = freeze({"id": "m", name: 1})
    assert messages(messages([], one), freeze({"id": "m", name: 2})) == [{"id": "m", name: 2}]
