"""What `Field` is told of a field beside its type: how it is shown, and what it depends on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast, get_args

from pydantic.fields import FieldInfo

__all__ = ["Shown", "depends", "models_in", "shown_of"]


class Shown:
    """What `Field` was told of how a field is shown, and of what it depends on; pydantic keeps it with the field.

    Args:
        words: by the names of `Field`. more: what else is said of the field in the JSON Schema.
    """

    __slots__ = ("more", "words")

    def __init__(self, words: dict[str, Any], more: Mapping[str, Any]) -> None:
        self.words = words
        self.more = more

    def __call__(self, schema: dict[str, Any]) -> None:
        """Add to the field's JSON Schema what can be said there; functions cannot."""
        schema |= self.more
        words = {key: value for key, value in self.words.items() if key not in ("options", "derived")}
        if words:
            schema["x-ui"] = words


def shown_of(field: FieldInfo) -> dict[str, Any]:
    """What is known of how a field is shown, and of what it depends on."""
    extra: Any = field.json_schema_extra
    if isinstance(extra, Shown):
        return extra.words
    return cast("dict[str, Any]", extra).get("x-ui", {}) if isinstance(extra, dict) else {}


def depends(model: type[Any]) -> bool:
    """Whether a class's fields depend on one another, or are chosen from an author's list: more than types tell."""
    return bool(getattr(model, "__depends__", False))


def models_in(annotation: Any) -> Iterator[type[Any]]:
    """The params classes in a type, as in `list[Row] | None`."""
    if isinstance(annotation, type) and hasattr(annotation, "__depends__"):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)
