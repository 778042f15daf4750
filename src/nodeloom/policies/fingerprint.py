"""A digest of values: the same for equal plain data, in every process and whatever the order of its keys."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, cast

from ..model.codec import encode_value

__all__ = ["fingerprint"]

_items = dict[Any, Any].items


def fingerprint(values: Mapping[str, Any]) -> str:
    """The digest of values by name.

    Raises:
        NotStorable: one of them is no plain data; the message names it.

    Example:
        >>> fingerprint({"a": 1, "b": {"x", "y"}}) == fingerprint({"b": {"y", "x"}, "a": 1})
        True
    """
    return hashlib.sha256(encode_value(_ordered(values))).hexdigest()


def _ordered(value: Any) -> Any:
    """The value with an order for what has none of its own: mappings and sets; of a model, its fields."""
    kind: Any = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind is list:
        return [_ordered(each) for each in value]
    if kind is tuple:
        return tuple(map(_ordered, value))
    if kind is set or kind is frozenset:
        return kind.__name__, sorted(encode_value(_ordered(each)) for each in value)
    if isinstance(value, Mapping):
        plain: Any = value if isinstance(value, dict) else dict(cast("Any", value))  # pyright: ignore[reportUnknownVariableType]
        pairs = _items(plain)  # of our own mappings, a key may stand where the method was
        return {key: _ordered(each) for key, each in sorted(pairs, key=_sort_key)}
    if hasattr(kind, "model_fields"):
        return _ordered(dict(iter(value)))  # not by its `keys`, which may be a field
    return value


def _sort_key(pair: tuple[Any, Any]) -> tuple[bool, Any]:
    key = pair[0]
    return (False, key) if type(key) is str else (True, encode_value(key))
