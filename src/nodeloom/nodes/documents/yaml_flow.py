"""The flows, texts and anchors of YAML, as far as documents write them; read where they stand, with their places."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

from .building import Builder
from .places import Place
from .yaml_plain import plain_value

__all__ = ["IN_BLOCK", "LONGEST_KEY", "MARKER", "FlowReader", "Stopped", "after_spaces"]

_FIRST = r"(?:[^ \t\n\-?:,\[\]{}#&*!|>'\"%@`]|-(?=[^ \t\n,\[\]{}]))"
IN_BLOCK = re.compile(rf"{_FIRST}(?:[^ \t\n:#]+|:(?=[^ \t\n])|(?<=[^ \t\n])#| +(?=[^ \t\n:#]))*")
_IN_FLOW = re.compile(
    rf"{_FIRST}(?:[^ \t\n:#,\[\]{{}}]+|:(?=[^ \t\n,\[\]{{}}])|(?<=[^ \t\n])#| +(?=[^ \t\n:#,\[\]{{}}]))*"
)
_HALVES = r"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = rf'\\(?:[\\"/nrtbf]|u(?![dD][89a-fA-F])[0-9a-fA-F]{{4}}|{_HALVES})'
_DOUBLE = re.compile(rf'"[^"\\\n]*(?:{_ESCAPE}[^"\\\n]*)*"')
_SINGLE = re.compile(r"'[^'\n]*(?:''[^'\n]*)*'")
_COLON = re.compile(r" *:(?=[ \n])")
_ANY_COLON = re.compile(r" *:")
_GAP = re.compile(r" *")
_FLOW_SPACE = re.compile(r"[ \n]*(?:(?<=[ \n])#[^\n]*\n[ \n]*)*")
_NAME = re.compile(r"[&*]([\w-]+)(?=[ \n,\]}])")
MARKER = re.compile(r"(?:---|\.\.\.)(?:\s|\Z)")
LONGEST_KEY: Final = 1_000


class Stopped(Exception):
    """Here stands what is not read quickly.

    Attributes: `place` where.
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place


class FlowReader:
    """A place in a text, and what may stand on one line there, or in brackets.

    Args:
        text: the document. builder: where its values go; of no use when the reader stopped.
    """

    def __init__(self, text: str, builder: Builder) -> None:
        self.text = text
        self.builder = builder
        self.at = 0
        self.line = 1
        self.start = 0
        self.anchors: dict[str, Any] = {}

    def stop(self) -> NoReturn:
        line = self.text.count("\n", 0, self.at) + 1
        raise Stopped(Place(line, self.at - self.text.rfind("\n", 0, self.at)))

    def place(self) -> Place:
        return Place(self.line, self.at - self.start + 1)

    # Flows

    def flow_value(self, place: Place, anchor: str | None, plain: re.Pattern[str]) -> Any:
        character = self.text[self.at]
        if character in "[{":
            return self.flow(place, anchor)
        if character == "*":
            return self.alias(place) if anchor is None else self.stop()
        found = self.quoted_or(plain)
        if found is None:
            self.stop()
        text = self.text_of(found)
        self.at = found.end()
        value = text if character in "\"'" else plain_value(text)
        self.builder.scalar(value, place)
        return value

    def flow(self, place: Place, anchor: str | None) -> Any:
        """`[...]` or `{...}`."""
        is_mapping = self.text[self.at] == "{"
        if anchor is not None:
            self.anchors.pop(anchor, None)
        self.builder.open({} if is_mapping else [], place)
        self.at += 1
        self.flow_space()
        while self.text[self.at] not in "]}":
            if is_mapping:
                self.flow_key()
            here, name = self.place(), self.anchor()
            self.remember(name, self.flow_value(here, name, _IN_FLOW))
            self.flow_space()
            if self.text[self.at] == ",":
                self.at += 1
                self.flow_space()
            elif self.text[self.at] not in "]}":
                self.stop()
        if (self.text[self.at] == "}") is not is_mapping:
            self.stop()
        self.at += 1
        return self.builder.close()

    def flow_key(self) -> None:
        found = self.quoted_or(_IN_FLOW)
        if found is None:
            self.stop()
        is_quoted = self.text[self.at] in "\"'"
        colon = (_ANY_COLON if is_quoted else _COLON).match(self.text, found.end())
        text = self.text_of(found)
        if colon is None or len(text) > LONGEST_KEY or found.group() == "<<":
            self.stop()
        self.builder.key(text, self.place())
        self.at = colon.end()
        self.flow_space()

    def flow_space(self) -> None:
        found = _FLOW_SPACE.match(self.text, self.at)
        end = found.end() if found is not None else self.at
        breaks = self.text.count("\n", self.at, end)
        self.at = end
        if end == len(self.text):
            self.stop()
        if breaks:
            self.line += breaks
            self.start = self.text.rfind("\n", 0, end) + 1
            if end == self.start and MARKER.match(self.text, end):
                self.stop()

    # Texts

    def quoted_or(self, plain: re.Pattern[str]) -> re.Match[str] | None:
        character = self.text[self.at]
        pattern = _DOUBLE if character == '"' else _SINGLE if character == "'" else plain
        return pattern.match(self.text, self.at)

    def text_of(self, found: re.Match[str]) -> str:
        text = found.group()
        if text[0] == '"':
            return str(json.loads(text, strict=False)) if "\\" in text else text[1:-1]
        return text[1:-1].replace("''", "'") if text[0] == "'" else text

    # Anchors

    def anchor(self) -> str | None:
        """The name of an anchor that stands here; goes past it."""
        if self.text[self.at] != "&":
            return None
        found = _NAME.match(self.text, self.at)
        if found is None:
            self.stop()
        self.at = after_spaces(self.text, found.end())
        self.anchors.pop(found[1], None)
        return found[1]

    def alias(self, place: Place) -> Any:
        found = _NAME.match(self.text, self.at)
        if found is None or found[1] not in self.anchors:
            self.stop()
        self.at = found.end()
        self.builder.value(self.anchors[found[1]], place)
        return None

    def remember(self, anchor: str | None, value: Any) -> None:
        if anchor is not None:
            self.anchors[anchor] = value


def after_spaces(text: str, at: int) -> int:
    """The next place in a text that is no space."""
    found = _GAP.match(text, at)
    return found.end() if found is not None else at
