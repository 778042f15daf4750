"""What one evaluation may do in all (rule 12.1: bounds on time and output).

The costly operations are charged by the size of their values before they run (`costs.py`). One that is alone has
all of `MAX_WORK` to itself. Where there are more, in an expression or in the whole structure of a template, they
share it, and the scope keeps count. Which of the two it is was decided when the text was compiled, so an expression
without costly operations pays nothing.
"""

from __future__ import annotations

from typing import Any, Final

from nodeloom.errors import ExpressionLimit
from nodeloom.expressions.limits import MAX_FORESIGHT, MAX_WORK
from nodeloom.expressions.lookups import Evaluator, Scope

_SHARE: Final = (
    "this takes too much work: the operations of one evaluation together may handle some {:,} characters, or"
    " {:,} items of lists and maps; make the values smaller, or compute this in a node"
)


LIGHT: Final = 1
"""The weight of an operation that makes a text or list within the bounds of one."""

HEAVY: Final = 20
"""The weight of an operation that may use up the whole budget."""

ALONE: Final = 30
"""The weight up to which operations need no count, since together they do little more than one may do."""

FREE: Final = 50
"""Units that are not worth charging: there are not as many operations in a text as would make them matter."""


class WorkLimit(ExpressionLimit):
    """The operations of one evaluation together would be more than it may do."""


class Metered(dict[str, Any]):
    """A scope in which the costly operations share one budget.

    Attributes: `left` the units of work that may still be done.
    """

    left: int = MAX_WORK


def charge(scope: Scope, units: int) -> None:
    """Take the work of an operation from the budget of its evaluation.

    Args:
        scope: the evaluation's. units: what the operation may come to.

    Raises:
        WorkLimit: so much is not left.
    """
    if type(scope) is Metered:
        scope.left -= units
        if scope.left < 0:
            raise WorkLimit(_SHARE.format(MAX_WORK, MAX_WORK // 10))
    elif units > MAX_WORK:
        raise WorkLimit(_SHARE.format(MAX_WORK, MAX_WORK // 10))


def metered(evaluate: Evaluator) -> Evaluator:
    """The same for an expression with several costly operations: they share one budget.

    Args:
        evaluate: the compiled expression.
    """

    def counted(scope: Scope) -> Any:
        return evaluate(scope if type(scope) is Metered else Metered(scope))

    return counted


def foreseen(evaluate: Evaluator) -> Any:
    """The value of an expression without names, if it is found at once.

    Args:
        evaluate: the compiled expression.

    Raises:
        WorkLimit: it is not. ExpressionError: it has none.
    """
    scope = Metered()
    scope.left = MAX_FORESIGHT
    return evaluate(scope)
