"""Whether the nodes and edges of a document make a graph; judged as far as they are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from ...expressions import NOT_CONSTANT, Expression
from ...model.compile import Declaration
from ...model.compile import judge as judge_graph
from ...model.edge import Edge
from ..graph import OUTPUT_NAMES, PARAM_NAMES, port_problems
from ..host import policies
from ..misspelt import metadata_problems
from .edges import Arrow
from .entries import Entry
from .findings import Findings, hint, shown
from .heading import Heading
from .places import Path, is_list
from .texts import Known, check_condition, check_templates, rendered

__all__ = ["Parts", "declaration_of", "judge"]


@dataclass(frozen=True)
class Parts:
    """What a document was read into."""

    heading: Heading
    entries: list[Entry]
    arrows: list[Arrow]
    starts: list[str]


def declaration_of(parts: Parts) -> Declaration:
    """The graph that sound parts declare."""
    heading = parts.heading
    return Declaration(
        name=heading.name,
        nodes=tuple(entry.spec for entry in parts.entries),
        edges=tuple(arrow.edge for arrow in parts.arrows),
        starts=tuple(parts.starts),
        state=heading.state,
        on_failure=heading.on_failure,
        strict_routing=heading.strict_routing,
        max_steps=heading.max_steps or 1_000_000,
        bounded=heading.max_steps is not None,
    )


def judge(heading: Heading, entries: list[Entry], arrows: list[Arrow], findings: Findings) -> Parts:
    """The parts of a graph; what is wrong with how they fit together is added to the findings."""
    starts, is_certain = _starts(entries, arrows, findings)
    known = Known({entry.id: entry.outputs for entry in entries}, heading.state, heading.inputs)
    at_start = replace(known, received=heading.inputs)
    first = set(starts) - {arrow.edge.target for arrow in arrows}
    for entry in entries:
        here = at_start if entry.id in first else known
        if not entry.is_inline:
            check_templates(rendered(entry), (*entry.path, "params"), (*PARAM_NAMES, *entry.names), here, findings)
        if entry.batch is not None:
            check_templates(entry.batch.templates, (*entry.path, "batch", "items"), PARAM_NAMES, here, findings)
    _judge_policies(heading.name, entries, findings)
    check_templates(heading.outputs or {}, ("outputs",), OUTPUT_NAMES, known, findings)
    shape: list[Edge] = []
    for arrow in arrows:
        here = at_start if arrow.edge.source in first else known
        shape.append(_shape_of(arrow.edge, check_condition(arrow, here, findings)))
    parts = Parts(heading, entries, arrows, starts)
    if not findings.is_full:
        _judge_shape(parts, shape, is_certain, findings)
        _judge_ports(parts, findings)
        _judge_metadata(parts, findings)
    return parts


def _judge_policies(graph: str, entries: list[Entry], findings: Findings) -> None:
    """Policies that cannot be on their node, or contradict one another."""
    nodes = [entry.node for entry in entries if entry.node is not None and entry.node.policies]
    for problem in policies().judge_policies(nodes, graph, PARAM_NAMES):
        path = ("nodes", str(problem.node), "policies")
        findings.add(problem.code, problem.message, path, severity=problem.severity)


def _shape_of(edge: Edge, condition: Expression | None) -> Edge:
    """The edge as far as it matters to starts and cycles; a condition is not judged twice."""
    if edge.kind != "when":
        return edge
    if condition is None:  # no telling when it is taken: it may lead out of a cycle
        return msgspec.structs.replace(edge, kind="route", when=None)
    return edge if condition.constant is not NOT_CONSTANT else msgspec.structs.replace(edge, when="output")


def _starts(entries: list[Entry], arrows: list[Arrow], findings: Findings) -> tuple[list[str], bool]:
    """The nodes to start at, and whether all that the author named are among them."""
    declared = findings.data.get("start")
    ids = {entry.id: None for entry in entries}
    if declared is None:
        targets = {arrow.edge.target for arrow in arrows}
        return [entry.id for entry in entries if entry.id not in targets], True
    named: list[Any] = declared if is_list(declared) else [declared]
    if not named or not all(isinstance(id, str) for id in named):
        findings.add("bad_value", f"start is a node id or a list of them, not {shown(declared)}", ("start",))
        return [], False
    found: dict[str, None] = {}
    for index, id in enumerate(named):
        if id in ids:
            found[id] = None
        elif not findings.is_full:
            path = ("start", index) if is_list(declared) else ("start",)
            findings.add("unknown_node", f"no node has the id {shown(id)}{hint(id, ids, 'nodes')}", path)
    return list(found), len(found) == len(set(named))


def _judge_shape(parts: Parts, shape: list[Edge], is_certain: bool, findings: Findings) -> None:
    """Cycles, starts and what cannot be reached, leaving out what other problems may explain."""
    good = {entry.id for entry in parts.entries if entry.has_id}
    edges = [
        edge
        for edge, arrow in zip(shape, parts.arrows, strict=True)
        if arrow.is_sound and {edge.source, edge.target} <= good
    ]
    explained = {arrow.edge.target for arrow in parts.arrows if arrow.edge.source not in good} & good
    broken_edges = any(problem.code in ("bad_edge", "bad_edges", "unknown_node") for problem in findings.found)
    starts = [id for id in parts.starts if id in good]
    if not is_certain or (broken_edges and not starts):
        starts += [id for id in good if id not in starts]  # no telling what can be reached
    starts += sorted(explained - set(starts))
    if not good:
        return
    plain = msgspec.structs.replace(
        declaration_of(parts),
        nodes=tuple(entry.spec for entry in parts.entries if entry.has_id),
        edges=tuple(edges),
        starts=tuple(starts),
    )
    for problem in judge_graph(plain).problems:
        if problem.code == "unreachable" and broken_edges:
            continue
        path = ("nodes", problem.node) if problem.node is not None else ("nodes",)
        findings.add(problem.code, problem.message, path, key=True, severity=problem.severity, edge=problem.edge)


def _judge_ports(parts: Parts, findings: Findings) -> None:
    nodes = {entry.id: entry.node for entry in parts.entries if entry.node is not None}
    for problem in port_problems(declaration_of(parts), nodes):
        findings.add(problem.code, problem.message, ("nodes", str(problem.node)), key=True, field=problem.field)


def _judge_metadata(parts: Parts, findings: Findings) -> None:
    """The words of edges to nodes with a rate, each where it stands."""
    ticking = {entry.id for entry in parts.entries if entry.rate is not None}
    seen = set[Path]()
    for arrow in parts.arrows:
        if arrow.edge.target in ticking and arrow.path not in seen:
            seen.add(arrow.path)
            for word, message, severity in metadata_problems(arrow.edge.metadata):
                path = (*arrow.path, "metadata", word)
                findings.add(
                    "reading", message, path, key=severity == "warning", edge=str(arrow.edge), severity=severity
                )
