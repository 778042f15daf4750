"""The geometry of a drawing: layers to coordinates, edges to curves, labels to places of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from .layout import Layout, Link, Slot
from .tally import one_line

__all__ = ["CARD", "Frame", "Line", "edge_lines", "frame_of", "label_rect", "label_width", "shortened"]

CARD = (232.0, 78.0)
MARGIN = 40.0
SPACE = 64.0
LETTER, ROW = 6.7, 18.0
TURN = 26.0
LONGEST_LABEL = 34
Point = tuple[float, float]


@dataclass
class Line:
    """An edge as it is drawn: its curve, and its label with the place of the label's middle."""

    source: str
    target: str
    kind: str
    path: str
    label: str = ""
    full: str = ""
    x: float = 0.0
    y: float = 0.0


@dataclass
class Frame:
    """Which way the layers go, and where each begins.

    Attributes:
        right: layers go right, else down. begins: where each layer begins along the way. length: of a card there.
    """

    right: bool
    begins: list[float]
    length: float

    def point(self, along: float, across: float) -> Point:
        return (along, across + MARGIN) if self.right else (across + MARGIN, along)

    def corner(self, slot: Slot) -> Point:
        """The upper left corner of a card."""
        return self.point(self.begins[slot.layer], slot.at - slot.size / 2)

    def extent(self, layout: Layout, lines: list[Line]) -> Point:
        """Width and height of the whole, with what lines and labels need at the ends."""
        along = (self.begins[-1] if self.begins else 0.0) + self.length + MARGIN
        if any(link.back for link in layout.links):
            along += TURN
        width, height = (along, layout.breadth + 2 * MARGIN) if self.right else (layout.breadth + 2 * MARGIN, along)
        for line in lines:
            if line.label:
                x, y, wide, high = label_rect(line)
                width, height = max(width, x + wide + 12), max(height, y + high + 12)
        return round(width), round(height)


def frame_of(layout: Layout, labels: Mapping[tuple[str, str], str], right: bool) -> Frame:
    """Where each layer begins, with room for the labels before it."""
    length = CARD[0] if right else CARD[1]
    spaces = [SPACE] * max(len(layout.layers) - 1, 0)
    for link in layout.links:
        label = labels.get((link.source, link.target), "")
        layer = layout.nodes[link.source].layer
        if label and not link.back:
            wanted = (len(label) * LETTER + 44) if right else SPACE + 2 * ROW
            spaces[layer] = max(spaces[layer], wanted)
    for layer in range(len(spaces)):
        ways = sum(link.back and layout.nodes[link.source].layer == layer for link in layout.links)
        spaces[layer] += 10 * ways
    begins: list[float] = []
    at = MARGIN + (TURN if any(link.back for link in layout.links) else 0)
    for layer in range(len(layout.layers)):
        begins.append(at)
        at += length + (spaces[layer] if layer < len(spaces) else 0)
    return Frame(right, begins, length)


def edge_lines(layout: Layout, edges: Mapping[tuple[str, str], tuple[str, str]], frame: Frame) -> list[Line]:
    """Each edge's curve; labels where none covers another."""
    taken = [card_rect(slot, frame) for slot in layout.nodes.values()]
    lines: list[Line] = []
    for link in layout.links:
        full, kind = edges[link.source, link.target]
        points = corners(link, layout, frame)
        turns = turn(link, layout)
        line = Line(link.source, link.target, kind, curve(points, frame, turns), shortened(full), full)
        if line.label:
            put_label(line, link, points, frame, taken)
        lines.append(line)
    return lines


def corners(link: Link, layout: Layout, frame: Frame) -> list[Point]:
    """The points a line goes through, as (along, across): out of the source, through its slots, into the target."""
    source, target = layout.nodes[link.source], layout.nodes[link.target]
    begins, length = frame.begins, frame.length
    points = [(begins[source.layer] + length, source.at)]
    for slot in link.passes:
        near, far = begins[slot.layer], begins[slot.layer] + length
        points += [(far, slot.at), (near, slot.at)] if link.back else [(near, slot.at), (far, slot.at)]
    points.append((begins[target.layer], target.at))
    return points


def turn(link: Link, layout: Layout) -> tuple[float, float]:
    """How far a way back swings out at its source and at its target: each further than the one before it."""
    if not link.back:
        return 0.0, 0.0
    others = [each for each in layout.links if each.back]
    beside = [each for each in others if layout.nodes[each.source].layer == layout.nodes[link.source].layer]
    behind = [each for each in others if layout.nodes[each.target].layer == layout.nodes[link.target].layer]
    return TURN + 10 * (beside.index(link) % 4), TURN + 10 * (behind.index(link) % 4)


def curve(points: list[Point], frame: Frame, turns: tuple[float, float]) -> str:
    """A smooth path: curves between layers, straight lines through them, a turn at either end of a way back."""
    parts = [_at("M", frame, points[0])]
    for here, there in pairwise(points):
        if here[1] == there[1]:
            parts.append(_at("L", frame, there))
        elif abs(here[0] - there[0]) < 1:  # round the end of a card, to the way back or from it
            out = turns[0] if here is points[0] else -turns[1]
            parts.append(_at("C", frame, (here[0] + out, here[1]), (there[0] + out, there[1]), there))
        else:
            half = (here[0] + there[0]) / 2
            parts.append(_at("C", frame, (half, here[1]), (half, there[1]), there))
    return " ".join(parts)


def _at(word: str, frame: Frame, *points: Point) -> str:
    spots = [frame.point(*point) for point in points]
    return word + " ".join(f"{x:.1f} {y:.1f}" for x, y in spots)


def put_label(
    line: Line, link: Link, points: list[Point], frame: Frame, taken: list[tuple[float, float, float, float]]
) -> None:
    """On its line where that is free; on a way back, on the straight beside its source."""
    here, there = (points[1], points[2]) if link.back else (points[0], points[1])
    shares = (0.5, 0.3, 0.7) if link.back else (0.62, 0.5, 0.74, 0.4, 0.84, 0.3)
    for share in shares:
        along = here[0] + (there[0] - here[0]) * share
        rise = share * share * (3 - 2 * share)
        line.x, line.y = frame.point(along, here[1] + (there[1] - here[1]) * rise)
        if not any(overlap(label_rect(line), other) for other in taken):
            break
    else:
        while any(overlap(label_rect(line), other) for other in taken):
            line.y += ROW
    taken.append(label_rect(line))


def card_rect(slot: Slot, frame: Frame) -> tuple[float, float, float, float]:
    """Left, top, width and height of a card."""
    return (*frame.corner(slot), *CARD)


def label_rect(line: Line) -> tuple[float, float, float, float]:
    """Left, top, width and height of a label."""
    width = label_width(line.label)
    return line.x - width / 2, line.y - ROW / 2, width, ROW


def overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    """Whether two rectangles share a place."""
    apart = one[0] + one[2] <= other[0] or other[0] + other[2] <= one[0]
    return not (apart or one[1] + one[3] <= other[1] or other[1] + other[3] <= one[1])


def label_width(label: str) -> float:
    """What a label takes, with its margins."""
    return len(label) * LETTER + 8 if label else 0.0


def shortened(label: str) -> str:
    """A label that fits on a line."""
    return one_line(label, LONGEST_LABEL)
