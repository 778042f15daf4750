"""What expressions mean: paths, operators, functions and their errors (rules 2.3, 12.1, 12.2)."""

from __future__ import annotations

import copy
import pickle
from collections import defaultdict
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from nodeloom.errors import ExpressionLimit, ExpressionSyntaxError, ExpressionTypeError, UnknownName
from nodeloom.expressions import FUNCTIONS, MISSING, NOT_CONSTANT, Expression, Path, parse

SCOPE: dict[str, Any] = {
    "state": {
        "n": 3,
        "text": "Hello",
        "none": None,
        "hits": ["a", "b"],
        "a-b": 7,
        "deep": {"in": {"null": 1}},
    },
    "inputs": {"kind": "x", "i": 1},
    "outputs": {"fetch": {"body": "hi"}},
}


def value(text: str) -> Any:
    return parse(text).evaluate(SCOPE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("-1", -1),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("'it''s'", ExpressionSyntaxError),
        (r"'it\'s'", "it's"),
        (r'"a\n\t\\\x41\u00e9\U0001f600"', "a\n\t\\Aé😀"),
        (r"'\d+\b'", r"\d+\b"),
        ("[1, 'a', [true, False, None, null],]", [1, "a", [True, False, None, None]]),
        ("{'a': 1, \"b\": {'c': [2]}}", {"a": 1, "b": {"c": [2]}}),
        ("[]", []),
        ("{}", {}),
    ],
)
def test_a_literal_is_its_value(text: str, expected: Any) -> None:
    if expected is ExpressionSyntaxError:
        with pytest.raises(ExpressionSyntaxError):
            parse(text)
        return
    result = value(text)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("state.n", 3),
        ("state['n']", 3),
        ("state['a-b']", 7),
        ("state.deep.in.null", 1),
        ("(state.deep).in['null']", 1),
        ("state.hits[0]", "a"),
        ("state.hits[-1]", "b"),
        ("state.hits[inputs.i]", "b"),
        ("state.hits[2]", MISSING),
        ("state.hits['0']", MISSING),
        ("state.hits[1.0]", MISSING),
        ("state.hits[true]", MISSING),
        ("state.hits.length", MISSING),
        ("state.text[0]", "H"),
        ("state.text[9]", MISSING),
        ("state.n.real", MISSING),
        ("state.none.x", MISSING),
        ("state.absent", MISSING),
        ("state.absent.below[0].it", MISSING),
        ("state[state.absent]", MISSING),
        ("nowhere.x", MISSING),
        ("{'a': [1, {'b': 2}]}.a[1].b", 2),
        ("outputs.fetch.body", "hi"),
    ],
)
def test_a_path_is_looked_up_by_keys_and_indices_only(text: str, expected: Any) -> None:
    assert value(text) == expected or value(text) is expected


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("1 + 2 * 3", "1 + (2 * 3)"),
        ("8 - 2 - 1", "(8 - 2) - 1"),
        ("8 / 2 / 2", "(8 / 2) / 2"),
        ("-2 * 3", "(-2) * 3"),
        ("-7 // 2", "(-7) // 2"),
        ("-state.n % 2", "(-state.n) % 2"),
        ("not 1 == 2", "not (1 == 2)"),
        ("not false and false", "(not false) and false"),
        ("true or false and false", "true or (false and false)"),
        ("1 + 1 == 2 and 3 > 2", "((1 + 1) == 2) and (3 > 2)"),
        ("state.absent ?? 5 > 3", "(state.absent ?? 5) > 3"),
        ("state.absent ?? 1 + 1", "(state.absent ?? 1) + 1"),
        ("2 * state.absent ?? 4", "2 * (state.absent ?? 4)"),
        ("-state.absent ?? 4", "-(state.absent ?? 4)"),
        ("state.absent ?? -4", "state.absent ?? (-4)"),
        ("state.absent ?? state.gone ?? 3", "(state.absent ?? state.gone) ?? 3"),
        ("not state.n exists", "not (state.n exists)"),
        ("true == state.n exists", "true == (state.n exists)"),
        ("1 if false else 2 if false else 3", "1 if false else (2 if false else 3)"),
        ("1 or 2 if false else 3", "(1 or 2) if false else 3"),
        ("'a' in ['a'] == true", "('a' in ['a']) and (['a'] == true)"),
        ("7 // 2 % 2", "(7 // 2) % 2"),
    ],
)
def test_precedence_reads_as_documented(text: str, same: str) -> None:
    assert value(text) == value(same)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7 // 2", 3),
        ("7 % 2", 1),
        ("7 / 2", 3.5),
        ("'a' + 'b'", "ab"),
        ("[1] + [2]", [1, 2]),
        ("'ab' * 2", "abab"),
        ("2 * 'ab'", "abab"),
        ("'ab' * -1", ""),
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
        ("1 == 1.0", True),
        ("1 == '1'", False),
        ("null == false", False),
        ("'a' != 1", True),
        ("'x' in ['x', 'y']", True),
        ("'z' not in ['x', 'y']", True),
        ("'n' in state", True),
        ("'ell' in state.text", True),
        ("state.text matches '^H.*o$'", True),
        ("state.text not matches 'z'", True),
        ("state.text matches '^' + 'H'", True),
        ("state.none exists", True),
        ("state.absent exists", False),
        ("exists(state.absent)", False),
        ("exists(state.none)", True),
        ("state.none ?? 1", None),
        ("state.absent ?? 1", 1),
        ("default(state.absent, 1)", 1),
        ("0 or 'a'", "a"),
        ("0 and 'a'", 0),
        ("'' or null", None),
        ("state.absent or 1", 1),
        ("state.absent and 1", MISSING),
        ("1 if state.absent else 2", 2),
        ("true < 2", True),
    ],
)
def test_an_operator_gives(text: str, expected: Any) -> None:
    result = value(text)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize("operator", ["==", "!=", "<", "<=", ">", ">=", "in", "not in", "matches", "not matches"])
@pytest.mark.parametrize("other", ["1", "'a'", "null", "['a']", "state.gone", "state.hits", "true"])
def test_any_comparison_with_missing_is_false_and_not_negates_it(operator: str, other: str) -> None:
    """Rule 2.3: `!=` included; only `exists` and `??` ask."""
    texts = [f"state.absent {operator} {other}", f"{other} {operator} state.absent"]
    if operator.endswith("matches") and other != "'a'":
        texts.append(f"1 < state.absent {operator} 'a'")
    for text in texts:
        assert value(text) is False, text
        assert value(f"not ({text})") is True


def test_absent_and_none_differ() -> None:
    """Rule 12.2."""
    assert value("state.none == null") is True
    assert value("state.absent == null") is False
    assert value("state.none exists and not state.absent exists") is True


def test_missing_is_one_false_value_also_after_a_copy_and_a_pickle() -> None:
    assert not MISSING
    assert repr(MISSING) == "missing"
    assert MISSING is not None
    assert copy.deepcopy(MISSING) is MISSING
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(MISSING, protocol)) is MISSING  # noqa: S301
    assert type(MISSING)() is MISSING


def test_a_missing_value_as_a_condition_does_not_hold() -> None:
    assert parse("state.absent").test(SCOPE) is False
    assert parse("state.n").test(SCOPE) is True
    assert parse("state.none").test(SCOPE) is False


@pytest.mark.parametrize(
    "text",
    [
        "1 < 'a'",
        "null > 1",
        "state.none < 3",
        "'a' >= 1",
        "[1] < 1",
        "{} < {}",
        "1 in 2",
        "1 in 'abc'",
        "1 in null",
        "1 matches 'a'",
        "'a' matches state.n",
        "-'a'",
        "1 + 'a'",
        "'a' - 'b'",
        "null * 2",
        "[0] * 3",
        "{} + {}",
        "1 / 0",
        "1 // 0",
        "1 % 0",
        "1.0 / 0",
        "'%s' % 1",
        "state[[1]]",
        "[] in {}",
        "len(1)",
        "lower(1)",
        "sum(['a'])",
        "int('x')",
        "sorted([1, 'a'])",
        "min([1, 'a'])",
        "range(1, 2, 0)",
        "split('a', '')",
        "json(float('nan'))",
        "keys([1])",
        "first(1)",
        "float(null)",
        "round('a')",
        "abs('a')",
        "range('a')",
    ],
)
def test_values_that_do_not_fit_are_a_type_error_with_text_and_place(text: str) -> None:
    """Rule 2.3: a text compared with a number is never quietly false."""
    with pytest.raises(ExpressionTypeError) as caught:
        parse(text).test(SCOPE)
    assert caught.value.text == text
    assert caught.value.position is not None


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("state.m + 1", 6, "`state` has no `m`; it has"),
        ("1 + state.txt", 10, "did you mean `text`"),
        ("-state.m", 7, "no `m`"),
        ("len(state.hist)", 10, "did you mean `hits`"),
        ("[state.m]", 7, "no `m`"),
        ("{'a': state.m}", 12, "no `m`"),
        ("1 + state.hits[7]", 15, "a list of 2"),
        ("1 + state.n.x", 12, "`state.n` is a number, and has no keys"),
        ("1 + stat.n", 4, "no name `stat`; the names are inputs, outputs, state; did you mean `state`"),
        ("1 + (state.x ?? state.y)", 22, "no `y`"),
        ("1 + (state.x if false else state.y)", 33, "no `y`"),
        ("1 + (state.x and 1)", 11, "no `x`"),
        ("1 + state[state.x]", 10, "the key itself"),
        ("1 + first([])", 4, "empty list"),
    ],
)
def test_using_a_missing_value_names_what_exists_and_the_nearest(text: str, position: int, words: str) -> None:
    """Rule 12.2."""
    with pytest.raises(UnknownName) as caught:
        value(text)
    assert words in caught.value.reason
    assert caught.value.position == position


def test_a_root_name_is_checked_where_the_names_are_known() -> None:
    parse("state.n and inputs.kind", {"state", "inputs"})
    with pytest.raises(UnknownName) as caught:
        parse("state.n and input.kind", ["state", "inputs"])
    assert caught.value.position == 12
    assert "the names are inputs, state; did you mean `inputs`?" in caught.value.reason
    parse("input.kind")


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 0, "an expression is missing"),
        ("   ", 0, "an expression is missing"),
        ("1 +", 3, "found the end"),
        ("(1", 2, "expected `)`"),
        ("[1 2]", 3, "expected `,` or `]`"),
        ("{1: 2}", 1, "a key in quotes"),
        ("{'a' 2}", 5, "expected `:`"),
        ("a b", 2, "an operator or the end"),
        ("a = 1", 2, "write `==`"),
        ("a && b", 2, "write `and`"),
        ("a || b", 2, "write `or`"),
        ("!a", 0, "write `not`"),
        ("a === 1", 2, "write `==`"),
        ("a ? 1 : 2", 2, "if condition else"),
        ("2 ** 3", 2, "no powers"),
        ("a | lower", 2, "no filters"),
        ("'abc", 0, "not closed"),
        ("a.0", 1, "`[0]`"),
        (".5", 0, "write `0.5`"),
        ("12abc", 0, "neither a number nor a name"),
        ("a.'b'", 2, "a key after the dot"),
        ("a.", 2, "a key after the dot"),
        ("x.lower()", 2, "write `lower(x)`"),
        ("state.a['b'].upper()", 13, "write `upper(state.a['b'])`"),
        ("''.format(1)", 3, "no methods"),
        ("(1)(2)", 3, "only a function"),
        ("len()", 0, "takes 1 argument, and has 0"),
        ("len(1, 2)", 0, "takes 1 argument, and has 2"),
        ("replace('a')", 0, "takes 3 arguments"),
        ("max()", 0, "at least 1"),
        ("exists(1, 2)", 0, "takes 1 argument"),
        ("1 + not 2", 4, "in parentheses"),
        ("a not b", 6, "`in` or `matches`"),
        ("a not exists", 6, "write `not x exists`"),
        ("a if b", 6, "expected `else`"),
        ("a exists exists", 9, "an operator or the end"),
        (r"'\ud800'", 1, "is no character"),
        ("a matches '('", 10, "no regular expression"),
        ("a matches '[z-a]'", 10, "no regular expression"),
        ("lambda: 1", 6, "an operator or the end"),
        ("a; b", 1, "means nothing"),
        ("a := 1", 3, "write `==`"),
        ("$a", 0, "means nothing"),
    ],
)
def test_a_syntax_error_says_what_was_found_and_what_would_be_right(text: str, position: int, words: str) -> None:
    with pytest.raises(ExpressionSyntaxError) as caught:
        parse(text)
    assert words in caught.value.reason
    assert caught.value.position == position
    assert caught.value.text == text


def test_an_unknown_function_is_found_when_parsing_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean `lower`") as caught:
        parse("1 + lowr('A')")
    assert caught.value.position == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("len('abc') + len([1]) + len({})", 4),
        ("lower('AB') + upper('ab')", "abAB"),
        ("strip(' a ') + strip('xax', 'x')", "aa"),
        ("split('a,b', ',')", ["a", "b"]),
        ("split(' a  b ')", ["a", "b"]),
        ("join(['a', 1, true], '-')", "a-1-true"),
        ("round(2.567, 2)", 2.57),
        ("round(2.5)", 2),
        ("abs(-3)", 3),
        ("min(3, 1, 2) + max([3, 1])", 4),
        ("min([])", MISSING),
        ("sum([1, 2.5])", 3.5),
        ("int('12') + int(3.9)", 15),
        ("float('1.5')", 1.5),
        ("str(true) + str(0.0) + str(null) + str('a') + str([1])", "true0.0nulla[1]"),
        ("bool([]) or bool('a')", True),
        ("keys({'b': 1, 'a': 2})", ["b", "a"]),
        ("values({'b': 1, 'a': 2})", [1, 2]),
        ("sorted(['b', 'a'])", ["a", "b"]),
        ("first([1, 2]) + last([1, 2])", 3),
        ("first('ab') + last('ab')", "ab"),
        ("first([]) ?? 'none'", "none"),
        ("last([]) ?? 'none'", "none"),
        ("range(3)", [0, 1, 2]),
        ("range(1, 6, 2)", [1, 3, 5]),
        ("unique([1, 2, 1, [3], [3], 'a'])", [1, 2, [3], "a"]),
        ("json({'a': [1, null, 'ü']})", '{"a": [1, null, "ü"]}'),
        ("contains(['a'], 'a')", True),
        ("startswith('abc', 'a') and endswith('abc', 'c')", True),
        ("replace('aXa', 'X', '-')", "a-a"),
    ],
)
def test_a_function_gives(text: str, expected: Any) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


def test_every_function_says_how_it_is_used() -> None:
    for name, function in FUNCTIONS.items():
        assert function.usage.startswith(name + "(")


def test_functions_pass_missing_on_as_an_error_and_not_as_a_value() -> None:
    for name, function in FUNCTIONS.items():
        with pytest.raises(UnknownName):
            value(f"{name}({', '.join(['state.absent'] * function.least)})")


def test_paths_are_every_static_path_with_its_place() -> None:
    expression = parse("outputs.fetch['a-b'][0] == state.x ?? inputs.y and run.id exists and len(item) > 0")
    assert expression.paths == (
        Path(("outputs", "fetch", "a-b", 0), 0),
        Path(("state", "x"), 27, optional=True),
        Path(("inputs", "y"), 38),
        Path(("run", "id"), 51, optional=True),
        Path(("item",), 73),
    )
    assert str(expression.paths[0]) == "outputs.fetch['a-b'][0]"


def test_a_path_with_a_computed_key_is_known_up_to_there() -> None:
    assert parse("state.m[inputs.k].z ?? 1").paths == (
        Path(("state", "m"), 0, optional=True),
        Path(("inputs", "k"), 8),
    )


def test_parts_of_an_optional_choice_are_optional_and_its_condition_is_not() -> None:
    optional = {str(path): path.optional for path in parse("(a if b else c) ?? default(d, e)").paths}
    assert optional == {"a": True, "b": False, "c": True, "d": True, "e": False}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 1", 2),
        ("first([])", MISSING),
        ("state.x", NOT_CONSTANT),
        ("1 < 'a'", NOT_CONSTANT),
        ("null", None),
    ],
)
def test_constant_is_the_value_of_what_depends_on_no_name(text: str, expected: Any) -> None:
    assert parse(text).constant == expected


def test_expressions_of_one_text_are_one() -> None:
    expression = parse("state.n > 1")
    assert parse("state.n > 1") is expression
    assert Expression("state.n > 1") == expression
    assert len({Expression("state.n > 1"), expression, parse("state.n >1")}) == 2
    assert expression != "state.n > 1"
    assert pickle.loads(pickle.dumps(expression)).test(SCOPE)  # noqa: S301
    assert str(expression) == "state.n > 1"


def test_short_circuits_do_not_compute_what_does_not_matter() -> None:
    assert value("false and 1 / 0") is False
    assert value("1 or 1 / 0") == 1
    assert value("1 ?? (1 / 0)") == 1
    assert value("2 if true else 1 / 0") == 2
    assert value("2 < 1 < 1 / 0") is False


def test_a_list_literal_is_a_new_list_each_time() -> None:
    expression = parse("[1, 2]")
    expression.evaluate({}).append(3)
    assert expression.evaluate({}) == [1, 2]


def test_any_mapping_is_a_map_and_reading_it_changes_nothing() -> None:
    counts: defaultdict[str, int] = defaultdict(int, a=1)
    scope = MappingProxyType({"state": MappingProxyType({"counts": counts})})
    assert parse("state.counts.a").evaluate(scope) == 1
    assert parse("state.counts.b ?? 0").evaluate(scope) == 0
    assert dict(counts) == {"a": 1}


def test_objects_have_no_keys() -> None:
    """Rule 12.1: a dot is a key look-up, never an attribute or method."""
    scope = {"x": SimpleNamespace(secret=1)}
    assert parse("x.secret").evaluate(scope) is MISSING
    assert parse("x['secret']").evaluate(scope) is MISSING
    assert parse("x.secret exists").test(scope) is False


def test_an_expression_must_be_a_text() -> None:
    with pytest.raises(ExpressionSyntaxError, match="is a text"):
        parse(5)  # type: ignore[arg-type]


def test_errors_point_at_the_place() -> None:
    with pytest.raises(ExpressionLimit) as caught:
        parse("1 + 'a' * 10000000").evaluate({})
    assert caught.value.position == 8
