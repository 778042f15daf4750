"""What watchers of a run are told; events may be lost, outcomes may not."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = ["Event", "EventType"]

EventType = Literal[
    "run_started",
    "step_started",
    "chunk",
    "progress",
    "log",
    "hook_failed",
    "branch_ended",
    "arrival_dropped",
    "join_started",
    "step_completed",
    "step_failed",
    "step_cancelled",
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
