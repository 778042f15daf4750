"""What goes on between actors: messages find their mailbox, wait for room, are dropped or given up (semantics 9)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from time import perf_counter as clock
from typing import Any

from ...channels import ACCEPTED, Sent
from ...errors import ActorStopped, ChannelClosed, ChannelFull, MailboxDeadlock, MessageDropped, NodeloomError
from ...model.advance import advance, error_info, stop
from ...model.plan import Plan
from ...model.result import failures_of
from ...model.run import Cancelled, ErrorInfo, Failed, Outcome, Step
from ...model.values import Values
from ...nodes.context import Live
from .actor import Actor
from .dead_letters import DeadLetters
from .delivery import DeadLetter, Delivery, LeftMessage, state_at

__all__ = ["Dispatch"]

log = logging.getLogger("nodeloom.actors")

OnWay = tuple[Delivery, Actor]
"""A message from actor to actor, and where it goes."""


class Dispatch:
    """The messages under way in a system of actors.

    Args:
        plan: of the graph. dead_letters: where messages go that failed for good.

    Attributes:
        actors: by index of their nodes in the plan. restless: who waits for all to come to rest is to be told.
        over: no actor begins a message any more.
        deadlocks: how many messages were given up because senders waited in a circle.
    """

    actors: Sequence[Actor]
    live: Live  # of the system itself, where no message is worked on

    def __init__(self, plan: Plan, dead_letters: DeadLetters) -> None:
        self.plan = plan
        self.dead_letters = dead_letters
        self.restless = False
        self.over = False
        self.deadlocks = 0
        self.entered = 0  # messages from outside whose runs are not open yet
        self._lives: dict[int, Live] = {}  # the runs of the others
        self._undelivered: list[LeftMessage] = []
        self._on_way: dict[int, OnWay] = {}  # what waits for room, by its envelope
        self._behind: dict[int, tuple[Live, list[Step]]] = {}  # what comes behind that, of the same sender

    def look_for_rest(self) -> None:
        """An actor has come to rest, or a message to its end: see whether all have."""
        raise NotImplementedError

    # --- sending on

    async def after(self, live: Live, priority: int, sender: Actor | None) -> None:
        """Send on what has become ready in a run, and let go of one that is over."""
        run = live.run
        if run.notes:
            live.tell_notes()
        if run.ready:
            await self._send_all(live, priority, sender)
        if not run.tokens:
            self.done(live, priority)

    async def _send_all(self, live: Live, priority: int, sender: Actor | None) -> None:
        """Send on all that is ready now; what others make ready meanwhile is theirs to send on, and to wait for."""
        run = live.run
        mine, run.ready = run.ready, []
        self._behind[id(mine)] = live, mine
        try:
            while mine:
                step = mine.pop(0)
                if run.stopping:
                    self.fold(live, Cancelled(step))
                    continue
                onward = Delivery(run.inputs, run.id, priority, clock(), None, step, live)
                await self.deliver(onward, self.actors[step.node], sender)
        finally:
            del self._behind[id(mine)]
            run.ready[:0] = mine

    def done(self, live: Live, priority: int) -> None:
        """The run of a message is over."""
        run, known = live.run, self._lives.pop(id(live), None) is not None
        live.walk = None  # which holds it in turn: without this, all of it would be left to the collector
        if known and (run.failed or run.excused or self.restless or live.watch is not None):
            self._over(live, priority)

    async def deliver(self, delivery: Delivery, target: Actor, sender: Actor | None) -> None:
        """Bring a message from one actor to another; one that is not taken is a dead letter there."""
        try:
            await self.put(delivery, target, sender, keep=True)
        except (ChannelClosed, ChannelFull, MailboxDeadlock) as error:
            reason = stopped(target) if isinstance(error, ChannelClosed) else error
            await self.give_up(delivery, target, reason, sender)

    async def put(self, delivery: Delivery, target: Actor, sender: Actor | None, *, keep: bool = False) -> Sent:
        """Put a message into an actor's mailbox, waiting for room where it does; what is dropped ends there.

        Args:
            delivery, target: what goes where. sender: the actor that waits for room meanwhile, if it is one.
            keep: it is part of what the system has to do, also where this is cancelled; else it has not come then.

        Raises:
            ChannelFull: it refuses. ChannelClosed: the actor has stopped. MailboxDeadlock: senders wait in a circle.
        """
        post = target.opened()
        if post.offer(delivery):
            return ACCEPTED
        try:
            if target.mailbox.overflow == "block" and target.state != "stopped":
                await self._wait_for_room(delivery, target, sender, keep)
                return ACCEPTED
            sent = await post.send(delivery)
        except NodeloomError:
            if not keep:
                self.has_not_come(delivery)
            raise
        for each in sent.dropped:
            if isinstance(each, Delivery):
                self.open(each, target.index)
                await self.drop(each, sender)
        return sent

    async def _wait_for_room(self, delivery: Delivery, target: Actor, sender: Actor | None, keep: bool) -> None:
        post = target.opened()
        if sender is not None:
            self.refuse_circle(sender, target)
            sender.waits_for = target
            sender.tell_still()  # its work is done, for whoever pauses it
        place = post.line_up(delivery, ahead=sender is not None)
        if keep:
            self._on_way[id(delivery)] = delivery, target
        try:
            if self.restless:
                self.look_for_rest()
            await place
        except asyncio.CancelledError:
            if not post.withdraw(delivery, place):
                self._has_arrived(delivery, keep)
            elif not keep:
                self.has_not_come(delivery)
            raise
        except NodeloomError:
            self._has_arrived(delivery, keep)
            raise
        else:
            self._has_arrived(delivery, keep)
        finally:
            if sender is not None:
                sender.waits_for = None

    def _has_arrived(self, delivery: Delivery, keep: bool) -> None:
        """It is on its way no more. Who does not keep it has not noted it: by now it may be on another's way."""
        if keep:
            self._on_way.pop(id(delivery), None)

    def fold(self, live: Live, outcome: Outcome) -> Exception | None:
        """Fold an outcome into the run of a message; the error of a reducer that failed at that, which ends the run."""
        run = live.run
        try:
            advance(live.plan, run, outcome)
        except Exception as error:  # in a reducer of the author's
            try:
                stop(run)
                advance(live.plan, run, Cancelled(outcome.step))
            except Exception:
                log.exception("the run of message %s could not be ended, and is given up", run.id)
                run.tokens = 0
            return error
        return None

    def _break_off(self, live: Live, priority: int, starts: int) -> None:
        """Who sent a message to where the graph starts was cancelled: what some actor has goes on, else nothing has."""
        waiting = [key for key, (delivery, _) in self._on_way.items() if delivery.live is live]
        ready = live.run.ready
        ready[:0] = [self._on_way.pop(key)[0].step for key in waiting]
        if len(ready) == starts:
            self._lives.pop(id(live), None)
            live.stop()
        elif ready:
            self.go_on_later(self.after(live, priority, None))
        if self.restless:
            self.look_for_rest()

    def go_on_later(self, what: Coroutine[Any, Any, None]) -> None:
        """Do the rest of something that nobody waits for."""
        raise NotImplementedError

    def has_not_come(self, delivery: Delivery) -> None:
        """A message from outside was not taken in after all."""
        if not delivery.is_open:
            self.entered -= 1
        elif self._lives.pop(id(delivery.live), None) is not None:
            delivery.live.stop()
        if self.restless:
            self.look_for_rest()

    def open(self, delivery: Delivery, index: int) -> None:
        """Open the run of a message that came from outside; it begins at the node of this index."""
        raise NotImplementedError

    def refuse_circle(self, sender: Actor, target: Actor, *, asking: bool = False) -> None:
        """See whether the target waits for the sender, if only through others: nobody would ever go on (9.8).

        Args:
            sender, target: who is about to wait for whom. asking: for a reply, not for room.

        Raises:
            MailboxDeadlock: it does; for room in mailboxes, or for replies.
        """
        circle, at = [sender], target
        while at is not sender:
            circle.append(at)
            following = at.waits_for or at.asks
            if following is None or following in circle[1:]:
                return
            at = following
        self.deadlocks += 1
        raise MailboxDeadlock(_told(circle, asking))

    async def drop(self, delivery: Delivery, sender: Actor | None = None) -> None:
        """A mailbox has dropped a message: its token ends."""
        node = self.plan.nodes[delivery.step.node].id
        delivery.live.emit("message_dropped", None, node=node, message=delivery.id)
        tell_reply(delivery, MessageDropped(f"the mailbox of {node} is full, and dropped what was asked"))
        await self._end_token(delivery, sender)

    async def give_up(
        self, delivery: Delivery, actor: Actor, reason: BaseException, sender: Actor | None = None
    ) -> None:
        """A message that no actor takes is a dead letter, and its token ends."""
        self.open(delivery, actor.index)
        self.bury(actor, delivery, error_info(reason, actor.node_id), 0, None)
        log.error("a message to %s was given up: %s", actor.node_id, reason)
        tell_reply(delivery, reason)
        await self._end_token(delivery, sender)

    async def _end_token(self, delivery: Delivery, sender: Actor | None) -> None:
        """A token ends on its way; whoever sent it sends on what is ready by that."""
        error = self.fold(delivery.live, Cancelled(delivery.step))
        if error is not None:
            log.error("message %s ended by %s: %s", delivery.id, type(error).__name__, error)
        await self.after(delivery.live, delivery.priority, sender)

    # --- dead letters

    def bury(
        self, actor: Actor, delivery: Delivery, error: ErrorInfo, attempts: int, reason: BaseException | None
    ) -> None:
        """Put a message that failed for good to the dead letters."""
        live, step = delivery.live, delivery.step
        actor.dead_letters += 1
        letter = DeadLetter(
            actor.node_id,
            delivery.id,
            step.inputs,
            state_at(live, step),
            live.run.inputs,
            error,
            attempts,
            time.time(),
            delivery.priority,
        )
        self.dead_letters.add(letter)
        live.emit("message_died", None, node=actor.node_id, message=delivery.id, error=dict(error.as_values()))
        if reason is not None:
            log.error("message %s failed at %s", delivery.id, actor.node_id, exc_info=reason)

    def _over(self, live: Live, priority: int) -> None:
        """The run of a message is over; what failed in no actor, as a join may, is a dead letter too."""
        run = live.run
        if run.failed or run.excused:
            known = {id(info) for info, _ in live.exceptions}
            for failure in failures_of(run):
                if id(failure.error) not in known:
                    self._bury_failure(live, failure.node, failure.error, priority)
        if live.watch is not None:
            live.emit("run_failed" if run.failed else "run_completed", steps=run.steps)
        if self.restless:
            self.look_for_rest()

    def _bury_failure(self, live: Live, index: int, error: ErrorInfo, priority: int) -> None:
        actor = self.actors[index]
        actor.dead_letters += 1
        log.error("message %s failed at %s", live.run.id, error)
        nothing = Values()
        told = (actor.node_id, live.run.id, nothing, nothing, live.run.inputs, error, 0, time.time(), priority)
        self.dead_letters.add(DeadLetter(*told, has_inputs=False))

    @staticmethod
    def exception_of(live: Live, failed: Failed) -> BaseException | None:
        """The exception that a step failed with."""
        return next((exception for info, exception in live.exceptions if info is failed.error), None)


def _told(circle: Sequence[Actor], asking: bool) -> str:
    """What is said of actors that would wait for one another."""
    names = " -> ".join(each.node_id for each in [*circle, circle[0]])
    if asking or any(each.asks is not None for each in circle[1:]):
        return (
            f"{names} would wait for one another's replies, for an actor does one message at a time: use tell for one "
            f"of these, or ask from outside of them"
        )
    sizes = ", ".join(f"{each.node_id} holds {each.mailbox.maxsize}" for each in circle)
    return (
        f"the mailboxes of {names} are full, and each of these actors waits for room at the next ({sizes}): give one "
        f"of them a larger mailbox, or an overflow other than block"
    )


def tell_reply(delivery: Delivery, reason: BaseException) -> None:
    """Tell who asked that there is no reply."""
    if delivery.reply is not None and not delivery.reply.done():
        delivery.reply.set_exception(reason)


def stopped(actor: Actor, message: str = "") -> ActorStopped:
    """What is said of an actor that has stopped."""
    return ActorStopped(f"actor {actor.node_id} has stopped, and takes no message any more{message}")
