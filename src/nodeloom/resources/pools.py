"""The pools of an engine, by name: threads, and worker processes (semantics 7.1, 7.2)."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import NodeloomError
from .threads import ThreadPool

if TYPE_CHECKING:
    from .processes import ProcessPool

__all__ = ["Pools"]

log = logging.getLogger("nodeloom.engine")


def _check_sizes(kind: str, sizes: object, what: str) -> None:
    if sizes is not None and not isinstance(sizes, Mapping):
        raise ValueError(f"{kind}: give sizes by name, as {{'default': 8}}, not {sizes!r}")
    named: Mapping[Any, Any] = sizes or {}  # pyright: ignore[reportUnknownVariableType]
    for name, size in named.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"{kind} {name!r}: a size is a number of {what} from 1, not {size!r}")


class Pools:
    """Thread pools, and pools of worker processes, which are made when they are first asked for.

    Args:
        threads, workers: sizes by name; there is always a `default`, and of threads also `forms`, for the
            functions of forms. grace: seconds that work is given to end.
    """

    def __init__(self, threads: Mapping[str, int] | None, workers: Mapping[str, int] | None, grace: float) -> None:
        for kind, sizes, what in (("pool", threads, "threads"), ("workers", workers, "processes")):
            _check_sizes(kind, sizes, what)
        self._threads = {
            name: ThreadPool(name, size, grace) for name, size in {"default": 32, "forms": 8, **(threads or {})}.items()
        }
        self._workers = {"default": os.cpu_count() or 1, **(workers or {})}
        self._processes: dict[str, ProcessPool] = {}
        self._grace = grace

    def threads(self, name: str) -> ThreadPool:
        """The thread pool of that name."""
        if name not in self._threads:
            raise NodeloomError(f"no pool {name!r}; there are: {', '.join(self._threads)} (Engine(pools={{...}}))")
        return self._threads[name]

    def processes(self, name: str) -> ProcessPool:
        """The pool of worker processes of that name."""
        from .processes import ProcessPool

        if name not in self._workers:
            raise NodeloomError(f"no workers {name!r}; there are: {', '.join(self._workers)} (Engine(workers={{...}}))")
        if name not in self._processes:
            self._processes[name] = ProcessPool(name, self._workers[name], grace=self._grace)
        return self._processes[name]

    async def close(self) -> None:
        """End workers and threads; threads held by abandoned work end when it does."""
        for processes in self._processes.values():
            try:
                await processes.close()
            except Exception:  # one failing end must not keep the others from being called
                log.exception("ending the workers %s failed", processes.name)
        for threads in self._threads.values():
            threads.close()
