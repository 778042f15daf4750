"""The syntax tree of an expression. Plain frozen records; `position` is an offset in the text.

Operators of one level stand side by side in one record (`a + b - c` is one `Arithmetic`), so the
depth of a tree is the nesting that the author wrote and not the length of the text.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias


class Constant(NamedTuple):
    """A literal number, text, true, false or null."""

    value: Any
    position: int


class Name(NamedTuple):
    """A root name: `state`."""

    name: str
    position: int


class Lookup(NamedTuple):
    """`target.key`, `target[key]` and so on: every key in its order."""

    target: Node
    keys: tuple[Node, ...]
    position: int


class ListDisplay(NamedTuple):
    """`[a, b]`."""

    items: tuple[Node, ...]
    position: int


class MapDisplay(NamedTuple):
    """`{"a": b}`."""

    entries: tuple[tuple[str, Node], ...]
    position: int


class Negate(NamedTuple):
    """`-a`."""

    operand: Node
    position: int


class Not(NamedTuple):
    """`not a`."""

    operand: Node
    position: int


class Both(NamedTuple):
    """`a and b and c`."""

    operands: tuple[Node, ...]
    position: int


class Either(NamedTuple):
    """`a or b or c`."""

    operands: tuple[Node, ...]
    position: int


class Coalesce(NamedTuple):
    """`a ?? b ?? c`."""

    operands: tuple[Node, ...]
    position: int


class Step(NamedTuple):
    """An operator and its right operand, in a comparison or in arithmetic."""

    operator: str
    operand: Node
    position: int


class Compare(NamedTuple):
    """`a < b <= c`."""

    first: Node
    steps: tuple[Step, ...]
    position: int


class Arithmetic(NamedTuple):
    """`a + b - c`, or `a * b / c`."""

    first: Node
    steps: tuple[Step, ...]
    position: int


class Exists(NamedTuple):
    """`a exists`."""

    operand: Node
    position: int


class Choice(NamedTuple):
    """`chosen if condition else other`."""

    condition: Node
    chosen: Node
    other: Node
    position: int


class Call(NamedTuple):
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
