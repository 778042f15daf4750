"""Whose results a remembered result may stand for: those of one type of node, or of one graph (semantics 5.7)."""

from __future__ import annotations

import hashlib
from typing import Any, cast

__all__ = ["scope_of", "told_of"]

_NOT_TOLD = frozenset({"wires", "frozen", "made_with", "graph", "id"})


def scope_of(node: Any) -> str:
    """A node's type; of one that runs a graph, the graph as well: all of them are of one type.

    Two graphs have one scope when they have one name and are declared alike, so it is the same in other processes. What
    has no text of its own, as a predicate in Python, is like nothing but itself.

    Args:
        node: the definition.
    """
    identifier = str(node.identifier)
    if identifier != "subgraph":
        return identifier
    graph = getattr(node, "graph", None)
    name = node.id if graph is None else graph.name
    told = node.given if graph is None else _declared(graph)
    return f"{identifier} {name} {hashlib.sha256(repr(told).encode()).hexdigest()}"


def _declared(graph: Any) -> Any:
    """A graph as far as its results depend on it."""
    declared = graph.declaration
    state = declared.state
    return (
        declared.starts,
        [(node_id, scope_of(node), told_of(node)) for node_id, node in graph.nodes.items()],
        [(each.source, each.target, each.kind, each.when, _own(each.predicate), each.errors) for each in graph.edges],
        [(spec.id, spec.join, spec.routing) for spec in declared.nodes],
        (declared.on_failure, declared.strict_routing, declared.max_steps),
        (graph.inputs, graph.output_templates, sorted(state.keys or ()), sorted(state.reducers), state.types),
    )


def _own(predicate: Any) -> Any:
    return None if predicate is None else predicate.predicate


def told_of(node: Any) -> str:
    """What is set on a node: params, policies, and what its own `__init__` keeps."""
    known = cast("dict[str, Any]", node.__dict__)
    return repr(sorted((name, value) for name, value in known.items() if name not in _NOT_TOLD))
