"""Random trees, written as text, mean what a small independent evaluator says they mean."""

from __future__ import annotations

import operator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nodeloom.errors import ExpressionError, ExpressionTypeError, UnknownName
from nodeloom.expressions import MISSING, literal, parse

STATE: dict[str, Any] = {
    "one": 1,
    "half": 0.5,
    "text": "ab",
    "none": None,
    "yes": True,
    "list": [1, "ab"],
    "empty": "",
}
LITERALS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([0.5, 2.0]),
    st.sampled_from(["", "ab", "it's \\ \n"]),
)
PATHS = st.sampled_from([*STATE, "gone", "other"])
LEAVES: st.SearchStrategy[Any] = st.one_of(
    LITERALS.map(lambda value: ("literal", value)), PATHS.map(lambda key: ("path", key))
)
COMPARISONS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def branches(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    binary = st.sampled_from([*COMPARISONS, *ARITHMETIC, "and", "or", "??"])
    return st.one_of(
        st.tuples(st.just("binary"), binary, inner, inner),
        st.tuples(st.just("not"), inner),
        st.tuples(st.just("exists"), inner),
        st.tuples(st.just("if"), inner, inner, inner),
        st.tuples(st.just("list"), inner, inner),
    )


TREES = st.recursive(LEAVES, branches, max_leaves=12)


def written(tree: Any) -> str:
    match tree:
        case ("literal", value):
            return f"({literal(value)})"
        case ("path", key):
            return f"state.{key}"
        case ("binary", symbol, left, right):
            return f"({written(left)} {symbol} {written(right)})"
        case ("not", inner):
            return f"(not {written(inner)})"
        case ("exists", inner):
            return f"({written(inner)} exists)"
        case ("if", condition, chosen, other):
            return f"({written(chosen)} if {written(condition)} else {written(other)})"
        case ("list", left, right):
            return f"[{written(left)}, {written(right)}]"
    raise AssertionError(tree)


def present(value: Any) -> Any:
    if value is MISSING:
        raise UnknownName("missing")
    return value


def meaning(tree: Any) -> Any:  # noqa: C901
    match tree:
        case ("literal", value):
            return value
        case ("path", key):
            return STATE.get(key, MISSING)
        case ("binary", "and", left, right):
            return meaning(left) and meaning(right)
        case ("binary", "or", left, right):
            return meaning(left) or meaning(right)
        case ("binary", "??", left, right):
            value = meaning(left)
            return meaning(right) if value is MISSING else value
        case ("binary", symbol, left, right):
            return applied(symbol, meaning(left), meaning(right))
        case ("not", inner):
            return not meaning(inner)
        case ("exists", inner):
            return meaning(inner) is not MISSING
        case ("if", condition, chosen, other):
            return meaning(chosen) if meaning(condition) else meaning(other)
        case ("list", left, right):
            return [present(meaning(left)), present(meaning(right))]
    raise AssertionError(tree)


def applied(symbol: str, left: Any, right: Any) -> Any:
    if symbol in COMPARISONS:
        if left is MISSING or right is MISSING:
            return False
        try:
            return COMPARISONS[symbol](left, right)
        except TypeError:
            raise ExpressionTypeError("unfit") from None
    present(left)
    present(right)
    if symbol == "*" and (isinstance(left, list) or isinstance(right, list)):
        raise ExpressionTypeError("a list is not repeated")
    try:
        return ARITHMETIC[symbol](left, right)
    except TypeError:
        raise ExpressionTypeError("unfit") from None


def outcome(compute: Any) -> Any:
    try:
        value = compute()
    except ExpressionError as error:
        return type(error)
    return (type(value), repr(value))


@settings(max_examples=400)
@given(TREES)
def test_a_tree_means_what_the_independent_evaluator_says(tree: Any) -> None:
    expression = parse(written(tree), ["state"])
    assert outcome(lambda: expression.evaluate({"state": STATE})) == outcome(lambda: meaning(tree))


@given(TREES)
def test_a_condition_holds_when_its_value_counts_as_true_and_not_inverts_it(tree: Any) -> None:
    text = written(tree)
    scope = {"state": STATE}
    direct = outcome(lambda: parse(text).test(scope))
    inverted = outcome(lambda: not parse(f"not {text}").test(scope))
    assert direct == inverted


@given(TREES)
def test_a_default_is_taken_exactly_when_the_value_does_not_exist(tree: Any) -> None:
    text = written(tree)
    scope = {"state": STATE}
    exists = outcome(lambda: parse(f"{text} exists").evaluate(scope))
    chosen = outcome(lambda: parse(f"{text} ?? 'the default'").evaluate(scope))
    value = outcome(lambda: parse(text).evaluate(scope))
    assert chosen == ((str, "'the default'") if exists == (bool, "False") else value)


@given(TREES, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
def test_no_comparison_with_missing_holds_whatever_the_other_side(tree: Any, symbol: str) -> None:
    scope = {"state": STATE}
    result = outcome(lambda: parse(f"state.gone {symbol} {written(tree)}").evaluate(scope))
    assert result == (bool, "False") or isinstance(result, type)
