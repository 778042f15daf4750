"""Fields of params, as a form shows them, and what cannot be a form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import pytest

from nodeloom import Field, Option, Params
from nodeloom.errors import DefinitionError
from nodeloom.forms import Form, form_of
from nodeloom.forms.json_schema import form_schema


class Colour(Enum):
    RED = "r"
    BLUE = "b"


class Row(Params):
    kind: Literal["a", "b"]
    size: int = 1


class Everything(Params):
    text: str = "x"
    number: float
    decimal: Decimal = Decimal(1)
    integer: int = Field(3, ge=1, lt=10)
    boolean: bool = False
    select: Literal["IN", "GB"]
    colour: Colour = Colour.RED
    multiselect: list[Literal["a", "b"]] = []
    day: date | None = None
    moment: datetime | None = None
    hour: time | None = None
    anything: Any = None
    mapping: dict[str, int] = {}
    either: int | str = 1
    code: str = Field("", widget="code")
    long: str = Field("", widget="textarea")
    picture: str = Field("", widget="file")
    path: Path = Path()
    many: list[int] = []
    row: Row | None = None
    rows: list[Row] = []
    limited: Annotated[str, pydantic.StringConstraints(min_length=2, max_length=5, pattern="^a")] = "ab"
    chosen: str = Field("a", options=["a", ("b", "The b"), {"value": "c", "description": "third"}])


FORM = form_of(Everything)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("text", "text"),
        ("number", "number"),
        ("decimal", "number"),
        ("integer", "integer"),
        ("boolean", "boolean"),
        ("select", "select"),
        ("colour", "select"),
        ("multiselect", "multiselect"),
        ("day", "date"),
        ("moment", "datetime"),
        ("hour", "time"),
        ("anything", "json"),
        ("mapping", "json"),
        ("either", "json"),
        ("code", "code"),
        ("long", "textarea"),
        ("picture", "file"),
        ("path", "file"),
        ("many", "list"),
        ("row", "object"),
        ("rows", "list"),
        ("limited", "text"),
        ("chosen", "select"),
    ],
)
def test_a_type_says_what_kind_of_field_it_is(name: str, kind: str) -> None:
    assert FORM.by_name[name].type == kind


def test_a_field_is_required_unless_it_has_a_default() -> None:
    assert [field.name for field in FORM.fields if field.required] == ["number", "select"]


def test_limits_are_spelled_as_in_json_schema() -> None:
    assert FORM.by_name["integer"].limits == {"minimum": 1, "exclusiveMaximum": 10}
    assert FORM.by_name["limited"].limits == {"minLength": 2, "maxLength": 5, "pattern": "^a"}
    assert FORM.by_name["day"].limits == {"format": "date"}


def test_choices_are_told_with_their_labels() -> None:
    assert FORM.by_name["colour"].choices == (Option("r", "RED"), Option("b", "BLUE"))
    assert FORM.by_name["chosen"].as_mapping()["options"] == [
        {"value": "a", "label": "a"},
        {"value": "b", "label": "The b"},
        {"value": "c", "label": "c", "description": "third"},
    ]


def test_a_row_has_fields_of_its_own() -> None:
    assert [field["name"] for field in FORM.by_name["rows"].as_mapping()["fields"]] == ["kind", "size"]
    assert FORM.by_name["rows"].as_mapping()["item"] == "object"
    assert FORM.by_name["many"].item == "integer"


def test_a_class_inside_of_itself_is_edited_as_json() -> None:
    class Tree(Params):
        name: str
        children: list[Tree] = []

    Tree.model_rebuild(_types_namespace={"Tree": Tree})
    assert [(field.name, field.type, field.form) for field in form_of(Tree).fields] == [
        ("name", "text", None),
        ("children", "list", None),
    ]


def test_all_of_it_is_plain_data() -> None:
    class Odd(Params):
        thing: object = object()
        when: date = date(2024, 2, 29)

    for form in (FORM, form_of(Odd)):
        assert json.loads(json.dumps(form.as_list())) == form.as_list()
        assert json.loads(json.dumps(form_schema(form)))["$schema"].endswith("2020-12/schema")


def test_the_schema_says_what_a_form_needs_besides() -> None:
    def towns(country: str) -> list[str]:
        return []

    class Trip(Params):
        country: str = Field(label="Land", placeholder="FR", group="Where")
        town: str = Field(options=towns, visible_when="country != 'VA'")
        length: int | None = Field(None, derived=lambda town: len(town))
        rows: list[Row] = []

    schema = form_schema(form_of(Trip))
    assert schema["properties"]["country"]["x-ui"] == {
        "type": "text",
        "label": "Land",
        "widget": "text",
        "order": 0,
        "placeholder": "FR",
        "group": "Where",
        "depends_on": [],
    }
    assert schema["properties"]["town"]["x-ui"]["resolve"] == "options"
    assert schema["properties"]["town"]["x-ui"]["depends_on"] == ["country"]
    assert schema["properties"]["length"]["x-ui"]["resolve"] == "value"
    assert schema["$defs"]["Row"]["properties"]["kind"]["x-ui"]["order"] == 0
    assert schema["required"] == ["country"]


def test_order_moves_a_field() -> None:
    class Ordered(Params):
        last: str = Field("", order=9)
        first: str = Field("", order=-1)
        middle: str = ""

    assert [field.name for field in form_of(Ordered).fields] == ["first", "middle", "last"]


def test_a_form_is_made_once() -> None:
    assert form_of(Everything) is FORM


# --- what cannot be a form is refused where it is written


def fields(**given: Any) -> Mapping[str, Any]:
    return {"__annotations__": dict.fromkeys(given, str), **given}


def one(x: str) -> list[str]:
    return []


def other(y: str) -> list[str]:
    return []


def both(x: str, *, query: str = "") -> list[str]:
    return []


def any_number(*x: str) -> list[str]:
    return []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (fields(x=Field(options=other), y=Field(options=one)), "in a circle: x -> y -> x"),
        (fields(x=Field(options=one)), "in a circle: x -> x"),
        (fields(x=Field(visible_when="y == 1"), y=Field(options=one)), "in a circle: x -> y -> x"),
        (fields(y=Field(options=one)), "field y of Bad depends on 'x', which is no field"),
        (fields(y=Field(derived=one)), "field y of Bad depends on 'x', which is no field"),
        (fields(y=Field(visible_when="z == 1")), "field y of Bad is shown by 'z', which is no field"),
        (fields(y=Field(depends_on=["z"])), "field y of Bad depends on 'z', which is no field"),
        (fields(x=Field(), query=Field(), y=Field(options=both)), "but 'query' is a field too"),
        (fields(x=Field(), y=Field(options=any_number)), "each of its parameters names a field"),
        (fields(x=Field(), y=Field(options=one, derived=one)), "it is one of them"),
        (fields(y=Field(visible_when="1 +")), "visible_when of field y of Bad"),
        (fields(y=Field(options="abc")), "options of y of Bad are a list"),
        (fields(y=Field(options=[("a", "b", "c")])), "is a pair of value and label"),
        (fields(y=Field(options=[{"name": "a"}])), "has the keys value, label, description, group"),
    ],
)
def test_what_cannot_be_a_form_is_refused_where_it_is_written(given: Mapping[str, Any], words: str) -> None:
    with pytest.raises((DefinitionError, ValueError)) as refused:
        type("Bad", (Params,), dict(given))
    assert words in str(refused.value)


def test_a_near_name_is_told() -> None:
    with pytest.raises(DefinitionError, match="did you mean 'country'"):
        type("Near", (Params,), dict(fields(country=Field(), bank=Field(visible_when="county == 'IN'"))))


def test_a_type_that_cannot_be_found_is_named() -> None:
    class Inner(Params):
        a: int

    class Outer(Params):
        class Params(Params):  # type: ignore[misc, unused-ignore]
            inner: Inner

    with pytest.raises(DefinitionError, match="names the type 'Inner', which cannot be found"):
        form_of(Outer.Params)


def test_a_form_can_be_made_without_a_class() -> None:
    assert Form("nothing", ()).as_list() == []
