"""What a question says of its field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ...forms import NOTHING, FormField
from ...forms.field import plain
from ...forms.secret import Secret

__all__ = ["details", "heading", "shown"]

LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "matches {}",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
}
KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "y or n",
    "date": "as 2026-01-31",
    "datetime": "as 2026-01-31T09:30:00",
    "time": "as 09:30",
    "json": "as JSON",
    "object": "as JSON",
    "secret": "the name of a secret, never its value",
    "textarea": "lines; a . on a line of its own ends them",
    "code": "lines; a . on a line of its own ends them",
    "list": "one on a line; an empty line ends them",
    "multiselect": "one or several numbers, as 1, 3",
}


def heading(field: FormField, path: tuple[str | int, ...]) -> str:
    """The label, and where it stands inside of something: `Accounts 2: Bank`."""
    places = [str(part + 1) for part in path if isinstance(part, int)]
    inside = f" ({path[0]} {'.'.join(places)})" if places else f" ({path[0]})" if len(path) > 1 else ""
    return f"{field.label}{inside}"


def details(field: FormField) -> list[str]:
    """The lines under a heading."""
    facts = ", ".join(_facts(field))
    return [f"  {line}" for line in (field.description, facts) if line]


def _facts(field: FormField) -> Iterator[str]:
    if field.placeholder:
        yield field.placeholder
    kind = "json" if field.item == "json" else field.type
    if kind in KINDS and field.form is None:
        yield KINDS[kind]
    for name, words in LIMITS.items():
        if name in field.limits:
            yield words.format(field.limits[name])
    if field.examples:
        yield f"for example {shown(field.examples[0])}"
    if field.default is not NOTHING and field.default not in (None, "", [], {}):
        yield f"default: {shown(field.default)}"
    elif not field.required:
        yield "optional"


def shown(value: Any) -> str:
    """A value on one line."""
    if value is NOTHING or value is None:
        return "nothing"
    if isinstance(value, str):
        return " ".join(value.split()) or '""'
    return _text_of(value) if isinstance(value, Secret) else json.dumps(plain(value, _text_of), ensure_ascii=False)


def _text_of(value: Any) -> str:
    return f"secret {value.name}" if isinstance(value, Secret) else str(value)
