"""A node type as an entry of the catalogue: who it is, what it takes and gives, and its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import DefinitionError
from .host import policies
from .naming import snake_case
from .node import Node

__all__ = ["describe_type", "matches"]


def matches(kind: type[Node], text: str) -> bool:
    """Whether every word of a text is in what a node type is called, or in what is said of it."""
    known = " ".join([kind.identifier, kind.display_name, kind.description, kind.category]).lower()
    return all(word in known for word in text.lower().split())


def describe_type(kind: type[Node]) -> dict[str, Any]:
    """A node type as plain data; see `Registry.describe`."""
    entry: dict[str, Any] = {
        "identifier": kind.identifier,
        "display_name": kind.display_name,
        "description": kind.description,
        "icon": kind.icon,
        "category": kind.category,
        "version": kind.version,
        "ports": {word.lower(): _ports(getattr(kind, word, None)) for word in ("Inputs", "Outputs")},
        "policies": _policies(kind),
    }
    try:
        given: Any = kind.schema()
        return {**entry, "schema": dict(given) if isinstance(given, Mapping) else given}  # pyright: ignore[reportUnknownArgumentType]
    except Exception as error:  # an author's own method may raise anything, and is no reason to hide the others
        return {**entry, "schema": None, "problem": f"{type(error).__name__}: {error}"}


def _ports(declared: Any) -> list[dict[str, Any]] | None:
    if not hasattr(declared, "model_fields"):
        return None
    from ..forms.form import form_of

    return form_of(declared).as_list()


def _policies(kind: type[Node]) -> dict[str, Any]:
    """The policies of a type as a document says them; of one that no document can say, its name alone."""
    found: dict[str, Any] = {}
    for policy in kind.policies:
        try:
            found |= policies().settings_of([policy])
        except DefinitionError:
            found[snake_case(type(policy).__name__)] = None
    return found
