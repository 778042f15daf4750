"""The functions of the language: pure, few, and bounded. `exists` and `default` are in the parser.

A function takes plain values and never calls an attribute of one: `str.lower(text)`, not `text.lower()`.
Its errors carry no place; the compiler adds it.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

from nodeloom.errors import ExpressionLimit, ExpressionTypeError
from nodeloom.expressions.limits import MAX_CHARACTERS, MAX_ITEMS
from nodeloom.expressions.missing import MISSING
from nodeloom.expressions.operations import bounded, bounded_list, bounded_text, contains, truth
from nodeloom.expressions.rendering import as_text, json_text
from nodeloom.expressions.shapes import is_map, is_number, is_sequence, is_set
from nodeloom.expressions.wording import kind

MANY: Final = 1_000
# Items that are lists or maps are compared one with another, which is quadratic.
_MAX_UNHASHABLE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language: its name, its least and most arguments, and what it does."""

    name: str
    least: int
    most: int
    call: Callable[..., Any]
    usage: str


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ExpressionTypeError(f"needs a text, and this is {kind(value)}")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise ExpressionTypeError(f"needs a whole number, and this is {kind(value)}")
    return value


def _number(value: Any) -> Any:
    if not is_number(value):
        raise ExpressionTypeError(f"needs a number, and this is {kind(value)}")
    return value


def _items(value: Any) -> Sequence[Any] | Set[Any]:
    if is_sequence(value) or is_set(value):
        return value
    raise ExpressionTypeError(f"needs a list, and this is {kind(value)}")


def _map(value: Any) -> Mapping[Any, Any]:
    if not is_map(value):
        raise ExpressionTypeError(f"needs a map, and this is {kind(value)}")
    return value


def _len(value: Any) -> int:
    if isinstance(value, str) or is_map(value) or is_sequence(value) or is_set(value):
        return builtins.len(value)
    raise ExpressionTypeError(f"needs a text, a list or a map, and this is {kind(value)}")


def _lower(text: Any) -> str:
    return str.lower(_text(text))


def _upper(text: Any) -> str:
    return str.upper(_text(text))


def _strip(text: Any, characters: Any = None) -> str:
    return str.strip(_text(text), None if characters is None else _text(characters))


def _split(text: Any, separator: Any = None) -> list[str]:
    if separator is not None and not _text(separator):
        raise ExpressionTypeError("needs a separator that is not empty")
    parts = str.split(_text(text), separator, MAX_ITEMS)
    bounded_list(len(parts))
    return parts


def _join(items: Any, separator: Any = "") -> str:
    texts: list[str] = []
    left = MAX_CHARACTERS
    for item in _items(items):
        texts.append(as_text(item, left))
        left = max(left - len(texts[-1]) - len(_text(separator)), 0)
    bounded_text(sum(map(len, texts)) + len(_text(separator)) * len(texts))
    return str.join(separator, texts)


def _replace(text: Any, old: Any, new: Any) -> str:
    count = str.count(_text(text), _text(old))
    bounded_text(len(text) + count * max(len(_text(new)) - len(old), 0))
    return str.replace(text, old, new)


def _startswith(text: Any, start: Any) -> bool:
    return str.startswith(_text(text), _text(start))


def _endswith(text: Any, end: Any) -> bool:
    return str.endswith(_text(text), _text(end))


def _round(number: Any, digits: Any = None) -> Any:
    if digits is None:
        return bounded(builtins.round(_number(number)))
    if not -400 <= _whole(digits) <= 400:
        raise ExpressionLimit("rounds to between -400 and 400 digits")
    return bounded(builtins.round(_number(number), digits))


def _abs(number: Any) -> Any:
    return builtins.abs(_number(number))


def _min(*values: Any) -> Any:
    return _extreme(builtins.min, values)


def _max(*values: Any) -> Any:
    return _extreme(builtins.max, values)


def _extreme(choose: Callable[[Iterable[Any]], Any], values: tuple[Any, ...]) -> Any:
    """The extreme of the arguments, or of the list that is the only one; missing when that is empty."""
    items = _items(values[0]) if len(values) == 1 else values
    return choose(items) if items else MISSING


def _sum(items: Any) -> Any:
    total: Any = 0
    for item in _items(items):
        total = bounded(total + _number(item))
    return total


def _int(value: Any) -> int:
    number = builtins.int(value if isinstance(value, str) else _number(value))
    bounded(number)
    return number


def _float(value: Any) -> float:
    return builtins.float(value if isinstance(value, str) else _number(value))


def _str(value: Any) -> str:
    return as_text(value, MAX_CHARACTERS)


def _json(value: Any) -> str:
    return json_text(value, MAX_CHARACTERS)


def _keys(value: Any) -> list[Any]:
    return list(_map(value))


def _values(value: Any) -> list[Any]:
    return [value[key] for key in _map(value)]


def _sorted(items: Any) -> list[Any]:
    return builtins.sorted(_items(items))


def _first(items: Any) -> Any:
    return next(iter(items if isinstance(items, str) else _items(items)), MISSING)


def _last(items: Any) -> Any:
    if isinstance(items, Set):
        raise ExpressionTypeError("needs a list, and a set has no order")
    values = items if isinstance(items, str) else _items(items)
    return list(values)[-1] if values else MISSING


def _range(*bounds: Any) -> list[int]:
    if len(bounds) == 3 and bounds[2] == 0:
        raise ExpressionTypeError("needs a step that is not 0")
    numbers = range(*map(_whole, bounds))
    # `numbers[MAX_ITEMS:]` and not `len`, which fails past the largest machine word.
    if numbers[MAX_ITEMS:]:
        bounded_list(MAX_ITEMS + 1)
    return list(numbers)


def _unique(items: Any) -> list[Any]:
    kept: list[Any] = []
    seen: set[Any] = set()
    unhashable: list[Any] = []
    for item in _items(items):
        hashable = isinstance(item, Hashable) and not isinstance(item, tuple)
        known: Any = seen if hashable else unhashable
        if item in known:
            continue
        kept.append(item)
        if hashable:
            seen.add(item)
        else:
            unhashable.append(item)
        if len(unhashable) > _MAX_UNHASHABLE:
            raise ExpressionLimit(f"compares at most {_MAX_UNHASHABLE:,} lists and maps")
    return kept


def _contains(container: Any, item: Any) -> bool:
    return contains(item, container)


_ALL: Final = (
    Function("abs", 1, 1, _abs, "abs(number)"),
    Function("bool", 1, 1, truth, "bool(value): whether it counts as true"),
    Function("contains", 2, 2, _contains, "contains(container, item): the same as `item in container`"),
    Function("endswith", 2, 2, _endswith, "endswith(text, end)"),
    Function("first", 1, 1, _first, "first(list): missing when it is empty"),
    Function("float", 1, 1, _float, "float(number or text)"),
    Function("int", 1, 1, _int, "int(number or text): cut towards zero"),
    Function("join", 1, 2, _join, "join(list, separator='')"),
    Function("json", 1, 1, _json, "json(value): its JSON text"),
    Function("keys", 1, 1, _keys, "keys(map)"),
    Function("last", 1, 1, _last, "last(list): missing when it is empty"),
    Function("len", 1, 1, _len, "len(text, list or map)"),
    Function("lower", 1, 1, _lower, "lower(text)"),
    Function("max", 1, MANY, _max, "max(list) or max(a, b, ...)"),
    Function("min", 1, MANY, _min, "min(list) or min(a, b, ...)"),
    Function("range", 1, 3, _range, "range(stop), range(start, stop), range(start, stop, step)"),
    Function("replace", 3, 3, _replace, "replace(text, old, new)"),
    Function("round", 1, 2, _round, "round(number, digits): halves to the even neighbour, as Python"),
    Function("sorted", 1, 1, _sorted, "sorted(list)"),
    Function("split", 1, 2, _split, "split(text, separator): at white space without one"),
    Function("startswith", 2, 2, _startswith, "startswith(text, start)"),
    Function("str", 1, 1, _str, "str(value): as it stands in mixed text"),
    Function("strip", 1, 2, _strip, "strip(text, characters)"),
    Function("sum", 1, 1, _sum, "sum(list of numbers)"),
    Function("unique", 1, 1, _unique, "unique(list): the first of equal items, in order"),
    Function("upper", 1, 1, _upper, "upper(text)"),
    Function("values", 1, 1, _values, "values(map)"),
)

FUNCTIONS: Final[dict[str, Function]] = {function.name: function for function in _ALL}
"""Every function by its name; the editor lists `usage`."""
