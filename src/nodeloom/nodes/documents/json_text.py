"""JSON into a builder, with the place of every key and value; never deeper in calls than one."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Any, NoReturn

from .building import MAX_DIGITS, Builder
from .places import Place, refusal

__all__ = ["read_json"]

_SPACE = re.compile(r"[ \t\n\r]*")
_ENDS = {"{": "}", "[": "]"}


def read_json(text: str, builder: Builder) -> None:
    """Feed a JSON text to a builder.

    Raises:
        DocumentError: it is no JSON, or past a bound.
    """
    _Reader(text, builder).read()


class _Reader:
    def __init__(self, text: str, builder: Builder) -> None:
        self.text = text
        self.builder = builder
        self.at = 0
        self.ends: list[str] = []
        self.fresh = False  # a bracket has just been opened
        self.lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self.decoder = json.JSONDecoder(parse_int=_whole, parse_float=_number)

    def read(self) -> None:
        self.value()
        while self.ends:
            self.next()
        if self.peek():
            self.refuse("nothing may follow the end of the document")

    def next(self) -> None:
        """What follows inside the innermost bracket: its end, or one more entry."""
        end = self.ends[-1]
        if self.peek() == end:
            self.at += 1
            self.ends.pop()
            self.builder.close()
            self.fresh = False
            return
        if not self.fresh:
            self.take(",", f"a `,` or `{end}` is missing here")
            if self.peek() == end:
                self.refuse(f"JSON has no `,` before a closing `{end}`")
        if end == "}":
            self.key()
        self.value()

    def key(self) -> None:
        if self.peek() != '"':
            self.refuse('a key in double quotes is missing here, as "name"')
        place = self.place()
        self.builder.key(self.decoded(), place)
        self.take(":", "a `:` is missing after the key")

    def value(self) -> None:
        start = self.peek()
        place = self.place()
        if start in _ENDS:
            self.builder.open({} if start == "{" else [], place)
            self.ends.append(_ENDS[start])
            self.at += 1
            self.fresh = True
            return
        if start in ("}", "]", ",", ":", "", "N", "I"):
            self.refuse("a value is missing here" if start else "the document ends in the middle")
        value = self.decoded()
        self.fresh = False
        self.builder.scalar(value, place)

    def decoded(self) -> Any:
        try:
            value, self.at = self.decoder.raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            self.at = min(error.pos, len(self.text))
            self.refuse(_advice(error.msg, self.text[self.at : self.at + 1]))
        return value

    def peek(self) -> str:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found is not None else self.at
        return self.text[self.at : self.at + 1]

    def take(self, mark: str, otherwise: str) -> None:
        if self.peek() != mark:
            self.refuse(otherwise)
        self.at += 1

    def place(self) -> Place:
        line = bisect_right(self.lines, self.at)
        return Place(line, self.at - self.lines[line - 1] + 1)

    def refuse(self, message: str) -> NoReturn:
        raise refusal(self.builder.name, "syntax", f"this is not valid JSON: {message}", self.place())


def _advice(message: str, character: str) -> str:
    if message.startswith("Unterminated string"):
        return "a text is opened here and not closed"
    if message.startswith("Expecting value"):
        return {
            "'": "texts stand in double quotes",
            "/": "JSON has no comments",
            "#": "JSON has no comments",
        }.get(character, "a value is a text in double quotes, a number, true, false, null, a list or a mapping")
    if message.startswith("Invalid control character"):
        return "a line break or tab in a text is written \\n or \\t"
    return message[:1].lower() + message[1:]


def _whole(text: str) -> int | float:
    return int(text) if len(text) <= MAX_DIGITS else float("inf")


def _number(text: str) -> float:
    return float(text) if len(text) <= MAX_DIGITS else float("inf")
