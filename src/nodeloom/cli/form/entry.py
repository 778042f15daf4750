"""What was filled in, as the entry of a node in a document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...forms import Form
from ...forms.field import plain
from ...nodes.documents.catalogue import default_registry
from ...nodes.node import Node

__all__ = ["entry_of"]


def entry_of(kind: type[Node], name: str, form: Form, values: Mapping[str, Any], hidden: set[str]) -> dict[str, Any]:
    """The entry of a node: its type, its version where that is not the first, and its params.

    Args:
        kind: its type. name: what it was found under. form: its form. values: what was answered.
        hidden: fields that are not shown; those and derived ones are left out.
    """
    registry = default_registry()
    known = kind.identifier in registry and registry.get(kind.identifier) is kind
    entry: dict[str, Any] = {"type": kind.identifier if known else name}
    if kind.version > 1:
        entry["version"] = kind.version
    params = _params(form, values, hidden, "")
    return {**entry, "params": params} if params else entry


def _params(form: Form, values: Mapping[str, Any], hidden: set[str], path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in form.fields:
        at = f"{path}{field.name}"
        if field.name not in values or field.derived is not None or at in hidden:
            continue
        found[field.name] = _value(field, values[field.name], hidden, at)
    return found


def _value(field: Any, value: Any, hidden: set[str], at: str) -> Any:
    if field.form is not None and field.rows and isinstance(value, list):
        rows: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
        return [_params(field.form, row, hidden, f"{at}.{place}.") for place, row in enumerate(rows)]
    if field.form is not None and isinstance(value, Mapping):
        return _params(field.form, value, hidden, f"{at}.")  # pyright: ignore[reportUnknownArgumentType]
    return plain(value)
