"""Joins, loops, quorums and failures, rule by rule (semantics 2.1 to 3.7)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.model.drawn import arrivals, below, build, counts, drive, fails, finish, gives, never, saw
from tests.spec.reference import Join, SpecGraph, SpecRoute

from nodeloom.errors import MaxStepsExceeded, QuorumNotReached, RoutingError, StateConflict
from nodeloom.model.advance import error_info
from nodeloom.model.run import Run

QUORUM: dict[str, Join] = {"q": ("quorum", 2)}


def declared_first(graph: SpecGraph, *ids: str) -> SpecGraph:
    rest = [node for node in graph.nodes if node.id not in ids]
    return replace(graph, nodes=[*(graph.node(one) for one in ids), *rest])


def raises(error: Exception):
    def predicate(output, state):
        raise error

    return predicate


# --- routing (2) ------------------------------------------------------------------------------------------


def test_every_edge_whose_condition_holds_is_taken() -> None:
    """2.1: conditional and unconditional edges alike; `otherwise` only when no condition held."""
    text = "a?b a>c a~d"
    assert drive(build(text, conditions={"a?b": never})).counts == {"a": 1, "c": 1, "d": 1}
    assert drive(build(text, conditions={"a?b": lambda *_: True})).counts == {"a": 1, "b": 1, "c": 1}


def first(text: str, **options) -> SpecGraph:
    graph = build(text, **options)
    return replace(graph, nodes=[replace(graph.nodes[0], routing="first"), *graph.nodes[1:]])


@pytest.mark.parametrize(
    ("text", "taken"),
    [("a>b a>c", "b"), ("a~b a>c", "b"), ("a?n a~b a>c", "b"), ("a?n a>c a~b", "c"), ("a~b a?y a>c", "y")],
)
def test_first_routing_takes_the_first_edge_that_holds_in_declaration_order(text: str, taken: str) -> None:
    """2.1: an `otherwise` edge has its turn where it is declared, when no condition of the node holds."""
    graph = first(text, conditions={"a?n": never, "a?y": lambda *_: True})
    assert drive(graph).counts == {"a": 1, taken: 1}


def test_first_routing_does_not_ask_the_conditions_behind_the_edge_it_takes() -> None:
    """2.1: what is not asked cannot fail the run."""
    graph = first("a>b a?c", conditions={"a?c": raises(TypeError("not asked"))})
    assert finish(graph).status == "completed"


def test_a_branch_whose_edges_do_not_hold_ends_and_is_noted() -> None:
    """2.4: that is no error."""
    driven = drive(build("a>b a>c b?d", conditions={"b?d": never}))
    assert driven.result.status == "completed"
    assert [note.node for note in driven.notes if note.type == "branch_ended"] == ["b"]


def test_a_condition_that_fails_fails_the_run_and_its_step_stays_completed() -> None:
    """2.3: RoutingError, which no error edge catches; what the step wrote stays."""
    graph = build("a?b a!h", {"a": gives(x=1)}, {"a?b": raises(TypeError("a text compared with a number"))})
    driven = drive(graph)
    assert driven.result.error is not None
    assert (driven.result.status, driven.result.error.type) == ("failed", "RoutingError")
    assert driven.result.state == {"x": 1}
    assert driven.counts == {"a": 1}


def test_a_condition_that_fails_lets_other_branches_finish_where_the_graph_says_so() -> None:
    """2.3, 2.6: RoutingError fails the run, and `on_failure="continue"` is about failing runs."""
    graph = build("a>b a>c b?d c>e", conditions={"b?d": raises(TypeError())}, on_failure="continue")
    driven = drive(graph, "b")
    assert (driven.result.status, driven.counts) == ("failed", {"a": 1, "b": 1, "c": 1, "e": 1})


def test_the_first_error_edge_that_matches_takes_a_failed_step() -> None:
    """2.5: by class name along the MRO, in declaration order; it gets the failed step's inputs and the error."""
    graph = build("s>a a!b a!c", {"s": gives(k=1), "a": fails("KeyError")})
    wanted = {"b": "ValueError", "c": "LookupError"}
    graph = replace(graph, edges=[replace(edge, error_type=wanted.get(edge.target)) for edge in graph.edges])
    driven = drive(graph)
    (handler,) = saw(driven, "c")
    assert handler.inputs == {"k": 1}
    assert handler.error is not None
    assert (handler.error.type, handler.error.node) == ("KeyError", "a")
    assert (driven.result.status, driven.counts) == ("completed", {"s": 1, "a": 1, "c": 1})


def test_a_join_of_several_error_routes_has_the_error_of_its_last_arrival() -> None:
    """2.5: as later inputs win; the rules say nothing of it."""
    bodies = {"b": fails("ValueError"), "c": fails("KeyError")}
    for one, two in ("bc", "cb"):
        (handler,) = saw(drive(build("a>b a>c b!h c!h", bodies), one, two), "h")
        assert handler.error is not None
        assert (handler.error.type, handler.error.node) == ("KeyError", "c")


def test_an_error_is_told_as_data() -> None:
    """2.5: type, code, message, node, retryable; names along the MRO, plain and qualified."""
    info = error_info(KeyError("x"), "a")
    assert dict(info.as_values()) == {
        "type": "KeyError",
        "code": "key_error",
        "message": "'x'",
        "node": "a",
        "retryable": False,
    }
    assert {"KeyError", "builtins.LookupError", "Exception"} <= set(info.names)


def test_the_names_of_the_cores_own_failures_are_those_of_their_classes() -> None:
    """2.5: `on_error(QuorumNotReached)` catches what the core calls so."""
    driven = drive(build("a>q q!h", joins=QUORUM))
    assert driven.counts == {"a": 1, "h": 1}
    for kind in (QuorumNotReached, StateConflict, MaxStepsExceeded, RoutingError):
        assert kind.__name__ in error_info(kind("x"), "n").names


def test_a_failure_stops_the_run_and_comes_before_later_ones() -> None:
    """2.6: siblings are cancelled; the first failure is the first in the order of the graph."""
    bodies = {"b": fails("ValueError"), "c": fails("KeyError"), "d": gives(x=1)}
    stopped = drive(build("a>b a>c a>d d>e", bodies), "c")
    assert [error.type for error in stopped.result.errors] == ["KeyError"]
    assert "e" not in stopped.counts
    both = drive(build("a>b a>c a>d d>e", bodies, on_failure="continue"), "c")
    assert [error.type for error in both.result.errors] == ["ValueError", "KeyError"]
    assert both.result.error == both.result.errors[0]
    assert both.counts == {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}


def test_the_output_is_that_of_the_final_tokens_by_place() -> None:
    """2.7: merged in the order of 4.4, however they ended."""
    bodies = {"b": gives(x="b", b=1), "c": gives(x="c")}
    for one, two in ("bc", "cb"):
        assert finish(build("a>b a>c", bodies), one, two).output == {"x": "c", "b": 1}


# --- the join rule (3.1 to 3.3) ---------------------------------------------------------------------------


def test_a_diamond_joins_once_with_both_branches() -> None:
    """3.2."""
    driven = drive(build("a>b a>c b>d c>d"))
    assert driven.counts == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert arrivals(driven, "d") == [("b", "c")]


def test_a_branch_that_is_not_taken_is_not_waited_for() -> None:
    """3.2."""
    assert arrivals(drive(build("a>b a?c b>d c>d", conditions={"a?c": never})), "d") == [("b",)]


def test_a_branch_that_ends_is_not_waited_for() -> None:
    """3.2: the join starts when the last token that could come has ended."""
    graph = build("a>b a>c b>d c?d", conditions={"c?d": never})
    driven = drive(graph, "b", "d")
    assert [seen.node for seen in driven.seen] == ["a", "b", "c", "d"]


def test_a_branch_that_fails_into_an_error_route_is_not_waited_for() -> None:
    """3.2: a failed step's error edge leads elsewhere."""
    driven = drive(build("a>b a>c b>d c>d c!h", {"c": fails("ValueError")}))
    assert arrivals(driven, "d") == [("b",)]
    assert driven.counts["h"] == 1


def test_an_error_route_that_comes_back_is_waited_for() -> None:
    """3.1: an error edge is a path like any other."""
    driven = drive(build("a>b a>c b>d c>d c!h h>d", {"c": fails("ValueError")}), "b")
    assert arrivals(driven, "d") == [("b", "h")]


def test_a_loop_in_one_branch_holds_the_join_until_it_ends() -> None:
    """3.2."""
    graph = build("a>b a>c b?b b~d c>d", {"b": counts("n")}, {"b?b": below("n", 3)})
    driven = drive(graph, "c")
    assert driven.counts == {"a": 1, "b": 3, "c": 1, "d": 1}
    assert arrivals(driven, "d") == [("b", "c")]


def test_a_loop_whose_body_forks_starts_its_next_round_when_the_branches_are_in() -> None:
    """3.2."""
    graph = build("s>h h>x h>y x>t y>t t?h t~z", {"t": counts("n")}, {"t?h": below("n", 3)})
    driven = drive(graph, "x")
    assert driven.counts == {"s": 1, "h": 3, "x": 3, "y": 3, "t": 3, "z": 1}
    assert arrivals(driven, "t") == [("x", "y")] * 3


def test_nested_loops() -> None:
    """3.2."""
    inner = build(
        "s>o o>i i?i i~t t?o t~z",
        {"i": counts("n"), "t": counts("m")},
        {"i?i": lambda output, state: state["n"] % 2 != 0, "t?o": below("m", 3)},
    )
    assert drive(inner).counts == {"s": 1, "o": 3, "i": 6, "t": 3, "z": 1}


def test_a_cycle_entered_in_two_places_starts_at_its_first_join() -> None:
    """3.3: in declaration order of the nodes."""
    graph = build("s>a s>b a>b b?a b~z", {"b": counts("n")}, {"b?a": below("n", 2)})
    assert arrivals(drive(graph), "b") == [("s", "a"), ("a",)]
    assert arrivals(drive(declared_first(graph, "b")), "b") == [("s",), ("a",)]


def test_a_cycle_entered_in_two_places_does_not_wait_for_what_cannot_reach_it() -> None:
    """3.3: whatever else runs."""
    graph = build("s>a s>b s>c a>b b?a b~z c>z", {"b": counts("n")}, {"b?a": below("n", 2)})
    assert [seen.node for seen in drive(graph, "s", "a", "b").seen] == ["s", "c", "a", "b", "a", "b", "z"]


def test_a_join_behind_a_waiting_group_is_none_of_it() -> None:
    """3.3: a group waits on itself only; who waits on the group comes after it."""
    graph = build("s>a s>b s>z a>b b?a b~z", {"b": counts("n")}, {"b?a": below("n", 2)})
    assert arrivals(drive(declared_first(graph, "z")), "z") == [("s", "b")]


def test_a_fast_branch_goes_on_while_a_slow_one_runs() -> None:
    """3.6."""
    driven = drive(build("a>b a>c b>x x>y y>z c>z"), "b", "x", "y")
    assert [seen.node for seen in driven.seen] == ["a", "b", "c", "x", "y", "z"]


def test_any_starts_a_node_once_for_each_arrival() -> None:
    """3.4."""
    driven = drive(build("a>b a>c b>d c>d d>e", joins={"d": "any"}))
    assert (driven.counts["d"], driven.counts["e"]) == (2, 2)


def test_a_route_sends_tokens_that_meet_at_the_next_join() -> None:
    """3.7, 3.1: each with its inputs, or the outputs; `join="all"` on one edge gathers them in order."""
    route = lambda step: SpecRoute({"r": 1}, [("w", {"i": 2}), ("w", None), ("w", {"i": 1})])
    graph = build("a@w w>g", {"a": route, "w": lambda step: {"i": step.inputs.get("i", 0)}}, joins={"g": "all"})
    driven = drive(graph)
    assert [seen.inputs for seen in saw(driven, "w")] == [{"i": 2}, {"r": 1}, {"i": 1}]
    assert arrivals(driven, "g") == [("w", "w", "w")]
    assert driven.result.state["i"] == 1


# --- quorums (3.4) ----------------------------------------------------------------------------------------


def test_a_quorum_starts_at_the_nth_arrival_and_drops_what_comes_late() -> None:
    """3.4: late tokens and their descendants are dropped and recorded on arriving; nothing of them stays."""
    graph = build("a>b a>c a>d b>q c>q d>x x>q q>z", joins=QUORUM)
    driven = drive(graph, "a", "b", "c", "q", "z")
    assert arrivals(driven, "q") == [("b", "c")]
    assert driven.counts == {"a": 1, "b": 1, "c": 1, "d": 1, "x": 1, "q": 1, "z": 1}
    assert [note.data for note in driven.notes if note.type == "arrival_dropped"] == [{"source": "x"}]
    assert driven.run.dropped == 1
    assert not {"d", "x"} & driven.result.state.keys()
    assert not {"d", "x"} & driven.result.outputs.keys()


def test_what_was_written_before_a_fork_of_late_tokens_goes_with_them() -> None:
    """3.4, 2.7: a branch all of whose tokens were dropped leaves nothing to the result."""
    graph = build("a>b a>c a>d b>q c>q d>x d>y x>q y>q q>z", {"d": gives(lost=1)}, joins=QUORUM)
    result = finish(graph, "a", "b", "c", "d", "q", "z")
    assert "lost" not in result.state
    assert "d" not in result.outputs


def test_a_token_on_its_way_when_a_quorum_starts_is_late() -> None:
    """3.4: the third token of one Route is live when the second makes the quorum start."""
    route = lambda step: SpecRoute({}, [("q", {"i": 0}), ("q", {"i": 1}), ("q", {"i": 2})])
    driven = drive(build("a@q q>z", {"a": route}, joins=QUORUM))
    assert (driven.result.status, driven.counts["q"], driven.run.dropped) == ("completed", 1, 1)


def test_a_late_token_does_not_keep_the_next_start_of_its_quorum_waiting() -> None:
    """3.4: what is late can no longer arrive, so the second start fails while the late step still runs."""
    graph = build("a>b a>c a>l b>q c>q l>q q?e q~z e>q", {"q": counts("n")}, {"q?e": below("n", 2)}, QUORUM)
    driven = drive(graph, "a", "b", "c", "q", "e")
    told = [(note.type, note.node) for note in driven.notes if note.type != "join_started"]
    assert told == [("branch_ended", "q"), ("arrival_dropped", "q")]


def test_a_late_token_that_waits_elsewhere_does_not_keep_its_quorum_waiting_either() -> None:
    """3.4: l waits at j for m, both are late, so the quorum's second start fails while both are live."""
    live: list[int] = []

    def watch(run: Run) -> None:
        live.extend(run.tokens for note in run.notes or () if note.type == "branch_ended")

    text = "a>b a>c a>l a>m b>q c>q l>j m>j j>q q?e q~z e>q"
    graph = build(text, {"q": counts("n")}, {"q?e": below("n", 2)}, QUORUM)
    assert drive(graph, "a", "b", "l", "c", "q", "e", watch=watch).run.dropped == 1
    assert live == [2]


def test_a_loop_around_a_quorum_does_not_wait_for_those_who_are_late() -> None:
    """3.1, 3.4: what is late is dropped at the quorum, so it cannot reach the head of the loop behind it."""
    graph = build("s>h h>a h>b h>c a>q b>q c>q q?h q~e", {"q": counts("n")}, {"q?h": below("n", 3)}, QUORUM)
    driven = drive(graph, "s", "h", "a", "b", "q", "e")
    told = [note.type for note in driven.notes if note.node in "hq"]
    assert told == [*["join_started"] * 6, *["arrival_dropped"] * 3]


def test_a_join_behind_a_quorum_waits_for_a_late_token_that_can_come_by_another_way() -> None:
    """3.1, 3.4: only the ways through the quorum are closed to it."""
    graph = build("a>b a>c a>l b>q c>q l>m m>q m?j q>j j>z", conditions={"m?j": never}, joins=QUORUM)
    driven = drive(graph, "a", "b", "c", "q", "l")
    order = [seen.node for seen in driven.seen]
    assert order.index("m") < order.index("j")
    assert driven.run.dropped == 1


def test_a_token_that_was_late_when_waiting_elsewhere_is_late() -> None:
    """3.4: live tokens wait, too."""
    graph = build("a>b a>c a>l a>m b>q c>q l>j m>j j>q q>z", joins=QUORUM)
    driven = drive(graph, "a", "b", "l", "c", "q", "z")
    assert arrivals(driven, "j") == [("l", "m")]
    assert driven.run.dropped == 1


def test_a_join_of_late_and_other_tokens_is_not_late() -> None:
    """3.4: tokens born from the start are not late, and a join's token is late only if all its arrivals are."""
    driven = drive(build("a>b a>c a>l b>q c>q q>m l>m m>q", joins=QUORUM), "a", "b", "c", "q", "l", "m")
    assert arrivals(driven, "m") == [("q", "l")]
    assert driven.run.dropped == 0
    (ended,) = [note for note in driven.notes if note.type == "branch_ended"]
    assert (ended.node, "1 of 2 branches arrived" in ended.data["error"]) == ("q", True)


def test_a_quorum_that_can_no_longer_be_met_fails_its_step() -> None:
    """3.4: error edges apply to it."""
    graph = build("a>b a>c b>q c?q q>z", conditions={"c?q": never}, joins=QUORUM)
    failed = finish(graph)
    assert failed.error is not None
    assert (failed.error.type, failed.error.node) == ("QuorumNotReached", "q")
    assert "1 of 2" in failed.error.message
    handled = drive(build("a>b a>c b>q c?q q>z q!h", conditions={"c?q": never}, joins=QUORUM))
    assert (handled.result.status, handled.counts["h"]) == ("completed", 1)


def test_a_branch_that_fails_before_a_quorum_only_ends_its_token() -> None:
    """3.4."""
    graph = build("a>b a>c a>d b>q c>q d>q", {"c": fails("ValueError")}, joins=QUORUM)
    driven = drive(graph)
    assert (driven.result.status, driven.result.errors) == ("completed", ())
    assert arrivals(driven, "q") == [("b", "d")]


def test_an_unmet_quorum_stands_back_in_a_group() -> None:
    """3.3: the first of the group that can start does, and fills it."""
    graph = build("s>q s>a a>q q?a q~z", {"q": counts("n")}, {"q?a": never}, QUORUM)
    driven = drive(declared_first(graph, "q"))
    assert arrivals(driven, "q") == [("s", "a")]


def test_quorums_that_only_fail_do_not_go_round_for_ever() -> None:
    """3.5: a join's step that fails where it stands is a step, and max_steps counts it."""
    graph = build("s>q q!r r!q", joins={**QUORUM, "r": ("quorum", 2)}, max_steps=50)
    result = finish(graph)
    assert result.error is not None
    assert (result.error.type, result.steps) == ("MaxStepsExceeded", 50)


# --- loops (3.5) ------------------------------------------------------------------------------------------


def test_a_runaway_ends_with_an_error_that_names_the_loop_and_its_count() -> None:
    """3.5."""
    driven = drive(build("s>a a>b b>a", max_steps=20))
    error = driven.result.error
    assert error is not None
    assert (error.type, error.code, driven.result.steps) == ("MaxStepsExceeded", "max_steps", 20)
    assert "a -> b -> a" in error.message
    assert "10 times" in error.message
    assert "20 steps" in error.message
    assert driven.counts == {"s": 1, "a": 10, "b": 9}


def test_a_loop_of_many_rounds_is_a_loop() -> None:
    """3.5: there is no hidden limit."""
    graph = build("s>h h?h h~z", {"h": counts("n")}, {"h?h": below("n", 20_000)}, max_steps=1_000_000)
    result = finish(graph)
    assert (result.state["n"], result.steps) == (20_000, 20_002)


# --- the end ----------------------------------------------------------------------------------------------


def test_steps_that_were_ready_when_a_failure_stopped_the_run_are_given_up() -> None:
    """2.6: a quorum that fails in the same fold: what it made ready never runs, and no token is left."""
    driven = drive(build("a>b a>q b>z", joins=QUORUM))
    assert (driven.result.status, driven.counts) == ("failed", {"a": 1})
    assert (driven.run.tokens, driven.run.ready) == (0, [])


def test_a_run_that_fails_as_it_starts_has_failed() -> None:
    """3.4: a start that cannot meet its quorum."""
    driven = drive(build("q>z", joins=QUORUM))
    assert driven.run.status == driven.result.status == "failed"


def test_a_failed_run_tells_the_state_its_failed_token_had() -> None:
    """2.6, 4.7: of before the failed attempt; what siblings that were cancelled had written is not told."""
    assert finish(build("a>b b>c", {"c": fails("ValueError")})).state == {"a": 1, "b": 1}
    bodies = {"c": fails("ValueError")}
    assert finish(build("a>b a>c b>d", bodies), "b", "c").state == {"a": 1}
