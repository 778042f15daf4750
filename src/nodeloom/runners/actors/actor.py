"""An actor: a node with a mailbox, that handles one message at a time (semantics 9.1).

Its task is made when its first message comes, and its mailbox with it: an actor that nobody has written to costs
next to nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from typing import Any, cast

from ...channels import Channel, MemoryChannel
from ...executors.local import Bound, Executable
from ...executors.metrics import Metrics
from ...model.mailbox import Mailbox, Overflow, Supervision
from ...nodes.node import Node
from ..observers import Observer, Observers
from ..stats import ActorState, ActorStats
from .delivery import Post
from .handling import LATEST, Handling, System
from .rates import Rates

__all__ = ["Actor"]

log = logging.getLogger("nodeloom.actors")


class Actor(Handling):
    """One actor of a system; `system["fetch"]` gives it.

    Args:
        system: those it lives with. index: of its node in the plan. bound: what performs its steps.
        metrics: what counts them. mailbox, supervision: how it is set up.

    Attributes:
        node: the node. node_id: its id. state: what it is at. stopped_because: why it has stopped, if it has.
        waits_for: the actor in whose mailbox it waits for room. asks: the one whose reply it waits for.
        dead_letters: how many of its messages are. restarted: how often it was restarted; restarts: when, of late.
    """

    __slots__ = (
        "_rates",
        "_still",
        "asks",
        "dead_letters",
        "mailbox",
        "node",
        "node_id",
        "restarted",
        "restarts",
        "state",
        "stopped_because",
        "supervision",
        "task",
        "waits_for",
    )

    def __init__(
        self,
        system: System,
        index: int,
        bound: Bound,
        metrics: Metrics,
        mailbox: Mailbox,
        supervision: Supervision,
    ) -> None:
        super().__init__(system, index, bound, metrics)
        self.node: Node = bound[0].node
        self.node_id: str = bound[0].place.id
        self.mailbox = mailbox
        self.supervision = supervision
        self.state: ActorState = "idle"
        self.stopped_because = ""
        self.dead_letters = self.restarted = 0
        self.restarts: deque[float] | None = None
        self.task: asyncio.Task[None] | None = None
        self.waits_for: Actor | None = None
        self.asks: Actor | None = None
        self._still: list[asyncio.Future[None]] | None = None
        self._rates: Rates | None = None

    def __repr__(self) -> str:
        return f"<Actor {self.node_id} {self.state}>"

    @property
    def executable(self) -> Executable:
        """What performs its steps."""
        return self._bound[0]

    # --- its life

    def opened(self) -> Post:
        """Its mailbox, made when the first message comes, as is the task that reads it."""
        if self.post is None:
            made = MemoryChannel(self.mailbox.maxsize, self.mailbox.overflow, name=f"the mailbox of {self.node_id}")
            self.post = cast("Post", made)
            self._latencies = deque(maxlen=LATEST)
            self._rates = Rates()
            self._begin(self._live(self.post))
        return self.post

    def _begin(self, life: Coroutine[Any, Any, None]) -> None:
        self.task = asyncio.create_task(life, name=f"actor {self.node_id}")
        self.task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Its task is over: where something ended it that is no failure of a node, that is one of its message (9.4)."""
        if task.cancelled() or (error := task.exception()) is None or self._system.over:
            return
        if not isinstance(error, KeyboardInterrupt | SystemExit):
            self._begin(self._revived(error))

    async def _revived(self, error: BaseException) -> None:
        delivery = self.current
        if delivery is None or not delivery.is_open or self.is_past:
            log.error("actor %s goes on after an error of the runtime", self.node_id, exc_info=error)
        else:
            await self._go_on(delivery, self._bound[0].failed(delivery.step, delivery.live, error), None)
        await self._live(self.opened())

    def shut(self) -> None:
        """It begins no message any more, also where its work does not let its own cancelling through."""
        if self._gate is None:
            self._gate = asyncio.Event()

    # --- pausing

    @property
    def paused(self) -> bool:
        return self._gate is not None

    @property
    def busy(self) -> bool:
        """It works on a message; not where it only holds one behind its gate."""
        return self.current is not None and self.state != "paused"

    async def pause(self, within: float | None = None) -> bool:
        """Begin no message any more, and wait until the one it works on is done; `resume` goes on.

        Args:
            within: seconds to wait at most.

        Returns:
            Whether nothing of it runs.
        """
        if self._gate is None and self.state != "stopped":
            self._gate = asyncio.Event()
            if self.current is None:
                self.state = "paused"
        if not self._works or asyncio.current_task() is self.task:
            return not self._works
        still: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._still = [*(self._still or ()), still]
        await asyncio.wait({still}, timeout=within)
        return not self._works

    @property
    def _works(self) -> bool:
        """Something of it runs: it is busy, and not only waits for room for what its message gave."""
        return self.busy and self.waits_for is None

    def resume(self) -> None:
        """Go on; of one that is not paused, nothing."""
        gate, self._gate = self._gate, None
        if gate is not None:
            if self.state == "paused":
                self.state = "idle"
            gate.set()

    def halt(self, why: str) -> None:
        """It handles no message any more."""
        self.state, self.stopped_because = "stopped", why
        self.tell_still()

    async def _at_gate(self) -> None:
        while self._gate is not None:
            self.state = "paused"
            self.tell_still()
            if self._system.restless:
                self._system.look_for_rest()
            await self._gate.wait()
        self.state = "idle"

    def tell_still(self) -> None:
        """Nothing of it runs: tell who waits for that."""
        if self._still is None:
            return
        still, self._still = self._still, None
        for each in still:
            if not each.done():
                each.set_result(None)

    # --- what it tells and gives

    def stats(self) -> ActorStats:
        """How it is doing now."""
        post = self.post
        depth, dropped, sent = (post.depth, post.dropped, post.sent) if post is not None else (0, 0, 0)
        rate_in, rate_out = self._rates.read(sent, self.processed) if self._rates is not None else (0.0, 0.0)
        latencies = sorted(self._latencies) if post is not None and self._latencies else [0.0]
        busy = self.busy
        return ActorStats(
            self.node_id,
            "processing" if busy and self.state == "idle" else self.state,
            depth,
            self.mailbox.maxsize,
            self.processed,
            self.failed,
            busy,
            None if self._step is None else self._step.inputs,
            rate_in,
            rate_out,
            latencies[len(latencies) // 2],
            latencies[len(latencies) * 99 // 100],
            self.restarted,
            self.dead_letters,
            dropped,
        )

    def add_observer(self, observer: Observer) -> None:
        """Give every output to a function: a plain one is called at once, an async one from a task of its own.

        What it raises is logged and counted, and nobody else's; a slow async one loses the oldest when it is 1,000
        outputs behind.
        """
        if not callable(observer):
            raise TypeError(f"an observer of {self.node_id} is a function of the outputs, not {observer!r}")
        self.observers.add(observer)

    def remove_observer(self, observer: Observer) -> None:
        """Give it nothing more; of one that is not there, nothing."""
        self.observers.remove(observer)

    def subscribe(self, maxsize: int = 1_000, overflow: Overflow = "drop_oldest") -> MemoryChannel:
        """A channel that gets every output from now on, as the body of a message; a full one drops or refuses.

        Args:
            maxsize: how many outputs it holds. overflow: what it does with one more; it cannot block.
        """
        return self.observers.subscribe(maxsize, overflow)

    @property
    def is_observed(self) -> bool:
        return self._observers is not None

    @property
    def observers(self) -> Observers:
        """Those who are given every output."""
        if self._observers is None:
            self._observers = Observers(self.node_id)
        return self._observers

    def read(self, channel: Channel) -> None:
        """Handle the messages of a channel too, beside those of the mailbox; their bodies are inputs.

        A message is taken out when there is room for it here. The end of the channel ends the reading.
        """
        self._system.read(self, channel)

    def reset_memory(self) -> None:
        """Forget what the node keeps in its memory."""
        self._system.reset_memory(self)
