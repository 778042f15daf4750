"""Words that no rule knows and that are nearly right: in the metadata of edges."""

from __future__ import annotations

from typing import Any

import pytest

from nodeloom import Clock, Graph, Node
from nodeloom.errors import DocumentError, GraphError
from nodeloom.nodes.documents.loading import check_document, load_text
from nodeloom.nodes.misspelt import is_slip


class Eye(Node):
    def work(self) -> dict[str, Any]:
        return {"frame": 1}


class Hand(Node):
    def work(self, inputs: Any) -> dict[str, Any]:
        return {"seen": inputs.get("frame")}


def joined(metadata: dict[str, Any], rate: float | None = 10) -> Graph:
    eye, hand = Eye(rate=10), Hand(rate=rate)
    eye.goto(hand, metadata=metadata)
    return Graph(eye, name="robot")


@pytest.mark.parametrize(
    "metadata",
    [
        {"raed": "latest"},
        {"Read": "latest"},
        {"raed": 7},
        {"reed": "lastest"},
        {"reads": "queue"},
        {"reading": "sample"},
    ],
    ids=str,
)
def test_a_word_that_is_nearly_read_is_a_warning(metadata: dict[str, Any]) -> None:
    """10.7"""
    (word,) = metadata
    (problem,) = joined(metadata).validate()
    assert (problem.code, problem.severity, problem.edge) == ("reading", "warning", "eye -> hand")
    assert problem.field == f"metadata.{word}"
    assert f"nothing reads {word!r}; did you mean 'read'?" in problem.message


@pytest.mark.parametrize(
    "metadata",
    [
        {"head": 1},
        {"road": "A7"},
        {"created": "today"},
        {"note": "latest"},
        {"mode": "queue"},
        {"read": "latest", "raed": "latest"},
        {"label": "sample", "ready": True},
        {},
    ],
    ids=str,
)
def test_what_an_author_keeps_there_is_none_of_ours(metadata: dict[str, Any]) -> None:
    assert joined(metadata).validate() == []


@pytest.mark.parametrize("metadata", [{"raed": "latest"}, {"read": "by me"}, {"read": 3}], ids=str)
def test_nothing_is_said_of_an_edge_that_no_tick_reads(metadata: dict[str, Any]) -> None:
    assert joined(metadata, None).validate() == []


@pytest.mark.parametrize("value", ["lastest", 3, True], ids=str)
def test_how_a_tick_reads_that_is_no_way_to_read_is_refused(value: Any) -> None:
    """10.7: at the edge, when the graph is made."""
    with pytest.raises(GraphError) as refused:
        joined({"read": value})
    (problem,) = refused.value.problems
    assert (problem.edge, problem.field) == ("eye -> hand", "metadata.read")
    assert f"{value!r}, which is none of latest, queue, sample" in problem.message


def test_a_clock_that_misses_the_word_names_the_one_that_is_there() -> None:
    with pytest.raises(GraphError, match=r"does not say how it is read \('raed' is no such word\), and eye ticks 10"):
        Clock(joined({"raed": "latest"}, 20))


TEXT = """nodeloom: 1
nodes:
  eye: {type: transform, params: {values: {n: 1}}, rate: 10}
  hand: {type: transform, params: {values: {n: 2}}, rate: 10}
  foot: {type: transform, params: {values: {n: 2}}, rate: 10}
edges:
  - from: eye
    to: [hand, foot]
    metadata: {WORD}
"""


def test_in_a_document_it_has_its_line_and_column() -> None:
    """10.7, 12.2"""
    text = TEXT.replace("{WORD}", "{note: mine, raed: latest}")
    graph = load_text(text, "robot.yaml")
    (problem,) = graph.validate()
    assert (problem.line, problem.column, problem.field, problem.severity) == (9, 28, "metadata.raed", "warning")
    with pytest.raises(DocumentError) as refused:
        load_text(text.replace("raed: latest", "read: newest"), "robot.yaml")
    (problem,) = refused.value.problems
    assert (problem.line, problem.column, problem.severity) == (9, 34, "error")
    assert problem.edge == "eye -> hand"


def test_such_a_document_is_saved_and_loaded_again_with_its_metadata() -> None:
    graph = joined({"raed": "latest"})
    document = graph.to_document()
    assert document["edges"] == [{"from": "eye", "to": "hand", "metadata": {"raed": "latest"}}]
    assert [problem.severity for problem in check_document(document)] == ["warning"]


@pytest.mark.parametrize(
    ("one", "two", "slip"),
    [
        ("heading", "headng", True),
        ("heading", "haeding", True),
        ("heading", "heeding", True),
        ("wheel-speed", "wheel_speed", True),
        ("heading", "head", False),
        ("heading", "ehadign", False),
        ("", "ab", False),
    ],
)
def test_a_slip_is_one_letter_or_two_that_changed_places(one: str, two: str, slip: bool) -> None:
    assert is_slip(one, two) is slip is is_slip(two, one)
