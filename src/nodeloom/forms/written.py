"""A form whose fields an author wrote by hand, as a mapping, instead of typed params."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, cast

import pydantic
import pydantic_core

from ..errors import DefinitionError, ExpressionError
from ..expressions import parse
from .asking import AskedByName
from .field import NOTHING, TYPES, FormField
from .form import Form
from .option import as_page
from .secret import Secret

__all__ = ["OptionsOf", "form_written"]

OptionsOf = Callable[..., Awaitable[Any]]
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
    "secret": Secret,
    "list": list[Any],
    "multiselect": list[Any],
    "object": dict[str, Any],
}
_RULES: Mapping[str, str] = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "pattern": "pattern",
}
"""What a limit is called in JSON Schema, and in pydantic."""
_SAME_AS = {"string": "text", "password": "secret", "checkbox": "boolean", "int": "integer", "float": "number"}


def form_written(name: str, schema: Any, options_of: OptionsOf | None) -> Form:
    """The form of a schema that was written by hand.

    Args:
        name: whose it is, for messages. schema: a mapping with `fields`: a list of mappings, each with a `name`.
        options_of: asked for the options of the fields that depend on others, and for the values of those that are
            derived, where the author wrote that too.

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
    asks = AskedByName(options_of, name, depends_on) if options_of and choices is None and depends_on else None
    required, limits = bool(given.get("required", False)), _limits(given)
    return FormField(
        name=name,
        label=given.get("label") or name.replace("_", " ").capitalize(),
        type=kind,
        read=_reader(kind, limits, required, f"{name} of {form}"),
        required=required and kind != "derived",
        default=given.get("default", NOTHING) if given.get("default") is not None else NOTHING,
        description=given.get("description") or "",
        placeholder=given.get("placeholder") or "",
        group=given.get("group") or "",
        order=given.get("order") or 0,
        visible=_visible(given.get("visible_when"), f"{name} of {form}"),
        limits=limits,
        choices=choices,
        listed=choices is not None,
        options=asks if kind != "derived" else None,
        derived=asks if kind == "derived" else None,
        depends_on=depends_on,
        words=given,
        sealed=kind == "secret",
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


def _limits(words: Mapping[str, Any]) -> dict[str, Any]:
    """The limits of a field, spelt as JSON Schema spells them, in `limits` or beside its other words."""
    given: Any = words.get("limits") or {}
    return {name: {**words, **given}[name] for name in _RULES if {**words, **given}.get(name) is not None}


def _reader(kind: str, limits: Mapping[str, Any], required: bool, what: str) -> Callable[[Any], Any]:
    if kind not in _PYTHON:
        return _anything
    rules = {_RULES[name]: value for name, value in limits.items()}
    try:
        annotation: Any = Annotated[_PYTHON[kind], pydantic.Field(**rules)] if rules else _PYTHON[kind]
        return pydantic.TypeAdapter(annotation if required else annotation | None).validate_python
    except (TypeError, pydantic_core.SchemaError) as error:
        raise DefinitionError(f"the limits of field {what}, {dict(limits)}, do not fit its type: {error}") from None


def _anything(value: Any) -> Any:
    return value
