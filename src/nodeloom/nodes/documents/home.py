"""Where a document is from, and the documents that it names by their files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import DocumentError, Problem
from ...expressions import has_template
from ..graph import Graph
from .entries import Entry
from .findings import Findings

__all__ = ["Home", "Load", "check_named", "settle_in"]

DEEPEST = 16
"""Documents within one another, as far as they are looked at; a run goes no deeper."""

Load = Callable[["Mapping[str, Any] | Path", "Home"], Graph]


@dataclass(frozen=True)
class Home:
    """The file of a document, below whose folder it names others.

    Attributes:
        file: the file, as it was named. load: makes a graph of another document, with the node types of this one.
        around: the real files of this document and of those it is named in, outermost first.
        known: real files that were looked at, so that each is once.
    """

    file: Path
    load: Load
    around: tuple[Path, ...]
    known: set[Path] = field(default_factory=set[Path])

    @classmethod
    def of(cls, file: Path, load: Load) -> Home:
        """That of a document which no other one names."""
        return cls(file, load, (_real(file),))

    @property
    def folder(self) -> Path:
        """The folder of the file, without links."""
        return self.around[-1].parent

    def graph(self, document: Mapping[str, Any] | Path) -> Graph:
        """The graph of a document that this one holds or names.

        Args:
            document: a mapping, which is at home where this one is; or a path.

        Raises:
            DocumentError: with every problem at once, each with its line.
        """
        return self.load(document, self)

    def below(self, file: Path) -> Home:
        """The home of a document that this one names."""
        return replace(self, file=file, around=(*self.around, _real(file)))


def settle_in(entries: Iterable[Entry], home: Home) -> None:
    """Tell the nodes that name documents where theirs is."""
    for entry in entries:
        settle = getattr(entry.node, "at_home", None)
        if settle is not None:
            settle(home)


def check_named(entry: Entry, findings: Findings, home: Home) -> None:
    """What is wrong with the document that a `subgraph` names, told under its own file name.

    Looked at are those below the document's folder or the working directory; others a run may have no access to.
    """
    named = (entry.params or {}).get("path")
    kind = entry.kind.identifier if entry.kind is not None else ""
    if kind != "subgraph" or not isinstance(named, str) or not named or has_template(named):
        return
    real, at = _real(home.folder / named), (*entry.path, "params", "path")
    file = Path(os.path.normpath(home.file.parent / named))
    file = file if _real(file) == real else real  # a link leads to a document of another folder
    if not any(real.is_relative_to(root) for root in (home.folder, _real(Path()))):
        return
    if real in home.around:
        circle = " > ".join(each.name for each in (*home.around[home.around.index(real) :], real))
        what = f"the document contains itself: {circle}; a run ends only where a condition leads past that"
        findings.add("circle", what, at, severity="warning")
    elif not real.is_file():
        what = f"there is no file {file}; a document names others from the folder that it is in"
        findings.add("no_document", what, at, severity="warning")
    elif real not in home.known and not findings.is_full and len(home.around) <= DEEPEST:
        home.known.add(real)
        findings.take(_problems_of(file, home), str(file))


def _problems_of(file: Path, home: Home) -> tuple[Problem, ...]:
    try:
        return tuple(home.graph(file).validate())
    except DocumentError as error:
        return error.problems


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
