"""Values as text: JSON, within a bound (rule 12.1: mixed text renders values as JSON does)."""

from __future__ import annotations

import json
from datetime import date, time
from decimal import Decimal
from math import isfinite
from pathlib import PurePath
from typing import Any
from uuid import UUID

from nodeloom.errors import ExpressionLimit, ExpressionTypeError
from nodeloom.expressions.costs import weigh
from nodeloom.expressions.limits import MAX_BITS, MAX_WORK
from nodeloom.expressions.shapes import is_map, is_sequence
from nodeloom.expressions.wording import kind


def as_text(value: Any, limit: int) -> str:
    """A value as it stands in mixed text: a text as it is, everything else as JSON.

    Args:
        value: any value that has a JSON form; a date, a path or a UUID is its usual text.
        limit: the most characters that may come out.

    Raises:
        ExpressionTypeError: the value has no JSON form.
        ExpressionLimit: the text would be longer than `limit`.

    Example:
        `as_text(True, 100)` is `true`, `as_text("x", 100)` is `x`.
    """
    if isinstance(value, str):
        return _within(str.__str__(value), limit)
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is float and isfinite(value):
        return _within(float.__repr__(value), limit)
    if type(value) is int and value.bit_length() <= MAX_BITS:
        return _within(int.__repr__(value), limit)
    plain = _plain_text(value)
    return json_text(value, limit) if plain is None else _within(plain, limit)


def json_text(value: Any, limit: int) -> str:
    """A value as JSON on one line.

    Args:
        value: any value that has a JSON form.
        limit: the most characters that may come out.

    Raises:
        ExpressionTypeError: the value has no JSON form, as NaN or a set.
        ExpressionLimit: the text would be longer than `limit`.
    """
    if weigh(value) > MAX_WORK:
        # Looked at first, since a small value can hold one list very many times, or itself.
        raise ExpressionLimit("this value is too large to be written as text, or holds itself")
    try:
        text = _ENCODER.encode(value)
    except RecursionError:
        raise ExpressionLimit("this value is nested too deep to be written as text") from None
    except (TypeError, ValueError) as error:
        raise ExpressionTypeError(f"{kind(value)} cannot be written as JSON: {error}") from None
    return _within(text, limit)


def _plain_text(value: Any) -> str | None:
    """The text of what JSON itself has no form for, and that has one usual text."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, UUID | PurePath | Decimal):
        return str(value)
    return None


def _jsonable(value: Any) -> Any:
    if is_map(value):
        return {key: value[key] for key in value}
    if is_sequence(value):
        return list(value)
    plain = _plain_text(value)
    if plain is None:
        raise TypeError(f"{kind(value)} has no JSON form")
    return plain


def _within(text: str, limit: int) -> str:
    if len(text) > limit:
        raise ExpressionLimit(f"this makes a text of more than the {limit:,} characters that there is room for")
    return text


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_jsonable)
