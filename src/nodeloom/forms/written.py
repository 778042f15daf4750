"""A form whose fields an author wrote by hand, as a mapping, instead of typed params."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import pydantic

from ..errors import DefinitionError, ExpressionError
from ..expressions import parse
from .asking import AskedByName
from .field import NOTHING, TYPES, FormField
from .form import Form
from .option import as_page

__all__ = ["OptionsOf", "form_written"]

OptionsOf = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""Of a field's name and the values of what it depends on, its options; as `get_dependent_options`."""

_PYTHON: Mapping[str, Any] = {
    "text": str,
    "textarea": str,
    "code": str,
    "file": str,
    "number": float,
    "integer": int,
    "boolean": bool,
    "date": datetime.date,
    "datetime": datetime.datetime,
    "time": datetime.time,
    "list": list[Any],
    "multiselect": list[Any],
    "object": dict[str, Any],
}
_SAME_AS = {"string": "text", "password": "secret", "checkbox": "boolean", "int": "integer", "float": "number"}


def form_written(name: str, schema: Any, options_of: OptionsOf | None) -> Form:
    """The form of a schema that was written by hand.

    Args:
        name: whose it is, for messages. schema: a mapping with `fields`: a list of mappings, each with a `name`.
        options_of: asked for the options of the fields that depend on others, where the author wrote that too.

    Raises:
        DefinitionError: it cannot be read as a form.
    """
    fields: Any = cast("Mapping[str, Any]", schema).get("fields") if isinstance(schema, Mapping) else None
    if not isinstance(fields, list | tuple):
        raise DefinitionError(f"schema() of {name} returns a mapping with `fields`, a list of them, not {schema!r:.80}")
    return Form(name, [_field(name, each, options_of) for each in cast("list[Any]", fields)])


def _field(form: str, words: Any, options_of: OptionsOf | None) -> FormField:
    if not isinstance(words, Mapping) or not isinstance(cast("Mapping[str, Any]", words).get("name"), str):
        raise DefinitionError(f"a field in schema() of {form} is a mapping with a name, not {words!r:.80}")
    given = cast("Mapping[str, Any]", words)
    name, kind = given["name"], _type(given, form)
    depends_on = tuple(given.get("dependsOn") or given.get("depends_on") or ())
    listed = given.get("options")
    choices = as_page(listed, f"{name} of {form}").options if listed is not None else None
    asks = options_of is not None and choices is None and bool(depends_on)
    return FormField(
        name=name,
        label=given.get("label") or name.replace("_", " ").capitalize(),
        type=kind,
        read=_reader(kind),
        required=bool(given.get("required", False)),
        default=given.get("default", NOTHING) if given.get("default") is not None else NOTHING,
        description=given.get("description") or "",
        placeholder=given.get("placeholder") or "",
        group=given.get("group") or "",
        order=given.get("order") or 0,
        visible=_visible(given.get("visible_when"), f"{name} of {form}"),
        choices=choices,
        listed=choices is not None,
        options=AskedByName(cast("OptionsOf", options_of), name, depends_on) if asks else None,
        depends_on=depends_on,
        words=given,
    )


def _type(words: Mapping[str, Any], form: str) -> str:
    given = words.get("type") or ("select" if words.get("options") or words.get("dependsOn") else "text")
    kind = _SAME_AS.get(given, given) if isinstance(given, str) else given
    if kind not in TYPES:
        known = ", ".join(TYPES)
        raise DefinitionError(f"field {words['name']} of {form} is of type {given!r}, which is none of: {known}")
    return str(kind)


def _visible(text: Any, what: str) -> Any:
    try:
        return None if text is None else parse(text)
    except ExpressionError as error:
        raise DefinitionError(f"visible_when of field {what}: {error}") from None


def _reader(kind: str) -> Callable[[Any], Any]:
    return pydantic.TypeAdapter(_PYTHON[kind]).validate_python if kind in _PYTHON else _anything


def _anything(value: Any) -> Any:
    return value
