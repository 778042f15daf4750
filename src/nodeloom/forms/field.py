"""A field of a form: what it is called, what it takes, and what it depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from ..expressions import Expression
from .asking import AskedByName, Asking
from .option import Option

__all__ = ["NOTHING", "TYPES", "FormField", "InnerForm"]

TYPES = (
    "text",
    "textarea",
    "number",
    "integer",
    "boolean",
    "select",
    "multiselect",
    "date",
    "datetime",
    "time",
    "secret",
    "json",
    "code",
    "file",
    "list",
    "object",
    "derived",
)
"""What kinds of fields there are."""


class Nothing:
    """Stands for a value that is not there, as None would not."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING = Nothing()


class InnerForm(Protocol):
    """What a field knows of the form inside of it; see `form.Form`."""

    @property
    def name(self) -> str: ...
    @property
    def fields(self) -> tuple[FormField, ...]: ...
    @property
    def asks(self) -> bool: ...


class FormField(msgspec.Struct, frozen=True, eq=False):
    """A field of a form.

    Attributes:
        name, label, description, placeholder: what it is called, and what is said about it.
        type: one of `TYPES`. item: of a list, the type of what it holds.
        required: it has to be given, whenever it can be seen. default: its value when none is given, or `NOTHING`.
        group, order, widget: where and how a form shows it.
        visible: when it is shown; always, without one. limits: as JSON Schema spells them: minimum, maxLength, ...
        examples: values that fit. choices: what there is to choose from, where that never changes. listed: an author's
            list says so, and not the type.
        options: the function that says what there is to choose from. ttl: seconds for which that is remembered.
        derived: the function its value comes from; then nobody gives it.
        depends_on: the fields whose values it needs.
        form: of an object, or of the rows of a list of objects. rows: it is such a list.
        read: a given value as the value it stands for; raises `pydantic.ValidationError`, or ValueError.
        literal: its text is never a template. words: what its author said of it, where that was not by a type.
        sealed: there may be secrets in its value, so none of it is shown.
    """

    name: str
    label: str
    type: str
    read: Callable[[Any], Any]
    required: bool = True
    default: Any = NOTHING
    item: str = ""
    description: str = ""
    placeholder: str = ""
    group: str = ""
    order: float = 0
    widget: str = ""
    visible: Expression | None = None
    limits: Mapping[str, Any] = {}
    examples: tuple[Any, ...] = ()
    choices: tuple[Option, ...] | None = None
    listed: bool = False
    options: Asking | AskedByName | None = None
    ttl: float = 60.0
    derived: Asking | AskedByName | None = None
    depends_on: tuple[str, ...] = ()
    form: InnerForm | None = None
    rows: bool = False
    literal: bool = False
    words: Mapping[str, Any] | None = None
    sealed: bool = False

    @property
    def asks(self) -> Asking | AskedByName | None:
        """The function it has, for its options or for its value."""
        return self.derived or self.options

    @property
    def offers(self) -> bool:
        """Its value is one of some options, or several of them."""
        return self.choices is not None or self.options is not None

    def as_mapping(self) -> dict[str, Any]:
        """The field as plain data, for a form drawn elsewhere; of one written by hand, its author's own words."""
        if self.words is not None:
            return dict(self.words)
        known: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "label": self.label,
            "required": self.required,
            "placeholder": self.placeholder,
            "dependsOn": list(self.depends_on),
            "default": None if self.default is NOTHING else plain(self.default),
            "group": self.group,
            "options": None if self.choices is None else [each.as_mapping() for each in self.choices],
            "visible_when": None if self.visible is None else self.visible.text,
        }
        more: dict[str, Any] = {
            "description": self.description,
            "order": self.order,
            "widget": self.widget,
            "limits": dict(self.limits),
            "examples": [plain(each) for each in self.examples],
            "item": self.item,
            "fields": [] if self.form is None else [each.as_mapping() for each in self.form.fields],
        }
        return known | {key: value for key, value in more.items() if value}


def plain(value: Any, text_of: Callable[[Any], str] = str) -> Any:
    """A default or an example as plain data; of what is none, its text."""
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, fallback=text_of)
