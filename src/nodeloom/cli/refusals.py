"""What `nodeloom run` would refuse of a graph that is valid: for the way it is to be run, and for where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ..engine import Engine
from ..errors import GraphError, NodeloomError, Problem
from ..executors.local import bind
from ..nodes.graph import Graph
from ..runners.batch import batched
from ..runners.ticks.checks import wiring_of

__all__ = ["final_nodes", "refusals"]


async def refusals(graph: Graph, kind: str) -> list[Problem]:
    """What stands in the way of running a graph, all at once, with the lines of the document where it has them.

    Args:
        graph: which is valid. kind: `graph`, `actor` or `tick`.
    """
    found = await _unbound(graph)
    if kind == "tick":
        found += _clock_problems(graph)
    elif kind == "actor" and not final_nodes(graph):
        what = (
            "something follows on every node, so it is not clear whose outputs go out: run it with --outputs NODE; "
            f"there are: {', '.join(graph.nodes)}"
        )
        found.append(Problem("no_outputs", what, severity="warning"))
    lines = {spec.id: spec.line for spec in graph.declaration.nodes}
    return [replace(each, line=each.line or lines.get(each.node or "")) for each in found]


def final_nodes(graph: Graph) -> list[str]:
    """The nodes that nothing follows, but where they fail: their outputs are the graph's."""
    followed = {edge.source for edge in graph.edges if edge.kind != "error"}
    return [name for name in graph.nodes if name not in followed]


async def _unbound(graph: Graph) -> list[Problem]:
    """The nodes that cannot be performed here, as one whose type no worker process could import."""
    problems: list[Problem] = []
    async with Engine() as engine:
        around = partial(batched, services=engine, call=None)
        for place in graph.plan.nodes:
            try:
                bind(graph.nodes[place.id], place, graph.plan, engine, around)
            except GraphError as error:
                problems += error.problems
            except NodeloomError as error:
                problems.append(Problem(error.code, str(error), node=place.id))
    return problems


def _clock_problems(graph: Graph) -> Sequence[Problem]:
    try:
        wiring_of(graph, {})
    except GraphError as error:
        return error.problems
    return ()
