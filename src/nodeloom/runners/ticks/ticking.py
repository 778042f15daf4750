"""The ticks of a clock that runs: when they begin, where they are performed, what is noted (semantics 10)."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from ...model.advance import start_at
from ...model.run import Run
from ...model.values import EMPTY, Values
from ...nodes.context import Live, current_context
from ...nodes.graph import Graph
from ..stats import TickStats
from .agenda import Agenda, Work
from .binding import ClockServices, Memories, TickServices, bind_all
from .checks import Wiring
from .figures import with_errors
from .following import Follow, Following, drive
from .leaders import Leaders
from .limits import FIRST, Limits
from .observers import ClockEvent, ClockObservers, WatchedLive
from .pulse import Pulse, place_of
from .reading import Given
from .ticker import Calming, Tick, Ticker
from .virtual import OnVirtualLoop, is_virtual

__all__ = ["ClockSettings", "Ticking", "settle"]

log = logging.getLogger("nodeloom.clock")


class ClockSettings(msgspec.Struct, frozen=True):
    """What a clock was made with; see `Clock`."""

    name: str
    phases: Mapping[str, float]
    spin: float
    realtime: bool
    stop_on_failure: bool
    grace: float
    stall: float
    safe_within: float
    metadata: Mapping[str, Any] = EMPTY
    config: Mapping[str, Any] = EMPTY


class Ticking:
    """The ticking nodes of a clock that runs. What its methods change, they change under its agenda's lock.

    Args:
        settings: the clock's. graph: its nodes and edges. wiring: which of them tick, and how they read each other.
        engine: what its nodes use. inputs: what each step's inputs begin with. observers: who is told of outputs.
        memories: of its nodes, by id.

    Attributes:
        agenda: what is to be done when. tickers: the ticking nodes, by id. driver: its threads, or its loop.
        reason: why it ends; empty while it does not. began, ended: when; None before that.
    """

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
        self.reason = ""
        self.began: float | None = None
        self.ended: float | None = None
        self.agenda = Agenda()
        self.settings = settings
        self.graph = graph
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        self._variables = contextvars.copy_context()  # of who runs the clock: each tick has them, on any thread
        self.engine = engine
        self.observers = observers
        self.services = TickServices(engine, memories)
        self.bound = bind_all(graph, self.services, wiring.shared)
        self.tickers = self._made_tickers(wiring, inputs)
        self.tasks: dict[asyncio.Task[Any], Tick] = {}
        self.stuck: set[Tick] = set()
        self.limits = Limits(self.agenda, self)
        self.virtual = is_virtual(self.loop)
        tickers = {each.index: each for each in self.tickers.values()}
        # In virtual time every run is like the other, its ids too.
        name = settings.name if self.virtual else f"{settings.name}-{os.urandom(4).hex()}"
        self._following = Following(graph, self.bound, tickers, self, name)
        told = (self.loop, self.thread, settings.stall, self.tasks, self._blocked)
        self.pulse = Pulse(self.agenda, *told)
        self._still = self.live_of(start_at(graph.plan, settings.name, EMPTY, 0))
        self.driver = self._made_driver()
        self.now: Callable[[], float] = self.driver.now

    def _made_tickers(self, wiring: Wiring, inputs: Values) -> dict[str, Ticker]:
        tickers: dict[str, Ticker] = {}
        for node_id in wiring.ticking:
            index = self.graph.plan.by_id[node_id]
            node, here = self.graph.nodes[node_id], self.bound[index].here
            tickers[node_id] = Ticker(node, index, readings=wiring.readings[node_id], base=inputs, here=here)
        return tickers

    def _made_driver(self) -> Leaders | OnVirtualLoop:
        if is_virtual(self.loop):
            return OnVirtualLoop(self.agenda, self.loop, self.thread_ended, self.pulse.is_busy)
        settings, most = self.settings, 2 * len(self.tickers) + 2  # each at a tick and at its safe state, and who leads
        return Leaders(
            settings.name,
            self.agenda,
            most,
            spin=settings.spin,
            realtime=settings.realtime,
            failed=self.broken,
            ended=self.thread_ended,
        )

    # --- what the life of a clock adds

    def stop_because(self, reason: str, error: BaseException | None = None) -> None:
        """Stop, for this reason, unless there was one before; with the lock held."""
        raise NotImplementedError

    def look_for_rest(self) -> None:
        """It may be that no tick runs any more; with the lock held."""
        raise NotImplementedError

    def give_up(self, ticker: Ticker, now: float) -> None:
        """Wait no longer for its tick; with the lock held."""
        raise NotImplementedError

    def restart(self, ticker: Ticker) -> None:
        """Call a node's `on_stop` and `on_start`, then let it tick again."""
        raise NotImplementedError

    def to_safe_state(self, calming: Calming) -> None:
        """Call a node's `safe_state`."""
        raise NotImplementedError

    def thread_ended(self) -> None:
        """A thread has ended, or what one was stuck in."""
        raise NotImplementedError

    def broken(self, error: BaseException) -> None:
        """A clock thread has failed, which must not be."""
        raise NotImplementedError

    # --- a tick

    def arm(self, ticker: Ticker) -> None:
        """Let it tick when it is due next; with the lock held."""
        if ticker.alarm is not None:
            ticker.alarm.off = True
        schedule = ticker.schedule
        at = schedule.next if ticker.tick is None else schedule.following(self.now())
        ticker.alarm = self.agenda.put(at, ticker.rank, partial(self._due, ticker))

    def _due(self, ticker: Ticker, now: float) -> Work | None:
        """A node is due: its tick begins, unless its last one still runs."""
        tick = None if ticker.tick is not None else ticker.begin(now, self._still)
        if not ticker.stands_still:
            at = ticker.schedule.following(now) if ticker.tick is not None else ticker.schedule.next
            ticker.alarm = self.agenda.put(at, ticker.rank, partial(self._due, ticker))
        if tick is None:
            return None
        self.limits.watch_tick(tick)
        if ticker.here:
            ticker.started(tick, now)
            return partial(self._perform, tick)
        return partial(self.on_loop, partial(self._begin_on_loop, tick))

    def _perform(self, tick: Tick) -> None:
        """Perform a tick where this is called."""
        tick.thread = threading.get_ident()
        try:
            follow = self._following.tick(tick)
            done = self._variables.copy().run(drive, follow, tick.walk, partial(self._go_on, tick))
        except BaseException as error:  # whatever a node raises is its tick's failure
            tick.failure, done = error, True
        if done:
            for work in self._ended(tick):
                work()

    def _go_on(self, tick: Tick, rest: Follow) -> None:
        """The rest of a tick goes to the loop; its thread is free."""
        tick.thread = None
        self.on_loop(partial(self._begin_task, tick, rest))

    def _begin_on_loop(self, tick: Tick) -> None:
        with self.agenda.lock:
            if tick.given_up:
                return
            tick.ticker.started(tick, self.now())
        self._begin_task(tick, self._following.tick(tick))

    def _begin_task(self, tick: Tick, work: Follow) -> None:
        if tick.given_up:  # on its way here
            work.close()
            return
        task = tick.task = self.loop.create_task(self._performed(tick, work), name=f"tick of node {tick.ticker.id}")
        self.tasks[task] = tick

    async def _performed(self, tick: Tick, work: Follow) -> None:
        """Perform a tick, or the rest of one, on the loop."""
        tick.walk.begin()
        try:
            await work
        except asyncio.CancelledError as error:
            tick.failure, tick.cancelled = error, True
        except Exception as error:  # of a reducer of the author's
            tick.failure = error
        finally:
            if tick.task is not None:
                del self.tasks[tick.task]
            for each in self._ended(tick):
                each()

    def off_the_loop(self, work: Work) -> None:
        """Have something done where plain ticks are."""
        if self.virtual or threading.get_ident() != self.thread:
            work()
            return
        with self.agenda.lock:
            self.agenda.put(self.now(), FIRST, lambda now: work)

    def _ended(self, tick: Tick) -> list[Work]:
        """A tick has ended; what is to be done now."""
        ticker = tick.ticker
        with self.agenda.lock:
            now = self.now()
            self.stuck.discard(tick)
            if not ticker.end(tick, now):
                self.thread_ended()
                return []
            found = [self.limits.ended(tick, now), self._judged(tick)]
            if ticker.tick is None and ticker.schedule.next <= now and not ticker.stands_still:
                self.arm(ticker)
            self.let_go_on(ticker)
            self.look_for_rest()
        self.driver.wake()
        return [work for work in found if work is not None]

    def let_go_on(self, ticker: Ticker) -> None:
        """Nobody has to wait for a tick of this node any more; with the lock held."""
        if ticker.ending:
            waiting, ticker.ending = ticker.ending, []
            self.on_loop(partial(settle, *waiting))

    def _judged(self, tick: Tick) -> Work | None:
        """Take note of how a tick has ended; with the lock held."""
        ticker, error = tick.ticker, tick.failure
        if error is None:
            return self.limits.done(tick)
        ticker.figures.failures += 1
        what = f"{type(error).__name__}: {error}"
        if ticker.figures.health != "safe_state":
            ticker.figures.feel("failing", what)
        self.tell("failed", ticker.id, {"error": what})
        if self.settings.stop_on_failure:
            self.stop_because(f"node {ticker.id} failed: {what}", error)
        if what == ticker.told:
            return None
        ticker.told = what
        return partial(log.error, "a tick of node %s failed: %s", ticker.id, what, exc_info=error)

    def live(self, run: Run, tick: Tick) -> Live:
        """A run of one step of a tick, with what is alive about it."""
        live = self.live_of(run, Live if self.observers.watch is None else WatchedLive)
        if isinstance(live, WatchedLive):
            live.tell_by(self.tell, tick)
        live.on_read = partial(self._read, tick.ticker)
        return live

    def live_of(self, run: Run, kind: type[Live] = Live) -> Live:
        live = kind(self.graph, self.graph.plan, run, self.engine)
        live.home, live.loop, live.thread = self, self.loop, self.thread
        live.metadata, live.config = self.settings.metadata, self.settings.config
        return live

    def _read(self, ticker: Ticker, age: float) -> None:
        """A step has read something of this age."""
        ticker.figures.data_age = age

    def put(self, tick: Tick, target: Ticker, edge: int, given: Given) -> None:
        """Let outputs come to a ticking node."""
        with self.agenda.lock:
            if not tick.given_up:
                target.inbox.put(edge, given)

    def gave(self, tick: Tick, node_id: str, outputs: Values) -> bool:
        """A step has given outputs; False where they are nobody's any more."""
        with self.agenda.lock:
            if tick.given_up:
                return False
            if node_id == tick.ticker.id:
                tick.ticker.figures.gave = self.now()
        if self.observers.of(node_id):
            self.on_loop(partial(self.observers.tell, node_id, outputs))
        return True

    def _blocked(self, tick: Tick | None, where: str) -> None:
        """The loop is blocked."""
        if tick is not None:
            with self.agenda.lock:
                tick.ticker.figures.blocked += 1
        self.tell("blocked", "" if tick is None else tick.ticker.id, {"where": where})

    def place_of(self, tick: Tick) -> str:
        """The line that a tick is at, on its thread or where it blocks the loop; else empty."""
        return place_of(tick, self.thread if tick.thread is None else tick.thread)

    def tell(self, kind: str, node: str, data: dict[str, Any]) -> None:
        """Tell who watches."""
        if self.observers.watch is not None:
            event = ClockEvent(kind, node, time.time(), data)
            self.on_loop(partial(self.observers.happened, event))

    def on_loop(self, call: Callable[[], Any]) -> None:
        call_soon = self.loop.call_soon if threading.get_ident() == self.thread else self.loop.call_soon_threadsafe
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it who would be told
            call_soon(call, context=self._variables)

    # --- while it runs

    def change(self, node_id: str, changes: Mapping[str, Any]) -> None:
        """Change the rate or the limits of a node."""
        ticker = self.tickers[node_id]
        with self.agenda.lock:
            now = self.now()
            for word in ("deadline", "watchdog", "on_miss"):
                if word in changes:
                    setattr(ticker, word, changes[word])
            if "rate" in changes:
                ticker.schedule.change(float(changes["rate"]), now)
                ticker.figures.break_off()
            if self.began is not None:
                self.arm(ticker)
                if "watchdog" in changes:
                    self.limits.watch(ticker, now)
        self.driver.wake()

    async def pause(self, nodes: list[str]) -> None:
        """Let no tick of these begin, and wait until those that run have ended."""
        waiting: list[asyncio.Future[None]] = []
        with self.agenda.lock:
            for ticker in (self.tickers[node_id] for node_id in nodes):
                ticker.paused_at = self.now() if ticker.paused_at is None else ticker.paused_at
                if ticker.tick is not None:
                    waiting.append(self.loop.create_future())
                    ticker.ending.append(waiting[-1])
        ctx = current_context()
        if waiting and (ctx is None or ctx.live.home is not self):
            await asyncio.wait(waiting)

    def resume(self, nodes: list[str]) -> None:
        """Let these tick again, from their next instants on."""
        with self.agenda.lock:
            now = self.now()
            for ticker in (self.tickers[node_id] for node_id in nodes):
                if ticker.paused_at is not None:
                    ticker.resume(now)
                    self.arm(ticker)
                    self.limits.watch(ticker, now)
        self.driver.wake()

    # --- figures

    def stats(self) -> dict[str, TickStats]:
        """The figures of each node now."""
        return {node_id: self._stats_of(ticker) for node_id, ticker in self.tickers.items()}

    def _stats_of(self, ticker: Ticker) -> TickStats:
        with self.agenda.lock:  # of one after the other: no tick waits for all of them
            now = self.now() if self.ended is None else self.ended
            stats, errors = ticker.snapshot(now), ticker.figures.errors()
        return with_errors(stats, errors)


def settle(*futures: asyncio.Future[None]) -> None:
    """Let those go on who wait for these."""
    for future in futures:
        if not future.done():
            future.set_result(None)
