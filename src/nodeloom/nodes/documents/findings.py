"""What is wrong with a document, collected across all stages, each with its place."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import islice
from typing import Any

from ...errors import Problem
from ...model import compile as judge
from ...model.masks import in_short
from .places import Path, Place, Source, dotted, printable

__all__ = ["MAX_EXPRESSIONS", "MAX_PROBLEMS", "PATTERN", "Findings", "hint", "shown"]

MAX_PROBLEMS = 100
"""Problems reported at once: a file that has more is not the file that was meant."""

COMPARED = 500


MAX_EXPRESSIONS = 100_000
"""Words and signs of all expressions in a document together: reading that many takes some half a second."""

PATTERN = 300
"""Words that a pattern after `matches` counts as, since it takes longer to judge."""


class Findings:
    """Collects problems; a path in the document gives each its line, node and field.

    Args:
        source: where the text is. data: the document, when it is one inside the source's. prefix: where.
        outer: the findings of the document around it.
    """

    def __init__(
        self,
        source: Source,
        data: dict[str, Any] | None = None,
        prefix: Path = (),
        outer: Findings | None = None,
    ) -> None:
        self.source = source
        self.data = source.data if data is None else data
        self.prefix = prefix
        self.outer = outer
        self.expressions = 0
        self.found: list[Problem] = [] if outer is None else outer.found
        for path, problem in source.faults if outer is None else ():
            if not self.is_full:
                node, where = _place_in_words(path)
                self.found.append(replace(problem, node=node, field=where))

    def below(self, data: dict[str, Any], path: Path) -> Findings:
        """Findings of a document inside this one: paths are its own, places and words those of the whole."""
        return Findings(self.source, data, (*self.prefix, *path), self)

    def place(self, path: Path, *, key: bool = False) -> Place | None:
        """Where what is at a path stands."""
        return self.source.places.of((*self.prefix, *path), key=key)

    @property
    def is_full(self) -> bool:
        """Whether enough was found to stop looking."""
        return len(self.found) >= MAX_PROBLEMS

    @property
    def errors(self) -> int:
        """How many of them stand in the way of a graph."""
        return sum(problem.severity == "error" for problem in self.found)

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
        edge = None if edge is None else printable(edge)
        self.found.append(Problem(code, printable(message), node, field or where, edge, line, column, severity))

    def take(self, problems: Iterable[Problem], file: str) -> None:
        """Add the problems of another document that this one names, by its file."""
        for problem in problems:
            if not self.is_full and problem.code != "more":
                self.found.append(problem if problem.file is not None else replace(problem, file=file))

    def admits(self, words: int, path: Path) -> bool:
        """Whether an expression of so many words may still be read; reports the first that may not.

        Args:
            words: words and signs of the expression. path: where it is.
        """
        if self.outer is not None:
            return self.outer.admits(words, (*self.prefix[len(self.outer.prefix) :], *path))
        before = self.expressions
        self.expressions += words
        if before <= MAX_EXPRESSIONS < self.expressions:
            what = (
                f"the expressions of a document hold at most {MAX_EXPRESSIONS:,} words and signs together (a pattern"
                f" after `matches` counts as {PATTERN}), and here they are past that; make several documents of it"
            )
            self.add("too_many_expressions", what, path)
        return self.expressions <= MAX_EXPRESSIONS

    def sorted(self) -> list[Problem]:
        """The problems in the order of the text; then those of the documents that it names."""
        found = sorted(self.found, key=lambda problem: (problem.file or "", problem.line or 0, problem.column or 0))
        if self.is_full:
            found.append(Problem("more", f"these are the first {MAX_PROBLEMS} problems; there may be more"))
        return found


def _place_in_words(path: Path) -> tuple[str | None, str | None]:
    if len(path) > 1 and path[0] == "nodes":
        return printable(str(path[1])[:80]), dotted(path[2:]) or None
    return None, dotted(path) or None


def hint(name: object, known: Collection[str], what: str = "there are") -> str:
    """The nearest known name and the known names, in words that end a message; quick whatever the names are."""
    some = known if len(known) <= COMPARED else [*islice(known, COMPARED)]
    return judge.nearest(name if isinstance(name, str) and len(name) <= 100 else "", some, what)


def shown(value: object) -> str:
    """A value as messages show it."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    return in_short(value)
