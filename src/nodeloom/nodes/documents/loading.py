"""A document as a graph."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from ...errors import DocumentError, GraphError, Problem
from ..graph import Graph, GraphNode
from ..naming import snake_case
from ..registry import Registry
from .catalogue import Catalogue
from .edges import read_edges
from .entries import Entry, read_entries
from .error_names import ErrorNames, check_policies
from .findings import Findings
from .heading import read_heading
from .home import Home, check_named, settle_in
from .judging import declaration_of, judge
from .places import Source
from .reading import read_file, read_mapping, read_text

__all__ = ["check_document", "from_document", "load_text"]


def from_document(
    document: Mapping[str, Any] | str | Path,
    registry: Registry | None = None,
    *,
    imports: bool = False,
    folder: str | Path | None = None,
) -> Graph:
    """The graph a document declares.

    Args:
        document: a mapping, or the path of a YAML or JSON file.
        registry: the node types it may use. Without one: what is installed, and types of modules that are
            loaded already.
        imports: a type that is in no registry may be imported by its path, as `my.nodes.Count`. Only for
            documents of the person who runs them: importing a module runs its code.
        folder: stands first on the import path meanwhile; the file's own by default.

    Raises:
        DocumentError: with every problem at once, each with its line.

    Example:
        `from_document("flow.yaml", imports=True)`
    """
    return _made(*_load(document, registry, imports, folder))


def check_document(
    document: Mapping[str, Any] | str | Path,
    registry: Registry | None = None,
    *,
    imports: bool = False,
    folder: str | Path | None = None,
) -> list[Problem]:
    """Everything that is wrong or questionable about a document, in the order of its text.

    Args:
        document, registry, imports, folder: as for `from_document`.
    """
    try:
        _, findings = _load(document, registry, imports, folder)
    except DocumentError as error:
        return list(error.problems)
    return findings.sorted()


def load_text(
    text: str | bytes,
    name: str = "document",
    registry: Registry | None = None,
    *,
    imports: bool = False,
    folder: str | Path | None = None,
) -> Graph:
    """The graph that a text in YAML or JSON declares.

    Args:
        text: the document. name: what messages call it; one that ends in `.json` or `.yaml` says what it is.
        registry, imports, folder: as for `from_document`.

    Raises:
        DocumentError: with every problem at once, each with its line.
    """
    catalogue = Catalogue(registry, imports=imports, folder=Path(folder) if folder is not None else None)
    return _made(*_graph_of(read_text(text, name), catalogue))


def _load(
    document: Any, registry: Registry | None, imports: bool, folder: str | Path | None
) -> tuple[Graph | None, Findings]:
    home: Home | None = None
    if isinstance(document, Mapping):
        source = read_mapping(cast("Mapping[str, Any]", document))
    elif isinstance(document, str | Path):
        source = read_file(document)
        folder = Path(document).parent if folder is None else folder
        home = Home.of(Path(document), functools.partial(_named, registry, imports))
    else:
        what = f"a document is a mapping or the path of a file, not {type(document).__name__}"
        raise DocumentError([Problem("not_a_mapping", what)], "document")
    catalogue = Catalogue(registry, imports=imports, folder=Path(folder) if folder is not None else None)
    return _graph_of(source, catalogue, home)


def _named(registry: Registry | None, imports: bool, document: Mapping[str, Any] | Path, home: Home) -> Graph:
    """The graph of a document that another one holds, or names."""
    if isinstance(document, Mapping):
        catalogue = Catalogue(registry, imports=imports, folder=home.file.parent)
        return _made(*_graph_of(read_mapping(document), catalogue, home))
    catalogue = Catalogue(registry, imports=imports, folder=document.parent)
    return _made(*_graph_of(read_file(document), catalogue, home.below(document)))


def _made(graph: Graph | None, findings: Findings) -> Graph:
    if graph is None:
        raise DocumentError(findings.sorted(), findings.source.name)
    return graph


def _graph_of(source: Source, catalogue: Catalogue, home: Home | None = None) -> tuple[Graph | None, Findings]:
    findings = Findings(source)
    file = Path(source.name[-200:]).stem
    name = "graph" if source.name == "document" else snake_case(file)
    return _build(findings, catalogue, name, home), findings


def _build(findings: Findings, catalogue: Catalogue, name: str, home: Home | None) -> Graph | None:
    """The graph; None when something is wrong, which the findings then say."""
    heading = read_heading(findings, name)
    if heading is None:
        return None
    entries = read_entries(findings.data.get("nodes"), findings, catalogue)
    for entry in entries:
        if entry.inner is not None:
            _build_inner(entry, findings, catalogue, home)
        elif home is not None:
            check_named(entry, findings, home)
    if home is not None:
        settle_in(entries, home)
    errors = ErrorNames(entries)
    check_policies(entries, errors, findings)
    arrows = read_edges(findings.data.get("edges"), {entry.id: None for entry in entries}, errors, findings)
    parts = judge(heading, entries, arrows, findings)
    nodes = [entry.node for entry in entries if entry.node is not None]
    if findings.errors or len(nodes) < len(entries):
        return None
    try:
        graph = Graph.assemble(declaration_of(parts), nodes, heading.inputs, heading.outputs, findings.sorted())
    except GraphError as error:
        _report(error, findings)
        return None
    labels = {id: entry["label"] for id, entry in findings.data["nodes"].items() if "label" in entry}
    graph.document_extras = {**heading.extras, **({"node_labels": labels} if labels else {})}
    return graph


def _build_inner(entry: Entry, findings: Findings, catalogue: Catalogue, home: Home | None) -> None:
    """A node whose params hold a whole document is that graph in the place of a node."""
    below = findings.below(entry.inner or {}, (*entry.path, "params", "document"))
    before = findings.errors
    graph = _build(below, catalogue, entry.id, home)
    if graph is not None and entry.is_inline and findings.errors == before and entry.has_id:
        entry.settle(GraphNode(graph, id=entry.id, **entry.settings))


def _report(error: GraphError, findings: Findings) -> None:
    """What only the compiler itself saw."""
    for problem in error.problems:
        path = ("nodes", problem.node) if problem.node is not None else ()
        findings.add(
            problem.code, problem.message, path, field=problem.field, edge=problem.edge, severity=problem.severity
        )
