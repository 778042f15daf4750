"""The keyword form of conditions: `on(status="ok", score__gt=0.8)` (rule 2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Final

from nodeloom.errors import ExpressionError, ExpressionSyntaxError
from nodeloom.expressions.expression import Expression, parse
from nodeloom.expressions.literals import literal
from nodeloom.expressions.lookups import path_text
from nodeloom.expressions.wording import kind, nearest

_SYMBOLS: Final = {"eq": "==", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
OPERATORS: Final = (*_SYMBOLS, "in", "contains", "exists", "matches")


def from_keywords(mapping: Mapping[str, Any]) -> Expression:
    """The condition that keywords ask for; all of them must hold (rule 2.2).

    A key is the name of a field of `output`, or `field__operator`, or `field__key__operator` for a field
    below a field. Its text can be saved in a document, and is parsed again to the same meaning.

    Args:
        mapping: keys and values; no operator means `eq`.

    Raises:
        ExpressionSyntaxError: an unknown operator, or no key at all.
        ExpressionError: a value that has no literal, as an object or NaN.

    Example:
        `from_keywords({"status": "ok", "score__gt": 0.8}).text` is
        `output.status == 'ok' and output.score > 0.8`.
    """
    if not mapping:
        raise ExpressionSyntaxError("a condition needs at least one key, as `status='ok'`")
    return parse(" and ".join(_comparison(key, mapping[key]) for key in mapping), ("output",))


def _comparison(key: Any, value: Any) -> str:
    if not isinstance(key, str):
        raise ExpressionSyntaxError(f"the key of a condition is a text, and this is {kind(key)}")
    *parts, operator = key.split("__") if "__" in key else (key, "eq")
    if operator not in OPERATORS:
        known = f"the operators are {', '.join(OPERATORS)}{nearest(operator, OPERATORS)}"
        # What follows `__` is always an operator: a misspelt one must not become a field.
        raise ExpressionSyntaxError(
            f"`{key}` has no known operator after `__`: {known}; a field with `__` in its name is written"
            f" on(\"output['{key}'] == ...\")",
            key,
            len(key) - len(operator),
        )
    if not all(parts):
        raise ExpressionSyntaxError(f"`{key}` names no field before its operator", key, 0)
    try:
        return _written(path_text(("output", *parts)), operator, value)
    except ExpressionError as error:
        raise type(error)(f"`{key}`: {error.reason}", key, 0) from None


def _written(path: str, operator: str, value: Any) -> str:
    match operator:
        case "contains":
            return f"{literal(value)} in {path}"
        case "exists":
            if not isinstance(value, bool):
                raise ExpressionError(f"`exists` is asked with True or False, and this is {kind(value)}")
            return f"{path} exists" if value else f"not {path} exists"
        case "in":
            if not isinstance(value, list | tuple | Set):
                raise ExpressionError(f"`in` is asked with a list, and this is {kind(value)}")
            return f"{path} in {literal(value)}"
        case "matches":
            if not isinstance(value, str):
                raise ExpressionError(f"`matches` is asked with a pattern, and this is {kind(value)}")
            return f"{path} matches {literal(value)}"
        case _:
            return f"{path} {_SYMBOLS[operator]} {literal(value)}"
