"""Bytes as text, and text as JSON: with errors that name the source, the line and the column."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn, cast

from nodeloom.errors import StepError

__all__ = ["ContentError", "as_bytes", "as_json", "as_text", "check_encoding", "from_json"]


class ContentError(StepError, ValueError):
    """A file or text is not what it should be: no UTF-8, no JSON, no CSV; or a value cannot be written as that."""

    code = "content"


def check_encoding(name: str) -> str:
    """The name of a text encoding, as it was given.

    Raises:
        ValueError: Python knows none of that name.
    """
    try:
        known = codecs.lookup(name)
    except (LookupError, ValueError):
        known = None
    if known is None or not known._is_text_encoding:
        raise ValueError("there is no such text encoding; use one as utf-8 or latin-1")
    return name


def as_text(data: bytes, encoding: str, source: str) -> str:
    """Decode bytes.

    Raises:
        ContentError: naming source, line and byte.
    """
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = data.count(b"\n", 0, start) + 1
        byte = f"byte 0x{data[start]:02x} at offset {start} (line {line})" if start < len(data) else "its end"
        raise ContentError(f"{source} is not {encoding} text: {byte} cannot be read") from None


def as_bytes(text: str, encoding: str, source: str) -> bytes:
    """Encode text.

    Raises:
        ContentError: naming the character that the encoding does not have.
    """
    try:
        return text.encode(encoding)
    except UnicodeError as error:
        raise ContentError(f"{source}: the text cannot be written as {encoding}: {error}") from None


def from_json(text: str, source: str) -> Any:
    """The value that a JSON text holds. `NaN` and `Infinity` are no JSON, and `1e400` would be infinite.

    Raises:
        ContentError: naming source, line and column.
    """
    try:
        return json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ContentError(f"{source} is not JSON: {where}: {error.msg}") from None
    except RecursionError:
        raise ContentError(f"{source} is JSON nested too deep to be read") from None
    except ValueError as error:
        raise ContentError(f"{source} is not JSON: {error}") from None


def as_json(value: Any, source: str, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """A value as JSON text.

    Raises:
        ContentError: it holds what JSON has no form for; names where in it.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, sort_keys=sort_keys)
    except RecursionError:
        raise ContentError(f"{source}: the value is nested too deep, or holds itself") from None
    except (TypeError, ValueError) as error:
        reason = _culprit(value, "value") or str(error)
        raise ContentError(f"{source}: it cannot be written as JSON: {reason}") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is a number JSON does not have")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:40]} is too large for a number")
    return number


def _culprit(value: Any, where: str, depth: int = 0) -> str | None:
    """Which part of a value JSON has no form for, in words."""
    if depth > 50 or value is None or isinstance(value, str | bool | int):
        return None
    if isinstance(value, float):
        return f"{where} is {value}" if not math.isfinite(value) else None
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, Any]", value)
        strange = [key for key in mapping if not isinstance(key, str | int | float | bool | None)]
        if strange:
            return f"{where} has a key that is a {type(strange[0]).__name__}"
        parts = [(f"{where}.{key}", mapping[key]) for key in mapping]
    elif isinstance(value, list | tuple):
        parts = [(f"{where}[{index}]", item) for index, item in enumerate(cast("list[Any]", value))]
    else:
        return f"{where} is a {type(value).__name__}"
    return next((found for path, item in parts if (found := _culprit(item, path, depth + 1))), None)
