"""What the system grants to a clock's threads: to be woken in time, and before others (semantics 10.3)."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

__all__ = ["get_ready", "precise", "real_time"]

PR_SET_TIMERSLACK = 29
PRIORITY = 10
"""Of 1 to 99, well below what the system's own threads have."""


@functools.cache
def _prctl() -> Callable[..., int] | None:
    try:
        import ctypes

        call: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
    except (ImportError, OSError, AttributeError):  # not Linux
        return None
    return call


def precise() -> None:
    """Have this thread woken when it asked for it, where Linux gathers wake-ups within 50 microseconds by default."""
    prctl = _prctl()
    if prctl is not None:
        prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)


def get_ready() -> None:
    """Load what threads will need, which takes a while."""
    _prctl()


def real_time() -> str:
    """Ask for a real-time priority for this thread; what was granted, or why not."""
    if not hasattr(os, "sched_setscheduler"):
        return "not granted: this system has no sched_setscheduler"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except OSError as error:
        return f"not granted: {error.strerror or error}"
    return f"SCHED_FIFO, priority {PRIORITY}"
