"""How actors and ticking nodes are doing, as data: for programs, for events, for a live table (semantics 9, 10.5)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = ["ActorState", "ActorStats", "Health", "TickStats"]

ActorState = Literal["idle", "processing", "paused", "restarting", "stopped"]
Health = Literal["waiting", "healthy", "behind", "late", "failing", "safe_state", "hung", "stopped"]


class ActorStats(msgspec.Struct, frozen=True):
    """How one actor is doing now.

    Attributes:
        node: its node id. state: what it is at.
        depth, maxsize: how many messages wait in its mailbox, and how many it holds.
        processed: messages that were done, those with them that failed for good. failed: these.
        processing: whether it works on a message at this moment. last_input: the inputs of the message it took last.
        rate_in, rate_out: messages a second that came, and that were done, over the last seconds.
        latency_p50, latency_p99: seconds from when a message was sent until it was done, of the latest ones.
        restarts: how often it was restarted. dead_letters: how many of its messages went there.
        dropped: how many its mailbox lost to an overflow.
    """

    node: str
    state: ActorState = "idle"
    depth: int = 0
    maxsize: int = 0
    processed: int = 0
    failed: int = 0
    processing: bool = False
    last_input: Any = None
    rate_in: float = 0.0
    rate_out: float = 0.0
    latency_p50: float = 0.0
    latency_p99: float = 0.0
    restarts: int = 0
    dead_letters: int = 0
    dropped: int = 0


class TickStats(msgspec.Struct, frozen=True):
    """How one ticking node is doing, or how it did: a clock's report is made of these.

    Attributes:
        node: its node id. rate: ticks a second that it was asked for. achieved_rate: those it has had, until now.
        ticks: how many began. expected: how many were due. failures: how many failed.
        error_p50, error_p99, error_max: of the period between two ticks, by how many seconds it was not what it should.
        misses: ticks that passed their deadline. overruns: ticks that were due while the last one ran.
        expired: how often its watchdog did. blocked: how often it blocked the loop.
        last_run: seconds since its last tick began; None before the first.
        data_age: how many seconds old what it read last was, when it was read; None of a node that reads nothing.
        output_age: how many seconds old what it gave last is now; None where it has given nothing.
        health: in a word. reason: why it is not well, or why it was stopped; else empty.
        dropped: how many of those that were due were not run. restarts: how often it was restarted.
        late: how many ticks ended after they were given up on; what they returned was dropped.
        lost: how many outputs of others were dropped from the queues of its edges, unread.
    """

    node: str
    rate: float = 0.0
    achieved_rate: float = 0.0
    ticks: int = 0
    expected: int = 0
    failures: int = 0
    error_p50: float = 0.0
    error_p99: float = 0.0
    error_max: float = 0.0
    misses: int = 0
    overruns: int = 0
    expired: int = 0
    blocked: int = 0
    last_run: float | None = None
    data_age: float | None = None
    output_age: float | None = None
    health: Health = "waiting"
    reason: str = ""
    dropped: int = 0
    restarts: int = 0
    late: int = 0
    lost: int = 0
