"""Which failures a policy is about: exception classes, their names, or a function that tells."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeAlias, cast

from ..errors import PolicyError, RunFailed
from ..model.result import says_retryable
from ..nodes.wiring import error_name, is_error_name

__all__ = ["ErrorLike", "ErrorsLike", "Failures", "errors_problem", "errors_tuple", "inner_failure"]

ErrorLike: TypeAlias = "type[Exception] | str | Callable[[Exception], bool]"
"""An exception class; a name, plain as `TimeoutError` or qualified as `my.errors.Busy`; or a function that tells."""
ErrorsLike: TypeAlias = "ErrorLike | Iterable[ErrorLike]"
"""One of them, or several: any may match."""


class Failures:
    """Errors that are meant, as an `on_error` edge means them: by class, or by a name along the MRO.

    Args:
        given: what `errors_tuple` gave.

    Example:
        >>> Failures(("OSError",)).match(ConnectionError(), ("ConnectionError", "OSError", "Exception"))
        True
    """

    __slots__ = ("_given", "_names", "_predicates", "_types")

    def __init__(self, given: tuple[ErrorLike, ...]) -> None:
        self._given = given
        self._types = tuple(each for each in given if isinstance(each, type))
        # The names of classes too: of a graph inside a graph, what failed in it is known by name alone.
        self._names = frozenset(error_name(each) for each in given if isinstance(each, str | type))
        self._predicates = tuple(each for each in given if not isinstance(each, str | type))

    def match(self, error: Exception, names: Collection[str]) -> bool:
        """Whether an error is meant; `names` are those along its MRO.

        Raises:
            PolicyError: a function that tells failed itself.
        """
        if isinstance(error, self._types) or not self._names.isdisjoint(names):
            return True
        meant = inner_failure(error)
        return any(_ask(predicate, meant) for predicate in self._predicates)

    def match_named(self, error: Exception, names: Collection[str]) -> bool:
        """As `match`; but an error that says itself that trying again does not help has to be named.

        `Exception` names it no more than anything else; a function of the error, or a class below, does.
        """
        if says_retryable(inner_failure(error)) is not False:
            return self.match(error, names)
        return Failures(tuple(each for each in self._given if each not in _ANY)).match(error, names)


_ANY: tuple[Any, ...] = (Exception, "Exception", "builtins.Exception")


def inner_failure(error: Exception) -> Exception:
    """What failed: of a graph inside of a step, what failed in there, where it is known as an exception."""
    while isinstance(error, RunFailed) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return error


def errors_tuple(given: ErrorsLike) -> tuple[ErrorLike, ...]:
    """One or several, as a tuple."""
    if isinstance(given, str) or callable(given):
        return (given,)
    return tuple(given)


def errors_problem(setting: str, given: Any) -> str | None:
    """What is wrong with what should name errors."""
    several = isinstance(given, Iterable) and not isinstance(given, str | type)
    every: list[Any] = list(cast("Iterable[Any]", given)) if several else [given]
    if several and not every:
        return f"{setting}={given!r}: it names no error, so nothing is ever meant; leave it out for all of them"
    for each in every:
        problem = _problem(each)
        if problem is not None:
            return f"{setting}={each!r}: {problem}"
    return None


def _problem(given: Any) -> str | None:
    if isinstance(given, type):
        if issubclass(given, Exception):
            return None
        if issubclass(given, BaseException):
            return "it is no Exception, and passes whatever a policy says"
    elif inspect.iscoroutinefunction(given):
        return "a function that tells whether an error is meant must not be async"
    elif callable(given) or (isinstance(given, str) and is_error_name(given)):
        return None
    return "give exception classes, their names, or a function of the error"


def _ask(predicate: Callable[[Exception], bool], error: Exception) -> bool:
    try:
        return bool(predicate(error))
    except Exception as failure:
        what = getattr(predicate, "__qualname__", repr(predicate))
        raise PolicyError(
            f"{what}, which tells whether an error is meant, failed itself with {type(failure).__name__}: {failure}"
        ) from failure
