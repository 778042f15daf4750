"""The code of the public face's "Graphs" runs as it is written there, as far as it exists."""

import json
from typing import Annotated

import pytest

from nodeloom import (
    EdgeCondition,
    Event,
    Graph,
    GraphError,
    RunFailed,
    State,
    add,
    append,
    node,
)


class Triage(State):
    query: str = ""
    words: int = 0
    lang: str = "en"
    hits: Annotated[list, append] = []
    score: Annotated[int, add] = 0


@node
async def fetch(inputs):
    if inputs["query"] == "slow":
        raise TimeoutError("too slow")
    return {"body": inputs["query"], "lang": "fr" if inputs["query"].startswith("le ") else "en", "score": 1}


@node
async def shout(inputs):
    return {"text": inputs["body"].upper(), "hits": inputs["body"]}


@node("text.count", display_name="Count words", isolation="inline")
def count(inputs):
    return {"words": len(inputs["text"].split()), "score": 2}


@node
async def long_text():
    return {"is": "long"}


@node
async def short_text():
    return {"is": "short"}


@node
async def other():
    return {"is": "other"}


@node
async def apologise(ctx):
    return {"is": "sorry", "because": ctx.error["type"]}


fetch >> shout >> count
count.on(words__gt=100) >> long_text
count.on("state.words <= 100 and state.lang == 'en'") >> short_text
count.otherwise() >> other
fetch.on_error(TimeoutError) >> apologise
graph = Graph(fetch, name="triage", state=Triage)


@pytest.mark.parametrize(
    ("query", "kind"),
    [("a b", "short"), ("x " * 101, "long"), ("le b", "other"), ("slow", "sorry")],
)
async def test_the_graph_of_the_public_face_takes_each_of_its_ways(query: str, kind: str) -> None:
    """2.1, 2.2, 2.5: keyword and text conditions, otherwise, an error edge."""
    result = await graph.run({"query": query})
    assert result.status == "completed"
    assert result.output["is"] == kind


async def test_a_result_says_what_the_run_became() -> None:
    """4.1, 4.2: status, state, outputs by node id, steps, run id, error."""
    result = await graph.run({"query": "a b"}, run_id="order-1")
    assert result.status == "completed"
    assert result.state == {"query": "a b", "words": 2, "lang": "en", "hits": ["a b"], "score": 3}
    assert result.outputs["count"] == {"words": 2, "score": 2}
    assert result.outputs["short_text"] == {"is": "short"}
    assert result.steps == 4
    assert result.run_id == "order-1"
    assert result.error is None
    assert json.loads(json.dumps(result.state)) == dict(result.state)


def test_a_graph_runs_from_code_that_is_not_async() -> None:
    assert graph.run_sync({"query": "x"}).output == {"is": "short"}


async def test_a_graph_can_be_watched() -> None:
    events: list[Event] = []
    async for event in graph.stream({"query": "x"}):
        events.append(event)
    assert events[0].type == "run_started"
    assert events[-1].type == "run_completed"
    assert {"step_started", "step_completed"} <= {event.type for event in events}


async def test_an_edge_may_have_a_condition_in_python() -> None:
    """`a.goto(b, condition=EdgeCondition(...))`."""

    @node
    async def a(inputs):
        return {"score": inputs["score"]}

    @node
    async def b():
        return {"went": True}

    a.goto(b, condition=EdgeCondition(lambda step: step.outputs.get("score", 0) > 0.8))
    scored = Graph(a)
    assert (await scored.run({"score": 0.9})).output == {"went": True}
    assert (await scored.run({"score": 0.1})).output == {"score": 0.1}


async def test_a_run_that_fails_raises_with_its_result_unless_it_is_not_checked() -> None:
    @node
    async def fail():
        raise ValueError("no good")

    broken = Graph(fail, name="broken")
    with pytest.raises(RunFailed, match="broken failed: fail: ValueError: no good") as caught:
        await broken.run({})
    assert caught.value.result.status == "failed"
    result = await broken.run({}, check=False)
    assert result.status == "failed"
    assert result.error is not None
    assert (result.error.type, result.error.node, result.error.message) == ("ValueError", "fail", "no good")


def test_a_graph_says_all_that_is_wrong_with_it_at_once() -> None:
    """2.3: `Graph(...)` raises GraphError with every problem."""

    @node
    async def a():
        return {}

    @node
    async def b():
        return {}

    a.on("state.words >") >> b
    a.on("colour == 1") >> b
    a >> b.copy(id="a")
    with pytest.raises(GraphError) as caught:
        Graph(a, name="wrong")
    assert len(caught.value.problems) >= 3
    assert "3 problems" in str(caught.value)


def test_a_graph_that_is_fine_has_no_problems_to_name() -> None:
    assert graph.validate() == []


def test_a_graph_can_be_drawn() -> None:
    drawn = graph.to_mermaid()
    assert drawn.startswith("flowchart TD")
    for node_id in graph.nodes:
        assert f"n_{node_id}" in drawn


async def test_a_graph_is_a_node() -> None:
    """2.7: `start >> graph.as_node(id="inner") >> end`."""

    @node
    async def start():
        return {"query": "a b"}

    @node
    async def end(inputs):
        return {"end": dict(inputs)}

    start >> graph.as_node(id="inner") >> end
    outer = Graph(start, name="outer")
    assert (await outer.run()).output == {"end": {"is": "short"}}


def test_nodes_and_edges_can_be_read() -> None:
    """2.8."""
    assert list(graph.nodes) == [
        "fetch",
        "shout",
        "count",
        "long_text",
        "short_text",
        "other",
        "apologise",
    ]
    assert [str(edge) for edge in graph.edges][:2] == ["fetch -> shout", "shout -> count"]
    assert repr(graph) == "<Graph 'triage': 7 nodes, 6 edges>"


@pytest.mark.parametrize(
    ("operator", "value", "score", "taken"),
    [
        ("", 1, 1, True),
        ("__eq", 1, 2, False),
        ("__ne", 1, 2, True),
        ("__gt", 1, 2, True),
        ("__gte", 2, 2, True),
        ("__lt", 2, 2, False),
        ("__lte", 2, 2, True),
        ("__in", [1, 2], 2, True),
        ("__contains", "b", "abc", True),
        ("__exists", False, None, False),
        ("__matches", "^a.c$", "abc", True),
    ],
)
async def test_every_operator_of_a_keyword_condition_works(
    operator: str, value: object, score: object, taken: bool
) -> None:
    """2.2."""

    @node
    async def a(inputs):
        return {"score": inputs["score"]}

    @node
    async def b():
        return {"taken": True}

    a.on(**{f"score{operator}": value}) >> b
    result = await Graph(a).run({"score": score})
    assert ("taken" in result.output) is taken
