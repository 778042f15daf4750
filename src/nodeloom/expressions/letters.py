r"""Which characters the sets in a regular expression share: whether `\w` and `[,.]` can stand for the same one.

A set is a number with a bit for each of some characters: the 256 first ones, and a few others that behave in a
way of their own. For a pattern that names further characters, those and their neighbours are added, so that two
sets that share any character share one of these. Where that is not certain, they are said to share one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, Final, TypeAlias

_LATIN: Final = 256
_SPACES: Final = "\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
# What letters of ASCII and Latin 1 are equal to when case is ignored, then one of each kind.
_OTHERS: Final = "ſKÅıİŸμẞ" + _SPACES + "\u0301\u0430\u0660\u20ac\u4e2d\U0001f600"
_BASE: Final = [*map(chr, range(_LATIN)), *_OTHERS]
_ALL: Final = (1 << len(_BASE)) - 1

Range: TypeAlias = tuple[int, int]


class Letters:
    """The sets of one pattern.

    Args:
        extra: the ranges of characters past U+00FF that the pattern names.
    """

    def __init__(self, extra: list[Range]) -> None:
        near = {point for low, high in extra for point in (low - 1, low, high, high + 1)}
        cased = {ord(other) for point in near if 0 <= point <= 0x10FFFF for other in _cases(chr(point))}
        self.points = sorted(point for point in near | cased if _LATIN <= point <= 0x10FFFF)
        self.wild = [(low, high) for low, high in extra if high > low]

    def mask(self, operation: str, argument: Any, flags: int) -> int:
        """The set of an item that stands for one character.

        Args:
            operation, argument: the item as `re` parses it. flags: those in force at its place.
        """
        key = tuple(argument) if operation == "IN" else argument
        kind = int(flags) & (re.IGNORECASE | re.ASCII | re.DOTALL)
        mask = _base_mask(operation, key, kind)
        for index, point in enumerate(self.points, len(_BASE)):
            variants = _cases(chr(point)) if kind & re.IGNORECASE else (chr(point),)
            mask |= any(_holds(operation, key, other, kind) for other in variants) << index
        for index, (low, high) in enumerate(self.wild, len(_BASE) + len(self.points)):
            mask |= _may_share(operation, key, low, high) << index
        return mask

    def classes(self, masks: set[int]) -> list[int]:
        """The characters in groups: those of a group are in the same sets.

        Args:
            masks: the sets.
        """
        groups = [(1 << (len(_BASE) + len(self.points) + len(self.wild))) - 1]
        for mask in masks:
            groups = [part for group in groups for part in (group & mask, group & ~mask) if part]
        return groups


LINE_BREAK: Final = 1 << 10
"""The bit of the character that ends a line."""


@lru_cache(maxsize=512)
def _base_mask(operation: str, key: Any, flags: int) -> int:
    parts = key if operation == "IN" else ((operation, key),)
    mask = 0
    for kind, part in parts:
        mask |= _part_mask(str(kind), part, flags)
    mask ^= _ALL if parts and str(parts[0][0]) == "NEGATE" else 0
    return _without_case(mask) if flags & re.IGNORECASE else mask


@lru_cache(maxsize=512)
def _part_mask(kind: str, part: Any, flags: int) -> int:
    if kind == "RANGE":
        low, high = int(part[0]), int(part[1])
        latin = ((1 << min(high + 1, _LATIN)) - 1) & -(1 << low) if low < _LATIN else 0
        return latin | sum(1 << bit for bit in range(_LATIN, len(_BASE)) if low <= ord(_BASE[bit]) <= high)
    return sum(_holds(kind, part, character, flags) << bit for bit, character in enumerate(_BASE))


def _without_case(mask: int) -> int:
    """The set with what is equal to its characters when case is ignored."""
    return sum(1 << bit for bit, equal in enumerate(_base_variants()) if equal & mask)


@cache
def _base_variants() -> list[int]:
    bits = {character: 1 << bit for bit, character in enumerate(_BASE)}
    return [sum(bits.get(other, 0) for other in set(_cases(character))) for character in _BASE]


def _holds(operation: str, argument: Any, character: str, flags: int) -> bool:
    """Whether one character is in a set, or in a part of one, case apart."""
    match operation:
        case "LITERAL":
            return ord(character) == int(argument)
        case "NOT_LITERAL":
            return ord(character) != int(argument)
        case "ANY":
            return bool(flags & re.DOTALL) or character != "\n"
        case "RANGE":
            return int(argument[0]) <= ord(character) <= int(argument[1])
        case "CATEGORY":
            return _in_category(str(argument), character, bool(flags & re.ASCII))
        case "IN":
            found = any(_holds(str(kind), part, character, flags) for kind, part in argument)
            return found is not _is_negated(argument)
        case _:
            return False


def _in_category(category: str, character: str, is_ascii: bool) -> bool:
    name = category.removeprefix("CATEGORY_").removeprefix("NOT_")
    if name == "DIGIT":
        found = character.isdecimal()
    elif name == "SPACE":
        found = character.isspace()
    else:
        found = character.isalnum() or character == "_"
    if is_ascii and not character.isascii():
        found = False
    return found is not category.startswith("CATEGORY_NOT_")


def _is_negated(argument: Any) -> bool:
    return bool(argument) and str(argument[0][0]) == "NEGATE"


def _may_share(operation: str, argument: Any, low: int, high: int) -> bool:
    """Whether a set may hold some character of a range; said without looking at each of them."""
    if operation == "LITERAL":
        return low <= int(argument) <= high
    if operation != "IN" or _is_negated(argument):
        return True
    return any(_part_may_share(str(kind), part, low, high) for kind, part in argument)


def _part_may_share(kind: str, part: Any, low: int, high: int) -> bool:
    if kind == "CATEGORY":
        return str(part) != "CATEGORY_SPACE" or any(low <= ord(space) <= high for space in _SPACES)
    first, last = (int(part), int(part)) if kind == "LITERAL" else (int(part[0]), int(part[1]))
    return first <= high and last >= low


@lru_cache(maxsize=1_024)
def _cases(character: str) -> tuple[str, ...]:
    """What a character is equal to when case is ignored, or a little more."""
    lower, upper = character.lower()[:1], character.upper()
    found = {character, lower, upper, upper.lower(), lower.upper()}
    return tuple(sorted(other for other in found if len(other) == 1))


def named_ranges(operation: str, argument: Any) -> Iterator[Range]:
    """The characters past U+00FF that a set names, as ranges.

    Args:
        operation, argument: the item as `re` parses it.
    """
    parts = argument if operation == "IN" else [(operation, argument)]
    for kind, part in parts:
        if str(kind) in ("LITERAL", "NOT_LITERAL") and int(part) >= _LATIN:
            yield int(part), int(part)
        elif str(kind) == "RANGE" and int(part[1]) >= _LATIN:
            yield max(int(part[0]), _LATIN), int(part[1])
