"""What is never written: the values of secrets, which are masked wherever something is told (semantics 12.3)."""

from __future__ import annotations

import copy
import dataclasses
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec

from .values import kind_of

__all__ = ["MASKS", "SHORTEST", "Masks", "in_short"]

SHORTEST: Final = 4
"""A value of fewer characters is not looked for: it would be found in every other word."""
LINE: Final = 8
"""A line of a longer value is looked for by itself from this length on."""
KEPT: Final = 32
"""Of how many values of one secret it is known what they were, for one that changes all the time."""


class Masks:
    """The values that were resolved, and how each is shown instead: as `[secret name]`.

    It finds a value as it is, as Python or JSON write it in quotes, and as a URL does; of a value of several lines,
    each line too. What else was made of it (its half, its hash, its base64) it cannot know.

    Example:
        >>> masks = Masks()
        >>> masks.remember("key", "k-123456")
        >>> masks.text("GET /?key=k-123456")
        'GET /?key=[secret key]'
    """

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}
        self._shown: dict[str, str] = {}
        self._find: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    @property
    def any(self) -> bool:
        """Whether there is anything to mask."""
        return self._find is not None

    def remember(self, name: str, value: str) -> None:
        """Mask a value from now on.

        Args:
            name: of the secret. value: of which fewer than 4 characters are not looked for.
        """
        known = self._names.get(name)
        if len(value) < SHORTEST or (known is not None and value in known):
            return
        with self._lock:
            known = self._names.setdefault(name, {})
            known[value] = None
            if len(known) > KEPT:
                del known[next(iter(known))]
            self._compile()

    def forget(self) -> None:
        """Mask nothing any more; for tests."""
        with self._lock:
            self._names.clear()
            self._compile()

    def _compile(self) -> None:
        self._shown = {
            form: f"[secret {name}]" for name, values in self._names.items() for each in values for form in _forms(each)
        }
        # The longest first: a value may begin as another one does.
        forms = sorted(self._shown, key=len, reverse=True)
        self._find = re.compile("|".join(map(re.escape, forms))) if forms else None

    def text(self, text: str) -> str:
        """The text with every value masked."""
        find, shown = self._find, self._shown
        return text if find is None else find.sub(lambda found: shown.get(found[0], "[secret]"), text)

    def data(self, value: Any) -> Any:
        """The same of texts in mappings, lists, tuples, sets, models, dataclasses and structs, all the way down.

        What holds no value is given as it is; nothing is changed in place. Other objects are not looked into.
        """
        return value if self._find is None else _Masked(self.text).of(value)


class _Masked:
    """One value, walked through; what is met again, in itself or elsewhere, is masked once."""

    def __init__(self, mask: Callable[[str], str]) -> None:
        self._mask = mask
        self._known: dict[int, Any] = {}

    def of(self, value: Any) -> Any:
        kind = cast("Any", type(value))
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bytes):
            return self._bytes(value)
        if value is None or kind in (bool, int, float):
            return value
        number = id(value)
        if number not in self._known:
            self._known[number] = "[...]"  # in itself it would be shown as it is
            self._known[number] = self._parts(value)
        return self._known[number]

    def _parts(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self._mapping(value)  # pyright: ignore[reportUnknownArgumentType]
        if isinstance(value, list | tuple | set | frozenset):
            return self._items(cast("Any", value))
        fields = [(name, getattr(value, name)) for name in _fields(value)]
        changed = {name: masked for name, item in fields if (masked := self.of(item)) is not item}
        return _with(value, changed) if changed else value

    def _text(self, value: str) -> str:
        masked = self._mask(value)
        return value if masked == value else masked

    def _bytes(self, value: bytes) -> bytes:
        text = value.decode("utf-8", "surrogateescape")
        masked = self._mask(text)
        return value if masked == text else masked.encode("utf-8", "surrogateescape")

    def _mapping(self, value: Mapping[Any, Any]) -> Any:
        pairs = list(dict[Any, Any].items(value)) if isinstance(value, dict) else [(key, value[key]) for key in value]
        masked = [(self.of(key), self.of(item)) for key, item in pairs]
        if all(a is c and b is d for (a, b), (c, d) in zip(pairs, masked, strict=True)):
            return value
        return _made(type(value), dict(masked))

    def _items(self, value: Any) -> Any:
        masked = [self.of(item) for item in value]
        if all(old is new for old, new in zip(value, masked, strict=True)):
            return value
        return type(value)(*masked) if hasattr(value, "_fields") else _made(type(value), masked)


def _made(kind: Any, parts: Any) -> Any:
    """A container of this kind; of a kind that is made of something else, a plain one."""
    try:
        return kind(parts)
    except Exception:  # of an author's class
        return parts


def _fields(value: Any) -> tuple[str, ...]:
    kind = cast("Any", type(value))
    if hasattr(kind, "model_fields") and hasattr(kind, "model_copy"):
        return tuple(kind.model_fields)
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__
    return tuple(field.name for field in dataclasses.fields(value)) if dataclasses.is_dataclass(kind) else ()


def _with(value: Any, changed: dict[str, Any]) -> Any:
    """A copy of an object with some of its fields changed."""
    if hasattr(kind_of(value), "model_copy"):
        return kind_of(value).model_copy(value, update=changed)
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **changed)
    twin = copy.copy(value)
    for name, item in changed.items():
        object.__setattr__(twin, name, item)
    return twin


def in_short(value: Any, longest: int = 60) -> str:
    """A value as a message shows it: masked, and then cut, for of a part of a secret nobody can tell what it is."""
    try:
        text = MASKS.text(repr(value))
    except Exception:  # a number of too many digits, an object that cannot say what it is
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _forms(value: str) -> set[str]:
    """A value in the ways it may stand in a text."""
    import json
    from urllib.parse import quote, quote_plus

    lines = {line for each in value.splitlines() if len(line := each.strip()) >= LINE}
    forms = {value, value.strip(), *lines}
    forms |= {written for each in [*forms] for written in (repr(each)[1:-1], json.dumps(each)[1:-1])}
    forms |= {json.dumps(value, ensure_ascii=False)[1:-1], quote(value), quote(value, safe=""), quote_plus(value)}
    return {form for form in forms if len(form) >= SHORTEST}


MASKS: Final = Masks()
"""What this process masks: one object for all engines.

It cannot be an engine's own. A log record knows no engine, and handlers are the process's; an exception becomes data
in pure functions (`error_info`), and passes from one engine to another. A value that one engine has resolved is a
secret in what any other tells, too.
"""
