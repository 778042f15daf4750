"""What each node did, kept per node and readable at any time (semantics 13.2)."""

from __future__ import annotations

from collections import Counter
from typing import Any

__all__ = ["AllMetrics", "Metrics"]

PLACES = 10_000
"""Of how many nodes figures are kept: graphs may be made anew under ever new names."""


class Metrics:
    """Counts of one node's steps, in its place in a graph.

    Attributes:
        identifier: the node's type. count: steps that ended.
        seconds: how long they took together, from when a step was taken up until its outcome was there.
        retries: tries made in them after the first. failures: failed steps by error type.
    """

    __slots__ = ("count", "failures", "identifier", "retries", "seconds")

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier
        self.count = 0
        self.seconds = 0.0
        self.retries = 0
        self.failures: Counter[str] = Counter()

    def snapshot(self) -> dict[str, Any]:
        """The figures now, as plain data."""
        return {
            "identifier": self.identifier,
            "count": self.count,
            "attempts": self.count + self.retries,
            "seconds": self.seconds,
            "mean": self.seconds / self.count if self.count else 0.0,
            "failures": dict(self.failures),
        }


class AllMetrics:
    """The figures of an engine's nodes, by graph and node id. Graphs of one name are counted as one."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Metrics] = {}

    def of(self, graph: str, node_id: str, identifier: str) -> Metrics:
        """The live figures of a node; another type in the same place has its own."""
        key = (graph, node_id, identifier)
        if key not in self._known:
            self._known[key] = Metrics(identifier)
            if len(self._known) > PLACES:
                del self._known[next(iter(self._known))]
        return self._known[key]

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """The figures now, by `graph/node id`; with the type behind it where another one had the place before."""
        found: dict[str, dict[str, Any]] = {}
        for (graph, node_id, identifier), figures in self._known.items():
            place = f"{graph}/{node_id}"
            found[f"{place} ({identifier})" if place in found else place] = figures.snapshot()
        return found
