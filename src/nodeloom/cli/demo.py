"""`nodeloom demo`: the workflow that ships, with its living part in the tables of `nodeloom top`."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .report import UsageError

if TYPE_CHECKING:
    from ..runners.readings import Watched
    from .living.watching import Screen

__all__ = ["demo_command"]


def demo_command(out: Path | None, quiet: bool, seconds: float) -> int:
    """Run the demo; gives the exit code."""
    if not 0 <= seconds < math.inf:
        raise UsageError(f"--live {seconds:g}: give seconds, from 0")
    from ..demo import run_demo
    from .top.display import is_terminal

    return run_demo(out, quiet, seconds, _screen if is_terminal(sys.stdout) else None)


def _screen(watched: Sequence[Watched]) -> Screen:
    from .living.watching import Screen
    from .top.display import Moving

    return Screen(watched, Moving(sys.stdout))
