"""The same nodes, run in every way: the same outputs, and the same failures (semantics 1, 2.7, 12.1)."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from tests.matrix import things
from tests.matrix.ways import EVERYWHERE, PROCESS, WAYS, Told, Way, on_a_loop

from nodeloom import Node, Retry

HELLO = {"text": "hello"}
LOUD: Told = {"text": "HELLO"}
OF_INPUTS = "{{ inputs.text }}"


class Case(NamedTuple):
    """A node, and what becomes of `HELLO` in it.

    Attributes:
        threads: it needs the engine's threads or processes, which know nothing of virtual time.
        not_in: the ways that refuse it, with the reason.
        differs: what becomes of it elsewhere, by the name of the way, with the rule.
    """

    name: str
    node: Node
    told: Told = LOUD
    threads: bool = False
    not_in: tuple[str, ...] = ()
    differs: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return self.name


ITEM = {"batch": "OutputError: "}  # 8.2, 8.4: an item has an output, and leads nowhere; the message says so

CASES = [
    Case("an async class", things.Shout()),
    Case("a plain class", things.Plain()),
    Case("an inline class", things.Inline()),
    Case("a process class", things.Plain(isolation="process"), threads=True),
    Case("an async function", things.shouted.copy()),
    Case("a plain function", things.plainly.copy()),
    Case("an async generator", things.chunks.copy()),
    Case("a plain generator", things.plain_chunks.copy()),
    Case("hooks", things.Hooked()),
    Case("plain hooks", things.PlainHooked()),
    Case("execute", things.Carried()),
    Case("templates", things.Greet(greeting="hi", name=OF_INPUTS, times="{{ 1 + 1 }}"), {"text": "hi hello hi hello"}),
    Case("templates, plain", things.PlainGreet(greeting="hi", name=OF_INPUTS), {"text": "hi hello"}),
    Case("falsy outputs", things.falsy.copy(), things.FALSY),
    Case("None", things.nothing.copy(), {}),
    Case("None, plain", things.plain_nothing.copy(), {}),
    Case("no outputs", things.empty.copy(), {}),
    Case("a Route that ends", things.routed.copy(), differs=ITEM),
    Case("offload", things.offloads.copy(), threads=True),
    Case("a graph as a node", things.inner(), not_in=("process",)),  # 7.2: a graph runs where its engine is
    Case("memory", things.counts.copy(), {"n": 1}),
    Case("memory, plain", things.plain_counts.copy(), {"n": 1}),
    Case("memory of keys", things.keeps.copy(), {"n": 1}),
]

FAILING = [
    Case("raises", things.breaks.copy(), "ValueError: no good"),
    Case("raises, plain", things.plain_breaks.copy(), "ValueError: no good"),
    Case("raises between chunks", things.breaks_in_the_middle.copy(), "ValueError: no good"),
    Case("its own TimeoutError", things.own_timeout.copy(), "TimeoutError: the node's own"),
    Case("CancelledError by itself", things.cancels_itself.copy(), "StepError: "),
    Case("sys.exit", things.exits.copy(), "StepError: work of node exits called sys.exit(3)"),
    Case("sys.exit, plain", things.plain_exits.copy(), "StepError: work of node plain_exits called sys.exit(3)"),
    Case("sys.exit, tried again", things.exits.copy(policies=[Retry(2, wait=0.001)]), "StepError: work of node exits"),
    Case("returns 7", things.seven.copy(), "OutputError: work of node seven returned int 7; ", differs=ITEM),
    Case(
        "returns 7, plain",
        things.plain_seven.copy(),
        "OutputError: work of node plain_seven returned int 7; ",
        differs=ITEM,
    ),
    Case("a last chunk that is no mapping", things.no_last_chunk.copy(), "OutputError: "),
    Case("a Route to no node", things.routed_nowhere.copy(), "RoutingError: ", differs=ITEM),
    Case("memory that is not declared", things.wants_memory.copy(), "DefinitionError: node wants_memory has no memory"),
    Case("writes to its inputs", things.writes_to_inputs.copy(), ""),
    Case("a template without a value", things.Greet(greeting="{{ inputs.txt }}"), ""),
    Case("a template that gives too much", things.Greet(greeting="hi", times="{{ 2 + 2 }}"), ""),
]


def runs_in(case: Case, way: Way) -> bool:
    return way.name not in case.not_in


ALL = [pytest.param(case, way, id=f"{case} - {way}") for case in CASES for way in EVERYWHERE if runs_in(case, way)]
ALL_FAILING = [pytest.param(case, way, id=f"{case} - {way}") for case in FAILING for way in EVERYWHERE]


def differs(each: Any) -> bool:
    case, way = each.values
    return way.name in case.differs


def virtual(case: Case, way: Way) -> bool:
    return way.virtual and not case.threads


@pytest.mark.parametrize(("case", "way"), ALL)
def test_a_node_gives_the_same_outputs_in_every_way(case: Case, way: Way) -> None:
    """1.6, 1.7, 1.8"""
    told = on_a_loop(lambda: way.run(case.node, HELLO), virtual=virtual(case, way))
    if way.name in case.differs:
        assert str(told[0]).startswith(case.differs[way.name])
    else:
        assert told == [case.told]


@pytest.mark.parametrize(("case", "way"), ALL_FAILING)
def test_a_node_fails_with_the_same_error_in_every_way(case: Case, way: Way) -> None:
    """1.7, 2.5, 9.4, 12.2: its type, and its message."""
    expected = on_a_loop(lambda: WAYS[0].run(case.node, HELLO))
    assert str(expected[0]).startswith(str(case.told))
    told = on_a_loop(lambda: way.run(case.node, HELLO), virtual=virtual(case, way))
    if way.name in case.differs:
        assert str(told[0]).startswith(case.differs[way.name])
    else:
        assert told == expected


@pytest.mark.parametrize(("case", "way"), [each for each in ALL_FAILING if not differs(each)])
def test_the_error_itself_comes_to_who_asked(case: Case, way: Way) -> None:
    """2.6, 9.3, 10.4: an exception of that class, with that message."""

    async def raised(of: Way) -> BaseException:
        with pytest.raises(Exception) as caught:
            await of.fails(case.node, HELLO)
        return caught.value

    expected = on_a_loop(lambda: raised(WAYS[0]))
    error = on_a_loop(lambda: raised(way), virtual=virtual(case, way))
    assert (type(error), str(error)) == (type(expected), str(expected))


@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_what_came_is_read_only_in_every_way(way: Way) -> None:
    """4.8"""
    told = on_a_loop(lambda: way.run(things.writes_to_inputs.copy(), HELLO), virtual=way.virtual)
    assert isinstance(told[0], str)
    assert HELLO == {"text": "hello"}


@pytest.mark.parametrize("way", EVERYWHERE, ids=repr)
def test_values_reach_the_node_as_they_are(way: Way) -> None:
    """1.8, 4.8"""
    inputs: dict[str, Any] = {"none": None, "zero": 0, "text": "", "list": [1, [2]], "day": datetime.date(2026, 1, 2)}
    seen = on_a_loop(lambda: way.run(things.context_of_it.copy(), inputs), virtual=way.virtual)
    assert isinstance(seen[0], dict)
    assert seen[0]["inputs"] == inputs
    assert type(seen[0]["inputs"]["list"]) is list


@pytest.mark.parametrize("way", [way for way in EVERYWHERE if way is not PROCESS], ids=repr)
def test_one_definition_serves_every_way_one_after_the_other(way: Way) -> None:
    """1.1: a definition holds nothing about any run."""
    node = things.Shout()

    def told_in(each: Way) -> list[Told]:
        return on_a_loop(lambda: each.run(node, HELLO, 2), virtual=each.virtual)

    assert [told_in(each) for each in (WAYS[0], way, WAYS[0])] == [[LOUD, LOUD]] * 3
