"""A graph is judged when it is compiled: every problem at once, with the words that help (semantics 1.1, 2.3, 2.8)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from nodeloom.errors import GraphError, Problem
from nodeloom.model.compile import Declaration, compile_plan, judge
from nodeloom.model.edge import Edge, EdgeCondition, Quorum
from nodeloom.model.plan import NodeSpec
from nodeloom.model.state import StateSchema


def declare(text: str, starts: Sequence[str] | None = None, ids: Sequence[str] = (), **options: Any) -> Declaration:
    """`"a>b b>c"`; a condition follows its edge's target: `"a>b:output.x"` (a space is written `_`)."""
    edges = []
    for part in text.split():
        ends, _, when = part.partition(":")
        source, target = ends.split(">")
        condition = when.replace("_", " ") or None
        edges.append(Edge(source, target, "when" if condition else "always", when=condition))
    found = list(ids) or list(dict.fromkeys(one for edge in edges for one in (edge.source, edge.target)))
    state = options.pop("state", StateSchema())
    nodes = options.pop("nodes", tuple(NodeSpec(one) for one in found))
    return Declaration("g", nodes, tuple(edges), tuple(starts or found[:1]), state, **options)


def problems_of(graph: Declaration) -> list[Problem]:
    return judge(graph).problems


def codes(graph: Declaration) -> list[str]:
    return [problem.code for problem in judge(graph).problems]


def only(graph: Declaration) -> Problem:
    (problem,) = judge(graph).problems
    return problem


def test_a_sound_graph_has_a_plan_and_no_problems() -> None:
    """1.1."""
    plan = compile_plan(declare("a>b a>c b>d c>d"))
    assert [node.id for node in plan.nodes] == ["a", "b", "c", "d"]
    assert [node.join is not None for node in plan.nodes] == [False, False, False, True]


def test_all_problems_are_told_at_once() -> None:
    """2.3, 2.8: one compile, every problem."""
    graph = declare("a>b:output.x_>> b>c:nothing_==_1 b>zz a>d", ["aa"], ["a", "b", "c", "d", "d", "no id"])
    assert sorted(codes(graph)) == ["bad_id", "condition", "condition", "duplicate_id", "unknown_node", "unknown_node"]
    with pytest.raises(GraphError) as raised:
        compile_plan(graph)
    assert len(raised.value.problems) == 6


def test_an_unknown_node_names_the_nearest() -> None:
    """12.2."""
    graph = declare("fetch>parse parse>sotre", ids=["fetch", "parse", "store"])
    problem = judge(graph).problems[0]
    assert "did you mean 'store'" in problem.message
    assert problem.edge == "parse -> sotre"


def test_a_start_that_is_no_node_names_the_nearest() -> None:
    """2.7."""
    assert "did you mean 'fetch'" in only(declare("fetch>parse", ["fetsh"])).message


def test_no_start_is_an_error() -> None:
    """2.7."""
    graph = Declaration("g", (NodeSpec("a"),), (Edge("a", "a"),), (), StateSchema())
    assert "no_start" in codes(graph)


@pytest.mark.parametrize("bad", ["", "9a", "a-b", "a b", "naïve", "a.b"])
def test_a_node_id_is_a_name(bad: str) -> None:
    """2.8."""
    assert codes(declare("a>b", ids=["a", "b", bad]))[0] == "bad_id"


def test_two_nodes_of_one_id_ask_for_another() -> None:
    """2.8: and say where a document declares the second."""
    nodes = (NodeSpec("a"), NodeSpec("a", line=7))
    problem = judge(declare("a>a", nodes=nodes)).problems[0]
    assert (problem.code, problem.line) == ("duplicate_id", 7)
    assert "id='a_2'" in problem.message


def test_a_condition_that_cannot_be_parsed_tells_the_position() -> None:
    """2.3."""
    problem = only(declare("a>b:output.x_>_>_1"))
    assert (problem.code, problem.edge, problem.field) == ("condition", "a -> b", "when")
    assert "^" in problem.message or "position" in problem.message


def test_a_condition_with_an_unknown_name_says_which_there_are() -> None:
    """2.3, 12.2."""
    message = only(declare("a>b:ouput.x_==_1")).message
    assert "ouput" in message
    assert "output" in message.replace("ouput", "")


def test_a_condition_names_nodes_keys_and_outputs_that_exist() -> None:
    """2.3, 12.2: as far as it can be known before a run."""
    state = StateSchema(frozenset({"score"}))
    assert "did you mean 'fetch'" in only(declare("fetch>b:outputs.fetsh.x_==_1")).message
    assert "did you mean 'score'" in only(declare("a>b:state.scroe_==_1", state=state)).message
    assert "run has only inputs and id" in only(declare("a>b:run.name_==_1")).message
    nodes = (NodeSpec("a", outputs=frozenset({"score"})), NodeSpec("b"))
    assert "did you mean 'score'" in only(declare("a>b:output.scroe_==_1", nodes=nodes)).message
    assert codes(declare("a>b:state.scroe_??_1_==_1", state=state)) == []


def test_a_condition_that_can_never_hold_is_a_problem() -> None:
    """2.3."""
    problem = only(declare("a>b:output.x_==_1_and_output.x_==_2"))
    assert "can never hold" in problem.message


def test_keyword_conditions_are_parsed_too() -> None:
    """2.2: an unknown operator is a compile error."""
    good = Edge("a", "b", "when", when=(("score__gt", 0.8), ("status", "ok")))
    bad = Edge("a", "b", "when", when=(("score__above", 0.8),))
    nodes = (NodeSpec("a"), NodeSpec("b"))
    assert codes(Declaration("g", nodes, (good,), ("a",), StateSchema())) == []
    assert codes(Declaration("g", nodes, (bad,), ("a",), StateSchema())) == ["condition"]


def test_a_node_that_no_start_leads_to_is_a_problem() -> None:
    """2.7."""
    problem = only(declare("a>b c>b", ["a"]))
    assert (problem.code, problem.node) == ("unreachable", "c")


def test_a_cycle_that_no_token_can_leave_is_a_problem() -> None:
    """3.5: whatever the nodes return; unless the author has set max_steps, which says that it is meant."""
    problem = only(declare("s>a a>b b>a"))
    assert (problem.code, problem.severity) == ("endless_cycle", "error")
    assert "a -> b -> a" in problem.message
    meant = only(declare("s>a a>b b>a", bounded=True))
    assert meant.severity == "warning"
    assert compile_plan(declare("s>a a>b b>a", bounded=True)).nodes


@pytest.mark.parametrize("text", ["s>a a>b b>a:output.x a>z", "s>a a>a:output.x", "s>a a>b b>a b>z:output.x"])
def test_a_cycle_with_a_way_out_is_none(text: str) -> None:
    """3.5: an edge that leaves it, or none that surely goes on."""
    assert codes(declare(text)) == []


def test_a_condition_that_always_holds_is_no_way_out() -> None:
    """3.5."""
    assert codes(declare("s>a a>a:true")) == ["endless_cycle"]


def test_which_nodes_are_joins() -> None:
    """3.1, 3.4: several incoming edges, or `join=`; `any` never waits."""
    nodes = (
        NodeSpec("a"),
        NodeSpec("b", join="all"),
        NodeSpec("c", join="any"),
        NodeSpec("d", join=Quorum(2)),
        NodeSpec("e"),
    )
    plan = compile_plan(declare("a>b a>c b>c a>d a>e", nodes=nodes))
    assert {node.id: node.join and node.join.quorum for node in plan.nodes if node.join} == {"b": 0, "d": 2}


def test_edges_of_every_kind_lead_to_a_join() -> None:
    """3.1: of an error, and of a Route."""
    edges = (Edge("a", "b"), Edge("a", "c", "error"), Edge("b", "c", "route"), Edge("b", "d"))
    plan = compile_plan(Declaration("g", tuple(NodeSpec(one) for one in "abcd"), edges, ("a",), StateSchema()))
    assert plan.nodes[2].join is not None
    assert plan.nodes[0].routes == {"b": 0}
    assert plan.nodes[1].routes == {"c": 2, "d": 3}
    assert plan.nodes[0].errors == (1,)


def test_what_is_taken_is_known_beforehand_where_no_edge_has_a_condition() -> None:
    """2.1."""
    first = NodeSpec("a", routing="first")
    assert compile_plan(declare("a>b a>c")).nodes[0].always == (0, 1)
    assert compile_plan(declare("a>b a>c", nodes=(first, NodeSpec("b"), NodeSpec("c")))).nodes[0].always == (0,)
    assert compile_plan(declare("a>b a>c:output.x")).nodes[0].always is None


def test_a_condition_is_asked_once() -> None:
    """1.2: also where an `otherwise` edge depends on it."""
    asked: list[str] = []
    condition = EdgeCondition(lambda routing: asked.append(routing.node_id))
    edges = (Edge("a", "b", "otherwise"), Edge("a", "c", "when", predicate=condition), Edge("a", "b", "otherwise"))
    plan = compile_plan(Declaration("g", tuple(NodeSpec(one) for one in "abc"), edges, ("a",), StateSchema()))
    assert plan.taken(plan.nodes[0], {"inputs": {}, "output": {}, "state": {}}) == (0, 2)
    assert asked == ["a"]


def test_the_shortest_way_round_a_cycle() -> None:
    """3.5: what a runaway's error names."""
    plan = compile_plan(declare("s>a a>b b>c c>a:output.x b>a:output.x c>d", bounded=True))
    assert [plan.nodes[index].id for index in plan.cycle_of(1)] == ["a", "b"]
    assert plan.cycle_of(0) == [0]


# --- speed ------------------------------------------------------------------------------------------------


def diamonds(count: int) -> tuple[list[str], list[Edge]]:
    ids, edges, last = ["s"], [], "s"
    for number in range(count):
        one, two, join = (f"{letter}{number}" for letter in "abj")
        ids += [one, two, join]
        edges += [Edge(last, one), Edge(last, two), Edge(one, join), Edge(two, join)]
        last = join
    return ids, edges


def parallel_joins(count: int) -> tuple[list[str], list[Edge]]:
    ids, edges = ["s"], []
    for number in range(count):
        one, two, join = (f"{letter}{number}" for letter in "abj")
        ids += [one, two, join]
        edges += [Edge("s", one), Edge("s", two), Edge(one, join), Edge(two, join)]
    return ids, edges


def calls_to_compile(ids: list[str], edges: list[Edge]) -> int:
    """How many functions compiling a graph calls, those in C among them."""
    graph = Declaration("g", tuple(NodeSpec(one) for one in ids), tuple(edges), ("s",), StateSchema())
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        plan = compile_plan(graph)
    finally:
        sys.setprofile(None)
    assert len(plan.nodes) == len(ids)
    return calls


@pytest.mark.parametrize("shape", [diamonds, parallel_joins], ids=["a chain of diamonds", "joins side by side"])
def test_compiling_takes_work_in_proportion_to_the_graph(
    shape: Callable[[int], tuple[list[str], list[Edge]]],
) -> None:
    """3.1: the masks are gathered over the condensation, not by a search per join."""
    assert calls_to_compile(*shape(2_000)) < 11 * calls_to_compile(*shape(200))
