"""A graph as an SVG picture, in the colours of the editor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Literal

from ..nodes.drawing import edge_label
from ..nodes.graph import Graph
from ..nodes.node import Node
from .layout import Layout, lay_out
from .lines import CARD, Frame, Line, edge_lines, frame_of, label_rect, label_width, shortened
from .tally import one_line

__all__ = ["Direction", "Theme", "svg"]

Theme = Literal["auto", "light", "dark"]
Direction = Literal["auto", "right", "down"]
WIDTH, HEIGHT = CARD
GAP, LANE = 28.0, 24.0
WIDE = 2.4
LIGHT = {
    "canvas": "#f1f2f7",
    "surface": "#ffffff",
    "line": "#dcdfea",
    "ink": "#191b27",
    "soft": "#545a70",
    "wire": "#8d93aa",
    "failed": "#bf2c28",
}
DARK = {
    "canvas": "#101119",
    "surface": "#191b25",
    "line": "#2b2f40",
    "ink": "#eceef6",
    "soft": "#a8aec5",
    "wire": "#6a7190",
    "failed": "#ff7a71",
}
STYLE = """
.canvas {{ fill: {canvas} }}
.card {{ fill: {surface}; stroke: {line} }}
.foot {{ stroke: {line} }}
.badge {{ fill: {canvas}; stroke: {line} }}
.begin {{ fill: {ink}; stroke: {ink} }}
.mark.first {{ fill: {surface} }}
.name {{ fill: {ink} }}
.type, .more, .mark, .tag {{ fill: {soft} }}
.edge {{ stroke: {wire} }}
.head {{ fill: {wire} }}
.edge.error {{ stroke: {failed} }}
.head.error, .label.error {{ fill: {failed} }}
.label {{ fill: {soft} }}
.plate {{ fill: {canvas} }}
"""
FIXED = """
text { font: 12px "IBM Plex Sans", "Segoe UI", system-ui, sans-serif }
.name { font-size: 14px; font-weight: 600 }
.type, .label, .mark { font-family: "IBM Plex Mono", ui-monospace, "DejaVu Sans Mono", monospace; font-size: 11px }
.more, .tag { font-size: 11px }
.mark { font-weight: 600; text-anchor: middle }
.tag { text-anchor: end }
.label { text-anchor: middle }
.edge { fill: none; stroke-width: 1.5 }
.edge.error, .edge.route { stroke-dasharray: 5 4 }
"""


def svg(graph: Graph, *, theme: Theme = "auto", direction: Direction = "auto") -> str:
    """The graph as SVG: a card for each node, a line for each edge, labels where an edge has a condition.

    Args:
        graph: what to draw. theme: `auto` follows the viewer. direction: `auto` goes right, or down where the
            picture would become too wide.
    """
    edges = _edges(graph)
    frame, layout = _framed(graph, edges, direction)
    lines = edge_lines(layout, edges, frame)
    cards = "\n".join(_card(graph, node, *frame.corner(layout.nodes[node.id])) for node in graph.nodes.values())
    width, height = frame.extent(layout, lines)
    title = escape(f"Graph {graph.name}: {len(graph.nodes)} nodes, {len(graph.edges)} edges")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
            f' height="{height:g}" role="img" aria-label="{title}">',
            f"<title>{title}</title>",
            f"<style>{_style(theme)}</style>",
            _heads(),
            f'<rect class="canvas" width="{width:g}" height="{height:g}"/>',
            *(_path(line) for line in lines),
            cards,
            *(_label(line) for line in lines if line.label),
            "</svg>\n",
        ]
    )


def _edges(graph: Graph) -> dict[tuple[str, str], tuple[str, str]]:
    """For each pair of nodes with an edge: its label and kind; edges that share both ends share a line."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for edge in graph.edges:
        pair = (edge.source, edge.target)
        label, kind = edge_label(edge), edge.kind if edge.kind in ("error", "route") else "plain"
        if pair in found:
            known, before = found[pair]
            label, kind = f"{known or 'always'} or {label or 'always'}", before if before == kind else "plain"
        found[pair] = (label, kind)
    return found


def _framed(
    graph: Graph, edges: Mapping[tuple[str, str], tuple[str, str]], direction: Direction
) -> tuple[Frame, Layout]:
    labels = {pair: shortened(label) for pair, (label, _) in edges.items()}
    starts = graph.declaration.starts
    ids = [*starts, *(node for node in graph.nodes if node not in starts)]
    for right in (True, False) if direction == "auto" else (direction == "right",):
        sizes = {pair: 0.0 if right else label_width(label) for pair, label in labels.items()}
        layout = lay_out(ids, sizes, size=HEIGHT if right else WIDTH, lane=LANE, gap=GAP)
        frame = frame_of(layout, labels, right)
        width, height = frame.extent(layout, [])
        if direction != "auto" or not right or width <= max(WIDE * height, 1800):
            return frame, layout
    raise AssertionError("one of the two directions is always taken")


# --- the parts


def _style(theme: Theme) -> str:
    if theme == "dark":
        return FIXED + STYLE.format(**DARK)
    light = FIXED + STYLE.format(**LIGHT)
    return light if theme == "light" else f"{light}@media (prefers-color-scheme: dark) {{{STYLE.format(**DARK)}}}\n"


def _heads() -> str:
    heads = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8"'
        f' markerUnits="userSpaceOnUse" orient="auto"><path class="head {name}" d="M0 0.5 L8 4 L0 7.5 z"/></marker>'
        for name in ("plain", "error", "route")
    )
    return f"<defs>{heads}</defs>"


def _path(line: Line) -> str:
    data = f'data-source="{escape(line.source)}" data-target="{escape(line.target)}"'
    return f'<path class="edge {line.kind}" {data} marker-end="url(#{line.kind})" d="{line.path}"/>'


def _label(line: Line) -> str:
    x, y, width, height = label_rect(line)
    kind = " error" if line.kind == "error" else ""
    return (
        f"<g><title>{escape(line.full)}</title>"
        f'<rect class="plate" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4"/>'
        f'<text class="label{kind}" x="{line.x:g}" y="{line.y + 4:g}">{escape(line.label)}</text></g>'
    )


def _card(graph: Graph, node: Node, x: float, y: float) -> str:
    summary = ", ".join(_summary(node)) or node.description
    tag = ", ".join(_tags(graph, node))
    room = WIDTH - 24 - 6.2 * len(tag)
    start = node.id in graph.declaration.starts
    return "\n".join(
        [
            f'<g class="node" data-id="{escape(node.id)}" transform="translate({x:g} {y:g})">',
            f"<title>{escape(f'{node.id}: {node.display_name}. {node.description}')}</title>",
            f'<rect class="card" width="{WIDTH:g}" height="{HEIGHT:g}" rx="10"/>',
            f'<rect class="{"begin" if start else "badge"}" x="12" y="10" width="32" height="32" rx="6"/>',
            f'<text class="mark{" first" if start else ""}" x="28" y="30">{escape(_monogram(node))}</text>',
            f'<text class="name" x="54" y="24">{escape(_fitted(node.id, WIDTH - 66, 8.0))}</text>',
            f'<text class="type" x="54" y="40">{escape(_fitted_end(_type(node), WIDTH - 66, 6.7))}</text>',
            f'<path class="foot" d="M0 52 H{WIDTH:g}"/>',
            f'<text class="more" x="12" y="69">{escape(_fitted(summary, room, 6.0))}</text>',
            f'<text class="tag" x="{WIDTH - 12:g}" y="69">{escape(tag)}</text>',
            "</g>",
        ]
    )


def _type(node: Node) -> str:
    return node.identifier if node.version == 1 else f"{node.identifier}@{node.version}"


def _monogram(node: Node) -> str:
    words = node.display_name.split()
    return ("".join(word[0] for word in words[:2]) if len(words) > 1 else node.display_name[:2]).upper()


def _summary(node: Node) -> Iterator[str]:
    """The params in short: plain values as they are, of others (a list, a secret) the name."""
    for name, given in node.given.items():
        value = getattr(node.params, name, given)
        if isinstance(value, str | int | float | bool) or value is None:
            yield f"{name}: {_value(value)}"
        else:
            yield name


def _value(value: Any) -> str:
    return one_line(value, 60) if isinstance(value, str) else str(value)


def _tags(graph: Graph, node: Node) -> Iterator[str]:
    if node.id in graph.declaration.starts:
        yield "start"
    if node.join is not None:
        yield f"join {node.join}" if isinstance(node.join, str) else f"join {node.join.n}"
    if node.memory:
        yield "memory"


def _fitted(text: str, room: float, letter: float) -> str:
    count = max(int(room / letter), 1)
    return text if len(text) <= count else text[: count - 1] + "…"


def _fitted_end(text: str, room: float, letter: float) -> str:
    """The end of a dotted name says more than its beginning."""
    count = max(int(room / letter), 1)
    return text if len(text) <= count else "…" + text[len(text) - count + 1 :]
