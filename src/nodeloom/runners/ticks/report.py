"""What became of a clock (semantics 10.5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..left import Left
from ..stats import TickStats

__all__ = ["Report"]


class Report(Mapping[str, TickStats]):
    """How each node of a clock has ticked: `report["camera"].ticks`.

    Args:
        nodes: the figures, by node id. reason: why it ended: `"duration"`, `"stopped"`, or what went wrong.
        duration: for how many seconds it ran. realtime: what priority was granted, or why not; empty if none was asked.
        left: the ticks that had not ended when its time was over.
    """

    def __init__(
        self,
        nodes: Mapping[str, TickStats],
        *,
        reason: str = "",
        duration: float = 0.0,
        realtime: str = "",
        left: tuple[Left, ...] = (),
    ) -> None:
        self._nodes = dict(nodes)
        self.reason = reason
        self.duration = duration
        self.realtime = realtime
        self.left = left

    def __getitem__(self, node_id: str) -> TickStats:
        return self._nodes[node_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __repr__(self) -> str:
        return f"<Report of {self.duration:.3f} s, {self.reason}: {', '.join(self._nodes)}>"
