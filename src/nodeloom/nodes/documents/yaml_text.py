"""YAML 1.2 into a builder: from the parser's events, so that nothing is made of a text before it is judged.

Plain texts are read by the core schema of YAML 1.2 with JSON's types: `no`, `on`, dates and `12:30` are texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ...errors import DocumentError
from .building import MAX_DIGITS, Builder
from .places import Place, refusal

__all__ = ["plain_value", "read_yaml"]

_LONG_TAG = re.compile(r"(?:^|[\s,\[{])(!\S{200})", re.MULTILINE)
_DIRECTIVE = re.compile(r"\A(?:[ \t]*(?:#.*)?\r?\n)*%")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TEXT_TAG = "tag:yaml.org,2002:str"

_ADVICE = (
    ("'\\t' that cannot start", "a tab cannot indent or separate here; use spaces"),
    ("mapping values are not allowed", "a `: ` makes no key here; put a text that holds `: ` in quotes"),
    ("could not find expected ':'", "this line is neither `key: value` nor part of a text; is a `:` missing?"),
    ("but found '?'", "this does not fit here; is a comma missing, or the indentation off?"),
    ("expected <block end>", "this does not fit here; is the indentation off, or does a text need quotes?"),
    ("did not find expected", "this does not fit here; is a comma missing, or do quotes have to be closed?"),
    ("unexpected end of stream", "a quote is opened here and never closed"),
    ("unexpected document separator", "a quote is opened and not closed before a `---`"),
    ("expected ',' or", "a `,` or a closing bracket is missing before this"),
    ("found '<stream end>'", "a bracket is opened and never closed"),
    ("cannot start any token", "a text cannot begin with this character; put it in quotes"),
    ("unknown escape character", "in double quotes a `\\` begins an escape; write `\\\\`, or use single quotes"),
)


def read_yaml(text: str, builder: Builder) -> None:
    """Feed a YAML text to a builder.

    Raises:
        DocumentError: no YAML, more than one document, a tag, or past a bound.
    """
    _refuse_early(text, builder.name)
    _Reader(builder).read(_events(text, builder.name))


def _refuse_early(text: str, name: str) -> None:
    """What the parser would be slow on, or is not for documents."""
    tag = _LONG_TAG.search(text)
    if tag is not None:
        raise refusal(name, "tag", _no_tag(tag.group(1)), _place_of(text, tag.start(1)))
    directive = _DIRECTIVE.match(text)
    if directive is not None:
        what = "a document has no `%` directives; remove this line"
        raise refusal(name, "syntax", what, _place_of(text, directive.end() - 1))


def _place_of(text: str, position: int) -> Place:
    return Place(text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position))


def _no_tag(tag: str) -> str:
    return f"a document has no tags, and this has {tag[:60]}; write the plain value, in quotes if it is a text"


def _events(text: str, name: str) -> Iterator[Any]:
    from ruamel.yaml import YAML

    try:
        yield from YAML(typ="safe", pure=True).parse(text)  # pyright: ignore[reportUnknownMemberType]
    except DocumentError:
        raise
    except Exception as error:  # the parser lets a few bare ValueErrors through beside its own errors
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        place = Place(mark.line + 1, mark.column + 1) if mark is not None else None
        raise refusal(name, "syntax", _advice(error, text, place), place) from None


def _advice(error: Exception, text: str, place: Place | None) -> str:
    said = str(getattr(error, "problem", None) or error).splitlines()[0][:200]
    context = getattr(error, "context", None)
    lines = text.splitlines()
    line = lines[place.line - 1] if place is not None and place.line <= len(lines) else ""
    if "->" in line[:1_000] and "[" in line[:1_000]:
        return 'an edge that begins with a list needs quotes: "[a, b] -> c"'
    if "{{" in line[:1_000]:
        return 'this is not valid YAML; a template needs quotes: "{{ ... }}"'
    full = f"{context}, {said}" if context else said
    for words, advice in _ADVICE:
        if words in full:
            return advice
    return f"this is not valid YAML: {full}"


class _Reader:
    """Turns events into calls of a builder; knows the anchors."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.anchors: dict[str, Any] = {}
        self.open: list[str | None] = []
        self.documents = 0

    def read(self, events: Iterator[Any]) -> None:
        for event in events:
            kind = type(event).__name__
            place = Place(event.start_mark.line + 1, event.start_mark.column + 1)
            match kind:
                case "ScalarEvent":
                    self.scalar(event, place)
                case "MappingStartEvent" | "SequenceStartEvent":
                    self.start(event, place, {} if kind == "MappingStartEvent" else [])
                case "MappingEndEvent" | "SequenceEndEvent":
                    value = self.builder.close()
                    anchor = self.open.pop()
                    if anchor is not None:
                        self.anchors[anchor] = value
                case "AliasEvent":
                    self.alias(event.anchor, place)
                case "DocumentStartEvent":
                    self.document(place)
                case _:
                    continue

    def document(self, place: Place) -> None:
        self.documents += 1
        if self.documents > 1:
            what = "a file holds one document, and here a second one begins (`---`); make two files"
            raise refusal(self.builder.name, "several_documents", what, place)

    def start(self, event: Any, place: Place, value: dict[str, Any] | list[Any]) -> None:
        self.refuse_tag(event, place)
        self.refuse_key(place)
        if event.anchor is not None:
            self.anchors.pop(event.anchor, None)
        self.open.append(event.anchor)
        self.builder.open(value, place)

    def scalar(self, event: Any, place: Place) -> None:
        is_text = event.style is not None or str(event.tag or "") in ("!", _TEXT_TAG)
        if not is_text or str(event.tag or "") not in ("!", _TEXT_TAG):
            self.refuse_tag(event, place)
        if self.builder.wants_key:
            if event.value == "<<" and not is_text:
                what = "`<<` is no part of YAML 1.2; write the keys out, or use an alias for a whole value"
                raise refusal(self.builder.name, "syntax", what, place)
            self.builder.key(event.value, place)
            return
        value = event.value if is_text else plain_value(event.value)
        if event.anchor is not None:
            self.anchors[event.anchor] = value
        self.builder.scalar(value, place)

    def alias(self, anchor: str, place: Place) -> None:
        self.refuse_key(place)
        if anchor in self.open:
            raise refusal(self.builder.name, "alias", f"*{anchor[:60]} stands inside what it stands for", place)
        if anchor not in self.anchors:
            what = f"*{anchor[:60]} stands for nothing: no value before it is marked &{anchor[:60]}"
            raise refusal(self.builder.name, "alias", f"{what}; a text that begins with * needs quotes", place)
        self.builder.value(self.anchors[anchor], place)

    def refuse_tag(self, event: Any, place: Place) -> None:
        if event.tag is not None:
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            raise refusal(self.builder.name, "tag", _no_tag(tag), place)

    def refuse_key(self, place: Place) -> None:
        if self.builder.wants_key:
            what = 'a key is a text, not a mapping, a list or an alias; a template needs quotes: "{{ ... }}"'
            raise refusal(self.builder.name, "bad_key", what, place)


def plain_value(text: str) -> Any:
    """What a plain text stands for."""
    if text in _WORDS:
        return _WORDS[text]
    if text[:1] not in "+-.0123456789":
        return text
    if _INT.fullmatch(text):
        return _whole(text)
    if _FLOAT.fullmatch(text) and len(text) <= MAX_DIGITS:
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def _whole(text: str) -> int | float:
    if len(text) > MAX_DIGITS:
        return float("inf")  # the builder says what is wrong with it
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    return int(text[2:], base) if base != 10 else int(text)
