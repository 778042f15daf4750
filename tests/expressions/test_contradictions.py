"""Conditions that can never hold are named, and no other (rule 12.2: known before a run)."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeloom.errors import ExpressionError
from nodeloom.expressions import never_holds, parse


@pytest.mark.parametrize(
    "text",
    [
        "false",
        "0",
        "null",
        "1 > 2",
        "'a' == 1",
        "first([])",
        "1 < 'a'",
        "x and false",
        "x and 1 > 2",
        "x == 1 and x == 2",
        "x == 1 and x != 1",
        "x > 5 and x < 3",
        "x > 5 and x <= 5",
        "x < 3 and 5 < x",
        "x == 'a' and x in ['b']",
        "x in ['a'] and x in ['b', 'c']",
        "x in []",
        "1 < x < 1",
        "x == 1 and x == '1'",
        "x.a['b'] == 1 and y and x.a.b == 2",
        "(x == 1 and y) and x == 2",
        "x == 1 and x > 3",
        "x == 'a' and x > 3",
        "x > 'b' and x < 'a'",
        "(x == 1 and x == 2) or 1 > 2",
        "x == null and x == false",
        "2 == x and x == 3",
    ],
)
def test_a_condition_that_can_never_hold_has_a_reason(text: str) -> None:
    assert never_holds(parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "x",
        "x == 1",
        "not x == 1",
        "x == 1 or x == 2",
        "x > 5 and x < 6",
        "x >= 5 and x <= 5",
        "1 < x < 2",
        "x == 1 and x == 1.0",
        "x == true and x == 1",
        "x == 0 and x == false",
        "x == 1 and y == 2",
        "x in [1, 2]",
        "x in [1, 2] and x == 2",
        "x == 1 and not x == 2",
        "x[0] == 1 and x[1] == 2",
        "x[y] == 1 and x[y] == 2",
        "x > 5 and x < 'a'",
        "x == [1] and x == [1]",
        "x != 1 and x != 2",
        "x > 1 and y < 0",
        "x == x",
        "x == 1 and (x == 2 or x == 1)",
        "(x ?? 1) == 1 and (x ?? 2) == 2",
        "x in 'abc' and x == 'b'",
        "not (x == 1 and x == 2)",
        "x == 1 and x == y",
        "x exists and x == 1",
        "x > 0.1 and x < 0.2",
    ],
)
def test_a_condition_that_might_hold_has_none(text: str) -> None:
    assert never_holds(parse(text)) is None


def test_the_reason_says_which_comparisons_exclude_each_other() -> None:
    reason = never_holds(parse("state.x == 1 and state.x == 2"))
    assert reason == "nothing is both == 1 and == 2, as state.x would have to be"


SIMPLE = st.sampled_from([0, 1, 2, 0.5, 1.0, True, False, None, "a", "b", ""])


@st.composite
def conjunctions(draw: st.DrawFn) -> str:
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(["x", "y.a"]))
        symbol = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in"]))
        right = draw(st.lists(SIMPLE, max_size=3)) if symbol.endswith("in") else draw(SIMPLE)
        text = f"{path} {symbol} {right!r}"
        if not symbol.endswith("in") and draw(st.booleans()):
            text = f"{right!r} {symbol} {path}"
        parts.append(text)
    return draw(st.sampled_from([" and ", " or "])).join(parts)


@settings(max_examples=300)
@given(conjunctions(), st.lists(st.tuples(SIMPLE, SIMPLE), max_size=40))
def test_what_is_said_never_to_hold_holds_for_no_value(text: str, candidates: list[tuple[Any, Any]]) -> None:
    expression = parse(text)
    if never_holds(expression) is None:
        return
    for x, y in candidates:
        with contextlib.suppress(ExpressionError):
            assert not expression.test({"x": x, "y": {"a": y}}), (text, x, y)
