"""One run of a clock, from its first tick to its end (semantics 6.2, 10.4)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from ...model.advance import start_at
from ...model.values import EMPTY, Values
from ...nodes.context import Context, Walk
from ...nodes.graph import Graph
from ...nodes.node import Node
from ...resources.held import to_the_end
from ..left import Left, LeftStep
from .binding import ClockServices, Memories
from .calming import SafeStates
from .checks import Wiring
from .observers import ClockObservers
from .ticker import Calming, Tick, Ticker
from .ticking import ClockSettings, Ticking, settle

__all__ = ["ClockRun"]

log = logging.getLogger("nodeloom.clock")

LAST = (2, 0, 0)
"""The rank of the end: what is due before it begins before it."""

HEADSTART = 0.005
"""Seconds from when its threads are made until the first instant of a clock."""

OBSERVING = 1.0
"""Seconds that async observers have at the end for what they have not seen."""

LEAVING = 1.0
"""Seconds that threads without a tick have to end."""


class ClockRun(Ticking):
    """A clock from its first tick to its end.

    Args:
        settings, graph, wiring, engine, inputs, observers, memories: as of `Ticking`.

    Attributes:
        error: what made it end, where something did. left: the ticks that had not ended when its time was over.
    """

    kind = "clock"

    def __init__(
        self,
        settings: ClockSettings,
        graph: Graph,
        wiring: Wiring,
        engine: ClockServices,
        inputs: Values,
        observers: ClockObservers,
        memories: Memories,
    ) -> None:
        super().__init__(settings, graph, wiring, engine, inputs, observers, memories)
        self.name = settings.name
        self.error: BaseException | None = None
        self.left: tuple[Left, ...] = ()
        self._others: set[asyncio.Task[Any]] = set()
        self._ending, self._idle, self._over = (self.loop.create_future() for _ in range(3))
        self._threads = asyncio.Event()
        self._hurry = asyncio.Event()
        self._grace = settings.grace
        self._safe_states = SafeStates(settings.safe_within, self)

    # --- its life

    async def drive(self, duration: float | None) -> None:
        """Tick until the duration is over, or something stops it."""
        self.engine.live_on(self)
        try:
            if await self._start_nodes():
                self._begin(duration)
                await self._until_the_end()
        finally:
            self.engine.forget(self)
            if not self._over.done():
                self._over.set_result(None)

    async def _until_the_end(self) -> None:
        try:
            await asyncio.shield(self._ending)
            await self._quiet()
        except asyncio.CancelledError:
            self.stop("cancelled")
            raise
        finally:
            await to_the_end(asyncio.create_task(self._let_go()))

    async def _start_nodes(self) -> bool:
        """Call the `on_start` of each node; where one fails, the clock stops before it ticks."""
        for place, bound in zip(self.graph.plan.nodes, self.bound, strict=True):
            try:
                await bound.executable.start(self._context(place.index))
            except Exception as error:
                with self.agenda.lock:
                    self.stop_because(f"node {place.id} could not be started: {error}", error)
                return False
        return True

    def _context(self, index: int) -> Context:
        """What `on_start` sees."""
        node = self.bound[index].executable.node
        live = self.live_of(start_at(self.graph.plan, f"{self.settings.name}:{node.id}", EMPTY, index))
        return Context(live.run.ready[0], Walk(live), node, node.params)

    def _begin(self, duration: float | None) -> None:
        now = self.now()
        self.began = start = now if self.virtual else now + HEADSTART
        until = math.inf if duration is None else start + duration
        with self.agenda.lock:
            for ticker in self.tickers.values():
                ticker.begin_at(start + self.settings.phases.get(ticker.id, 0.0), until)
                self.arm(ticker)
                self.limits.watch(ticker, start)
            self.agenda.put(until, LAST, self._time_is_over)
            if not self.virtual and not all(bound.here for bound in self.bound):
                self.pulse.start(start)
        self.driver.start()

    def _time_is_over(self, now: float) -> None:
        self.stop_because("duration")

    async def _quiet(self) -> None:
        """Wait until no tick runs, as long as there is grace."""
        with self.agenda.lock:
            self.look_for_rest()
        hurry = asyncio.create_task(self._hurry.wait())
        try:
            await asyncio.wait({self._idle, hurry}, timeout=self._grace, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurry.cancel()

    async def _let_go(self) -> None:
        """Give up what still runs, and end the threads."""
        with self.agenda.lock:
            now = self.now()
            ticks = [tick for ticker in self.tickers.values() if (tick := self._leave(ticker, now)) is not None]
            for ticker in self.tickers.values():
                ticker.close(now)
            left = {tick.run_id: tick.ticker.id for tick in (*self.stuck, *ticks)}
            left.update({f"{self.name}:{each.ticker.id}:safe_state": each.ticker.id for each in self._calming()})
            self.left = tuple(self._left_of(run_id, node_id) for run_id, node_id in left.items())
            self.ended = now
        await asyncio.sleep(0)  # a task that is cancelled before it begins is never begun, and would not end its tick
        tasks = [*self.tasks, *self._others]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self.settings.grace)
        self.driver.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVING):
                await self._threads_gone()
        await asyncio.sleep(0)  # what threads gave last is told before
        await self.observers.close(OBSERVING)
        stuck: list[Tick | Calming] = [*self.stuck, *self._calming()]
        self.driver.leave({each.thread: each.ticker.id for each in stuck if each.thread is not None})

    async def _threads_gone(self) -> None:
        while self.driver.alive > len(self.stuck) + sum(each.thread is not None for each in self._calming()):
            self._threads.clear()
            await self._threads.wait()

    def thread_ended(self) -> None:
        """A thread has ended, or what one was stuck in."""
        self.on_loop(self._threads.set)

    def _left_of(self, run_id: str, node_id: str) -> Left:
        return Left(run_id, self.settings.name, (LeftStep(node_id, run_id),))

    def _calming(self) -> list[Calming]:
        """The calls of `safe_state` that run."""
        return [ticker.calming for ticker in self.tickers.values() if ticker.calming is not None]

    def broken(self, error: BaseException) -> None:
        """A clock thread has failed, which must not be."""
        log.critical("a thread of clock %s failed", self.settings.name, exc_info=error)
        with self.agenda.lock:
            self.stop_because(f"a clock thread failed: {error!r}", error)

    def stop(self, reason: str, grace: float | None = None) -> None:
        """Begin no tick any more, for this reason."""
        with self.agenda.lock:
            if grace is not None:
                self._grace = grace
            self.stop_because(reason)

    def stop_because(self, reason: str, error: BaseException | None = None) -> None:
        """Stop, for this reason, unless there was one before; with the lock held."""
        if self.reason:
            return
        self.reason, self.error = reason, error
        now = self.now()
        for ticker in self.tickers.values():
            if reason != "duration":
                ticker.schedule.until = now
                ticker.held = True
            if ticker.dog is not None:
                ticker.dog.off = True
        self.tell("stopped", "", {"reason": reason})
        self.on_loop(partial(settle, self._ending))
        self.look_for_rest()

    def look_for_rest(self) -> None:
        """It may be that no tick runs, and none is owed."""
        if self.reason and all(each.is_done for each in self.tickers.values()):
            self.on_loop(partial(settle, self._idle))

    async def end(self, grace: float) -> tuple[Left, ...]:
        """Come to an end within these seconds, for its engine does; what was left."""
        self.stop("its engine stopped", grace)
        await asyncio.shield(self._over)
        return self.left

    def lives_on(self, node: Node) -> bool:
        """Whether it uses a node."""
        return self.graph.nodes.get(node.id) is node

    def hasten(self) -> None:
        """The grace is over."""
        self._hurry.set()

    async def until_over(self) -> tuple[Left, ...]:
        """Wait for its end; what was left."""
        await asyncio.shield(self._over)
        return self.left

    # --- what its parts ask of it

    def _leave(self, ticker: Ticker, now: float) -> Tick | None:
        """Wait no longer for a node's tick, if one runs; with the lock held."""
        tick = ticker.leave(now)
        if tick is not None:
            self.let_go_on(ticker)
            if tick.task is not None:
                self.on_loop(tick.task.cancel)
            elif tick.thread is not None:
                self.stuck.add(tick)
                self.services.take_memory(ticker.node)
                self.driver.one_more()
        return tick

    def give_up(self, ticker: Ticker, now: float) -> None:
        """Wait no longer for its tick; with the lock held."""
        self._leave(ticker, now)

    def restart(self, ticker: Ticker) -> None:
        """Call a node's `on_stop` and `on_start`, then let it tick again."""
        self.on_loop(partial(self.spawn, partial(self._restarted, ticker)))

    def spawn(self, work: Callable[[], Any]) -> asyncio.Task[Any]:
        """Do something on the loop beside the ticks; called on it."""
        task = self.loop.create_task(work())
        self._others.add(task)
        task.add_done_callback(self._others.discard)
        return task

    async def _restarted(self, ticker: Ticker) -> None:
        context = self._context(ticker.index)
        try:
            await self.services.restart_node(ticker.node, self.bound[ticker.index].executable.unsealed(context))
        except Exception as error:
            with self.agenda.lock:
                self.stop_because(f"node {ticker.id} could not be restarted: {error}", error)
            return
        with self.agenda.lock:
            if self.reason:
                return
            ticker.held = False
            ticker.schedule.drop(self.now())
            self.arm(ticker)
            self.limits.watch(ticker, self.now())
        self.tell("restarted", ticker.id, {"restarts": ticker.figures.restarts})
        self.driver.wake()

    def to_safe_state(self, calming: Calming) -> None:
        """Call a node's `safe_state`."""
        self.off_the_loop(partial(self._safe_states.call, calming))

    def thread_is_stuck(self) -> None:
        """A thread is in a `safe_state` whose time is over; with the lock held."""
        self.driver.one_more()

    @property
    def ran(self) -> float:
        """For how many seconds it has run."""
        if self.began is None:
            return 0.0
        return max(0.0, (self.now() if self.ended is None else self.ended) - self.began)

    @property
    def granted(self) -> str:
        """What priority its threads were granted, or why not; empty where none was asked."""
        return self.driver.granted if self.settings.realtime else ""
