"""The words that errors share: what a value is, what exists, and what is nearest to a wrong name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from difflib import get_close_matches
from numbers import Number
from typing import Any

from nodeloom.expressions.missing import MISSING

# A message is for people, and difflib is slow on long texts.
SHOWN_NAMES = 20
COMPARED_NAMES = 500
LONGEST_NAME = 60


def kind(value: Any) -> str:
    """What a value is, in the words of the language: `a text`, `a number`, `a list`."""
    if value is None or value is MISSING:
        return "null" if value is None else "missing"
    if isinstance(value, bool):
        return "true or false"
    for types, word in _KINDS:
        if isinstance(value, types):
            return word
    return f"a value of type {type(value).__name__}"


_KINDS: tuple[tuple[Any, str], ...] = (
    (str, "a text"),
    (Number, "a number"),
    (Mapping, "a map"),
    ((list, tuple), "a list"),
    (Set, "a set"),
)


def listing(names: Iterable[Any]) -> str:
    """Names for a message, sorted, shortened, and not more than a reader takes in."""
    texts = sorted(_short(name) for name in names)
    more = f" and {len(texts) - SHOWN_NAMES} more" if len(texts) > SHOWN_NAMES else ""
    return ", ".join(texts[:SHOWN_NAMES]) + more


def nearest(wrong: str, names: Iterable[Any]) -> str:
    """`; did you mean `x`?` with the name that is nearest to the wrong one, or nothing; ends a message."""
    if len(wrong) > LONGEST_NAME:
        return ""
    known = [name for name in names if isinstance(name, str) and len(name) <= LONGEST_NAME]
    found = get_close_matches(wrong, known[:COMPARED_NAMES], n=1)
    folded = [name for name in known if name.casefold() == wrong.casefold()]
    best = folded or found
    return f"; did you mean `{best[0]}`?" if best else ""


def _short(name: Any) -> str:
    text = str.__str__(name) if isinstance(name, str) else kind(name) if _opaque(name) else repr(name)
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


def _opaque(name: Any) -> bool:
    """Whether the repr of a key could run code of its own, or be endless."""
    return type(name) not in (bool, int, float, type(None)) or (type(name) is int and abs(name) > 1 << 64)
