"""What is wrong with a document, collected across all stages, each with its place."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import islice
from typing import Any

from ...errors import Problem
from ...model import compile as judge
from .places import Path, Place, Source, dotted

__all__ = ["MAX_PROBLEMS", "Findings", "hint", "shown"]

MAX_PROBLEMS = 100
"""Problems reported at once: a file that has more is not the file that was meant."""

COMPARED = 500


class Findings:
    """Collects problems; a path in the document gives each its line, node and field.

    Args:
        source: where the text is. data: the document, when it is one inside the source's. prefix: where.
        found: what the outer one has found so far.
    """

    def __init__(
        self,
        source: Source,
        data: dict[str, Any] | None = None,
        prefix: Path = (),
        found: list[Problem] | None = None,
    ) -> None:
        self.source = source
        self.data = source.data if data is None else data
        self.prefix = prefix
        self.found: list[Problem] = [] if found is None else found
        for path, problem in source.faults if found is None else ():
            if not self.is_full:
                node, where = _place_in_words(path)
                self.found.append(replace(problem, node=node, field=where))

    def below(self, data: dict[str, Any], path: Path) -> Findings:
        """Findings of a document inside this one: paths are its own, places and words those of the whole."""
        return Findings(self.source, data, (*self.prefix, *path), self.found)

    def place(self, path: Path, *, key: bool = False) -> Place | None:
        """Where what is at a path stands."""
        return self.source.places.of((*self.prefix, *path), key=key)

    @property
    def is_full(self) -> bool:
        """Whether enough was found to stop looking."""
        return len(self.found) >= MAX_PROBLEMS

    @property
    def has_errors(self) -> bool:
        """Whether anything found stands in the way of a graph."""
        return any(problem.severity == "error" for problem in self.found)

    def add(
        self,
        code: str,
        message: str,
        path: Path,
        *,
        key: bool = False,
        field: str | None = None,
        edge: str | None = None,
        severity: str = "error",
    ) -> None:
        """Add a problem with what stands at a path.

        Args:
            code, message: as of `Problem`. path: in the document. key: it is the key that is wrong.
            field: the field's path in words, when it is not the rest of `path`. edge: the edge in words.
            severity: `error` or `warning`.
        """
        if self.is_full:
            return
        line, column = self.place(path, key=key) or (None, None)
        node, where = _place_in_words((*self.prefix, *path))
        if edge is not None and not self.prefix:
            where = dotted(path[2:]) or None
        if field is not None and self.prefix:
            around = (*self.prefix[2:], *path[: 2 if path[:1] == ("nodes",) else 0])
            field = f"{dotted(around)}.{field}"
        self.found.append(Problem(code, message, node, field or where, edge, line, column, severity))

    def sorted(self) -> list[Problem]:
        """The problems in the order of the text."""
        found = sorted(self.found, key=lambda problem: (problem.line or 0, problem.column or 0))
        if self.is_full:
            found.append(Problem("more", f"these are the first {MAX_PROBLEMS} problems; there may be more"))
        return found


def _place_in_words(path: Path) -> tuple[str | None, str | None]:
    if len(path) > 1 and path[0] == "nodes":
        return str(path[1])[:80], dotted(path[2:]) or None
    return None, dotted(path) or None


def hint(name: object, known: Collection[str], what: str = "there are") -> str:
    """The nearest known name and the known names, in words that end a message; quick whatever the names are."""
    some = known if len(known) <= COMPARED else [*islice(known, COMPARED)]
    return judge.nearest(name if isinstance(name, str) and len(name) <= 100 else "", some, what)


def shown(value: object) -> str:
    """A value as messages show it."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = "nothing" if value is None else repr(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
