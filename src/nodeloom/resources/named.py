"""An engine's resources by name: opened on first use, one of each per event loop, closed in order (semantics 7.4)."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from ..errors import DefinitionError, EngineClosed, NodeloomError
from ..model.compile import nearest
from .held import Closable, Factory, Given, Held, on_loop, running_loop, to_the_end
from .http import Http, http

__all__ = ["NamedResources", "Opening"]

log = logging.getLogger("nodeloom.resources")


class NamedResources:
    """The resources of one engine. Nothing is opened before somebody asks for it.

    Args:
        given: by name, what opens each: a function without arguments, or a class, that gives an async context
            manager; an async context manager; `sql(...)` or `http(...)`. There is always an `http`.
        grace: seconds that the closing of each is given.

    Raises:
        DefinitionError: a value that opens nothing.

    Example:
        >>> import asyncio
        >>> from contextlib import asynccontextmanager
        >>> @asynccontextmanager
        ... async def open_bucket():
        ...     yield ["a", "b"]
        >>> async def main():
        ...     resources = NamedResources({"bucket": open_bucket})
        ...     try:
        ...         return await resources.resource("bucket")
        ...     finally:
        ...         await resources.close()
        >>> asyncio.run(main())
        ['a', 'b']
    """

    def __init__(self, given: Mapping[str, Any] | None = None, *, grace: float = 5.0) -> None:
        self._openers = {"http": http(), **{name: _opener(name, value) for name, value in (given or {}).items()}}
        self._grace = grace
        self._places: dict[asyncio.AbstractEventLoop, _Place] = {}
        self._closed = False

    @property
    def opened(self) -> list[str]:
        """The names of what is open, in the order of opening."""
        return [each.name for place in self._places.values() for each in place.order]

    def resource(self, name: str, loop: asyncio.AbstractEventLoop | None = None) -> Any:
        """What is awaited to have the resource; the HTTP client is also there at once.

        Args:
            name: of the resource. loop: where it is to be used, for code on a thread, where none runs.

        Raises:
            EngineClosed: the engine is closed. NodeloomError: there is none of that name.
        """
        if self._closed:
            raise closed_error(name)
        opener = self._openers.get(name)
        if opener is None:
            raise NodeloomError(f"no resource {name!r}{nearest(name, self._openers)}: Engine(resources={{...}})")
        if isinstance(opener, Http):
            return self._place(name, loop).client(name, opener)
        return Opening(self, name, loop)

    async def value(self, name: str) -> Any:
        """The resource, opened on the running loop if it is not open there yet."""
        if self._closed:
            raise closed_error(name)
        return await self._place(name, None).value(name, cast("Factory", self._openers[name]))

    def _place(self, name: str, loop: asyncio.AbstractEventLoop | None) -> _Place:
        loop = running_loop() or loop
        if loop is None:
            raise NodeloomError(f"resource {name!r} belongs to an event loop, and none runs on this thread")
        place = self._places.get(loop)
        if place is None:
            for ended in [each for each in list(self._places) if each.is_closed()]:
                self._drop(ended)
            place = self._places.setdefault(loop, _Place(self._grace))
        return place

    def _drop(self, loop: asyncio.AbstractEventLoop) -> None:
        place = self._places.pop(loop, None)
        if place is not None and place.order:
            names = ", ".join(each.name for each in place.order)
            log.warning("a loop has ended and left these open: %s (close_here() closes what a loop has opened)", names)

    async def close(self) -> None:
        """Close all that is open, last opened first; a second call waits for the first.

        One that fails or does not end within the grace is logged, and the others are closed all the same. A caller
        that is cancelled meanwhile is so when all are closed.
        """
        self._closed = True
        await to_the_end(self._close())

    async def _close(self) -> None:
        for loop, place in list(self._places.items()):
            await on_loop(loop, place.close, limit=self._grace * 2 * (1 + len(place.order)))
            self._drop(loop)

    async def close_here(self) -> None:
        """Close what was opened on the running loop, before it ends and the engine goes on."""
        place = self._places.pop(asyncio.get_running_loop(), None)
        if place is not None:
            await to_the_end(place.close())


class Opening:
    """A resource that is opened on first use: `pool = await ctx.resource("pool")`.

    It may be awaited again; the resource is the same.
    """

    __slots__ = ("_loop", "_name", "_resources")

    def __init__(self, resources: NamedResources, name: str, loop: asyncio.AbstractEventLoop | None) -> None:
        self._resources = resources
        self._name = name
        self._loop = loop

    def __await__(self) -> Generator[Any, None, Any]:
        return self._resources.value(self._name).__await__()

    def result(self, timeout: float | None = None) -> Any:
        """The resource, for plain code on a thread: waits there until it is open, `timeout` seconds at most.

        Raises:
            TimeoutError: it is not open by then. NodeloomError: called on a loop, which it would block.
        """
        if running_loop() is not None:
            raise NodeloomError(f"result() would block the loop: write `await ctx.resource({self._name!r})`")
        if self._loop is None:
            raise NodeloomError(f"resource {self._name!r} belongs to an event loop, and none runs on this thread")
        return asyncio.run_coroutine_threadsafe(self._resources.value(self._name), self._loop).result(timeout)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"resource {self._name!r} has no {name!r} before it is open: `{self._name} = await "
            f"ctx.resource({self._name!r})`, then `{self._name}.{name}`"
        )


class _Place:
    """What is open on one loop."""

    def __init__(self, grace: float) -> None:
        self.order: list[Closable] = []
        self._grace = grace
        self._held: dict[str, Held] = {}
        self._clients: dict[str, Given] = {}
        self._lock = threading.Lock()
        self._closed = False

    def client(self, name: str, settings: Http) -> Any:
        """The client; from any thread."""
        given = self._clients.get(name)
        if given is not None:
            return given.value
        with self._lock:
            if self._closed:
                raise closed_error(name)
            if name not in self._clients:
                given = self._clients[name] = Given(name, settings.open())
                self.order.append(given)
            return self._clients[name].value

    async def value(self, name: str, factory: Factory) -> Any:
        """What the factory's context manager gives, opened when it is not open."""
        while not self._closed:
            held = self._held.get(name)
            if held is None or held.task.done():
                held = self._held[name] = Held(name, factory, self.order.append, self._grace)
            elif held.abandoned:  # it must have ended before it begins again
                await asyncio.wait({held.task})
                continue
            return await held.value()
        raise closed_error(name)

    async def close(self) -> None:
        """Give up what is being opened, then close what is open, the last first."""
        with self._lock:
            self._closed = True
        for held in self._held.values():
            if held not in self.order:
                await held.end(self._grace)
        while self.order:
            await self.order.pop().end(self._grace)


def closed_error(name: str) -> EngineClosed:
    """What is raised for a resource of an engine that has been closed."""
    return EngineClosed(f"this engine is closed; resource {name!r} is too")


def _opener(name: str, value: Any) -> Http | Factory:
    """What opens a resource, from what an author gives."""
    if isinstance(value, Http):
        return value
    if isinstance(value, AbstractAsyncContextManager):
        return _Once(name, cast("AbstractAsyncContextManager[Any]", value))
    if inspect.isasyncgenfunction(value) or inspect.iscoroutinefunction(value):
        raise DefinitionError(
            f"resource {name!r}: {value.__qualname__} gives no async context manager; "
            f"write @asynccontextmanager (contextlib) above it, and one yield in it"
        )
    if callable(value):
        return cast("Callable[[], AbstractAsyncContextManager[Any]]", value)
    raise DefinitionError(
        f"resource {name!r}: {type(value).__name__} opens nothing; give a function without arguments that gives an "
        f"async context manager, a context manager, sql(...) or http(...); an object as it is: nullcontext(it)"
    )


class _Once:
    """A context manager that was given as an object: it can be open on one loop."""

    def __init__(self, name: str, manager: AbstractAsyncContextManager[Any]) -> None:
        self._name = name
        self._manager = manager
        self._loop: asyncio.AbstractEventLoop | None = None

    def __call__(self) -> AbstractAsyncContextManager[Any]:
        loop = asyncio.get_running_loop()
        if self._loop not in (None, loop):
            raise NodeloomError(
                f"resource {self._name!r} is one context manager, and another loop has opened it; "
                f"give a function that makes one, and each loop opens its own"
            )
        self._loop = loop
        return self._manager
