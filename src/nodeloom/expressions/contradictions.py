"""Conditions that can never hold, as far as that can be known without running them.

Found: a condition without names that is false or fails, and comparisons of one path with literals that
exclude one another, when all of them must hold. What is said is right for plain data; not everything that
could be said is.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from nodeloom.errors import ExpressionError
from nodeloom.expressions.compiler import Compiler
from nodeloom.expressions.expression import Expression
from nodeloom.expressions.literals import literal
from nodeloom.expressions.lookups import path_text, static_parts
from nodeloom.expressions.meter import WorkLimit, foreseen
from nodeloom.expressions.operations import RELATIONS, truth
from nodeloom.expressions.syntax import (
    Both,
    Compare,
    Constant,
    Either,
    ListDisplay,
    Lookup,
    Name,
    Node,
    children,
)

_FLIPPED: Final = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_COMPARED: Final = 30
"""Demands on one path that are compared with one another; with more, nothing is said."""

_SHOWN: Final = 4
_Key: TypeAlias = tuple[tuple[type, str | int], ...]


class _Demand(NamedTuple):
    """One comparison of a path with a literal, or with a list of literals after `in`."""

    operator: str
    value: Any

    def admits(self, value: Any) -> bool:
        """Whether this value would pass; a comparison that fails does not hold either."""
        try:
            return bool(RELATIONS[self.operator](value, self.value))
        except Exception:
            return False

    def __str__(self) -> str:
        return f"{self.operator} {literal(self.value)}"


@lru_cache(maxsize=16_384)
def never_holds(expression: Expression) -> str | None:
    """Why a condition can never hold, or None when it might.

    Args:
        expression: the condition.

    Example:
        `never_holds(parse("state.x > 5 and state.x < 3"))` is
        `nothing is both > 5 and < 3, as state.x would have to be`.
    """
    named: set[int] = set()
    _find_names(expression.tree, named)
    return _reason(expression.tree, expression.text, named)


def _reason(node: Node, text: str, named: set[int]) -> str | None:
    if isinstance(node, Either):
        reasons = [_reason(operand, text, named) for operand in node.operands]
        return None if None in reasons else "; and ".join(filter(None, reasons[:_SHOWN]))
    if id(node) not in named:
        return _constant_reason(node, text)
    conjuncts = list(_conjuncts(node))
    for conjunct in conjuncts:
        if conjunct is not node and (reason := _reason(conjunct, text, named)):
            return reason
    demands: dict[_Key, list[_Demand]] = {}
    for conjunct in conjuncts:
        for key, demand in _demands(conjunct):
            demands.setdefault(key, []).append(demand)
    clashes = (_clash(path_text(tuple(part for _, part in key)), found) for key, found in demands.items())
    return next((clash for clash in clashes if clash), None)


def _conjuncts(node: Node) -> Iterator[Node]:
    if isinstance(node, Both):
        for operand in node.operands:
            yield from _conjuncts(operand)
    else:
        yield node


def _find_names(node: Node, named: set[int]) -> bool:
    """Whether there is a name in a tree; the nodes that hold one are added, by identity."""
    found = isinstance(node, Name)
    for child in children(node):
        found |= _find_names(child, named)
    if found:
        named.add(id(node))
    return found


def _constant_reason(node: Node, text: str) -> str | None:
    try:
        return None if truth(foreseen(Compiler(text).build(node))) else "it is always false"
    except WorkLimit:
        return None
    except ExpressionError as error:
        return f"it always fails: {error.reason}"


def _demands(node: Node) -> Iterator[tuple[_Key, _Demand]]:
    """What a comparison demands of paths: each link of a chain that has a literal on one side."""
    if not isinstance(node, Compare):
        return
    left = node.first
    for step in node.steps:
        right, operator = step.operand, step.operator
        if (key := _key(left)) and (found := _literal(right, operator)):
            yield key, _Demand(operator, found[0])
        elif (key := _key(right)) and operator in _FLIPPED and (found := _literal(left, operator)):
            yield key, _Demand(_FLIPPED[operator], found[0])
        left = right


def _key(node: Node) -> _Key | None:
    """A path that is written out in full; with the types, since 0 and false are one key in Python."""
    parts, whole = static_parts(node) if isinstance(node, Name | Lookup) else ((), False)
    return tuple((type(part), part) for part in parts) if whole else None


def _literal(node: Node, operator: str) -> tuple[Any] | None:
    """The value of a literal that this can reason about, in a tuple since it may be None."""
    if operator == "in":
        if not isinstance(node, ListDisplay) or not all(isinstance(item, Constant) for item in node.items):
            return None
        return ([item.value for item in node.items if isinstance(item, Constant)],)
    return (node.value,) if isinstance(node, Constant) and operator in _FLIPPED else None


def _clash(path: str, demands: list[_Demand]) -> str | None:
    listed = [demand for demand in demands if demand.operator in ("==", "in")]
    if len(demands) > _COMPARED:
        return None
    if listed:
        chosen = listed[0]
        candidates = chosen.value if chosen.operator == "in" else [chosen.value]
        if len(candidates) * len(demands) > _COMPARED**2:
            return None
        if any(all(demand.admits(value) for demand in demands) for value in candidates):
            return None
        return _said(path, [chosen, *(demand for demand in demands if demand is not chosen)])
    for lower in demands:
        for upper in demands:
            if lower.operator in (">", ">=") and upper.operator in ("<", "<=") and _apart(lower, upper):
                return _said(path, [lower, upper])
    return None


def _apart(lower: _Demand, upper: _Demand) -> bool:
    """Whether nothing lies between two bounds. Only within numbers, and within texts, is there one order."""
    low, high = lower.value, upper.value
    if not (_is_number(low) and _is_number(high)) and not (isinstance(low, str) and isinstance(high, str)):
        return False
    both_included = lower.operator == ">=" and upper.operator == "<="
    return bool(low > high or (low == high and not both_included))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _said(path: str, demands: list[_Demand]) -> str:
    if len(demands) == 1:
        return f"nothing is {demands[0]}, as {path} would have to be"
    shown = " and ".join(map(str, demands[:_SHOWN])) + (" and more" if len(demands) > _SHOWN else "")
    return f"nothing is both {shown}, as {path} would have to be"
