"""Nodes of a graph that would be given one another's remembered results, and should not (semantics 5.7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from ..errors import Problem
from .idempotency import Idempotency
from .scope import scope_of, told_of

__all__ = ["shared_results"]

_OF_RUN = frozenset({"run"})
_OF_NODE = frozenset({"params", "item", "index"})


def shared_results(nodes: Iterable[Any]) -> list[Problem]:
    """What is wrong where two nodes do different things under one key: the second would not be done.

    A result belongs to a key and a type of node. That is one thing done for two nodes which are alike. Where they are
    not, nodes whose keys are equal in every run are an error; those whose keys may be are a warning.

    Args:
        nodes: those of a graph.
    """
    problems: list[Problem] = []
    firsts: dict[tuple[Any, str], tuple[Any, str]] = {}
    for node in nodes:
        policy = next((each for each in node.policies if isinstance(each, Idempotency)), None)
        if policy is None:
            continue
        told = told_of(node)
        first, told_first = firsts.setdefault((policy.key, scope_of(node)), (node, told))
        severity = _severity(policy, alike=type(first) is type(node), told_alike=told == told_first)
        if severity is not None:
            message = _message(first, node, policy, severity)
            problems.append(Problem("shared_result", message, node.id, "policies", severity=severity))
    return problems


def _severity(policy: Idempotency, *, alike: bool, told_alike: bool) -> Literal["error", "warning"] | None:
    if not alike:  # different code under one identifier
        return "error"
    if told_alike or policy.key is None:  # without a key, params are part of what makes calls equal
        return None
    if not isinstance(policy.key, str):
        return "warning"
    roots = policy.roots
    if roots & _OF_NODE:
        return None
    return "error" if roots <= _OF_RUN else "warning"


def _message(one: Any, other: Any, policy: Idempotency, severity: str) -> str:
    key = "no key of their own" if policy.key is None else f"the key {policy.key!r}"
    does = "gets" if severity == "error" else "may get"
    remedy = "give each a key with a name of its own in it, as " + (
        f"'{other.id} {policy.key}'" if isinstance(policy.key, str) else f"Idempotency(key='{other.id} ...')"
    )
    if type(one) is not type(other):
        remedy += ", or an identifier of its own"
    return (
        f"{one.id} and {other.id} do different things and are both of type {other.identifier}, with {key}: "
        f"{other.id} {does} the result of {one.id}, and is then not done; {remedy}"
    )
