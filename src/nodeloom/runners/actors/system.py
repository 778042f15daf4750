"""A system of actors: the nodes of a graph, each with a mailbox (semantics 9).

A message that comes in from outside opens a run, whose tokens are the messages that descend from it: so the same
pure core that runs a graph decides what follows, which joins start, and when there were too many steps. A failure
ends its own token, never the run.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Mapping
from time import perf_counter as clock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from msgspec.structs import replace

from ...channels import ACCEPTED, Sent
from ...errors import ActorStopped, AskTimeout, ChannelClosed, DefinitionError, NodeloomError, UnknownActor
from ...expressions.wording import nearest
from ...model.advance import start, start_at
from ...model.mailbox import Mailbox, Supervision
from ...model.run import Failed, Run, digest
from ...model.values import Values, handed
from ...nodes.context import Context, Live, Walk, current_context
from ...nodes.event import Event
from ...nodes.given import as_mapping, read_only
from ...nodes.graph import Graph
from ...nodes.node import Node
from ...resources.given import check_seconds
from ..batch import BatchServices
from ..figures import figures
from ..lifecycle import Living
from ..program import Program
from ..stats import ActorStats
from .actor import Actor
from .dead_letters import DeadLetters
from .delivery import UNOPENED, DeadLetter, Delivery, LeftMessage
from .dispatch import stopped
from .left import sendable
from .options import Given, check_options, supervision_of
from .reading import Reading
from .supervising import supervise

if TYPE_CHECKING:
    from typing import Unpack

__all__ = ["ActorServices", "ActorSystem"]


class ActorServices(BatchServices, Protocol):
    """What actors ask of their engine."""

    def live_on(self, living: Living) -> None: ...

    def forget(self, living: Living) -> None: ...

    async def restart_node(self, node: Node, ctx: Context) -> None: ...

    async def stop_node(self, node: Node, living: Living) -> None: ...

    def reset_memory(self, graph: Graph | str, node_id: str) -> None: ...


class ActorSystem(Reading):
    """The nodes of a graph as actors, each with a mailbox; `graph.actors()` makes one.

    Args:
        graph: the graph. services: the engine's.
        mailbox: of actors whose nodes do not say; 1,000 messages, then senders wait, by default.
        supervision: what actors do after a message that failed for good, whatever their nodes say: for all, or by
            node id.
        kept: how many dead letters are kept. grace: seconds that leaving `async with` gives what is under way.
        **given: `metadata` and `config`, which `ctx.metadata` and `ctx.config` are; `watch`, which is told each event.

    Attributes:
        name: of the graph. dead_letters: the messages that failed for good. left: what was left when it was stopped.

    Example:
        >>> import asyncio
        >>> from nodeloom import Graph, node
        >>> @node
        ... async def shout(inputs):
        ...     return {"text": inputs["text"].upper()}
        >>> async def main():
        ...     async with Graph(shout, name="loud").actors() as system:
        ...         return await system.ask("shout", {"text": "hello"}, timeout=5.0)
        >>> asyncio.run(main())
        {'text': 'HELLO'}
    """

    kind = "actors"

    def __init__(
        self,
        graph: Graph,
        services: ActorServices,
        *,
        mailbox: Mailbox | None = None,
        supervision: Supervision | Mapping[str, Supervision] | None = None,
        kept: int = 10_000,
        grace: float = 10.0,
        **given: Unpack[Given],
    ) -> None:
        check_options(mailbox, kept, given)
        check_seconds("grace", grace)
        letters = DeadLetters(kept, self._send_again)
        super().__init__(replace(graph.plan, on_failure="continue"), letters, graph.name, grace)
        self.graph = graph
        self._services = services
        self._metadata, self._config = read_only(given.get("metadata")), read_only(given.get("config"))
        self._watch = given.get("watch")
        self._loop = asyncio.get_running_loop()
        self._memories: dict[str, dict[str, Any]] = {}
        self._prefix = f"{os.urandom(6).hex()}-"
        self._seed = digest(self._prefix.encode())
        self._count = itertools.count(1)
        self.live = self._live_of(Run(self.name, Values()))
        program = Program(graph, services)
        rules = supervision_of(supervision, graph)
        default = mailbox or Mailbox()
        self.actors = [
            Actor(
                self,
                at,
                bound if self._watch is None else (bound[0], None),
                metrics,
                bound[0].node.mailbox or default,
                rules(bound[0].node.id),
            )
            for at, (bound, metrics) in enumerate(zip(program.bound, program.metrics, strict=True))
        ]
        services.live_on(self)

    def __getitem__(self, node: str | Node) -> Actor:
        """The actor of a node.

        Raises:
            UnknownActor: there is none, with the nearest name.
        """
        name = node.id if isinstance(node, Node) else node
        index = self.plan.by_id.get(name)
        if index is None:
            known = self.plan.by_id
            raise UnknownActor(f"no actor {name!r} in {self.name}; there are: {', '.join(known)}{nearest(name, known)}")
        return self.actors[index]

    def __repr__(self) -> str:
        return f"<ActorSystem {self.name}: {len(self.actors)} actors, {len(self._lives)} messages under way>"

    # --- messages from outside

    async def tell(self, node: str | Node, inputs: Any = None, *, priority: int = 0) -> Sent:
        """Send a message to an actor, and do not wait for what becomes of it; only for room, where its mailbox does.

        Args:
            node: the node's id. inputs: what the node is given: a mapping, dataclass or model.
            priority: messages with a higher one are handled first, as are those that follow from them.

        Returns:
            What became of it: whether it was taken in, and what was dropped for its sake.

        Raises:
            UnknownActor: no such node. ActorStopped: it takes none any more. ChannelFull: its mailbox refuses.
            ParamsError: inputs that do not fit. MailboxDeadlock: it is sent by an actor that would wait for itself.
        """
        return await self._enter(self[node], inputs, priority, None)

    async def ask(
        self, node: str | Node, inputs: Any = None, *, timeout: float | None = None, priority: int = 0
    ) -> Values:
        """Send a message to an actor, and wait for what that very node returns; what follows goes on.

        Args:
            node, inputs, priority: as of `tell`. timeout: seconds to wait at most; what was asked goes on.

        Raises:
            AskTimeout: no reply in time. MessageDropped: an overflow dropped it. MailboxDeadlock: actors would wait
                for one another. Exception: what the step failed with; and all that `tell` raises.
        """
        actor = self[node]
        if timeout is not None:
            check_seconds("timeout", timeout)
        asker = self._current_actor()
        if asker is None:
            return await self._asked(actor, inputs, timeout, priority)
        self.refuse_circle(asker, actor, asking=True)
        asker.asks = actor
        try:
            return await self._asked(actor, inputs, timeout, priority)
        finally:
            asker.asks = None

    async def _asked(self, actor: Actor, inputs: Any, timeout: float | None, priority: int) -> Values:
        reply: asyncio.Future[Values] = self._loop.create_future()
        if timeout is None:
            await self._enter(actor, inputs, priority, reply)
            return await reply
        timer = self._loop.call_later(timeout, _give_up, reply, actor, timeout)
        try:
            if actor.post is not None and actor.post.depth >= actor.mailbox.maxsize:
                async with asyncio.timeout(timeout):  # for room; only here, for it costs
                    await self._enter(actor, inputs, priority, reply)
            else:
                await self._enter(actor, inputs, priority, reply)
            return await reply
        except TimeoutError as error:
            if reply.done() and not reply.cancelled() and reply.exception() is error:
                raise
            raise _no_reply(actor, timeout) from None
        finally:
            timer.cancel()

    async def send_again(self, *left: LeftMessage) -> int:
        """Send messages that were left, by these actors or others, each to the actor it was at, with its state.

        One that had forked towards a join begins anew where it came in: what was done of it is done once more.

        Args:
            left: what `stop`, `drain` or `left` gave.

        Returns:
            How many were taken in; a full mailbox that drops takes none.

        Raises:
            UnknownActor: there is no such node here; and all that `tell` raises of room.
        """
        taken = 0
        for each in sendable(left):
            if each.node:
                taken += await self._send_again(each)
            else:
                await self.send(each.inputs, priority=each.priority)
                taken += 1
        return taken

    async def send(self, inputs: Mapping[str, Any] | None = None, *, priority: int = 0) -> None:
        """Send a message to where the graph starts, as `graph.run` does.

        Raises:
            ActorStopped: none is taken any more. ParamsError: inputs that do not fit.
        """
        given = handed(self.graph.check_inputs(inputs))
        self._refuse(priority)
        live = self._alive(start(self.plan, self._new_id(), given, notes=self._watch is not None), None)
        starts = len(live.run.ready)
        try:
            await self.after(live, priority, None)
        except asyncio.CancelledError:
            self._break_off(live, priority, starts)
            raise

    def tell_from_thread(self, node: str | Node, inputs: Any = None, *, priority: int = 0) -> Sent:
        """The same as `tell`, from code on a thread; it waits there while the mailbox is full.

        Raises:
            NodeloomError: called on the thread of the loop, which would wait for itself; and all that `tell` raises.
        """
        if threading.get_ident() == self.live.thread:
            raise NodeloomError(f"tell_from_thread of {self.name} is called on the thread of its loop: await tell")
        return asyncio.run_coroutine_threadsafe(self.tell(node, inputs, priority=priority), self._loop).result()

    def _enter(self, actor: Actor, inputs: Any, priority: int, reply: asyncio.Future[Values] | None) -> Awaitable[Sent]:
        given = as_mapping(inputs)
        if self.graph.inputs is not None and actor.index in self.plan.starts:
            given = self.graph.check_inputs(given)
        self._refuse(priority)
        return self._open(actor, handed(given), priority, reply)

    async def _open(
        self,
        actor: Actor,
        given: Values,
        priority: int,
        reply: asyncio.Future[Values] | None,
        inputs: Values | None = None,
        state: Values | None = None,
    ) -> Sent:
        """Put a message into the actor's mailbox; its run is opened when its turn has come."""
        delivery = Delivery(given, self._new_id(), priority, clock(), reply, UNOPENED)
        self.entered += 1
        if inputs is not None:
            self._open_at(delivery, actor.index, inputs, state)
        post = actor.opened()
        if post.offer(delivery):
            return ACCEPTED
        try:
            return await self.put(delivery, actor, self._current_actor())
        except ChannelClosed:
            raise stopped(actor) from None

    def open(self, delivery: Delivery, index: int) -> None:
        """Open the run of a message that came from outside; it begins at the node of this index."""
        if not delivery.is_open:
            self._open_at(delivery, index)

    def _open_at(
        self, delivery: Delivery, index: int, inputs: Values | None = None, state: Values | None = None
    ) -> None:
        name, given = delivery.id, delivery.body
        seed = (self._seed, int(name[len(self._prefix) :], 16), 0)
        run = start_at(self.plan, name, given, index, seed=seed, state=state, notes=self._watch is not None)
        self.entered -= 1
        delivery.live = live = self._alive(run, delivery.reply)
        live.entry = index
        delivery.step = step = run.ready.pop()
        if inputs is not None:
            step.brought = inputs

    def _alive(self, run: Run, reply: asyncio.Future[Values] | None) -> Live:
        """What is alive about the run of a message."""
        live = self._live_of(run)
        live.walk = Walk(live)
        live.keeps_caught = reply is not None
        self._lives[id(live)] = live
        if live.watch is not None:
            live.emit("run_started", inputs=run.inputs)
        return live

    def _live_of(self, run: Run) -> Live:
        live = Live(self.graph, self.plan, run, self._services)  # type: ignore[arg-type]
        live.home, live.loop, live.memories = self, self._loop, self._memories
        live.metadata, live.config, live.watch = self._metadata, self._config, self._watch
        return live

    def _new_id(self) -> str:
        return f"{self._prefix}{next(self._count):x}"

    def _refuse(self, priority: int = 0) -> None:
        if type(priority) is not int:
            raise DefinitionError(f"priority of a message is a whole number, not {priority!r}")
        if self.closed:
            raise ActorStopped(f"the actors of {self.name} have stopped, and take no message any more")

    def _current_actor(self) -> Actor | None:
        """The actor whose step this is called in, if it is one of these."""
        ctx = current_context()
        if ctx is None or ctx.live.home is not self:
            return None
        actor = self.actors[ctx.step.node]
        return actor if actor.task is asyncio.current_task() else None

    async def _send_again(self, letter: DeadLetter | LeftMessage) -> bool:
        """Send a message to the actor that has not done it, as it was; whether it was taken in."""
        self._refuse()
        actor = self[letter.node]
        if actor.mailbox.overflow.startswith("drop") and actor.opened().depth >= actor.mailbox.maxsize:
            return False  # it would be dropped, or another that is as old
        sent = await self._open(actor, letter.run_inputs, letter.priority, None, letter.inputs, letter.state)
        return sent.accepted

    # --- its engine's part

    def reset_memory(self, actor: Actor) -> None:
        """Forget what a node keeps in its memory."""
        self._memories.pop(actor.node_id, None)
        self._services.reset_memory(self.graph, actor.node_id)

    async def supervise(self, actor: Actor, delivery: Delivery, failure: Failed) -> None:
        """What an actor does after a message that failed for good."""
        await supervise(self, self._services, actor, delivery, failure)

    async def _stop_node(self, node: Node) -> None:
        await self._services.stop_node(node, self)

    def _forget(self) -> None:
        self._services.forget(self)

    def stats(self) -> dict[str, ActorStats]:
        """How each actor is doing now, by node id."""
        return {actor.node_id: actor.stats() for actor in self.actors}

    def figures(self, every: float = 1.0) -> AsyncIterator[Event]:
        """The same as events: one now, one every so many seconds, and the last when the system has ended."""
        return figures(self, every, lambda: self.over)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop(within=None if error is None else 0.0)


def _give_up(reply: asyncio.Future[Values], actor: Actor, timeout: float) -> None:
    if not reply.done():
        reply.set_exception(_no_reply(actor, timeout))


def _no_reply(actor: Actor, timeout: float) -> AskTimeout:
    depth = actor.post.depth if actor.post is not None else 0
    doing = f"it is {actor.stats().state}, and {depth} messages wait for it"
    return AskTimeout(f"actor {actor.node_id} gave no reply within {timeout:g} s; {doing}")
