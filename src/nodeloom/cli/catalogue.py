"""`nodeloom nodes`: the node types there are."""

from __future__ import annotations

import difflib
import shutil
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from ..nodes.node import Node
from ..nodes.registry import Registry
from .output import write_json
from .report import FAILED, WRONG, fail
from .targets import importable

__all__ = ["nodes_command"]

ROOM = 40


def nodes_command(search: str, folders: Sequence[Path], *, as_json: bool) -> int:
    """List the node types that match; gives the exit code."""
    registry = Registry()
    with redirect_stdout(sys.stderr):
        for problem in registry.discover():
            fail(f"warning: {problem}", 0)
        for folder in folders:
            importable(folder)
        problems = registry.discover(*folders, entry_points=False)
    found = [kind for kind in registry if _matches(kind, search)]
    if as_json:
        write_json([_entry(kind) for kind in found], sys.stdout)
    elif found:
        _table(found)
    if problems:
        return fail("\n  ".join(["some nodes could not be loaded", *map(str, problems)]), WRONG)
    if search and not found:
        return fail(_no_match(registry, search), FAILED)
    return 0


def _matches(kind: type[Node], search: str) -> bool:
    text = " ".join([kind.identifier, kind.display_name, kind.description, kind.category]).lower()
    return all(word in text for word in search.lower().split())


def _no_match(registry: Registry, search: str) -> str:
    near = difflib.get_close_matches(search, [kind.identifier for kind in registry], 3, 0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else "; `nodeloom nodes` lists them all"
    return f"no node type matches {search!r}{hint}"


def _table(found: Sequence[type[Node]]) -> None:
    rows = [(kind.identifier, kind.display_name, str(kind.version), kind.description) for kind in found]
    heads = ("IDENTIFIER", "NAME", "VERSION", "DESCRIPTION")
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(3)]
    room = _room(sum(widths) + 6)
    for row in (heads, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, _cut(row[3], room)]).rstrip())


def _room(taken: int) -> int | None:
    """What a terminal has left for the descriptions; a file takes any length."""
    if not sys.stdout.isatty():
        return None
    return max(shutil.get_terminal_size().columns - taken, ROOM)


def _cut(text: str, room: int | None) -> str:
    return text if room is None or len(text) <= room else f"{text[: room - 1]}…"


def _entry(kind: type[Node]) -> dict[str, Any]:
    return {
        "identifier": kind.identifier,
        "display_name": kind.display_name,
        "version": kind.version,
        "description": kind.description,
        "icon": kind.icon,
        "category": kind.category,
        "params": _params(kind),
    }


def _params(kind: type[Node]) -> Any:
    if kind.params_model is None:
        return None
    from pydantic.errors import PydanticUserError

    try:
        return kind.params_model.model_json_schema()
    except PydanticUserError as error:  # a field of a type that JSON Schema has no word for
        return {"title": kind.params_model.__name__, "description": f"no JSON Schema: {error.message}"}
