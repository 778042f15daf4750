"""The end of a process whose threads may be stuck (semantics 6.3).

An interpreter that ends waits for every thread that is no daemon, for ever if need be.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Protocol

__all__ = ["Ending", "end_with_process"]

PATIENCE = 5.0
"""Seconds that an interpreter which ends without a stuck thread waits for the threads of others."""


class Ending(Protocol):
    """A pool of threads, as far as its end is concerned."""

    def close(self) -> None: ...

    def outlast(self) -> dict[threading.Thread, str]:
        """Wait for abandoned work, as long as its grace lasts; the threads that are stuck, and whose they are."""
        ...


class LeftBehind(Exception):
    """Ends the interpreter's wait for threads; nobody sees it."""


_pools: weakref.WeakSet[Ending] = weakref.WeakSet()
_known = False


def end_with_process(pool: Ending) -> None:
    """See to it that the process can end, whatever the threads of this pool do then.

    Args:
        pool: it is closed then, and what is stuck after its grace is named on standard error and left behind.
    """
    global _known  # noqa: PLW0603 - there is one interpreter
    _pools.add(pool)
    if not _known:
        _known = True
        # What the standard library's executors use: an interpreter joins all threads before it calls `atexit`.
        threading._register_atexit(_end_all)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage, reportUnknownMemberType]


def _end_all() -> None:
    pools = list(_pools)
    for pool in pools:
        pool.close()
    stuck = {thread: who for pool in pools for thread, who in pool.outlast().items()}
    if stuck:
        sys.stderr.write(f"nodeloom: still busy, and left behind: {', '.join(sorted(stuck.values()))}\n")
        _wait_for_others(stuck)
        # The interpreter's wait for threads ends by an exception, as by Ctrl-C, and it goes on with its exit: the
        # exit code stands, `atexit` is called, files are flushed.
        sys.unraisablehook = _unless_left(sys.unraisablehook)
        raise LeftBehind


def _wait_for_others(stuck: Iterable[threading.Thread]) -> None:
    """The interpreter will not wait for the threads of others any more, so they get their time here."""
    end = time.monotonic() + PATIENCE
    for thread in set(threading.enumerate()) - {threading.main_thread(), *stuck}:
        if not thread.daemon:
            thread.join(max(0.0, end - time.monotonic()))


def _unless_left(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda unraisable: None if unraisable.exc_type is LeftBehind else hook(unraisable)
