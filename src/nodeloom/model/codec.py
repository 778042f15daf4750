"""Runs, outcomes and values as bytes, and back: msgpack, with a tag for what msgpack has no word for.

Only what is listed here can be stored, and it comes back as the same type: nothing in the bytes names a class.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from msgspec.msgpack import Ext

from ..errors import NotStorable
from .branches import shares_state
from .run import (
    Arrival,
    Branch,
    Cancelled,
    Completed,
    ErrorInfo,
    Excused,
    Failed,
    Failure,
    Note,
    Outcome,
    Run,
    Send,
    Step,
    Stretch,
    Suspended,
)
from .values import Gathered, Values, freeze

__all__ = [
    "NotStorable",
    "decode_outcome",
    "decode_run",
    "decode_value",
    "encode_outcome",
    "encode_run",
    "encode_value",
]

VERSION = 2
DEEPEST = 100


def encode_run(run: Run) -> bytes:
    """A run as bytes, whenever no outcome is being folded.

    Raises:
        NotStorable: a node put something else than plain data into its outputs; the message names the key.
    """
    for branch in run.branches.values():
        if shares_state(run, branch):
            branch.state = None  # it is made again when it is asked for
    return _encode([VERSION, run])


def decode_run(data: bytes) -> Run:
    """The run that these bytes are.

    Raises:
        ValueError: they are no run, or one of another version.
    """
    run: Run = _decode_as(Run, data)
    return run


def encode_outcome(outcome: Outcome) -> bytes:
    """An outcome as bytes, for a journal. Raises `NotStorable`."""
    return _encode([VERSION, outcome])


def decode_outcome(data: bytes) -> Outcome:
    """The outcome that these bytes are. Raises `ValueError`."""
    outcome: Outcome = _decode_as((Completed, Failed, Cancelled, Suspended), data)
    return outcome


def encode_value(value: Any) -> bytes:
    """A value as bytes. Raises `NotStorable`."""
    return _encode([VERSION, value])


def decode_value(data: bytes) -> Any:
    """The value that these bytes are. Raises `ValueError`."""
    return _decode_as(object, data)


_STRUCTS: tuple[type[msgspec.Struct], ...] = (
    Run,
    Branch,
    Stretch,
    Step,
    Arrival,
    ErrorInfo,
    Failure,
    Excused,
    Note,
    Send,
    Completed,
    Failed,
    Cancelled,
    Suspended,
)
_WHOLE = (type(None), bool, float, str, bytes)
_PLAIN_KEYS = (str, int)
_SMALL = 1 << 63

_Items = list[Any]
_TAGGED: tuple[tuple[int, type, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    (1, tuple, list, tuple),
    (2, set, list, set),
    (3, frozenset, list, frozenset),
    (4, dt.datetime, lambda value: [value.isoformat(), value.fold], lambda part: _moment(dt.datetime, *part)),
    (5, dt.date, dt.date.isoformat, dt.date.fromisoformat),
    (6, dt.time, lambda value: [value.isoformat(), value.fold], lambda part: _moment(dt.time, *part)),
    (
        7,
        dt.timedelta,
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda part: dt.timedelta(*part),
    ),
    (8, Decimal, str, Decimal),
    (9, UUID, lambda value: value.bytes, lambda part: UUID(bytes=part)),
    (10, bytearray, bytes, bytearray),
    (
        11,
        complex,
        lambda value: struct.pack("<dd", value.real, value.imag),
        lambda part: complex(*struct.unpack("<dd", part)),
    ),
)
_BIG, _PAIRS, _VALUES, _FIRST_STRUCT = 20, 21, 22, 64
_BY_TYPE = {kind: (code, take) for code, kind, take, _ in _TAGGED}
_BY_CODE: dict[int, Callable[[Any], Any]] = {code: make for code, _, _, make in _TAGGED}
_STRUCT_CODE = {kind: code for code, kind in enumerate(_STRUCTS, _FIRST_STRUCT)}


def _encode(value: Any) -> bytes:
    return msgspec.msgpack.encode(_packed(value, ()))


def _packed(value: Any, path: tuple[Any, ...]) -> Any:
    """The value in msgpack's own types and tags."""
    kind: Any = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind in _WHOLE:
        return value
    if kind is int:
        return value if -_SMALL <= value < _SMALL else Ext(_BIG, str(value).encode())
    if len(path) > DEEPEST:
        raise NotStorable(f"{_words(path[:8])}... is nested too deep to be stored, or contains itself")
    if kind is list or kind is Gathered:
        return [_packed(item, (*path, number)) for number, item in enumerate(value)]
    if kind is dict:
        return _packed_dict(value.items(), path)
    if issubclass(kind, Values):
        return _tag(_VALUES, _packed_dict(dict[str, Any].items(value), path))
    if kind in _BY_TYPE:
        code, take = _BY_TYPE[kind]
        return _tag(code, _packed(take(value), path))
    if kind in _STRUCT_CODE:
        fields = [_packed(getattr(value, name), (*path, name)) for name in kind.__struct_fields__]
        return _tag(_STRUCT_CODE[kind], fields)
    if hasattr(kind, "as_reference"):  # a secret, of which the name is stored, and no value
        return _packed(value.as_reference(), path)
    raise NotStorable(
        f"{_words(path)} is a {kind.__module__}.{kind.__qualname__}, which cannot be stored: return plain data "
        f"(text, numbers, bytes, dates, lists, tuples, sets, mappings) instead"
    )


def _packed_dict(items: Iterable[tuple[Any, Any]], path: tuple[Any, ...]) -> Any:
    pairs = [(key, _packed(value, (*path, key))) for key, value in items]
    if all(type(key) is str or (type(key) is int and -_SMALL <= key < _SMALL) for key, _ in pairs):
        return dict(pairs)
    return _tag(_PAIRS, [[_packed(key, (*path, key)), value] for key, value in pairs])


def _tag(code: int, packed: Any) -> Ext:
    return Ext(code, msgspec.msgpack.encode(packed))


def _words(path: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in path[1:]) or "the value"


def _untagged(code: int, data: memoryview) -> Any:
    if code == _BIG:
        return int(bytes(data))
    part = _decoder.decode(data)
    if code in _BY_CODE:
        return _BY_CODE[code](part)
    if code == _PAIRS:
        return dict(part)
    if code == _VALUES:
        return freeze(part)
    return _STRUCTS[code - _FIRST_STRUCT](*part)


_decoder = msgspec.msgpack.Decoder(ext_hook=_untagged)


def _moment(kind: Any, text: str, fold: int) -> Any:
    return kind.fromisoformat(text).replace(fold=fold)


def _decode_as(wanted: Any, data: bytes) -> Any:
    try:
        version, value = _decoder.decode(data)
    except (msgspec.DecodeError, TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise ValueError(f"these bytes are no {_named(wanted)}: {error}") from error
    if version != VERSION:
        raise ValueError(f"these bytes are a {_named(wanted)} of version {version}, and {VERSION} is read here")
    if not isinstance(value, wanted):
        raise ValueError(f"these bytes are no {_named(wanted)}, but a {type(value).__name__}")
    return value


def _named(wanted: Any) -> str:
    return {Run: "run", object: "value"}.get(wanted, "outcome")
