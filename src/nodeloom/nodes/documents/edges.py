"""The `edges:` of a document: texts with arrows, and mappings."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ...errors import ExpressionError
from ...expressions import from_keywords
from ...model.edge import Edge, EdgeKind
from ..wiring import is_error_name
from .entries import is_id
from .error_names import ErrorNames
from .findings import Findings, hint, shown
from .places import Path, is_list, is_mapping

__all__ = ["EDGE_KEYS", "MAX_EDGES", "Arrow", "read_edges"]

EDGE_KEYS = ("from", "to", "when", "otherwise", "on_error", "route", "metadata")
KINDS: dict[str, EdgeKind] = {"when": "when", "otherwise": "otherwise", "on_error": "error", "route": "route"}
MAX_EDGES = 20_000
"""Edges of one graph; a list on both sides of an arrow makes many."""

_FORM = 'write it as `a -> b`, `a -> [b, c]`, or {from: a, to: b, when: "..."}'


@dataclass
class Arrow:
    """An edge with the place it stands at; `is_sound` when both its ends exist."""

    edge: Edge
    path: Path
    is_sound: bool


@dataclass(frozen=True)
class _Rules:
    """What one mapping says besides its ends."""

    kind: EdgeKind = "always"
    when: str | None = None
    errors: tuple[str, ...] = ()
    metadata: dict[str, Any] | None = None


def read_edges(declared: Any, ids: Collection[str], errors: ErrorNames, findings: Findings) -> list[Arrow]:
    """The edges in their order, each once; what is wrong is added to the findings.

    Args:
        declared: as it was written. ids: of the nodes. errors: those that may be named. findings: of the document.
    """
    if declared is None:
        return []
    if not is_list(declared):
        findings.add("bad_edges", f"edges are a list, as `- a -> b`, not {shown(declared)}", ("edges",))
        return []
    reader = _Reader(ids, errors, findings)
    for index, entry in enumerate(declared):
        if findings.is_full or reader.is_full:
            break
        reader.read(entry, ("edges", index))
    return reader.arrows


class _Reader:
    def __init__(self, ids: Collection[str], errors: ErrorNames, findings: Findings) -> None:
        self.ids = ids
        self.known_errors = errors
        self.findings = findings
        self.arrows: list[Arrow] = []
        self.seen: set[tuple[Any, ...]] = set()
        self.unknown: set[tuple[Path, str]] = set()
        self.pairs = 0
        self.is_full = False

    def read(self, entry: Any, path: Path) -> None:
        if isinstance(entry, str):
            self.text(entry, path)
        elif is_mapping(entry):
            self.mapping(entry, path)
        else:
            self.findings.add("bad_edge", f"an edge is a text or a mapping: {_FORM}, not {shown(entry)}", path)

    def text(self, text: str, path: Path) -> None:
        sides = [_side(side) for side in text.split("->")]
        if len(sides) < 2 or not all(sides):
            self.findings.add("bad_edge", f"{shown(text)} is no edge: {_advice(text)}", path)
            return
        for sources, targets in pairwise(sides):
            if self.is_full:
                break
            self.connect(sources or [], targets or [], _Rules(), path, path, path)

    def mapping(self, entry: dict[str, Any], path: Path) -> None:
        self.check_keys(entry, path)
        missing = [f"`{word}`" for word in ("from", "to") if word not in entry]
        if missing and not any("->" in key for key in entry):
            self.findings.add("bad_edge", f"an edge says {' and '.join(missing)}: {_FORM}", path)
        ends = [self.end(entry, word, path) for word in ("from", "to")]
        name = f"{_words(entry.get('from'))} -> {_words(entry.get('to'))}"
        rules = self.rules(entry, path, name)
        if ends[0] and ends[1]:
            self.connect(ends[0], ends[1], rules, path, (*path, "from"), (*path, "to"))

    def check_keys(self, entry: dict[str, Any], path: Path) -> None:
        for key in entry:
            if key in EDGE_KEYS:
                continue
            if "->" in key:
                what = f"a condition is written {{from: a, to: b, when: ...}}, not after `{key[:60]}:`"
            else:
                what = f"an edge has no key {shown(key)}{hint(key, EDGE_KEYS, 'keys')}"
            self.findings.add("unknown_key", what, (*path, key), key=True)
        kinds = [key for key in KINDS if entry.get(key) not in (None, False)]
        if len(kinds) > 1:
            what = f"an edge has one of when, otherwise, on_error and route, and this has {' and '.join(kinds)}"
            self.findings.add("bad_edge", what, (*path, kinds[1]), key=True)

    def end(self, entry: dict[str, Any], word: str, path: Path) -> list[str] | None:
        if word not in entry:
            return None
        value = entry[word]
        ids: list[Any] = value if is_list(value) else [value]
        if ids and all(isinstance(id, str) for id in ids):
            return ids
        what = f"`{word}` is a node id or a list of them, not {shown(value)}"
        self.findings.add("bad_edge", what, (*path, word))
        return None

    def rules(self, entry: dict[str, Any], path: Path, name: str) -> _Rules:
        kind: EdgeKind = "always"
        for key, stands_for in KINDS.items():
            if entry.get(key) not in (None, False):
                kind = stands_for
                break
        for word in ("otherwise", "route"):
            if not isinstance(entry.get(word, False), bool):
                what = f"`{word}` is true or left out, not {shown(entry[word])}"
                self.findings.add("bad_edge", what, (*path, word), edge=name)
        metadata = entry.get("metadata")
        if metadata is not None and not is_mapping(metadata):
            what = f"metadata is a mapping, not {shown(metadata)}"
            self.findings.add("bad_edge", what, (*path, "metadata"), edge=name)
            metadata = None
        when = self.condition(entry["when"], path, name) if kind == "when" else None
        errors = self.errors(entry["on_error"], path, name) if kind == "error" else ()
        if kind == "when" and when is None:
            kind = "route"  # nothing can be said of when it is taken
        return _Rules(kind, when, errors, metadata)

    def condition(self, value: Any, path: Path, name: str) -> str | None:
        if isinstance(value, str):
            return value
        if not is_mapping(value):
            what = f'`when` is an expression in a text, as "output.words > 100", not {shown(value)}'
            self.findings.add("condition", what, (*path, "when"), edge=name)
            return None
        try:
            return from_keywords(value).text
        except ExpressionError as error:
            self.findings.add("condition", str(error), (*path, "when"), edge=name)
        return None

    def errors(self, value: Any, path: Path, name: str) -> tuple[str, ...]:
        if value is True:
            return ()
        names: list[Any] = value if is_list(value) else [value]
        if not names or not all(isinstance(each, str) and is_error_name(each) for each in names):
            what = f"`on_error` is the name of an error, as TimeoutError, a list of them, or true, not {shown(value)}"
            self.findings.add("bad_edge", what, (*path, "on_error"), edge=name)
            return ()
        for each in names:
            misspelt = self.known_errors.misspelt(each)
            if misspelt is not None:
                self.findings.add("unknown_error", misspelt, (*path, "on_error"), edge=name, severity="warning")
        return tuple(names)

    def connect(
        self, sources: list[str], targets: list[str], rules: _Rules, path: Path, source_at: Path, target_at: Path
    ) -> None:
        sound = {
            id: self.exists(id, at, path) for ids, at in ((sources, source_at), (targets, target_at)) for id in ids
        }
        place = self.findings.place(path)
        line = place.line if place is not None else None
        self.pairs += len(sources) * len(targets)
        for source in sources:
            for target in targets:
                if len(self.arrows) >= MAX_EDGES or self.pairs > 2 * MAX_EDGES:
                    self.is_full = True
                    break
                edge = Edge(source, target, rules.kind, rules.when, None, rules.errors, rules.metadata, line)
                if edge.meaning not in self.seen:
                    self.seen.add(edge.meaning)
                    self.arrows.append(Arrow(edge, path, sound[source] and sound[target]))
        if self.is_full:
            self.findings.add("too_many_edges", f"a graph has at most {MAX_EDGES:,} edges", path)

    def exists(self, id: str, at: Path, path: Path) -> bool:
        if id in self.ids:
            return True
        if (path, id) in self.unknown or not self.ids:
            return False  # said already, or it was said that there are no nodes
        self.unknown.add((path, id))
        what = f"no node has the id {shown(id)}{hint(id, self.ids, 'nodes')}"
        if not is_id(id):
            what = f"{shown(id)} is no node id; {_FORM}"
        self.findings.add("unknown_node", what, at, field=None if at == path else str(at[-1]), edge=self.named(path))
        return False

    def named(self, path: Path) -> str:
        entry: Any = self.findings.data["edges"][path[1]]
        return entry[:80] if isinstance(entry, str) else f"{_words(entry['from'])} -> {_words(entry['to'])}"


def _side(text: str) -> list[str] | None:
    """The ids on one side of an arrow; None when it is no such thing."""
    text = text.strip()
    is_list_of_them = text.startswith("[") and text.endswith("]")
    ids = [id.strip() for id in text[1:-1].split(",")] if is_list_of_them else [text]
    return ids if all(id and not set(id) & set("[],<>=- \t\n") for id in ids) else None


def _advice(text: str) -> str:
    for wrong in ("-->", "=>", "→", "- >"):
        if wrong in text:
            return f"the arrow is `->`, not `{wrong}`"
    if re.search(r"->.*\b(when|if)\b", text[:1_000]):
        return 'a condition needs a mapping: {from: a, to: b, when: "..."}'
    return _FORM


def _words(value: Any) -> str:
    if is_list(value):
        return f"[{', '.join(str(item)[:40] for item in value[:5])}]"
    return str(value)[:40] if isinstance(value, str) else "?"
