"""Python values as the plain values of a document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from ...expressions import path_text

__all__ = ["NotPlain", "plain"]


class NotPlain(Exception):
    """A value that a document cannot hold; `where` it is below the one that was asked for, as `.headers[0]`."""

    def __init__(self, message: str, where: str) -> None:
        super().__init__(message)
        self.where = where


def plain(value: Any, where: tuple[str | int, ...] = ()) -> Any:
    """The value as texts, numbers, true, false, null, lists and mappings; a tuple becomes a list.

    Raises:
        NotPlain: it holds something else.
    """
    if value is None or type(value) in (str, bool, int):
        return value
    if type(value) is float:
        if not math.isfinite(value):
            raise NotPlain(f"{value} has no JSON form", _below(where))
        return value
    if len(where) > 64:
        raise NotPlain("it is nested too deep, or holds itself", _below(where[:3]))
    if hasattr(type(value), "as_reference"):  # a secret  # pyright: ignore[reportUnknownArgumentType]
        return plain(value.as_reference(), where)
    if isinstance(value, Mapping):
        return {_key(key, where): plain(below, (*where, key)) for key, below in cast("Any", value).items()}
    if isinstance(value, list | tuple):
        return [plain(below, (*where, index)) for index, below in enumerate(cast("list[Any]", value))]
    what = f"a {type(value).__name__} has no JSON form: a document holds texts, numbers, true, false, null, lists"
    raise NotPlain(f"{what} and mappings", _below(where))


def _key(key: Any, where: tuple[str | int, ...]) -> str:
    if type(key) is not str:
        raise NotPlain(f"the key {key!r} is no text", _below(where))
    return key


def _below(where: tuple[str | int, ...]) -> str:
    return path_text(("x", *where))[1:]
