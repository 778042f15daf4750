"""What the operators do with values. Plain data only: no method or attribute of a value is used.

Every failure is an `ExpressionError` without a place; the compiler adds the text and the position.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Final, TypeAlias

from nodeloom.errors import ExpressionError, ExpressionLimit, ExpressionTypeError
from nodeloom.expressions.limits import MAX_BITS, MAX_CHARACTERS, MAX_ITEMS
from nodeloom.expressions.missing import MISSING
from nodeloom.expressions.patterns import matches
from nodeloom.expressions.shapes import is_list, is_number
from nodeloom.expressions.wording import kind

Operation: TypeAlias = Callable[[Any, Any], Any]

_LARGEST: Final = 1 << MAX_BITS
_CONTAINERS: Final = frozenset({list, tuple, dict, set, frozenset})


def truth(value: Any) -> bool:
    """Whether a value counts as true. Missing, null, 0, empty texts, lists and maps do not.

    Args:
        value: any value.

    Raises:
        ExpressionTypeError: the value refuses to say, as an array does.
    """
    try:
        return bool(value)
    except Exception:
        raise ExpressionTypeError(f"{kind(value)} is neither true nor false") from None


def bounded(number: Any) -> Any:
    """The number itself, unless it is a whole number of more than 4,096 bits."""
    if isinstance(number, int) and not -_LARGEST < number < _LARGEST:
        raise ExpressionLimit(f"a whole number has at most {MAX_BITS:,} bits")
    return number


def bounded_text(characters: int) -> None:
    """Refuse to make a text of more characters than the bound."""
    if characters > MAX_CHARACTERS:
        raise ExpressionLimit(f"this would make a text of more than {MAX_CHARACTERS:,} characters")


def bounded_list(items: int) -> None:
    """Refuse to make a list of more items than the bound."""
    if items > MAX_ITEMS:
        raise ExpressionLimit(f"this would make a list of more than {MAX_ITEMS:,} items")


def add(left: Any, right: Any) -> Any:
    """`left + right`: numbers, two texts, or two lists."""
    if is_number(left) and is_number(right):
        return bounded(left + right)
    if isinstance(left, str) and isinstance(right, str):
        bounded_text(len(left) + len(right))
        return str.__add__(left, right)
    if is_list(left) and is_list(right):
        bounded_list(len(left) + len(right))
        return [*left, *right]
    raise _unfit("+", left, right)


def multiply(left: Any, right: Any) -> Any:
    """`left * right`: numbers, or a text and how often. A list is not repeated: it would share its items."""
    if is_number(left) and is_number(right):
        return bounded(left * right)
    if isinstance(left, int) and isinstance(right, str):
        left, right = right, left
    if isinstance(left, str) and isinstance(right, int):
        bounded_text(len(left) * max(right, 0))
        return str.__mul__(left, right)
    if isinstance(left, list | tuple | int) and isinstance(right, list | tuple | int):
        raise ExpressionTypeError("a list cannot be repeated with `*`")
    raise _unfit("*", left, right)


def _numeric(symbol: str, operation: Operation) -> Operation:
    def operate(left: Any, right: Any) -> Any:
        if is_number(left) and is_number(right):
            return bounded(operation(left, right))
        # Python's `%` would format a text here, with its attributes and without bounds.
        raise _unfit(symbol, left, right)

    return operate


def negate(value: Any) -> Any:
    """`-value`."""
    if not is_number(value):
        raise ExpressionTypeError(f"`-` needs a number, and this is {kind(value)}")
    return -value


def contains(item: Any, container: Any) -> bool:
    """`item in container`: a key of a map, an item of a list or set, a part of a text."""
    if type(container) in _CONTAINERS:
        return item in container
    if isinstance(container, str) and not isinstance(item, str):
        raise ExpressionTypeError(f"`in` looks for a text in a text, and the left side is {kind(item)}")
    if not isinstance(container, str | Mapping | Sequence | Set):
        raise ExpressionTypeError(f"`in` needs a list, a map or a text on its right, and this is {kind(container)}")
    return item in container


def _negated(operation: Operation) -> Operation:
    def operate(left: Any, right: Any) -> bool:
        return not operation(left, right)

    return operate


ARITHMETIC: Final[dict[str, Operation]] = {
    "+": add,
    "-": _numeric("-", operator.sub),
    "*": multiply,
    "/": _numeric("/", lambda left, right: left / right),
    "//": _numeric("//", lambda left, right: left // right),
    "%": _numeric("%", operator.mod),
}
RELATIONS: Final[dict[str, Operation]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": contains,
    "not in": _negated(contains),
    "matches": matches,
    "not matches": _negated(matches),
}


def failure(error: Exception, symbol: str, left: Any, right: Any) -> ExpressionError:
    """What went wrong with an operator, in the words of the language and without the values."""
    if isinstance(error, ExpressionError):
        return error
    if isinstance(error, ZeroDivisionError):
        return ExpressionTypeError("division by zero")
    if isinstance(error, OverflowError):
        return ExpressionLimit(f"the result of `{symbol}` is larger than any float")
    if isinstance(error, RecursionError):
        return ExpressionLimit("these values are nested too deep")
    return _unfit(symbol, left, right)


def _unfit(symbol: str, left: Any, right: Any) -> ExpressionTypeError:
    if left is MISSING or right is MISSING:
        # The compiler replaces this with what is missing, and what exists.
        return ExpressionTypeError(f"`{symbol}` needs two values, and one is missing")
    return ExpressionTypeError(f"`{symbol}` does not fit {kind(left)} and {kind(right)}")
