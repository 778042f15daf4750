"""Exceptions without the secrets in their messages (semantics 12.3)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, TypeVar, cast

from ..errors import StepError
from ..model.masks import MASKS

__all__ = ["masked_twin", "scrubbed", "shows_secret"]

E = TypeVar("E", bound=BaseException)
_ATTRIBUTES = ("args", "filename", "filename2", "strerror", "msg", "text", "reason", "name", "code")
"""What built-in exceptions keep beside their `__dict__`, and show."""


def shows_secret(error: BaseException) -> bool:
    """Whether its traceback, with all that it came from, would show a secret."""
    return MASKS.any and any(MASKS.text(text) != text for each in _all(error) for text in _texts(each))


def scrubbed(error: BaseException) -> BaseException:
    """An exception that has failed a step, with secrets masked in it and in those it came from, in place.

    One that does not let itself be changed, as a validation error of pydantic's, is stood in for by a `StepError` of
    the same message, masked.
    """
    if not shows_secret(error):
        return error
    for each in _all(error):
        _scrub(each)
    return error if not shows_secret(error) else _stand_in(error)


def masked_twin(error: BaseException) -> BaseException:
    """An exception as it is logged: itself, or where it shows a secret a copy that does not."""
    if not shows_secret(error):
        return error
    try:
        twin: BaseException = copy.copy(error)
        twin.__traceback__, twin.__suppress_context__ = error.__traceback__, True
        _scrub(twin)
    except Exception:  # of an author's class that cannot be copied
        return _stand_in(error)
    return twin if not shows_secret(twin) else _stand_in(error)


def _stand_in(error: BaseException) -> BaseException:
    stand_in = StepError(f"{type(error).__name__}: {MASKS.text(_texts(error)[0])}")
    return stand_in.with_traceback(error.__traceback__)


def _scrub(error: BaseException) -> None:
    for name in (*_ATTRIBUTES, *vars(error)):
        value = getattr(error, name, None)
        masked = MASKS.data(value)
        if masked is not value:
            try:
                setattr(error, name, masked)
            except (AttributeError, TypeError):  # it is read-only; whether it is shown is looked at afterwards
                continue


def _texts(error: BaseException) -> list[str]:
    """What a traceback, or a message that quotes it, says of an exception itself."""
    try:
        shown = [str(error), repr(error)]
    except Exception as broken:  # of an author's __str__
        shown = [f"a message that cannot be made ({type(broken).__name__})"]
    return [*shown, *map(str, getattr(error, "__notes__", ())), str(getattr(error, "text", ""))]


def _all(error: BaseException) -> Iterator[BaseException]:
    """An exception and all those it came from."""
    seen: dict[int, BaseException] = {}
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen[id(each)] = each
        todo += [each.__cause__, each.__context__]
        todo += cast("Any", each).exceptions if isinstance(each, BaseExceptionGroup) else ()
        yield each
