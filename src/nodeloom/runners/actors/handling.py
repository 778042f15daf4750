"""How an actor handles its messages: one at a time, and what follows from each is sent on (semantics 9.1, 9.6)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from time import perf_counter as clock
from typing import Any, Protocol

from ...channels import Channel
from ...errors import ChannelClosed
from ...executors.local import Bound, Quick, was_cancelled
from ...executors.metrics import Metrics
from ...executors.step_failure import FAILURES
from ...model.advance import error_info
from ...model.run import Completed, ErrorInfo, Failed, Outcome, Step
from ...model.values import Values, as_values, kept
from ...model.ways import Kept
from ...nodes.context import Context, Live, Walk
from ..observers import Observers
from .delivery import UNOPENED, Delivery, Post

__all__ = ["LATEST", "Handling", "System"]

SLICE = 0.02
"""Seconds that an actor whose messages never wait may go on before others get a turn."""

TURN = 16
"""Messages after which others get a turn in any case: what they wait for is then still in the processor's cache."""

LATEST = 512
"""Of how many messages the latency is known."""


class System(Protocol):
    """What an actor asks of those it lives with.

    Attributes:
        actors: by index of their nodes. live: the system itself, where no message is worked on.
        restless: who waits for all to come to rest is to be told. over: no message is begun any more.
    """

    restless: bool
    over: bool
    live: Live

    @property
    def actors(self) -> Sequence[Handling]: ...
    def open(self, delivery: Delivery, index: int) -> None: ...
    async def deliver(self, delivery: Delivery, target: Any, sender: Any) -> None: ...
    async def after(self, live: Live, priority: int, sender: Any) -> None: ...
    def bury(
        self, actor: Any, delivery: Delivery, error: ErrorInfo, attempts: int, reason: BaseException | None
    ) -> None: ...
    async def supervise(self, actor: Any, delivery: Delivery, failure: Failed) -> None: ...
    def exception_of(self, live: Live, failed: Failed) -> BaseException | None: ...
    def look_for_rest(self) -> None: ...
    def read(self, actor: Any, channel: Channel) -> None: ...
    def fold(self, live: Live, outcome: Outcome) -> Exception | None: ...
    def reset_memory(self, actor: Any) -> None: ...


class Handling:
    """The part of an actor that handles its messages.

    Args:
        system: those it lives with. index: of its node in the plan. bound: what performs its steps.
        metrics: what counts them.

    Attributes:
        failed: messages that failed for good. refused: those that it had no time for.
        current: the message it works on. post: its mailbox, once there is one.
    """

    __slots__ = (
        "_bound",
        "_gate",
        "_latencies",
        "_metrics",
        "_observers",
        "_past",
        "_since",
        "_step",
        "_system",
        "_turn",
        "_walk",
        "current",
        "failed",
        "index",
        "post",
        "refused",
    )

    _latencies: deque[float]
    _walk: Walk

    def __init__(self, system: System, index: int, bound: Bound, metrics: Metrics) -> None:
        self._system = system
        self._bound = bound
        self._metrics = metrics
        self.index = index
        self.failed = self.refused = self._turn = 0
        self._since = 0.0
        self.post: Post | None = None
        self.current: Delivery | None = None
        self._gate: asyncio.Event | None = None
        self._observers: Observers | None = None
        self._step: Step | None = None
        self._past: Step | None = None

    @property
    def is_past(self) -> bool:
        """What became of the current message is known; it may still be on its way to what follows from it."""
        return self.current is not None and self._past is self.current.step

    @property
    def has_begun(self) -> bool:
        """The work on the current message has begun."""
        return self.current is not None and self._step is not None and self._step is self.current.step

    @property
    def processed(self) -> int:
        """How many messages were done."""
        return 0 if self.post is None else self.post.received - self.refused - (self.current is not None)

    async def _live(self, post: Post) -> None:
        """Handle one message after the other, until the mailbox is closed and empty."""
        self._walk = Walk(self._system.live)
        self._walk.begin()
        if self._bound[1] is not None:
            await self._live_quickly(post, self._bound[1])
            return
        while (delivery := post.take() or await self._next(post)) is not None:
            await self._prepare(delivery)
            then = clock()
            went = await self._perform(delivery)
            self._count(then, clock())
            await self._go_on(delivery, went, None)
            await self._end_turn(clock())

    async def _live_quickly(self, post: Post, quick: Quick) -> None:
        """The same for a node that needs nothing around its work, which is done here, as a graph's runner does it."""
        call, of_state, definition, params, way, choose = quick
        walk, metrics, then = self._walk, self._metrics, clock()
        walk.quick = quick
        while (delivery := post.take() or await self._next(post)) is not None:
            self.current = delivery
            if self._gate is not None or delivery.step is UNOPENED:
                await self._prepare(delivery)
            self._step, live = (step := delivery.step), delivery.live
            walk.live = live
            outputs: Kept | None = None
            went: Step | Outcome | None
            try:
                if of_state is None or (state := live.run.branches[step.branch].state) is None:
                    walk.context = ctx = Context(step, live.walk, definition, params)
                    result = await call(ctx)
                else:
                    walk.context, walk.step = None, step
                    result = await of_state(state)
                if type(result) is dict:
                    outputs = kept(result)  # pyright: ignore[reportUnknownArgumentType]
                    went = (way or choose(step, live, outputs)[1])(live.run, step, outputs)
                else:
                    went = self._bound[0].completed(step, live, result)
            except FAILURES as error:  # every failure of a node is an outcome
                went = self._failed(delivery, outputs, error)
            now = clock()
            metrics.count += 1
            metrics.seconds += now - then
            if (rest := self._send_on(delivery, went, outputs, now)) is None:
                then = now
            else:
                await rest
                then = clock()

    async def _next(self, post: Post) -> Delivery | None:
        """Wait for a message; None where none will come."""
        self._come_to_rest()
        if self._system.over:
            return None
        try:
            delivery = await post.receive()
        except ChannelClosed:
            return None
        self._turn, self._since = 0, clock()
        return delivery

    async def _prepare(self, delivery: Delivery) -> None:
        """Wait while the actor is paused, and open the run of a message that came from outside."""
        self.current = delivery
        if self._gate is not None and not self._system.over:
            await self._at_gate()
        if self._system.over:  # its work has not let its own cancelling through
            raise asyncio.CancelledError
        self._system.open(delivery, self.index)

    async def _at_gate(self) -> None:
        raise NotImplementedError

    def _come_to_rest(self) -> None:
        """It is between two messages."""
        self.current = None
        self._walk.leave()
        self.tell_still()
        if self._system.restless:
            self._system.look_for_rest()

    def tell_still(self) -> None:
        raise NotImplementedError

    def _count(self, then: float, now: float) -> None:
        metrics = self._metrics
        metrics.count += 1
        metrics.seconds += now - then

    def _send_on(
        self, delivery: Delivery, went: Step | Outcome | None, outputs: Kept | None, now: float
    ) -> Awaitable[None] | None:
        """Send on what follows from a message; where that takes more than to put it into a mailbox, an awaitable."""
        self._turn = turn = self._turn + 1
        if type(went) is not Step or delivery.reply is not None or self._observers is not None:
            return self._go_on_and_end(delivery, went, outputs, now)
        if turn == 1:
            self._latencies.append(now - delivery.at)
        delivery.step, delivery.at = went, now
        target = self._system.actors[went.node]
        if target.post is None or not target.post.offer(delivery):
            return self._deliver(delivery, target)
        return None if turn < TURN and now < self._since + SLICE else self._end_turn(now)

    async def _deliver(self, delivery: Delivery, target: Handling) -> None:
        self._past = delivery.step
        await self._system.deliver(delivery, target, self)
        await self._end_turn(clock())

    async def _go_on_and_end(
        self, delivery: Delivery, went: Step | Outcome | None, outputs: Kept | None, now: float
    ) -> None:
        await self._go_on(delivery, went, outputs)
        await self._end_turn(now)

    async def _end_turn(self, now: float) -> None:
        """Let others have a turn, when it is time."""
        if self._turn >= TURN or now >= self._since + SLICE:
            self._come_to_rest()
            await asyncio.sleep(0)
            self._turn, self._since = 0, clock()

    async def _perform(self, delivery: Delivery) -> Outcome:
        """What becomes of a message where there is more to do around the work."""
        self._step, self._turn = delivery.step, self._turn + 1
        walk = self._walk = Walk(delivery.live)
        walk.begin()
        return await self._bound[0].perform(delivery.step, walk)

    def _failed(self, delivery: Delivery, outputs: Kept | None, error: BaseException) -> Outcome:
        if was_cancelled(error):
            raise error
        executable, step, live = self._bound[0], delivery.step, delivery.live
        if outputs is not None and isinstance(error, Exception):  # its work is done, and its way on cannot be told
            return executable.misrouted(step, live, as_values(outputs), error)
        return executable.failed(step, live, error)

    async def _go_on(self, delivery: Delivery, went: Step | Outcome | None, outputs: Kept | None) -> None:
        """Tell what became of a message, and send on what follows from it."""
        live, run = delivery.live, delivery.live.run
        self._past = delivery.step
        if self._turn == 1:
            self._latencies.append(clock() - delivery.at)
        if type(went) is Failed:
            await self._mourn(delivery, went)
            return
        if type(went) is Step:
            run.ready.append(went)
        elif type(went) is Completed:
            outputs = went.outputs
            if run.tokens > 1 or went.taken or went.sends or run.notes:
                error = self._system.fold(live, went)
                if error is not None:
                    await self._broken(delivery, error)
                    return
            else:  # nothing is left to fold: the run is over with its last token
                run.tokens = 0
        if delivery.reply is not None or self._observers is not None:
            self._tell(delivery, None if outputs is None else as_values(outputs))
        await self._system.after(live, delivery.priority, self)

    async def _mourn(self, delivery: Delivery, failure: Failed) -> None:
        """A message failed: an edge has caught it, or it is a dead letter, and the actor is supervised."""
        system, live, ctx = self._system, delivery.live, self._walk.context
        reason = system.exception_of(live, failure)
        if not failure.taken:  # while the state of its token can still be read
            self.failed += 1
            system.bury(self, delivery, failure.error, 1 if ctx is None else ctx.attempt, reason)
        error = system.fold(live, failure)
        if error is not None and failure.taken:  # it was caught, and what follows from that failed
            await self._broken(delivery, error)
            return
        self._tell(delivery, failure.outputs, reason)
        await system.after(live, delivery.priority, self)
        if not failure.taken:
            await system.supervise(self, delivery, failure)

    async def _broken(self, delivery: Delivery, error: Exception) -> None:
        """A message was done, and what it wrote could not be merged: it is a dead letter, and its run has ended."""
        self.failed += 1
        info = error_info(error, delivery.live.plan.nodes[delivery.step.node].id)
        self._system.bury(self, delivery, info, 1, error)
        self._tell(delivery, None, error)
        await self._system.after(delivery.live, delivery.priority, self)

    def _tell(self, delivery: Delivery, outputs: Values | None, reason: BaseException | None = None) -> None:
        """Tell who asked, and who observes."""
        reply = delivery.reply
        if reply is not None and not reply.done():
            if reason is not None:
                reply.set_exception(reason)
            elif outputs is not None:
                reply.set_result(outputs)
        if outputs is not None and self._observers is not None:
            self._observers.tell(outputs)
