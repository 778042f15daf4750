"""Which values the language takes apart: maps, lists, sets and numbers. Typed, so that no checker guesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from numbers import Number
from typing import Any, TypeGuard


def is_map(value: Any) -> TypeGuard[Mapping[Any, Any]]:
    """Whether it is any mapping."""
    return isinstance(value, Mapping)


def is_list(value: Any) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Whether it is a list or a tuple, which an index can look into."""
    return isinstance(value, list | tuple)


def is_sequence(value: Any) -> TypeGuard[Sequence[Any]]:
    """Whether it is a sequence of items, which a text and bytes are not."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)


def is_set(value: Any) -> TypeGuard[Set[Any]]:
    """Whether it is a set."""
    return isinstance(value, Set)


def is_number(value: Any) -> bool:
    """Whether it is a number; true and false are, as in Python."""
    # The abstract class is asked last, since asking it is slow.
    return type(value) in _PLAIN_NUMBERS or isinstance(value, Number)


_PLAIN_NUMBERS = frozenset({int, float})
