"""How an engine brings its runs, and itself, to an end (semantics 6.2, 6.3)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Protocol, Self

from ..errors import EngineClosed
from ..executors.started import retrieved
from ..nodes.context import Context, current_context
from ..nodes.node import Node
from ..resources.given import check_seconds
from ..resources.held import to_the_end
from .left import Left
from .parts import Parts
from .pausing import Pausable
from .readings import Watched
from .seen import Seen
from .signals import UntilSignal
from .under_way import UnderWay

__all__ = ["Lifecycle", "Living"]

log = logging.getLogger("nodeloom.engine")


class Living(Watched, Protocol):
    """What lives on, unlike a run: a system of actors, a clock."""

    async def end(self, grace: float) -> tuple[Left, ...]:
        """Come to an end within these seconds; what was left."""
        ...

    def hasten(self) -> None:
        """The grace is over."""
        ...

    def lives_on(self, node: Node) -> bool:
        """Whether it uses a node, and has not ended."""
        ...


class Lifecycle:
    """The runs that an engine has under way, and the end of them all.

    Args:
        kept_runs: how many runs that were started with an id of their caller's are known when they have ended.

    Attributes:
        closed: it has ended.
    """

    def __init__(self, kept_runs: int) -> None:
        self._under_way = UnderWay(kept_runs)
        self._living: dict[Living, None] = {}
        self._end: asyncio.Task[tuple[Left, ...]] | None = None
        self._closing = self.closed = False

    def live_on(self, living: Living) -> None:
        """Know of what lives on while it is used, so that the end of this engine is its end too.

        Raises:
            EngineClosed: the engine is closed, or about to be.
        """
        if self._under_way.stopping:
            raise EngineClosed("this engine is closed, or about to be; nothing new lives on it")
        self._living[living] = None

    def forget(self, living: Living) -> None:
        """What lived on here has ended."""
        self._living.pop(living, None)

    @property
    def living(self) -> tuple[Living, ...]:
        """The systems of actors and the clocks that live on here now, the oldest first; each has `stats()`."""
        return tuple(self._living)

    def seen(self) -> Seen:
        """Let `nodeloom top` show what lives on here, while this is entered; other users cannot look.

        Raises:
            NodeloomError: when it is entered, where this user has no folder of their own to put a socket in.

        Example:
            `async with Engine() as engine, engine.seen(): ...`
        """
        return Seen(self)

    def _refuse(self, outer: Pausable | None, ctx: Context | None) -> None:
        """Take no new run; while the engine stops, only what a step of this one needs to come to an end."""
        needed = outer is not None or (ctx is not None and ctx.live.home in self._living)
        if self._closing or not needed:
            raise EngineClosed("this engine is closed, or about to be; it takes no new runs")

    async def pause(self, run_id: str, *, within: float | None = None) -> Left | None:
        """Let no step of a run begin, and wait until those that run have ended; `resume` goes on.

        Steps that only wait (`ctx.sleep`, a Retry before its next attempt) are not waited for, and do not go on either.
        Time goes on while a run is paused: timeouts are not stopped. A step that pauses its own run is not waited for.
        Of a run that has ended, or is paused, nothing.

        Args:
            run_id: what `start` or `run` was given, or made up. within: seconds; then the steps that still run are
                cancelled, and begin anew when the run goes on, under the same step ids. Code on a thread that goes on
                all the same is not waited for.

        Returns:
            What was cancelled so; None where nothing had to be.

        Raises:
            NodeloomError: no such run.
        """
        return await self._under_way.pause(run_id, within)

    async def resume(self, run_id: str) -> None:
        """Go on with a paused run; of one that is not paused, nothing.

        Raises:
            NodeloomError: no such run.
        """
        self._under_way.resume(run_id)

    async def cancel(self, run_id: str, *, within: float | None = None) -> Left | None:
        """Cancel a run, and wait until its last step has ended. Who awaits its result gets `RunCancelled`.

        Args:
            run_id: what `start` or `run` was given, or made up. within: seconds to wait at most.

        Returns:
            What had not ended by then, and goes on ending; None when all has.

        Raises:
            NodeloomError: no such run.
        """
        return await self._under_way.cancel(run_id, within)

    async def sleep(self, seconds: float, ctx: Context) -> None:
        """Let a step wait for a time to come; see `Context.sleep`."""
        run = self._under_way.of(ctx)
        if run is None:
            await asyncio.sleep(seconds)
        else:
            await run.rest(asyncio.sleep(seconds), ctx.step)

    async def in_line(self, take: Callable[[], Awaitable[None]], ctx: Context) -> bool:
        """Let a step wait for a token or a slot; False where its run is paused, and it has none."""
        run = self._under_way.of(ctx)
        if run is None:
            await take()
            return True
        return await run.in_line(take)

    def parts(self, ctx: Context) -> Parts:
        """The tasks among which a step divides its work, for a pause to know of."""
        return Parts(self._under_way.of(ctx))

    async def drain(self, *, within: float | None = None) -> tuple[Left, ...]:
        """Wait for the end of the runs that are under way now. New ones are taken, and not waited for.

        Args:
            within: seconds to wait at most.

        Returns:
            What had not ended by then, and goes on; a paused run is among it.

        Raises:
            NodeloomError: a step awaits this, which would wait for itself.
        """
        return await self._under_way.drain(within)

    async def stop(self, *, grace: float = 10.0) -> tuple[Left, ...]:
        """Take no new runs, let those under way end, cancel what is left when the grace is over, and close.

        A run that is paused, or only waits (`ctx.sleep`, a Retry), is not waited for: it is cancelled at once. A second
        call waits for the first; `close` ends its grace.

        Args:
            grace: seconds that runs have to come to an end by themselves.

        Returns:
            The runs that were cancelled, with what they were at; each is logged too.
        """
        check_seconds("grace", grace)
        self._under_way.stopping = True
        return await self._ended(grace)

    async def close(self) -> None:
        """Cancel what runs, call `on_stop`, close clients and pools. A second call waits for the first.

        Who awaits a run that is cancelled so gets `RunCancelled`.
        """
        self._closing = self._under_way.stopping = True
        self._under_way.hasten()
        for living in self._living:
            living.hasten()
        await self._ended(0.0)

    def until_signal(self, *, grace: float = 10.0) -> UntilSignal:
        """Stop on SIGTERM, close on Ctrl-C, while this is entered; a second signal ends the process at once.

        Args:
            grace: seconds that runs have after SIGTERM; see `stop`.

        Example:
            `async with Engine() as engine, engine.until_signal() as ending: await engine.run(graph)`, and then
            `sys.exit(ending.code)`.
        """
        return UntilSignal(self.stop, grace)

    async def _ended(self, grace: float) -> tuple[Left, ...]:
        """Wait for the end of the engine, which is one and the same for all who ask for it."""
        if self._end is None or self._end.cancelled():
            self._end = asyncio.create_task(self._close(grace))
            self._end.add_done_callback(retrieved)
        ctx = current_context()
        run = self._under_way.of(ctx)
        if (run is None or ctx is None) and grace == 0:
            return await to_the_end(self._end)  # what closes has its time; a cancellation waits for that
        waiting = asyncio.shield(self._end)
        if run is None or ctx is None:
            return await waiting
        return await run.rest(waiting, ctx.step)  # the step that asks for it has nothing else to do

    async def _close(self, grace: float) -> tuple[Left, ...]:
        loop = asyncio.get_running_loop()
        until = loop.time() + grace
        ended = await asyncio.gather(*[living.end(grace) for living in self._living])
        left = [each for lefts in ended for each in lefts]
        left += await self._under_way.stop(max(0.0, until - loop.time()) if ended else grace)
        self._closing = self.closed = True
        if grace > 0:
            for each in left:
                log.warning("stopped before its end: %s", each)
        await self._let_go()
        return tuple(left)

    async def _let_go(self) -> None:
        """Let go of what the engine owns; nothing runs any more."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
