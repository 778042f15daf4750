"""The flowing state: forked, written, merged (semantics 4.1 to 4.9)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.model.drawn import arrivals, below, build, counts, drive, fails, finish, gives, saw
from tests.spec.graphs import REDUCERS
from tests.spec.reference import SpecGraph

from nodeloom.model.reducers import NAMED, Reducer
from nodeloom.model.state import StateSchema, apply, apply_log, concat, log, start_values
from nodeloom.model.values import Values

APPEND = {"log": ("append", REDUCERS["append"])}


def declared(text: str, keys: set[str], bodies: Any = None, **options: Any) -> SpecGraph:
    return build(text, bodies, declared=True, declared_keys=frozenset(keys), **options)


# --- what flows (4.1, 4.2) --------------------------------------------------------------------------------


def test_the_state_begins_as_the_inputs_and_gathers_what_the_path_produces() -> None:
    """4.1."""
    driven = drive(build("a>b b>c"), inputs={"k": 0})
    assert saw(driven, "c")[0].state == {"k": 0, "a": 1, "b": 1}
    assert driven.result.state == {"k": 0, "a": 1, "b": 1, "c": 1}


def test_outputs_that_are_no_declared_key_are_only_in_the_outputs() -> None:
    """4.1."""
    driven = drive(declared("a>b", {"x"}, {"a": gives(x=1, other=2)}))
    (b,) = saw(driven, "b")
    assert (b.state, b.inputs, b.outputs) == ({"x": 1}, {"x": 1, "other": 2}, {"a": {"x": 1, "other": 2}})


def test_two_nodes_that_return_one_key_do_not_hide_one_another() -> None:
    """4.2: `outputs` has both."""
    driven = drive(build("a>b a>c b>d c>d", {"b": gives(x="b"), "c": gives(x="c")}))
    assert saw(driven, "d")[0].outputs == {"a": {"a": 1}, "b": {"x": "b"}, "c": {"x": "c"}}


def test_a_reducer_starts_from_the_input_the_default_or_the_empty_value() -> None:
    """4.2."""
    graph = build("a>b", {"a": gives(n=1), "b": gives(n=2)}, reducers={"n": ("add", REDUCERS["add"])})
    assert finish(graph).state == {"n": 3}
    assert finish(graph, inputs={"n": 10}).state == {"n": 13}
    assert finish(replace(graph, defaults={"n": 100})).state == {"n": 103}
    assert finish(build("a>b", {"a": gives(log=1), "b": gives(log=2)}, reducers=APPEND)).state == {"log": [1, 2]}


def test_falsy_values_are_values() -> None:
    """1.8."""
    falsy: dict[str, Any] = {"a": {}, "b": 0, "c": "", "d": [], "e": None}
    driven = drive(build("s>t", {"s": gives(**falsy)}))
    assert saw(driven, "t")[0].inputs == falsy
    assert driven.result.state == {**falsy, "t": 1}


# --- forks and joins (4.3 to 4.6) -------------------------------------------------------------------------


def test_branches_do_not_see_one_anothers_writes() -> None:
    """4.3."""
    driven = drive(build("a>b a>c b>d c>d"))
    assert saw(driven, "b")[0].state == saw(driven, "c")[0].state == {"a": 1}
    assert saw(driven, "d")[0].state == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize(("edges", "winner"), [("b>d c>d", "c"), ("c>d b>d", "b")])
@pytest.mark.parametrize("order", ["bc", "cb"])
def test_the_later_edge_wins_whoever_arrives_first(edges: str, winner: str, order: str) -> None:
    """4.4, 4.5."""
    graph = build(f"a>b a>c {edges}", {"b": gives(x="b"), "c": gives(x="c")})
    assert finish(graph, *order).state["x"] == winner


@pytest.mark.parametrize("order", ["bec", "ecb", "cbe"])
def test_the_order_of_the_edges_is_kept_in_the_result_when_another_branch_has_ended(order: str) -> None:
    """2.7, 4.4: a joined token's writes are merged as its join merged them."""
    graph = build("a>e a>b a>c c>d b>d", {"b": gives(x="b"), "c": gives(x="c"), "d": gives(d=1)})
    assert finish(graph, *order).state["x"] == "b"


@pytest.mark.parametrize("order", ["bced", "edcb", "cbed"])
@pytest.mark.parametrize(("edges", "x"), [("b>j d>j", "j"), ("d>j b>j", "c")])
def test_what_descends_from_a_join_has_the_place_of_its_last_arrival(order: str, edges: str, x: str) -> None:
    """4.4, 2.7: last in the order of the arrivals, not in time."""
    graph = build(f"a>b a>c a>d {edges}", {"c": gives(x="c"), "j": gives(x="j")})
    assert finish(graph, *order).output["x"] == x


def test_a_superseded_write_is_gone() -> None:
    """4.4: even where a later edge brings it again."""
    assert finish(build("a>b b>d a>c c>d", {"a": gives(x="a"), "b": gives(x="b")})).state["x"] == "b"


def test_a_superseded_write_is_gone_where_forks_cross() -> None:
    """4.4: the join's own write is not undone by the older one that arrives after it."""
    graph = build("s>x s>a a>j x>j j>k x>k", {"x": gives(v="x"), "a": gives(v="a"), "j": gives(v="j")})
    assert finish(graph).state["v"] == "j"


def test_a_write_that_lost_without_being_seen_is_history_still() -> None:
    """4.4 to the letter (the reference's reading n): it is superseded by nobody, and can win a later merge."""
    driven = drive(build("s>x s>a a>b a>c x>j b>j c>k j>k", {"x": gives(v="x"), "a": gives(v="a")}))
    assert saw(driven, "j")[0].state["v"] == "a"
    assert saw(driven, "k")[0].state["v"] == "x"


@pytest.mark.parametrize(("edges", "x"), [("b>y a>y", "p"), ("a>y b>y", "q")])
def test_two_branches_may_have_the_same_past_in_different_orders(edges: str, x: str) -> None:
    """4.4: a's edges bring p before q, and b's q before p; y applies it in the order of its first arrival with it."""
    text = f"s>o s>p s>q p>p1 p>p2 q>q1 q>q2 p1>a q1>a q2>b p2>b o>y {edges}"
    driven = drive(build(text, {"p": gives(x="p"), "q": gives(x="q")}), "p", "q", "p1", "q1", "p2", "q2", "a", "b")
    assert (saw(driven, "a")[0].state["x"], saw(driven, "b")[0].state["x"]) == ("q", "p")
    assert saw(driven, "y")[0].state["x"] == x


def test_a_reduced_key_is_merged_in_the_order_of_the_arrivals() -> None:
    """4.4."""
    bodies = {one: gives(log=one) for one in "sabcdj"}
    graph = build("s>a s>b a>c b>d d>j c>j j>z", bodies, reducers=APPEND)
    assert finish(graph, "a", "c").state["log"] == ["s", "b", "d", "a", "c", "j"]


def test_a_write_reached_by_two_paths_is_merged_once() -> None:
    """4.6: shapes that do not nest."""
    one = gives(total=1, log="w")
    reducers = {"total": ("add", REDUCERS["add"]), **APPEND}
    graph = build("s>a s>b a>j b>j b>c j>k c>k a>k", dict.fromkeys("sabcjk", one), reducers=reducers)
    result = finish(graph)
    assert (result.state["total"], len(result.state["log"])) == (6, 6)


@pytest.mark.parametrize("order", ["bced", "edcb", "cbed", "ecbd"])
def test_the_order_of_keys_does_not_tell_who_came_first(order: str) -> None:
    """4.4: what a join brings together is in the order of the names, whatever had ended or met before."""
    graph = build("s>a s>e a>b a>c a>d b>j c>j j>k d>k k>z e>z")
    driven = drive(graph, *order)
    assert list(saw(driven, "k")[0].state) == ["s", "a", "b", "c", "d", "j"]
    assert list(saw(driven, "z")[0].outputs) == ["s", "a", "b", "c", "d", "e", "j", "k"]


# --- conflicts (4.5) --------------------------------------------------------------------------------------


def test_two_replacing_writes_from_different_branches_conflict() -> None:
    """4.5: the error names the key and both nodes."""
    error = finish(declared("a>b a>c b>d c>d", {"x"}, {"b": gives(x="b"), "c": gives(x="c")})).error
    assert error is not None
    assert (error.type, error.node, error.code) == ("StateConflict", "d", "state_conflict")
    assert "'x'" in error.message
    assert "nodes b and c" in error.message


def test_a_conflict_may_be_handled() -> None:
    """4.5, 2.5: the step fails; its error edges apply, and a conflict that was handled is none further on."""
    bodies = {"b": gives(x="b"), "c": gives(x="c"), "e": gives(y=1)}
    driven = drive(declared("s>a s>e a>b a>c b>d c>d d!h h>z e>z", {"x", "y"}, bodies))
    assert (driven.result.status, arrivals(driven, "z")) == ("completed", [("h", "e")])
    assert saw(driven, "z")[0].state == {"x": "c", "y": 1}


def test_a_conflict_that_was_handled_stays_so_when_one_of_its_writes_comes_another_way() -> None:
    """4.5: both writes are in the past of one arrival, so they are no conflict of this join."""
    bodies = {"b": gives(x="b"), "c": gives(x="c")}
    driven = drive(declared("s>b s>c b>d b>k c>d d!h h>z k>z", {"x"}, bodies))
    assert (driven.result.status, arrivals(driven, "z")) == ("completed", [("h", "k")])


def test_a_conflict_with_a_write_that_another_branch_had_replaced() -> None:
    """4.5: g's write is superseded in both branches, by two writes that conflict, though their fork is gone."""
    bodies = {"g": gives(x="g"), "c": gives(x="c"), "j": gives(x="j")}
    graph = declared("s>g s>o g>c g>e e>j o>j j>z c>z", {"x"}, bodies)
    for order in ("ogecj", "ogejc", "ogcej"):
        error = finish(graph, *order).error
        assert error is not None
        assert "nodes j and c" in error.message


def test_a_write_that_the_other_branch_had_seen_is_no_conflict() -> None:
    """4.5: it is superseded."""
    graph = declared("a>b b>d a>c c>d", {"x"}, {"a": gives(x="a"), "b": gives(x="b")})
    assert finish(graph).state == {"x": "b"}


def test_two_writes_of_one_branch_are_no_conflict() -> None:
    """4.5: the later one had seen the earlier one; nor are reduced keys."""
    bodies = {"b": gives(x="b"), "e": gives(x="e"), "c": gives(log=1), "s": gives(log=0)}
    graph = declared("s>b s>c b>e e>d c>d", {"x"}, bodies, reducers=APPEND)
    assert finish(graph).state == {"x": "e", "log": [0, 1]}


def test_conflicts_across_a_fork_that_stays_open() -> None:
    """4.5: the branches that disagree need not come from one fork, nor be all of it."""
    bodies = {"b": gives(x="b"), "e": gives(x="e")}
    graph = declared("s>a s>o a>b a>c o>e e>j b>j j>z c>z", {"x"}, bodies)
    error = finish(graph, "o", "e", "a", "b").error
    assert error is not None
    assert "nodes e and b" in error.message  # in the order of j's edges


def test_final_tokens_do_not_conflict() -> None:
    """2.7, 4.5: branches that never meet; the later place wins."""
    result = finish(declared("a>b a>c", {"x"}, {"b": gives(x="b"), "c": gives(x="c")}))
    assert (result.status, result.state) == ("completed", {"x": "c"})


# --- who owns what (4.7, 4.8) -----------------------------------------------------------------------------


def live(driven: Any, node: str) -> Any:
    """The state view a running node has, not a copy."""
    seen = next(seen for seen in driven.running if seen.node == node)
    return driven.run.branches[seen.step.branch].state


def complete(driven: Any, *nodes: str) -> None:
    for node in nodes:
        driven.complete([seen.node for seen in driven.running].index(node))


def started(graph: SpecGraph, inputs: Any = None, *nodes: str) -> Any:
    from tests.model.adapter import Driven

    driven = Driven(graph, inputs)
    driven._take_ready()
    complete(driven, *nodes)
    return driven


def test_a_node_that_changes_what_it_received_does_not_touch_its_sibling() -> None:
    """4.8: through a fork."""
    driven = started(build("a>b a>c b>d c>d", {"a": gives(x=[1])}), None, "a")
    live(driven, "b")["x"].append(2)
    assert live(driven, "c")["x"] == [1]
    inputs = {seen.node: seen.step.inputs for seen in driven.running}
    inputs["b"]["x"].append(3)
    assert inputs["c"]["x"] == [1]


def test_the_starts_of_a_run_do_not_share_its_inputs() -> None:
    """4.8, 2.7: several starts are a fork."""
    driven = started(build("a>c b>c", starts=["a", "b"]), {"x": [1]})
    inputs = {seen.node: seen.step.inputs for seen in driven.running}
    inputs["a"]["x"].append(2)
    live(driven, "a")["x"].append(3)
    assert inputs["b"]["x"] == live(driven, "b")["x"] == [1]


def test_joins_that_are_given_one_write_do_not_share_its_value() -> None:
    """4.8: a write that reaches two branches through joins of forks that cross."""
    graph = build("s>a s>b s>e a>c a>d b>j c>j e>k d>k j>z k>z", {"a": gives(x=[1])})
    driven = started(graph, None, "s", "a", "b", "c", "e", "d")
    live(driven, "j")["x"].append(2)
    assert live(driven, "k")["x"] == [1]


def test_a_linear_path_hands_over_the_value_itself() -> None:
    """4.8: elsewhere the next node owns what it receives, and nothing is copied."""
    value = [1]
    driven = started(build("a>b", {"a": lambda step: {"x": value}}), None, "a")
    assert live(driven, "b")["x"] is value


def test_a_failed_step_leaves_no_trace() -> None:
    """4.7."""
    driven = drive(build("a>b b!h", {"b": fails("ValueError")}))
    assert saw(driven, "h")[0].state == {"a": 1}


# --- reducers ---------------------------------------------------------------------------------------------

UPDATES: dict[str, st.SearchStrategy[Any]] = {
    "append": st.integers(),
    "extend": st.lists(st.integers(), max_size=3),
    "add": st.integers(),
    "min": st.integers(),
    "max": st.integers(),
    "union": st.sets(st.integers(), max_size=3),
    "messages": st.fixed_dictionaries({"id": st.sampled_from(["a", "b", None]), "text": st.text(max_size=3)}),
}


@given(st.data(), st.sampled_from(sorted(NAMED)))
def test_what_a_branch_gathered_has_the_effect_of_its_updates(data: st.DataObject, name: str) -> None:
    """3.5, 4.2: folded or not, in one stretch or in several."""
    updates = data.draw(st.lists(UPDATES[name], min_size=1, max_size=6))
    cut = data.draw(st.integers(0, len(updates)))
    schema = StateSchema(reducers={"k": NAMED[name]})
    one_by_one, at_once = Values(), Values()
    early: dict[str, Any] = {}
    late: dict[str, Any] = {}
    for number, update in enumerate(updates):
        apply(one_by_one, {"k": update}, schema)
        log(early if number < cut else late, {"k": update}, schema)
    early = concat(early, late, schema)
    apply_log(at_once, early, schema)
    assert at_once == one_by_one
    if NAMED[name].combine is not None:
        assert len(early["k"]) == 1


def test_a_reducer_of_ones_own_is_any_callable() -> None:
    """4.2."""
    schema = StateSchema(reducers={"k": Reducer("", lambda value, update: f"{value}+{update}")})
    state = Values()
    for update in "abc":
        apply(state, {"k": update}, schema)
    assert state == {"k": "a+b+c"}


def test_a_default_is_made_anew_for_every_run() -> None:
    """1.2, 4.2: no run sees another's values."""
    schema = StateSchema(frozenset({"log"}), {"log": list}, {"log": NAMED["append"]})
    one, two = start_values(schema, {}), start_values(schema, {})
    apply(one, {"log": 1}, schema)
    assert (one["log"], two["log"]) == ([1], [])


def test_a_key_named_like_a_method_is_a_key_from_the_start() -> None:
    """4.1: of inputs, state and outputs alike."""
    driven = started(build("items>b", {"items": gives(values=2)}), {"keys": 1})
    assert live(driven, "items").keys == 1
    complete(driven, "items")
    assert (live(driven, "b").keys, live(driven, "b").values) == (1, 2)
    (b,) = driven.running
    assert driven.run.branches[b.step.branch].outputs.items == {"values": 2}


def test_a_counter_in_a_loop_counts() -> None:
    """4.2: each round sees the one before."""
    assert finish(build("a?a a~z", {"a": counts("n")}, {"a?a": below("n", 4)})).state["n"] == 4
