"""Plain data from the events of a reader, within bounds: what any format is read into."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from ...errors import Problem
from .places import Path, Place, Places, Source, is_mapping, printable, refusal

__all__ = ["MAX_DEPTH", "MAX_DIGITS", "MAX_SIZE", "MAX_VALUES", "Builder", "PastBound"]

MAX_SIZE = 1_000_000
"""Bytes of a file, and characters of all texts together once aliases are put in."""

MAX_DEPTH = 64
"""Levels of mappings and lists."""

MAX_VALUES = 50_000
"""Values in one document once aliases are put in; reading that many takes a second."""

MAX_DIGITS = 1_000
"""Digits of one number."""


class _Open:
    """A mapping or list that is being filled."""

    __slots__ = ("key", "path", "value")

    def __init__(self, value: dict[str, Any] | list[Any], path: Path) -> None:
        self.value = value
        self.path = path
        self.key: str | None = None


class PastBound(Exception):
    """There are more values than the reader that is at work may read."""


class Builder:
    """Takes the events of a reader and makes plain data with places.

    Args:
        name: what messages call the document. most: the values that its reader may read.

    Raises:
        DocumentError: past a bound; everything else is kept in `faults`. PastBound: more values than `most`.
    """

    def __init__(self, name: str, most: int = MAX_VALUES) -> None:
        self.name = name
        self.most = most
        self.places = Places()
        self.faults: list[tuple[Path, Problem]] = []
        self.root: Any = None
        self._open: list[_Open] = []
        self._values = 0
        self._characters = 0
        self._repeated: set[Path] = set()

    @property
    def wants_key(self) -> bool:
        """Whether what comes next is a key."""
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None

    def open(self, value: dict[str, Any] | list[Any], place: Place | None) -> None:
        """A mapping or list begins."""
        if len(self._open) >= MAX_DEPTH:
            raise refusal(
                self.name, "too_deep", f"mappings and lists may be {MAX_DEPTH} deep, and these are deeper", place
            )
        self._open.append(_Open(value, self._put(value, place)))

    def close(self) -> Any:
        """The innermost mapping or list ends; gives it."""
        return self._open.pop().value

    def key(self, text: str, place: Place | None) -> None:
        """The key of the value that comes next."""
        top = self._open[-1]
        mapping = cast("dict[str, Any]", top.value)
        top.key = text
        path = (*top.path, text)
        self._count_text(text, place)
        if text in mapping:
            first = self.places.keys.get(path)
            where = f" (first on line {first.line})" if first is not None else ""
            self._repeated.add(path)
            self.fault("duplicate_key", f"{text[:60]!r} stands here a second time{where}; keep one", path, place)
            return
        mapping[text] = None
        if place is not None:
            self.places.keys[path] = place
        self._check_text(text, path, place)

    def scalar(self, value: Any, place: Place | None) -> None:
        """A text, number, truth value or null."""
        path = self._put(value, place)
        if isinstance(value, str):
            self._count_text(value, place)
            self._check_text(value, path, place)
        elif isinstance(value, float) and not math.isfinite(value):
            what = "a number that is no number, or too large for one, has no JSON form; write it as a text"
            self.fault("bad_number", what, path, place)
        elif isinstance(value, int) and value.bit_length() > MAX_DIGITS * 3.33:
            self.fault("bad_number", f"a number has at most {MAX_DIGITS:,} digits; write it as a text", path, place)

    def value(self, value: Any, place: Place | None) -> None:
        """A whole value at once: of an alias, or of a document given as a mapping."""
        if isinstance(value, Mapping):
            self.open({}, place)
            for key, below in cast("dict[Any, Any]", value).items():
                if not isinstance(key, str):
                    what = f"a key is a text, not {type(key).__name__} {str(key)[:60]!r}"
                    self.fault("bad_key", what, self._open[-1].path, place)
                    continue
                self.key(key, place)
                self.value(below, place)
            self.close()
        elif isinstance(value, list | tuple):
            self.open([], place)
            for below in cast("list[Any]", value):
                self.value(below, place)
            self.close()
        else:
            self.scalar(value, place)
            if value is not None and not isinstance(value, str | int | float):
                what = f"a document holds texts, numbers, true, false, null, lists and mappings, not {_kind(value)}"
                self.fault("bad_value", what, self._last, place)

    def fault(self, code: str, message: str, path: Path, place: Place | None) -> None:
        """Keep what is wrong at a path, and go on."""
        line, column = place or (None, None)
        self.faults.append((path, Problem(code, printable(message), line=line, column=column)))

    def source(self) -> Source:
        """What was read.

        Raises:
            DocumentError: it is no mapping.
        """
        if not is_mapping(self.root):
            found = "empty" if self.root is None else _kind(self.root)
            what = f"a document is a mapping that begins with `nodeloom: 1`; this is {found}"
            raise refusal(self.name, "not_a_mapping", what, Place(1, 1))
        return Source(self.root, self.name, self.places, self.faults)

    _last: Path = ()

    def _put(self, value: Any, place: Place | None) -> Path:
        self._count_value(place)
        if not self._open:
            self.root = value
            path: Path = ()
        else:
            path = self._attach(self._open[-1], value)
        if place is not None:
            self.places.values.setdefault(path, place)
        self._last = path
        return path

    def _attach(self, top: _Open, value: Any) -> Path:
        if isinstance(top.value, list):
            top.value.append(value)
            return (*top.path, len(top.value) - 1)
        key, top.key = top.key, None
        path = (*top.path, cast("str", key))
        if path in self._repeated:
            self._repeated.discard(path)  # the first one stands; this one is read on for its own faults
        else:
            top.value[cast("str", key)] = value
        return path

    def _count_value(self, place: Place | None) -> None:
        self._values += 1
        if self._values > self.most:
            if self.most < MAX_VALUES:
                raise PastBound
            what = f"a document holds at most {MAX_VALUES:,} values (an alias counts as what it stands for)"
            raise refusal(self.name, "too_many_values", what, place)

    def _count_text(self, text: str, place: Place | None) -> None:
        self._characters += len(text)
        if self._characters > MAX_SIZE:
            what = f"the texts of a document hold at most {MAX_SIZE:,} characters (an alias counts as its text)"
            raise refusal(self.name, "too_large", what, place)

    def _check_text(self, text: str, path: Path, place: Place | None) -> None:
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            what = "this text holds half a surrogate pair (\\ud800 to \\udfff), which is no character"
            self.fault("bad_text", what, path, place)


_KINDS: dict[type, str] = {
    str: "a text",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
}


def _kind(value: object) -> str:
    kind: type = value.__class__
    return _KINDS.get(kind, f"a {kind.__name__}")
