"""What can be wrong with an expression; each carries its text and the position."""

from __future__ import annotations

from .definitions import NodeloomError

__all__ = ["ExpressionError", "ExpressionLimit", "ExpressionSyntaxError", "ExpressionTypeError", "UnknownName"]


class ExpressionError(NodeloomError):
    """Something is wrong with an expression.

    Attributes: `reason` the plain words, `text` the author's text, `position` the offset in it
    (0-based, in characters).
    """

    code = "expression"

    def __init__(self, reason: str, text: str = "", position: int | None = None) -> None:
        self.reason = reason
        self.text = text
        self.position = position
        super().__init__(reason if position is None else _pointed(reason, text, position))


class ExpressionSyntaxError(ExpressionError):
    """The text cannot be parsed."""

    code = "expression_syntax"


class UnknownName(ExpressionError):
    """The text names something that does not exist; the message names what does."""

    code = "unknown_name"


class ExpressionTypeError(ExpressionError):
    """An operation met values that do not fit it, as a text compared with a number."""

    code = "expression_type"


class ExpressionLimit(ExpressionError):
    """The text, its value or the work it asks for went past a bound."""

    code = "expression_limit"


def _pointed(reason: str, text: str, position: int) -> str:
    """The reason with the line it is about and a caret under the place."""
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    line = text[start : end if end >= 0 else len(text)]
    left = max(0, position - start - 60)
    shown = line[left : left + 120]
    return f"{reason} (at character {position + 1})\n    {shown}\n    {' ' * (position - start - left)}^"
