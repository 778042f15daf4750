"""Values as the literals of the language, so that they can be saved as text and parsed again."""

from __future__ import annotations

import re
from math import isfinite, isnan
from typing import Any, Final

from nodeloom.errors import ExpressionError, ExpressionLimit
from nodeloom.expressions.limits import MAX_BITS, MAX_DEPTH
from nodeloom.expressions.shapes import is_list, is_map, is_set
from nodeloom.expressions.wording import kind

_NAMED: Final = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPECIAL: Final = re.compile(r"[\\'\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff]")


def quoted(text: str) -> str:
    r"""A text in single quotes, as the language reads it.

    Args:
        text: any text.

    Example:
        `quoted("it's")` is `'it\'s'`.
    """
    return "'" + _SPECIAL.sub(_escaped, str.__str__(text)) + "'"


def literal(value: Any, depth: int = 0) -> str:
    """A value as text that is parsed again to an equal value.

    Args:
        value: null, a truth value, a number, a text, or lists, sets and maps of them.
        depth: how many lists and maps are around it.

    Raises:
        ExpressionError: the value has no literal, as NaN or an object.
        ExpressionLimit: a whole number is too large, or the value is nested too deep.

    Example:
        `literal([1, "a"])` is `[1, 'a']`.
    """
    if depth > MAX_DEPTH:
        raise ExpressionLimit(f"a value in an expression has at most {MAX_DEPTH} levels")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float):
        return _number(value)
    if is_list(value):
        return f"[{', '.join(literal(item, depth + 1) for item in value)}]"
    if is_set(value):
        # A set has no order of its own, and the text of a saved graph should not change.
        return f"[{', '.join(sorted(literal(item, depth + 1) for item in value))}]"
    if is_map(value):
        return f"{{{', '.join(_entry(key, value[key], depth) for key in value)}}}"
    raise ExpressionError(
        f"{kind(value)} cannot be written in an expression; use a text, a number, true, false, null,"
        " or a list or map of them"
    )


def _text(value: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ExpressionError("a text with half a surrogate pair cannot be written in an expression")
    return quoted(value)


def _number(value: int | float) -> str:
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise ExpressionLimit(f"a whole number has at most {MAX_BITS:,} bits")
        return int.__repr__(value)
    if isnan(value):
        raise ExpressionError("NaN cannot be written in an expression: nothing is equal to it")
    number = float.__repr__(value)
    return number if isfinite(value) else f"float('{number}')"


def _entry(key: Any, value: Any, depth: int) -> str:
    if not isinstance(key, str):
        raise ExpressionError(f"a map in an expression has texts as keys, and this one has {kind(key)}")
    return f"{_text(key)}: {literal(value, depth + 1)}"


def _escaped(found: re.Match[str]) -> str:
    character = found.group()
    return _NAMED.get(character) or f"\\u{ord(character):04x}"
