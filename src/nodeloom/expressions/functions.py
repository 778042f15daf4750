"""The functions of the language: pure, few, and bounded. `exists` and `default` are in the parser.

A function takes plain values and never calls an attribute of one: `str.lower(text)`, not `text.lower()`.
Its errors carry no place; the compiler adds it.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from typing import Any, Final, NamedTuple

from nodeloom.errors import ExpressionLimit, ExpressionTypeError
from nodeloom.expressions.costs import ITEM, SCALARS, sought, weigh
from nodeloom.expressions.limits import MAX_CHARACTERS, MAX_ITEMS
from nodeloom.expressions.missing import MISSING
from nodeloom.expressions.operations import bounded, bounded_list, bounded_text, contains, truth
from nodeloom.expressions.rendering import as_text, json_text
from nodeloom.expressions.shapes import is_list, is_map, is_number, is_sequence, is_set
from nodeloom.expressions.wording import kind

MANY: Final = 1_000
# Items that are lists or maps are compared one with another, which is quadratic.
_MAX_UNHASHABLE: Final = 1_000


class Function(NamedTuple):
    """A function of the language: its name, its least and most arguments, and what it does.

    `cost` is the work of a call, but for what it makes; None when it is next to nothing whatever the arguments are.
    """

    name: str
    least: int
    most: int
    call: Callable[..., Any]
    usage: str
    cost: Callable[..., int] | None = None


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
    return str.strip(_text(text), None if characters is None else _distinct(_text(characters)))


def _distinct(characters: str) -> str:
    return "".join(set(characters)) if len(characters) > 100 else characters


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
    values: Any = items if isinstance(items, str) else _items(items)
    return values[-1] if values else MISSING


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
        hashable = _is_hashable(item)
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


def _is_hashable(item: Any) -> bool:
    return isinstance(item, Hashable) and not isinstance(item, tuple)


def _contains(container: Any, item: Any) -> bool:
    return contains(item, container)


def _length(value: Any, *_: Any) -> int:
    """The work of looking at each character of a text, or at each item of a list or map."""
    if isinstance(value, str):
        return 2 * str.__len__(value)
    return ITEM * len(value) if is_map(value) or is_sequence(value) or is_set(value) else 1


def _whole_weight(*values: Any) -> int:
    return sum([weigh(value) for value in values if type(value) not in SCALARS])


def _stripping(text: Any, characters: Any = "") -> int:
    kinds = len(set(characters)) if isinstance(characters, str) else 1
    return _length(text) * (1 + kinds // 16) + _length(characters)


def _replacing(text: Any, old: Any, new: Any) -> int:
    return 2 * _length(text) + _length(old) + _length(new)


def _seeking(container: Any, item: Any) -> int:
    return sought(item, container)


def _joining(items: Any, separator: Any = "") -> int:
    return 2 * weigh(items) + _length(separator)


def _sorting(items: Any) -> int:
    return weigh(items) * (1 + _length(items).bit_length() // 4)


def _telling_apart(items: Any) -> int:
    """The work of comparing each item with every other where they are lists or maps."""
    lists = sum(not _is_hashable(item) for item in items) if is_list(items) else 0
    return weigh(items) * (1 + min(lists, _MAX_UNHASHABLE) // 10)


_ALL: Final = (
    Function("abs", 1, 1, _abs, "abs(number)"),
    Function("bool", 1, 1, truth, "bool(value): whether it counts as true"),
    Function("contains", 2, 2, _contains, "contains(container, item): the same as `item in container`", _seeking),
    Function("endswith", 2, 2, _endswith, "endswith(text, end)"),
    Function("first", 1, 1, _first, "first(list): missing when it is empty"),
    Function("float", 1, 1, _float, "float(number or text)", _length),
    Function("int", 1, 1, _int, "int(number or text): cut towards zero", _length),
    Function("join", 1, 2, _join, "join(list, separator='')", _joining),
    Function("json", 1, 1, _json, "json(value): its JSON text", _whole_weight),
    Function("keys", 1, 1, _keys, "keys(map)", _length),
    Function("last", 1, 1, _last, "last(list): missing when it is empty"),
    Function("len", 1, 1, _len, "len(text, list or map)"),
    Function("lower", 1, 1, _lower, "lower(text)", _length),
    Function("max", 1, MANY, _max, "max(list) or max(a, b, ...)", _whole_weight),
    Function("min", 1, MANY, _min, "min(list) or min(a, b, ...)", _whole_weight),
    Function("range", 1, 3, _range, "range(stop), range(start, stop), range(start, stop, step)", _length),
    Function("replace", 3, 3, _replace, "replace(text, old, new)", _replacing),
    Function("round", 1, 2, _round, "round(number, digits): halves to the even neighbour, as Python"),
    Function("sorted", 1, 1, _sorted, "sorted(list)", _sorting),
    Function("split", 1, 2, _split, "split(text, separator): at white space without one", _length),
    Function("startswith", 2, 2, _startswith, "startswith(text, start)"),
    Function("str", 1, 1, _str, "str(value): as it stands in mixed text", _whole_weight),
    Function("strip", 1, 2, _strip, "strip(text, characters)", _stripping),
    Function("sum", 1, 1, _sum, "sum(list of numbers)", _length),
    Function("unique", 1, 1, _unique, "unique(list): the first of equal items, in order", _telling_apart),
    Function("upper", 1, 1, _upper, "upper(text)", _length),
    Function("values", 1, 1, _values, "values(map)", _length),
)

FUNCTIONS: Final[dict[str, Function]] = {function.name: function for function in _ALL}
"""Every function by its name; the editor lists `usage`."""
