"""The seam through which a definition reaches an engine, without importing one.

`graph.run` and `node(...)` belong to definitions, four floors below the engine. The engine announces itself here
when it is imported (`nodeloom` imports it), so the floors below never name it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from ..errors import NodeloomError
from ..model.run import RunResult
from ..model.values import Values
from .event import Event

__all__ = ["Host", "announce", "current_host", "run_sync"]


class Host(Protocol):
    """What a definition asks of an engine; the options are those of `Graph.run` and `Node.__call__`."""

    @property
    def run(self) -> Callable[..., Awaitable[RunResult]]: ...

    @property
    def stream(self) -> Callable[..., AsyncIterator[Event]]: ...

    @property
    def call(self) -> Callable[..., Awaitable[Values]]: ...


_hosts: list[Callable[[], Host]] = []
_runners: list[Callable[..., Any]] = []


def announce(host: Callable[[], Host], runner: Callable[..., Any]) -> None:
    """Let definitions use this engine: `host()` gives the one of the running loop, `runner` runs a coroutine."""
    _hosts[:] = [host]
    _runners[:] = [runner]


def current_host() -> Host:
    """The engine that runs in this loop use.

    Raises:
        NodeloomError: when none was announced (nodeloom was not imported as a package).
    """
    if not _hosts:
        raise NodeloomError("no engine was announced: import nodeloom before running a definition")
    return _hosts[0]()


def run_sync(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a coroutine function to its end from code that is not async: the one edge between the two worlds."""
    return _runners[0](function, *args, **kwargs)
