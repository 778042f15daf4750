"""What one evaluation may do in all: its costly operations share one budget (12.1)."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeloom.errors import ExpressionError, ExpressionLimit
from nodeloom.expressions import MISSING, NOT_CONSTANT, compile_template, never_holds, parse
from nodeloom.expressions.meter import ALONE, Metered

SECONDS = 3.0
"""CPU that a refusal may take here; under half of one where nothing else runs."""

SCOPE: dict[str, Any] = {
    "s": {
        "a": "a" * 6_000,
        "text": "a" * 1_000_000,
        "wide": "é" * 1_000_000,
        "numbers": list(range(100_000)),
        "words": [f"{number:06d}" for number in range(100_000)],
        "maps": [{"n": number} for number in range(900)],
        "map": {f"k{number}": number for number in range(50_000)},
        "list": list(range(50_000)),
        "digits": "1" * 900_000,
    }
}


def often(expression: str, times: int) -> str:
    return f"[{', '.join([expression] * times)}]"


TOO_MUCH = [
    often("s.a matches 'a*b'", 200),
    often("s.a not matches 'a*b'", 200),
    often("s.a matches 'a*' + 'b'", 200),
    often("upper(s.wide)", 600),
    often("lower(s.text) == s.text", 300),
    often("strip(s.text, 'b')", 400),
    often("replace(s.text, 'a', '')", 300),
    often("split(s.text, 'b')", 400),
    often("sorted(s.words)", 500),
    often("unique(s.maps)", 500),
    often("json(s.numbers)", 500),
    often("str(s.words)", 500),
    often("join(s.numbers)", 500),
    often("sum(s.numbers)", 500),
    often("min(s.words)", 500),
    often("values(s.map) + s.list", 300),
    often("range(100000)", 600),
    often("float('1' + s.digits)", 400),
    often("'a' * 1000000", 600),
    often("s.text + ''", 700),
    often("s.numbers + []", 500),
    often("s.numbers == s.numbers + []", 300),
    often("s.text in s.words", 500),
    often("s.maps in s.words", 500),
    often("'x' in s.numbers", 500),
    " or ".join(["s.a matches 'a*b'"] * 300),
    " and ".join(["not s.a matches 'a*b'"] * 300),
    "unique([" + ", ".join(f"range(9999) + [{number}]" for number in range(300)) + "])",
]


def refusal(compute: Callable[[], Any]) -> ExpressionLimit:
    started = time.process_time()
    with pytest.raises(ExpressionLimit) as caught:
        compute()
    assert time.process_time() - started < SECONDS
    return caught.value


@pytest.mark.parametrize("text", TOO_MUCH, ids=lambda text: text[:40])
def test_many_costly_operations_in_one_expression_are_refused_before_they_take_long(text: str) -> None:
    """12.1"""
    error = refusal(lambda: parse(text).evaluate(SCOPE))
    assert "too much work" in error.reason
    assert error.text == text
    assert error.position is not None


@pytest.mark.parametrize(
    "hole", ["s.a matches 'a*b'", "'a' * 1000000", "upper(s.text)", "range(100000)", "json(s.words)"]
)
def test_all_expressions_of_a_template_share_the_budget(hole: str) -> None:
    """12.1: one in each text, and none of them would be too much by itself."""
    parse(hole).evaluate(SCOPE)
    template = compile_template({f"key{number}": [f"{{{{ {hole} }}}}"] for number in range(300)}, where="params")
    assert template is not None
    assert "params.key" in refusal(lambda: template.render(SCOPE)).reason
    # The next rendering has a budget of its own.
    again = compile_template([f"{{{{ {hole} }}}}"], where="params")
    assert again is not None
    assert again.render(SCOPE) == [parse(hole).evaluate(SCOPE)]


@pytest.mark.parametrize(
    "source",
    [
        ["{{ 'a' * 1000000 }}"] * 400,
        "".join(["{{ 'a' * 1000000 }}"] * 400),
        [f"{'x' * 1_000_000}{number}{{{{ s.text }}}}" for number in range(20)],
        ["{{ range(100000) }}"] * 300,
        ["{{ s.text + 'b' }}"] * 400,
        "".join(["{{ s.words }}"] * 400),
    ],
    ids=["values", "mixed", "literals", "lists", "copies", "json"],
)
def test_what_a_rendering_makes_is_bounded_while_it_is_made(source: Any) -> None:
    """12.1: not only when it is done."""
    template = compile_template(source)
    assert template is not None
    tracemalloc.start()
    try:
        with pytest.raises(ExpressionLimit):
            template.render(SCOPE)
        assert tracemalloc.get_traced_memory()[1] < 150_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    [
        "output.n < 10",
        "output.status == 'ok'",
        "state.score > 0.8 and inputs.kind in ['x', 'y']",
        "state.n + 1 < 10 and state.m - 2 > 3 or not state.x exists",
        "'a' in state.tags",
        "state.name matches '^A'",
        "state.first + ' ' + state.last",
        "len(state.tags) > 2 and state.tags[0] == 'a'",
        "round(state.a / state.b, 2) ?? 0",
    ],
)
def test_an_expression_as_people_write_them_is_not_counted(text: str) -> None:
    assert parse(text).costly <= ALONE


def test_one_costly_operation_may_do_as_much_as_all_together() -> None:
    """A large list can be sorted, as long as nothing else is asked of the same evaluation."""
    assert parse("sorted(s.words)").evaluate(SCOPE)[0] == "000000"
    assert parse("'99999' in s.words or len(s.text) == 1000000").test(SCOPE)
    refusal(lambda: parse("sorted(x)").evaluate({"x": list(range(3_000_000))}))


def test_values_that_hold_one_list_very_many_times_are_not_compared_without_end() -> None:
    """A loop can make such a value with a template that says the same thing twice."""

    def shared() -> list[Any]:
        value: list[Any] = ["x"]
        for _ in range(60):
            value = [value, value]
        return value

    scope = {"x": shared(), "y": shared(), "z": {"k": shared()}}
    for text in ("x == y", "x != y", "x < y", "x in [y, y]", "y in x", "sorted([x, y])", "unique([x, y])", "max(x, y)"):
        refusal(lambda text=text: parse(text).evaluate(scope))  # type: ignore[misc]
    for text in ("x == 1", "x == [1]", "1 in x", "z.k != null", "x == null"):
        parse(text).evaluate(scope)


def test_stripping_many_characters_is_quick() -> None:
    started = time.process_time()
    assert parse("strip('a' * 1000000, 'b' * 900000 + 'a')").evaluate({}) == ""
    assert time.process_time() - started < SECONDS


def test_what_is_known_before_a_run_takes_no_time() -> None:
    """A condition without names is computed when a graph is checked; one that is costly is left for the run."""
    started = time.process_time()
    for number in range(300):
        expression = parse(f"len('a' * {900_000 + number}) > 3 and 'a' * 900000 matches 'a*b'")
        assert expression.constant is NOT_CONSTANT
        assert never_holds(expression) is None
    assert time.process_time() - started < SECONDS
    assert parse("1 + 1 == 2").constant is True
    assert never_holds(parse("'a' * 1000000000 == 'b'")) == (
        "it always fails: this would make a text of more than 1,000,000 characters"
    )


@pytest.mark.parametrize(
    "text",
    [
        " and ".join(f"x.a > {number}" for number in range(600)),
        f"x.a in [{', '.join(map(str, range(1_000)))}] and " + " and ".join(f"x.a != {n}" for n in range(200)),
        "1 and (0 or (" * 15 + "x" + "))" * 15,
        " or ".join(["1 > 2"] * 1_000),
    ],
    ids=["bounds", "list", "nested", "reasons"],
)
def test_contradictions_are_not_looked_for_without_end(text: str) -> None:
    started = time.process_time()
    for number in range(20):
        reason = never_holds(parse(f"{text} and {number}"))
        assert reason is None or len(reason) < 600
    assert time.process_time() - started < SECONDS


LEAVES = st.sampled_from(["s.a", "s.b", "s.n", "s.list", "s.gone", "'ab'", "2", "[1, 'ab']"])


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "*", "==", "!=", "<", "in", "not in", "matches", "and", "or", "??"])
    functions = st.sampled_from(["len", "upper", "sorted", "sum", "json", "str", "unique", "first", "last", "min"])
    return st.one_of(
        st.tuples(inner, operators, inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(functions, inner).map(lambda parts: f"{parts[0]}({parts[1]})"),
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
    )


@given(st.recursive(LEAVES, grown, max_leaves=10))
def test_counting_changes_no_result(text: str) -> None:
    """12.1: a budget that is not used up makes no difference."""
    scope = {"s": {"a": "ab", "b": "a", "n": 3, "list": [3, 1, 2]}}

    def outcome(scope: Any) -> Any:
        try:
            return parse(text).evaluate(scope)
        except ExpressionError as error:
            return type(error), error.reason, error.position

    plain, counted = outcome(scope), outcome(Metered(scope))
    assert plain is counted is MISSING or plain == counted
