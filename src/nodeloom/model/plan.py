"""A compiled graph: what runs of it share, and nothing that changes (semantics 1.1).

`compile_plan` is where a graph is judged: it gives the plan, or every problem at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ..errors import RoutingError
from ..expressions import Expression
from .edge import Edge, EdgeCondition, Quorum, Routing
from .reach import JoinReach
from .state import StateSchema
from .ways import Way, way_of

__all__ = ["Join", "NodeSpec", "Plan", "PlanEdge", "PlanNode"]

JoinMode = Literal["all", "any"] | Quorum | None


class NodeSpec(msgspec.Struct, frozen=True):
    """What a plan needs to know of a node in its place.

    Attributes:
        id: the place in the graph.
        type: the node's identifier and version, as `web.fetch@1`.
        join, routing: as declared on the node.
        outputs: the names of its outputs where it declares them.
        line: where a document declares it, from 1.
    """

    id: str
    type: str = ""
    join: JoinMode = None
    routing: Literal["all", "first"] = "all"
    outputs: frozenset[str] | None = None
    line: int | None = None


class PlanEdge(msgspec.Struct, frozen=True):
    """An edge with its condition parsed and its ends numbered."""

    index: int
    source: int
    target: int
    edge: Edge
    condition: Expression | None

    def holds(self, node: PlanNode, scope: Mapping[str, Any]) -> bool:
        """Whether the condition holds now.

        Raises:
            RoutingError: when it cannot be told, with the edge and the reason.
        """
        try:
            if self.condition is not None:
                return self.condition.test(scope)
            predicate: EdgeCondition | None = self.edge.predicate
            if predicate is None:
                return True
            return bool(predicate.predicate(Routing(node.id, scope["inputs"], scope["output"], scope["state"])))
        except Exception as error:  # whatever an author's predicate raises is a routing failure
            raise self.undecided(error) from error

    def undecided(self, error: Exception) -> RoutingError:
        """What is raised when the condition itself failed."""
        return RoutingError(f"the condition of edge {self.edge} failed: {error}")


class Join(msgspec.Struct, frozen=True):
    """A node that waits: its masks, and how many arrivals it asks for (0: all that can still come)."""

    reach: JoinReach
    quorum: int = 0


class PlanNode(msgspec.Struct, frozen=True):
    """A node in its place, with all that routing needs.

    Attributes:
        always: the edges taken whatever happens, when no edge of the node has a condition.
        tests: the edges in order, when some have one; conditional: those that do.
        errors: edges for a failed step, in order. `routes`: target node id to the edge a Route takes.
        place: where a running step stands, as a mask (0: it reaches no join).
        heads: a cycle leads back to it, so its starts are counted. before_quorum: it can reach one.
        names: the names its conditions use.
    """

    index: int
    id: str
    type: str
    always: tuple[int, ...] | None
    tests: tuple[int, ...]
    conditional: tuple[int, ...]
    first: bool
    errors: tuple[int, ...]
    routes: dict[str, int]
    leaves: bool
    join: Join | None
    place: int
    heads: bool
    before_quorum: bool
    names: frozenset[str]


class Plan(msgspec.Struct, frozen=True):
    """A compiled graph. One plan serves any number of runs at once; nothing in it changes.

    Attributes:
        nodes, edges: by index, in declaration order.
        ways: for each edge, how a token takes it where nothing has to be decided.
        by_id: node id to index. starts: the indices a run begins at.
        joins: place mask to the index of the join that stands there. quorums: the places of those that are one.
        reaches: place mask to the joins that a token standing there can reach. leads: place mask to the places next
            to it, where there are quorums, whose late tokens cannot take every way.
        state: what is declared of the flowing state. shadows: a node's id is also the name of a method of dict.
    """

    name: str
    nodes: tuple[PlanNode, ...]
    edges: tuple[PlanEdge, ...]
    ways: tuple[Way, ...]
    by_id: dict[str, int]
    starts: tuple[int, ...]
    joins: dict[int, int]
    reaches: dict[int, int]
    leads: dict[int, int]
    quorums: int
    state: StateSchema
    on_failure: Literal["fail", "continue"] = "fail"
    strict_routing: bool = False
    max_steps: int = 1_000_000
    shadows: bool = False

    def taken(self, node: PlanNode, scope: Mapping[str, Any]) -> tuple[int, ...]:
        """The edges a completed step takes, decided once (semantics 2.1).

        Args:
            node: the step's node. scope: the names its conditions use.

        Raises:
            RoutingError: a condition failed while running.
        """
        if node.always is not None:
            return node.always
        if len(node.tests) == 1:
            return node.tests if self.edges[node.tests[0]].holds(node, scope) else ()
        held: dict[int, bool] = {}

        def holds(index: int) -> bool:
            if index not in held:
                held[index] = self.edges[index].holds(node, scope)
            return held[index]

        taken: list[int] = []
        for index in node.tests:
            kind = self.edges[index].edge.kind
            if kind == "otherwise":
                if any(holds(each) for each in node.conditional):
                    continue
            elif kind == "when" and not holds(index):
                continue
            taken.append(index)
            if node.first:
                break
        return tuple(taken)

    def way(self, taken: tuple[int, ...]) -> Way:
        """How a token goes on that takes these edges."""
        return self.ways[taken[0]] if len(taken) == 1 else way_of(taken)

    def cycle_of(self, index: int) -> list[int]:
        """The nodes of a shortest way from a node round to itself; the node alone when there is none."""
        targets: dict[int, list[int]] = {}
        for edge in self.edges:
            targets.setdefault(edge.source, []).append(edge.target)
        came_from: dict[int, int] = {}
        todo = [index]
        for at in todo:
            for target in targets.get(at, ()):
                if target not in came_from:
                    came_from[target] = at
                    todo.append(target)
        way = [index]
        while came_from.get(way[-1], index) != index:
            way.append(came_from[way[-1]])
        return [index, *reversed(way[1:])]

    def caught(self, node: PlanNode, names: tuple[str, ...]) -> tuple[int, ...]:
        """The error edge a failed step takes: the first that matches a name along the error's MRO (2.5)."""
        for index in node.errors:
            wanted = self.edges[index].edge.errors
            if not wanted or any(name in wanted for name in names):
                return (index,)
        return ()
