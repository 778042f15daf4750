"""`nodeloom new node`: a node with a form worth copying, and its test."""

from __future__ import annotations

import keyword
import sys
from pathlib import Path

from ..nodes.naming import in_words, snake_case
from .report import UsageError

__all__ = ["PYTEST", "new_node_command"]

PYTEST = "# without pytest yet: python -m pip install pytest"
"""Beside the command that runs the tests of what is new."""

NODE = '''"""@WORDS@: what the node does, and the form that it is configured with."""

import math
from typing import Literal

from nodeloom import Field, Node, Option, Params

SHEETS = {
    "ISO": {"A4": (210, 297), "A5": (148, 210)},
    "US": {"Letter": (216, 279), "Legal": (216, 356)},
}


def list_formats(series: str) -> list[Option]:
    """What there is to choose from: the parameter names the field that it depends on."""
    return [Option(name, f"{name}, {width} x {height} mm") for name, (width, height) in SHEETS[series].items()]


def sheet_area(series: str, format: str) -> int:
    """A value that nobody types: it is derived from two fields, in square millimetres."""
    width, height = SHEETS[series][format]
    return width * height


class @CLASS@(Node):
    """Say how many sheets of paper cover a wall."""

    class Params(Params):
        series: Literal["ISO", "US"]
        format: str = Field(options=list_formats)
        area: int = Field(label="Area of a sheet", derived=sheet_area)
        wall: float = Field(1.0, label="Wall in square metres", gt=0)

    async def work(self, params):
        return {"sheets": math.ceil(params.wall * 1_000_000 / params.area)}
'''
TEST = '''"""The node is tested by itself: what it does, and its form."""

import asyncio

from @FILE@ import @CLASS@


def test_it_does_its_work():
    assert @CLASS@(series="ISO", format="A4", wall=2).run_sync() == {"sheets": 33}


def test_its_form_asks_for_what_it_needs():
    fields = {field["name"]: field for field in @CLASS@.schema()["fields"]}
    assert list(fields) == ["series", "format", "area", "wall"]
    assert fields["format"]["dependsOn"] == ["series"]
    assert fields["area"]["type"] == "derived"


def test_what_there_is_to_choose_from_depends_on_the_series():
    options = asyncio.run(@CLASS@.get_dependent_options("format", {"series": "US"}))
    assert [option.value for option in options] == ["Letter", "Legal"]
    assert asyncio.run(@CLASS@.get_dependent_options("format", {})) is None


def test_everything_that_is_wrong_is_said_at_once():
    problems = asyncio.run(@CLASS@.check({"series": "US", "format": "A4", "wall": 0}))
    assert [problem.field for problem in problems] == ["format", "wall"]
'''


TAKEN = ("Field", "Literal", "Node", "Option", "Params")
"""What the file of a node imports: a class of that name would stand in its place."""


def new_node_command(name: str) -> int:
    """Make the node and its test in the working directory; gives the exit code."""
    file = snake_case(name)
    kind = "".join(part[:1].upper() + part[1:] for part in file.split("_"))
    _check(name, file, kind)
    words = {"@CLASS@": kind, "@FILE@": file}
    words["@WORDS@"] = in_words(file)
    made = {Path(f"{file}.py"): NODE, Path(f"test_{file}.py"): TEST}
    for path in made:
        if path.exists():
            raise UsageError(f"{path} exists already, and is not overwritten: choose another name")
    for path, text in made.items():
        for mark, word in words.items():
            text = text.replace(mark, word)  # noqa: PLW2901
        path.write_text(text, encoding="utf-8")
    print(f"{words['@CLASS@']} is ready: {', '.join(map(str, made))}")
    print(f"\n  nodeloom form {file}.{words['@CLASS@']}\n  python -m pytest test_{file}.py  {PYTEST}")
    return 0


def _check(name: str, file: str, kind: str) -> None:
    if not file.isidentifier() or not file.isascii() or keyword.iskeyword(file):
        raise UsageError(f"{name!r} cannot be the name of a node: use letters and digits, as ResizeImage")
    if file in sys.stdlib_module_names or file in ("nodeloom", "pytest"):
        raise UsageError(f"a file {file}.py would hide the module {file}: choose another name than {name!r}")
    if kind in TAKEN:
        raise UsageError(
            f"a class {kind} would hide the {kind} that a node is made with: choose another name than {name!r}, as "
            f"Check{kind}"
        )
