"""Values checked: every problem at once, the same verdict wherever they come from."""

from __future__ import annotations

import asyncio
import string
from datetime import date
from typing import Any, Literal

import jsonschema
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodeloom import Field, Params, ParamsError
from nodeloom.forms import Asker, form_of
from nodeloom.forms.checking import checked
from nodeloom.forms.json_schema import form_schema
from nodeloom.forms.validating import validate

NAMES = ("inputs", "state", "outputs", "run", "error")


async def inline(function: Any, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


INLINE = Asker(inline)


def problems(model: Any, values: Any, **how: Any) -> list[tuple[str | None, str]]:
    found = asyncio.run(checked(form_of(model), values, INLINE, **how)).problems
    return [(problem.field, problem.code) for problem in found]


class Inner(Params):
    number: int = Field(ge=0)
    note: str = Field(visible_when="number > 5")


class Order(Params):
    kind: Literal["post", "fetch"]
    address: str = Field(visible_when="kind == 'post'", min_length=3)
    colour: str = Field("red", options=["red", "green"])
    size: int = Field(1, ge=1, le=10)
    day: date | None = None
    lines: list[Inner] = []

    @pydantic.model_validator(mode="after")
    def _not_too_many(self) -> Order:
        if self.size > 5 and self.colour == "green":
            raise ValueError("green comes in sizes up to 5")
        return self

    @pydantic.field_validator("size")
    @classmethod
    def _not_seven(cls, size: int) -> int:
        if size == 7:
            raise ValueError("seven is not made")
        return size


def test_every_problem_is_told_at_once_each_with_its_field() -> None:
    values = {"kind": "post", "colour": "blue", "size": "x", "day": "no", "lines": [{"number": -1}, {}], "more": 1}
    assert problems(Order, values) == [
        ("more", "unknown"),
        ("address", "required"),
        ("colour", "not_offered"),
        ("size", "params"),
        ("day", "params"),
        ("lines.0.number", "params"),
        ("lines.1.number", "required"),
    ]


def test_what_is_not_shown_is_not_required() -> None:
    assert problems(Order, {"kind": "fetch"}) == []
    assert problems(Order, {"kind": "fetch", "lines": [{"number": 1}]}) == []
    assert problems(Order, {"kind": "fetch", "lines": [{"number": 6}]}) == [("lines.0.note", "required")]


def test_what_an_author_says_of_one_or_all_values_counts_too() -> None:
    assert problems(Order, {"kind": "fetch", "size": 7}) == [("size", "params")]
    assert problems(Order, {"kind": "fetch", "size": 6, "colour": "green"}) == [("", "params")]


def test_a_template_is_judged_as_one_and_its_value_when_it_has_one() -> None:
    assert problems(Order, {"kind": "{{ state.kind }}", "size": "{{ state.size }}"}, names=NAMES) == []
    assert problems(Order, {"kind": "fetch", "size": "{{ sta.size }}"}, names=NAMES) == [("size", "template")]
    assert problems(Order, {"kind": "fetch", "size": "{{ 1 + }}"}, names=NAMES) == [("size", "template")]
    assert problems(Order, {"kind": "fetch", "size": "{{ state.size }}"}) == [("size", "params")]
    assert problems(Order, {"kind": "fetch", "lines": [{"number": "{{ state.n }}", "note": ""}]}, names=NAMES) == []


@pytest.mark.parametrize("values", [None, 5, "text", [], [("kind", "fetch")]])
def test_values_that_are_no_mapping_are_one_problem(values: Any) -> None:
    assert problems(Order, values) == [("", "params")]


def test_read_values_come_back_with_defaults() -> None:
    found = asyncio.run(checked(form_of(Order), {"kind": "fetch", "day": "2024-02-29"}, INLINE))
    assert found.values == {"kind": "fetch", "colour": "red", "size": 1, "day": date(2024, 2, 29), "lines": []}


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"kind": "fetch"}, []),
        ({"kind": "post"}, ["params.address"]),
        ({"kind": "fetch", "colour": "blue"}, ["params.colour"]),
        ({"kind": "fetch", "lines": [{"number": 6}]}, ["params.lines.0.note"]),
        ({"kind": "post", "size": 0}, ["params.size"]),
    ],
)
def test_a_node_is_made_of_what_a_check_lets_pass(values: dict[str, Any], fields: list[str]) -> None:
    try:
        validate(Order, values, subject="it")
        found: list[str | None] = []
    except ParamsError as error:
        found = [problem.field for problem in error.problems]
    assert found == fields
    assert bool(problems(Order, values)) == bool(fields)


# --- whatever is given

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(Order.model_fields, JSON)))
def test_arbitrary_json_gives_problems_and_never_an_exception(values: Any) -> None:
    found = problems(Order, values)
    assert all(isinstance(field, str) and code for field, code in found)
    problems(Order, values, names=NAMES)


TYPES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-5, 20),
    str: st.text(string.ascii_lowercase, max_size=6),
    bool: st.booleans(),
    Literal["a", "b"]: st.sampled_from(["a", "b"]),
    list[int]: st.lists(st.integers(-5, 20), max_size=3),
    int | None: st.none() | st.integers(-5, 20),
    list[Literal["a", "b"]]: st.lists(st.sampled_from(["a", "b"]), max_size=3),
}
LIMITS: dict[Any, list[dict[str, Any]]] = {
    int: [{}, {"ge": 0}, {"lt": 10, "gt": -2}, {"multiple_of": 3}],
    str: [{}, {"min_length": 2}, {"max_length": 3, "pattern": "^[a-m]*$"}],
    list[int]: [{}, {"min_length": 1, "max_length": 2}],
}


@st.composite
def classes(draw: st.DrawFn) -> type[Params]:
    """A params class with up to five fields of any type, required or not."""
    space: dict[str, Any] = {"__annotations__": {}}
    for place in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(list(TYPES)))
        limits = draw(st.sampled_from(LIMITS.get(kind, [{}])))
        space["__annotations__"][f"f{place}"] = kind
        space[f"f{place}"] = Field(label=f"F {place}", **limits)
    return type("Drawn", (Params,), space)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_check_the_class_and_the_schema_agree(data: st.DataObject) -> None:
    """Where JSON Schema can say it: values are of JSON's own types, so nothing is read as something else."""
    model = data.draw(classes())
    anything = st.one_of(*TYPES.values())
    values = {
        name: data.draw(st.one_of(TYPES[model.__annotations__[name]], anything))
        for name in model.model_fields
        if data.draw(st.integers(0, 9))
    }
    schema = form_schema(form_of(model))
    jsonschema.Draft202012Validator.check_schema(schema)
    by_schema = jsonschema.Draft202012Validator(schema).is_valid(values)
    try:
        model.model_validate(values, strict=True)
        by_class = True
    except pydantic.ValidationError:
        by_class = False
    try:
        model.model_validate(values)
        leniently = True
    except pydantic.ValidationError:
        leniently = False
    assert by_schema == by_class
    assert (problems(model, values) == []) == leniently
