"""A graph as a document, without loss; what a document cannot hold is refused, all of it at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from ...errors import DefinitionError, DocumentError, ExpressionError, Problem
from ...expressions import from_keywords
from ...model.edge import Edge, Quorum
from ...model.mailbox import Mailbox, Supervision
from ...model.reducers import NAMED, Reducer
from ...model.state import StateSchema
from ..declared import schema_from_class
from ..graph import Graph, GraphNode
from ..host import policies
from ..node import Node
from ..registry import Registry
from ..settings import ACTING, TICKING
from .heading import FORMAT
from .reading import read_mapping
from .saved_nodes import save_node
from .values import NotPlain, plain
from .yaml_writing import dump_yaml

__all__ = ["dump_yaml", "to_document"]


def to_document(graph: Graph, registry: Registry | None = None) -> dict[str, Any]:
    """The graph as a document, from which `from_document` makes an equal one.

    Not kept: what Python types say beyond the types of JSON in a state class or in the class of `inputs`.

    Args:
        graph: any graph. registry: node types it may name besides those that can be found by their identifier.

    Raises:
        DocumentError: with everything that a document cannot hold, as a Python predicate, and the reason.
    """
    problems: list[Problem] = []
    document = _Saver(graph, registry, problems).document()
    if problems:
        raise DocumentError(problems, f"graph {graph.name} cannot be saved")
    source = read_mapping(document, f"graph {graph.name}")
    if source.faults:
        raise DocumentError([problem for _, problem in source.faults], f"graph {graph.name} cannot be saved")
    return source.data


class _Saver:
    def __init__(self, graph: Graph, registry: Registry | None, problems: list[Problem]) -> None:
        self.graph = graph
        self.registry = registry
        self.problems = problems

    def document(self) -> dict[str, Any]:
        graph, declaration = self.graph, self.graph.declaration
        extras = dict(graph.document_extras)
        labels: dict[str, str] = extras.pop("node_labels", {})
        document: dict[str, Any] = {"nodeloom": FORMAT, "name": graph.name}
        if "description" in extras:
            document["description"] = extras.pop("description")
        starts = _default_starts(graph)
        if list(declaration.starts) != starts:
            document["start"] = [*declaration.starts] if len(declaration.starts) > 1 else "".join(declaration.starts)
        if graph.inputs is not None:
            document["inputs"] = self.inputs(graph.inputs)
        if declaration.state.declared:
            document["state"] = self.state(declaration.state)
        document["nodes"] = {id: self.node(node, labels.get(id)) for id, node in graph.nodes.items()}
        if declaration.edges:
            document["edges"] = [self.edge(edge) for edge in declaration.edges]
        if graph.output_templates is not None:
            document["outputs"] = self.value(graph.output_templates, "outputs")
        if declaration.on_failure != "fail":
            document["on_failure"] = declaration.on_failure
        if declaration.strict_routing:
            document["strict_routing"] = True
        if declaration.bounded:
            document["max_steps"] = declaration.max_steps
        return {**document, **self.value(extras, "")}

    def node(self, node: Node, label: str | None) -> dict[str, Any]:
        if isinstance(node, GraphNode):
            inner: list[Problem] = []
            entry: dict[str, Any] = {"type": "subgraph"}
            entry["params"] = {"document": _Saver(node.graph, self.registry, inner).document()}
            for problem in inner:
                where = ", ".join(part for part in (problem.where,) if part)
                message = f"in its graph, {where}: {problem.message}" if where else problem.message
                self.problems.append(Problem(problem.code, message, node=node.id))
        else:
            entry = save_node(node, self.registry, self.problems)
        entry.update(_settings(node))
        if node.policies != type(node).policies:
            entry["policies"] = self.policies(node)
        if node.batch is not None and node.batch != type(node).batch:
            entry["batch"] = self.batch(node)
        return entry if label is None else {**entry, "label": label}

    def policies(self, node: Node) -> dict[str, Any]:
        try:
            return policies().settings_of(node.policies)
        except DefinitionError as error:
            self.problems.append(Problem("not_savable", str(error), node=node.id, field="policies"))
            return {}

    def batch(self, node: Node) -> dict[str, Any]:
        settings = {} if node.batch is None else node.batch.settings()
        if "reduce" in settings:
            what = "reduce is a Python function; reduce the slots in a node after this one"
            self.problems.append(Problem("not_savable", what, node=node.id, field="batch.reduce"))
            del settings["reduce"]
        return {key: self.value(value, f"batch.{key}") for key, value in settings.items()}

    def edge(self, edge: Edge) -> str | dict[str, Any]:
        if edge.kind == "always" and edge.metadata is None:
            return str(edge)
        entry: dict[str, Any] = {"from": edge.source, "to": edge.target}
        if edge.predicate is not None:
            what = 'its condition is a Python function; write it as an expression, as .on("output.score > 0.8")'
            self.problems.append(Problem("not_savable", what, edge=str(edge)))
        elif edge.kind == "when":
            entry["when"] = self.condition(edge)
        elif edge.kind == "error":
            entry["on_error"] = True if not edge.errors else edge.errors[0] if len(edge.errors) == 1 else [*edge.errors]
        elif edge.kind != "always":
            entry[edge.kind] = True
        if edge.metadata is not None:
            entry["metadata"] = self.value(edge.metadata, "metadata", edge=str(edge))
        return entry

    def condition(self, edge: Edge) -> str:
        if isinstance(edge.when, str):
            return edge.when
        try:
            return from_keywords(dict(edge.when or ())).text
        except ExpressionError as error:
            self.problems.append(Problem("not_savable", str(error), edge=str(edge), field="when"))
            return ""

    def inputs(self, declared: Any) -> dict[str, Any]:
        if isinstance(declared, Mapping):
            return cast("dict[str, Any]", self.value(declared, "inputs"))
        fields = self.fields(schema_from_class(declared), "inputs")
        for key, field in cast("Mapping[str, Any]", declared.model_fields).items():
            if field.description:
                fields[key]["description"] = field.description
        return fields

    def state(self, schema: StateSchema) -> dict[str, Any]:
        fields = self.fields(schema, "state")
        for key, reducer in schema.reducers.items():
            if NAMED.get(reducer.name) is reducer:
                fields[key]["reducer"] = reducer.name
            else:
                self.problems.append(Problem("not_savable", _no_reducer(reducer), field=f"state.{key}"))
        return fields

    def fields(self, schema: StateSchema, word: str) -> dict[str, dict[str, Any]]:
        fields: dict[str, dict[str, Any]] = {}
        for key, kind in schema.types.items():
            fields[key] = {"type": kind}
            if key in schema.defaults:
                fields[key]["default"] = self.value(schema.defaults[key](), f"{word}.{key}.default")
        return fields

    def value(self, value: Any, field: str, *, edge: str | None = None) -> Any:
        try:
            return plain(value)
        except NotPlain as error:
            where = f"{field}{error.where}" if field else error.where.lstrip(".")
            self.problems.append(Problem("not_savable", str(error), field=where, edge=edge))
            return {}


def _settings(node: Node) -> dict[str, Any]:
    """What is set on the node itself, as far as it differs from its type."""
    kind = type(node)
    settings: dict[str, Any] = {}
    for word in ("join", "routing", "isolation", "memory", "pool", *ACTING, *TICKING):
        value: Any = getattr(node, word)
        if value != getattr(kind, word):
            settings[word] = _as_data(value)
    return settings


def _as_data(value: Any) -> Any:
    if isinstance(value, Quorum):
        return {"quorum": value.n}
    return msgspec.structs.asdict(value) if isinstance(value, Mailbox | Supervision) else value


def _default_starts(graph: Graph) -> list[str]:
    targets = {edge.target for edge in graph.declaration.edges}
    return [id for id in graph.nodes if id not in targets]


def _no_reducer(reducer: Reducer) -> str:
    name = getattr(reducer.reduce, "__qualname__", repr(reducer.reduce))
    known: Sequence[str] = [*NAMED]
    return f"the reducer {name} is a Python function of one's own; a document has {', '.join(known)}"
