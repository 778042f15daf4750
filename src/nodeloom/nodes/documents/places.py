"""Where each key and value of a document stands in its text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, TypeGuard

from ...errors import DocumentError, Problem
from ...expressions import path_text

__all__ = ["Path", "Place", "Places", "Source", "dotted", "is_list", "is_mapping", "printable", "refusal"]

Path: TypeAlias = tuple[str | int, ...]


class Place(NamedTuple):
    """A line and a column, both from 1."""

    line: int
    column: int


class Places:
    """Where keys and values stand; empty for a document that was never a text."""

    def __init__(self) -> None:
        self.keys: dict[Path, Place] = {}
        self.values: dict[Path, Place] = {}

    def of(self, path: Path, *, key: bool = False) -> Place | None:
        """The place of a value (or of its key); of the nearest thing around it where it has none of its own."""
        first, second = (self.keys, self.values) if key else (self.values, self.keys)
        while path:
            place = first.get(path) or second.get(path)
            if place is not None:
                return place
            path = path[:-1]
        return self.values.get(())


@dataclass(frozen=True)
class Source:
    """A document as plain data, with its places and what was already wrong with its text.

    Attributes:
        data: the document. name: what messages call it, as its file name.
        faults: what is wrong, each with the path it is at.
    """

    data: dict[str, Any]
    name: str
    places: Places
    faults: list[tuple[Path, Problem]] = field(default_factory=list[tuple[Path, Problem]])


def is_mapping(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether it is a mapping of a document that was read."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether it is a list of a document that was read."""
    return isinstance(value, list)


def dotted(path: Path) -> str:
    """A path as it is written: `params.headers[0]['a-b']`."""
    return printable(path_text(path)) if path else ""


def printable(text: str) -> str:
    """A text for a message: without the halves of surrogate pairs, which no output takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def refusal(name: str, code: str, message: str, place: Place | None = None) -> DocumentError:
    """A document that is refused for one reason."""
    line, column = place or (None, None)
    return DocumentError([Problem(code, printable(message), line=line, column=column)], name)
