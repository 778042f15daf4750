"""`template.render`: minijinja over plain values."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from tests.library.conftest import Bench

from nodeloom import ParamsError
from nodeloom.errors import LimitExceeded, PathNotAllowed
from nodeloom.library import ContentError, TemplateFailed, TemplateRender


class Live:
    """What must never reach a template."""

    touched = False

    def touch(self) -> str:
        Live.touched = True
        return "touched"


class Colour(StrEnum):
    RED = "red"


async def render(bench: Bench, template: str, inputs: object = None, **params: Any) -> str:
    return (await bench.run(TemplateRender(template=template, **params), inputs))["text"]


async def test_braces_of_a_template_are_its_own_and_values_are_rendered_first(bench: Bench) -> None:
    """12.1: a literal field is never rendered, and a value is never parsed again."""
    text = await render(
        bench,
        "{% for n in names %}{{ n }};{% endfor %}\n",
        {"who": ["{{ x }}", "b"]},
        values={"names": "{{ inputs.who }}"},
    )
    assert text == "{{ x }};b;\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"),
        (3, "3"),
        (0.5, "0.5"),
        ([1, (2, {"a": 3})], "[1, [2, {'a': 3}]]"),
        (date(2024, 5, 1), "2024-05-01"),
        (datetime(2024, 5, 1, tzinfo=UTC), "2024-05-01T00:00:00+00:00"),
        (Decimal("1.50"), "1.50"),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (Colour.RED, "red"),
    ],
)
async def test_values_are_plain_copies(bench: Bench, value: object, expected: str) -> None:
    assert await render(bench, "{{ v }}", {"v": value}, values={"v": "{{ inputs.v }}"}) == expected


async def test_a_live_object_is_refused_with_its_place(bench: Bench) -> None:
    with pytest.raises(ParamsError, match=r"params\.values\.a\.b\[0\]: a template takes .* not a Live"):
        await render(bench, "{{ a.b[0].touch() }}", {"live": Live()}, values={"a": {"b": ["{{ inputs.live }}"]}})
    assert not Live.touched


@pytest.mark.parametrize(
    "attack", ["{{ v.__class__ }}", "{{ v.__class__.__mro__ }}", "{{ ''.__class__ }}", "{{ v['__class__'] }}"]
)
async def test_a_template_reaches_no_class(bench: Bench, attack: str) -> None:
    with pytest.raises(TemplateFailed):
        await render(bench, attack, values={"v": {"a": 1}})


async def test_a_template_cannot_change_what_others_hold(bench: Bench) -> None:
    """4.8."""
    held = {"list": [1]}
    await render(bench, "{{ v.list.append(2) }}", held, values={"v": "{{ inputs }}"})
    assert held == {"list": [1]}


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("one\ntwo {{ nmae }}", "the template, line 2: `nmae` is undefined"),
        ("{{ v.a.b }}", "the template, line 1: "),
        ("\n\n{% for %}", "the template, line 3: unexpected"),
        ("{{ v | nofilter }}", "the template, line 1: filter nofilter is unknown"),
        ("{% include 'none.txt' %}", "the template, line 1: .*none.txt"),
        ("{{ 1 // 0 }}", "the template, line 1: "),
    ],
)
async def test_an_error_names_the_line(bench: Bench, template: str, message: str) -> None:
    """12.2: a missing name is an error."""
    with pytest.raises(TemplateFailed, match=message):
        await render(bench, template, values={"v": {}})


async def test_a_loop_without_an_end_runs_out_of_fuel(bench: Bench) -> None:
    loop = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"
    with pytest.raises(TemplateFailed, match="ran out of fuel"):
        await render(bench, loop)


async def test_a_template_that_includes_itself_ends(root: Path, bench: Bench) -> None:
    (root / "a.txt").write_text("{% include 'a.txt' %}")
    with pytest.raises(TemplateFailed):
        await bench.run(TemplateRender(path="a.txt"))


async def test_a_text_past_the_limit_fails(bench: Bench) -> None:
    with pytest.raises(LimitExceeded, match=r"more than 9 characters \(max_characters\)"):
        await render(bench, "{{ 'x' * 10 }}", max_characters=9)


async def test_html_is_escaped_in_html_files_and_where_asked(root: Path, bench: Bench) -> None:
    (root / "a.html").write_text("<b>{{ v }}</b>")
    (root / "a.txt").write_text("{{ v }}")
    values = {"v": "<script>&\"'"}
    assert "<script>" not in (await bench.run(TemplateRender(path="a.html", values=values)))["text"]
    assert (await bench.run(TemplateRender(path="a.txt", values=values)))["text"] == "<script>&\"'"
    assert "&lt;script&gt;" in (await bench.run(TemplateRender(path="a.txt", values=values, escape="html")))["text"]
    assert "<script>" in (await bench.run(TemplateRender(path="a.html", values=values, escape="none")))["text"]


async def test_a_template_file_extends_and_includes_others_beside_it(root: Path, bench: Bench) -> None:
    (root / "t").mkdir()
    (root / "t/base.html").write_text("<h1>{% block title %}{% endblock %}</h1>{% include 'foot.html' %}")
    (root / "t/foot.html").write_text("{{ v }}")
    (root / "t/page.html").write_text("{% extends 'base.html' %}{% block title %}{{ v }}{% endblock %}")
    result = await bench.run(TemplateRender(path="t/page.html", values={"v": "&"}))
    assert result["text"] == "<h1>&amp;</h1>&amp;"


@pytest.mark.parametrize("name", ["../secret.txt", "../../secret.txt", "/etc/passwd", "link"])
async def test_a_template_reads_nothing_outside_of_the_roots(root: Path, bench: Bench, name: str) -> None:
    (root / "link").symlink_to(root.parent / "secret.txt")
    (root / "page.txt").write_text("{% include '" + name + "' %}")
    for each in (TemplateRender(path=name), TemplateRender(path="page.txt")):
        with pytest.raises(PathNotAllowed):
            await bench.run(each)
    with pytest.raises(PathNotAllowed):
        await render(bench, "{% include '" + name + "' %}")


async def test_an_error_in_an_included_file_names_that_file(root: Path, bench: Bench) -> None:
    (root / "page.txt").write_text("\n{% include 'part.txt' %}")
    (root / "part.txt").write_text("\n\n{{ absent }}")
    with pytest.raises(TemplateFailed, match=r"part\.txt, line 3"):
        await bench.run(TemplateRender(path="page.txt"))


async def test_a_template_file_that_is_missing_or_no_text_is_one_message(root: Path, bench: Bench) -> None:
    with pytest.raises(FileNotFoundError, match=r"cannot read none\.txt"):
        await bench.run(TemplateRender(path="none.txt"))
    (root / "f").write_bytes(b"\xff")
    with pytest.raises(ContentError, match="f is not utf-8 text"):
        await bench.run(TemplateRender(path="f"))


@pytest.mark.parametrize("params", [{}, {"template": "", "path": "x"}])
async def test_a_template_or_a_path_is_given(bench: Bench, params: dict) -> None:
    with pytest.raises(ParamsError, match="give a template, or the path of one"):
        await bench.run(TemplateRender(**params))
