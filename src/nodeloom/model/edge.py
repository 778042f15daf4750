"""Edges: where a token may go when a step is done, and when."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, cast

import msgspec
from msgspec.structs import force_setattr

from .values import Values, sealed

__all__ = ["Edge", "EdgeCondition", "EdgeKind", "Quorum", "Route", "Routing"]

EdgeKind = Literal["always", "when", "otherwise", "error", "route"]
Keywords = tuple[tuple[str, Any], ...]


class Routing(msgspec.Struct, frozen=True, gc=False):
    """What an `EdgeCondition` may look at: the step that has just completed, after its updates."""

    node_id: str
    inputs: Values
    outputs: Values
    state: Values


class EdgeCondition:
    """A Python predicate on an edge, for graphs that stay in Python.

    Args:
        predicate: called with a `Routing` (`node_id`, `inputs`, `outputs` of the step, `state` after it); its
            truth takes the edge. It must be quick and must not wait.

    Such a graph cannot be saved as a document or distributed; write the condition as an expression for that.

    Example:
        `a.goto(b, condition=EdgeCondition(lambda step: step.outputs.get("score", 0) > 0.8))`
    """

    __slots__ = ("predicate",)

    def __init__(self, predicate: Callable[[Routing], object]) -> None:
        if not callable(predicate):
            raise TypeError(f"EdgeCondition takes a function of one step, not {predicate!r}")
        if inspect.iscoroutinefunction(predicate):
            raise TypeError(
                f"EdgeCondition takes a plain function: {predicate!r} is async, and a coroutine is always true"
            )
        self.predicate = predicate

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EdgeCondition) and other.predicate is self.predicate

    def __hash__(self) -> int:
        return hash(self.predicate)


class Quorum(msgspec.Struct, frozen=True):
    """`join=Quorum(n)`: the node starts at the nth arrival; what comes later is dropped (semantics 3.4)."""

    n: int

    def __post_init__(self) -> None:
        if type(self.n) is not int or self.n < 1:
            raise ValueError(f"Quorum takes a whole number of arrivals from 1, not {self.n!r}")


class Edge(msgspec.Struct, frozen=True):
    """One edge as it was declared.

    Attributes:
        source, target: node ids.
        kind: `always`; `when` a condition holds; `otherwise` when none did; `error` when the step failed;
            `route` when the node's own Route says so.
        when: the condition as written: a text of the expression language, or the pairs of a keyword condition.
        predicate: the same in Python.
        errors: for `error`, the type names it catches; empty for any.
        metadata: what the author attached, as a copy that cannot be changed; of all of it a clock reads `read`.
        line: where a document declares it, from 1.
    """

    source: str
    target: str
    kind: EdgeKind = "always"
    when: str | Keywords | None = None
    predicate: EdgeCondition | None = None
    errors: tuple[str, ...] = ()
    metadata: Mapping[str, Any] | None = None
    line: int | None = None

    def __post_init__(self) -> None:
        if self.metadata is not None:
            force_setattr(self, "metadata", sealed(dict(self.metadata)))

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"

    @property
    def meaning(self) -> tuple[Any, ...]:
        """What makes two edges the same edge."""
        return (self.source, self.target, self.kind, self.when, self.predicate, self.errors)


class Route:
    """Outputs together with the nodes to go to, among those the node has an edge to.

    Args:
        outputs: the step's outputs, a mapping; None for none.
        to: a node, a node id, or a list of either. `(node, inputs)` sends a token with inputs of its own;
            the same node may be named many times, each time with other inputs. Every node on a token's way runs once
            for it, until a join: one with several incoming edges, or with `join="all"`.

    Example:
        `return Route({"n": 3}, to=[(resize, {"path": p}) for p in paths])`
    """

    __slots__ = ("outputs", "to")

    def __init__(self, outputs: Mapping[str, Any] | None = None, to: Any = ()) -> None:
        self.outputs = outputs
        single = not isinstance(to, list | tuple) or _is_send(to)
        self.to: tuple[Any, ...] = (to,) if single else tuple(cast(Iterable[Any], to))

    def __repr__(self) -> str:
        return f"Route({self.outputs!r}, to={list(self.to)!r})"

    def sends(self) -> list[tuple[str, Mapping[str, Any] | None]]:
        """Each send as (node id, inputs or None for the step's outputs)."""
        return [_send(item) for item in self.to]


def _is_send(value: Any) -> bool:
    if not isinstance(value, tuple):
        return False
    pair = tuple[Any, ...](value)  # pyright: ignore[reportUnknownArgumentType]
    return len(pair) == 2 and isinstance(pair[1], Mapping)


def _send(item: Any) -> tuple[str, Mapping[str, Any] | None]:
    target, inputs = item if _is_send(item) else (item, None)
    node_id = target if isinstance(target, str) else getattr(target, "id", None)
    if not isinstance(node_id, str):
        raise TypeError(f"Route goes to nodes, node ids or (node, inputs) pairs, not {item!r}")
    return node_id, inputs
