"""A form whose fields were written by hand: limits, derived values, searches and pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from nodeloom import Node
from nodeloom.errors import DefinitionError, ParamsError
from nodeloom.forms import Evaluator, Page
from nodeloom.forms.choosing import options_for
from nodeloom.nodes.forms import form_of_node
from nodeloom.nodes.host import current_host

TOWNS = [f"town {n}" for n in range(10)]


def kind_of(*fields: dict[str, Any]) -> type[Node]:
    class Written(Node):
        def schema(self) -> Any:  # type: ignore[override]
            return {"fields": list(fields)}

        async def work(self, params: Any) -> dict[str, Any]:
            return dict(params)

    return Written


class Asked(Node):
    """Plain functions, asked on a thread."""

    def schema(self) -> Any:  # type: ignore[override]
        return {
            "fields": [
                {"name": "country", "required": True},
                {"name": "town", "type": "select", "dependsOn": ["country"], "required": True},
                {"name": "told", "type": "derived", "dependsOn": ["country", "town"], "required": True},
            ]
        }

    def get_dependent_options(  # type: ignore[override]
        self, field: str, values: Mapping[str, Any], *, query: str = "", cursor: str | None = None
    ) -> Any:
        if field == "told":
            return f"{values['town']} in {values['country']}"
        found = [town for town in TOWNS if query in town]
        begin = int(cursor or 0)
        return Page(tuple(found[begin : begin + 4]), str(begin + 4) if begin + 4 < len(found) else None)  # type: ignore[arg-type]

    async def work(self, params: Any) -> dict[str, Any]:
        return {"told": params.told}


@pytest.mark.parametrize(
    ("kind", "limits", "fits", "wrong"),
    [
        ("text", {"pattern": "^[0-9]+$"}, "12", "1a"),
        ("text", {"minLength": 2, "maxLength": 3}, "ab", "abcd"),
        ("integer", {"minimum": 1, "maximum": 5}, 5, 6),
        ("number", {"exclusiveMinimum": 0, "multipleOf": 0.5}, 1.5, 0),
        ("list", {"minItems": 1}, [1], []),
    ],
)
async def test_limits_are_kept_wherever_they_are_written(kind: str, limits: Any, fits: Any, wrong: Any) -> None:
    beside = {"name": "a", "type": kind, "required": True, **limits}
    below = {"name": "a", "type": kind, "required": True, "limits": limits}
    for written in (kind_of(beside), kind_of(below)):
        assert await written.check({"a": fits}) == []
        assert [problem.field for problem in await written.check({"a": wrong})] == ["a"]
        with pytest.raises(ParamsError):
            written(a=wrong)


def test_limits_that_do_not_fit_the_type_are_the_authors_mistake() -> None:
    with pytest.raises(DefinitionError, match=r"the limits of field a of Written.*do not fit its type"):
        form_of_node(kind_of({"name": "a", "type": "text", "pattern": "["}))


async def test_what_need_not_be_given_may_be_none() -> None:
    field = {"name": "on", "type": "date"}
    assert await kind_of(field).check({"on": None}) == []
    assert [each.field for each in await kind_of({**field, "required": True}).check({"on": None})] == ["on"]
    assert await kind_of(field)(on="2026-01-31")() == {"on": date(2026, 1, 31)}


async def test_a_derived_field_is_asked_for_and_never_given() -> None:
    evaluator = Evaluator(form_of_node(Asked), current_host().asker)
    await evaluator.update({"country": "FR", "told": "a lie"})
    assert evaluator.states["told"].waiting_for == ("town",)
    await evaluator.change(town="town 9")
    assert evaluator.states["told"].value == "town 9 in FR"
    assert evaluator.problems == []
    assert await Asked(country="FR", town="town 9", told="a lie")() == {"told": "town 9 in FR"}


async def test_a_search_and_a_page_reach_a_method_that_takes_them() -> None:
    form, asker = form_of_node(Asked), current_host().asker
    first = await options_for(form, "town", {"country": "FR"}, asker)
    assert first is not None
    assert [option.value for option in first.options] == TOWNS[:4]
    second = await options_for(form, "town", {"country": "FR"}, asker, cursor=first.cursor)
    found = await options_for(form, "town", {"country": "FR"}, asker, query="7")
    assert second is not None
    assert found is not None
    assert [option.value for option in second.options] == TOWNS[4:8]
    assert [option.value for option in found.options] == ["town 7"]


async def test_a_method_that_takes_neither_is_not_given_them() -> None:
    class Simple(Asked):
        def get_dependent_options(self, field: str, values: Mapping[str, Any]) -> Any:  # type: ignore[override]
            return ["only"] if field == "town" else "told"

    assert await Simple.check({"country": "FR", "town": "only"}) == []
    page = await options_for(form_of_node(Simple), "town", {"country": "FR"}, current_host().asker, query="zzz")
    assert page is not None
    assert [option.value for option in page.options] == ["only"]
