"""Templates: whole values, mixed text, escapes, places and bounds (rule 12.1)."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeloom.errors import (
    ExpressionError,
    ExpressionLimit,
    ExpressionSyntaxError,
    ExpressionTypeError,
    UnknownName,
)
from nodeloom.expressions import Path, compile_template, has_template, template_problems

SCOPE: dict[str, Any] = {
    "state": {
        "n": 1,
        "zero": 0.0,
        "yes": True,
        "none": None,
        "text": "hi",
        "list": [1, "a"],
        "map": {"k": None},
    },
    "run": {"inputs": {"url": "http://x"}},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def rendered(value: Any, **options: Any) -> Any:
    template = compile_template(value, **options)
    assert template is not None
    return template.render(SCOPE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ state.n }}", 1),
        ("{{state.zero}}", 0.0),
        ("{{ state.yes }}", True),
        ("{{ state.none }}", None),
        ("{{ state.list }}", [1, "a"]),
        ("{{\n  state.gone ?? [] }}", []),
        ("{{ {'a': {'b': 1}}}}", {"a": {"b": 1}}),
        ("{{{'a': 1}}}", {"a": 1}),
        ('{{ "}}" }}', "}}"),
        ("{{ '{{' + \"'}}\" }}", "{{'}}"),
    ],
)
def test_a_text_that_is_one_expression_keeps_the_type(text: str, expected: Any) -> None:
    result = rendered(text)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n={{ state.n }}!", "n=1!"),
        (" {{ state.n }}", " 1"),
        ("{{ state.n }}{{ state.n }}", "11"),
        ("{{ state.zero }} {{ state.yes }} {{ state.none }}", "0.0 true null"),
        ("{{ state.text }}:{{ state.list }}:{{ state.map }}", 'hi:[1, "a"]:{"k": null}'),
        ("{{{{ x }}}}", "{{ x }}"),
        ("{{{{{{ state.n }}}}}}", "{{1}}"),
        ("a }} b {{ state.n }}", "a }} b 1"),
        ("{{{{", "{{"),
        ('{"a": {"b": "{{ state.n }}"}}', '{"a": {"b": "1"}}'),
    ],
)
def test_mixed_text_renders_values_as_json_does_and_texts_as_they_are(text: str, expected: str) -> None:
    assert rendered(text) == expected


def test_a_text_without_an_opening_is_no_template_and_is_not_touched() -> None:
    for text in ("", "plain", "}}", "}}}}", '{"a":{"b":{"c":{}}}}', "{ {"):
        assert not has_template(text)
        assert compile_template(text) is None
    assert has_template("{{ a }}")
    assert has_template("{{{{")


def test_only_values_change_and_keys_are_never_rendered() -> None:
    value = {"{{ state.n }}": "{{ state.n }}", "a": ["x", ("{{ state.text }}", 2)], "b": {"c": 1.5}}
    assert rendered(value) == {"{{ state.n }}": 1, "a": ["x", ("hi", 2)], "b": {"c": 1.5}}
    assert compile_template({"{{ state.n }}": 1}) is None


def test_a_value_that_was_put_in_is_never_parsed_again() -> None:
    template = compile_template("<{{ x }}>")
    whole = compile_template("{{ x }}")
    assert template
    assert whole
    assert template.render({"x": "{{ 1 + 1 }}"}) == "<{{ 1 + 1 }}>"
    assert whole.render({"x": "{{ 1 + 1 }}"}) == "{{ 1 + 1 }}"


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("ab {{ state.n", 3, "not closed"),
        ("ab {{ 1 + }}", 10, "found the end"),
        ("{{ }}", 2, "an expression is missing"),
        ("{{ 'a }}", 3, "not closed"),
        ("é {{ a b }}", 7, "an operator"),
        ("{{ a }} {{ b.c() }}", 13, "no methods"),
    ],
)
def test_a_syntax_error_has_its_position_in_the_whole_text(text: str, position: int, words: str) -> None:
    with pytest.raises(ExpressionSyntaxError) as caught:
        compile_template(text)
    assert words in caught.value.reason
    assert (caught.value.text, caught.value.position) == (text, position)


def test_errors_say_where_in_the_structure_they_are() -> None:
    value = {"headers": [{"value": "x {{ state.textt }}"}], "a-b": "{{ run.inputs.url + 1 }}"}
    with pytest.raises(UnknownName) as missing:
        rendered({"headers": value["headers"]}, where="params")
    assert missing.value.reason.startswith("params.headers[0].value: `state` has no `textt`; it has list, map")
    assert missing.value.position == 11
    assert missing.value.text == "x {{ state.textt }}"
    with pytest.raises(ExpressionTypeError) as unfit:
        rendered({"a-b": value["a-b"]}, where="params")
    assert unfit.value.reason.startswith("params['a-b']: `+` does not fit")
    assert unfit.value.position == 18
    with pytest.raises(ExpressionTypeError, match=r"^params: a set cannot be written as JSON"):
        compile_template("<{{ x }}>", where="params").render({"x": {1}})  # type: ignore[union-attr]


def test_all_problems_are_listed_with_their_places() -> None:
    value = {"a": ["{{ 1 + }}", "fine {{ state.n }}"], "b": "{{ nope.x }} {{ statee.y }}", "c": "{{ open"}
    found = template_problems(value, {"state"}, "params")
    assert [(where, type(error)) for where, error in found] == [
        ("params.a[0]", ExpressionSyntaxError),
        ("params.b", UnknownName),
        ("params.b", UnknownName),
        ("params.c", ExpressionSyntaxError),
    ]
    assert "did you mean `state`" in found[2][1].reason
    with pytest.raises(ExpressionSyntaxError, match=r"^params\.a\[0\]: "):
        compile_template(value, {"state"}, "params")
    assert template_problems({"a": "{{ state.n }}"}, {"state"}) == []
    assert template_problems(["{{ 1 + }}"])[0][0] == "[0]"
    assert template_problems({"a": "{{ 1 + }}"})[0][0] == "a"


def test_paths_carry_positions_and_places() -> None:
    template = compile_template({"u": "x {{ run.inputs.url }}{{ state.q ?? 1 }}"}, where="params")
    assert template
    assert template.paths == (
        Path(("run", "inputs", "url"), 5, where="params.u"),
        Path(("state", "q"), 25, optional=True, where="params.u"),
    )


def test_two_renderings_share_nothing_of_the_template() -> None:
    value = {"list": [1, {"k": []}], "n": ["{{ state.n }}", []]}
    template = compile_template(value)
    assert template
    first = template.render(SCOPE)
    first["list"][1]["k"].append("changed")
    first["list"].append("changed")
    first["n"][1].append("changed")
    assert template.render(SCOPE) == {"list": [1, {"k": []}], "n": [1, []]}
    assert value == {"list": [1, {"k": []}], "n": ["{{ state.n }}", []]}


def test_a_whole_value_is_the_very_object() -> None:
    assert rendered("{{ state.list }}") is SCOPE["state"]["list"]


def test_what_json_has_no_form_for_is_its_usual_text_or_an_error() -> None:
    template = compile_template("<{{ x }}>")
    assert template
    assert template.render({"x": datetime(2024, 1, 2, tzinfo=UTC)}) == "<2024-01-02T00:00:00+00:00>"
    assert template.render({"x": [PurePosixPath("a/b")]}) == '<["a/b"]>'
    for value in (float("nan"), [float("inf")], object(), {1}, b"a", {(1, 2): 3}):
        with pytest.raises(ExpressionTypeError):
            template.render({"x": value})


def test_the_output_of_one_rendering_is_bounded_over_the_whole_structure() -> None:
    template = compile_template(["-{{ x }}", "-{{ x }}", "{{ x }}"], limit=100)
    assert template
    assert template.render({"x": "a" * 40})[2] == "a" * 40
    with pytest.raises(ExpressionLimit):
        template.render({"x": "a" * 60})
    large = compile_template("-{{ x }}{{ x }}")
    assert large
    with pytest.raises(ExpressionLimit):
        large.render({"x": "a" * 6_000_000})


def test_a_structure_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ExpressionLimit):
        compile_template(loop)


def test_a_template_survives_a_pickle() -> None:
    template = compile_template({"a": "{{ state.n }}"}, {"state"}, "params")
    again = pickle.loads(pickle.dumps(template))  # noqa: S301
    assert again.render(SCOPE) == {"a": 1}
    assert again.where == "params"


@given(JSON)
def test_json_without_an_opening_is_no_template(value: Any) -> None:
    if "{{" not in repr(value):
        assert compile_template(value) is None


@given(JSON)
def test_rendering_leaves_everything_else_as_it_was(value: Any) -> None:
    if "{{" not in repr(value):
        assert rendered([value, "{{ state.n }}"]) == [value, 1]


@given(st.text().filter(lambda text: "{" not in text and "}" not in text))
def test_a_text_beside_an_expression_is_unchanged(text: str) -> None:
    assert rendered(text + "{{ '' }}" + text) == text + text


@given(st.text())
def test_any_text_can_be_put_in_and_comes_out_as_it_is(text: str) -> None:
    template = compile_template("a{{ x }}b")
    assert template
    assert template.render({"x": text}) == f"a{text}b"


@given(st.text(st.sampled_from("{}'\"\\ ax.1"), max_size=20))
def test_listing_problems_never_raises(text: str) -> None:
    for where, error in template_problems([text]):
        assert where == "[0]"
        assert isinstance(error, ExpressionError)
        assert error.text == text
