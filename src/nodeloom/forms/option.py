"""What a field offers to choose from."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any, cast

import msgspec
from msgspec.structs import force_setattr

from ..errors import FormError

__all__ = ["Option", "Page", "as_page"]


class Option(msgspec.Struct, frozen=True):
    """One thing to choose.

    Args:
        value: what the field's value becomes. label: what a person reads; the value as text by default.
        description: more about it. group: a heading that it stands under.

    Example:
        >>> from nodeloom import Option
        >>> Option("GB", "United Kingdom").label
        'United Kingdom'
    """

    value: Any
    label: str = ""
    description: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        if not self.label:
            force_setattr(self, "label", str(self.value))

    def as_mapping(self) -> dict[str, Any]:
        """The option as plain data; what says nothing is left out."""
        more = {"description": self.description, "group": self.group}
        return {"value": self.value, "label": self.label, **{key: text for key, text in more.items() if text}}


class Page(msgspec.Struct, frozen=True):
    """Some of many options, for a function that is asked for them page by page.

    Args:
        options: those of this page. cursor: what the function is to be given as `cursor` for the next one; None when
            there is none.

    Example:
        >>> from nodeloom.forms import Option, Page
        >>> def list_towns(country, *, query="", cursor=None):
        ...     begin = int(cursor or 0)
        ...     return Page([Option(begin + 1), Option(begin + 2)], str(begin + 2) if begin < 4 else None)
    """

    options: tuple[Option, ...] = ()
    cursor: str | None = None
    _known: frozenset[Any] = frozenset()

    def __post_init__(self) -> None:
        force_setattr(self, "options", _as_options(self.options, "a page"))
        force_setattr(self, "_known", frozenset(_mark(each.value) for each in self.options))

    def offers(self, value: Any) -> bool:
        """Whether a value is among them; True is not 1 here, but 1 is 1.0, and a day is its ISO text."""
        return _mark(value) in self._known


def _mark(value: Any) -> Any:
    """What tells a value from others."""
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, date | time):
        value = value.isoformat()
    number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    kind: Any = "number" if number else type(value)  # pyright: ignore[reportUnknownVariableType]
    try:
        hash(value)
    except TypeError:
        return kind, repr(value)
    return kind, value


def as_page(given: Any, what: str) -> Page:
    """What an author's function gave, or a list an author wrote, as options.

    Args:
        given: a `Page`; a list of options, of values, of `(value, label)`, of `{"value": ..., "label": ...}`; a mapping
            of values to labels; an enum; or None for none.
        what: whose options they are, for the message.

    Raises:
        FormError: it is none of these.
    """
    return given if isinstance(given, Page) else Page(_as_options(given, what))


def _as_options(given: Any, what: str) -> tuple[Option, ...]:
    if given is None:
        return ()
    if isinstance(given, Mapping):
        labels: Mapping[Any, Any] = given  # pyright: ignore[reportUnknownVariableType]
        return tuple(Option(value, str(label)) for value, label in labels.items())
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise FormError(
            f"options of {what} are a list, as [Option('GB', 'United Kingdom')] or ['GB'], not {type(given).__name__}"
        )
    several: Iterable[Any] = given  # pyright: ignore[reportUnknownVariableType]
    return tuple(_as_option(each, what) for each in several)


def _as_option(given: Any, what: str) -> Option:
    if isinstance(given, Option):
        return given
    if isinstance(given, enum.Enum):
        return Option(given.value, given.name)
    if isinstance(given, Mapping):
        words = cast("Mapping[str, Any]", given)
        if "value" not in words or words.keys() - Option.__struct_fields__:
            known = ", ".join(Option.__struct_fields__)
            raise FormError(f"an option of {what} has the keys {known}, of which value is needed; not {dict(words)!r}")
        return Option(**words)
    if isinstance(given, tuple):
        pair: tuple[Any, ...] = given  # pyright: ignore[reportUnknownVariableType]
        if len(pair) != 2:
            raise FormError(f"an option of {what} is a pair of value and label, not {pair!r}")
        return Option(pair[0], str(pair[1]))
    return Option(given)
