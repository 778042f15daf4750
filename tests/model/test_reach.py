"""The masks of the join rule, beside a plain search of the graph (semantics 3.1)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodeloom.model.reach import components, reach_of

Successors = list[list[int]]


@st.composite
def digraphs(draw: st.DrawFn) -> Successors:
    count = draw(st.integers(1, 9))
    ends = st.integers(0, count - 1)
    edges = draw(st.lists(st.tuples(ends, ends), max_size=16))
    return [[target for source, target in edges if source == node] for node in range(count)]


def reachable(successors: Successors, start: int) -> set[int]:
    """By a path of at least one edge."""
    found: set[int] = set()
    todo = [start]
    while todo:
        for target in successors[todo.pop()]:
            if target not in found:
                found.add(target)
                todo.append(target)
    return found


def joins_of(successors: Successors, draw: st.DataObject) -> list[int]:
    """Nodes with several incoming edges, some of them `any`; and some with one that gather."""
    incoming = [sum(targets.count(node) for targets in successors) for node in range(len(successors))]
    return [node for node, count in enumerate(incoming) if draw.draw(st.integers(0, 9)) < (8 if count > 1 else 2)]


@given(digraphs(), st.data())
def test_a_running_step_is_where_a_search_would_find_it(successors: Successors, data: st.DataObject) -> None:
    """3.1: a step holds exactly the joins to which a path leads from it."""
    joins = joins_of(successors, data)
    reach = reach_of(successors, joins)
    for node, place in enumerate(reach.running):
        found = reachable(successors, node)
        for join in joins:
            assert bool(place & reach.joins[join].watched) == (join in found)
        if place:
            stirred = {join for join in joins if reach.reaches[place] & reach.joins[join].bit}
            assert stirred == found & set(joins)


@given(digraphs(), st.data())
def test_a_waiting_join_holds_those_that_a_path_leads_to(successors: Successors, data: st.DataObject) -> None:
    """3.1, 3.3: of two joins, who waits on whom; and which joins a start may free."""
    joins = joins_of(successors, data)
    reach = reach_of(successors, joins)
    bits = [reach.joins[join].bit for join in joins]
    assert bits == sorted(bits), "the lowest bit is the join declared first"
    for one in joins:
        found = reachable(successors, one)
        for other in joins:
            leads = other in found
            assert bool(reach.joins[one].downstream & reach.joins[other].bit) == leads
            if one != other:
                assert bool(reach.joins[one].bit & reach.joins[other].watched) == leads


@given(digraphs())
def test_components_are_the_nodes_that_reach_one_another_the_last_first(successors: Successors) -> None:
    """3.1: over the condensation."""
    found = components(successors)
    assert sorted(node for component in found for node in component) == list(range(len(successors)))
    place = {node: number for number, component in enumerate(found) for node in component}
    for one in range(len(successors)):
        for other in reachable(successors, one):
            together = one in reachable(successors, other)
            assert (place[one] == place[other]) == together
            assert place[other] <= place[one]


def test_a_graph_without_joins_costs_its_steps_nothing() -> None:
    """4.9: no step of it stands anywhere."""
    assert reach_of([[1], [2], []], []).running == (0, 0, 0)


def test_a_step_behind_the_last_join_stands_nowhere() -> None:
    """3.1: it reaches no join."""
    assert reach_of([[1, 2], [3], [3], [4], []], [3]).running[3:] == (0, 0)


def test_deep_graphs_need_no_recursion() -> None:
    """3.1: a chain of 50,000 nodes with a join at its end."""
    count = 50_000
    successors = [[node + 1] for node in range(count - 1)] + [[]]
    assert len(components(successors)) == count
    assert all(reach_of(successors, [count - 1]).running[:-1])
