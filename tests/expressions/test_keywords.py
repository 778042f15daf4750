"""The keyword form of conditions (rule 2.2), and the literals it is written with."""

from __future__ import annotations

import enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeloom.errors import ExpressionError, ExpressionLimit, ExpressionSyntaxError
from nodeloom.expressions import OPERATORS, from_keywords, literal, parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("mapping", "text"),
    [
        ({"status": "ok", "score__gt": 0.8}, "output.status == 'ok' and output.score > 0.8"),
        ({"n__ne": 1, "m__gte": 2}, "output.n != 1 and output.m >= 2"),
        ({"n__lt": 1, "m__lte": 2, "k__eq": None}, "output.n < 1 and output.m <= 2 and output.k == null"),
        ({"kind__in": ("a", "b")}, "output.kind in ['a', 'b']"),
        ({"kind__in": {"b", "a"}}, "output.kind in ['a', 'b']"),
        ({"hits__contains": "x"}, "'x' in output.hits"),
        ({"name__exists": True, "other__exists": False}, "output.name exists and not output.other exists"),
        ({"name__matches": r"^\d+$"}, r"output.name matches '^\\d+$'"),
        ({"user__age__gt": 3}, "output.user.age > 3"),
        ({"a-b": 1, "a.b__gt": 2, "ü": 3}, "output['a-b'] == 1 and output['a.b'] > 2 and output['ü'] == 3"),
        ({"in": 1}, "output.in == 1"),
        ({"x": Colour.RED}, "output.x == 'red'"),
        ({"x": {"a": [1]}}, "output.x == {'a': [1]}"),
    ],
)
def test_keywords_are_written_as_an_expression(mapping: dict[str, Any], text: str) -> None:
    assert from_keywords(mapping).text == text


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"score__above": 1}, "the operators are eq, ne, gt, gte, lt, lte, in, contains, exists, matches"),
        ({"score__get": 1}, "did you mean `gt"),
        ({"user__age": 1}, "no known operator"),
        ({"__gt": 1}, "names no field"),
        ({"a____gt": 1}, "names no field"),
        ({}, "at least one key"),
        ({1: 2}, "is a text"),
    ],
)
def test_an_unknown_operator_or_an_empty_field_is_a_syntax_error(mapping: Any, words: str) -> None:
    with pytest.raises(ExpressionSyntaxError) as caught:
        from_keywords(mapping)
    assert words in caught.value.reason


def test_an_unknown_operator_has_its_position_in_the_key() -> None:
    with pytest.raises(ExpressionSyntaxError) as caught:
        from_keywords({"score__above": 1})
    assert (caught.value.text, caught.value.position) == ("score__above", 7)


@pytest.mark.parametrize(
    "mapping",
    [
        {"x": object()},
        {"x": float("nan")},
        {"x": {1: 2}},
        {"x__in": "abc"},
        {"x__exists": 1},
        {"x__matches": 1},
        {"x": "\ud800"},
        {"x": b"a"},
        {"x__matches": "("},
    ],
)
def test_a_value_that_cannot_be_written_is_an_error_that_names_its_key(mapping: dict[str, Any]) -> None:
    with pytest.raises(ExpressionError) as caught:
        from_keywords(mapping)
    assert "x" in caught.value.text


def test_values_past_the_bounds_are_refused() -> None:
    nested: list[Any] = []
    for _ in range(100):
        nested = [nested]
    for value in (1 << 5_000, nested, "a" * 20_000):
        with pytest.raises(ExpressionLimit):
            from_keywords({"x": value})


@given(VALUES)
def test_a_literal_is_parsed_again_to_an_equal_value_of_the_same_type(value: Any) -> None:
    again = parse(literal(value)).evaluate({})
    assert again == value
    assert repr(again) == repr(value)


@given(
    st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda key: "__" not in key and key.strip("_")),
    VALUES,
)
def test_a_condition_by_keyword_holds_for_its_own_value_after_a_round_trip_through_text(key: str, value: Any) -> None:
    condition = parse(from_keywords({key: value}).text, ["output"])
    assert condition.test({"output": {key: value}}) is True
    assert condition.test({"output": {key: [value, "other"]}}) is False
    assert condition.test({"output": {}}) is False
    assert condition.paths[0].parts == ("output", key)


@given(st.integers(), st.integers(), st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]))
def test_an_operator_by_keyword_compares_as_python_does(actual: int, wanted: int, operator: str) -> None:
    expected = {
        "eq": actual == wanted,
        "ne": actual != wanted,
        "gt": actual > wanted,
        "gte": actual >= wanted,
        "lt": actual < wanted,
        "lte": actual <= wanted,
    }[operator]
    assert from_keywords({f"n__{operator}": wanted}).test({"output": {"n": actual}}) is expected


def test_a_literal_is_written_in_one_way() -> None:
    assert literal("it's a \\ \n") == r"'it\'s a \\ \n'"
    assert literal({"a": [None, True, -1.5, float("-inf")]}) == "{'a': [null, true, -1.5, float('-inf')]}"


def test_there_are_ten_operators() -> None:
    assert len(OPERATORS) == 10


def test_contains_exists_and_matches_ask_the_output() -> None:
    output = {"hits": ["x"], "name": "n1", "none": None}
    assert from_keywords({"hits__contains": "x", "name__matches": r"\d", "none__exists": True}).test({"output": output})
    assert not from_keywords({"none__exists": False}).test({"output": output})
    assert from_keywords({"gone__exists": False}).test({"output": output})
    assert not from_keywords({"gone__ne": 1}).test({"output": output})
