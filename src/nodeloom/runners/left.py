"""What was left of a run when its time was over, as data (semantics 6.2)."""

from __future__ import annotations

import msgspec

__all__ = ["Left", "LeftStep"]


class LeftStep(msgspec.Struct, frozen=True):
    """A step that had not ended.

    Attributes:
        node: its place; of a graph inside a graph the way there, as `outer/inner`. step_id: its id.
    """

    node: str
    step_id: str


class Left(msgspec.Struct, frozen=True):
    """A run that was not done when its time was over.

    Attributes:
        run_id, graph: which one. steps: what it was at; none, where nothing of it ran, as in a paused run.
    """

    run_id: str
    graph: str
    steps: tuple[LeftStep, ...]

    def __str__(self) -> str:
        nodes = list(dict.fromkeys(step.node for step in self.steps))
        return f"run {self.run_id} of graph {self.graph}{', at ' + ', '.join(nodes) if nodes else ''}"
