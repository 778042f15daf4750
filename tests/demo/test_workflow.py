"""How the workflow went: its loop, branches, joins, error edge and subgraph."""

from __future__ import annotations

from collections import Counter

from nodeloom.demo.feed import SLOW_PAGE
from nodeloom.demo.workflow import graph


def counted(ran, kind: str) -> Counter[str]:
    return Counter(event.node for event in ran.events if event.type == kind)


def test_the_graph_has_nothing_questionable():
    assert graph.validate() == []
    assert "on error HttpStatusError" in graph.to_mermaid()


def test_it_loops_until_there_is_no_next_page(ran):
    pages = [target for target in ran.requests if target.startswith("/earthquakes")]
    assert pages == [f"/earthquakes?page={page}&size=200" for page in range(1, 10)]
    assert SLOW_PAGE in range(1, 10)


def test_each_node_ran_as_often_as_it_should(ran):
    steps = counted(ran, "step_completed")
    assert (steps["fetch_page"], steps["collect"]) == (9, 9)
    assert (steps["grade"], steps["strong"], steps["moderate"], steps["minor"]) == (1679, 85, 212, 1382)
    once = ("triage", "summarise", "airports", "read_coast", "without_alerts", "arrange", "compose", "save")
    assert {node: steps[node] for node in once} == dict.fromkeys(once, 1)
    assert ran.result.steps == 1 + 18 + 1 + 2 + 2 + 1 + 2 * 1679 + 1 + 5 + 3


def test_the_service_that_is_away_takes_its_error_edge(ran):
    failed = [event for event in ran.events if event.type == "step_failed"]
    assert [event.node for event in failed] == ["fetch_alerts"]
    assert "503" in failed[0].data["error"]["message"]
    assert ran.result.status == "completed"
    assert any("alert service did not answer" in note for note in ran.result.state.summary["notes"])


def test_the_join_waits_for_all_branches(ran):
    order = [(event.type, event.node) for event in ran.events]
    start = order.index(("step_started", "triage"))
    last_page = max(place for place, each in enumerate(order) if each == ("step_completed", "collect"))
    for each in ("airports", "read_coast", "without_alerts"):
        assert order.index(("step_completed", each)) < start
    assert last_page < start


def test_the_airports_are_a_graph_inside(ran):
    inner = {event.run_id for event in ran.events if event.node == "read_airports"}
    assert len(inner) == 1
    assert inner != {ran.result.run_id}


def test_a_run_of_one_does_not_touch_the_next(ran, run_workflow, tmp_path):
    again = run_workflow(tmp_path)
    assert again.report.read_bytes() == ran.report.read_bytes()
    assert again.result.state["strong"] == ran.result.state["strong"]
