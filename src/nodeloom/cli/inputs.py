"""A run's inputs, from `-i key=value` and `--inputs file.json`."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from .report import UsageError

__all__ = ["parse_value", "read_inputs", "read_pairs", "strict_json"]


def read_inputs(pairs: Sequence[str], file: str | None) -> dict[str, Any]:
    """The inputs of a run; a pair wins over the file.

    Raises:
        UsageError: a pair without `=` or given twice, a file that is no JSON object.
    """
    found = _from_file(file) if file is not None else {}
    return found | {key: parse_value(text) for key, text in read_pairs(pairs).items()}


def read_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """Each `key=value` with its value as text.

    Raises:
        UsageError: a pair without `=` or given twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"-i {pair}: an input is given as -i name=value")
        if key in found:
            raise UsageError(f"-i {key}=... is given twice; a list is given as -i '{key}=[1, 2]'")
        found[key] = value
    return found


def parse_value(text: str) -> Any:
    """The text as JSON where it is valid JSON, else as it is."""
    try:
        return strict_json(text)
    except (ValueError, RecursionError):
        return text


def strict_json(text: str) -> Any:
    """What JSON says, and nothing that only Python takes for JSON, as NaN, or makes infinite, as 1e999.

    Raises:
        ValueError: it is none. RecursionError: it is too deep.
    """
    return json.loads(text, parse_constant=_no_constant, parse_float=_finite)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:40]} is too large for a number")
    return number


def _from_file(file: str) -> dict[str, Any]:
    name = "standard input" if file == "-" else file
    try:
        text = sys.stdin.buffer.read().decode() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--inputs {file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 text (byte {error.start + 1})") from error
    try:
        value = strict_json(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{name}:{error.lineno}:{error.colno}: no JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name}: no JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f'{name} holds a JSON {_kind(value)}; inputs are an object, as {{"url": "..."}}')
    return {str(key): each for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _kind(value: Any) -> str:
    names = {list: "array", str: "text", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return names[type(value)]
