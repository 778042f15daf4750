"""Small graphs from a line of text, for examples: `"a>b a>c b>d c>d"` (see `tests.spec.test_reference.build`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.model.adapter import Driven, Seen
from tests.spec.reference import SpecGraph
from tests.spec.test_reference import below, build, counts, fails, gives, never

from nodeloom.model.run import RunResult

__all__ = ["Driven", "arrivals", "below", "build", "counts", "drive", "fails", "finish", "gives", "never", "saw"]


def drive(graph: SpecGraph, *first: str, inputs: Mapping[str, Any] | None = None, **options: Any) -> Driven:
    """Run a graph to its end; of the running steps, one of the first of these nodes completes next."""

    def choose(running: Sequence[Seen]) -> int:
        return min(range(len(running)), key=lambda at: [*first, running[at].node].index(running[at].node))

    driven = Driven(graph, inputs, choose, **options)
    driven.to_end()
    return driven


def finish(graph: SpecGraph, *first: str, inputs: Mapping[str, Any] | None = None) -> RunResult:
    """What a graph comes to."""
    return drive(graph, *first, inputs=inputs).result


def saw(driven: Driven, node: str) -> list[Seen]:
    """What the executions of a node saw."""
    return [seen for seen in driven.seen if seen.node == node]


def arrivals(driven: Driven, node: str) -> list[tuple[str | None, ...]]:
    """The sources of a join's arrivals, start by start."""
    return [seen.arrivals for seen in saw(driven, node)]
