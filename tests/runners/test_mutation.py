"""What a node changes in place is seen by those behind it, and by nobody else (semantics 4.3, 4.8)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nodeloom import Engine, Graph, Node, node
from nodeloom.testing import run_virtual

Edges = frozenset[tuple[int, int]]


@st.composite
def dags(draw: st.DrawFn) -> tuple[int, Edges, list[int]]:
    """How many nodes, the edges between them, and how long each takes."""
    count = draw(st.integers(2, 8))
    edges = {(draw(st.integers(0, target - 1)), target) for target in range(1, count)}
    pairs = st.tuples(st.integers(0, count - 2), st.integers(1, count - 1)).filter(lambda pair: pair[0] < pair[1])
    edges |= set(draw(st.lists(pairs, max_size=10)))
    return count, frozenset(edges), draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))


def ancestors(edges: Edges, number: int) -> set[int]:
    found = {number}
    for source, target in sorted(edges, reverse=True):
        if target in found:
            found.add(source)
    return found


def lists_in(*views: Mapping[str, Any]) -> list[list[int]]:
    found: list[list[int]] = []
    for view in views:
        for value in view.values():
            found += [value] if isinstance(value, list) else lists_in(value) if isinstance(value, Mapping) else []
    return found


def changing(number: int, seconds: int, seen: dict[int, set[int]]) -> Node:
    """Puts its number into every list that it can see, before it waits and after."""

    @node
    async def change(state: Any, inputs: Any, ctx: Any) -> Any:
        for wait in (True, False):
            for each in lists_in(state, inputs, ctx.outputs):
                seen.setdefault(number, set()).update(each)
                each.append(number)
            if wait:
                await asyncio.sleep(seconds)
        return {f"of_{number}": [number], "deep": {"of": [number]}}

    return change.copy(id=f"n{number}")


@settings(max_examples=150)
@given(dags())
def test_nobody_sees_what_was_changed_beside_it(drawn: tuple[int, Edges, list[int]]) -> None:
    """4.8: whatever forks and joins lie between them, and whichever comes first."""
    count, edges, seconds = drawn
    seen: dict[int, set[int]] = {}
    nodes = [changing(number, seconds[number], seen) for number in range(count)]
    for source, target in sorted(edges):
        nodes[source] >> nodes[target]

    async def main() -> None:
        async with Engine() as engine:
            await engine.run(Graph(nodes[0], name="changing"), {"given": [-1]})

    run_virtual(main())
    for number, marks in seen.items():
        assert marks - {-1} <= ancestors(edges, number), f"n{number} sees {marks}"


def test_a_branch_that_is_left_alone_at_its_fork_is_lent_what_the_others_went_on_with() -> None:
    """4.8: one branch of an inner fork goes straight to a join of the outer one."""
    seen: dict[int, set[int]] = {}
    start, load, clean, keep = (changing(number, 0, seen) for number in range(4))
    start >> [load, keep]
    load >> [clean, keep]
    result = Graph(start, name="left_alone").run_sync({})
    assert seen[3] == {0, 1, 3}
    assert result.outputs.n1["of_1"] == [1]
    assert result.state["of_1"] == [1]
