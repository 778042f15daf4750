"""A graph: nodes and edges, judged and compiled when it is made, run any number of times at once."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, Literal

from ..errors import DefinitionError, FrozenDefinition, GraphError, ParamsError, Problem
from ..expressions import Template, compile_template
from ..model.batch import Batch
from ..model.compile import Declaration, compile_plan, judge
from ..model.edge import Edge
from ..model.plan import Plan
from ..model.run import RunResult
from ..model.values import Values, freeze, owned
from .context import Context
from .declared import checked_inputs, state_schema
from .drawing import mermaid
from .event import Event
from .forms import check_params
from .host import Actors, current_host, run_sync
from .judged import OUTPUT_NAMES, PARAM_NAMES, node_problems, output_problems, port_problems, rendered_params
from .misspelt import reading_problems
from .naming import snake_case
from .node import Node
from .wiring import Wire, as_wirable, rewire

if TYPE_CHECKING:
    from .registry import Registry

__all__ = ["OUTPUT_NAMES", "PARAM_NAMES", "Graph", "GraphNode", "actors", "port_problems", "rendered_params"]


class Graph:
    """Nodes and edges: everything that can be reached from `start`.

    Making one compiles it: its nodes and edges are snapshots from then on, and any number of runs share it.

    Args:
        start: the node to start at, or a list of them.
        name: what it is called in results, events and drawings.
        inputs: what a run takes: a Params class, or `{name: {"type": "string", "default": ...}}`. Anything, by
            default.
        state: a declared state: a `State`, dataclass, TypedDict or pydantic model.
        outputs: the graph's output: name to a template over `outputs`, `state` and `run`. By default what its
            final tokens returned.
        on_failure: `"fail"` cancels siblings when a step fails; `"continue"` lets other branches finish first.
        strict_routing: a node with edges of which none is taken fails the run.
        max_steps: ends a runaway.

    Raises:
        GraphError: with every problem at once.

    Example:
        >>> from nodeloom import Graph, node
        >>> @node
        ... def double(inputs):
        ...     return {"n": inputs["n"] * 2}
        >>> Graph(double, name="doubling").run_sync({"n": 21}).output
        {'n': 42}
    """

    def __init__(
        self,
        start: Any,
        *,
        name: str = "graph",
        inputs: Any = None,
        state: Any = None,
        outputs: Mapping[str, Any] | None = None,
        on_failure: Literal["fail", "continue"] = "fail",
        strict_routing: bool = False,
        max_steps: int | None = None,
    ) -> None:
        starts = as_wirable(start).targets()
        nodes, wires = _reachable(starts)
        declaration = _declare(nodes, wires, starts, name, state, on_failure, strict_routing, max_steps)
        self._set_up(declaration, nodes, inputs, outputs)

    def _set_up(
        self,
        declaration: Declaration,
        nodes: Sequence[Node],
        inputs: Any,
        outputs: Mapping[str, Any] | None,
        call: Batch | None = None,
    ) -> None:
        self.name = declaration.name
        self.declaration = declaration
        self.inputs = owned(inputs)
        self.document_extras: dict[str, Any] = {}  # what a document keeps beside the graph, as `ui`
        self._output_templates = owned(dict(outputs)) if outputs is not None else None
        self.nodes: Mapping[str, Node] = MappingProxyType({node.id: node for node in nodes})
        judged = judge(declaration)
        problems = [*judged.problems, *node_problems(nodes, declaration, call)]
        problems += [*port_problems(declaration, self.nodes), *output_problems(outputs, declaration)]
        problems += reading_problems(declaration.edges, self.nodes)
        if any(problem.severity == "error" for problem in problems):
            raise GraphError(problems, f"graph {self.name}")
        self._warnings = problems
        self.plan: Plan = compile_plan(declaration, judged)
        self._outputs: Template | None = compile_template(dict(outputs), OUTPUT_NAMES) if outputs else None
        for node in nodes:
            object.__setattr__(node, "frozen", True)

    def __setattr__(self, name: str, value: Any) -> None:
        if "plan" in self.__dict__ and not name.startswith(("_", "document_")):
            raise FrozenDefinition(
                f"{name} of graph {self.name} cannot be set: it is compiled, and shared by every run; make another one"
            )
        object.__setattr__(self, name, value)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges in declaration order."""
        return self.declaration.edges

    @property
    def output_templates(self) -> dict[str, Any] | None:
        """What `outputs` was given as, if anything; a copy."""
        templates: dict[str, Any] | None = owned(self._output_templates)
        return templates

    def validate(self) -> list[Problem]:
        """What is questionable about the graph; what is wrong was raised when it was made."""
        return list(self._warnings)

    async def check(self) -> list[Problem]:
        """What is wrong or questionable, with what the functions of its nodes' forms say: their options, for one.

        Templates are taken for granted: what they become is checked when a step runs.
        """
        found = [check_params(node) for node in self.nodes.values()]
        problems = [problem for each in await asyncio.gather(*found) for problem in each]
        return [*self.validate(), *problems]

    def check_inputs(self, inputs: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """The inputs of a run, checked against what the graph declares.

        Raises:
            ParamsError: with every problem.
        """
        if inputs is not None and not isinstance(inputs, Mapping):
            raise ParamsError(f"inputs of graph {self.name} are a mapping, not {type(inputs).__name__}")
        given: Mapping[Any, Any] = inputs or {}
        for key in given:
            if not isinstance(key, str):
                what = f"inputs of graph {self.name} are named by texts, not by {key!r} ({type(key).__name__})"
                raise ParamsError(what)
        if self.inputs is not None:
            given = checked_inputs(self.inputs, given, self.name)
        validate = self.plan.state.validate
        return validate(given) if validate is not None else given

    def output_of(self, result: RunResult, inputs: Mapping[str, Any]) -> Values:
        """The graph's output: what `outputs` says, else what its final tokens returned."""
        if self._outputs is None:
            return result.output if self._output_templates is None else freeze(owned(self._output_templates))
        run = {"inputs": inputs, "id": result.run_id}
        return freeze(self._outputs.render({"outputs": result.outputs, "state": result.state, "run": run}))

    async def run(
        self,
        inputs: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        check: bool = True,
        metadata: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> RunResult:
        """Run the graph once.

        Args:
            inputs: the run's inputs; the flowing state begins as these.
            run_id: a name of one's own, made up by default.
            check: raise when the run fails; else the result says so.
            metadata: what `ctx.metadata` is. config: what `execute(..., config)` is handed.

        Raises:
            RunFailed: with `.result`. ParamsError: inputs that do not fit.
        """
        return await current_host().run(self, inputs, run_id=run_id, check=check, metadata=metadata, config=config)

    def run_sync(self, inputs: Mapping[str, Any] | None = None, **options: Any) -> RunResult:
        """The same from code that is not async."""
        result: RunResult = run_sync(self.run, inputs, **options)
        return result

    def stream(self, inputs: Mapping[str, Any] | None = None, **options: Any) -> AsyncIterator[Event]:
        """Run the graph and watch it: events as they happen, the last being the run's end.

        A run that fails ends with `run_failed`, whose data holds the `error`. Leaving the loop cancels the run.
        """
        return current_host().stream(self, inputs, **options)

    def actors(self, **options: Any) -> Actors:
        """The nodes of this graph as actors, each with a mailbox: `async with graph.actors() as system: ...`.

        Args:
            **options: `mailbox`, of actors whose nodes do not say; `supervision`, of all or by node id, whatever these
                say; `kept`, how many dead letters are; `grace`, seconds that what is under way has at the end;
                `metadata`, `config`, `watch`, as of a run.

        Returns:
            The system, to `tell`, `ask`, `pause`, `drain`, `stop` and look at; see `ActorSystem`.
        """
        return current_host().actors(self, **options)

    def as_node(self, *, id: str | None = None, **settings: Any) -> GraphNode:
        """The graph as a node of another: its inputs are the step's, its output is the graph's.

        With a batch it runs for each item, which is among its inputs, as is its `index`.

        Args:
            id: its place in the other graph. **settings: what a node's constructor takes: `batch`, `policies`, ...
        """
        return GraphNode(self, id=id or snake_case(self.name), **settings)

    def to_mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        return mermaid(self.declaration)

    def to_document(self) -> dict[str, Any]:
        """The graph as a document, from which `from_document` makes an equal one.

        Raises:
            DocumentError: for what a document cannot hold, as a Python predicate, with the reason.
        """
        document: dict[str, Any] = _documents("saving").to_document(self)
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | str | Path, registry: Registry | None = None) -> Graph:
        """A graph from a document: a mapping, or the path of a YAML or JSON file.

        Args:
            document: the mapping or path. registry: where node types are looked up; the library's by default.

        Raises:
            DocumentError: with every problem at once, each with its line.
        """
        graph: Graph = _documents("loading").from_document(document, registry)
        return graph

    @classmethod
    def assemble(
        cls,
        declaration: Declaration,
        nodes: Sequence[Node],
        inputs: Any,
        outputs: Mapping[str, Any] | None,
        warnings: Sequence[Problem] = (),
    ) -> Graph:
        """A graph of nodes that are wired by a declaration instead of by `>>`; `warnings` are its validate's."""
        graph = cls.__new__(cls)
        graph._set_up(declaration, nodes, inputs, outputs)
        if warnings:
            graph._warnings = list(warnings)
        return graph

    @classmethod
    def alone(cls, node: Node, call: Batch | None = None) -> Graph:
        """A graph of one node without its edges; the node stays free to be wired. `call`: the settings of a `map`."""
        frozen = node.frozen
        declaration = Declaration(node.id, (node.spec(),), (), (node.id,), state_schema(None))
        graph = cls.__new__(cls)
        graph._set_up(declaration, [node], None, None, call)
        object.__setattr__(node, "frozen", frozen)
        return graph

    def __repr__(self) -> str:
        return f"<Graph {self.name!r}: {len(self.nodes)} nodes, {len(self.edges)} edges>"


def _documents(part: str) -> ModuleType:
    """A part of the documents package; by name, for documents are made of graphs and import this module."""
    return importlib.import_module(f".documents.{part}", __package__)


def actors(nodes: Any, *, name: str = "actors", **options: Any) -> Actors:
    """Make actors of nodes, wired or not: each has a mailbox.

    As `async with actors([fetch, count]) as system: await system.tell("fetch", {"url": "..."})`.

    Args:
        nodes: a node, or a list of them, with all that can be reached from there. name: of the graph that they become.
        **options: as of `Graph.actors`.

    Raises:
        GraphError: with every problem at once.
    """
    return Graph(nodes, name=name).actors(**options)


class GraphNode(Node):
    """A graph in the place of a node (semantics 2.7)."""

    identifier = "subgraph"
    display_name = "Graph"
    description = "Runs a graph as one step: its inputs are the step's inputs, its output is the graph's."
    icon = "workflow"

    def __init__(self, graph: Graph, **settings: Any) -> None:
        super().__init__(**settings)
        self.graph = graph

    def output_names(self) -> Collection[str] | None:
        """Those that the graph declares; any where it declares none."""
        return self.graph.output_templates

    async def work(self, ctx: Context) -> Values:
        """Run the inner graph as part of this step."""
        return await ctx.run_inner(self.graph)


def _reachable(starts: Sequence[Node]) -> tuple[list[Node], list[Wire]]:
    """Nodes in the order they are first mentioned: starts, then edges as they were declared."""
    seen: dict[int, Node] = {id(node): node for node in starts}
    todo = list(starts)
    wires: list[Wire] = []
    while todo:
        node = todo.pop()
        for wire in node.wires:
            wires.append(wire)
            if id(wire.target) not in seen:
                seen[id(wire.target)] = wire.target
                todo.append(wire.target)
    ordered = rewire(wires)
    mentioned: dict[int, Node] = {id(node): node for node in starts}
    for wire in ordered:
        mentioned.setdefault(id(wire.source), wire.source)
        mentioned.setdefault(id(wire.target), wire.target)
    return list(mentioned.values()), list(ordered)


def _declare(
    nodes: Sequence[Node],
    wires: Sequence[Wire],
    starts: Sequence[Node],
    name: str,
    state: Any,
    on_failure: Literal["fail", "continue"],
    strict_routing: bool,
    max_steps: int | None,
) -> Declaration:
    if on_failure not in ("fail", "continue"):
        raise DefinitionError(f"on_failure is 'fail' or 'continue', not {on_failure!r}")
    if max_steps is not None and not _is_count(max_steps):
        raise DefinitionError(f"max_steps is a whole number from 1, not {max_steps!r}")
    edges = tuple(
        Edge(wire.source.id, wire.target.id, wire.kind, wire.when, wire.predicate, wire.errors, wire.metadata)
        for wire in wires
    )
    return Declaration(
        name=name,
        nodes=tuple(node.spec() for node in nodes),
        edges=edges,
        starts=tuple(dict.fromkeys(node.id for node in starts)),
        state=state_schema(state),
        on_failure=on_failure,
        strict_routing=strict_routing,
        max_steps=max_steps or 1_000_000,
        bounded=max_steps is not None,
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
