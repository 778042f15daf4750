"""What an engine is given: judged when it is made, each mistake with what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from ..errors import DefinitionError

__all__ = ["check_engine", "check_seconds", "folders"]

_LIMITS = ("declare", "bucket", "breaker", "slots", "recall", "claim", "close")


def folders(given: Any) -> list[Path]:
    """The folders that file nodes may touch; one text is one folder.

    Raises:
        DefinitionError: it is neither a path nor some.
    """
    if given is None:
        return [Path()]
    roots: Any = [given] if isinstance(given, str | Path) else given
    if not isinstance(roots, Iterable) or isinstance(roots, bytes | Mapping):
        raise DefinitionError(f"file_roots={given!r}: give folders, as ['data', '/srv/files']")
    found: list[Any] = [*roots]
    if not all(isinstance(root, str | Path) for root in found):
        raise DefinitionError(f"file_roots={given!r}: each is a folder, as 'data' or Path('data')")
    return [Path(root) for root in found] or [Path()]


def check_engine(grace: Any, kept_runs: Any, limits: Any, resources: Any) -> None:
    """Refuse settings of an engine that cannot work.

    Raises:
        DefinitionError: the first of them.
    """
    check_seconds("grace", grace)
    if isinstance(kept_runs, bool) or not isinstance(kept_runs, int) or kept_runs < 0:
        raise DefinitionError(f"kept_runs={kept_runs!r}: give how many, as a whole number from 0")
    if limits is not None and not all(callable(getattr(limits, name, None)) for name in _LIMITS):
        raise DefinitionError(f"limits={limits!r}: give where policies keep what they share, as RedisLimits(url)")
    if resources is not None and not isinstance(resources, Mapping):
        raise DefinitionError(f"resources={resources!r}: give them by name, as {{'db': sql(url)}}")


def check_seconds(name: str, value: Any) -> None:
    """Refuse what is no number of seconds from 0.

    Raises:
        DefinitionError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not (isfinite(value) and value >= 0):
        raise DefinitionError(f"{name}={value!r}: give a number of seconds from 0")
