"""Edges between ticking nodes, and what follows within a tick (semantics 10.7)."""

from __future__ import annotations

from typing import Any

import pytest

from nodeloom import Clock, Graph, GraphError, Node, node
from nodeloom.testing import pass_time, run_virtual


class Source(Node):
    """Gives a number that grows."""

    memory = True

    def work(self, ctx: Any) -> dict[str, Any]:
        ctx.memory["n"] = ctx.memory.get("n", 0) + 1
        return {"n": ctx.memory["n"]}


def reader(name: str, rate: float | None, seen: list[Any], **settings: Any) -> Node:
    @node(id=name)
    def read(inputs) -> dict[str, Any]:
        seen.append(inputs.get("n"))
        return {"n": inputs.get("n"), "by": name}

    return read.copy(rate=rate, **settings) if rate is not None else read.copy(**settings)


def run(clock: Clock, duration: float, **options: Any) -> Any:
    async def main() -> Any:
        return await clock.run(duration, **options)

    return run_virtual(main())


def test_latest_is_read_again_and_again() -> None:
    """10.7"""
    seen: list[Any] = []
    source, control = Source(rate=10), reader("control", 20, seen)
    source.goto(control, metadata={"read": "latest"})
    report = run(Clock([source, control], phases={"control": 0.01}), 0.3)
    assert seen == [1, 1, 2, 2, 3, 3]
    assert report["control"].data_age == pytest.approx(0.06)
    assert report["source"].data_age is None


def test_a_sample_is_read_once() -> None:
    """10.7"""
    seen: list[Any] = []
    source, control = Source(rate=10), reader("control", 20, seen)
    source.goto(control, metadata={"read": "sample"})
    run(Clock([source, control], phases={"control": 0.01}), 0.3)
    assert seen == [1, None, 2, None, 3, None]


def test_a_queue_is_worked_through_each_once_in_order() -> None:
    """10.7: a step each; where nothing came, none."""
    seen: list[Any] = []
    source, writer = Source(rate=50), reader("writer", 10, seen)
    source.goto(writer, metadata={"read": "queue"})
    report = run(Clock([source, writer], phases={"writer": 0.001}), 1.0)
    assert seen == list(range(1, 47))
    assert report["writer"].ticks == 10


def test_a_full_queue_drops_the_oldest_and_counts_them() -> None:
    """10.7: bounded."""
    seen: list[Any] = []
    source, writer = Source(rate=1500), reader("writer", 1, seen)
    source.goto(writer, metadata={"read": "queue"})
    report = run(Clock([source, writer], phases={"writer": 0.9}), 1.0)
    assert (len(seen), report["writer"].lost) == (1000, 351)
    assert seen[-1] == 1351


def test_nodes_of_one_rate_read_the_newest_without_a_word() -> None:
    """10.7"""
    seen: list[Any] = []
    source, control = Source(rate=10), reader("control", 10, seen, order=1)
    source >> control
    run(Clock(source), 0.3)
    assert seen == [1, 2, 3]


def test_what_has_no_rate_follows_within_the_tick() -> None:
    """10.3: as in a graph, conditions and all, up to the next ticking node."""
    seen: list[Any] = []
    even: list[Any] = []
    control: list[Any] = []
    source, scale = Source(rate=10), reader("scale", None, seen)
    only_even, end = reader("only_even", None, even), reader("control", 10, control, order=1)
    source >> scale >> end
    scale.on("output.n % 2 == 0") >> only_even
    run(Clock([source, end]), 0.4)
    assert (seen, even, control) == ([1, 2, 3, 4], [2, 4], [1, 2, 3, 4])


def test_a_condition_decides_what_comes_to_a_ticking_node() -> None:
    """10.7, 2.1"""
    seen: list[Any] = []
    source, control = Source(rate=10), reader("control", 10, seen, order=1)
    source.on(n__gt=2) >> control
    run(Clock(source), 0.5)
    assert seen == [None, None, 3, 4, 5]


def test_branches_of_a_tick_meet_at_a_join() -> None:
    """3.1: within the tick."""
    seen: list[Any] = []
    source, left, right = Source(rate=10), reader("left", None, []), reader("right", None, [])
    meet = reader("meet", None, seen)
    source >> [left, right] >> meet
    run(Clock(source), 0.3)
    assert seen == [1, 2, 3]


def test_an_error_edge_leads_on_and_the_next_tick_comes() -> None:
    """2.5, 10.1: a failed tick is no end."""
    handled: list[Any] = []

    class Fails(Node):
        memory = True

        def work(self, ctx: Any) -> None:
            raise ValueError("no frame")

    @node
    def sorry(ctx) -> None:
        handled.append(ctx.error["message"])

    fails, ticking_too = Fails(rate=10), sorry.copy(id="later", rate=10, order=1)
    fails.on_error(KeyError) >> reader("never", None, [])
    fails.on_error(ValueError) >> sorry
    report = run(Clock(fails), 0.3)
    assert handled == ["no frame"] * 3
    assert (report["fails"].ticks, report["fails"].failures) == (3, 0), "it was caught"

    other = Fails(rate=10, id="other")
    other.on_error() >> ticking_too
    handled.clear()

    run(Clock(other), 0.2)
    assert handled == ["no frame"] * 2


def test_two_ticking_nodes_may_lead_to_each_other() -> None:
    """10.7: such a cycle is no endless loop: each reads what the other gave last."""
    ping, pong = reader("ping", 10, []), reader("pong", 10, [], order=1)
    ping >> pong >> ping
    report = run(Clock([ping, pong]), 0.5)
    assert (report["ping"].ticks, report["pong"].ticks) == (5, 5)


def test_what_a_node_changes_in_place_is_not_what_the_next_tick_reads() -> None:
    """4.8"""
    seen: list[Any] = []

    class Once(Node):
        def work(self) -> dict[str, Any]:
            return {"items": [1]}

    @node(id="spoils")
    def spoils(inputs) -> None:
        if "items" in inputs:
            inputs["items"].append(2)
            seen.append(list(inputs["items"]))

    once, spoil = Once(rate=1), spoils.copy(rate=4)
    once.goto(spoil, metadata={"read": "latest"})
    run(Clock([once, spoil], phases={"spoils": 0.1}), 1.0)
    assert seen == [[1, 2]] * 4


def test_the_inputs_of_the_clock_are_those_of_each_tick() -> None:
    """10.1: what edges bring lies over them."""
    seen: list[Any] = []
    run(Clock([reader("control", 10, seen)]), 0.2, inputs={"n": "given"})
    assert seen == ["given", "given"]


def test_outputs_of_a_tick_are_there_for_what_begins_after_it() -> None:
    """10.7: while a slow tick runs, its last outputs are the newest."""
    seen: list[Any] = []

    class Slow(Node):
        memory = True

        def work(self, ctx: Any) -> dict[str, Any]:
            pass_time(0.25)
            ctx.memory["n"] = ctx.memory.get("n", 0) + 1
            return {"n": ctx.memory["n"]}

    slow, control = Slow(rate=1), reader("control", 10, seen)
    slow.goto(control, metadata={"read": "latest"})
    run(Clock([slow, control]), 0.5)
    assert seen == [None, None, None, 1, 1]


def test_a_document_says_how_an_edge_is_read() -> None:
    """10.7"""
    graph = Graph.from_document(
        {
            "nodeloom": 1,
            "name": "robot",
            "nodes": {
                "camera": {"type": "transform", "params": {"values": {"n": 1}}, "rate": 10},
                "control": {"type": "transform", "params": {"values": {"m": "{{ inputs.n ?? 0 }}"}}, "rate": 20},
            },
            "edges": [{"from": "camera", "to": "control", "metadata": {"read": "latest"}}],
        }
    )
    report = run(Clock(graph), 0.5)
    assert (report["camera"].ticks, report["control"].ticks) == (5, 10)


def test_edges_between_rates_say_how_they_are_read_or_are_refused_all_at_once() -> None:
    """10.7: both nodes, both rates, and what to write."""
    camera, control, writer = Source(rate=30, id="camera"), reader("control", 100, []), reader("writer", 1, [])
    camera >> control
    camera.goto(writer, metadata={"read": None})
    with pytest.raises(GraphError) as refused:
        Clock([camera, control, writer])
    first, second = refused.value.problems
    assert "camera ticks 30 times a second and control ticks 100 times" in first.message
    assert 'camera.goto(control, metadata={"read": "latest"})' in first.message
    assert second.edge == "camera -> writer"
    assert "camera ticks 30 times a second and writer ticks 1 times" in second.message


def test_an_edge_that_is_read_in_no_way_there_is_is_refused() -> None:
    """10.7"""
    camera, writer = Source(rate=30, id="camera"), reader("writer", 1, [])
    camera.goto(writer, metadata={"read": "newest"})
    with pytest.raises(GraphError, match="'newest', which is none of latest, queue, sample"):
        Clock([camera, writer])


def test_a_node_without_a_rate_between_two_rates_does_not_hide_them() -> None:
    """10.7"""
    camera, scale, control = Source(rate=30, id="camera"), reader("scale", None, []), reader("control", 100, [])
    camera >> scale >> control
    with pytest.raises(GraphError, match="camera ticks 30"):
        Clock([camera, control])


def test_a_clock_that_nothing_ticks_in_is_refused() -> None:
    """10.1"""
    with pytest.raises(GraphError, match="no node of this clock has a rate"):
        Clock([reader("control", None, [])])


def test_a_node_that_no_tick_leads_to_is_refused() -> None:
    """10.1: with the reason."""
    with pytest.raises(GraphError) as refused:
        Clock(
            [Source(rate=10), reader("lost", None, []), reader("safe", 10, [], on_miss="safe_state")], phases={"x": 1}
        )
    assert [(problem.code, problem.node) for problem in refused.value.problems] == [
        ("never_runs", "lost"),
        ("safe_state", "safe"),
        ("phase", None),
    ]


def test_what_a_node_changes_in_its_state_is_not_what_the_next_tick_reads() -> None:
    """4.8"""
    seen: list[Any] = []

    class Once(Node):
        def work(self) -> dict[str, Any]:
            return {"items": [1]}

    @node(id="spoils")
    def spoils(state) -> None:
        state["items"].append(2)
        seen.append(list(state["items"]))

    once, spoil = Once(rate=1), spoils.copy(rate=4)
    once.goto(spoil, metadata={"read": "latest"})
    run(Clock([once, spoil], phases={"spoils": 0.1}), 1.0)
    assert seen == [[1, 2]] * 4
