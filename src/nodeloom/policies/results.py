"""Results of work that are kept: nobody who gets one can change what the next one gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ..model.edge import Route
from ..model.values import Gathered, Values, freeze, owned

__all__ = ["copied", "is_result"]


def is_result(value: Any) -> bool:
    """Whether `work` may return it; anything else fails the step later, and is not worth keeping."""
    return value is None or isinstance(value, Mapping | Route)


def copied(value: Any) -> Any:
    """A copy of plain containers, all the way down; arrays, models and other objects are shared.

    What is only lent to a view is copied as well: a kept result outlives the view, and its owner goes on writing.

    Args:
        value: what `work` returned.
    """
    kind: Any = type(cast("object", value))
    if isinstance(value, Route):
        return Route(copied(value.outputs), [copied(send) for send in value.to])
    if kind is dict or isinstance(value, Values):
        plain = {key: copied(item) for key, item in _items(value)}
        return plain if kind is dict else freeze(plain)
    if kind in _SEQUENCES:
        return kind(copied(item) for item in value)
    return owned(value)


_SEQUENCES: Any = (list, tuple, Gathered)
_Plain = dict[str, Any]
_items = _Plain.items  # past the methods of Values, which a key `items` may shadow
