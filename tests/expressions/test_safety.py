"""Hostile texts, hostile values and bounds (rule 12.1)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeloom.errors import ExpressionError, ExpressionLimit, ExpressionSyntaxError, ExpressionTypeError
from nodeloom.expressions import MISSING, NOT_CONSTANT, compile_template, never_holds, parse
from nodeloom.expressions.limits import MAX_TEXT

PIECES = st.sampled_from(
    [
        "state",
        ".",
        "x",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        "'",
        '"',
        "\\",
        " and ",
        " or ",
        " not ",
        " in ",
        "??",
        "-",
        "+",
        "*",
        "/",
        "//",
        "%",
        "==",
        "!=",
        "<",
        ">=",
        " exists",
        " matches ",
        "1",
        "0.5",
        "'a'",
        ",",
        ":",
        " if ",
        " else ",
        "len",
        "lower",
        "range",
        "null",
        "true",
        "{{",
        "}}",
        "é",
        "\x00",
        "1e999",
        "\ud800",
        "99999999",
    ]
)
SCOPE: dict[str, Any] = {"state": {"x": [1, "a", None]}, "x": "text"}


TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=14).map("".join))


def refusal(compute: Callable[[], Any]) -> ExpressionError | None:
    """The expression error that comes out, if one does; any other fails the test."""
    try:
        compute()
    except ExpressionError as error:
        return error
    return None


@given(TEXTS)
def test_nothing_but_an_expression_error_comes_out_of_any_text(text: str) -> None:
    for error in (refusal(lambda: parse(text)), refusal(lambda: parse(text).test(SCOPE))):
        if error is not None:
            assert error.text == text
            assert error.position is not None
            assert 0 <= error.position <= len(text)


@given(TEXTS)
def test_whatever_can_be_parsed_has_paths_a_constant_and_perhaps_a_contradiction(text: str) -> None:
    if refusal(lambda: parse(text)) is None:
        expression = parse(text)
        assert (expression.constant is NOT_CONSTANT) or not expression.paths
        assert never_holds(expression) is None or refusal(lambda: expression.test(SCOPE)) or not expression.test(SCOPE)


@given(TEXTS)
def test_nothing_but_an_expression_error_comes_out_of_any_template(text: str) -> None:
    def render() -> None:
        template = compile_template(text)
        assert (template is None) is ("{{" not in text)
        if template is not None:
            template.render(SCOPE)

    error = refusal(render)
    assert error is None or error.text == text


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "(" * 5_000,
        "(" * 70 + "1" + ")" * 70,
        "[" * 9_000,
        "-" * 9_999 + "1",
        "not " * 2_000 + "1",
        "{'a':" * 1_000,
        "len(" * 1_000,
        "x[" * 1_000,
        "1 if 1 else " * 500 + "1",
        "x ?? -" * 1_000 + "1",
        "1" * (MAX_TEXT + 1),
    ],
)
def test_deep_or_long_texts_are_refused_and_never_overflow_the_stack(text: str) -> None:
    with pytest.raises(ExpressionLimit):
        parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1" + "+1" * 4_000, 4_001),
        (" or ".join(["false"] * 1_000), False),
        (" ?? ".join(["x.gone"] * 900), MISSING),
        ("x" + ".y" * 4_000, MISSING),
        ("0" + " < 1 > 0" * 900, True),
        ("(" * 60 + "1" + ")" * 60, 1),
    ],
)
def test_long_flat_texts_are_fine(text: str, expected: Any) -> None:
    result = parse(text).evaluate({"x": {}})
    assert result is expected or result == expected


@pytest.mark.parametrize(
    "text",
    [
        "'a' * 1000000000",
        "1000000000 * 'a'",
        "range(1000000000)",
        "range(10, -1000000000, -1)",
        "9" * 2_000,
        "*".join(["9" * 500] * 4),
        "0-" + "*".join(["9" * 500] * 4),
        "int('" + "9" * 2_000 + "')",
        "1e999",
        "round(1, -1000000000)",
        "round(1, 1000000000)",
        "replace('a' * 100000, '', 'b' * 100000)",
        "int(float('inf'))",
        "join(range(100000), 'a' * 1000)",
        "'a' * 900000 + 'a' * 900000",
        "range(100000) + range(100000)",
        "split('a ' * 200000)",
        "json(json(json(json('\"' * 100000))))",
        "str(['a' * 500000, 'a' * 500000])",
        "range(0, 1" + "0" * 100 + ")",
    ],
)
def test_a_bomb_is_refused_at_once(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ExpressionLimit):
        parse(text).evaluate({})
    assert time.perf_counter() - started < 2


def test_lists_that_share_items_are_not_made_and_are_not_written_without_end() -> None:
    with pytest.raises(ExpressionTypeError, match="cannot be repeated"):
        parse("[[0] * 100000] * 100000").evaluate({})
    shared: list[Any] = ["x"]
    for _ in range(60):
        shared = [shared, shared]
    for text in ("json(x)", "str(x)"):
        with pytest.raises(ExpressionLimit):
            parse(text).evaluate({"x": shared})
    template = compile_template("<{{ x }}>", limit=1_000)
    assert template is not None
    with pytest.raises(ExpressionLimit):
        template.render({"x": shared})


def test_values_that_contain_themselves_are_an_expression_error() -> None:
    loop: list[Any] = []
    loop.append(loop)
    other: list[Any] = []
    other.append(other)
    for text in ("x == y", "json(x)", "x in y", "sorted([x, y])"):
        with pytest.raises(ExpressionError):
            parse(text).evaluate({"x": loop, "y": other})


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(a*)*b",
        "(a|aa)+b",
        "(a|a)*$",
        "((a?){10})*",
        "(?:a+|b)*",
        "(?P<x>a+)+",
        "(a{1,9})*",
        "(.*a){50}",
        "a?" * 60 + "a" * 60,
        "(?i:ab|AB)*c",
    ],
)
def test_a_pattern_that_could_take_exponential_time_is_refused_when_parsing(pattern: str) -> None:
    with pytest.raises(ExpressionLimit) as caught:
        parse(f"x matches '{pattern}'")
    assert caught.value.position == 10


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\d{4}-\d{2}-\d{2}$",
        r"^[\w.+-]+@[\w-]+\.[\w.]+$",
        "error|failed|fatal",
        "(foo|bar)+",
        r"(\d{1,3}\.){3}\d{1,3}",
        "^https?://[^/]+/.*$",
        "(?i)hello",
        r"^(\d{3},)*$",
        "a{2,5}",
        "(?=x)a",
        "^(-?\\d+(\\.\\d+)?)$",
        "(a)(?(1)b|c)",
    ],
)
def test_an_ordinary_pattern_is_fine(pattern: str) -> None:
    assert parse(f"x matches '{pattern}'").evaluate({"x": "zzz"}) is False


@pytest.mark.parametrize("pattern", ["a*b", "^a*a*b", "a*a*b", ".*.*x", "^(a*)(a*)(a*)$x", "(a*)\\1b", "a{0,500}b"])
@pytest.mark.parametrize("size", [100, 1_000, 10_000, 1_000_000])
def test_a_polynomial_pattern_ends_soon_or_is_refused(pattern: str, size: int) -> None:
    expression = parse(f"x matches '{pattern}'")
    started = time.perf_counter()
    error = refusal(lambda: expression.evaluate({"x": "a" * size}))
    assert error is None or "characters" in error.reason
    assert time.perf_counter() - started < 8


def test_a_pattern_that_is_a_value_is_guarded_in_the_same_way() -> None:
    for pattern, error in (
        ("(a+)+", ExpressionLimit),
        ("(", ExpressionSyntaxError),
        ("a" * 2_000, ExpressionLimit),
    ):
        with pytest.raises(error) as caught:
            parse("x matches p").evaluate({"x": "a", "p": pattern})
        assert caught.value.text == "x matches p"


class Hostile:
    """Every attribute is a trap, and every operator fails."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the attribute {name} was read")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("secret value")

    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, other: object) -> bool:
        raise RuntimeError("secret value")

    def __bool__(self) -> bool:
        raise RuntimeError("secret value")

    def __add__(self, other: object) -> Any:
        raise AssertionError("added")

    def __str__(self) -> str:
        raise AssertionError("written")

    __repr__ = __str__


@pytest.mark.parametrize(
    "text",
    [
        "x == 1",
        "x != 1",
        "x < 1",
        "1 in [x]",
        "x in [1]",
        "x + 1",
        "-x",
        "x * 2",
        "not x",
        "x and 1",
        "x or 1",
        "x",
        "1 if x else 2",
        "len(x)",
        "lower(x)",
        "str(x)",
        "json([x])",
        "x matches 'a'",
        "sum([x])",
        "bool(x)",
        "int(x)",
        "sorted([x, x])",
        "unique([{}, x])",
        "{}[x]",
        "join([x])",
        "x.a + 1",
        "1 < x < 2",
        "x // 2",
        "keys(x)",
    ],
)
def test_a_hostile_value_gives_an_error_in_our_words_and_its_attributes_are_never_read(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text).test({"x": Hostile()})
    assert "secret" not in str(caught.value)
    assert caught.value.text == text


class Shouting(str):
    """A text whose methods are traps."""

    __slots__ = ()

    def trap(self, *_: Any) -> Any:
        raise AssertionError("a method of the value was called")

    lower = upper = strip = split = replace = startswith = endswith = count = trap  # type: ignore[assignment]


def test_the_methods_of_a_text_are_never_its_own() -> None:
    scope = {"x": Shouting("Ab")}
    text = "[lower(x), upper(x), strip(x), split(x), replace(x, 'b', 'c'), startswith(x, 'A'), endswith(x, 'b')]"
    assert parse(text).evaluate(scope) == ["ab", "AB", "Ab", ["Ab"], "Ac", True, True]


@pytest.mark.parametrize(
    "text",
    [
        "x.__class__",
        "x.__class__.__mro__",
        "''.format",
        "[].append",
        "x.__init__.__globals__",
        "x['__dict__']",
        "len.__self__",
        "(1).real",
        "{}.keys",
        "true.__class__",
    ],
)
def test_no_attribute_can_be_reached(text: str) -> None:
    assert parse(text).evaluate({"x": Hostile()}) is MISSING


@pytest.mark.parametrize(
    "text", ["x.append(1)", "''.format(x)", "x.__class__()", "len.__call__(1)", "__import__('os')"]
)
def test_no_method_can_be_called(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)
