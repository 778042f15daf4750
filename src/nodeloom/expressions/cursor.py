"""Walking over tokens: looking at the next one, taking it, and refusing it with its place."""

from __future__ import annotations

from typing import NoReturn

from nodeloom.errors import ExpressionSyntaxError
from nodeloom.expressions.scanner import Token, scan


class Cursor:
    """A place among the tokens of a text.

    Args:
        text: the author's text.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = scan(text)
        self.index = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    def ended(self) -> bool:
        return self.tokens[self.index].kind == "end"

    def advance(self) -> Token:
        token = self.tokens[self.index]
        self.index += 1
        return token

    def at(self, *spellings: str) -> bool:
        token = self.token
        return token.kind in ("symbol", "word") and token.value in spellings

    def accept(self, spelling: str) -> bool:
        if not self.at(spelling):
            return False
        self.index += 1
        return True

    def expect(self, spelling: str, why: str) -> Token:
        if not self.at(spelling):
            self.refuse(f"expected `{spelling}` {why}, found {self.found()}")
        return self.advance()

    def found(self, token: Token | None = None) -> str:
        token = token or self.token
        return "the end" if token.kind == "end" else f"`{self.text[token.position : token.end][:40]}`"

    def refuse(self, reason: str, position: int | None = None) -> NoReturn:
        raise ExpressionSyntaxError(reason, self.text, self.token.position if position is None else position)
