"""A document as YAML that reads well, and reads back as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .places import is_list, is_mapping
from .yaml_plain import plain_value

__all__ = ["dump_yaml"]

_BARE = re.compile(r"[A-Za-z_][\w./]*(?:(?: |-| -> )[\w./]+)*", re.ASCII)
_INNER = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"
_OUTER = r"[^\s\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]"
_LINES = re.compile(rf"(?:{_OUTER}(?:{_INNER}*{_OUTER})?\n)+")  # what a block may hold as it is


def dump_yaml(document: Mapping[str, Any]) -> str:
    """The text of a document, to be written to a file.

    Args:
        document: as `to_document` gives it.

    Example:
        `Path("flow.yaml").write_text(dump_yaml(graph.to_document()), encoding="utf-8")`
    """
    return "".join(_mapping(document, 0))


def _mapping(value: Mapping[str, Any], indent: int) -> Iterator[str]:
    for key, below in value.items():
        yield f"{' ' * indent}{_text(key)}:"
        yield from _below(below, indent + 2)


def _list(value: list[Any], indent: int) -> Iterator[str]:
    for item in value:
        inside = _mapping(item, indent + 2) if is_mapping(item) else _list(item, indent + 2) if is_list(item) else ()
        lines = [*inside]
        if lines:
            first, *lines = lines
            yield f"{' ' * indent}- {first.lstrip(' ')}"
            yield from lines
        else:
            yield f"{' ' * indent}-"
            yield from _below(item, indent + 2)


def _below(value: Any, indent: int) -> Iterator[str]:
    """What follows `key:` or `-`, to the end of its line and further."""
    if is_mapping(value) and value:
        yield "\n"
        yield from _mapping(value, indent)
    elif is_list(value) and value:
        yield "\n"
        yield from _list(value, indent)
    elif isinstance(value, str) and _LINES.fullmatch(value):
        yield " |\n"
        yield from (f"{' ' * indent}{line}\n" for line in value[:-1].split("\n"))
    else:
        yield f" {_scalar(value)}\n"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if is_mapping(value) or is_list(value):
        return "{}" if is_mapping(value) else "[]"
    return json.dumps(value)


def _text(text: str) -> str:
    """A text, bare where that cannot be read as anything else."""
    if len(text) < 200 and _BARE.fullmatch(text) and isinstance(plain_value(text), str):
        return text
    return re.sub(r"[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]", _escaped, json.dumps(text, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"
