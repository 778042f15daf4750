"""What goes on between actors: messages find their mailbox, wait for room, are dropped or given up (semantics 9)."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from time import perf_counter as clock

from ...channels import ACCEPTED, Sent
from ...errors import ActorStopped, ChannelClosed, ChannelFull, MailboxDeadlock, MessageDropped, NodeloomError
from ...model.advance import advance, error_info
from ...model.plan import Plan
from ...model.result import failures_of
from ...model.run import Cancelled, ErrorInfo, Failed
from ...model.values import Values
from ...nodes.context import Live
from .actor import Actor
from .dead_letters import DeadLetters
from .delivery import DeadLetter, Delivery, LeftMessage, left_of, state_at

__all__ = ["Dispatch"]

log = logging.getLogger("nodeloom.actors")


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

    def __init__(self, plan: Plan, dead_letters: DeadLetters) -> None:
        self.plan = plan
        self.dead_letters = dead_letters
        self.restless = False
        self.over = False
        self.deadlocks = 0
        self.entered = 0  # messages from outside whose runs are not open yet
        self._lives: dict[int, Live] = {}  # the runs of the others
        self._undelivered: list[LeftMessage] = []

    def look_for_rest(self) -> None:
        """An actor has come to rest, or a message to its end: see whether all have."""
        raise NotImplementedError

    # --- sending on

    async def after(self, live: Live, priority: int, sender: Actor | None) -> None:
        """Send on what has become ready in a run, and let go of one that is over."""
        run = live.run
        if run.notes:
            self._tell_notes(live)
        while run.ready:
            step = run.ready.pop(0)
            onward = Delivery(run.inputs, run.id, priority, clock(), None, step, live)
            await self.deliver(onward, self.actors[step.node], sender)
        if not run.tokens:
            self.done(live, priority)

    def done(self, live: Live, priority: int) -> None:
        """The run of a message is over."""
        run, known = live.run, self._lives.pop(id(live), None) is not None
        if known and (run.failed or run.excused or self.restless or live.watch is not None):
            self._over(live, priority)

    async def deliver(self, delivery: Delivery, target: Actor, sender: Actor | None) -> None:
        """Bring a message from one actor to another; one that is not taken is a dead letter there."""
        try:
            await self.put(delivery, target, sender, keep=True)
        except (ChannelClosed, ChannelFull, MailboxDeadlock) as error:
            reason = stopped(target) if isinstance(error, ChannelClosed) else error
            await self.give_up(delivery, target, reason)

    async def put(self, delivery: Delivery, target: Actor, sender: Actor | None, *, keep: bool = False) -> Sent:
        """Put a message into an actor's mailbox, waiting for room where it does; what is dropped ends there.

        Args:
            delivery, target: what goes where. sender: the actor that waits for room meanwhile, if it is one.
            keep: where this is cancelled, the message is left of what the system has to do.

        Raises:
            ChannelFull: it refuses. ChannelClosed: the actor has stopped. MailboxDeadlock: senders wait in a circle.
        """
        post = target.opened()
        if post.offer(delivery):
            return ACCEPTED
        if sender is not None and target.mailbox.overflow == "block" and target.state != "stopped":
            self._refuse_circle(sender, target)
            sender.waits_for = target
        try:
            if self.restless:
                self.look_for_rest()
            sent = await post.send(delivery, ahead=sender is not None)
        except BaseException as error:
            if keep and not isinstance(error, NodeloomError):
                self._undelivered.append(left_of(delivery, target.node_id))
            raise
        finally:
            if sender is not None:
                sender.waits_for = None
        for each in sent.dropped:
            if isinstance(each, Delivery):
                self.open(each, target.index)
                await self.drop(each)
        return sent

    def open(self, delivery: Delivery, index: int) -> None:
        """Open the run of a message that came from outside; it begins at the node of this index."""
        raise NotImplementedError

    def _refuse_circle(self, sender: Actor, target: Actor) -> None:
        """See whether the target waits for room at the sender, if only through others: nobody would ever go on (9.8).

        Raises:
            MailboxDeadlock: it does.
        """
        circle, at = [sender], target
        while at is not sender:
            circle.append(at)
            if at.waits_for is None or at.waits_for in circle[1:]:
                return
            at = at.waits_for
        self.deadlocks += 1
        names = " -> ".join(each.node_id for each in [*circle, sender])
        sizes = ", ".join(f"{each.node_id} holds {each.mailbox.maxsize}" for each in circle)
        raise MailboxDeadlock(
            f"the mailboxes of {names} are full, and each of these actors waits for room at the next ({sizes}): give "
            f"one of them a larger mailbox, or an overflow other than block"
        )

    async def drop(self, delivery: Delivery) -> None:
        """A mailbox has dropped a message: its token ends."""
        node = self.plan.nodes[delivery.step.node].id
        delivery.live.emit("message_dropped", None, node=node, message=delivery.id)
        tell_reply(delivery, MessageDropped(f"the mailbox of {node} is full, and dropped what was asked"))
        await self._end_token(delivery)

    async def give_up(self, delivery: Delivery, actor: Actor, reason: BaseException) -> None:
        """A message that no actor takes is a dead letter, and its token ends."""
        self.open(delivery, actor.index)
        actor.failed += 1
        self.bury(actor, delivery, error_info(reason, actor.node_id), 0, None)
        log.error("a message to %s was given up: %s", actor.node_id, reason)
        tell_reply(delivery, reason)
        await self._end_token(delivery)

    async def _end_token(self, delivery: Delivery) -> None:
        advance(delivery.live.plan, delivery.live.run, Cancelled(delivery.step))
        await self.after(delivery.live, delivery.priority, None)

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
            log.error("message %s failed at %s", delivery.id, error, exc_info=reason)

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
        self.dead_letters.add(
            DeadLetter(actor.node_id, live.run.id, nothing, nothing, live.run.inputs, error, 0, time.time(), priority)
        )

    @staticmethod
    def exception_of(live: Live, failed: Failed) -> BaseException | None:
        """The exception that a step failed with."""
        return next((exception for info, exception in live.exceptions if info is failed.error), None)

    @staticmethod
    def _tell_notes(live: Live) -> None:
        for note in live.run.notes or ():
            if note.type in ("branch_ended", "arrival_dropped", "join_started"):
                live.emit(note.type, node=note.node, **note.data)
        if live.run.notes:
            live.run.notes.clear()


def tell_reply(delivery: Delivery, reason: BaseException) -> None:
    """Tell who asked that there is no reply."""
    if delivery.reply is not None and not delivery.reply.done():
        delivery.reply.set_exception(reason)


def stopped(actor: Actor, message: str = "") -> ActorStopped:
    """What is said of an actor that has stopped."""
    return ActorStopped(f"actor {actor.node_id} has stopped, and takes no message any more{message}")
