"""What a document says beside its nodes and edges: name, inputs, state, limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, cast

from ...errors import DefinitionError, ParamsError
from ...model.reducers import NAMED
from ...model.state import StateSchema
from ..declared import schema_from_document
from .findings import Findings, hint, shown
from .places import Path

__all__ = ["FORMAT", "TOP_KEYS", "TYPES", "Heading", "read_heading"]

FORMAT = 1
TOP_KEYS = (
    "nodeloom",
    "name",
    "description",
    "start",
    "inputs",
    "state",
    "nodes",
    "edges",
    "outputs",
    "on_failure",
    "strict_routing",
    "max_steps",
    "ui",
    "labels",
)
TYPES = ("string", "integer", "number", "boolean", "array", "object", "any")
INPUT_KEYS = ("type", "default", "required", "description")
STATE_KEYS = ("type", "default", "reducer", "description")
MAX_FIELDS = 1_000


@dataclass
class Heading:
    """The valid parts of it; a default stands for what is not."""

    name: str
    state: StateSchema = field(default_factory=StateSchema)
    inputs: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None
    on_failure: Literal["fail", "continue"] = "fail"
    strict_routing: bool = False
    max_steps: int | None = None
    extras: dict[str, Any] = field(default_factory=dict[str, Any])


def read_heading(findings: Findings, name: str) -> Heading | None:
    """The heading; None when the document is of another version of the format, of which nothing can be said.

    Args:
        findings: of the document. name: the graph's, when the document names none.
    """
    document = findings.data
    if not _is_our_format(document, findings):
        return None
    heading = Heading(name)
    for key in document:
        if findings.is_full:
            break
        if key not in TOP_KEYS and not key.startswith("x-"):
            what = f"a document has no key {shown(key)}{hint(key, TOP_KEYS, 'keys')}"
            findings.add("unknown_key", what, (key,), key=True)
    _read_texts(document, heading, findings)
    _read_limits(document, heading, findings)
    heading.inputs = _fields(document, "inputs", INPUT_KEYS, findings)
    state = _fields(document, "state", STATE_KEYS, findings)
    if state is not None:
        heading.state = schema_from_document(state)
    outputs = document.get("outputs")
    if outputs is not None and not isinstance(outputs, dict):
        what = f"outputs are a mapping of names to templates, not {shown(outputs)}"
        findings.add("bad_value", what, ("outputs",))
    elif outputs is not None:
        heading.outputs = cast("dict[str, Any]", outputs)
    return heading


def _is_our_format(document: dict[str, Any], findings: Findings) -> bool:
    version = document.get("nodeloom")
    if "nodeloom" not in document:
        what = f"a document says which version of the format it has: begin it with `nodeloom: {FORMAT}`"
        findings.add("format", what, ())
        return True
    if version == FORMAT and not isinstance(version, bool):
        return True
    findings.add("format", f"this nodeloom reads `nodeloom: {FORMAT}`, not {shown(version)}", ("nodeloom",))
    return not isinstance(version, int) or version < FORMAT


def _read_texts(document: dict[str, Any], heading: Heading, findings: Findings) -> None:
    name = document.get("name")
    if isinstance(name, str) and name.strip():
        heading.name = name
    elif "name" in document:
        findings.add("bad_value", f"a name is a text, not {shown(name)}", ("name",))
    description = document.get("description", "")
    if not isinstance(description, str):
        findings.add("bad_value", f"a description is a text, not {shown(description)}", ("description",))
    for key in ("ui", "labels"):
        if not isinstance(document.get(key, {}), dict):
            findings.add("bad_value", f"{key} is a mapping, not {shown(document[key])}", (key,))
    kept = ("description", "ui", "labels")
    heading.extras = {key: value for key, value in document.items() if key in kept or key.startswith("x-")}


def _read_limits(document: dict[str, Any], heading: Heading, findings: Findings) -> None:
    on_failure = document.get("on_failure", "fail")
    if on_failure in ("fail", "continue"):
        heading.on_failure = on_failure
    else:
        findings.add("bad_value", f"on_failure is fail or continue, not {shown(on_failure)}", ("on_failure",))
    strict = document.get("strict_routing", False)
    if isinstance(strict, bool):
        heading.strict_routing = strict
    else:
        findings.add("bad_value", f"strict_routing is true or false, not {shown(strict)}", ("strict_routing",))
    steps = document.get("max_steps")
    if steps is None or (isinstance(steps, int) and not isinstance(steps, bool) and steps >= 1):
        heading.max_steps = steps
    else:
        findings.add("bad_value", f"max_steps is a whole number from 1, not {shown(steps)}", ("max_steps",))


def _fields(document: dict[str, Any], word: str, keys: tuple[str, ...], findings: Findings) -> dict[str, Any] | None:
    """`inputs` or `state`: the valid fields as they were written, a free one for each of the others."""
    declared = document.get(word)
    if declared is None:
        return None
    if not isinstance(declared, dict):
        what = f"{word} is a mapping, as `{word}: {{url: {{type: string}}}}`, not {shown(declared)}"
        findings.add("bad_value", what, (word,))
        return None
    declared = cast("dict[str, Any]", declared)
    if len(declared) > MAX_FIELDS:
        findings.add("too_many_fields", f"{word} declares at most {MAX_FIELDS:,} names", (word,), key=True)
        return None
    return {key: rule if _is_field(rule, (word, key), keys, findings) else "any" for key, rule in declared.items()}


def _is_field(rule: Any, path: Path, keys: tuple[str, ...], findings: Findings) -> bool:
    """Whether one name is declared well; what is wrong with it is reported."""
    before = len(findings.found)
    if rule is None or isinstance(rule, str):
        _check_type("any" if rule is None else rule, path, findings)
        return len(findings.found) == before
    if not isinstance(rule, dict):
        what = f"say its type, as `{path[1]}: {{type: string}}`, not {shown(rule)}"
        findings.add("bad_field", what, path)
        return False
    rule = cast("dict[str, Any]", rule)
    for key in rule:
        if key not in keys:
            what = f"no key {shown(key)} here{hint(key, keys, 'keys')}"
            findings.add("unknown_key", what, (*path, key), key=True)
    _check_type(rule.get("type", "any"), (*path, "type"), findings)
    reducer = rule.get("reducer", "add")
    if not isinstance(reducer, str) or reducer not in NAMED:
        what = f"no reducer {shown(reducer)}{hint(reducer, NAMED, 'reducers')}"
        findings.add("bad_field", what, (*path, "reducer"))
    if not isinstance(rule.get("required", True), bool):
        what = f"`required` is true or false, not {shown(rule['required'])}"
        findings.add("bad_field", what, (*path, "required"))
    if len(findings.found) == before and rule.get("default") is not None:
        _check_default(rule, path, findings)
    return len(findings.found) == before


def _check_type(kind: Any, path: Path, findings: Findings) -> None:
    if not isinstance(kind, str) or kind not in TYPES:
        findings.add("bad_field", f"no type {shown(kind)}{hint(kind, TYPES, 'types')}", path)


@cache
def _validator(kind: str) -> Callable[[Mapping[str, Any]], Any] | None:
    return schema_from_document({"default": kind}).validate


def _check_default(rule: dict[str, Any], path: Path, findings: Findings) -> None:
    validate = _validator(rule.get("type", "any"))
    try:
        if validate is not None:
            validate({"default": rule["default"]})
    except (ParamsError, DefinitionError):
        what = f"the default is no {rule.get('type')}: {shown(rule['default'])}"
        findings.add("bad_field", what, (*path, "default"))
