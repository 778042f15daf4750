"""What goes to standard output: any value as JSON."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, TextIO, cast
from uuid import UUID

import msgspec

from ..model.masks import MASKS

__all__ = ["as_line", "jsonable", "write_json", "write_line"]

DEEPEST = 200
PIECE = 65_536
_NO_NUMBERS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_PLAIN = (str, bool, int, type(None))
_AS_TEXT = (Decimal, UUID, PurePath)


def jsonable(value: Any, depth: int = 0) -> Any:
    """The value in terms of JSON: models and dataclasses as objects, dates as text, anything else as its repr.

    A float that is no number, for which JSON has no word, is the text NaN, Infinity or -Infinity.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _NO_NUMBERS[str(float(value))]
    if depth > DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return _object_of(cast("Any", value), depth)
    if isinstance(value, list | tuple | set | frozenset):
        items = cast("list[Any]", value)
        ordered = sorted(items, key=repr) if isinstance(value, set | frozenset) else items
        return [jsonable(item, depth + 1) for item in ordered]
    return _object(value, depth)


def _object_of(mapping: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    return {_key(key): jsonable(mapping[key], depth + 1) for key in mapping}


def _key(key: Any) -> str:
    return str(key.value) if isinstance(key, Enum) else str(key)


def _object(value: Any, depth: int) -> Any:
    if isinstance(value, Enum):
        return jsonable(value.value, depth + 1)
    if hasattr(type(value), "as_reference"):  # a secret  # pyright: ignore[reportUnknownArgumentType]
        return value.as_reference()
    if isinstance(value, str | int):  # a subclass of either
        return str(value) if isinstance(value, str) else int(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, _AS_TEXT):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    fields = _fields(value)
    return jsonable(fields, depth + 1) if fields is not None else repr(value)


def _fields(value: Any) -> Any:
    dump: Callable[..., Any] | None = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):
        return dump(mode="json")
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def write_json(value: Any, stream: TextIO) -> None:
    """Print the value as JSON that people can read, secrets masked."""
    _write(MASKS.data(jsonable(value)), stream, indent=2)


def write_line(value: Any, stream: TextIO) -> None:
    """Print the value as one line of JSON, at once, secrets masked."""
    _write(MASKS.data(jsonable(value)), stream, indent=None)
    stream.flush()


def as_line(value: Any) -> str:
    """The value as one line of JSON, secrets masked."""
    return json.dumps(MASKS.data(jsonable(value)), ensure_ascii=False)


def _write(value: Any, stream: TextIO, indent: int | None) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent)
    text += "\n"
    for start in range(0, len(text), PIECE):  # unbuffered, one write into a closing pipe may lose its end unnoticed
        stream.write(text[start : start + PIECE])
