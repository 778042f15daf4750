"""Where the cards and lines of a drawing go: layers, an order in each, positions.

The way of Sugiyama: edges that go back are turned round, each node gets a layer by its longest way from a start,
long edges get a slot in each layer they pass, the orders are improved until few lines cross, and positions follow
from their neighbours' with the least squares. An edge that goes back has slots beside both its ends as well, so that
it can leave to the front, pass its own end, and come in from behind.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["Layout", "Link", "Slot", "lay_out"]

SWEEPS = 12
LARGE = 400


@dataclass(eq=False)
class Slot:
    """A place in a layer: of a node, or of an edge that passes.

    Attributes:
        node: the node's id, or None. layer: from 0. size: what it takes across the layer. at: its middle there.
        before, after: the slots it is tied to in the layers beside. beside: the node whose way back passes here.
    """

    node: str | None
    layer: int
    size: float
    at: float = 0.0
    before: list[Slot] = field(default_factory=list["Slot"])
    after: list[Slot] = field(default_factory=list["Slot"])
    beside: Slot | None = None


@dataclass
class Link:
    """An edge and the slots it passes, from its source's side to its target's."""

    source: str
    target: str
    back: bool = False
    passes: list[Slot] = field(default_factory=list[Slot])


@dataclass
class Layout:
    """Where everything is.

    Attributes:
        nodes: the slot of each node. layers: the slots of each layer, in order. links: as they were given.
        breadth: what the widest layer takes.
    """

    nodes: dict[str, Slot]
    layers: list[list[Slot]]
    links: list[Link]
    breadth: float = 0.0


def lay_out(
    nodes: Sequence[str], edges: Mapping[tuple[str, str], float], *, size: float, lane: float, gap: float
) -> Layout:
    """Lay a graph out.

    Args:
        nodes: ids, in declaration order, starts first. edges: pairs of ids, with what their label takes across a
            layer. size: what a node takes there. lane: what a passing edge takes. gap: what is left between.
    """
    back = backward(nodes, list(edges))
    ranks = ranked(nodes, [edge for edge in edges if edge not in back])
    slots = {node: Slot(node, ranks[node], size) for node in nodes}
    layers: list[list[Slot]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for slot in slots.values():
        layers[slot.layer].append(slot)
    links = [link(slots, layers, edge, edge in back, lane) for edge in edges]
    for each in links:
        if each.back:  # its label stands in the slot beside its source
            each.passes[0].size = max(lane, edges[each.source, each.target])
    order(layers)
    place(layers, gap)
    lowest = min((slot.at - slot.size / 2 for layer in layers for slot in layer), default=0.0)
    for layer in layers:
        for slot in layer:
            slot.at -= lowest
    breadth = max((slot.at + slot.size / 2 for layer in layers for slot in layer), default=0.0)
    return Layout(slots, layers, links, breadth)


# --- layers


def backward(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """The edges that close a cycle, on a walk in declaration order."""
    leaves: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in edges:
        leaves[source].append(target)
    back: set[tuple[str, str]] = set()
    open_nodes: set[str] = set()
    done: set[str] = set()
    for root in nodes:
        if root in done:
            continue
        open_nodes.add(root)
        way = [(root, iter(leaves[root]))]
        while way:
            node, rest = way[-1]
            following = next(rest, None)
            if following is None:
                way.pop()
                open_nodes.discard(node)
                done.add(node)
            elif following in open_nodes:
                back.add((node, following))
            elif following not in done:
                open_nodes.add(following)
                way.append((following, iter(leaves[following])))
    return back


def ranked(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The layer of each node: one after the last of those that lead to it."""
    leaves: dict[str, list[str]] = {node: [] for node in nodes}
    waits = dict.fromkeys(nodes, 0)
    for source, target in edges:
        leaves[source].append(target)
        waits[target] += 1
    ranks = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if not waits[node]]
    for node in ready:
        for target in leaves[node]:
            ranks[target] = max(ranks[target], ranks[node] + 1)
            waits[target] -= 1
            if not waits[target]:
                ready.append(target)
    return ranks


def link(slots: dict[str, Slot], layers: list[list[Slot]], edge: tuple[str, str], back: bool, lane: float) -> Link:
    """Give an edge its slots, and tie them to one another."""
    made = Link(*edge, back)
    source, target = slots[edge[0]], slots[edge[1]]
    first, last = (target, source) if back else (source, target)
    reach = range(first.layer, last.layer + 1) if back else range(first.layer + 1, last.layer)
    passes = [Slot(None, layer, lane) for layer in reach]
    for slot in passes:
        layer = layers[slot.layer]
        if back:
            slot.beside = source if slot.layer == source.layer else target if slot.layer == target.layer else None
        layer.insert(layer.index(slot.beside) + 1 if slot.beside is not None else len(layer), slot)
    chain = passes if back else [first, *passes, last]
    for left, right in pairwise(chain):
        left.after.append(right)
        right.before.append(left)
    made.passes = passes[::-1] if back else passes
    return made


# --- the order in a layer


def order(layers: list[list[Slot]]) -> None:
    """Sort each layer by the middle of its neighbours, there and back, and keep the order with fewest crossings."""
    best, fewest = [list(layer) for layer in layers], crossings(layers)
    sweeps = SWEEPS if sum(map(len, layers)) <= LARGE else 4
    for sweep in range(sweeps):
        if not fewest:
            break
        forward = sweep % 2 == 0
        for layer in layers[1:] if forward else layers[-2::-1]:
            beside = layers[layer[0].layer + (-1 if forward else 1)]
            places = {id(slot): place for place, slot in enumerate(beside)}
            layer[:] = by_middle(layer, places, forward)
        count = crossings(layers)
        if count < fewest:
            best, fewest = [list(layer) for layer in layers], count
    layers[:] = best


def by_middle(layer: list[Slot], places: dict[int, int], forward: bool) -> list[Slot]:
    """The layer by the mean place of the neighbours; a slot without any keeps its place among the others."""
    middles: list[float] = []
    for slot in layer:
        near = [places[id(each)] for each in (slot.before if forward else slot.after)]
        middles.append(sum(near) / len(near) if near else -1.0)
    known = iter(sorted((middle, place) for place, middle in enumerate(middles) if middle >= 0))
    return [layer[place] if middle < 0 else layer[next(known)[1]] for place, middle in enumerate(middles)]


def crossings(layers: list[list[Slot]]) -> int:
    """How many pairs of lines cross."""
    count = 0
    for left, right in pairwise(layers):
        places = {id(slot): place for place, slot in enumerate(right)}
        seen: list[int] = []
        for slot in left:
            ends = sorted(places[id(each)] for each in slot.after)
            count += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return count


# --- positions


def place(layers: list[list[Slot]], gap: float) -> None:
    """Move each slot to the middle of its neighbours, as near as those beside it allow; then straighten chains."""
    for layer in layers:
        settle(layer, [(0.0, 1.0)] * len(layer), gap)
    sweeps = 2 * SWEEPS if sum(map(len, layers)) <= LARGE else 6
    for sweep in range(sweeps):
        forward = sweep % 2 == 0
        for layer in layers if forward else reversed(layers):
            both = sweep >= sweeps // 2
            settle(layer, [wish(slot, forward, both) for slot in layer], gap)
    for _ in range(2):
        for layer in layers[1:]:
            settle(layer, [chain_wish(slot) for slot in layer], gap)


def wish(slot: Slot, forward: bool, both: bool) -> tuple[float, float]:
    """Where a slot would like to be, and how much."""
    near = [*slot.before, *slot.after] if both else slot.before if forward else slot.after
    if slot.beside is not None and not near:
        return slot.beside.at, 0.3
    if not near:
        return slot.at, 0.2
    weights = [6.0 if slot.node is None and each.node is None else 1.0 for each in near]
    middle = sum(each.at * weight for each, weight in zip(near, weights, strict=True)) / sum(weights)
    return middle, sum(weights)


def chain_wish(slot: Slot) -> tuple[float, float]:
    """A slot with one neighbour before it, which has none but it behind, would like to be straight behind."""
    if len(slot.before) == 1 and len(slot.before[0].after) == 1:
        return slot.before[0].at, 8.0
    return slot.at, 1.0


def settle(layer: list[Slot], wishes: Iterable[tuple[float, float]], gap: float) -> None:
    """The positions nearest to the wishes that keep order and distance: blocks that collide share their mean."""
    offsets: list[float] = []
    at = 0.0
    for number, slot in enumerate(layer):
        at += 0.0 if number == 0 else (layer[number - 1].size + slot.size) / 2 + gap
        offsets.append(at)
    blocks: list[tuple[float, float, int]] = []
    for (wished, much), offset in zip(wishes, offsets, strict=True):
        total, weight, count = (wished - offset) * much, much, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / weight:
            other = blocks.pop()
            total, weight, count = total + other[0], weight + other[1], count + other[2]
        blocks.append((total, weight, count))
    means = [total / weight for total, weight, count in blocks for _ in range(count)]
    for slot, mean, offset in zip(layer, means, offsets, strict=True):
        slot.at = mean + offset
