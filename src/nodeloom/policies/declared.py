"""What definitions and documents ask of policies, which stand a floor above them (see `nodes.host`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import DefinitionError, PolicyError, Problem
from ..nodes.graph import Graph
from ..nodes.node import Node
from .chain import chain, check_policies
from .limits import MemoryLimits
from .policy import Place
from .settings import read_policies, settings_of
from .sharing import shared_results

__all__ = ["check_policies", "judge_policies", "read_policies", "settings_of"]


def judge_policies(nodes: Iterable[Any], graph: str, names: Iterable[str]) -> list[Problem]:
    """What is wrong with the policies of a graph's nodes: found by building each chain once, where nothing runs.

    Args:
        nodes: the definitions. graph: its name. names: what the keys' expressions may use; those of a node with a
            batch its item too.
    """
    limits, known = MemoryLimits(), frozenset((*names, "params"))
    problems: list[Problem] = []
    kept: list[Any] = []  # what a chain has declared lives no longer than it
    nodes = list(nodes)
    for node in nodes:
        for inner, name in _with_nested(node, graph):
            here = known if inner.batch is None else known.union(inner.batch.names)
            try:
                kept.append(chain(inner.policies, _nothing, Place(inner, inner.id, name, limits, here)))
            except (DefinitionError, PolicyError) as error:
                where = "" if inner is node else f"node {inner.id} of graph {name}: "
                problems.append(Problem(error.code, f"{where}{error}", node=node.id, field="policies"))
    return [*problems, *shared_results(nodes)]


def _with_nested(node: Any, graph: str) -> Iterator[tuple[Any, str]]:
    """A node, and those that its steps run: of its graph, where it is one, and of its fallback; each with its graph."""
    yield node, graph
    inner = getattr(node, "graph", None)
    if isinstance(inner, Graph):
        for each in inner.nodes.values():
            yield from _with_nested(each, inner.name)
    for policy in node.policies:
        other = getattr(policy, "node", None)
        if isinstance(other, Node):
            yield from _with_nested(other, other.id)


async def _nothing(ctx: Any) -> None:
    """What the chains are built around that are only judged."""
