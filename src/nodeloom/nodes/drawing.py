"""A graph as a picture: Mermaid's flowchart text."""

from __future__ import annotations

from ..expressions import from_keywords
from ..model.compile import Declaration
from ..model.edge import Edge

__all__ = ["edge_label", "mermaid"]


def mermaid(graph: Declaration) -> str:
    """The graph as Mermaid text; conditions label the edges, error edges are dotted."""
    lines = ["flowchart TD"]
    for node in graph.nodes:
        shape = ("([", "])") if node.id in graph.starts else ("[", "]")
        lines.append(f"    {_name(node.id)}{shape[0]}{_text(node.id)}{shape[1]}")
    for edge in graph.edges:
        arrow = "-.->" if edge.kind in ("error", "route") else "-->"
        label = edge_label(edge)
        lines.append(f"    {_name(edge.source)} {arrow}{f'|{_text(label)}|' if label else ''} {_name(edge.target)}")
    return "\n".join(lines) + "\n"


def edge_label(edge: Edge) -> str:
    """When an edge is taken, in words; empty when always."""
    if edge.kind == "when":
        if isinstance(edge.when, str):
            return edge.when
        return str(from_keywords(dict(edge.when))) if edge.when is not None else "a Python condition"
    if edge.kind == "error":
        return f"on error {' or '.join(name.rpartition('.')[2] for name in edge.errors)}".rstrip()
    return {"otherwise": "otherwise", "route": "when routed"}.get(edge.kind, "")


def _name(node_id: str) -> str:
    return f"n_{node_id}"  # `end` and other words of Mermaid's are fine node ids


def _text(text: str) -> str:
    escaped = text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
    return f'"{escaped}"'
