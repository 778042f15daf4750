"""From the type of a param to the type of its field."""

from __future__ import annotations

import datetime
import enum
import pathlib
import types
import typing
from collections.abc import Mapping, Sequence, Set
from decimal import Decimal
from typing import Any, NamedTuple, get_args, get_origin

import pydantic

from .option import Option

__all__ = ["Kind", "kind_of"]


Model = type[pydantic.BaseModel]


class Kind(NamedTuple):
    """What a type means to a form.

    Attributes:
        type: the type of the field. nullable: None is a value of it, too. choices: the only values there are.
        model: of an object, or of the rows of a list of objects. rows: it is such a list.
        item: of a list, the type of what it holds.
    """

    type: str
    nullable: bool = False
    choices: tuple[Option, ...] | None = None
    model: Model | None = None
    rows: bool = False
    item: str = ""


_SCALARS: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (Decimal, "number"),
    (str, "text"),
    (datetime.datetime, "datetime"),
    (datetime.date, "date"),
    (datetime.time, "time"),
    (pathlib.PurePath, "file"),
)


def kind_of(annotation: Any) -> Kind:
    """What a type means to a form; what no field is made for is edited as JSON.

    Example:
        >>> from typing import Literal
        >>> kind_of(Literal["IN", "GB"] | None).type
        'select'
    """
    annotation = _bare(annotation)
    origin = get_origin(annotation)
    if origin is typing.Union or origin is types.UnionType:
        return _of_union(get_args(annotation))
    if origin is typing.Literal:
        values = get_args(annotation)
        choices = tuple(Option(value) for value in values if value is not None)
        return Kind("select", None in values, choices)
    if isinstance(origin, type) and issubclass(origin, Sequence | Set):
        return _of_list(get_args(annotation))
    return _of_class(annotation) if isinstance(annotation, type) else Kind("json")


def _bare(annotation: Any) -> Any:
    """The type without what `Annotated` or a new name says besides."""
    while True:
        if get_origin(annotation) is typing.Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__") or hasattr(annotation, "__value__"):
            annotation = getattr(annotation, "__supertype__", None) or annotation.__value__
        else:
            return annotation


def _of_union(members: Sequence[Any]) -> Kind:
    real = [member for member in members if member is not type(None)]
    nullable = len(real) < len(members)
    if len(real) == 1:
        return kind_of(real[0])._replace(nullable=nullable)
    if set(real) <= {int, float, Decimal}:
        return Kind("number", nullable)
    return Kind("json", nullable)


def _of_list(members: Sequence[Any]) -> Kind:
    """A list, tuple or set: of choices, of objects, or of values of one type."""
    if not members or (len(members) > 1 and members[1] is not Ellipsis):
        return Kind("json")
    item = kind_of(members[0])
    if item.choices is not None:
        return Kind("multiselect", choices=item.choices)
    if item.model is not None and not item.rows:
        return Kind("list", model=item.model, rows=True, item="object")
    return Kind("list", item=item.type)


def _of_class(annotation: type) -> Kind:
    own = getattr(annotation, "form_type", None)  # a type that says what it is, as Secret
    if isinstance(own, str):
        return Kind(own)
    if issubclass(annotation, enum.Enum):
        choices = tuple(Option(each.value, each.name) for each in annotation)
        return Kind("select", choices=choices)
    if issubclass(annotation, pydantic.BaseModel):
        return Kind("object", model=annotation)
    if issubclass(annotation, list | tuple | set | frozenset):
        return Kind("list", item="json")
    if issubclass(annotation, Mapping):
        return Kind("json")
    return next((Kind(name) for kind, name in _SCALARS if issubclass(annotation, kind)), Kind("json"))
