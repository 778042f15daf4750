"""What a run's events add up to: the state of each node, and the count of it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..nodes.event import Event

__all__ = ["NodeTally", "Tally", "amount", "batch_text", "ended_text", "error_text", "one_line", "seconds_text"]

ENDED = {"step_completed": "completed", "step_failed": "failed", "step_cancelled": "cancelled"}


@dataclass
class NodeTally:
    """One node so far.

    Attributes:
        state: ready, running, completed, failed, cancelled or skipped. steps: how many were started.
        running: the steps that run now, with the time each was started.
        seconds: how long the last one took. message: its last word. done, total: its progress; of a batch in items,
            and how many of them failed.
        touched: the number of the last event about it.
        retry: when the next attempt begins, where one failed, and why.
    """

    label: str
    state: str = "ready"
    steps: int = 0
    running: dict[str, float] = field(default_factory=dict[str, float])
    seconds: float | None = None
    message: str = ""
    done: float | None = None
    total: float | None = None
    failed: int = 0
    touched: int = 0
    retry: tuple[float, str] = (0.0, "")

    def waits(self, now: float) -> str:
        """What it says while it waits for another attempt; nothing at other times."""
        begins, why = self.retry
        return f"retrying in {seconds_text(begins - now)}: {why}" if self.running and now < begins else ""


class Tally:
    """Counts events.

    Args:
        name: of the graph. labels: of its nodes, in order; nodes of graphs inside it are added as they start.
    """

    def __init__(self, name: str, labels: Iterable[str]) -> None:
        self.name = name
        self.nodes: dict[str, NodeTally] = {label: NodeTally(label) for label in labels}
        self.counts: Counter[str] = Counter({"ready": len(self.nodes)})
        self.run_id = ""
        self.started = 0.0
        self.ended: float | None = None
        self.status = "running"
        self.steps = 0
        self._seen = 0

    def label_of(self, event: Event) -> str:
        """The node of an event, with the nodes whose graphs it is in: `outer/fetch`."""
        inside = event.run_id.removeprefix(self.run_id).strip("/") if self.run_id else ""
        parts = [part.partition(":")[0] for part in inside.split("/") if part]
        return "/".join([*parts, event.node or ""])

    def is_outer(self, event: Event) -> bool:
        """Whether an event is about the run itself, not about a graph inside it."""
        return event.run_id == self.run_id

    def add(self, event: Event) -> NodeTally | None:
        """Count an event; gives the node it is about, if any."""
        if not self.run_id:
            self.run_id, self.started = event.run_id, event.time
        if event.type in ("run_completed", "run_failed", "run_cancelled"):
            if self.is_outer(event):
                self._end(event)
            return None
        if event.node is None or event.step_id is None:
            return None
        label = self.label_of(event)
        node = self.nodes.get(label)
        if node is None:
            node = self.nodes[label] = NodeTally(label)
            self.counts["ready"] += 1
        self._seen += 1
        node.touched = self._seen
        self._about(node, event, event.step_id)
        return node

    def running(self) -> list[str]:
        """The nodes with steps that run now."""
        return [node.label for node in self.nodes.values() if node.running]

    def _about(self, node: NodeTally, event: Event, step_id: str) -> None:
        data = event.data
        key = f"{event.run_id}/{step_id}"
        if event.type == "step_started":
            self.steps += 1
            node.steps += 1
            node.running[key] = event.time
            node.done = node.total = None
            node.failed = 0
            node.message = ""
            self._set(node, "running")
        elif event.type in ENDED:
            began = node.running.pop(key, event.time)
            node.seconds = data.get("duration", event.time - began)
            node.message = _degraded_text(node) if data.get("degraded") else ended_text(event)
            node.done = node.total = None
            node.retry = (0.0, "")
            self._set(node, "running" if node.running else ENDED[event.type])
        elif event.type == "progress" and key in node.running:  # that of an item says nothing of its step's
            node.done, node.total, node.failed = data.get("done"), data.get("total"), data.get("failed") or 0
            node.message = batch_text(data) if "rate" in data else one_line(data.get("message") or "")
        elif event.type == "step_retried":
            node.retry = event.time + data.get("wait", 0.0), error_text(event)
            if key in node.running:
                node.message = f"attempt {event.attempt}"
        elif event.type == "chunk":
            node.message = one_line(data.get("chunk"))

    def _set(self, node: NodeTally, state: str) -> None:
        self.counts[node.state] -= 1
        self.counts[state] += 1
        node.state = state

    def _end(self, event: Event) -> None:
        self.status = event.type.removeprefix("run_")
        self.ended = event.time
        for node in self.nodes.values():
            if node.state == "ready":
                self._set(node, "skipped")
            elif node.state == "running":
                self._set(node, "cancelled")


def ended_text(event: Event) -> str:
    """What there is to say of a step that ended; nothing, where it completed."""
    if event.type != "step_failed":
        return ""
    caught: list[str] = event.data.get("caught_by") or []
    after = f" (caught by {', '.join(caught)})" if caught else ""
    return error_text(event) + after


def error_text(event: Event) -> str:
    """The error of an event, on one line."""
    error: dict[str, Any] = event.data.get("error") or {}
    return one_line(f"{error.get('type', 'error')}: {error.get('message', '')}")


def _degraded_text(node: NodeTally) -> str:
    return f"{node.failed:,} of {amount(node.total or 0)} items failed"


def batch_text(data: dict[str, Any]) -> str:
    """How a batch goes: what failed, how many items a second, and how long it will take."""
    rate, left = data.get("rate"), data.get("left")
    said = [
        f"{data['failed']:,} failed" if data.get("failed") else "",
        f"{rate:,.0f}/s" if rate and rate >= 10 else f"{rate:.1f}/s" if rate else "",
        f"{seconds_text(left)} left" if left else "",
    ]
    return ", ".join(part for part in said if part)


def amount(value: float) -> str:
    """A number as one counts: 1,000,000 items, 0.5 of a unit."""
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def one_line(value: Any, longest: int = 200) -> str:
    """A value on one line, without what would steer a terminal."""
    if not isinstance(value, str):
        import json

        from .output import jsonable

        value = json.dumps(jsonable(value), ensure_ascii=False)
    text = "".join(char if char.isprintable() else " " for char in value[: longest * 4])
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def seconds_text(seconds: float) -> str:
    """A duration as one says it: 4 ms, 0.12 s, 12.3 s, 2 min 05 s, 1 h 02 min."""
    if seconds < 0.01:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 else "<1 ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
