"""How a system of actors is paused, drained and stopped, and what was left of it (semantics 6.2, 9.5)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from ...errors import NodeloomError
from ...model.plan import Plan
from ...nodes.node import Node
from ...resources.given import check_seconds
from ..left import Left, LeftStep
from .actor import Actor
from .dead_letters import DeadLetters
from .delivery import LeftMessage
from .dispatch import Dispatch, stopped, tell_reply
from .left import left_at, left_behind, left_of

__all__ = ["Ending"]

log = logging.getLogger("nodeloom.actors")

OBSERVING = 1.0
"""Seconds that async observers have at the end for the outputs and letters they have not seen."""

LETTING_GO = 3.0
"""Seconds that work has to let its cancelling through; it is told of that three times."""

STOPPING = 5.0
"""Seconds that `on_stop` of all nodes has at least."""


class Ending(Dispatch):
    """The part of a system of actors that brings it to rest, and to an end.

    Args:
        plan, dead_letters: as of `Dispatch`. name: of the graph. grace: seconds to end within where nobody says.

    Attributes:
        closed: it takes no message any more. left: what was not done when it was stopped.
    """

    def __init__(self, plan: Plan, dead_letters: DeadLetters, name: str, grace: float) -> None:
        super().__init__(plan, dead_letters)
        self.name = name
        self.closed = False
        self.left: tuple[LeftMessage, ...] = ()
        self._grace = grace
        self._hurried = False
        self._end: asyncio.Task[tuple[LeftMessage, ...]] | None = None
        self._waiting: dict[asyncio.Future[None], Callable[[], bool]] = {}
        self._pumps: dict[asyncio.Task[None], bool] = {}  # whether each waits for a message

    # --- coming to rest

    async def _settled(self, done: Callable[[], bool], within: float | None) -> bool:
        """Wait until something is true that messages make true by coming to their end; False if the time is over."""
        if done():
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = done
        self.restless = True
        try:
            await asyncio.wait({waiter}, timeout=within)
            return waiter.done()
        finally:
            del self._waiting[waiter]
            self.restless = bool(self._waiting)

    def look_for_rest(self) -> None:
        """An actor has come to rest, or a message to its end: tell who waits for that."""
        for waiter, done in self._waiting.items():
            if not waiter.done() and done():
                waiter.set_result(None)

    def go_on_later(self, what: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(what, name=f"delivery of {self.name}")
        self._pumps[task] = False
        task.add_done_callback(self._pumps.pop)

    def _is_done(self) -> bool:
        return not (self._lives or self.entered)

    def _has_ended(self) -> bool:
        return self.over and self._end is not None and self._end.done()

    def _is_drained(self) -> bool:
        """Nothing is under way, or nothing goes on any more."""
        return self._is_done() or self._has_ended()

    def _is_still(self) -> bool:
        """Nothing is under way, or only what paused actors hold up."""
        return self._is_done() or self._hurried or (self._has_paused() and not any(map(_moves, self.actors)))

    def _has_paused(self) -> bool:
        return any(actor.paused for actor in self.actors)

    # --- pausing, draining

    async def pause(self, node: str | Node | None = None, *, within: float | None = None) -> tuple[str, ...]:
        """Let an actor, or all of them, begin no message any more, and wait until what they work on is done.

        Messages are still taken in, until the mailboxes are full.

        Args:
            node: the actor; all by default. within: seconds to wait at most.

        Returns:
            The node ids of actors that were still at work then.
        """
        _check(within)
        actors = self._chosen(node)
        rests = await asyncio.gather(*[actor.pause(within) for actor in actors])
        return tuple(actor.node_id for actor, at_rest in zip(actors, rests, strict=True) if not at_rest)

    async def resume(self, node: str | Node | None = None) -> None:
        """Let an actor, or all of them, go on; of those that are not paused, nothing."""
        for actor in self._chosen(node):
            actor.resume()

    def _chosen(self, node: str | Node | None) -> Sequence[Actor]:
        return self.actors if node is None else [self[node]]

    def __getitem__(self, node: str | Node) -> Actor:
        raise NotImplementedError

    async def drain(self, *, within: float | None = None) -> tuple[LeftMessage, ...]:
        """Wait until every message that came in is done, with all that follows from it. New ones are taken.

        Args:
            within: seconds to wait at most.

        Returns:
            What was not done by then, and goes on.

        Raises:
            NodeloomError: a step of one of these actors awaits this, which would wait for that step.
        """
        _check(within)
        if (actor := self._at_work_here()) is not None:
            raise NodeloomError(f"a step of actor {actor.node_id} awaits drain(), which would wait for that step")
        await self._settled(self._is_drained, within)
        return self.left if self._has_ended() else self._all_left()

    # --- the end

    async def stop(self, *, within: float | None = None) -> tuple[LeftMessage, ...]:
        """Take no message any more, finish those there are, call `on_stop`, and end; a second call waits for the first.

        What paused actors hold up is not waited for. Called in a step of one of these actors it does not wait.

        Args:
            within: seconds that messages have to come to their end; then those that are left are cancelled.

        Returns:
            What was left, by then or held up; it is in `left` too, and in the log.
        """
        _check(within)
        if self._end is None:
            grace = self._grace if within is None else within
            self._end = asyncio.create_task(self._stop(grace), name=f"end of the actors of {self.name}")
            self._end.add_done_callback(lambda _: self.look_for_rest())
        if self._at_work_here() is not None:
            return ()
        return await asyncio.shield(self._end)

    def _at_work_here(self) -> Actor | None:
        """The actor whose task this is called in, if it is one of these."""
        task = asyncio.current_task()
        return next((actor for actor in self.actors if actor.task is task), None)

    async def end(self, grace: float) -> tuple[Left, ...]:
        """The same, as its engine asks for it."""
        left = await self.stop(within=grace)
        return tuple(Left(each.message_id, self.name, (LeftStep(each.node, each.message_id),)) for each in left)

    def lives_on(self, node: Node) -> bool:
        """Whether it uses a node, and has not ended."""
        return not self.over and any(actor.node is node for actor in self.actors)

    def hasten(self) -> None:
        """The time of `stop` is over."""
        self._hurried = True
        self.look_for_rest()

    async def _stop(self, grace: float) -> tuple[LeftMessage, ...]:
        until = asyncio.get_running_loop().time() + grace
        self.closed = True
        for pump, waits in list(self._pumps.items()):
            if waits:
                pump.cancel()
        if grace > 0:
            await self._settled(self._is_still, grace)
        self.over = True
        for actor in self.actors:
            actor.shut()
        await self._end_tasks([*self._pumps, *(actor.task for actor in self.actors if actor.task is not None)])
        self.left = left = self._all_left()
        for each in left[:100]:
            log.warning("message %s was left at %s, %s", each.message_id, each.node, each.status)
        await self._refuse_left()
        await self._stop_nodes(until)
        observers = [actor.observers.close(OBSERVING) for actor in self.actors if actor.is_observed]
        await asyncio.gather(*observers, self.dead_letters.close(OBSERVING))
        self._forget()
        return left

    async def _stop_node(self, node: Node) -> None:
        """Call the node's `on_stop`, if it was started."""
        raise NotImplementedError

    def _forget(self) -> None:
        """Its engine needs to end it no more."""
        raise NotImplementedError

    async def _stop_nodes(self, until: float) -> None:
        """Call `on_stop` of those that were started; none can hold up the end."""
        loop = asyncio.get_running_loop()
        until = max(until, loop.time() + STOPPING)
        for actor in self.actors:
            if actor.task is not None:
                ending = asyncio.create_task(self._stop_node(actor.node), name=f"on_stop of {actor.node_id}")
                _, late = await asyncio.wait({ending}, timeout=max(0.0, until - loop.time()))
                for each in late:
                    each.cancel()
                    log.error("%s goes on after its time, and is not waited for", each.get_name())
            actor.state = "stopped"

    async def _end_tasks(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        late = set(tasks)
        for _ in range(3):
            for task in late:
                task.cancel()
            if late:
                _, late = await asyncio.wait(late, timeout=LETTING_GO / 3)
        for task in tasks:
            if task in late:
                log.error("%s does not let its cancelling through, and is not waited for", task.get_name())
            elif not task.cancelled() and (error := task.exception()) is not None:
                log.error("%s ended by an error of the runtime", task.get_name(), exc_info=error)

    def _all_left(self) -> tuple[LeftMessage, ...]:
        """Every message that is not done: worked on, in a mailbox, on its way there, or waiting at a join."""
        found = list(self._undelivered)
        found += [left_of(delivery, target.node_id) for delivery, target in self._on_way.values()]
        for actor in self.actors:
            if actor.current is not None and not actor.is_past:
                found.append(left_of(actor.current, actor.node_id, "interrupted" if actor.has_begun else "waiting"))
            if actor.post is not None:
                found += [left_of(each, actor.node_id) for each in actor.post.waiting()]
        found += [left_at(live, step) for live, steps in self._behind.values() for step in steps]
        for live in self._lives.values():
            found += left_behind(live)
        return tuple(found)

    async def _refuse_left(self) -> None:
        """Tell who asked, or waits for room, that nothing will come of it."""
        for actor in self.actors:
            post = actor.post
            for each in [*(post.waiting() if post is not None else ()), actor.current]:
                if each is not None:
                    tell_reply(each, stopped(actor))
            if post is not None:
                await post.close()


def _moves(actor: Actor) -> bool:
    """Whether an actor goes on with a message by itself: it is not paused, nor waits for one that is."""
    at = actor
    seen = {at}
    while at.waits_for is not None and at.waits_for not in seen:
        at = at.waits_for
        seen.add(at)
    if at.paused and not at.busy:
        return False
    return at.current is not None or (at.post is not None and at.post.depth > 0 and at.state != "stopped")


def _check(within: float | None) -> None:
    if within is not None:
        check_seconds("within", within)
