"""What there is to say of a value: that it is none of its options, or why a function did not answer."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import date, time
from typing import Any, cast

from ..model.masks import in_short
from .field import NOTHING, FormField
from .option import Page

__all__ = ["as_text", "chosen", "not_among", "not_offered", "why"]

SHOWN = 10
"""How many options a message names."""


def chosen(field: FormField, value: Any) -> Sequence[Any]:
    """The values that have to be among the options: of a field for several, each; of one without a value, none."""
    if value is NOTHING or value is None:
        return ()
    several = field.type == "multiselect" and isinstance(value, list | tuple | set | frozenset)
    return [_plain(each) for each in cast("Sequence[Any]", value)] if several else [_plain(value)]


def not_among(field: FormField, value: Any, page: Page) -> str | None:
    """What is wrong with a value that is not among these options, which are all there are."""
    wrong = [each for each in chosen(field, value) if not page.offers(each)]
    return not_offered(wrong[0], page, more=False) if wrong else None


def not_offered(value: Any, page: Page, *, more: bool) -> str:
    """What is wrong with a value that is not offered. `more`: these options are not all there are."""
    known = ", ".join(str(each.value) for each in page.options[:SHOWN]) or "there are none"
    rest = ", ..." if more or len(page.options) > SHOWN else ""
    return f"{in_short(value)} is none of its options: {known}{rest}"


def why(error: Exception, timeout: float | None) -> str:
    """Why a function did not answer, in its author's words."""
    if isinstance(error, TimeoutError) and not str(error):
        return "it took too long" if timeout is None else f"it took longer than {timeout:g} s"
    if isinstance(error, KeyError):  # what it says is the key alone
        return f"{type(error).__name__}: {error}"
    return " ".join(str(error).split()) or type(error).__name__


def as_text(value: Any) -> Any:
    """A value as an expression sees it: of a choice its value, of a day or a time its ISO text."""
    return value.isoformat() if isinstance(value, date | time) else _plain(value)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value
