"""Tests of the reference itself, on the examples that the rules give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from .graphs import REDUCERS, GraphData, Options, choices, graphs, schedules
from .reference import (
    Body,
    EdgeKind,
    Join,
    Predicate,
    RunningStep,
    SpecEdge,
    SpecFailure,
    SpecGraph,
    SpecNode,
    SpecRoute,
    SpecRunResult,
    SpecStep,
    Values,
    run,
)

KINDS: dict[str, EdgeKind] = {">": "always", "?": "when", "~": "otherwise", "!": "error", "@": "route"}
ORDERS: tuple[tuple[int, ...], ...] = ((0,), (7,), (0, 1), (1, 0, 2), (3, 1, 4, 1, 5, 9, 2, 6))


def build(
    edges: str,
    bodies: Mapping[str, Body] | None = None,
    conditions: Mapping[str, Predicate] | None = None,
    joins: Mapping[str, Join] | None = None,
    **options: Any,
) -> SpecGraph:
    """A graph from "a>b a?c": `>` always, `?` when (conditions["a?c"]), `~` otherwise, `!` error, `@` route.

    Nodes are declared in the order of their first mention; the first one starts. A node returns {its id: 1}.
    """
    bodies, conditions, joins = bodies or {}, conditions or {}, joins or {}
    parsed = []
    for text in edges.split():
        mark = next(mark for mark in KINDS if mark in text)
        source, target = text.split(mark)
        parsed.append(SpecEdge(source, target, KINDS[mark], conditions.get(text), None))
    ids = list(dict.fromkeys(one for edge in parsed for one in (edge.source, edge.target)))
    nodes = [SpecNode(one, bodies.get(one, _named(one)), joins.get(one)) for one in ids]
    return SpecGraph(nodes=nodes, edges=parsed, starts=options.pop("starts", ids[:1]), **options)


def _named(node_id: str) -> Body:
    return lambda step: {node_id: 1}


def gives(**outputs: Any) -> Body:
    """A body with constant outputs."""
    return lambda step: outputs


def counts(key: str) -> Body:
    """A body that counts in the state."""
    return lambda step: {key: step.state.get(key, 0) + 1}


def below(key: str, limit: int) -> Predicate:
    """A condition on a counter."""
    return lambda output, state: bool(state[key] < limit)


def never(output: Values, state: Values) -> bool:
    """A condition that never holds."""
    return False


def fails(type_name: str) -> Body:
    """A body that fails."""
    return lambda step: SpecFailure(type_name)


def preferring(*nodes: str) -> Any:
    """A schedule: the first of these nodes that runs completes next, the others later."""

    def choose(running: Sequence[RunningStep]) -> int:
        return min(range(len(running)), key=lambda at: [*nodes, running[at].node].index(running[at].node))

    return choose


def always_same(graph: SpecGraph, inputs: Values | None = None) -> SpecRunResult:
    """Runs under several schedules and wants the same from all."""
    results = [run(graph, inputs or {}, choices(order)) for order in ORDERS]
    for other in results[1:]:
        assert view(other) == view(results[0])
    return results[0]


def view(result: SpecRunResult) -> tuple[Any, ...]:
    """What may not depend on the order of completion."""
    return (
        (result.status, result.error_type, result.error_node),
        (result.state, result.outputs, result.output),
        sorted(result.ended),
        sorted((one.step, one.node, repr(one.saw)) for one in result.executions),
        sorted(repr(one) for one in result.failures),
    )


def saw(result: SpecRunResult, node: str) -> list[SpecStep]:
    """What the executions of a node saw."""
    return [one.saw for one in result.executions if one.node == node]


# --- edges (2) ------------------------------------------------------------------------------------------


def test_otherwise() -> None:
    """2.1: otherwise holds when no conditional edge of that node did."""
    text = "a?b a~c a>d"
    no = always_same(build(text, conditions={"a?b": never}))
    yes = always_same(build(text, conditions={"a?b": lambda output, state: True}))
    assert no.counts == {"a": 1, "c": 1, "d": 1}
    assert yes.counts == {"a": 1, "b": 1, "d": 1}


@pytest.mark.parametrize(
    ("edges", "taken"),
    [("a?b a?c", "b"), ("a?n a?c a>d", "c"), ("a>d a?c", "d"), ("a?n a~e a>d", "e"), ("a~e a?c", "c")],
)
def test_routing_first(edges: str, taken: str) -> None:
    """2.1: routing="first" takes only the first that holds, in the order of declaration."""
    conditions: dict[str, Predicate] = {one: lambda output, state: True for one in edges.split()}
    graph = build(edges, conditions={**conditions, "a?n": never})
    graph = replace(graph, nodes=[replace(one, routing="first") for one in graph.nodes])
    assert always_same(graph).counts == {"a": 1, taken: 1}


def test_condition_sees_the_output_and_the_state_after_the_step() -> None:
    """2.1, 2.3: `output` is the source's own; `state` is that after the step."""
    seen: list[tuple[Values, Values]] = []

    def condition(output: Values, state: Values) -> bool:
        seen.append((dict(output), dict(state)))
        return True

    run(build("a?b", {"a": gives(x=1)}, {"a?b": condition}), {"y": 2}, choices(()))
    assert seen == [({"x": 1}, {"y": 2, "x": 1})]


def test_failing_condition() -> None:
    """2.3: a condition that fails fails the run with RoutingError; the step stays completed."""

    def broken(output: Values, state: Values) -> bool:
        raise TypeError("text and number")

    result = run(build("a?b a!c", conditions={"a?b": broken}), {}, choices(()))
    assert (result.status, result.error_type) == ("failed", "RoutingError")
    assert result.last_outputs == {"a": {"a": 1}}
    assert result.counts == {"a": 1}


def test_branch_ended() -> None:
    """2.4: a branch with no edge taken ends, which is recorded and no error."""
    result = always_same(build("a?b", conditions={"a?b": never}))
    assert (result.status, result.ended, result.output) == ("completed", ("a",), {"a": 1})


def test_strict_routing() -> None:
    """2.4: strict_routing makes it an error; a node without outgoing edges is fine."""
    assert run(build("a?b", conditions={"a?b": never}, strict_routing=True), {}, choices(())).status == "failed"
    assert run(build("a>b", strict_routing=True), {}, choices(())).status == "completed"


def test_on_error() -> None:
    """2.5: the first matching on_error edge; its target gets the failed step's inputs, and `error`."""
    graph = build("a>b b!c b!d b!e b>f", {"a": gives(x=1), "b": fails("KeyError")})
    types = {"c": "ValueError", "d": "LookupError", "e": None}
    edges = [replace(edge, error_type=types.get(edge.target)) for edge in graph.edges]
    result = always_same(replace(graph, edges=edges))
    assert result.counts == {"a": 1, "b": 1, "d": 1}
    step = saw(result, "d")[0]
    assert step.inputs == {"x": 1}
    assert step.error is not None
    assert (step.error.type, step.error.node) == ("KeyError", "b")
    assert step.outputs == {"a": {"x": 1}}


def test_failure_stops_the_run() -> None:
    """2.6: with on_failure="fail" everything stops; a sibling that had not completed leaves nothing."""
    graph = build("a>b a>c c>d", {"b": fails("ValueError")})
    result = run(graph, {}, preferring("a", "b"))
    assert (result.status, result.error_type, result.error_node) == ("failed", "ValueError", "b")
    assert result.counts == {"a": 1, "b": 1, "c": 1}
    assert "c" not in result.last_outputs


def test_failure_continues() -> None:
    """2.6: on_failure="continue" lets the others finish; the first failure is by place, not by time."""
    text, bodies = "a>b a>c a>d d>e", {"b": fails("ValueError"), "c": fails("KeyError")}
    result = always_same(build(text, bodies, on_failure="continue"))
    assert (result.status, result.error_type) == ("failed", "ValueError")
    assert [one.type for one in result.failures].count("KeyError") == 1
    assert result.counts["e"] == 1


def test_failed_branch_is_not_waited_for() -> None:
    """3.2: a join does not wait for a branch that failed."""
    result = always_same(build("a>b a>c b>d c>d", {"b": fails("ValueError")}, on_failure="continue"))
    assert saw(result, "d")[0].arrivals == ("c",)


# --- joins and loops (3) --------------------------------------------------------------------------------


def test_diamond() -> None:
    """3.2: a diamond's last node runs once, with both branches."""
    result = always_same(build("a>b a>c b>d c>d"))
    assert result.counts == {"a": 1, "b": 1, "c": 1, "d": 1}
    step = saw(result, "d")[0]
    assert (step.arrivals, step.inputs) == (("b", "c"), {"b": 1, "c": 1})
    assert set(step.outputs) == {"a", "b", "c"}


def test_branch_not_taken() -> None:
    """3.2: a branch not taken is not waited for."""
    result = always_same(build("a>b a?c b>d c>d", conditions={"a?c": never}))
    assert saw(result, "d")[0].arrivals == ("b",)


def test_branch_ended_before_a_join() -> None:
    """3.2: nor one that ended."""
    result = always_same(build("a>b a>c b>d c?d", conditions={"c?d": never}))
    assert saw(result, "d")[0].arrivals == ("b",)
    assert result.ended == ("c",)


def test_branch_into_an_error_route() -> None:
    """3.2: nor one that failed into an error route that goes elsewhere."""
    result = always_same(build("a>b a>c b>d c>d c!e", {"c": fails("ValueError")}))
    assert saw(result, "d")[0].arrivals == ("b",)
    assert result.status == "completed"


def test_uneven_branches_have_no_barrier() -> None:
    """3.6: a fast branch goes on while a slow sibling runs; the join still waits for both."""
    result = run(build("a>b a>c b>d d>e e>f c>f"), {}, preferring("a", "b", "d", "e"))
    assert [one.node for one in result.executions] == ["a", "b", "c", "d", "e", "f"]


def test_loop_in_one_branch() -> None:
    """3.2: a loop inside one branch holds the join until the loop ends."""
    text = "a>b a>l l?l l~d b>d"
    result = always_same(build(text, {"l": counts("n")}, {"l?l": below("n", 4)}))
    assert result.counts == {"a": 1, "b": 1, "l": 4, "d": 1}
    assert saw(result, "d")[0].state["n"] == 4


def test_loop_whose_body_forks() -> None:
    """3.2: the next round starts when the round's branches are in."""
    text = "h>b h>c b>t c>t t?h t~z"
    result = always_same(build(text, {"t": counts("n")}, {"t?h": below("n", 3)}, {"h": "all"}))
    assert result.counts == {"h": 3, "b": 3, "c": 3, "t": 3, "z": 1}
    assert [step.arrivals for step in saw(result, "h")] == [(None,), ("t",), ("t",)]


def test_branch_that_ends_inside_a_loop_each_round() -> None:
    """2.4, 3.2: a branch that ends in every round holds nothing up."""
    text = "s>h h>d h>t d?t t?h t~z"
    result = always_same(build(text, {"t": counts("n")}, {"t?h": below("n", 3), "d?t": never}))
    assert result.counts == {"s": 1, "h": 3, "d": 3, "t": 3, "z": 1}
    assert result.ended == ("d", "d", "d")


def test_nested_loops() -> None:
    """3.2: nested loops work."""
    text = "s>o o>i i?i i~t t?o t~z"
    bodies = {"i": counts("n"), "t": counts("m")}
    inner: Predicate = lambda output, state: state["n"] % 2 != 0
    result = always_same(build(text, bodies, {"i?i": inner, "t?o": below("m", 3)}))
    assert result.counts == {"s": 1, "o": 3, "i": 6, "t": 3, "z": 1}


def test_two_entries() -> None:
    """3.3: a cycle entered in two places: its first join in declaration order starts."""
    text = "s>a s>b a>b b?a b~z"
    result = always_same(build(text, {"b": counts("n")}, {"b?a": below("n", 3)}))
    assert result.counts == {"s": 1, "a": 3, "b": 3, "z": 1}
    assert [step.arrivals for step in saw(result, "b")] == [("s", "a"), ("a",), ("a",)]


def test_two_entries_whatever_else_runs() -> None:
    """3.3: the group does not wait for a step that cannot reach it."""
    text = "s>a s>b s>c a>b b?a b~z c>z"
    result = run(build(text, {"b": counts("n")}, {"b?a": below("n", 2)}), {}, preferring("s", "a", "b"))
    assert [one.node for one in result.executions] == ["s", "c", "a", "b", "a", "b", "z"]


def declared_first(graph: SpecGraph, *ids: str) -> SpecGraph:
    """The same graph with these nodes declared before the others."""
    rest = [node for node in graph.nodes if node.id not in ids]
    return replace(graph, nodes=[*(graph.node(one) for one in ids), *rest])


def test_join_behind_a_group_is_not_of_the_group() -> None:
    """3.3: a join that waits on a group, but on which the group does not wait, starts after it."""
    text = "s>a s>b s>z a>b b?a b~z"
    graph = build(text, {"b": counts("n")}, {"b?a": below("n", 2)})
    result = always_same(declared_first(graph, "z"))
    assert saw(result, "z")[0].arrivals == ("s", "b")
    assert result.counts == {"s": 1, "a": 2, "b": 2, "z": 1}


def test_first_of_the_group_in_declaration_order() -> None:
    """3.3: with b declared before a, b starts first, with the arrival it has."""
    graph = build("s>a s>b a>b b?a b~z", {"b": counts("n")}, {"b?a": below("n", 2)})
    result = always_same(declared_first(graph, "b"))
    assert [step.arrivals for step in saw(result, "b")] == [("s",), ("a",)]
    assert [step.arrivals for step in saw(result, "a")] == [("s", "b")]


def test_unfilled_quorum_is_passed_over_in_a_group() -> None:
    """3.3 (reading b): the first of the group that can start does; the quorum is filled by it."""
    graph = build("s>q s>a a>q q?a q~z", {"q": counts("n")}, {"q?a": never}, {"q": ("quorum", 2)})
    result = always_same(declared_first(graph, "q"))
    assert (result.status, saw(result, "q")[0].arrivals) == ("completed", ("s", "a"))


def test_late_token_does_not_keep_a_quorum_waiting() -> None:
    """3.4: what is late can no longer arrive, so the next start fails while the late step still runs."""
    text = "a>b a>c a>l b>q c>q l>q q?e q~z e>q q!h"
    graph = build(text, {"q": counts("n")}, {"q?e": below("n", 2)}, {"q": ("quorum", 2)})
    order = preferring("a", "b", "c", "q", "e", "h")
    running: list[set[str]] = []

    def watch(steps: Sequence[RunningStep]) -> int:
        running.append({step.node for step in steps})
        return int(order(steps))

    result = run(graph, {}, watch)
    assert {"h", "l"} in running
    error = saw(result, "h")[0].error
    assert error is not None
    assert error.type == "QuorumNotReached"


def test_place_of_a_token_that_descends_from_a_join() -> None:
    """4.4 (reading f): it is placed at its last arrival's place."""
    bodies = {"c": gives(x="c"), "j": gives(x="j")}
    assert always_same(build("a>b a>c a>d b>j d>j", bodies)).output == {"x": "j"}
    assert always_same(build("a>b a>c a>d d>j b>j", bodies)).output == {"x": "c"}


def test_any() -> None:
    """3.4: join="any" starts a node once per arrival."""
    result = always_same(build("a>b a>c b>d c>d d>e", joins={"d": "any"}))
    assert (result.counts["d"], result.counts["e"]) == (2, 2)
    assert result.state == {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}


def test_late_tokens_do_not_keep_a_loop_around_their_quorum_waiting() -> None:
    """3.1, 3.4 (reading o): the head of the loop starts again while the late step still runs."""
    text = "s>h h>a h>b h>l a>q b>q l>q q?h q~e"
    graph = build(text, {"q": counts("n")}, {"q?h": below("n", 3)}, {"q": ("quorum", 2)})
    order = preferring("s", "h", "a", "b", "q", "e")
    running: list[set[str]] = []

    def watch(steps: Sequence[RunningStep]) -> int:
        running.append({step.node for step in steps})
        return int(order(steps))

    result = run(graph, {}, watch)
    assert (result.status, result.counts["h"], len(result.dropped)) == ("completed", 3, 3)
    assert running.count({"h", "l"}) == 2


def test_quorum_and_late_tokens() -> None:
    """3.4: starts at the nth arrival; late tokens and their descendants are dropped when they arrive."""
    graph = build("a>b a>c a>d b>q c>q d>x x>q q>z", joins={"q": ("quorum", 2)})
    result = run(graph, {}, preferring("a", "b", "c", "q", "z"))
    assert saw(result, "q")[0].arrivals == ("b", "c")
    assert result.counts == {"a": 1, "b": 1, "c": 1, "d": 1, "x": 1, "q": 1, "z": 1}
    assert [(one.quorum, one.source) for one in result.dropped] == [("q", "x")]
    assert "x" not in result.state


def test_quorum_counts_by_arrival_and_orders_by_edge() -> None:
    """3.4, 4.4: which arrivals count is timing; their order is still that of the edges."""
    graph = build("a>b a>c a>d b>q c>q d>q", joins={"q": ("quorum", 2)})
    assert saw(run(graph, {}, preferring("a", "d", "b")), "q")[0].arrivals == ("b", "d")


def test_tokens_born_from_a_quorum_are_not_late() -> None:
    """3.4: a token born from the start counts for the next one."""
    text = "a>b a>c a>d b>q c>q d>q q?e q?f q~z e>q f>q"
    again = below("n", 2)
    graph = build(text, {"q": counts("n")}, {"q?e": again, "q?f": again}, {"q": ("quorum", 2)})
    result = run(graph, {}, preferring("a", "b", "c", "q", "e", "d", "f"))
    assert [step.arrivals for step in saw(result, "q")] == [("b", "c"), ("e", "f")]
    assert [one.source for one in result.dropped] == ["d"]
    assert result.status == "completed"


def test_join_in_a_cycle_with_a_quorum_waits_for_what_comes_by_the_quorum() -> None:
    """3.1, 3.3: entries into a cycle are joins; a quorum in the group is passed over while unfilled."""
    text = "a>b a>c a>d b>q c>q d>q q?b q?c q~z"
    again = below("n", 2)
    graph = build(text, {"q": counts("n")}, {"q?b": again, "q?c": again}, {"q": ("quorum", 2)})
    result = run(graph, {}, preferring("a", "b", "c", "q"))
    assert [step.arrivals for step in saw(result, "q")] == [("b", "d"), ("b", "c")]


def test_late_token_merged_with_one_that_is_not() -> None:
    """3.4 (reading e): a join's token is late only if all its arrivals are."""
    text = "a>b a>c a>l b>q c>q q>m l>m m>q"
    graph = build(text, joins={"q": ("quorum", 2)})
    result = run(graph, {}, preferring("a", "b", "c", "q", "l", "m"))
    assert saw(result, "m")[0].arrivals == ("q", "l")
    assert result.dropped == ()
    assert result.failures[0].type == "QuorumNotReached"


def test_quorum_not_reached() -> None:
    """3.4: if n can no longer arrive, the step fails with QuorumNotReached; on_error edges apply."""
    text = "a>b a>c b>q c?q q>z"
    result = always_same(build(text, conditions={"c?q": never}, joins={"q": ("quorum", 2)}))
    assert (result.status, result.error_type, result.error_node) == ("failed", "QuorumNotReached", "q")
    handled = always_same(build(text + " q!h", conditions={"c?q": never}, joins={"q": ("quorum", 2)}))
    assert (handled.status, handled.counts["h"]) == ("completed", 1)


def test_branch_that_fails_before_a_quorum() -> None:
    """3.4: it only ends its token."""
    bodies = {"c": fails("ValueError")}
    result = always_same(build("a>b a>c a>d b>q c>q d>q", bodies, joins={"q": ("quorum", 2)}))
    assert (result.status, saw(result, "q")[0].arrivals) == ("completed", ("b", "d"))


def test_max_steps() -> None:
    """3.5: a runaway ends with an error."""
    result = run(build("a>b b>a", max_steps=10), {}, choices(()))
    assert (result.status, len(result.executions)) == ("failed", 10)


def test_quorums_that_fail_in_a_circle() -> None:
    """3.5: a step that fails before its body is a step: nothing goes round for ever."""
    graph = build("s>q q!r r!q", joins={"q": ("quorum", 2), "r": ("quorum", 2)}, max_steps=10)
    assert run(graph, {}, choices(())).error_type == "MaxStepsExceeded"


def test_route_sends_several_tokens() -> None:
    """3.7: each token starts its target once with its inputs; a join="all" gathers them in place order."""
    route: Body = lambda step: SpecRoute({"r": 1}, [("w", {"i": 0}), ("w", None), ("w", {"i": 2})])
    result = always_same(
        build("a@w w>g", {"a": route, "w": lambda step: {"i": step.inputs.get("i")}}, joins={"g": "all"})
    )
    assert sorted(repr(step.inputs) for step in saw(result, "w")) == ["{'i': 0}", "{'i': 2}", "{'r': 1}"]
    assert result.counts == {"a": 1, "w": 3, "g": 1}
    assert saw(result, "g")[0].state["i"] == 2


def test_several_starts() -> None:
    """2.7: starts are the fork at the root."""
    result = always_same(build("a>c b>c", starts=["a", "b"]), {"k": 0})
    assert saw(result, "c")[0].state == {"k": 0, "a": 1, "b": 1}
    assert saw(result, "a")[0].inputs == {"k": 0}


# --- state (4) ------------------------------------------------------------------------------------------


def test_branches_do_not_see_one_another() -> None:
    """4.3: a fan-out forks the state."""
    result = always_same(build("a>b a>c b>d c>d"))
    assert saw(result, "b")[0].state == saw(result, "c")[0].state == {"a": 1}


def test_later_edge_wins() -> None:
    """4.4, 4.5: without a declared class, the later edge into the join wins."""
    bodies = {"b": gives(x="b"), "c": gives(x="c")}
    assert always_same(build("a>b a>c b>d c>d", bodies)).state["x"] == "c"
    assert always_same(build("a>b a>c c>d b>d", bodies)).state["x"] == "b"


def test_both_nodes_outputs_are_kept() -> None:
    """4.2: two nodes returning the same key never hide one another in `outputs`."""
    result = always_same(build("a>b a>c b>d c>d", {"b": gives(x="b"), "c": gives(x="c")}))
    assert saw(result, "d")[0].outputs == {"a": {"a": 1}, "b": {"x": "b"}, "c": {"x": "c"}}


def test_superseded_write_is_gone() -> None:
    """4.4: a write superseded by a step that had seen it is gone, even where a later edge brings it again."""
    bodies = {"a": gives(x="a"), "b": gives(x="b")}
    result = always_same(build("a>b b>d a>c c>d", bodies))
    assert result.state["x"] == "b"


def test_superseded_across_crossing_joins() -> None:
    """4.4: the first join's step rewrites the key; the older write arriving last does not bring it back."""
    text = "s>x s>a a>j x>j j>k x>k"
    bodies = {"x": gives(v="x"), "a": gives(v="a"), "j": gives(v="j")}
    assert always_same(build(text, bodies)).state["v"] == "j"


def test_state_conflict() -> None:
    """4.5: with a declared class, two unsuperseded writes from different branches; it names key and nodes."""
    bodies = {"b": gives(x="b"), "c": gives(x="c")}
    graph = build("a>b a>c b>d c>d", bodies, declared=True, declared_keys=frozenset({"x"}))
    result = always_same(graph)
    assert (result.status, result.error_type, result.error_node) == ("failed", "StateConflict", "d")
    assert result.failures[0].detail == ("x", "b", "c")


def test_no_state_conflict_for_a_superseded_write() -> None:
    """4.5: a write that the other branch's step had seen is no conflict."""
    bodies = {"a": gives(x="a"), "b": gives(x="b")}
    graph = build("a>b b>d a>c c>d", bodies, declared=True, declared_keys=frozenset({"x"}))
    assert always_same(graph).state == {"x": "b"}


def test_undeclared_keys_are_only_outputs() -> None:
    """4.1: with a declared class, other keys stay in `outputs`."""
    graph = build("a>b", {"a": gives(x=1, other=2)}, declared=True, declared_keys=frozenset({"x"}))
    result = always_same(graph)
    assert saw(result, "b")[0].state == {"x": 1}
    assert saw(result, "b")[0].outputs == {"a": {"x": 1, "other": 2}}
    assert saw(result, "b")[0].inputs == {"x": 1, "other": 2}


def test_write_reached_by_two_paths_is_merged_once() -> None:
    """4.6: shapes that do not nest; every update counts once."""
    text = "s>a s>b a>j b>j b>c j>k c>k a>k"
    one = gives(total=1, log="w")
    reducers = {"total": ("add", REDUCERS["add"]), "log": ("append", REDUCERS["append"])}
    result = always_same(build(text, dict.fromkeys("sabcjk", one), reducers=reducers))
    assert (result.state["total"], len(result.state["log"])) == (6, 6)


def test_reduced_order_is_that_of_the_arrivals() -> None:
    """4.4: each arrival's writes in the order they were made, first arrival first."""
    text = "s>a s>b a>c b>d d>j c>j j>z"
    bodies = {one: gives(log=one) for one in "sabcdj"}
    result = always_same(build(text, bodies, reducers={"log": ("append", REDUCERS["append"])}))
    assert result.state["log"] == ["s", "b", "d", "a", "c", "j"]


def test_reducer_starts_from_the_input_or_the_default() -> None:
    """4.2: a missing base is the default, else the type's empty value."""
    reducers = {"n": ("add", REDUCERS["add"])}
    graph = build("a>b", {"a": gives(n=1), "b": gives(n=2)}, reducers=reducers)
    assert always_same(graph).state["n"] == 3
    assert always_same(graph, {"n": 10}).state["n"] == 13
    assert always_same(replace(graph, defaults={"n": 100})).state["n"] == 103


def test_contested_write_can_win_a_later_merge() -> None:
    """4.4 to the letter (reading n): a write that lost at a join without being superseded is history."""
    text = "s>x s>a a>b a>c x>j b>j c>k j>k"
    result = always_same(build(text, {"x": gives(v="x"), "a": gives(v="a")}))
    assert (saw(result, "j")[0].state["v"], saw(result, "c")[0].state["v"]) == ("a", "a")
    assert saw(result, "k")[0].state["v"] == "x"
    assert result.contested == (("j", "v"),)


def test_final_tokens_are_merged_by_place() -> None:
    """2.7 (reading f): outputs and state of the final tokens, in the order of their places, no conflict."""
    bodies = {"b": gives(x="b"), "c": gives(x="c")}
    graph = build("a>b a>c", bodies, declared=True, declared_keys=frozenset({"x"}))
    result = always_same(graph)
    assert (result.status, result.state["x"], result.output) == ("completed", "c", {"x": "c"})


# --- any graph ------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(Options(quorums=False, reducers_undeclared=True)), schedules(), schedules())
def test_order_of_completion_does_not_matter(graph: GraphData, one: tuple[int, ...], two: tuple[int, ...]) -> None:
    """4.4: the same inputs give the same under shuffled completion, quorums and early stops aside."""
    spec = replace(graph, on_failure="continue").to_spec()
    first = run(spec, dict(graph.inputs), choices(one))
    second = run(spec, dict(graph.inputs), choices(two))
    assert first.error_type == second.error_type
    if first.error_type != "MaxStepsExceeded":
        assert view(first) == view(second)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(), schedules())
def test_no_run_hangs_and_no_execution_happens_twice(graph: GraphData, order: tuple[int, ...]) -> None:
    """3.3, 1.3: the reference asserts that no join is left waiting; step identities are unique."""
    result = run(graph.to_spec(), dict(graph.inputs), choices(order))
    assert len({one.step for one in result.executions}) == len(result.executions)
