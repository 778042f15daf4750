"""Text to tokens. What a token may look like, and nothing about how tokens combine."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from nodeloom.errors import ExpressionLimit, ExpressionSyntaxError
from nodeloom.expressions.limits import MAX_BITS, MAX_TEXT

Kind: TypeAlias = Literal["constant", "name", "word", "symbol", "end"]

CONSTANTS: Final[dict[str, bool | None]] = {
    "true": True,
    "false": False,
    "null": None,
    "True": True,
    "False": False,
    "None": None,
}
WORDS: Final = frozenset({"and", "or", "not", "in", "matches", "exists", "if", "else"})

_TEXT = r"""'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*\""""
_TOKEN: Final = re.compile(
    rf"""(?P<space>\s+)
    |(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    |(?P<name>[^\W\d]\w*)
    |(?P<text>{_TEXT})
    |(?P<wrong>===|!==|\*\*|&&|\|\||<>|=>|=(?!=)|!(?!=)|\?(?!\?)|[&|^~;$@`\\\#]|\.[0-9]+)
    |(?P<symbol>\?\?|==|!=|<=|>=|//|[-+*/%<>()\[\]{{}},.:])
    """,
    re.VERBOSE | re.DOTALL,
)
_BRACE_OR_TEXT: Final = re.compile(rf"{_TEXT}|[{{}}]", re.DOTALL)
_INSTEAD: Final = {
    "===": "write `==`",
    "!==": "write `!=`",
    "<>": "write `!=`",
    "=": "write `==` to compare",
    "=>": "write `>=`",
    "&&": "write `and`",
    "||": "write `or`",
    "!": "write `not`",
    "**": "there are no powers",
    "|": "there are no filters; write a function, as `lower(x)`",
    "?": "write `a if condition else b`, or `a ?? b` for a value that may be missing",
}
_ESCAPES: Final = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "r": "\r", "t": "\t"}
_ESCAPE: Final = re.compile(
    r"\\(?:x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})|(?P<one>.))", re.DOTALL
)


class Token(NamedTuple):
    """One token: its kind, its value (of a constant) or spelling, and where it stands."""

    kind: Kind
    value: Any
    position: int
    end: int


def scan(text: str) -> list[Token]:
    """Split a text into tokens; the last one is of kind `end`.

    Args:
        text: the author's text.

    Raises:
        ExpressionSyntaxError: a character, number or text that cannot be one of ours.
        ExpressionLimit: the text or a number in it is too long.
    """
    if len(text) > MAX_TEXT:
        raise ExpressionLimit(f"an expression has at most {MAX_TEXT:,} characters, and this one {len(text):,}", text, 0)
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise _refusal(text, position)
        if found.lastgroup != "space":
            tokens.append(_token(text, found))
        position = found.end()
    tokens.append(Token("end", "", len(text), len(text)))
    return tokens


def closing(text: str, start: int) -> int:
    """Where the `}}` stands that ends the expression which begins at `start`, or -1.

    Braces in texts and the braces of maps do not count.
    """
    depth = 0
    for found in _BRACE_OR_TEXT.finditer(text, start):
        brace = found.group()
        if brace == "{":
            depth += 1
        elif brace == "}" and depth:
            depth -= 1
        elif brace == "}" and text.startswith("}}", found.start()):
            return found.start()
    return -1


def _token(text: str, found: re.Match[str]) -> Token:
    spelling, start, end = found.group(), found.start(), found.end()
    match found.lastgroup:
        case "number":
            return Token("constant", _number(text, spelling, start, end), start, end)
        case "text":
            return Token("constant", _unescaped(text, start, end), start, end)
        case "name" if spelling in CONSTANTS:
            # The spelling is kept in the text: after a dot `null` is a key like any other.
            return Token("constant", CONSTANTS[spelling], start, end)
        case "name":
            return Token("word" if spelling in WORDS else "name", spelling, start, end)
        case "symbol":
            return Token("symbol", spelling, start, end)
        case _:
            raise _refusal(text, start, spelling)


def _number(text: str, spelling: str, start: int, end: int) -> int | float:
    if end < len(text) and (text[end].isalnum() or text[end] == "_"):
        raise ExpressionSyntaxError(f"`{spelling[:40]}{text[end]}` is neither a number nor a name", text, start)
    if spelling.isdigit():
        # 4,096 bits are 1,234 digits; int() itself refuses more than 4,300.
        number = int(spelling) if len(spelling) <= MAX_BITS // 3 else 1 << MAX_BITS
        if number.bit_length() > MAX_BITS:
            raise ExpressionLimit(f"a whole number has at most {MAX_BITS:,} bits", text, start)
        return number
    value = float(spelling)
    if value == float("inf"):
        raise ExpressionLimit("this number is larger than any float", text, start)
    return value


def _unescaped(text: str, start: int, end: int) -> str:
    body = text[start + 1 : end - 1]
    if "\\" not in body:
        return body

    def replaced(found: re.Match[str]) -> str:
        digits = found["x"] or found["u"] or found["U"]
        if digits is None:
            # An unknown escape keeps its backslash, so that a pattern reads as it does in Python: '\d+\b'.
            return _ESCAPES.get(found["one"], found.group())
        code = int(digits, 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise ExpressionSyntaxError(f"`{found.group()}` is no character", text, start + 1 + found.start())
        return chr(code)

    return _ESCAPE.sub(replaced, body)


def _refusal(text: str, position: int, spelling: str = "") -> ExpressionSyntaxError:
    found = spelling or text[position]
    if found in "'\"":
        return ExpressionSyntaxError(f"this text is not closed; a {found} is missing", text, position)
    if found.startswith(".") and len(found) > 1:
        shown = found[:20]
        reason = f"`{shown}` is no number and no key; write `0{shown}`, or `[{shown[1:]}]` for an item"
        return ExpressionSyntaxError(reason, text, position)
    instead = f"; {_INSTEAD[found]}" if found in _INSTEAD else ""
    return ExpressionSyntaxError(f"`{found}` means nothing here{instead}", text, position)
