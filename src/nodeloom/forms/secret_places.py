"""Where secrets are: in types, and in values (semantics 12.3)."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints, is_typeddict

from ..model.values import WHOLE, kind_of
from .secret import REFERENCE, Secret

__all__ = ["holds_secret", "marked", "secret_fields", "secrets_in", "with_references", "with_secrets"]


def holds_secret(annotation: Any) -> bool:
    """Whether there may be a secret somewhere in a value of this type."""
    return _holds(annotation, set())


def secret_fields(model: Any) -> frozenset[str]:
    """The fields of a model in whose values there may be secrets; empty for what is no model."""
    fields: Mapping[str, Any] = getattr(model, "model_fields", {})
    return frozenset(name for name, field in fields.items() if holds_secret(field.annotation))


def with_references(value: Any, found: list[Secret]) -> Any:
    """An author's value with a `Secret` in the place of each reference; they are added to what is found."""
    if isinstance(value, Secret):
        found.append(value)
    elif isinstance(value, Mapping):
        pairs: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        if list(pairs) != [REFERENCE]:
            return {key: with_references(pairs[key], found) for key in pairs}
        value = Secret.of(pairs)
        found.append(value)
    elif type(value) in (list, tuple):
        return type(value)([with_references(item, found) for item in value])
    else:
        found += secrets_in(value)
    return value


def secrets_in(value: Any, *, given: bool = False) -> Iterator[Secret]:
    """Every secret in a value: in mappings, lists, tuples, sets, models and dataclasses, all the way down.

    Args:
        value: any. given: leave out those that are the defaults of a model's fields.
    """
    todo, seen = [value], set[int]()
    while todo:
        each = todo.pop()
        if isinstance(each, Secret):
            yield each
        elif type(each) not in WHOLE and id(each) not in seen:
            seen.add(id(each))
            todo += reversed(_parts(each, given))


def with_secrets(value: Any, change: Callable[[Secret], Any]) -> Any:
    """The value with its secrets changed: copies of what they are in, and the rest of it as it is.

    Args:
        value: as of `secrets_in`. change: gives another secret for each, or what stands for it.
    """
    if isinstance(value, Secret):
        return change(value)
    if next(secrets_in(value), None) is None:
        return value
    if hasattr(kind_of(value), "model_copy"):
        return kind_of(value).model_copy(
            value, update={name: with_secrets(item, change) for name, item in _fields(value)}
        )
    if dataclasses.is_dataclass(value):
        twin = copy.copy(value)
        for field in dataclasses.fields(value):
            object.__setattr__(twin, field.name, with_secrets(getattr(value, field.name), change))
        return twin
    if isinstance(value, Mapping):
        pairs: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return _like(value, {key: with_secrets(pairs[key], change) for key in pairs})
    return _like(value, [with_secrets(item, change) for item in cast("list[Any]", value)])


def _like(value: Any, parts: Any) -> Any:
    """A container of the same kind."""
    return kind_of(value)(*parts) if hasattr(kind_of(value), "_fields") else kind_of(value)(parts)


def _parts(value: Any, given: bool) -> list[Any]:
    if isinstance(value, Mapping):
        pairs: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return [pairs[key] for key in pairs]
    if isinstance(value, list | tuple | set | frozenset):
        return list(cast("list[Any]", value))
    if hasattr(type(value), "model_fields"):  # pyright: ignore[reportUnknownArgumentType]
        return [item for name, item in _fields(value) if not given or name in value.model_fields_set]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in dataclasses.fields(value)]
    return []


def _fields(model: Any) -> list[tuple[str, Any]]:
    """The fields of a model, whatever it is when it is iterated over."""
    names: list[str] = list(type(model).model_fields)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    declared = [(name, getattr(model, name)) for name in names]
    return [*declared, *(model.model_extra or {}).items()]


def _bare(annotation: Any) -> Any:
    """The type behind what is annotated, or named anew."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__value__"):  # `type Name = ...`
            annotation = annotation.__value__
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        else:
            return annotation


def _holds(annotation: Any, seen: set[Any]) -> bool:
    bare = _bare(annotation)
    if bare is Secret:
        return True
    if not isinstance(bare, Hashable) or bare in seen:
        return False
    seen.add(bare)
    return any(_holds(part, seen) for part in (*get_args(bare), *_types_of(get_origin(bare) or bare)))


def _types_of(kind: Any) -> list[Any]:
    """The types of the fields of a model, a dataclass, a TypedDict or a NamedTuple."""
    if hasattr(kind, "model_fields"):
        return [field.annotation for field in kind.model_fields.values()]
    if not (dataclasses.is_dataclass(kind) or is_typeddict(kind) or hasattr(kind, "_fields")):
        return []
    try:
        return list(get_type_hints(kind).values())
    except (NameError, TypeError):  # names that are not to be had here
        return []


def marked(schema: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a model, in which each field that is a secret says so beside what its form needs."""
    for field in cast("dict[str, dict[str, Any]]", schema.get("properties", {})).values():
        if any(REFERENCE in each.get("properties", ()) for each in (field, *field.get("anyOf", ()))):
            field["x-ui"] = {**field.get("x-ui", {}), "type": "secret"}
            field["writeOnly"] = True
    return schema
