"""The seam through which a definition reaches what stands above it, without importing it: an engine, and policies.

`graph.run` and `node(...)` belong to definitions, four floors below the engine; what is wrong with a node's policies
is for policies to say. Both announce themselves here when nodeloom is imported, so the floors below never name them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, Self

from ..errors import NodeloomError, Problem
from ..model.batch import BatchResult
from ..model.run import RunResult
from ..model.values import Values
from .event import Event

if TYPE_CHECKING:
    from ..forms.asking import Asker

__all__ = ["Actors", "Host", "Policies", "announce", "current_host", "policies", "run_sync"]


class Host(Protocol):
    """What a definition asks of an engine; the options are those of `Graph.run` and `Node.__call__`."""

    @property
    def run(self) -> Callable[..., Awaitable[RunResult]]: ...

    @property
    def stream(self) -> Callable[..., AsyncIterator[Event]]: ...

    @property
    def call(self) -> Callable[..., Awaitable[Values]]: ...

    @property
    def map(self) -> Callable[..., Awaitable[BatchResult]]: ...

    @property
    def go(self) -> Callable[..., Awaitable[Any]]: ...

    @property
    def actors(self) -> Callable[..., Actors]: ...

    @property
    def asker(self) -> Asker: ...


class Actors(Protocol):
    """A system of actors, as definitions know it; see `runners.actors.system.ActorSystem`."""

    @property
    def name(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    @property
    def dead_letters(self) -> Any: ...
    @property
    def left(self) -> tuple[Any, ...]: ...
    def __getitem__(self, node: Any, /) -> Any: ...
    @property
    def tell(self) -> Callable[..., Awaitable[Any]]: ...
    @property
    def tell_from_thread(self) -> Callable[..., Any]: ...
    @property
    def deadlocks(self) -> int: ...
    @property
    def ask(self) -> Callable[..., Awaitable[Values]]: ...
    @property
    def send(self) -> Callable[..., Awaitable[None]]: ...
    @property
    def send_again(self) -> Callable[..., Awaitable[int]]: ...
    @property
    def pause(self) -> Callable[..., Awaitable[tuple[str, ...]]]: ...
    @property
    def resume(self) -> Callable[..., Awaitable[None]]: ...
    @property
    def drain(self) -> Callable[..., Awaitable[tuple[Any, ...]]]: ...
    @property
    def stop(self) -> Callable[..., Awaitable[tuple[Any, ...]]]: ...
    def stats(self) -> dict[str, Any]: ...
    def figures(self, every: float = 1.0) -> AsyncIterator[Event]: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, kind: Any, error: Any, trace: Any, /) -> None: ...


class Policies(Protocol):
    """What a definition asks of policies."""

    def check_policies(self, policies: Any, node: str, /) -> tuple[Any, ...]:
        """What an author gave, checked. Raises `DefinitionError`."""
        ...

    def judge_policies(self, nodes: Iterable[Any], graph: str, names: Iterable[str], /) -> list[Problem]:
        """What is wrong with the policies of a graph's nodes, where these names may be used."""
        ...

    def read_policies(self, mapping: Any, where: str, /) -> tuple[list[Any], list[Problem]]:
        """The policies that a document describes, and what is wrong with them."""
        ...

    def settings_of(self, policies: Iterable[Any], /) -> dict[str, Any]:
        """What a document says of policies. Raises `DefinitionError`."""
        ...


_hosts: list[Callable[[], Host]] = []
_runners: list[Callable[..., Any]] = []
_policies: list[Callable[[], Policies]] = []


def announce(host: Callable[[], Host], runner: Callable[..., Any], policies: Callable[[], Policies]) -> None:
    """Let definitions use this engine: `host()` gives the one of the running loop, `runner` runs a coroutine.

    `policies()` gives what is known about policies, which are imported when they are first used.
    """
    _hosts[:] = [host]
    _runners[:] = [runner]
    _policies[:] = [policies]


def policies() -> Policies:
    """What is known about policies.

    Raises:
        NodeloomError: when nothing was announced (nodeloom was not imported as a package).
    """
    if not _policies:
        raise NodeloomError("no policies were announced: import nodeloom before defining nodes with policies")
    return _policies[0]()


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
