"""A node's entry in the file of a document: a new file, or a few more lines in one, which else stays as it is."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import DocumentError
from ...nodes.documents.entries import is_id
from ...nodes.documents.reading import read_text
from ...nodes.documents.yaml_writing import dump_yaml
from ...nodes.naming import snake_case
from ..report import UsageError, problem_lines

__all__ = ["Destination"]


class Destination:
    """Where an entry goes.

    Args:
        path: the document. id: the node's, in it.

    Raises:
        UsageError: it is no document, or has a node of that id.
    """

    def __init__(self, path: Path, id: str) -> None:
        self.path = path
        self.id = id
        self._is_new = not path.exists()
        if not is_id(id):
            raise UsageError(f"{id!r} is no node id: use letters, digits and underscores, as fetch_page")
        if path.suffix.lower() not in (".yaml", ".yml", ".json"):
            raise UsageError(f"{path} is no document: its name ends in .yaml, .yml or .json")
        content = b"" if self._is_new else path.read_bytes()
        self._data: dict[str, Any] = {} if self._is_new else self._read(content)
        self._text = content.decode()
        nodes: Any = self._data.get("nodes") or {}
        if not isinstance(nodes, dict):
            raise UsageError(f"{path}: its `nodes:` are no mapping of ids to nodes")
        if id in nodes:
            raise UsageError(f"{path} has a node {id!r} already, which is not replaced: give another with --id")
        self._nodes: dict[str, Any] = nodes  # pyright: ignore[reportUnknownMemberType]

    def write(self, entry: Mapping[str, Any]) -> None:
        """Write the file with the entry in it.

        Raises:
            UsageError: it cannot be written.
        """
        wanted = {**self._data, "nodes": {**self._nodes, self.id: dict(entry)}}
        if self._is_new:
            wanted = {"nodeloom": 1, "name": snake_case(self.path.stem), **wanted}
        text = self._with(entry, wanted)
        try:
            self.path.write_bytes(text.encode())
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror or error}") from error

    def _read(self, text: str | bytes) -> dict[str, Any]:
        try:
            source = read_text(text, str(self.path))
            problems = [problem for _, problem in source.faults]
        except DocumentError as error:
            source, problems = None, list(error.problems)
        if source is None or problems:
            lines = "\n  ".join(problem_lines(problems, str(self.path)))
            raise UsageError(f"{self.path} is no document that a node can be added to\n  {lines}")
        return source.data

    def _with(self, entry: Mapping[str, Any], wanted: dict[str, Any]) -> str:
        if self.path.suffix.lower() == ".json":
            return json.dumps(wanted, indent=2, ensure_ascii=False) + "\n"
        if self._is_new:
            return dump_yaml(wanted)
        for made in (_inserted, _round_trip):
            text = made(self._text, self.id, dict(entry))
            if text is not None and self._holds(text, wanted):
                return text
        raise UsageError(f"{self.path}: the node cannot be added without changing the rest; print it without --into")

    def _holds(self, text: str, wanted: dict[str, Any]) -> bool:
        try:
            return self._read(text) == wanted
        except UsageError:
            return False


def _inserted(text: str, id: str, entry: dict[str, Any]) -> str | None:
    """The text with lines for the entry behind the last of its nodes; None where those have no lines of their own."""
    document = _yaml().load(text)
    nodes: Any = document.get("nodes")
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith(("\n", "\r")):
        lines[-1] += ending
    if "nodes" not in document:
        return "".join([*lines, *_lines({"nodes": {id: entry}}, 0, ending)])
    if not nodes or nodes.fa.flow_style():
        return None
    indent: int = nodes.lc.data[next(iter(nodes))][1]
    at = _end(lines, nodes.lc.data[[*nodes][-1]][0] + 1, indent)
    return "".join([*lines[:at], *_lines({id: entry}, indent, ending), *lines[at:]])


def _end(lines: list[str], begin: int, indent: int) -> int:
    """The line behind a block: as deep as it goes, without the blank lines and comments that lead to what follows."""
    end = begin
    for number in range(begin, len(lines)):
        bare = lines[number].strip()
        depth = len(lines[number]) - len(lines[number].lstrip(" "))
        if bare and depth < indent and not bare.startswith("#"):
            break
        if bare and depth >= indent:
            end = number + 1
    return end


def _lines(value: dict[str, Any], indent: int, ending: str) -> list[str]:
    return [f"{' ' * indent}{line}".rstrip(" ") + ending for line in dump_yaml(value).splitlines()]


def _round_trip(text: str, id: str, entry: dict[str, Any]) -> str | None:
    """The text, read and written with its comments; for nodes that stand on one line."""
    yaml = _yaml()
    document = yaml.load(text)
    if not document.get("nodes"):
        document["nodes"] = {}
    document["nodes"][id] = entry
    made = io.StringIO()
    yaml.dump(document, made)
    return made.getvalue()


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096  # pyright: ignore[reportAttributeAccessIssue]
    return yaml
