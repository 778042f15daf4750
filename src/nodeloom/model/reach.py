"""Which live places can still reach which join, as bitmasks (semantics 3.1).

Only joins and forks are numbered: a token on a linear stretch can reach what the next join or fork can, so it
stands for that one's place. A join's place means "on the way to it, or waiting at it". Masks are gathered over
the condensation, one OR an edge, because a search per join would be quadratic.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

__all__ = ["JoinReach", "Reach", "components", "reach_of"]

Successors = Sequence[Sequence[int]]


class JoinReach(msgspec.Struct, frozen=True, gc=False):
    """One join's masks: its own place, the places that can reach it, the joins that it can reach."""

    bit: int
    watched: int
    downstream: int


class Reach(msgspec.Struct, frozen=True):
    """Masks of a graph.

    Attributes:
        running: by node, where a step of it stands (0: it reaches no join or fork).
        joins: by node. reaches: by place, the joins that a token standing there can reach.
        next: by place, in order, the places next to it on the ways from there.
    """

    running: tuple[int, ...]
    joins: dict[int, JoinReach]
    reaches: dict[int, int]
    next: Successors = ()


def components(successors: Successors) -> list[list[int]]:
    """The strongly connected components, each before those that lead to it (Tarjan, 1972; without recursion)."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    found: list[list[int]] = []
    done: set[int] = set()
    for root in range(len(successors)):
        if root not in order:
            _explore(root, successors, order, low, stack, done, found)
    return found


def _explore(
    root: int,
    successors: Successors,
    order: dict[int, int],
    low: dict[int, int],
    stack: list[int],
    done: set[int],
    found: list[list[int]],
) -> None:
    order[root] = low[root] = len(order)
    stack.append(root)
    trail = [(root, iter(successors[root]))]
    while trail:
        node, rest = trail[-1]
        for target in rest:
            if target not in order:
                order[target] = low[target] = len(order)
                stack.append(target)
                trail.append((target, iter(successors[target])))
                break
            if target not in done:
                low[node] = min(low[node], order[target])
        else:
            trail.pop()
            if trail:
                low[trail[-1][0]] = min(low[trail[-1][0]], low[node])
            if low[node] == order[node]:
                found.append(_pop_component(node, stack, done))


def _pop_component(root: int, stack: list[int], done: set[int]) -> list[int]:
    component: list[int] = []
    while True:
        node = stack.pop()
        done.add(node)
        component.append(node)
        if node == root:
            return component


def reach_of(successors: Successors, joins: Collection[int]) -> Reach:
    """The masks of a graph.

    Args:
        successors: for each node, by index, the indices its edges lead to (an edge each).
        joins: the indices of the nodes that are joins, in declaration order.
    """
    if not joins:
        return Reach((0,) * len(successors), {}, {})
    join_place = {node: place for place, node in enumerate(joins)}
    forks = [node for node, targets in enumerate(successors) if len(targets) > 1]
    fork_place = {node: place for place, node in enumerate(forks, len(join_place))}
    running = _running_places(successors, join_place, fork_place)
    places: list[list[int]] = [[] for _ in range(len(join_place) + len(forks))]
    for node, place in join_place.items():
        places[place] = _leads_to([running[node]])
    for node, place in fork_place.items():
        places[place] = _leads_to([join_place.get(target, running[target]) for target in successors[node]])
    watched, downstream = _masks(places, len(join_place))
    return Reach(
        tuple(0 if place is None else 1 << place for place in running),
        {node: JoinReach(1 << place, watched[place], downstream[place]) for node, place in join_place.items()},
        {1 << place: mask | (1 << place if place < len(join_place) else 0) for place, mask in enumerate(downstream)},
        places,
    )


def _leads_to(places: Sequence[int | None]) -> list[int]:
    return [place for place in dict.fromkeys(places) if place is not None]


def _running_places(successors: Successors, join_place: dict[int, int], fork_place: dict[int, int]) -> list[int | None]:
    """For a step of each node: the place of the fork it is, or of the next join or fork on its only way."""
    unknown = -1
    found: list[int | None] = [fork_place.get(node, unknown) for node in range(len(successors))]
    for node in range(len(successors)):
        if found[node] != unknown:
            continue
        trail: list[int] = []
        at = node
        place: int | None = unknown
        while place == unknown:
            trail.append(at)
            found[at] = None  # met again on this way, it is a circle with no way out: it reaches nothing
            if not successors[at]:
                place = None
            else:
                at = successors[at][0]
                place = join_place[at] if at in join_place else found[at]
        for each in trail:
            found[each] = place
    return found


def _masks(places: Successors, joins: int) -> tuple[list[int], list[int]]:
    """For each place, the places that can reach it (itself with them), and the joins that it can reach."""
    found = components(places)
    component_of = {place: number for number, component in enumerate(found) for place in component}
    members = [sum(1 << place for place in component) for component in found]
    before = list(members)
    after = [0] * len(found)
    join_mask = (1 << joins) - 1
    for number, component in enumerate(found):
        if len(component) > 1:
            after[number] = members[number] & join_mask
        for target in {component_of[target] for place in component for target in places[place]}:
            after[number] |= after[target] | (members[target] & join_mask)
    for number in range(len(found) - 1, -1, -1):
        for target in {component_of[target] for place in found[number] for target in places[place]}:
            before[target] |= before[number]
    watched = [before[component_of[place]] for place in range(len(places))]
    downstream = [after[component_of[place]] for place in range(len(places))]
    return watched, downstream
