"""The `nodes:` of a document: each entry as a node, or with everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from ...errors import DefinitionError, ParamsError, UnknownNodeType
from ...model.batch import Batch, spelt_twice
from ...model.batch_settings import BatchSettingsError, unknown_setting
from ...model.edge import Quorum
from ...model.plan import NodeSpec
from ..host import policies
from ..migration import migrated
from ..node import LATER, RESERVED, Node
from ..settings import setting
from .catalogue import Catalogue
from .findings import MAX_PROBLEMS, Findings, hint, shown
from .places import Path, is_list, is_mapping

__all__ = ["NODE_KEYS", "Entry", "is_id", "read_entries"]

_TYPE = re.compile(r"[\w.-]{1,60}", re.ASCII)
MAX_PARAMS = 1_000
SETTINGS = tuple(word for word in RESERVED if word != "id")
NODE_KEYS = ("type", "version", "params", *SETTINGS, "label")


@dataclass
class Entry:
    """A node of a document.

    Attributes:
        kind: its type, when it is known. params: as they were written. settings: those that are valid.
        inner: the document in the params of a `subgraph`. is_inline: that is all they hold, so that the node is
            that graph, and no type has to be known.
        names: what its expressions may use besides those of every step. node: the node, when nothing is wrong with it.
    """

    id: str
    spec: NodeSpec
    path: Path
    kind: type[Node] | None = None
    node: Node | None = None
    params: dict[str, Any] | None = None
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    inner: dict[str, Any] | None = None
    is_inline: bool = False
    names: tuple[str, ...] = ()

    @property
    def has_id(self) -> bool:
        """Whether its id can be one."""
        return is_id(self.id)

    @property
    def batch(self) -> Batch | None:
        """Its batch, where it has one that is valid."""
        return self.settings.get("batch")

    @property
    def rate(self) -> float | None:
        """How often it ticks under a clock, as far as it is known."""
        rate: float | None = self.settings.get("rate", getattr(self.kind, "rate", None))
        return rate

    @property
    def outputs(self) -> Collection[str] | None:
        """The names of its outputs, where they are declared: by its type, or by the document that it holds."""
        if self.batch is not None:
            return None
        if not self.is_inline:
            return self.spec.outputs
        declared = (self.inner or {}).get("outputs")
        return declared if is_mapping(declared) else None

    def settle(self, node: Node) -> None:
        """The node is made: what it says of itself is what the plan needs."""
        self.node = node
        self.spec = msgspec.structs.replace(node.spec(), line=self.spec.line)


def is_id(value: object) -> bool:
    """Whether it can be a node id (semantics 2.8)."""
    return isinstance(value, str) and value.isidentifier() and value.isascii()


def read_entries(nodes: Any, findings: Findings, catalogue: Catalogue, path: Path = ("nodes",)) -> list[Entry]:
    """The entries in their order; what is wrong is added to the findings."""
    if not isinstance(nodes, dict) or not nodes:
        what = "a document names its nodes as `nodes: {fetch: {type: http.request}}`"
        findings.add("no_nodes", what if nodes else f"there are no nodes; {what}", path, key=True)
        return []
    entries: list[Entry] = []
    for id, entry in cast("dict[str, Any]", nodes).items():
        if findings.is_full:
            break
        entries.append(_read(id, entry, findings, catalogue))
    return entries


def _read(id: str, entry: Any, findings: Findings, catalogue: Catalogue) -> Entry:
    path: Path = ("nodes", id)
    place = findings.place(path, key=True)
    made = Entry(id, NodeSpec(id, line=place.line if place is not None else None), path)
    if not made.has_id:
        what = f"{shown(id)} is no node id: use letters, digits and underscores, as fetch_page"
        findings.add("bad_id", what, path, key=True)
    if not isinstance(entry, dict):
        kind = entry if isinstance(entry, str) and _TYPE.fullmatch(entry) else "http.request"
        what = f"a node is a mapping, as `{id[:40]}: {{type: {kind}}}`"
        findings.add("bad_node", what, path)
        return made
    entry = cast("dict[str, Any]", entry)
    made.params = _params(entry, path, findings)
    made.inner = _inner(entry)
    made.is_inline = made.inner is not None and list(made.params or ()) == ["document"]
    if not made.is_inline:
        made.kind = _kind(entry, path, findings, catalogue)
    _check_keys(entry, made, findings)
    before = findings.errors
    made.settings = _settings(entry, path, findings)
    made.names = _names(entry, made.kind)
    made.spec = _spec(made, entry)
    if made.kind is not None and made.params is not None and made.has_id:
        made.node = _make(made, entry, findings)
    if findings.errors > before:
        made.node = None
    if made.node is not None:
        made.settle(made.node)
    return made


def _inner(entry: dict[str, Any]) -> dict[str, Any] | None:
    params = entry.get("params")
    if entry.get("type") != "subgraph" or not is_mapping(params):
        return None
    inner = params.get("document")
    return inner if is_mapping(inner) else None


def _kind(entry: dict[str, Any], path: Path, findings: Findings, catalogue: Catalogue) -> type[Node] | None:
    if "type" not in entry:
        findings.add("missing_type", "a node names its type, as `type: http.request`", path, key=True)
        return None
    identifier, version = entry["type"], entry.get("version")
    if not isinstance(identifier, str) or not identifier:
        what = f"a type is the identifier of a node type, as http.request, not {shown(identifier)}"
        findings.add("unknown_type", what, (*path, "type"))
        return None
    if version is not None and (not isinstance(version, int) or isinstance(version, bool) or version < 1):
        what = f"a version is a whole number from 1, not {shown(version)}"
        findings.add("unknown_version", what, (*path, "version"))
        version = None
    try:
        return catalogue.find(identifier, version)
    except UnknownNodeType as error:
        known = identifier in catalogue.registry
        code, field = ("unknown_version", "version") if known else ("unknown_type", "type")
        findings.add(code, str(error), (*path, field))
    return None


def _params(entry: dict[str, Any], path: Path, findings: Findings) -> dict[str, Any] | None:
    params = entry.get("params")
    if params is None:
        return {}
    if not isinstance(params, dict):
        what = f"params are a mapping, as `params: {{url: https://example.org}}`, not {shown(params)}"
        findings.add("bad_params", what, (*path, "params"))
        return None
    if len(cast("dict[str, Any]", params)) > MAX_PARAMS:
        findings.add("bad_params", f"a node takes at most {MAX_PARAMS:,} params", (*path, "params"), key=True)
        return None
    return cast("dict[str, Any]", params)


def _check_keys(entry: dict[str, Any], made: Entry, findings: Findings) -> None:
    fields = made.kind.params_model.model_fields if made.kind is not None and made.kind.params_model else {}
    for key in entry:
        if key in NODE_KEYS:
            continue
        if key in LATER:
            what = f"`{key}:` cannot be used yet: {LATER[key]} are not in this version; remove it"
            findings.add("not_yet", what, (*made.path, key), key=True)
        elif key in fields:
            what = f"{key!r} is a param of this node: write it under `params:`"
            findings.add("unknown_key", what, (*made.path, key), key=True)
        else:
            what = f"a node has no key {shown(key)}{hint(key, NODE_KEYS, 'keys')}"
            findings.add("unknown_key", what, (*made.path, key), key=True)
    if not isinstance(entry.get("label", ""), str):
        findings.add("bad_value", f"a label is a text, not {shown(entry['label'])}", (*made.path, "label"))


def _settings(entry: dict[str, Any], path: Path, findings: Findings) -> dict[str, Any]:
    """The valid settings; the others are reported."""
    settings: dict[str, Any] = {}
    for word in SETTINGS:
        if word not in entry:
            continue
        value = entry[word]
        if word == "policies":
            settings[word] = _policies(value, path, findings)
            continue
        if word == "batch":
            settings[word] = _batch(value, settings.get("policies", ()), path, findings)
            continue
        try:
            value = _join(value) if word == "join" else value
            settings[word] = setting(word, value, "this")
        except (DefinitionError, ValueError) as error:
            reason = str(error).removeprefix(f"{word}={value!r} of this: ")
            findings.add(f"bad_{word}", f"{shown(value)} is no {word}: {reason}", (*path, word))
    return settings


def _policies(value: Any, path: Path, findings: Findings) -> tuple[Any, ...]:
    found, problems = policies().read_policies(value, "policies")
    for problem in problems:
        field = (problem.field or "policies").split(".", 2)
        findings.add(problem.code, problem.message, (*path, *field))
    return tuple(found)


def _batch(value: Any, around: tuple[Any, ...], path: Path, findings: Findings) -> Batch | None:
    if not is_mapping(value):
        what = f"a batch is a mapping, as `batch: {{items: '{{{{ outputs.scan.files }}}}'}}`, not {shown(value)}"
        findings.add("bad_batch", what, (*path, "batch"))
        return None
    problems = {"reduce": "reduce is a function, which only Python can say"} if "reduce" in value else {}
    if "as_" in value:
        problems["as_"] = f"{unknown_setting('as_')}: `as_` is how Python spells it"
    try:
        batch = Batch.of({word: value[word] for word in value if word not in problems})
        problems |= {"policies": twice} if (twice := spelt_twice(batch, around)) else {}
    except BatchSettingsError as error:
        batch, problems = None, {**error.problems, **problems}
    for word, problem in problems.items():
        findings.add("bad_batch", problem, (*path, "batch", *([word] if word in value else [])))
    return None if problems else batch


def _names(entry: dict[str, Any], kind: type[Node] | None) -> tuple[str, ...]:
    """The names that a batch adds, as far as it can be told of one that may be wrong."""
    batch = entry.get("batch")
    if is_mapping(batch):
        return str(batch.get("as", "item")), "index"
    return kind.batch.names if kind is not None and kind.batch is not None else ()


def _join(value: Any) -> Any:
    if value in ("all", "any") or value is None:
        return value
    if isinstance(value, dict) and list(cast("dict[str, Any]", value)) == ["quorum"]:
        count = cast("Any", value)["quorum"]
        if isinstance(count, int) and not isinstance(count, bool) and count >= 1:
            return Quorum(count)
        raise ValueError(f"a quorum is a whole number of arrivals from 1, not {shown(count)}")
    raise ValueError("use all, any or {quorum: 2}")


def _spec(made: Entry, entry: dict[str, Any]) -> NodeSpec:
    """What the judge needs to know of a node that may be wrong."""
    outputs = getattr(made.kind, "Outputs", None)
    names = frozenset(outputs.model_fields) if outputs is not None else None
    join, routing = made.settings.get("join"), made.settings.get("routing", "all")
    return NodeSpec(made.id, str(entry.get("type"))[:200], join, routing, names, made.spec.line)


def _make(made: Entry, entry: dict[str, Any], findings: Findings) -> Node | None:
    path: Path = (*made.path, "params")
    kind, params = cast("type[Node]", made.kind), cast("dict[str, Any]", made.params)
    try:
        params, changes = migrated(kind, params, _version(entry))
        for change in changes:
            what = f"made for version {entry['version']} of the type, opened as version {kind.version}: {change}"
            findings.add("migrated", what, path, key=True, field="params", severity="warning")
        return _new(kind, made.id, params, made.settings)
    except ParamsError as error:
        for problem in error.problems[:MAX_PROBLEMS]:
            field = problem.field or "params"
            at = _walk(params, field)
            is_key = problem.message.startswith("no such field")
            message = "is required" if problem.message == "Field required" else problem.message
            findings.add("params", message, (*path, *at), key=is_key, field=field)
        if not error.problems:
            findings.add("params", str(error), path)
    except DefinitionError as error:
        findings.add("bad_node", str(error), path)
    except Exception as error:  # a constructor of the author's own may raise anything
        what = f"{kind.__qualname__} cannot be made: {type(error).__name__}: {error}"[:500]
        findings.add("bad_node", what, path)
    return None


def _new(kind: type[Node], id: str, params: dict[str, Any], settings: dict[str, Any]) -> Node:
    if kind.__init__ is Node.__init__:
        return kind(params, id=id, **settings)
    # A constructor of the author's own takes params by name; only what is named like a setting goes around it.
    clashing = {key: value for key, value in params.items() if key in RESERVED or key == "params"}
    named = {key: value for key, value in params.items() if key not in clashing}
    if clashing:
        named["params"] = clashing
    return kind(**named, id=id, **settings)


def _version(entry: dict[str, Any]) -> int | None:
    version = entry.get("version")
    return version if isinstance(version, int) else None


def _walk(params: Any, field: str) -> Path:
    """As much of pydantic's dotted field path as leads somewhere in the params."""
    rest = field.split(".")[1:]
    at: list[str | int] = []
    value: Any = params
    while rest:
        if is_list(value) and rest[0].isdecimal() and int(rest[0]) < len(value):
            at.append(int(rest[0]))
            value = value[int(rest.pop(0))]
            continue
        if not is_mapping(value):
            break
        taken = next((n for n in range(1, len(rest) + 1) if ".".join(rest[:n]) in value), 0)
        if not taken:
            break
        at.append(".".join(rest[:taken]))
        value = value[".".join(rest[:taken])]
        rest = rest[taken:]
    return tuple(at)
