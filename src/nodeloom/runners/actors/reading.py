"""Actors that read channels beside their mailboxes (semantics 9.2)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ...channels import Channel, Message, Sent
from ...errors import ActorStopped, ChannelClosed
from ...model.advance import error_info
from ...model.values import Values, handed
from ...nodes.node import Node
from ..observers import Observer
from ..stats import ActorStats
from .actor import Actor
from .delivery import DeadLetter, LeftMessage
from .ending import Ending

__all__ = ["Reading", "go"]

log = logging.getLogger("nodeloom.actors")


class Reading(Ending):
    """The part of a system of actors that reads channels."""

    def read(self, actor: Actor, channel: Channel) -> None:
        """Have an actor handle the messages of a channel too; see `Actor.read`."""
        _ = self._reading(actor, channel)

    def _reading(self, actor: Actor, channel: Channel) -> asyncio.Task[None]:
        pump = asyncio.create_task(self._pump(actor, channel), name=f"channel read by {actor.node_id}")
        self._pumps[pump] = True
        pump.add_done_callback(self._pumps.pop)
        return pump

    def _enter(self, actor: Actor, inputs: Any, priority: int, reply: asyncio.Future[Values] | None) -> Awaitable[Sent]:
        """Send a message to an actor."""
        raise NotImplementedError

    async def read_all(self, actor: Actor, channel: Channel) -> None:
        """Have an actor handle the messages of a channel, and wait for its end, and theirs."""
        await asyncio.wait({self._reading(actor, channel)})
        await self.drain()

    async def _pump(self, actor: Actor, channel: Channel) -> None:
        pump: Any = asyncio.current_task()
        while not self.closed:
            try:
                message = await channel.receive()
            except ChannelClosed:
                return
            self._pumps[pump] = False
            try:
                await self._enter(actor, message.body, message.priority, None)
            except (asyncio.CancelledError, ActorStopped) as error:
                body = handed(message.body)
                told = (actor.node_id, message.id, body, body, "waiting", body, message.priority)
                self._undelivered.append(LeftMessage(*told))
                if isinstance(error, asyncio.CancelledError):
                    raise
                log.warning("%s ends: %s", pump.get_name(), error)
                return
            except Exception as error:
                self._bury_unread(actor, message, error)
            self._pumps[pump] = True

    def _bury_unread(self, actor: Actor, message: Message, error: Exception) -> None:
        """A message of a channel that is no input of the actor's is a dead letter."""
        log.error("message %s is nothing that %s can be given: %s", message.id, actor.node_id, error)
        actor.dead_letters += 1
        nothing, info = Values(), error_info(error, actor.node_id)
        body = Values({"body": message.body})
        self.dead_letters.add(DeadLetter(actor.node_id, message.id, body, nothing, body, info, 0, time.time()))


async def go(
    make: Callable[..., Reading],
    node: Node,
    mailbox: Channel,
    *,
    observer: Observer | None = None,
    dead_letters: Observer | None = None,
    **options: Any,
) -> ActorStats:
    """Let the only actor of a system read a channel to its end; see `Node.go`.

    Args:
        make: makes the system, of the options. node, mailbox: its actor, and what that reads.
        observer: is given every output. dead_letters: is given every dead letter.
    """
    options.setdefault("kept", 0)  # nobody could reach those that are kept
    system = make(**options)
    actor = system[node]
    try:
        if observer is not None:
            actor.add_observer(observer)
        if dead_letters is not None:
            system.dead_letters.add_observer(dead_letters)
        await system.read_all(actor, mailbox)
    finally:
        await system.stop()
    return actor.stats()
