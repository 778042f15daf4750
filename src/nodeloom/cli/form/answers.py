"""From what a person types to the value of a field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ...expressions import has_template
from ...forms import NOTHING, Form, FormField
from ..inputs import parse_value
from .screen import Screen

__all__ = ["Misread", "answer_of", "one_value", "values_as_given"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_YES_NO = {"y": True, "yes": True, "true": True, "n": False, "no": False, "false": False}
_TEXTS = ("text", "textarea", "code", "file", "date", "datetime", "time", "select")
_END = "."


class Misread(ValueError):
    """What was typed is no value of the field."""


def answer_of(field: FormField, screen: Screen) -> Any:
    """Ask for a value of a field without options; `NOTHING` where none is given.

    Raises:
        Misread: what was typed is none.
    """
    if field.type in ("textarea", "code"):
        return _lines(screen)
    if field.type == "list" and field.item != "json":
        return _several(field, screen)
    text = screen.ask()
    if not text:
        return NOTHING
    return _taken(field, text) if field.type == "select" else one_value(field.type, text)


def values_as_given(form: Form, texts: Mapping[str, str]) -> dict[str, Any]:
    """Values given as texts on the command line, each as its field takes it."""
    fields = form.by_name
    return {name: _taken(fields[name], text) if name in fields else text for name, text in texts.items()}


def _taken(field: FormField, text: str) -> Any:
    """A text as JSON, where the field takes that, else as it is."""
    value = parse_value(text)
    return text if _reads(field, text) and not _reads(field, value) else value


def _reads(field: FormField, value: Any) -> bool:
    try:
        field.read(value)
    except ValueError:
        return False
    return True


def one_value(kind: str, text: str) -> Any:
    """The value that a text stands for in a field of this type.

    Raises:
        Misread: it stands for none.
    """
    if has_template(text) and kind != "secret":
        return text
    if kind == "secret":
        return _secret(text)
    if kind == "boolean":
        return _YES_NO.get(text.lower(), text)
    return _quoted(text) if kind in _TEXTS else parse_value(text)


def _quoted(text: str) -> str:
    """A text may be given in quotes, as JSON: so "" is the empty one, and "-" is no way back."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, str) else text


def _secret(text: str) -> dict[str, str]:
    if not _NAME.fullmatch(text):  # and it is not shown: it may be the value itself
        raise Misread("that is no name of a secret: letters, digits, _ . and -, and first a letter or _")
    return {"$secret": text}


def _lines(screen: Screen) -> Any:
    first = screen.ask()
    if not first or first == _END:
        return NOTHING
    lines = [first]
    while (line := screen.line("| ")) != _END:
        lines.append(line)
    return "\n".join(lines) + "\n" * (len(lines) > 1)


def _several(field: FormField, screen: Screen) -> Any:
    found: list[Any] = []
    while text := screen.ask(f"{len(found) + 1}> "):
        found.append(one_value(field.item, text))
    return found or NOTHING
