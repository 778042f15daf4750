"""How an update meets the value a key has: `append`, `extend`, `add`, ... or any callable of (value, update).

A reducer without a declaration replaces. The ones here that can combine two updates into one keep an open fork
from gathering them (semantics 3.5).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, cast

from .values import Gathered

__all__ = [
    "NAMED",
    "Reducer",
    "add",
    "append",
    "as_reducer",
    "extend",
    "maximum",
    "messages",
    "minimum",
    "union",
]


class Reducer:
    """What an update does to a key.

    Args:
        name: its name in documents; empty for a callable of one's own.
        reduce: `(value, update) -> value`.
        combine: `(update, later update) -> update` of exactly the same effect, where there is one; it may give
            `NotImplemented` for two it cannot combine.
        empty: makes the value an update meets when the key has none; without it the update is the value.

    Example:
        `hits: Annotated[list, append]`
    """

    __slots__ = ("combine", "empty", "name", "reduce")

    def __init__(
        self,
        name: str,
        reduce: Callable[[Any, Any], Any],
        combine: Callable[[Any, Any], Any] | None = None,
        empty: Callable[[], Any] | None = None,
    ) -> None:
        self.name = name
        self.reduce = reduce
        self.combine = combine
        self.empty = empty

    def __call__(self, value: Any, update: Any) -> Any:
        return self.reduce(value, update)

    def __repr__(self) -> str:
        return f"<reducer {self.name or self.reduce!r}>"


def _gathered(value: Any) -> Gathered:
    return value if type(value) is Gathered else Gathered(value)


def _append(value: Iterable[Any], update: Any) -> Any:
    gathered = _gathered(value)
    gathered.append(update)
    return gathered


def _extend(value: Iterable[Any], update: Iterable[Any]) -> Any:
    gathered = _gathered(value)
    gathered.extend(update)
    return gathered


def _messages(value: Iterable[Any], update: Any) -> Any:
    """Add one message or many; a message with the `id` of an earlier one takes its place."""
    gathered = _gathered(value)
    places = {message["id"]: place for place, message in enumerate(gathered) if _has_id(message)}
    added: Iterable[Any] = cast(Iterable[Any], update) if isinstance(update, list | tuple) else [update]
    for message in added:
        place = places.get(message["id"]) if _has_id(message) else None
        if place is None:
            gathered.append(message)
        else:
            gathered[place] = message
    return gathered


def _has_id(message: Any) -> bool:
    return isinstance(message, dict) and "id" in message and cast(dict[str, Any], message)["id"] is not None


def _add_exactly(one: Any, other: Any) -> Any:
    """The sum of two updates; not of floats, whose sums depend on the order they are made in."""
    inexact = isinstance(one, float | complex) or isinstance(other, float | complex)
    return NotImplemented if inexact else one + other


def _union(value: Any, update: Any) -> Any:
    return value | update


append = Reducer("append", _append, empty=list)
extend = Reducer("extend", _extend, empty=list)
messages = Reducer("messages", _messages, empty=list)
add = Reducer("add", operator.add, _add_exactly)
minimum = Reducer("min", min, min)
maximum = Reducer("max", max, max)
union = Reducer("union", _union, _union)

NAMED = {each.name: each for each in (append, extend, add, messages, minimum, maximum, union)}
_BUILTIN: dict[Any, Reducer] = {min: minimum, max: maximum, operator.add: add, operator.or_: union}  # pyright: ignore[reportUnknownMemberType]


def as_reducer(marker: Any) -> Reducer | None:
    """The reducer an `Annotated[...]` marker stands for, or None when it is about something else."""
    if isinstance(marker, Reducer):
        return marker
    if isinstance(marker, str):
        return NAMED.get(marker)
    try:
        known = _BUILTIN.get(marker)
    except TypeError:
        known = None
    if known is not None:
        return known
    if callable(marker) and not isinstance(marker, type):
        return Reducer("", marker)
    return None
