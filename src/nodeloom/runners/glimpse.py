"""A glimpse of a value: short, masked, and had without running any of an author's code."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, cast

from ..model.masks import MASKS
from ..model.values import Values

__all__ = ["glimpse", "shortened"]

LONGEST: Final = 120
LOOKED_THROUGH: Final = 10_000
"""A text of more characters is only counted: all of it would have to be looked through for secrets."""
ITEMS: Final = 8
DEEPEST: Final = 3
_dict: Any = dict  # of which a type checker concludes nothing
_MAPPINGS: Final = (dict, MappingProxyType, Values)
_LISTS: Final = {list: ("[", "]"), tuple: ("(", ")")}


def glimpse(value: Any) -> str:
    """What a value looks like on one line. Of objects only the type is told, for a `repr` is somebody's code."""
    try:
        return shortened(_told(value, 0), LONGEST)
    except RuntimeError:  # a thread changes it meanwhile
        return f"<{type(value).__name__}>"


def shortened(text: str, longest: int) -> str:
    """The text on one line, with its end cut off where it is longer."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _told(value: Any, depth: int) -> str:
    kind: Any = cast("Any", type)(value)
    if kind is str:
        return _text(value)
    if value is None or kind in (bool, float) or (kind is int and value.bit_length() <= 64):
        return repr(value)
    if depth < DEEPEST and kind in _MAPPINGS:
        pairs = (f"{_told(key, depth)}: {_told(item, depth + 1)}" for key, item in _first(value))
        return f"{{{_joined(pairs, len(value))}}}"
    if depth < DEEPEST and kind in _LISTS:
        start, end = _LISTS[kind]
        return f"{start}{_joined((_told(item, depth + 1) for item in value[:ITEMS]), len(value))}{end}"
    return f"<{kind.__name__}>"


def _text(text: str) -> str:
    """Masked whole, and then cut: the first half of a secret would not be known for one."""
    return repr(shortened(MASKS.text(text), LONGEST)) if len(text) <= LOOKED_THROUGH else f"<{len(text):,} characters>"


def _first(value: Any) -> list[tuple[Any, Any]]:
    mapping = value if type(value) is _dict else _dict(value)
    return list(islice(_dict.items(mapping), ITEMS))


def _joined(parts: Iterable[str], count: int) -> str:
    return ", ".join([*parts, *(["…"] if count > ITEMS else [])])
