"""A run: everything that changes while a graph executes, as plain data (semantics 1.2).

A **token** is a live place in the run. It sits at the tip of a **branch**, from a fork (or the start) to where the
token is. A fork keeps the forked branch as the parent of one branch a token; what several of them become at a join
is a branch of the nearest fork they have in common, and the last branch of a fork takes the fork's place.

What is written behind a fork is kept in **stretches**: what one branch wrote between two forks or joins, once. A
branch's **trail** is its past since its fork: stretches, in the order in which a join applies them.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from .state import Log
from .values import Values, as_values

__all__ = [
    "FEW",
    "Arrival",
    "Branch",
    "Cancelled",
    "Completed",
    "ErrorInfo",
    "Excused",
    "Failed",
    "Failure",
    "Note",
    "Outcome",
    "Run",
    "RunResult",
    "Seed",
    "Send",
    "Step",
    "Stretch",
    "Suspended",
    "digest",
]

Seed = tuple[bytes, int, int]
"""Where a branch comes from: a digest of its parents' steps, the parent's step count, its place among the tokens."""

FEW = 4
"""Steps of a branch that are kept as they are; what more of them wrote is kept in a stretch."""

_pack = struct.Struct("<16sqqq").pack


class ErrorInfo(msgspec.Struct, frozen=True):
    """What failed, as data.

    Attributes:
        type: the class name. code: a stable word for programs. message: for people. node: the node id.
        retryable: whether trying again may help.
        names: the class names along the MRO, plain and qualified, for `on_error`.
        index: of the item that failed a batch, from 0; None where no item did.
    """

    type: str
    code: str
    message: str
    node: str = ""
    retryable: bool = False
    names: tuple[str, ...] = ()
    index: int | None = None

    def __str__(self) -> str:
        return f"{self.node}: {self.type}: {self.message}" if self.node else f"{self.type}: {self.message}"

    def as_values(self) -> Values:
        """What `error` is in an expression and in a context."""
        keys = ("type", "code", "message", "node", "retryable")
        item = {} if self.index is None else {"index": self.index}
        return Values({**{key: getattr(self, key) for key in keys}, **item})


class Step(msgspec.Struct):
    """One execution of one node, as the run knows it.

    Attributes:
        node: index of the node in the plan. branch: id of the branch whose token it moves.
        ordinal: which step of that branch it is. seed: the branch's seed at that time.
        brought: what the taken edges brought; inputs: the same, for those who look at it.
        error: on an error route, what failed. sources: the nodes its inputs came from, where it is a join's step.
    """

    node: int
    branch: int
    ordinal: int
    seed: Seed
    brought: Values | dict[str, Any]
    error: ErrorInfo | None = None
    sources: tuple[int, ...] = ()

    @property
    def inputs(self) -> Values:
        self.brought = inputs = as_values(self.brought)
        return inputs

    def id(self, node_id: str) -> str:
        """The step's id: the same for the same run, node, parents and place, wherever it is computed."""
        return f"{node_id}:{digest(_pack(*self.seed, self.ordinal), node_id.encode()).hex()}"


class Send(msgspec.Struct, frozen=True):
    """One token a Route sends: along an edge, with inputs of its own or (None) the step's outputs."""

    edge: int
    inputs: Values | None = None


class Completed(msgspec.Struct):
    """A step is done: its outputs, and the edges it takes. `sends` replaces `taken` for a Route.

    Attributes:
        degraded: some items of its batch failed, and not all.
    """

    step: Step
    outputs: Values
    taken: tuple[int, ...]
    sends: tuple[Send, ...] | None = None
    degraded: bool = False


class Failed(msgspec.Struct):
    """A step failed for good; `taken` is the error edge that catches it, if any. `fatal` lets none.

    With `outputs`, it is completed and returned these, and only its way on could not be told (semantics 2.3).
    """

    step: Step
    error: ErrorInfo
    taken: tuple[int, ...] = ()
    fatal: bool = False
    outputs: Values | None = None


class Cancelled(msgspec.Struct):
    """A step was cancelled before it was done."""

    step: Step


class Suspended(msgspec.Struct):
    """A person, a timer or a broker will deliver the rest of the step under `wait`."""

    step: Step
    wait: str


Outcome = Completed | Failed | Cancelled | Suspended


class Arrival(msgspec.Struct):
    """A token on its way to a node, or waiting at a join: its branch, and what it brings.

    Attributes:
        edge: the edge it comes by; below zero for a start of the run, in order. source: the node it left, or -1.
    """

    node: int
    edge: int
    branch: int
    source: int
    inputs: Values
    error: ErrorInfo | None = None


class Stretch(msgspec.Struct):
    """What one branch wrote between two forks or joins.

    Attributes:
        seen_by: the branches that have it on their trail.
        writes, produced: updates of the state, and outputs by node id.
        writers: replaced key to the node that wrote it, where a declared state wants conflicts named.
    """

    id: int
    seen_by: set[int]
    writes: Log = msgspec.field(default_factory=dict)
    produced: dict[str, Values] = msgspec.field(default_factory=dict)
    writers: dict[str, int] = msgspec.field(default_factory=dict)


class Branch(msgspec.Struct):
    """A token's way from a fork to where it is or where it ended; or, with children, a way that has forked.

    Attributes:
        parent: the fork it comes from; -1 where none is open. children: the branches of its own fork.
        state, outputs: its view of the flowing state, and of the outputs by node id; None where nobody has asked
            yet (then they are the parent's, plus what its trail adds). A branch that has written nothing may have
            the very state of its parent: such a view is given up where it would be written to.
        trail: the stretches of its past since its fork, in order. stretch: the one it is writing, -1 for none.
        fresh: behind them, the first few steps since its fork (node id and outputs), of which no stretch is made yet.
        latest: replaced key to those of the trail whose write of it is unsuperseded here (declared states only).
        label, before, after: its place among the branches; see `order`.
        late: the quorums it is too late for.
        step: what its token executes; else heading: the node it goes to, or the join it waits at.
        joined: several became it.
        solo: it is the only branch, of a run whose writes need no care.
        over: its token has ended. final: what ended tokens returned last. failures: those that no edge caught.
    """

    id: int
    seed: Seed
    parent: int = -1
    state: Values | None = None
    outputs: Values | None = None
    ordinal: int = 0
    absorbed: int = -1
    children: set[int] | frozenset[int] = frozenset()
    trail: tuple[int, ...] = ()
    stretch: int = -1
    latest: dict[str, frozenset[int]] | None = None
    label: int = 0
    before: int = -1
    after: int = -1
    late: frozenset[int] = frozenset()
    step: Step | None = None
    heading: int = -1
    wait: str | None = None
    over: bool = False
    joined: bool = False
    solo: bool = False
    final: dict[str, Any] | None = None
    failures: tuple[Failure, ...] = ()
    fresh: tuple[tuple[str, Values], ...] = ()


class Failure(msgspec.Struct, frozen=True):
    """A failure that no edge caught, and the node where it happened."""

    node: int
    error: ErrorInfo


class Excused(msgspec.Struct, frozen=True):
    """A failure that came before quorums, and these as a mask (semantics 3.4)."""

    failure: Failure
    before: int


class Note(msgspec.Struct, frozen=True):
    """Something a fold decided that watchers may want to know: a branch ended, an arrival was dropped."""

    type: Literal["branch_ended", "arrival_dropped", "join_started", "token_ended"]
    node: str
    data: dict[str, Any]


class Run(msgspec.Struct):
    """One execution of one graph.

    Attributes:
        status: `running`, then `completed` or `failed` (`cancelled` is the runner's word).
        steps: how many were started. rounds: node index to starts, for the heads of cycles.
        tokens: how many are live. late: how many of them are late for a quorum.
        ready: steps to execute next, in order. flight: tokens between two nodes, while folding.
        branches: the live, the forked, and neighbours that ended as one. stretches: what they wrote.
        live: place to the number of steps standing there; live_mask the places with any.
        waiting: join to the arrivals waiting there; waiting_mask their places.
        stirred: joins whose turn may have come.
        unread: of the only branch, what nodes returned since anybody asked for its outputs.
        excused: failures before a quorum, which are the run's if none of those quorums starts.
        failed: a failure that no edge caught is recorded.
        stopping: nothing new starts. abandoned: ready steps that will not.
        dropped: arrivals that were late. notes: what to tell watchers; None when nobody watches.
    """

    id: str
    inputs: Values
    status: Literal["running", "completed", "failed"] = "running"
    steps: int = 0
    rounds: dict[int, int] = msgspec.field(default_factory=dict)
    tokens: int = 0
    late: int = 0
    ready: list[Step] = msgspec.field(default_factory=list)
    flight: list[Arrival] = msgspec.field(default_factory=list)
    branches: dict[int, Branch] = msgspec.field(default_factory=dict)
    next_branch: int = 0
    stretches: dict[int, Stretch] = msgspec.field(default_factory=dict)
    next_stretch: int = 0
    live: dict[int, int] = msgspec.field(default_factory=dict)
    live_mask: int = 0
    waiting: dict[int, list[Arrival]] = msgspec.field(default_factory=dict)
    waiting_mask: int = 0
    stirred: int = 0
    unread: dict[str, Values | dict[str, Any]] = msgspec.field(default_factory=dict)
    excused: list[Excused] = msgspec.field(default_factory=list)
    failed: bool = False
    stopping: bool = False
    abandoned: list[Step] = msgspec.field(default_factory=list)
    dropped: int = 0
    notes: list[Note] | None = None

    def tell(self, note: Note) -> None:
        """Keep a note, when somebody watches."""
        if self.notes is not None:
            self.notes.append(note)


class RunResult(msgspec.Struct, frozen=True):
    """What a run became.

    Attributes:
        status: `completed`, `failed` or `cancelled`.
        state: the flowing state at the end. outputs: each node's last outputs, by node id.
        output: the graph's own output. steps: how many steps were started.
        error: the first failure, by the order of the graph; errors: all of them, in that order.
        batch: where the first failure is that of an item, what became of all items of its batch, a `BatchResult`.
    """

    run_id: str
    status: Literal["completed", "failed", "cancelled"]
    state: Values
    outputs: Values
    output: Values
    steps: int
    error: ErrorInfo | None = None
    errors: tuple[ErrorInfo, ...] = ()
    batch: Any = None


def digest(*parts: bytes) -> bytes:
    """16 bytes that stand for the parts."""
    return hashlib.blake2b(b"".join(parts), digest_size=16).digest()


def seed_of_run(run_id: str) -> Seed:
    """The seed of a run's first branch."""
    return (digest(run_id.encode()), 0, 0)


def parent_key(branch: Branch) -> bytes:
    """What the tokens a branch forks into have in common."""
    return digest(_pack(*branch.seed, branch.ordinal))


def joined_seed(branches: Sequence[Branch]) -> Seed:
    """The seed of a branch that several become, in arrival order."""
    return (digest(*[_pack(*branch.seed, branch.ordinal) for branch in branches]), 1, 0)
