"""What is not done at the end: kept in a file, to be sent again; where none was named, told in short."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from ...model.masks import MASKS
from ..output import as_line, write_line
from ..report import FAILED, fail
from ..tally import one_line
from .messages import is_whole

__all__ = ["Line", "keep", "tell_lost"]

Line = dict[str, Any] | bytes
"""A message that can be sent again; as bytes one that came in and was not looked at."""

SHOWN: Final = 3
"""How many of those that are not kept are shown."""
NODES_NAMED: Final = 5
LONGEST: Final = 120
LOOKED_THROUGH: Final = 10_000
"""Bytes of a line that was not looked at: a longer one is only counted, for all of it may be a secret."""


def keep(option: str, path: Path, lines: Sequence[Line]) -> None:
    """Add lines that can be sent again to a file; where that fails, to standard error.

    Args:
        option: which names the file, for messages. path: of the file. lines: what is added.
    """
    broken = sum(not isinstance(each, bytes) and not is_whole(each) for each in lines)
    if broken:
        what = f"{broken:,} of the messages that --{option} keeps have parts that JSON cannot say, and are not whole"
        fail(f"{what}: `{option}.not_whole` of their lines names these parts", FAILED)
    try:
        with path.open("a", encoding="utf-8") as file:
            _write_all(lines, file)
    except OSError as error:
        fail(f"--{option} {path}: {error.strerror or error}; what it was to keep follows", FAILED, error)
        _write_all(lines, sys.stderr)


def _write_all(lines: Sequence[Line], file: TextIO) -> None:
    for each in lines:
        if isinstance(each, bytes):
            file.write(f"{each.decode(errors='replace')}\n")
        else:
            write_line(each, file)


def tell_lost(left: Sequence[Line], source: str) -> None:
    """Say what was left that nobody keeps: how many, of which nodes, and the first few.

    Args:
        left: what was. source: where lines came from that were not looked at.
    """
    count = len(left)
    what = f"{count:,} message{'s' * (count != 1)} left, and not kept: --left FILE keeps what is left, to be sent again"
    more = [f"and {count - SHOWN:,} more"] if count > SHOWN else []
    fail("\n  ".join([what, _of_nodes(left, source), *map(_shown, left[:SHOWN]), *more]), FAILED)


def _of_nodes(left: Sequence[Line], source: str) -> str:
    """How many are of which node."""
    unread = sum(isinstance(each, bytes) for each in left)
    of = Counter(_where(each) for each in left if not isinstance(each, bytes))
    parts = [f"{count:,} {where}" for where, count in of.most_common(NODES_NAMED)]
    if len(of) > NODES_NAMED:
        parts.append(f"{sum(of.values()) - sum(count for _, count in of.most_common(NODES_NAMED)):,} at other nodes")
    if unread:
        parts.append(f"{unread:,} line{'s' * (unread != 1)} of {source}, read and not sent")
    return "; ".join(parts)


def _where(each: Mapping[str, Any]) -> str:
    return f"at {one_line(each['node'])}" if "node" in each else "on the way in"


def _shown(each: Line) -> str:
    """One of them on one line. Masked whole, and then cut: the first half of a secret would not be known for one."""
    if not isinstance(each, bytes):
        return one_line(as_line({key: value for key, value in each.items() if key in ("node", "inputs")}), LONGEST)
    if len(each) > LOOKED_THROUGH:
        return f"a line of {len(each):,} bytes"
    return one_line(MASKS.text(each.decode(errors="replace")), LONGEST)
