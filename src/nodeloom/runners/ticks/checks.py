"""What is wrong with a clock, all at once, when it is made (semantics 10.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ...errors import GraphError, Problem
from ...model.edge import Edge
from ...nodes.graph import Graph
from ...nodes.misspelt import metadata_problems
from ...nodes.node import Node
from ...nodes.settings import Reading

__all__ = ["Wiring", "can_be_safe", "wiring_of"]


class Wiring:
    """Which nodes of a graph tick, and how they read each other.

    Attributes:
        ticking: the ids of the nodes with a rate.
        readings: by the id of a ticking node, the indices of the edges that lead to it, and how each is read.
        shared: nodes without a rate, with a memory, that the ticks of several nodes lead to.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.ticking = [node.id for node in graph.nodes.values() if node.rate is not None]
        self.readings: dict[str, dict[int, Reading]] = {node_id: {} for node_id in self.ticking}
        self.problems: list[Problem] = []
        self._onward: dict[str, list[str]] = {}
        for edge in graph.edges:
            self._onward.setdefault(edge.source, []).append(edge.target)
        self._led_by = self._whose_ticks_lead_where()
        memories = (node.id for node in graph.nodes.values() if node.memory)
        self.shared = frozenset(node_id for node_id in memories if len(self._led_by.get(node_id, ())) > 1)
        for index, edge in enumerate(graph.edges):
            if edge.target in self.readings:
                self._read(index, edge)

    def _whose_ticks_lead_where(self) -> dict[str, list[str]]:
        """Of each node, the ticking nodes whose ticks come to it: its own, or those before it."""
        found: dict[str, list[str]] = {}
        for ticking in self.ticking:
            todo, seen = [ticking], {ticking}
            while todo:
                at = todo.pop()
                found.setdefault(at, []).append(ticking)
                onward = [each for each in self._onward.get(at, ()) if each not in self.readings and each not in seen]
                seen.update(onward)
                todo += onward
        return found

    def _read(self, index: int, edge: Edge) -> None:
        """How an edge into a ticking node is read: as it says; where it says nothing, the newest of an equal rate."""
        declared: Any = (edge.metadata or {}).get("read")
        if declared is not None:
            self.readings[edge.target][index] = cast("Reading", declared)  # the graph has refused any other word
            return
        self.readings[edge.target][index] = "sample" if edge.kind == "error" else "latest"
        other = [each for each in self._led_by.get(edge.source, ()) if self._rate(each) != self._rate(edge.target)]
        if other and edge.kind != "error":
            rates = [f"{each} ticks {self._rate(each):g} times a second" for each in (other[0], edge.target)]
            nearly = [f" ({each.word!r} is no such word)" for each in metadata_problems(edge.metadata)]
            self._refuse(edge, f"does not say how it is read{''.join(nearly)}, and {' and '.join(rates)}")

    def _refuse(self, edge: Edge, what: str) -> None:
        right = (
            f'write {edge.source}.goto({edge.target}, metadata={{"read": "latest"}}) for the newest, again and again, '
            f'"queue" for each once, in order, or "sample" for the newest, once'
        )
        told = f"{what}; {right}"
        self.problems.append(Problem("reading", told, edge=str(edge), field="metadata.read", line=edge.line))

    def _rate(self, node_id: str) -> float:
        return float(self._graph.nodes[node_id].rate or 0.0)

    def judge(self, phases: Mapping[str, float]) -> None:
        """Look for what cannot work."""
        if not self.ticking:
            what = "no node of this clock has a rate, so nothing ticks; give one, as Camera(rate=30)"
            self.problems.append(Problem("no_rate", what))
            return
        for node in self._graph.nodes.values():
            self._judge(node)
        for node_id in phases:
            if node_id not in self.ticking:
                what = f"phases names {node_id!r}, which does not tick; those that do: {', '.join(self.ticking)}"
                self.problems.append(Problem("phase", what, field="phases"))

    def _judge(self, node: Node) -> None:
        if node.id not in self._led_by:
            what = "has no rate, and no ticking node leads to it, so it would never run: give it a rate, or an edge"
            self._blame("never_runs", what, node)
        elif node.on_miss == "safe_state" and not can_be_safe(node):
            what = 'has on_miss="safe_state" and no such hook: write `def safe_state(self): ...`'
            self._blame("safe_state", what, node)

    def _blame(self, code: str, what: str, node: Node) -> None:
        place = self._graph.plan.by_id[node.id]
        line = self._graph.declaration.nodes[place].line
        self.problems.append(Problem(code, what, node=node.id, line=line))


def can_be_safe(node: Node) -> bool:
    """Whether it has a `safe_state` of its own."""
    return type(node).safe_state is not Node.safe_state


def wiring_of(graph: Graph, phases: Mapping[str, float]) -> Wiring:
    """Which nodes tick, and how they read each other.

    Raises:
        GraphError: with every problem.
    """
    wiring = Wiring(graph)
    wiring.judge(phases)
    if wiring.problems:
        raise GraphError(wiring.problems, f"clock {graph.name}")
    return wiring
