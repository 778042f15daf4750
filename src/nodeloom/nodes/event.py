"""What watchers of a run are told; events may be lost, outcomes may not."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = ["Event", "EventType"]

EventType = Literal[
    "run_started",
    "step_started",
    "step_retried",
    "fallback_used",
    "breaker_opened",
    "breaker_closed",
    "chunk",
    "progress",
    "item_completed",
    "item_failed",
    "item_cancelled",
    "log",
    "hook_failed",
    "branch_ended",
    "arrival_dropped",
    "join_started",
    "step_completed",
    "step_failed",
    "step_cancelled",
    "message_dropped",
    "message_died",
    "actor_restarted",
    "actor_stopped",
    "stats",
    "run_paused",
    "run_resumed",
    "run_completed",
    "run_failed",
    "run_cancelled",
]


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that happened in a run.

    Attributes:
        type: what happened. seq: its number in the run, from 1, without gaps.
        time: seconds since the epoch. run_id: the run; of a graph inside a graph, the inner one's.
        node, step_id, attempt: where, when it is about a step.
        data: what belongs to it: a `chunk`, `outputs`, `done` and `total`, an `error`, a `duration` in seconds.

    Of a batch, `item_completed` (with `outputs`), `item_failed` (with an `error`) and `item_cancelled` tell of each
    item as it ends, with its `index`; and some ten times a second `progress` says how many are `done` and how many of
    these `failed`, of the `total` where it is known, their `rate` a second, and the seconds `left`. A `step_completed`
    with `degraded` is that of a batch in which some items failed.

    A `step_retried` comes before an attempt that follows a failed one: its `attempt` is that attempt's number, `error`
    is why, `wait` the seconds until then; what earlier attempts streamed no longer counts. A `fallback_used` says what
    a failed step gave instead, as `by` (`value`, `last_good` or `node`), with the `error` and, of a last good answer,
    its `age` in seconds. A `breaker_opened`
    carries the `key` of a circuit breaker and `reset_after`, in seconds; a `breaker_closed` the `key`.

    Of actors, `message_dropped` and `message_died` name the `message`, the latter with its `error`; `actor_restarted`
    tells how many `restarts` there were of late, and the `error`, `actor_stopped` the `reason`. A `stats` holds the
    figures of all `nodes`.
    """

    type: EventType
    seq: int
    time: float
    run_id: str
    node: str | None = None
    step_id: str | None = None
    attempt: int | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        """An attribute, or what `data` holds under the key."""
        return getattr(self, key) if key in self.__struct_fields__ else self.data[key]
