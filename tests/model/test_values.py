"""The mappings a node is handed (semantics 4.1, 4.8)."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeloom.errors import OutputError
from nodeloom.model.values import (
    EMPTY,
    Gathered,
    Lent,
    Values,
    freeze,
    handed,
    lend,
    merge,
    owned,
    sealed,
    writable,
)

CHANGES: dict[str, Any] = {
    "set": lambda x: x.__setitem__("a", 2),
    "delete": lambda x: x.__delitem__("a"),
    "attribute": lambda x: setattr(x, "a", 2),
    "delete attribute": lambda x: delattr(x, "a"),
    "update": lambda x: x.update(a=2),
    "pop": lambda x: x.pop("a"),
    "popitem": lambda x: x.popitem(),
    "setdefault": lambda x: x.setdefault("b", 2),
    "clear": lambda x: x.clear(),
    "or": lambda x: x.__ior__({"a": 2}),
}
READS: dict[str, Any] = {
    "item": lambda x: x["k"],
    "get": lambda x: x.get("k"),
    "attribute": lambda x: x.k,
    "items": lambda x: dict(x.items())["k"],
    "values": lambda x: next(iter(x.values())),
    "dict": lambda x: dict(x)["k"],
    "stars": lambda x: {**x}["k"],
    "union": lambda x: (x | {})["k"],
    "union from the right": lambda x: ({} | x)["k"],
    "method copy": lambda x: x.copy()["k"],
    "copy": lambda x: copy.copy(x)["k"],
    "deepcopy": lambda x: copy.deepcopy(x)["k"],
    "iteration": lambda x: next(x[key] for key in x),
}


def both_kinds() -> list[Any]:
    return [freeze({"a": 1, "k": [1]}), lend(freeze({"a": 1, "k": [1]}))]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_is_read_only_and_says_what_to_do(change: Any) -> None:
    """4.8."""
    for values in both_kinds():
        with pytest.raises(TypeError, match="read-only: return what you want to change"):
            change(values)
        assert values == {"a": 1, "k": [1]}


def test_keys_are_attributes() -> None:
    """4.1: `state["k"]` and `state.k` alike."""
    for values in both_kinds():
        assert values.a == values["a"] == 1


def test_a_key_that_is_not_there_names_the_nearest() -> None:
    """12.2."""
    with pytest.raises(AttributeError, match="no key 'scroe' here; did you mean 'score'"):
        _ = freeze({"score": 1}).scroe
    with pytest.raises(AttributeError, match="there are: score"):
        _ = freeze({"score": 1}).zzz
    with pytest.raises(AttributeError, match="it is empty"):
        _ = EMPTY.anything
    with pytest.raises(KeyError):
        _ = freeze({"score": 1})["other"]
    assert getattr(freeze({}), "x", 7) == 7


@pytest.mark.parametrize("name", ["items", "keys", "values", "get", "copy", "update", "pop"])
def test_a_key_wins_over_a_method(name: str) -> None:
    """4.1: however it came into the values."""
    plain = {name: 1, "k": [1]}
    merged = writable(freeze({"k": [1]}))
    merge(merged, {name: 1})
    grown = Values()
    merge(grown, plain)
    for values in (freeze(plain), lend(freeze(plain)), writable(freeze(plain)), merged, grown):
        assert getattr(values, name) == 1
        assert json.loads(json.dumps(values)) == plain
        assert json.loads(json.dumps(values, indent=1)) == plain


def test_it_is_a_dict_for_json_and_the_rest_of_the_world() -> None:
    """4.1."""
    for values in both_kinds():
        assert isinstance(values, dict)
        assert values == {"a": 1, "k": [1]}
        assert json.dumps(values) == '{"a": 1, "k": [1]}'
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(values)) == values
        assert msgspec.json.encode(values) == b'{"a":1,"k":[1]}'
        assert list(values) == ["a", "k"]
        assert len(values) == 2
        assert pickle.loads(pickle.dumps(values)) == values  # noqa: S301 - as a process pool does


def test_copies_are_plain_dicts_of_ones_own() -> None:
    """4.8: what a node does with its copy is its business."""
    for values in both_kinds():
        for mine in (values.copy(), copy.copy(values), copy.deepcopy(values), dict(values), {**values}):
            assert type(mine) is dict
            mine["a"] = 2
        assert values["a"] == 1


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_lent_containers_are_copied_when_first_read(read: Any) -> None:
    """4.8: whatever way they are read, and whatever kind of container they are."""
    for shared in ([1, [2]], {"a": [1]}, {1, 2}, ([1], 2), freeze({"a": [1]})):
        source = freeze({"k": shared})
        mine = lend(source)
        assert read(mine) == shared
        assert read(mine) is not source["k"]
        assert source["k"] is dict.__getitem__(source, "k")


def test_a_lent_container_is_copied_once_and_then_ones_own() -> None:
    """4.8."""
    mine = lend(freeze({"k": [1]}))
    mine["k"].append(2)
    assert mine["k"] is mine.k
    assert mine == {"k": [1, 2]}


def test_the_copy_goes_all_the_way_down() -> None:
    """4.8: to what nested mappings and lists hold."""
    source = freeze({"k": {"list": [{"deep": [1]}]}, "t": ([1],)})
    mine = lend(source)
    mine["k"]["list"][0]["deep"].append(2)
    assert source["k"] == {"list": [{"deep": [1]}]}
    assert owned(([1],)) == ([1],)


def test_other_objects_are_shared() -> None:
    """4.8: arrays, frames, models."""

    class Frame:
        pass

    frame = Frame()
    assert lend(freeze({"frame": frame, "k": [1]}))["frame"] is frame


def test_what_holds_no_container_is_not_copied_for_a_second_holder() -> None:
    """4.8."""
    values = freeze({"a": 1, "b": "text", "c": None})
    assert lend(values) is values


def test_what_is_lent_again_is_copied_again() -> None:
    """4.8: a fork inside a fork."""
    first = lend(freeze({"k": [1]}))
    second = lend(first)
    second["k"].append(2)
    first["k"].append(3)
    assert (first["k"], second["k"]) == ([1, 3], [1, 2])


def test_what_the_runtime_writes_is_no_longer_lent() -> None:
    """4.8: it is the writer's."""
    mine = lend(freeze({"k": [1]}))
    own = [2]
    merge(mine, {"k": own})
    assert mine["k"] is own


def test_a_view_in_an_output_is_a_snapshot() -> None:
    """1.2, 4.8: the view itself moves on with its run."""
    state = writable(freeze({"k": 1}))
    frozen = freeze({"before": state, "gathered": Gathered([1])})
    merge(state, {"k": 2})
    assert frozen["before"] == {"k": 1}
    assert type(frozen["gathered"]) is list


def test_what_holds_no_view_is_taken_as_it_is() -> None:
    """4.8: nothing is copied where the next node owns what it receives."""
    for mine in ([1, [2]], {"a": {"b": [1]}}, ([1],), [{"a": 1}] * 100):
        assert freeze({"k": mine})["k"] is mine


@pytest.mark.parametrize("key", [1, None, ("a",), b"a"], ids=repr)
def test_a_name_that_is_no_text_is_refused(key: Any) -> None:
    """1.7: names sort at a join, and are attributes; below the top, keys are the author's."""
    with pytest.raises(OutputError, match=r"names of inputs and outputs are texts, not .*\("):
        freeze({"a": 1, key: 2})
    assert freeze({"a": {key: 2}})["a"] == {key: 2}


def test_a_copy_keeps_what_is_one_thing_one_thing() -> None:
    """4.8: copied each time it is met, a value that shares what it holds would grow without end."""
    inner: list[Any] = [1]
    for _ in range(60):
        inner = [inner, inner]
    own = owned({"a": inner, "b": (inner, inner)})
    assert own["a"] is own["b"][0] is own["b"][1]
    assert own["a"] is not inner
    loop: dict[str, Any] = {"list": []}
    loop["list"].append((loop,))
    own = owned(loop)
    assert own["list"][0][0] is own


def test_what_a_caller_hands_over_stays_its_own() -> None:
    """4.8."""
    given: dict[str, Any] = {"n": 1, "list": [[1]], "deep": {"set": {1}}, "pair": ([1],), "frozen": freeze({"l": [1]})}
    kept = copy.deepcopy(given)
    mine = handed(given)
    mine["list"][0].append(2)
    mine["deep"]["set"].add(2)
    mine["pair"][0].append(2)
    mine["frozen"]["l"].append(2)
    assert given == kept
    assert type(mine) is Values


def test_what_is_sealed_cannot_be_changed_anywhere() -> None:
    """1.1: as the metadata of an edge."""
    given: dict[str, Any] = {"list": [{"a": [1]}], "set": {1}, "items": 3}
    own = sealed(given)
    given["list"].append(2)
    assert own == {"list": ({"a": (1,)},), "set": {1}, "items": 3}
    assert own.items == 3
    with pytest.raises(TypeError):
        own["list"][0]["b"] = 1
    assert json.loads(json.dumps({**own, "set": None}))["list"] == [{"a": [1]}]


KEYS = st.sampled_from(["a", "items", "keys", "__class__", "x y", ""])
PLAIN = st.recursive(
    st.integers() | st.text(max_size=3) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, PLAIN, max_size=4))
def test_whatever_the_keys_it_reads_as_the_dict_it_is(plain: dict[str, Any]) -> None:
    """4.1, 4.8."""
    for values in (freeze(plain), lend(freeze(plain)), writable(freeze(plain))):
        assert isinstance(values, Values)
        assert dict(values) == plain
        assert {**values} == plain
        assert json.loads(json.dumps(values)) == plain
        assert {key: values[key] for key in values} == plain
        assert type(values) is Lent or dict.__eq__(values, plain)
