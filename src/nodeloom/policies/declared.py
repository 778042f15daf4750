"""What definitions and documents ask of policies, which stand a floor above them (see `nodes.host`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import DefinitionError, PolicyError, Problem
from .chain import chain, check_policies
from .limits import MemoryLimits
from .policy import Place
from .settings import read_policies, settings_of

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
    for node in nodes:
        here = known if node.batch is None else known.union(node.batch.names)
        try:
            kept.append(chain(node.policies, _nothing, Place(node, node.id, graph, limits, here)))
        except (DefinitionError, PolicyError) as error:
            problems.append(Problem(error.code, str(error), node=node.id, field="policies"))
    return problems


async def _nothing(ctx: Any) -> None:
    """What the chains are built around that are only judged."""
