"""What the costly operations come to, in units of work, by the size of their values (see `meter.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, Final, TypeAlias

from nodeloom.expressions.limits import MAX_CHARACTERS, MAX_ITEMS, MAX_WORK
from nodeloom.expressions.meter import HEAVY, LIGHT
from nodeloom.expressions.patterns import pattern_cost
from nodeloom.expressions.shapes import is_list, is_map, is_sequence, is_set
from nodeloom.expressions.syntax import Constant, ListDisplay, Node, Step

Cost: TypeAlias = Callable[[Any, Any], int]

ITEM: Final = 10
"""Units for one item of a list or map."""

_CONTAINER: Final = 20
"""Units for a list or map that is looked into."""

SCALARS: Final = frozenset({int, float, bool, type(None)})
"""Types whose values take no time to compare."""

_Plain = dict[Any, Any]
_dict_values: Final = _Plain.values
_BY_KEY: Final = frozenset({dict, set, frozenset})


def size(value: Any) -> int:
    """Units for a value without looking below it: for what an operation made.

    Args:
        value: any value.
    """
    if isinstance(value, str):
        return str.__len__(value)
    return ITEM * len(value) if is_list(value) else 1


def weigh(value: Any) -> int:
    """Units for all that a value holds, counted as often as it is held; at most a little more than `MAX_WORK`.

    What holds one list very many times, or itself, takes that long to compare or to write. To know it takes no
    longer than to look at each thing once.

    Args:
        value: any value.
    """
    if type(value) in SCALARS:
        return ITEM
    try:
        return _weigh(value, {})
    except RecursionError:
        return MAX_WORK + 1


def _weigh(value: Any, known: dict[int, int]) -> int:
    if isinstance(value, str):
        return ITEM + str.__len__(value)
    if not (is_map(value) or is_sequence(value) or is_set(value)):
        return ITEM
    identity = id(value)
    if identity in known:
        return known[identity]
    known[identity] = MAX_WORK + 1  # until it is known: so much is what holds itself
    total = _CONTAINER
    for part in chain(value, _values(value)) if is_map(value) else value:
        total += ITEM if type(part) in SCALARS else _weigh(part, known)
        if total > MAX_WORK:
            break
    known[identity] = total
    return total


def _values(mapping: Mapping[Any, Any]) -> Iterable[Any]:
    if isinstance(mapping, dict):
        # Past the subscript of a mapping of its own, which may make a copy of what it lends.
        return _dict_values(mapping)
    return (mapping[key] for key in mapping)


def compared(left: Any, right: Any) -> int:
    """Units to compare two values: as far as the smaller one goes.

    Args:
        left, right: any values.
    """
    if type(left) in SCALARS or type(right) in SCALARS:
        return 1
    if isinstance(left, str):
        return 1 + (min(str.__len__(left), str.__len__(right)) >> 4) if isinstance(right, str) else 1
    return 1 if isinstance(right, str) else min(weigh(left), weigh(right))


def sought(item: Any, container: Any) -> int:
    """Units for `item in container`.

    Args:
        item: what is looked for. container: a text, list, set or map.
    """
    kind: Any = type(container)  # pyright: ignore[reportUnknownVariableType]
    if kind is list and type(item) is str:
        return (1 + len(container)) * (1 + (len(item) >> 4))  # the most frequent one
    if kind is str:
        return 1 + (len(container) >> 2)
    letters = str.__len__(item) >> 4 if isinstance(item, str) else 0
    if kind in _BY_KEY:
        return 1 + letters
    if not letters and type(item) not in SCALARS and type(item) is not str:
        return weigh(container)
    is_long = is_list(container) or is_sequence(container)
    return (1 + len(container)) * (1 + letters) if is_long else 1 + letters


def added(left: Any, right: Any) -> int:
    """Units for `left + right`: the text or list that it makes, if it does not refuse to."""
    if isinstance(left, str) and isinstance(right, str):
        characters = str.__len__(left) + str.__len__(right)
        return characters if characters <= MAX_CHARACTERS else 1
    items = len(left) + len(right) if is_list(left) and is_list(right) else 0
    return ITEM * items if items <= MAX_ITEMS else 1


def repeated(left: Any, right: Any) -> int:
    """Units for `left * right`: the text that it makes, if it does not refuse to."""
    text, times = (left, right) if isinstance(left, str) else (right, left)
    if not isinstance(text, str) or not isinstance(times, int):
        return 1
    characters = str.__len__(text) * max(times, 0)
    return characters if characters <= MAX_CHARACTERS else 1


_COMPARED: Final = dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), compared)
_COSTS: Final[dict[str, Cost]] = {
    **_COMPARED,
    **dict.fromkeys(("in", "not in"), sought),
    **dict.fromkeys(("matches", "not matches"), pattern_cost),
    "+": added,
    "*": repeated,
}


def cost_of(left: Node | None, step: Step) -> Cost | None:
    """What an operator may cost here, or None when it is next to nothing whatever the values are.

    Args:
        left: its left operand, where that is known. step: the operator and its right operand.
    """
    cost = _COSTS.get(step.operator)
    if cost is compared or cost is sought:
        # What is compared with a literal is read no further than the literal goes.
        known = (step.operand,) if cost is sought else (left, step.operand)
        return None if any(map(is_literal, known)) else cost
    if cost is added and any(_is_number(operand) for operand in (left, step.operand)):
        return None
    return cost


def is_literal(node: Node | None) -> bool:
    """Whether a node is a literal, or a list of literals.

    Args:
        node: a tree, or None for one that is not known.
    """
    if isinstance(node, ListDisplay):
        return all(isinstance(item, Constant) for item in node.items)
    return isinstance(node, Constant)


def _is_number(node: Node | None) -> bool:
    return isinstance(node, Constant) and type(node.value) in SCALARS


def weight_of(cost: Callable[..., int] | None) -> int:
    """The weight of an operation with this cost.

    Args:
        cost: None for next to nothing.
    """
    if cost is None:
        return 0
    return LIGHT if cost is added or cost is repeated else HEAVY
