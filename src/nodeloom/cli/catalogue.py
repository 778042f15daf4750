"""`nodeloom nodes`: the node types there are."""

from __future__ import annotations

import difflib
import shutil
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from ..nodes.forms import form_of_node
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
    found = registry.search(search)
    if as_json:
        write_json(_described(registry, search), sys.stdout)
    elif found:
        _table(found)
    if problems:
        return fail("\n  ".join(["some nodes could not be loaded", *map(str, problems)]), WRONG)
    if search and not found:
        return fail(_no_match(registry, search), FAILED)
    return 0


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


def _described(registry: Registry, search: str) -> list[dict[str, Any]]:
    with redirect_stdout(sys.stderr):
        return [_entry(registry, described) for described in registry.describe(search)]


def _entry(registry: Registry, described: dict[str, Any]) -> dict[str, Any]:
    """An entry of the catalogue with its form: as `fields`, and as `json_schema`, which `params` is, too."""
    entry = {key: value for key, value in described.items() if key != "schema"}
    try:
        form = form_of_node(registry.get(described["identifier"]))
    except Exception as error:  # of an author's own schema(), which is no reason to hide the others
        problem = entry.get("problem") or f"{type(error).__name__}: {error}"
        return {**entry, "problem": problem, "fields": [], "json_schema": None, "params": None}
    from ..forms.json_schema import form_schema

    schema = form_schema(form)
    return {**entry, "fields": form.as_list(), "json_schema": schema, "params": schema if form.fields else None}
