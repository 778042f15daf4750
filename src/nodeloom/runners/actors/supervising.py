"""What an actor does after a message that failed for good (semantics 9.4)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Protocol

from ...model.run import Failed
from ...nodes.context import Context, Walk
from ...nodes.node import Node
from .actor import Actor
from .delivery import Delivery
from .dispatch import Dispatch, stopped

__all__ = ["halt", "supervise"]

log = logging.getLogger("nodeloom.actors")


class Restarting(Protocol):
    """What a restart asks of an engine."""

    async def restart_node(self, node: Node, ctx: Context) -> None:
        """Call the node's `on_stop`, if it was started, and `on_start` again."""
        ...


async def supervise(system: Dispatch, services: Restarting, actor: Actor, delivery: Delivery, failure: Failed) -> None:
    """Go on, restart the actor, or stop it, as it was set up."""
    directive = actor.supervision.directive
    if directive == "stop":
        await halt(system, actor, f"{failure.error}")
    elif directive == "restart":
        await _restart(system, services, actor, delivery, f"{failure.error}")


async def _restart(system: Dispatch, services: Restarting, actor: Actor, delivery: Delivery, why: str) -> None:
    """Forget its memory and start the node again, after a wait; one that cannot be started is tried again."""
    rule, live = actor.supervision, delivery.live
    node = actor.node
    actor.state = "restarting"
    while True:
        count = _counted(actor)
        if count > rule.max_restarts:
            await halt(system, actor, f"it was restarted {rule.max_restarts} times within {rule.within:g} s: {why}")
            return
        live.emit("actor_restarted", None, node=actor.node_id, restarts=count, error=why)
        await asyncio.sleep(rule.wait(count))
        actor.reset_memory()
        walk = Walk(live)
        walk.begin()
        walk.context = ctx = Context(delivery.step, walk, node, node.params)
        try:
            await services.restart_node(node, actor.executable.unsealed(ctx))
        except Exception as error:
            log.exception("actor %s could not be started again", actor.node_id)
            why = f"{type(error).__name__}: {error}"
        else:
            actor.state = "idle"
            return


def _counted(actor: Actor) -> int:
    """One restart more; how many there were of late."""
    if actor.restarts is None:
        actor.restarts = deque()
    now = asyncio.get_running_loop().time()
    actor.restarts.append(now)
    actor.restarted += 1
    while actor.restarts[0] <= now - actor.supervision.within:
        actor.restarts.popleft()
    return len(actor.restarts)


async def halt(system: Dispatch, actor: Actor, why: str) -> None:
    """Stop one actor: what is in its mailbox, and what comes from now on, is a dead letter."""
    actor.halt(why)
    system.live.emit("actor_stopped", None, node=actor.node_id, reason=why)
    log.error("actor %s has stopped: %s", actor.node_id, why)
    post = actor.opened()
    await post.close()
    while (delivery := post.take()) is not None:
        actor.refused += 1
        await system.give_up(delivery, actor, stopped(actor, f": {why}"))
