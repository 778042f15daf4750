"""The YAML that documents are written in, read quickly: some ten times as fast as by a parser of all YAML.

Blocks and flows of mappings and lists, plain and quoted texts of one line, block texts, comments, anchors and
aliases. What is read here is read as any parser of YAML 1.2 does. At anything else, and at everything that is no
YAML, it stops: then the parser of all YAML reads the text from its beginning.
"""

from __future__ import annotations

import re
from typing import Any

from .building import Builder
from .places import Place
from .yaml_flow import IN_BLOCK, LONGEST_KEY, MARKER, FlowReader, Stopped, after_spaces

__all__ = ["QuickReader", "Stopped"]

_COLON = re.compile(r" *:(?=[ \n])")
_END = re.compile(r"(?: +#[^\n]*| *)\n")
_EMPTY_LINES = re.compile(r"(?: *(?:#[^\n]*)?\n)*")
_BLOCK_TEXT = re.compile(r"([|>])([+-]?)(?: +#[^\n]*| *)\n")
_FIRST_LINE = re.compile(r"((?: *\n)*)( *)(?=[^ \n])")
_ODD_BREAK = re.compile(r"[\r\x85\u2028\u2029\ufeff]")


class QuickReader(FlowReader):
    """Reads one text into a builder.

    Args:
        text: the document. builder: where its values go; of no use when the reader stopped.
    """

    def __init__(self, text: str, builder: Builder) -> None:
        text = text.replace("\r\n", "\n")
        self.is_open = not text.endswith("\n")
        super().__init__(f"{text}\n" if self.is_open else text, builder)
        self.column = -1
        self.after_key = 0

    def read(self) -> None:
        """Read all of it.

        Raises:
            Stopped: it holds what is not read here. DocumentError: it is past a bound.
        """
        odd = _ODD_BREAK.search(self.text)
        if odd is not None:
            self.at = odd.start()
            self.stop()
        self.next_line(first=True)
        if self.column < 0:
            return
        self.content(-1, None, None)
        if self.column >= 0:
            self.stop()

    # Lines

    def end_line(self) -> None:
        """Nothing but a comment may follow on this line."""
        found = _END.match(self.text, self.at)
        if found is None:
            self.stop()
        self.at = self.start = found.end()
        self.line += 1

    def next_line(self, *, first: bool = False) -> None:
        """To the next line that holds something; its column, or -1 where the text ends."""
        found = _EMPTY_LINES.match(self.text, self.at)
        if found is not None and (end := found.end()) > self.at:
            self.line += self.text.count("\n", self.at, end)
            self.at = self.start = end
        if self.at == len(self.text):
            self.column = -1
            return
        self.at = after_spaces(self.text, self.at)
        self.column = self.at - self.start
        if not self.column and MARKER.match(self.text, self.at):
            if not first or self.text[self.at] == ".":
                self.stop()
            self.at += 3
            self.end_line()
            self.next_line()

    def at_dash(self) -> bool:
        return self.text[self.at] == "-" and self.text[self.at + 1] in " \n"

    # Blocks

    def mapping(self, column: int, place: Place) -> Any:
        self.builder.open({}, place)
        while self.column == column:
            key = self.key()
            if key is None:
                self.stop()
            self.builder.key(key, self.place())
            self.at = self.after_key
            self.value(column, in_mapping=True)
        if self.column > column:
            self.stop()
        return self.builder.close()

    def sequence(self, column: int, place: Place) -> Any:
        self.builder.open([], place)
        while self.column == column and self.at_dash():
            self.at += 1
            self.value(column, in_mapping=False)
        if self.column > column:
            self.stop()
        return self.builder.close()

    def key(self) -> str | None:
        """The key that stands here, or None; what comes after it is at `after_key`."""
        found = self.quoted_or(IN_BLOCK)
        colon = _COLON.match(self.text, found.end()) if found is not None else None
        if found is None or colon is None:
            return None
        self.after_key = colon.end()
        text = self.text_of(found)
        if len(text) > LONGEST_KEY or found.group() == "<<":
            self.stop()
        return text

    def value(self, column: int, *, in_mapping: bool) -> None:
        """What follows a key or a dash that stands at a column."""
        after = self.place()
        self.at = after_spaces(self.text, self.at)
        place, anchor = self.place(), self.anchor()
        if self.text[self.at] not in "\n#":
            self.content(column, place, anchor, compact=not in_mapping)
            return
        self.at -= self.text[self.at - 1] == " "  # a comment begins with a space before it
        self.end_line()
        self.next_line()
        if self.column > column:
            self.content(column, place if anchor else None, anchor, compact=True)
        elif in_mapping and self.column == column and self.at_dash():
            value = self.sequence(column, place if anchor else self.place())
            self.remember(anchor, value)
        elif anchor is None:
            self.builder.scalar(None, after)
        else:
            self.stop()

    def content(self, column: int, place: Place | None, anchor: str | None, *, compact: bool = True) -> None:
        """A value of any kind, inside what stands at a column.

        Args:
            place: where it begins, if that is at its anchor. compact: a list or a mapping may begin here.
        """
        here = self.place()
        character = self.text[self.at]
        own_line = self.at - self.start == self.column
        nests = compact and (anchor is None or own_line)
        if nests and self.at_dash():
            self.column = self.at - self.start
            value = self.sequence(self.column, place or here)
        elif nests and character not in "[{|>*" and self.key() is not None:
            self.column = self.at - self.start
            value = self.mapping(self.column, place or here)
        elif character in "|>":
            value = self.block_text(column)
            self.builder.scalar(value, place or here)
        else:
            value = self.flow_value(place or here, anchor, IN_BLOCK)
            self.end_line()
            self.next_line()
            if self.column > column:
                self.stop()
        self.remember(anchor, value)

    def block_text(self, column: int) -> str:
        """`|` and `>`: the lines that are indented further than what they are in."""
        header = _BLOCK_TEXT.match(self.text, self.at)
        if header is None:
            self.stop()
        style, chomping = header.groups()
        first = _FIRST_LINE.match(self.text, header.end())
        indent = len(first[2]) if first is not None else 0
        if first is None or first[1] or indent <= max(column, 0):
            self.stop()
        lines = re.compile(rf"(?: {{0,{indent}}}\n| {{{indent}}}[^\n]+\n)*").match(self.text, header.end())
        assert lines is not None
        if self.is_open and lines.end() == len(self.text):
            self.stop()
        held = [line[indent:] for line in lines.group().split("\n")[:-1]]
        self.line += 1 + len(held)
        self.at = self.start = lines.end()
        self.next_line()
        if self.column > column:
            self.stop()
        if style == ">" and any(line[:1] in (" ", "\t") for line in held if line):
            self.at = header.start()
            self.stop()
        text = _folded(held) if style == ">" else "".join(f"{line}\n" for line in held)
        if chomping == "+":
            return text
        stripped = text.rstrip("\n")
        return stripped if chomping == "-" else f"{stripped}\n"


def _folded(lines: list[str]) -> str:
    """Lines of a `>` text: one break is a space, and further ones stay."""
    text = ""
    breaks = 0
    for line in lines:
        if not line:
            breaks += 1
            continue
        text += ("\n" * breaks or " ") * bool(text or breaks) + line
        breaks = 0
    return text + "\n" * (breaks + 1)
