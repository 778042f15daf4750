"""What nodes returned is kept as it is, and made read-only for whoever looks (decision 0018)."""

import copy
import json
import pickle

import msgspec
import pytest
from msgspec.structs import asdict

from nodeloom import Graph, node
from nodeloom.model.values import Lent, Returned, Values, as_values, freeze, kept, looked_at, merge


@node
async def count(state):
    return {"n": state.get("n", 0) + 1, "deep": {"list": [1]}}


@node
async def look(inputs, ctx):
    outputs = ctx.outputs
    with pytest.raises(TypeError):
        inputs["n"] = 5
    with pytest.raises(TypeError):
        outputs["count"]["n"] = 5
    return {"saw": inputs.n, "of": outputs.count.n, "same": dict(inputs) == dict(outputs.count)}


@pytest.mark.parametrize("given", [{}, {"a": 1}, {"a": [1], "b": {"c": 2}}, {"items": 1}, {"a": Values(b=1)}])
def test_what_is_kept_equals_what_freeze_gives(given):
    found = as_values(kept(given))
    assert found == freeze(given)
    assert type(found) is type(freeze(given))
    assert {key: type(value) for key, value in dict.items(found)} == {
        key: type(value) for key, value in dict.items(freeze(given))
    }


def test_what_is_kept_is_a_copy():
    given = {"a": 1}
    held = kept(given)
    given["a"] = 2
    assert held == {"a": 1}


async def test_inputs_and_outputs_of_plain_steps_are_values_for_who_looks():
    first, second = count.copy(id="count"), look.copy(id="look")
    first >> second
    result = await Graph(first, name="kept").run({})
    assert result.outputs["look"] == {"saw": 1, "of": 1, "same": True}
    assert all(isinstance(each, Values) for each in result.outputs.values())
    assert result.outputs.count.n == 1
    with pytest.raises(TypeError):
        result.outputs.count["n"] = 2
    assert result.outputs is result.outputs


async def test_a_node_that_keeps_its_dict_changes_nothing_that_it_returned():
    held = {"n": 1}

    @node
    async def hold(state):
        return held

    @node
    async def change(state):
        held["n"] = 99
        return {}

    first, second = hold.copy(id="hold"), change.copy(id="change")
    first >> second
    result = await Graph(first, name="held").run({})
    assert (result.outputs.hold.n, result.state.n) == (1, 1)


async def test_a_node_may_be_called_as_a_method_of_dict_is():
    result = await Graph(count.copy(id="items"), name="shadow").run({})
    assert result.outputs["items"].n == 1
    assert result.outputs.items.n == 1  # type: ignore[attr-defined]


async def test_a_result_shows_and_travels_as_if_it_had_been_looked_at():
    result = await Graph(count.copy(id="count"), name="told").run({})
    assert "outputs={'count': {'n': 1" in repr(result)
    assert asdict(result)["outputs"] == {"count": {"n": 1, "deep": {"list": [1]}}}
    assert isinstance(pickle.loads(pickle.dumps(result)).outputs.count, Values)  # noqa: S301
    assert copy.copy(result).outputs.count.n == 1
    assert (await Graph(count.copy(id="count"), name="told").run({})).outputs == result.outputs


@pytest.mark.parametrize(
    "look",
    [
        lambda outputs: outputs["a"],
        lambda outputs: outputs.a,
        lambda outputs: outputs.get("a"),
        lambda outputs: next(iter(outputs.values())),
        lambda outputs: next(iter(outputs.items()))[1],
        lambda outputs: {**outputs}["a"],
        lambda outputs: dict(outputs)["a"],
        lambda outputs: outputs.copy()["a"],
        lambda outputs: copy.copy(outputs)["a"],
        lambda outputs: (outputs | {})["a"],
        lambda outputs: ({} | outputs)["a"],
        lambda outputs: next(outputs[name] for name in outputs),
        lambda outputs: pickle.loads(pickle.dumps(outputs))["a"],  # noqa: S301
        lambda outputs: dict(**outputs)["a"],
    ],
)
def test_whoever_looks_gets_values(look):
    returned = Returned()
    merge(returned, {"a": {"n": 1}})
    assert type(look(returned)) is Values


@pytest.mark.parametrize("write", [json.dumps, repr, msgspec.to_builtins, lambda outputs: outputs == {"a": {"n": 1}}])
def test_it_is_written_as_what_it_is(write):
    returned, plain = Returned(), {"a": {"n": 1}}
    merge(returned, {"a": {"n": 1}})
    assert write(returned) == write(plain)


def test_looking_leaves_alone_what_is_looked_at_already():
    returned = Returned()
    merge(returned, {"a": {"n": 1}, "b": Values(n=2), "c": Lent(n=3)})
    found = looked_at(returned)
    assert found is returned is looked_at(found)
    assert [type(each) for each in found.values()] == [Values, Values, Lent]
    assert type(found) is Values
