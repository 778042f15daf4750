"""The JSON Schema of a params class, with what a form needs besides as `x-ui`."""

from __future__ import annotations

from typing import Any, cast

from .field import FormField
from .form import Form
from .model_schema import schema_of

__all__ = ["form_schema"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def form_schema(form: Form) -> dict[str, Any]:
    """The JSON Schema of a form: what JSON Schema can say of its values, and in `x-ui` what a form needs besides."""
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        **(schema_of(form.model) if form.model is not None else _written(form)),
    }
    definitions = schema.get("$defs", {})
    _decorate(schema, form, definitions, set())
    return schema


def _decorate(schema: dict[str, Any], form: Form, definitions: dict[str, Any], seen: set[str]) -> None:
    properties = schema.get("properties", {})
    for place, field in enumerate(form.fields):
        words = properties.setdefault(field.name, {})
        words["x-ui"] = _shown(field, place)
        if field.visible is not None or field.derived is not None:
            words.pop("default", None)
        nested = _nested(words, definitions)
        if field.form is not None and nested is not None and field.form.name not in seen:
            _decorate(nested, cast("Form", field.form), definitions, seen | {field.form.name})


def _shown(field: FormField, place: int) -> dict[str, Any]:
    words = {
        "type": field.type,
        "label": field.label,
        "widget": field.widget or field.type,
        "order": place,
        "placeholder": field.placeholder,
        "group": field.group,
        "depends_on": list(field.depends_on),
        "visible_when": field.visible.text if field.visible is not None else "",
        "literal": field.literal,
        "resolve": "value" if field.derived is not None else "options" if field.options is not None else "",
    }
    return {key: value for key, value in words.items() if value or key in ("order", "depends_on")}


def _nested(words: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of the object, or of the rows, that a property is."""
    for each in (words, words.get("items", {}), *words.get("anyOf", ())):
        inner = each.get("items", each) if each is not words else each
        reference = inner.get("$ref", "")
        if reference.startswith("#/$defs/"):
            found: dict[str, Any] | None = definitions.get(reference.removeprefix("#/$defs/"))
            return found
    return None


_TYPES = {
    "text": "string",
    "textarea": "string",
    "code": "string",
    "file": "string",
    "date": "string",
    "datetime": "string",
    "time": "string",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "list": "array",
    "multiselect": "array",
    "object": "object",
}


def _written(form: Form) -> dict[str, Any]:
    """The schema of fields that were written by hand."""
    properties: dict[str, Any] = {}
    for field in form.fields:
        kind = _TYPES.get(field.type)
        properties[field.name] = {"title": field.label, **({"type": kind} if kind else {}), **field.limits}
        if field.choices is not None and field.type == "select":
            properties[field.name]["enum"] = [each.value for each in field.choices]
    required = [field.name for field in form.fields if field.required and field.visible is None]
    return {"type": "object", "title": form.name, "properties": properties, "required": required}
