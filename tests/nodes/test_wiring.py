"""How nodes become a graph: every form of an edge, and what is refused (2.2)."""

from typing import Any

import pytest

from nodeloom import EdgeCondition, Graph, GraphError, Node, Route, node
from nodeloom.errors import DefinitionError


class Step(Node):
    async def work(self, inputs):
        return {**inputs, "at": [*inputs.get("at", ()), "x"]}


def steps(names: str) -> list[Node]:
    return [Step(id=name) for name in names]


def edges(*starts: Node) -> list[str]:
    return [f"{edge.source}{edge.target}" for edge in Graph(list(starts)).edges]


def test_one_to_one_and_chains() -> None:
    """2.2: a >> b >> c."""
    a, b, c = steps("abc")
    assert a >> b >> c is c
    assert edges(a) == ["ab", "bc"]


def test_one_to_many_and_many_to_one() -> None:
    """2.2: a >> [b, c], [b, c] >> d."""
    a, b, c, d = steps("abcd")
    a >> [b, c]
    [b, c] >> d
    assert edges(a) == ["ab", "ac", "bd", "cd"]


def test_groups_chain_as_they_read() -> None:
    """2.2: a >> [b, c] >> [d, e]."""
    a, b, c, d, e = steps("abcde")
    a >> [b, c] >> [d, e]
    assert edges(a) == ["ab", "ac", "bd", "be", "cd", "ce"]


def test_tuples_and_nested_lists_are_groups_too() -> None:
    """2.2."""
    a, b, c, d = steps("abcd")
    a >> (b, [c, d])
    assert edges(a) == ["ab", "ac", "ad"]


def test_several_starts_may_meet() -> None:
    """2.2: [a, b] >> c."""
    a, b, c = steps("abc")
    [a, b] >> c
    assert edges(a, b) == ["ac", "bc"]


def test_a_condition_in_the_middle_of_a_chain_is_of_the_edge_behind_it() -> None:
    """2.2: `a >> b.on(...) >> c` works as it reads."""
    a, b, c = steps("abc")
    a >> b.on(at__exists=True) >> c
    assert [(str(edge), edge.kind) for edge in Graph(a).edges] == [("a -> b", "always"), ("b -> c", "when")]


def test_conditions_stand_in_groups() -> None:
    """2.2."""
    a, b, c, d = steps("abcd")
    a >> [b.on("output.at == 1"), c] >> d
    assert [(str(edge), edge.kind) for edge in Graph(a).edges] == [
        ("a -> b", "always"),
        ("a -> c", "always"),
        ("b -> d", "when"),
        ("c -> d", "always"),
    ]


def test_a_condition_leads_to_a_group() -> None:
    """2.2."""
    a, b, c = steps("abc")
    a.on(at=1) >> [b, c]
    assert [edge.kind for edge in Graph(a).edges] == ["when", "when"]


def test_otherwise_error_and_route_edges_chain_too() -> None:
    """2.2."""
    a, b, c, d, e = steps("abcde")
    a.on(at=1) >> b
    assert a.otherwise() >> c is c
    a.on_error(TimeoutError, "Refused") >> d
    assert list(a.may_route(e)) == [e]
    graph = Graph(a)
    assert [edge.kind for edge in graph.edges] == ["when", "otherwise", "error", "route"]
    assert graph.edges[2].errors == ("builtins.TimeoutError", "Refused")


def test_goto_takes_an_expression_a_predicate_or_nothing_and_gives_its_target() -> None:
    """2.2, 2.8: and carries metadata."""
    a, b, c, d = steps("abcd")
    assert a.goto(b, metadata={"label": "then"}) is b
    a.goto(c, condition="output.at == 1")
    a.goto(d, condition=EdgeCondition(lambda step: True))
    graph = Graph(a)
    assert [edge.kind for edge in graph.edges] == ["always", "when", "when"]
    assert graph.edges[0].metadata == {"label": "then"}


def test_edges_are_in_the_order_they_were_declared_whichever_node_holds_them() -> None:
    """2.8."""
    a, b, c = steps("abc")
    b >> c
    a >> c
    a >> b
    assert edges(a) == ["bc", "ac", "ab"]


@pytest.mark.parametrize("wrong", [None, "b", 3, Step, object(), lambda: None], ids=lambda w: type(w).__name__)
def test_an_edge_to_or_from_what_is_no_node_is_refused(wrong: Any) -> None:
    """2.2: on either side, in a list, and by every way of wiring."""
    (a,) = steps("a")
    tries: list[Any] = [
        lambda: a >> wrong,
        lambda: wrong >> a,
        lambda: a >> [wrong],
        lambda: [wrong] >> a,
        lambda: a.on(x=1) >> wrong,
        lambda: a.goto(wrong),
        lambda: a.may_route(wrong),
        lambda: Graph(wrong),
        lambda: Graph([a, wrong]),
    ]
    for attempt in tries:
        with pytest.raises(DefinitionError, match="an edge joins nodes, not"):
            attempt()
    assert a.wires == []


def test_a_class_in_the_place_of_a_node_is_told_how_to_make_one() -> None:
    """2.2."""
    (a,) = steps("a")
    for attempt in (lambda: a >> Step, lambda: Step >> a, lambda: a.goto(Step)):  # type: ignore[arg-type]
        with pytest.raises(DefinitionError, match="a class: make a node of it"):
            attempt()


def test_a_condition_of_both_forms_or_of_none_is_refused() -> None:
    """2.2."""
    (a,) = steps("a")
    for attempt in (lambda: a.on(), lambda: a.on("output.x", y=1)):
        with pytest.raises(DefinitionError, match=r"takes one expression or keywords"):
            attempt()


def test_a_condition_that_is_a_bare_function_is_refused_where_it_is_written() -> None:
    """2.2."""
    a, b = steps("ab")
    with pytest.raises(DefinitionError, match="an expression or an EdgeCondition"):
        a.goto(b, condition=lambda step: True)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes a function"):
        EdgeCondition("output.x")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [3, None, int, object()])
def test_an_error_edge_takes_exception_classes_or_names(wrong: Any) -> None:
    """2.5."""
    (a,) = steps("a")
    with pytest.raises(DefinitionError, match="exception classes or their names"):
        a.on_error(wrong)


def test_an_edge_that_leads_nowhere_yet_has_no_truth() -> None:
    (a,) = steps("a")
    with pytest.raises(DefinitionError, match="leads nowhere yet"):
        bool(a.on(x=1))
    assert repr(a.on(x=1)) == "<when edge from a>"


def test_a_wrong_operator_or_expression_is_named_with_its_edge_when_compiled() -> None:
    """2.3."""
    a, b = steps("ab")
    a.on(score__gtt=1) >> b
    with pytest.raises(GraphError, match=r"edge a -> b.*gtt"):
        Graph(a)
    c, d = steps("cd")
    c.on("output.x >") >> d
    with pytest.raises(GraphError, match=r"edge c -> d.*at character"):
        Graph(c)


def test_two_nodes_of_one_id_are_asked_for_another() -> None:
    """2.8."""
    a, other = Step(id="a"), Step(id="a")
    a >> other
    with pytest.raises(GraphError, match="two nodes have the id 'a'"):
        Graph(a)


def test_default_ids_of_two_nodes_of_a_class_clash_and_say_so() -> None:
    """2.8."""
    a, b = Step(), Step()
    a >> b
    with pytest.raises(GraphError, match=r"id='step_2'"):
        Graph(a)


@pytest.mark.parametrize("wrong", ["a b", "1a", "", "é", "a-b", 3])
def test_an_id_is_a_name(wrong: Any) -> None:
    """2.8."""
    with pytest.raises(DefinitionError, match="a node id is made of"):
        Step(id=wrong)


@pytest.mark.parametrize(
    ("option", "value"),
    [("on_failure", "stop"), ("max_steps", 0), ("max_steps", True), ("max_steps", "9")],
)
def test_graph_options_that_cannot_work_are_refused(option: str, value: Any) -> None:
    """2.7."""
    with pytest.raises(DefinitionError, match=option):
        Graph(Step(), **{option: value})


def test_a_graph_of_nothing_is_refused() -> None:
    """2.7."""
    with pytest.raises(GraphError, match="no node to start at"):
        Graph([])


async def test_a_route_may_take_any_edge_of_its_node() -> None:
    """1.7: also those with conditions, and those only a Route takes."""

    @node
    async def choose(inputs):
        return Route({"n": 1}, to=inputs["to"])

    b, c, d = steps("bcd")
    choose.on(n=2) >> b
    choose.otherwise() >> c
    choose.may_route(d)
    graph = Graph(choose)
    for name in "bcd":
        result = await graph.run({"to": name})
        assert set(result.outputs) == {"choose", name}


@pytest.mark.parametrize("wrong", [lambda out: out["n"] > 1, EdgeCondition(lambda step: True), True, 3, ["output.n"]])
def test_a_condition_of_on_that_is_no_expression_is_refused_where_it_is_written(wrong: Any) -> None:
    """2.2: and not when the graph is compiled; it says where a function goes."""
    a, b = steps("ab")
    with pytest.raises(DefinitionError) as caught:
        a.on(wrong) >> b
    for right in (
        "a.on() takes an expression",
        "on(status='ok')",
        "a.goto(target, condition=EdgeCondition(lambda step",
    ):
        assert right in str(caught.value)


async def test_on_takes_all_its_keywords() -> None:
    """2.2: all must hold."""

    @node
    async def a(inputs):
        return dict(inputs)

    b, c = steps("bc")
    a.on(status="ok", score__gt=0.8) >> b
    a.otherwise() >> c
    graph = Graph(a)
    for inputs, target in (
        ({"status": "ok", "score": 0.9}, "b"),
        ({"status": "ok", "score": 0.8}, "c"),
        ({"status": "no", "score": 0.9}, "c"),
    ):
        assert set((await graph.run(inputs)).outputs) == {"a", target}


@pytest.mark.parametrize("name", ["x y", "", "a.", "1st", "OSError,"])
def test_a_text_that_is_no_name_of_an_error_is_refused(name):
    """2.5"""

    @node
    async def first():
        return {}

    with pytest.raises(DefinitionError, match="names no error; give a class or its name"):
        first.on_error(name)
