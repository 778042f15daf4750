"""YAML 1.2 into a builder, from the events of a parser: libyaml's, and where that will not read on, ruamel.yaml's.

libyaml is some twenty times as fast, and knows YAML 1.1: the few forms on which the two differ are for ruamel.yaml, and
so is every fault, for its words on faults are the better ones. It takes some 20 microseconds for a value, so what only
it can read has narrower bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from ...errors import DocumentError, Problem
from .building import Builder, PastBound
from .places import Place, refusal
from .yaml_plain import plain_value

__all__ = ["read_yaml"]

_LONG_TAG = re.compile(r"(?:^|[\s,\[{])(!\S{200})", re.MULTILINE)
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_DIRECTIVE = re.compile(r"\A(?:[ \t]*(?:#.*)?\r?\n)*%")
_ODD = re.compile(r"\r(?!\n)|[\x85\u2028\u2029\ufeff]|[&*][\w-]*:|\A---[ \t]+[^\s#]")
"""What ends a line or the name of an anchor in YAML 1.1 or 1.2 alone; a document that begins on its marker's line."""

SLOW_SIZE = 200_000
"""Characters of a document that is read by ruamel.yaml."""

SLOW_VALUES = 10_000
"""Values in such a document."""

_LAST_LINES = 2_000
"""Characters before the end of what was cut off in which a fault may come from the cut."""

_TOO_LARGE = (
    "this is no YAML, or a form of it that documents seldom have and that is read in documents of up to"
    f" {SLOW_SIZE:,} characters and {SLOW_VALUES:,} values, and this one is larger; write texts on one line, in"
    " quotes where needed, or as blocks with `|`"
)
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


def read_yaml(text: str, name: str) -> Builder:
    """What a YAML text holds.

    Args:
        text: the document. name: what messages call it.

    Raises:
        DocumentError: no YAML, more than one document, a tag, or past a bound.
    """
    _refuse_early(text, name)
    builder = Builder(name)
    try:
        _Reader(builder).read(_quick_events(text))
        return builder
    except Stopped as stopped:
        return _read_slowly(text, name, stopped.place)


class Stopped(Exception):
    """libyaml does not read on.

    Attributes:
        place: where it stopped.
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place


def _quick_events(text: str) -> Iterator[Any]:
    """The events of libyaml.

    Raises:
        Stopped: a fault, a character that YAML 1.1 reads in another way, or no libyaml here.
    """
    import yaml

    odd = _ODD.search(text)
    if odd is not None or not yaml.__with_libyaml__:
        raise Stopped(_place_of(text, odd.start() if odd is not None else 0))
    try:
        yield from yaml.parse(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        raise Stopped(Place(mark.line + 1, mark.column + 1) if mark is not None else Place(1, 1)) from None


def _read_slowly(text: str, name: str, place: Place) -> Builder:
    """What libyaml stopped at, at this place, is for ruamel.yaml."""
    builder = Builder(name, SLOW_VALUES)
    try:
        _Reader(builder).read(_events(text[:SLOW_SIZE], name))
    except PastBound:
        pass
    except DocumentError as error:
        if len(text) <= SLOW_SIZE or _offset(text, error.problems[0]) < SLOW_SIZE - _LAST_LINES:
            raise
    else:
        if len(text) <= SLOW_SIZE:
            return builder
    raise refusal(name, "syntax", _advice_on(text, place) or _TOO_LARGE, place)


def _offset(text: str, problem: Problem) -> int:
    """How far into the text a problem is."""
    before = islice(text.split("\n"), (problem.line or 1) - 1)
    return sum(len(line) + 1 for line in before) + (problem.column or 1)


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
    known = _advice_on(text, place) if place is not None else None
    if known:
        return known
    full = f"{context}, {said}" if context else said
    for words, advice in _ADVICE:
        if words in full:
            return advice
    return f"this is not valid YAML: {full}"


def _one_character(pair: re.Match[str]) -> str:
    """A character that was escaped as JSON does it, in two halves."""
    return pair.group().encode("utf-16", "surrogatepass").decode("utf-16")


def _advice_on(text: str, place: Place) -> str | None:
    """What is likely to be meant by the line at a place."""
    line = next(islice(text.splitlines(), place.line - 1, None), "")
    if "->" in line[:1_000] and "[" in line[:1_000]:
        return 'an edge that begins with a list needs quotes: "[a, b] -> c"'
    if "{{" in line[:1_000]:
        return 'this is not valid YAML; a template needs quotes: "{{ ... }}"'
    return None


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
        text = _PAIR.sub(_one_character, event.value)
        is_text = bool(event.style) or str(event.tag or "") in ("!", _TEXT_TAG)
        if not is_text or str(event.tag or "") not in ("!", _TEXT_TAG):
            self.refuse_tag(event, place)
        if self.builder.wants_key:
            if text == "<<" and not is_text:
                what = "`<<` is no part of YAML 1.2; write the keys out, or use an alias for a whole value"
                raise refusal(self.builder.name, "syntax", what, place)
            self.builder.key(text, place)
            return
        value = text if is_text else plain_value(text)
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
