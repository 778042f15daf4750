"""`subgraph`: a document as one step."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nodeloom import Context, Field, Graph, Node, Params
from nodeloom.errors import NodeloomError, ParamsError, Problem, StepError
from nodeloom.nodes.documents.home import Home

from .places import locate

__all__ = ["NestingTooDeep", "Subgraph"]

MAX_DEPTH = 16
MAX_KEPT = 64
PATH = (
    "From the folder of the document that this stands in, else the first that the engine allows; below those it allows."
)

Load = Callable[[Mapping[str, Any] | Path], Graph]

# Which documents this step is inside of, outermost first.
_inside: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("nodeloom_subgraphs", default=())


class NestingTooDeep(StepError):
    """Documents that contain one another without an end, or deeper than is allowed."""

    code = "nesting_too_deep"


class SubgraphParams(Params):
    path: str | None = Field(None, label="Document", placeholder="steps/clean.yaml", description=PATH)
    document: dict[str, Any] | None = Field(
        None, literal=True, label="Inline document", description="The document itself, as a mapping."
    )
    inputs: dict[str, Any] | None = Field(
        None, label="Inputs", description="The inputs of its run; by default those of this step."
    )


class Subgraph(Node):
    """Run a document as one step: its output is the document's.

    It is compiled once, and again when its file has changed. A relative path in a document that is a file begins at
    the folder of that file; else at the first folder the engine allows. Raises: DocumentError with every problem of the
    document; RunFailed when its run fails; NestingTooDeep at 16 documents within one another; PathNotAllowed.
    """

    identifier = "subgraph"
    display_name = "Subgraph"
    icon = "workflow"
    category = "Flow"
    _home: Home | None = None

    def __init__(self, params: Mapping[str, Any] | None = None, **values: Any) -> None:
        super().__init__(params, **values)
        if (self.given.get("path") is None) == (self.given.get("document") is None):
            message = "give the path of a document, or the document itself"
            raise ParamsError(f"subgraph: params.path: {message}", [Problem("params", message, field="params.path")])
        self._compiled = Compiled()

    def at_home(self, home: Home) -> None:
        """Called where this is made for a document that is a file, which says where that is."""
        self._home = home

    async def work(self, params: SubgraphParams, ctx: Context) -> Any:
        name = params.path or ctx.node_id
        around = _inside.get()
        if len(around) >= MAX_DEPTH:
            raise NestingTooDeep(
                f"{name} would be the {MAX_DEPTH + 1}th document within one another, {MAX_DEPTH} are the most: "
                f"{' > '.join([*around[-3:], name])}"
            )
        graph = await ctx.offload(self._graph, params.path, ctx)
        token = _inside.set((*around, name))
        try:
            return await ctx.run_inner(graph, params.inputs)
        finally:
            _inside.reset(token)

    def _graph(self, path: str | None, ctx: Context) -> Graph:
        registry, home = _registry(ctx), self._home
        # What the data of a run names is a document like any other, and may not import what the author's may.
        is_own = home is not None and registry is None and (path is None or path == self.given["path"])
        load: Load = home.graph if home is not None and is_own else lambda found: Graph.from_document(found, registry)
        if path is None:
            return self._compiled.inline(self.given["document"], load)
        named = path if home is None else str(home.folder / path)
        return self._compiled.file(path, named, ctx.setting("file_roots"), load)


class Compiled:
    """Graphs made of documents, kept while a file is as it was. Not run data: what is kept follows from the file."""

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[Any, Graph]] = {}

    def inline(self, document: Mapping[str, Any], load: Load) -> Graph:
        """The graph of a mapping, which `load` makes."""
        known = self._kept.get(id(document))
        if known is not None and known[0] is document:
            return known[1]
        return self._keep(id(document), document, load(document))

    def file(self, path: str, named: str, roots: Sequence[Path], load: Load) -> Graph:
        """The graph of a file below the roots.

        Args:
            path: as messages tell it. named: the same from where it begins. roots: the folders that are allowed.
            load: makes the graph.

        Raises:
            PathNotAllowed: it is outside of them. FileNotFoundError: it is not there.
        """
        place = locate(named, roots)
        try:
            status = place.path.stat()
        except OSError as error:
            raise type(error)(f"cannot read the document {path}: {error.strerror} (looked for {place.path})") from None
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._kept.get(place.path)
        if known is not None and known[0] == version:
            return known[1]
        return self._keep(place.path, version, load(place.path))

    def _keep(self, key: Any, version: Any, graph: Graph) -> Graph:
        self._kept.pop(key, None)
        while len(self._kept) >= MAX_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = (version, graph)
        return graph


def _registry(ctx: Context) -> Any:
    """The engine's own catalogue, where it has one; None for the default."""
    try:
        return ctx.setting("registry")
    except NodeloomError:
        return None
