"""What watchers are told, and in what order."""

import asyncio
import threading
from typing import Any

import pytest

from nodeloom import Event, Graph, Node, RunFailed, node
from nodeloom.model import advance as core


def say(name: str, **settings: Any) -> Any:
    @node(id=name, **settings)
    async def say(inputs):
        await asyncio.sleep(0)
        return {name: 1}

    return say


async def events_of(graph: Graph, inputs: dict[str, Any] | None = None, **options: Any) -> list[Event]:
    return [event async for event in graph.stream(inputs, **options)]


def told(events: list[Event]) -> list[str]:
    return [f"{event.type} {event.node}" if event.node else event.type for event in events]


async def test_a_line_is_told_step_by_step() -> None:
    a, b = say("a"), say("b")
    a >> b
    assert told(await events_of(Graph(a))) == [
        "run_started",
        "step_started a",
        "step_completed a",
        "step_started b",
        "step_completed b",
        "run_completed",
    ]


async def test_events_carry_what_belongs_to_them() -> None:
    @node
    async def work(ctx):
        ctx.stream("chunk")
        ctx.progress(1, 2, "half")
        return {"n": 1}

    events = {event.type: event for event in await events_of(Graph(work), {"a": 1}, run_id="r")}
    assert all(event.run_id == "r" for event in events.values())
    assert events["run_started"]["inputs"] == {"a": 1}
    assert events["chunk"]["chunk"] == "chunk"
    assert (events["progress"]["done"], events["progress"]["total"], events["progress"]["message"]) == (1, 2, "half")
    assert events["step_completed"]["outputs"] == {"n": 1}
    assert events["step_completed"]["duration"] >= 0
    assert (events["run_completed"]["output"], events["run_completed"]["steps"]) == ({"n": 1}, 1)
    step = events["step_started"]
    assert (step.node, step.attempt, step["node"]) == ("work", 1, "work")
    assert all(event.time > 0 for event in events.values())


async def test_sequence_numbers_have_no_gaps_in_each_run() -> None:
    @node
    def threaded(ctx):
        for n in range(20):
            ctx.stream(n)

    inner = Graph(say("in"), name="inner")
    start = say("start")
    start >> [inner.as_node(), threaded, say("x"), say("y")]
    runs: dict[str, list[int]] = {}
    for event in await events_of(Graph(start)):
        runs.setdefault(event.run_id, []).append(event.seq)
    assert len(runs) == 2
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in runs.values())


async def test_a_graph_inside_is_told_under_a_run_of_its_own() -> None:
    inner = Graph(say("in"), name="inner").as_node(id="sub")
    events = await events_of(Graph(inner, name="outer"), run_id="r")
    assert told(events) == [
        "run_started",
        "step_started sub",
        "run_started",
        "step_started in",
        "step_completed in",
        "run_completed",
        "step_completed sub",
        "run_completed",
    ]
    inside = {event.run_id for event in events[2:6]}
    assert inside == {f"r/{events[1].step_id}"}
    assert {event.run_id for event in (*events[:2], *events[6:])} == {"r"}


async def test_a_failure_is_told_with_who_catches_it() -> None:
    @node
    async def fail():
        raise ValueError("no")

    fail.on_error() >> say("sorry")
    events = await events_of(Graph(fail))
    failed = next(event for event in events if event.type == "step_failed")
    assert failed["caught_by"] == ["sorry"]
    assert failed["error"] == {
        "type": "ValueError",
        "code": "value_error",
        "message": "no",
        "node": "fail",
        "retryable": False,
    }
    assert events[-1].type == "run_completed"


async def test_a_run_that_fails_ends_with_its_error() -> None:
    @node
    async def fail():
        raise ValueError("no")

    events = await events_of(Graph(fail))
    assert told(events) == ["run_started", "step_started fail", "step_failed fail", "run_failed"]
    assert events[-1]["error"]["message"] == "no"
    assert events[-2]["caught_by"] == []


@pytest.mark.parametrize("strict", [False, True])
async def test_a_way_on_that_cannot_be_told_leaves_its_step_completed(strict: bool) -> None:
    """2.3, 2.4: the step is told as completed, its `on_finish` is called, and the run fails with the reason."""
    finished: list[Any] = []

    class Say(Node):
        async def work(self):
            return {"n": 1}

        async def on_finish(self, result):
            finished.append(dict(result))

    a = Say(id="a")
    a.on("output.n > 3" if strict else "output.n > 'x'") >> say("b")
    events = await events_of(Graph(a, strict_routing=strict))
    assert told(events) == ["run_started", "step_started a", "step_completed a", "run_failed"]
    assert events[2]["outputs"] == {"n": 1}
    assert events[-1]["error"]["type"] == "RoutingError"
    assert finished == [{"n": 1}]


async def test_an_ended_branch_is_told() -> None:
    """2.4."""
    a = say("a")
    a.on(a=2) >> say("b")
    assert "branch_ended a" in told(await events_of(Graph(a)))


async def test_cancelled_siblings_are_told() -> None:
    """2.6."""
    waits = asyncio.Event()

    @node
    async def fail():
        await waits.wait()
        raise ValueError("no")

    @node
    async def wait():
        waits.set()
        await asyncio.Event().wait()

    events = told(await events_of(Graph([fail, wait])))
    assert events[-3:] == ["step_failed fail", "step_cancelled wait", "run_failed"]


async def test_a_started_join_is_told() -> None:
    a, b, c, d = (say(name) for name in "abcd")
    a >> [b, c] >> d
    events = told(await events_of(Graph(a)))
    assert events.index("join_started d") < events.index("step_started d")
    assert events.count("step_started d") == 1


async def test_the_output_told_is_the_graphs_own() -> None:
    """2.7."""
    events = await events_of(Graph(say("a"), outputs={"n": "{{ outputs.a.a }}"}))
    assert events[-1]["output"] == {"n": 1}


async def test_what_cannot_be_started_is_told() -> None:
    """6.1."""
    from nodeloom import Node

    class Fragile(Node):
        async def on_start(self, ctx):
            raise ConnectionError("no")

        async def work(self):
            return None

    events = told(await events_of(Graph(Fragile())))
    assert events[-1] == "run_failed"
    assert "step_failed fragile" in events


async def test_events_of_threads_come_in_their_order() -> None:
    @node
    def chunks(ctx):
        for n in range(1000):
            ctx.stream(n)
        return {"n": 1}

    events = await events_of(Graph(chunks))
    assert [event["chunk"] for event in events if event.type == "chunk"] == list(range(1000))
    assert told(events)[-2:] == ["step_completed chunks", "run_completed"]


async def test_events_are_told_while_the_run_goes_on() -> None:
    free = threading.Event()

    @node
    def blocks():
        assert free.wait(5)

    async for event in Graph(blocks).stream():
        if event.type == "step_started":
            free.set()


async def test_two_runs_watched_at_once_do_not_mix() -> None:
    graph = Graph(say("a"))
    both = await asyncio.gather(*(events_of(graph, run_id=f"r{n}") for n in range(20)))
    for n, events in enumerate(both):
        assert {event.run_id for event in events} == {f"r{n}"}
        assert len(events) == 4


async def test_without_a_watcher_nothing_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """No watcher costs nothing: no notes are kept, and no event is made."""
    made: list[Any] = []

    def counted(*args: Any) -> Event:
        made.append(args)
        return Event(*args)

    monkeypatch.setattr("nodeloom.nodes.live.Event", counted)
    a, b = say("a"), say("b")
    a.on(a=2) >> b
    runs: list[Any] = []
    started = core.start

    def noted(*args: Any, **options: Any) -> Any:
        runs.append(started(*args, **options))
        return runs[-1]

    monkeypatch.setattr("nodeloom.engine.start", noted)
    graph = Graph(a)
    await graph.run()
    assert runs[0].notes is None
    assert made == []
    await events_of(graph)
    assert runs[1].notes is not None
    assert made


async def test_a_watcher_that_fails_does_not_fail_the_run(caplog: pytest.LogCaptureFixture) -> None:
    """Watchers observe: an event may be lost, an outcome may not."""
    from nodeloom import Engine

    def watch(event: Event) -> None:
        raise ValueError("the watcher itself")

    a, b, c = say("a"), say("b"), say("c")
    a >> [b, c]
    async with Engine() as engine:
        result = await engine.run(Graph(a), watch=watch)
    assert result.output == {"b": 1, "c": 1}
    assert "the watcher itself" in caplog.text


async def test_a_stream_of_a_run_that_fails_raises_nothing() -> None:
    @node
    async def fail():
        raise ValueError("no")

    try:
        events = await events_of(Graph(fail))
    except RunFailed:
        pytest.fail("a watched run says so in its last event")
    assert events[-1].type == "run_failed"


def test_an_event_reads_by_name() -> None:
    event = Event("chunk", 1, 0.0, "r", "a", "a:1", 1, {"chunk": 5})
    assert (event["chunk"], event["node"], event["type"]) == (5, "a", "chunk")
    with pytest.raises(KeyError):
        event["nothing"]
