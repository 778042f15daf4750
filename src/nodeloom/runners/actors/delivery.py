"""What goes from actor to actor: a step in an envelope; and what became of one that nobody performed."""

from __future__ import annotations

import asyncio
from typing import Protocol

import msgspec

from ...channels import Sent
from ...errors import ReducerFailed
from ...model.branches import state_of
from ...model.run import ErrorInfo, Step
from ...model.values import EMPTY, Values
from ...nodes.context import Live

__all__ = ["UNOPENED", "DeadLetter", "Delivery", "LeftMessage", "Post", "state_at"]


UNOPENED = Step(-1, -1, -1, (b"", 0, 0), Values())
"""The step of a message whose run is not there yet."""


class Delivery(msgspec.Struct):
    """The envelope of a message on its way to an actor: a token of the run that a message from outside has opened.

    What is said in it nobody changes; the envelope itself goes on from actor to actor.

    Attributes:
        body: what came from outside. id: of that. priority: those with a higher one are received first.
        at: when it was sent, in `perf_counter` seconds.
        reply: who waits for the outputs of this very step, if anybody does.
        step: what is to be done. live: its run. Neither is there before the run is opened: a message that waits is to
            cost little, and what was made long before it is used is in no cache any more.
    """

    body: Values
    id: str
    priority: int
    at: float
    reply: asyncio.Future[Values] | None
    step: Step
    live: Live = None  # type: ignore[assignment]

    @property
    def is_open(self) -> bool:
        """Whether its run is there."""
        return self.step is not UNOPENED


class Post(Protocol):
    """The mailbox of an actor, which holds deliveries and nothing else; see `MemoryChannel`."""

    sent: int
    received: int
    dropped: int
    maxsize: int

    @property
    def depth(self) -> int: ...
    def offer(self, message: Delivery) -> bool: ...
    def take(self) -> Delivery | None: ...
    async def receive(self) -> Delivery: ...
    async def send(self, message: Delivery) -> Sent: ...
    def line_up(self, message: Delivery, *, ahead: bool = False) -> asyncio.Future[None]: ...
    def withdraw(self, message: Delivery, place: asyncio.Future[None]) -> bool: ...
    def waiting(self) -> list[Delivery]: ...
    async def close(self) -> None: ...


class LeftMessage(msgspec.Struct, frozen=True):
    """A message that was not done when its time was over.

    Attributes:
        node: the actor it was at, or on its way to. message_id: of the message that came from outside.
        inputs: what the actor would have been given. state: the flowing state there.
        status: `waiting` in a mailbox or for room in it, `interrupted` while it was worked on, `joining` where the
            others of its join had not come.
        run_inputs: what came from outside. priority: of the message, where it had come to an actor.
        entry: the node it came in at; None of one that was sent to where the graph starts.
        is_torn: it had forked, towards a join: this is a part of it, which cannot go on by itself.
    """

    node: str
    message_id: str
    inputs: Values
    state: Values
    status: str = "waiting"
    run_inputs: Values = EMPTY
    priority: int = 0
    entry: str | None = None
    is_torn: bool = False


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that failed for good.

    Attributes:
        node: the actor that could not do it. message_id: of the message that came from outside.
        inputs: what the actor was given. state: the flowing state there. run_inputs: what came from outside.
        error: why. attempts: how often it was tried.
        time: when, in seconds since the epoch. priority: of the message.
        has_inputs: False of a join that failed before it had any.
    """

    node: str
    message_id: str
    inputs: Values
    state: Values
    run_inputs: Values
    error: ErrorInfo
    attempts: int
    time: float
    priority: int = 0
    has_inputs: bool = True


def state_at(live: Live, step: Step) -> Values:
    """The flowing state at a step, as it is now; empty where it cannot be told, for a reducer fails at that."""
    branch = live.run.branches.get(step.branch)
    try:
        return Values() if branch is None else Values(state_of(live.run, branch, live.plan.state))
    except ReducerFailed:
        return Values()
