"""The words of a node's constructor that belong to the runtime, and what each of them may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast, get_args

from ..errors import DefinitionError
from ..model.batch import Batch
from ..model.edge import Quorum
from ..model.mailbox import Mailbox, Supervision
from .host import policies

__all__ = ["ACTING", "LATER", "PARAM_NAMES", "READINGS", "RESERVED", "TICKING", "Reading", "setting"]

PARAM_NAMES = ("inputs", "state", "outputs", "run", "error")
"""What templates in the params of a node may name (semantics 12.1)."""

TICKING = ("rate", "order", "deadline", "watchdog", "on_miss", "on_overrun")
ACTING = ("mailbox", "supervision")
RESERVED = ("id", "join", "routing", "isolation", "memory", "pool", "policies", "batch", *ACTING, *TICKING)
LATER = {"queue": "brokers"}
Reading = Literal["latest", "queue", "sample"]
"""How a ticking node reads what comes along an edge, as its metadata says."""
READINGS: tuple[str, ...] = get_args(Reading)
ON_MISS = ("warn", "skip", "safe_state", "restart", "stop")
ON_OVERRUN = ("skip", "catch_up", "coalesce")


def setting(word: str, value: Any, whose: str) -> Any:
    """The value of a reserved word, checked, and as it is kept."""
    if word == "policies":
        return policies().check_policies(value, whose)
    if word in _MADE_OF and isinstance(value, Mapping):
        return _MADE_OF[word](cast("Mapping[str, Any]", value))
    if word == "supervision" and isinstance(value, str):
        return Supervision.of(value)
    problem = _CHECKS[word](value)
    if problem:
        raise DefinitionError(f"{word}={value!r} of {whose}: {problem}")
    return tuple(value) if word == "memory" and not isinstance(value, bool) else value


def _check_id(value: Any) -> str | None:
    if isinstance(value, str) and value.isidentifier() and value.isascii():
        return None
    return "a node id is made of letters, digits and underscores, as fetch_page"


def _one_of(*allowed: str) -> Callable[[Any], str | None]:
    return lambda value: None if value in allowed else f"use one of {', '.join(map(repr, allowed))}"


def _check_join(value: Any) -> str | None:
    fine = value is None or value in ("all", "any") or isinstance(value, Quorum)
    return None if fine else "use 'all', 'any' or Quorum(n)"


def _check_isolation(value: Any) -> str | None:
    return None if value in ("thread", "process", "inline") else "use 'thread', 'process' or 'inline'"


def _check_memory(value: Any) -> str | None:
    fine = isinstance(value, bool) or (
        isinstance(value, list | tuple) and all(isinstance(key, str) for key in cast("list[Any]", value))
    )
    return None if fine else "use True, or a list of the keys to keep"


def _check_pool(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "name one of the engine's pools"


def _check_batch(value: Any) -> str | None:
    fine = value is None or isinstance(value, Batch)
    return None if fine else 'give a Batch, as Batch(items="{{ outputs.scan.files }}")'


def _check_mailbox(value: Any) -> str | None:
    return (
        None
        if value is None or isinstance(value, Mailbox)
        else "give a Mailbox, as Mailbox(maxsize=100), in a document {maxsize: 100}"
    )


def _check_supervision(value: Any) -> str | None:
    return (
        None
        if value is None or isinstance(value, Supervision)
        else 'give a Supervision, as Supervision("restart"), or its name; in a document stop, or {directive: restart}'
    )


def _check_rate(value: Any) -> str | None:
    return None if value is None or _above_zero(value) else "a rate is how many ticks a second there are, above 0"


def _check_seconds(value: Any) -> str | None:
    return None if value is None or _above_zero(value) else "give seconds, above 0"


def _above_zero(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _check_order(value: Any) -> str | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return None if whole else "a whole number; of nodes due at one instant the lowest comes first"


_MADE_OF: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "batch": Batch.of,
    "mailbox": Mailbox.of,
    "supervision": Supervision.of,
}
"""What a document says as a mapping."""

_CHECKS: dict[str, Callable[[Any], str | None]] = {
    "id": _check_id,
    "join": _check_join,
    "routing": _one_of("all", "first"),
    "isolation": _check_isolation,
    "memory": _check_memory,
    "pool": _check_pool,
    "batch": _check_batch,
    "mailbox": _check_mailbox,
    "supervision": _check_supervision,
    "rate": _check_rate,
    "order": _check_order,
    "deadline": _check_seconds,
    "watchdog": _check_seconds,
    "on_miss": _one_of(*ON_MISS),
    "on_overrun": _one_of(*ON_OVERRUN),
}
