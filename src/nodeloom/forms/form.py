"""A form: the fields of a params class, or of a schema written by hand, and what depends on what."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pydantic

from ..errors import DefinitionError
from ..model.compile import nearest
from .answers import Answers
from .field import FormField
from .reading import field_of

__all__ = ["Form", "form_of"]


class Form:
    """The fields of one params class, in the order in which a form shows them.

    Args:
        name: whose form it is, for messages. fields: the fields. model: the params class they stand for.

    Attributes:
        computed: the fields whose values, or some inside, are derived, or may be.
        asks: there is a function to be asked, for what there is to choose from, or what a value is.
        order: the same fields, each after all that it depends on. followers: by a field's name, those that depend on
            it, directly or not.

    Raises:
        DefinitionError: fields depend on one another in a circle, or on one that does not exist.

    Example:
        >>> from nodeloom import Field, Params
        >>> class Trip(Params):
        ...     days: int = Field(3, ge=1)
        ...     hotel: str = Field("", visible_when="days > 1")
        >>> [(field.name, field.type) for field in form_of(Trip).fields]
        [('days', 'integer'), ('hotel', 'text')]
    """

    def __init__(self, name: str, fields: Iterable[FormField], model: type[pydantic.BaseModel] | None = None) -> None:
        self.name = name
        self.model = model
        self.fields: tuple[FormField, ...] = tuple(sorted(fields, key=lambda field: field.order))
        self.by_name: Mapping[str, FormField] = {field.name: field for field in self.fields}
        self.computed = [field for field in self.fields if field.derived is not None or field.form is not None]
        self.asks = any(field.asks is not None or (field.form is not None and field.form.asks) for field in self.fields)
        needs = {field.name: self._needs(field) for field in self.fields}
        self.order = tuple(self.by_name[name] for name in _in_order(needs, name))
        self.followers = _followers(needs, self.order)
        self._answers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Answers] = weakref.WeakKeyDictionary()

    def _needs(self, field: FormField) -> list[str]:
        """The fields that one needs to know of: those its function asks for, and those its visibility does."""
        shown_by = [str(path.parts[0]) for path in field.visible.paths] if field.visible is not None else []
        for name, why in (
            *((name, "depends on") for name in field.depends_on),
            *((n, "is shown by") for n in shown_by),
        ):
            if name not in self.by_name:
                known = nearest(name, self.by_name, "fields")
                raise DefinitionError(f"field {field.name} of {self.name} {why} {name!r}, which is no field{known}")
        asked = field.asks.runtime if field.asks is not None else ()
        clash = next((name for name in asked if name in self.by_name), None)
        if clash is not None:
            raise DefinitionError(
                f"field {field.name} of {self.name}: its function takes {clash} by name only, which is the runtime's, "
                f"but {clash!r} is a field too: give the field another name"
            )
        return [*field.depends_on, *shown_by]

    @property
    def answers(self) -> Answers:
        """What its functions answered on the running loop; that goes with the form, or with the loop."""
        return self._answers.setdefault(asyncio.get_running_loop(), Answers())

    def only(self, *names: str) -> Form:
        """The form of some of its fields and of what those depend on."""
        wanted = set(names)
        wanted |= {name for name, followers in self.followers.items() if followers & wanted}
        part = Form(self.name, [field for field in self.fields if field.name in wanted])
        part._answers = self._answers  # what was asked there is known here
        return part

    def as_list(self) -> list[dict[str, Any]]:
        """The fields as plain data."""
        return [field.as_mapping() for field in self.fields]


def _in_order(needs: Mapping[str, Sequence[str]], form: str) -> list[str]:
    """The names, each after what it needs, else as they are."""
    done: dict[str, None] = {}

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            circle = " -> ".join([*way[way.index(name) :], name])
            raise DefinitionError(f"fields of {form} depend on one another in a circle: {circle}")
        if name not in done:
            for other in needs[name]:
                visit(other, (*way, name))
            done[name] = None

    for name in needs:
        visit(name, ())
    return list(done)


def _followers(needs: Mapping[str, Sequence[str]], order: Sequence[FormField]) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {field.name: set() for field in order}
    for field in reversed(order):
        for name in needs[field.name]:
            found[name] |= {field.name} | found[field.name]
    return {name: frozenset(names) for name, names in found.items()}


_forms: weakref.WeakKeyDictionary[type[pydantic.BaseModel], Form] = weakref.WeakKeyDictionary()


def form_of(model: type[pydantic.BaseModel]) -> Form:
    """The form of a params class, made once.

    Raises:
        DefinitionError: its fields cannot make a form.
    """
    known = _forms.get(model)
    if known is None:
        known = _forms[model] = _made(model, ())
    return known


def _complete(model: type[pydantic.BaseModel]) -> None:
    """Resolve the names in a class's annotations that were not known when it was made."""
    try:
        model.model_rebuild()
    except pydantic.PydanticUndefinedAnnotation as error:
        raise DefinitionError(
            f"{model.__qualname__} names the type {error.name!r}, which cannot be found: define it in the module, "
            f"for a function's own types are not seen from a class inside of it"
        ) from None


def _made(model: type[pydantic.BaseModel], around: tuple[type[pydantic.BaseModel], ...]) -> Form:
    if not model.__pydantic_complete__:
        _complete(model)

    def inner(nested: type[pydantic.BaseModel]) -> Form | None:
        """The form of a nested class; of one that is in itself there is none, it is edited as JSON."""
        if nested is model or nested in around:
            return None
        return _forms.get(nested) or _made(nested, (*around, model))

    return Form(model.__name__, [field_of(model, name, inner) for name in model.model_fields], model)
