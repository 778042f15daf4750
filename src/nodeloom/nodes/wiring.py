"""How nodes become a graph: `a >> b`, conditions, error edges, groups (semantics 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Protocol, cast

import msgspec

from ..errors import DefinitionError, FrozenDefinition
from ..model.edge import EdgeCondition, EdgeKind, Keywords

__all__ = [
    "Group",
    "Pending",
    "Wirable",
    "Wire",
    "as_wirable",
    "condition_of",
    "error_name",
    "going",
    "is_error_name",
    "rewire",
]

_declared = count()


class Place(Protocol):
    """What wiring needs of a node."""

    id: str
    frozen: bool
    wires: list[Wire]


class Wire(msgspec.Struct, frozen=True):
    """An edge as a node holds it: ends as nodes, and its number in the order of declaration."""

    order: int
    source: Any
    target: Any
    kind: EdgeKind = "always"
    when: str | Keywords | None = None
    predicate: EdgeCondition | None = None
    errors: tuple[str, ...] = ()
    metadata: Mapping[str, Any] | None = None

    def same_as(self, other: Wire) -> bool:
        """Whether repeating this edge would add nothing."""
        return self.target is other.target and (self.kind, self.when, self.predicate, self.errors) == (
            other.kind,
            other.when,
            other.predicate,
            other.errors,
        )


class Wirable:
    """What can stand on either side of `>>`."""

    __slots__ = ()

    def __rshift__(self, target: Any) -> Any:
        """`a >> b`, `a >> [b, c]`: edges from here; gives what stands on the right, to go on from."""
        right = as_wirable(target)
        for source in self.sources():
            for node in right.targets():
                connect(source, node)
        return right

    def __rrshift__(self, source: Any) -> Any:
        return as_wirable(source) >> self

    def sources(self) -> list[Pending]:
        """Where edges that go on from here begin."""
        raise NotImplementedError  # each of the three kinds below says

    def targets(self) -> list[Any]:
        """The nodes that edges to here end at."""
        raise NotImplementedError


class Pending(Wirable):
    """The beginning of an edge whose end is still to come: `a.on(...)`, `a.otherwise()`, `a.on_error(...)`."""

    __slots__ = ("errors", "kind", "metadata", "node", "predicate", "when")

    def __init__(
        self,
        node: Place,
        kind: EdgeKind = "always",
        *,
        when: str | Keywords | None = None,
        predicate: EdgeCondition | None = None,
        errors: tuple[str, ...] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.node = node
        self.kind: EdgeKind = kind
        self.when = when
        self.predicate = predicate
        self.errors = errors
        self.metadata = metadata

    def sources(self) -> list[Pending]:
        return [self]

    def targets(self) -> list[Any]:
        return [self.node]

    def __repr__(self) -> str:
        return f"<{self.kind} edge from {self.node.id}>"

    def __bool__(self) -> bool:
        raise DefinitionError("an edge that leads nowhere yet has no truth; go on with >> node")


class Group(Wirable, list[Any]):
    """Several nodes wired at once; it can be gone on from, as in `a >> [b, c] >> [d, e]`."""

    def sources(self) -> list[Pending]:
        return [source for item in self for source in as_wirable(item).sources()]

    def targets(self) -> list[Any]:
        return [target for item in self for target in as_wirable(item).targets()]

    __rshift__ = Wirable.__rshift__


def as_wirable(value: Any) -> Wirable:
    """What stands beside `>>`, a list as a group.

    Raises:
        DefinitionError: for anything that is no node.
    """
    if isinstance(value, Wirable):
        return value
    if isinstance(value, list | tuple):
        return Group(cast("list[Any]", value))
    hint = " (a class: make a node of it, as Fetch(url=...))" if isinstance(value, type) else ""
    raise DefinitionError(f"an edge joins nodes, not {value!r}{hint}")


def connect(source: Pending, target: Place) -> None:
    """Add an edge to the source's definition, once.

    Raises:
        FrozenDefinition: when either end is part of a compiled graph.
    """
    node = source.node
    for end in (node, target):
        if end.frozen:
            raise FrozenDefinition(
                f"{end.id} is part of a compiled graph and takes no new edges ({node.id} >> {target.id}); "
                f"wire everything before Graph(...), or use {end.id}.copy()"
            )
    wire = Wire(
        next(_declared),
        node,
        target,
        source.kind,
        source.when,
        source.predicate,
        source.errors,
        source.metadata,
    )
    if not any(wire.same_as(other) for other in node.wires):
        node.wires.append(wire)


def error_name(error: Any) -> str:
    """What an `on_error` edge stores: of a class its full name, which no other class has; a text as it is.

    A text matches classes by their plain names too, whatever module they are from (semantics 2.5).
    """
    if isinstance(error, str):
        if not is_error_name(error):
            raise DefinitionError(
                f"{error!r} names no error; give a class or its name, as TimeoutError or my.errors.Busy"
            )
        return error
    if isinstance(error, type) and issubclass(error, BaseException):
        return f"{error.__module__}.{error.__qualname__}"
    raise DefinitionError(f"on_error takes exception classes or their names, not {error!r}")


def condition_of(node_id: str, condition: Any, keywords: Mapping[str, Any]) -> str | Keywords:
    """What `on()` of a node was given, as an edge holds it.

    Raises:
        DefinitionError: neither one expression nor keywords, with what would be right.
    """
    if condition is not None and not isinstance(condition, str):
        raise DefinitionError(
            f"{node_id}.on() takes an expression, as on('state.score > 0.8'), or keywords over the node's own output, "
            f"as on(status='ok'), not {condition!r}; a condition in Python is given to goto: "
            f"{node_id}.goto(target, condition=EdgeCondition(lambda step: step.outputs['score'] > 0.8))"
        )
    if (condition is None) == (not keywords):
        raise DefinitionError(f"{node_id}.on() takes one expression or keywords, as on(status='ok')")
    return condition if condition is not None else tuple(keywords.items())


def going(node: Place, condition: Any, metadata: Mapping[str, Any] | None) -> Pending:
    """The beginning of an edge that `goto` makes.

    Raises:
        DefinitionError: the condition is neither an expression nor an `EdgeCondition`, nor left out.
    """
    if condition is None:
        return Pending(node, metadata=metadata)
    if isinstance(condition, str):
        return Pending(node, "when", when=condition, metadata=metadata)
    if isinstance(condition, EdgeCondition):
        return Pending(node, "when", predicate=condition, metadata=metadata)
    raise DefinitionError(
        f"the condition of {node.id}.goto() is an expression or an EdgeCondition, as "
        f"EdgeCondition(lambda step: step.outputs['score'] > 0.8), not {condition!r}"
    )


def is_error_name(text: str) -> bool:
    """Whether an error can be called so: an identifier, or several with dots between."""
    return all(part.isidentifier() or part == "<locals>" for part in text.split("."))


def rewire(wires: Iterable[Wire]) -> Sequence[Wire]:
    """Edges in the order they were declared, whichever nodes hold them."""
    return sorted(wires, key=lambda wire: wire.order)
