"""A run: everything that changes while a graph executes, as plain data (semantics 1.2).

A **token** is a live place in the run. It sits at the tip of a **branch**: the stretch from a fork (or the start)
to where the token is. A fork makes the branch a parent and gives each token a branch of its own; when a fork's
tokens have met again, the parent goes on. What a branch wrote is kept only while its fork is open.

A **segment** is a branch's place among all the branches of the run, in the order of their forks. It gives the
order of arrivals, and remembers what ended branches leave to the result.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any, Literal

import msgspec

from .state import Log
from .values import Gathered, Values, owned

__all__ = [
    "Arrival",
    "Base",
    "Branch",
    "Cancelled",
    "Completed",
    "ErrorInfo",
    "Failed",
    "Failure",
    "Note",
    "Outcome",
    "Run",
    "RunResult",
    "Segment",
    "Seed",
    "Send",
    "Step",
    "Suspended",
    "digest",
]

Seed = tuple[bytes, int, int]
"""Where a branch comes from: a digest of its parents' steps, the parent's step count, its place among the tokens."""

_pack = struct.Struct("<16sqqq").pack


class ErrorInfo(msgspec.Struct, frozen=True):
    """What failed, as data.

    Attributes:
        type: the class name. code: a stable word for programs. message: for people. node: the node id.
        retryable: whether trying again may help.
        names: the class names along the MRO, plain and qualified, for `on_error`.
    """

    type: str
    code: str
    message: str
    node: str = ""
    retryable: bool = False
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.node}: {self.type}: {self.message}" if self.node else f"{self.type}: {self.message}"

    def as_values(self) -> Values:
        """What `error` is in an expression and in a context."""
        keys = ("type", "code", "message", "node", "retryable")
        return Values({key: getattr(self, key) for key in keys})


class Step(msgspec.Struct):
    """One execution of one node, as the run knows it.

    Attributes:
        node: index of the node in the plan. branch: id of the branch whose token it moves.
        ordinal: which step of that branch it is. seed: the branch's seed at that time.
        inputs: what the taken edges brought. error: on an error route, what failed.
        sources: the nodes its inputs came from, where it is a join's step.
    """

    node: int
    branch: int
    ordinal: int
    seed: Seed
    inputs: Values
    error: ErrorInfo | None = None
    sources: tuple[int, ...] = ()

    def id(self, node_id: str) -> str:
        """The step's id: the same for the same run, node, parents and place, wherever it is computed."""
        return f"{node_id}:{digest(_pack(*self.seed, self.ordinal), node_id.encode()).hex()}"


class Send(msgspec.Struct, frozen=True):
    """One token a Route sends: along an edge, with inputs of its own or (None) the step's outputs."""

    edge: int
    inputs: Values | None = None


class Completed(msgspec.Struct):
    """A step is done: its outputs, and the edges it takes. `sends` replaces `taken` for a Route."""

    step: Step
    outputs: Values
    taken: tuple[int, ...]
    sends: tuple[Send, ...] | None = None


class Failed(msgspec.Struct):
    """A step failed for good; `taken` is the error edge that catches it, if any. `fatal` lets none."""

    step: Step
    error: ErrorInfo
    taken: tuple[int, ...] = ()
    fatal: bool = False


class Cancelled(msgspec.Struct):
    """A step was cancelled before it was done."""

    step: Step


class Suspended(msgspec.Struct):
    """A person, a timer or a broker will deliver the rest of the step under `wait`."""

    step: Step
    wait: str


Outcome = Completed | Failed | Cancelled | Suspended


class Arrival(msgspec.Struct):
    """A token waiting at a join: the edge it came by, its branch, and what it brought."""

    edge: int
    branch: int
    source: int
    inputs: Values
    error: ErrorInfo | None = None


class Branch(msgspec.Struct):
    """A stretch of the run, from a fork to where its token is; or, with children, to the fork that ended it.

    Attributes:
        parents: the branches it comes from; several after a join whose fork is still open.
        children: the branches that come from it.
        state: its view of the flowing state; None where nobody has asked yet (then it is the parent's plus
            `writes`). outputs: likewise, by node id, plus `produced`.
        writes, produced: what it wrote since its fork; None at the root, where no join can ask.
        writers: key to the node that wrote it, where a declared state wants conflicts named.
        late: the quorums it is too late for.
    """

    id: int
    seed: Seed
    parents: list[int]
    state: Values | None = None
    outputs: Values | None = None
    writes: Log | None = None
    produced: dict[str, Values] | None = None
    writers: dict[str, int] | None = None
    ordinal: int = 0
    absorbed: int = -1
    children: set[int] = msgspec.field(default_factory=set)
    segment: int = -1
    late: frozenset[int] = frozenset()
    step: Step | None = None
    wait: str | None = None


class Segment(msgspec.Struct):
    """A branch's place in the order of forks, and what it leaves to the result.

    Attributes:
        label: compares with other segments' labels. before, after: neighbours, -1 at the ends.
        writes, outputs, finals: what was written, produced, and last returned here.
        open: its token is still live. pinned: a failure refers to it.
    """

    id: int
    label: int
    before: int = -1
    after: int = -1
    writes: Log = msgspec.field(default_factory=dict)
    outputs: dict[str, Values] = msgspec.field(default_factory=dict)
    finals: dict[str, Any] = msgspec.field(default_factory=dict)
    open: bool = True
    pinned: bool = False


class Base(msgspec.Struct):
    """A reduced key's value before the segments; of a list that only grows, its length then."""

    value: Any
    length: int = -1

    def kept(self) -> Any:
        """The value as it was, for the result to build on."""
        return Gathered(self.value[: self.length]) if self.length >= 0 else owned(self.value)


class Failure(msgspec.Struct, frozen=True):
    """A failure that no edge caught, and the segment and branch where it happened."""

    segment: int
    branch: int
    node: int
    error: ErrorInfo


class Note(msgspec.Struct, frozen=True):
    """Something a fold decided that watchers may want to know: a branch ended, an arrival was dropped."""

    type: Literal["branch_ended", "arrival_dropped", "join_started", "token_ended"]
    node: str
    data: dict[str, Any]


class Run(msgspec.Struct):
    """One execution of one graph.

    Attributes:
        status: `running`, then `completed` or `failed` (`cancelled` is the runner's word).
        steps: how many were started. rounds: node index to starts, for nodes on cycles.
        tokens: how many are live. ready: steps to execute next, in order.
        live: place to the number of steps standing there; live_mask the places with any.
        waiting: join to the arrivals waiting there; waiting_mask their places.
        stirred: joins whose turn may have come.
        stopping: a failure has stopped it; nothing new starts.
        base: the reduced keys as they were when the segments began.
        kept: an ended token has left something in the segments, so they stay.
        ended, final: the last branch, and what it returned, of a run without forks.
        notes: what to tell watchers; None when nobody watches.
    """

    id: str
    inputs: Values
    status: Literal["running", "completed", "failed"] = "running"
    steps: int = 0
    rounds: dict[int, int] = msgspec.field(default_factory=dict)
    tokens: int = 0
    ready: list[Step] = msgspec.field(default_factory=list)
    branches: dict[int, Branch] = msgspec.field(default_factory=dict)
    next_branch: int = 0
    live: dict[int, int] = msgspec.field(default_factory=dict)
    live_mask: int = 0
    waiting: dict[int, list[Arrival]] = msgspec.field(default_factory=dict)
    waiting_mask: int = 0
    stirred: int = 0
    segments: dict[int, Segment] = msgspec.field(default_factory=dict)
    next_segment: int = 0
    failures: list[Failure] = msgspec.field(default_factory=list)
    stopping: bool = False
    base: dict[str, Base] = msgspec.field(default_factory=dict)
    kept: bool = False
    ended: Branch | None = None
    final: Values | None = None
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
    """

    run_id: str
    status: Literal["completed", "failed", "cancelled"]
    state: Values
    outputs: Values
    output: Values
    steps: int
    error: ErrorInfo | None = None
    errors: tuple[ErrorInfo, ...] = ()


def digest(*parts: bytes) -> bytes:
    """16 bytes that stand for the parts."""
    return hashlib.blake2b(b"".join(parts), digest_size=16).digest()


def seed_of_run(run_id: str) -> Seed:
    """The seed of a run's first branch."""
    return (digest(run_id.encode()), 0, 0)


def parent_key(branch: Branch) -> bytes:
    """What the tokens a branch forks into have in common."""
    return digest(_pack(*branch.seed, branch.ordinal))


def joined_seed(branches: list[Branch]) -> Seed:
    """The seed of a branch that several become, in arrival order."""
    return (digest(*(_pack(*branch.seed, branch.ordinal) for branch in branches)), 1, 0)
