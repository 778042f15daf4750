"""Work that goes on behind a step: one at a time for each key, its latest result at hand (semantics 7.3)."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast

from ..errors import EngineClosed, NodeloomError, StepError
from ..nodes.context import Context, Walk
from .held import on_loop, running_loop, to_the_end

__all__ = ["Background", "Latest"]

T = TypeVar("T")
log = logging.getLogger("nodeloom.background")


class Offload(Protocol):
    """Runs a plain function on a thread."""

    def __call__(self, function: Callable[[], Any]) -> Awaitable[Any]: ...


class Background:
    """What the nodes of an engine, or of a clock, have going on behind their steps.

    Args:
        offload: runs a plain function on a thread. grace: seconds that cancelled work is given to end.
        kept: of how many keys the results are kept; those asked for least recently go first.
    """

    def __init__(self, offload: Offload, *, grace: float = 5.0, kept: int = 10_000) -> None:
        self._offload = offload
        self._grace = grace
        self._kept = kept
        self._works: dict[tuple[Any, ...], _Work] = {}
        self._lock = threading.Lock()
        self._closed = False

    def latest(self, ctx: Context, key: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Latest[Any]:
        """Start `function` unless it is under way for this key, and give what is known; from any thread, at once.

        Args:
            ctx: of the step that asks; keys are those of its node's place in its graph, in whatever run.
            key: what the result is kept under. It names what is fetched: results of other arguments are others.
            function: async, on the loop, or plain, on a thread. args, kwargs: what it is called with.

        Raises:
            EngineClosed: the engine, or the clock, is closed.
        """
        loop = running_loop() or ctx.live.loop
        if loop is None:
            raise NodeloomError(f"background {key!r} of node {ctx.node_id}: no event loop runs on this thread")
        latest, mine = self._claimed(loop, ctx, key)
        if mine:
            call = _Call(ctx, function, args, kwargs)
            if loop is running_loop():
                self._start(latest.work, call)
            else:
                self._start_from_a_thread(latest.work, call)
        return latest

    def _claimed(self, loop: asyncio.AbstractEventLoop, ctx: Context, key: str) -> tuple[Latest[Any], bool]:
        """What is known under the key, and whether it is the caller who has to start it."""
        graph = ctx.graph.name if ctx.graph is not None else ""
        place = (loop, graph, ctx.node.identifier, ctx.node_id, key)
        with self._lock:
            if self._closed:
                raise EngineClosed(f"background {key!r} of node {ctx.node_id}: what it would belong to is closed")
            work = self._works.pop(place, None) or _Work(loop, key, ctx.node_id)
            latest, mine = Latest[Any](work), not work.running
            work.running = True
            self._works[place] = work  # as the last one asked for
            if len(self._works) > self._kept:
                idle = next((each for each, known in self._works.items() if not known.running), None)
                if idle is not None:
                    del self._works[idle]
        return latest, mine

    def _start_from_a_thread(self, work: _Work, call: _Call) -> None:
        try:
            work.loop.call_soon_threadsafe(self._start, work, call)
        except RuntimeError as error:
            work.running = False
            raise EngineClosed(f"background {work.key!r} of node {work.node_id}: its loop has ended") from error

    def _start(self, work: _Work, call: _Call) -> None:
        if self._closed:
            work.closed()
        else:
            work.task = work.loop.create_task(self._perform(work, call), name=f"background {work.key}")

    async def _perform(self, work: _Work, call: _Call) -> None:
        try:
            with Walk(call.ctx.live, call.ctx):  # the step ends before; what is logged meanwhile is its all the same
                value = await self._called(work, call)
        except Exception as error:
            work.failed(error, call.ctx)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                work.closed()
                raise
            work.failed(
                StepError(f"background {work.key!r} of node {work.node_id} was cancelled from within"), call.ctx
            )
        else:
            work.completed(value, call.ctx)

    async def _called(self, work: _Work, call: _Call) -> Any:
        if inspect.iscoroutinefunction(call.function) or inspect.iscoroutinefunction(type(call.function).__call__):
            return await call.function(*call.args, **call.kwargs)
        made: list[Coroutine[Any, Any, Any]] = []
        gone = threading.Event()

        def on_thread() -> Any:
            value = call.function(*call.args, **call.kwargs)
            if inspect.iscoroutine(value):  # as of a lambda that calls an async function
                made.append(value)
                if gone.is_set():
                    value.close()
            return value

        on_thread.__name__ = f"background {work.key} of node {work.node_id}"  # what the pool calls it
        try:
            value = await self._offload(on_thread)
        except asyncio.CancelledError:
            gone.set()
            for each in made:
                each.close()  # nobody will await it
            raise
        return await value if inspect.isawaitable(value) else value

    async def close(self) -> None:
        """Cancel what is under way and wait until it has ended; what does not within the grace is named in the log."""
        with self._lock:
            self._closed = True
            works, self._works = list(self._works.values()), {}
        await to_the_end(self._end(works))

    async def _end(self, works: list[_Work]) -> None:
        # A plain function's thread has the same grace, in its pool: it ends first.
        limit = self._grace + 1.0
        loops: dict[asyncio.AbstractEventLoop, list[_Work]] = {}
        for work in works:
            loops.setdefault(work.loop, []).append(work)
        for loop, its in loops.items():
            await on_loop(loop, partial(_cancelled, its, limit), limit * 2)
        for work in works:
            if work.task is not None and not work.task.done() and not work.loop.is_closed():
                log.error("background %s of node %s did not end when it was cancelled", work.key, work.node_id)


class Latest(Generic[T]):
    """What is known of work in the background; it goes on being true.

    Attributes:
        value: the latest good result; None before the first. age: seconds since it was there, or None.
        error: why the last attempt failed; None when it did not. running: whether an attempt is under way.
        count: how many attempts have ended.

    Example:
        Inside `async def work(self, ctx)` of a node that ticks 30 times a second::

            weather = ctx.background("weather", fetch_weather, "Pune")
            if weather.value is None or weather.age > 60.0:
                return {"wind": None}
            return {"wind": weather.value["wind"]}
    """

    __slots__ = ("_seen", "work")

    def __init__(self, work: _Work) -> None:
        self.work = work
        self._seen = work.count

    @property
    def value(self) -> T | None:
        return cast("T | None", self.work.found.value)

    @property
    def age(self) -> float | None:
        return self.read()[1]

    @property
    def error(self) -> Exception | None:
        return self.work.error

    @property
    def running(self) -> bool:
        return self.work.running

    @property
    def count(self) -> int:
        return self.work.count

    def read(self) -> tuple[T | None, float | None]:
        """The value and its age, of one and the same result: for code on a thread, beside which results come in."""
        value, at = self.work.found
        return value, None if at is None else self.work.loop.time() - at

    async def next(self) -> T:
        """Wait for the first attempt that ends after this handle was given, or after the last `next()`; its value.

        An attempt that ended since is not missed. Where nothing is under way it waits until somebody starts it.

        Raises:
            EngineClosed: it was closed meanwhile. Exception: what the attempt failed with.
        """
        work = self.work
        if asyncio.get_running_loop() is not work.loop:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.next(), work.loop))
        seen = self._seen  # as of now: another task may wait on this same handle
        while work.count == seen:
            await work.ending()
        self._seen = work.count
        if work.error is not None:
            raise work.error
        return cast("T", work.found.value)


class _Found(NamedTuple):
    value: Any
    at: float | None


class _Call(NamedTuple):
    ctx: Context
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class _Work:
    """What is known under one key. It is changed on its loop; only that it is to run is said from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, key: str, node_id: str) -> None:
        self.loop = loop
        self.key = key
        self.node_id = node_id
        self.found = _Found(None, None)
        self.error: Exception | None = None
        self.count = 0
        self.running = False
        self.task: asyncio.Task[None] | None = None
        self._told: str | None = None
        self._over: EngineClosed | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def completed(self, value: Any, ctx: Context) -> None:
        if self._told is not None:
            ctx.log.info("background %s works again", self.key)
        self.found, self.error, self._told = _Found(value, self.loop.time()), None, None
        self._end()

    def failed(self, error: Exception, ctx: Context) -> None:
        """Keep the failure, and log it unless the one before was the same."""
        what = f"{type(error).__name__}: {error}"
        if what != self._told:
            ctx.log.error("background %s failed: %s", self.key, what, exc_info=error)
        self.error, self._told = error, what
        self._end()

    def _end(self) -> None:
        self.count += 1
        self.running = False
        self._wake()

    def closed(self) -> None:
        """It ends without a result, and for good."""
        self.running = False
        self._over = EngineClosed(f"background {self.key!r} of node {self.node_id}: what it belonged to was closed")
        self._wake()

    async def ending(self) -> None:
        """Wait until an attempt ends."""
        if self._over is None:
            turn: asyncio.Future[None] = self.loop.create_future()
            self._waiting.append(turn)
            try:
                await turn
            finally:
                if turn in self._waiting:
                    self._waiting.remove(turn)
        if self._over is not None:
            raise self._over

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)


async def _cancelled(works: list[_Work], limit: float) -> None:
    tasks = {work.task for work in works if work.task is not None and not work.task.done()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=limit)
    for work in works:
        work.closed()
