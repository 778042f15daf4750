"""The syntax tree of an expression. Plain frozen records; `position` is an offset in the text.

Operators of one level stand side by side in one record (`a + b - c` is one `Arithmetic`), so the
depth of a tree is the nesting that the author wrote and not the length of the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal number, text, true, false or null."""

    value: Any
    position: int


@dataclass(frozen=True, slots=True)
class Name:
    """A root name: `state`."""

    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """`target.key`, `target[key]` and so on: every key in its order."""

    target: Node
    keys: tuple[Node, ...]
    position: int


@dataclass(frozen=True, slots=True)
class ListDisplay:
    """`[a, b]`."""

    items: tuple[Node, ...]
    position: int


@dataclass(frozen=True, slots=True)
class MapDisplay:
    """`{"a": b}`."""

    entries: tuple[tuple[str, Node], ...]
    position: int


@dataclass(frozen=True, slots=True)
class Negate:
    """`-a`."""

    operand: Node
    position: int


@dataclass(frozen=True, slots=True)
class Not:
    """`not a`."""

    operand: Node
    position: int


@dataclass(frozen=True, slots=True)
class Both:
    """`a and b and c`."""

    operands: tuple[Node, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Either:
    """`a or b or c`."""

    operands: tuple[Node, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Coalesce:
    """`a ?? b ?? c`."""

    operands: tuple[Node, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Step:
    """An operator and its right operand, in a comparison or in arithmetic."""

    operator: str
    operand: Node
    position: int


@dataclass(frozen=True, slots=True)
class Compare:
    """`a < b <= c`."""

    first: Node
    steps: tuple[Step, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`a + b - c`, or `a * b / c`."""

    first: Node
    steps: tuple[Step, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Exists:
    """`a exists`."""

    operand: Node
    position: int


@dataclass(frozen=True, slots=True)
class Choice:
    """`chosen if condition else other`."""

    condition: Node
    chosen: Node
    other: Node
    position: int


@dataclass(frozen=True, slots=True)
class Call:
    """`name(a, b)`."""

    name: str
    arguments: tuple[Node, ...]
    position: int


Node: TypeAlias = (
    Constant
    | Name
    | Lookup
    | ListDisplay
    | MapDisplay
    | Negate
    | Not
    | Both
    | Either
    | Coalesce
    | Compare
    | Arithmetic
    | Exists
    | Choice
    | Call
)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below one, in the order of the text."""
    match node:
        case Constant() | Name():
            return ()
        case Lookup(target, keys):
            return (target, *keys)
        case ListDisplay(items):
            return items
        case MapDisplay(entries):
            return tuple(value for _, value in entries)
        case Negate(operand) | Not(operand) | Exists(operand):
            return (operand,)
        case Both(operands) | Either(operands) | Coalesce(operands):
            return operands
        case Compare(first, steps) | Arithmetic(first, steps):
            return (first, *(step.operand for step in steps))
        case Choice(condition, chosen, other):
            return (chosen, condition, other)
        case Call(_, arguments):
            return arguments
