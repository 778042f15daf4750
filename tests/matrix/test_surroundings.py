"""The same nodes, run in every way: the same context, memory, hooks, params, events and masks."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from tests.matrix import things
from tests.matrix.ways import EVERYWHERE, WAYS, Way, failure, on_a_loop

from nodeloom import Clock, Engine, Graph, Node, ParamsError, Secret, actors

HELLO = {"text": "hello"}
LOUD = {"text": "HELLO"}
HERE = [pytest.param(way, id=way.name) for way in WAYS]
ALL = [pytest.param(way, id=way.name) for way in EVERYWHERE]


@pytest.fixture(autouse=True)
def no_calls() -> None:
    things.CALLS.clear()


# --- the context


@pytest.mark.parametrize("way", ALL)
@pytest.mark.parametrize(
    "node", [things.context_of_it.copy(), things.plain_context_of_it.copy()], ids=["async", "plain"]
)
def test_the_context_is_the_same_in_every_way(way: Way, node: Node) -> None:
    """4.1: the inputs begin the state; nothing came before; it is the first attempt."""
    seen = on_a_loop(lambda: way.run(node, HELLO), virtual=way.virtual)
    expected = {
        "inputs": HELLO,
        "run_inputs": HELLO,
        "state": HELLO,
        "outputs": {},
        "attempt": 1,
        "node_id": node.id,
        "params": None,
        "error": None,
        "cancelled": False,
        "metadata": {},
        "named": True,
        "graph": not way.elsewhere,  # 7.2: a worker has no live graph
        "live": way.name in ("actor", "channel", "tick", "tick-thread"),  # what lives on has a home
    }
    assert seen == [expected]


@pytest.mark.parametrize("way", ALL)
@pytest.mark.parametrize("node", [things.logs.copy(), things.plain_logs.copy()], ids=["async", "plain"])
def test_log_records_carry_node_run_and_step(way: Way, node: Node, caplog: pytest.LogCaptureFixture) -> None:
    """13.2"""
    with caplog.at_level(logging.INFO):
        told = on_a_loop(lambda: way.run(node, HELLO), virtual=way.virtual)
    records = [each for each in caplog.records if each.getMessage() == "hello"]
    assert len(records) == 1
    (seen,) = [vars(each) for each in records]
    assert told == [{word: seen[word] for word in ("node", "run", "step")}]
    assert (seen["name"], seen["more"]) == (node.identifier, 1)


# --- memory


@pytest.mark.parametrize("way", HERE)
@pytest.mark.parametrize("node", [things.counts.copy(), things.plain_counts.copy()], ids=["async", "plain"])
def test_memory_lasts_as_long_as_the_life_of_each(way: Way, node: Node) -> None:
    """4.1: a run, a system of actors, a clock; a batch is one step."""
    told = on_a_loop(lambda: way.run(node, HELLO, 3), virtual=way.virtual)
    assert told == [{"n": number} for number in ((1, 2, 3) if way.lives else (1, 1, 1))]


@pytest.mark.parametrize("way", HERE)
def test_a_new_life_begins_with_an_empty_memory(way: Way) -> None:
    """4.1"""

    async def main() -> Any:
        return [await way.run(things.counts.copy(), HELLO) for _ in range(2)]

    assert on_a_loop(main, virtual=way.virtual) == [[{"n": 1}], [{"n": 1}]]


@pytest.mark.parametrize("way", HERE)
def test_keys_that_are_kept_outlive_it(way: Way) -> None:
    """4.1: memory=[keys]"""

    async def main() -> Any:
        node = things.keeps.copy()
        return [await way.run(node, HELLO, 2) for _ in range(2)]

    assert on_a_loop(main, virtual=way.virtual) == [[{"n": 1}, {"n": 2}], [{"n": 3}, {"n": 4}]]


@pytest.mark.parametrize("way", [way for way in WAYS if way.lives], ids=repr)
def test_a_step_that_fails_leaves_no_trace_in_the_memory(way: Way) -> None:
    """4.7"""
    told = on_a_loop(lambda: way.run(things.counts_every_second.copy(), HELLO, 3), virtual=way.virtual)
    assert told == [{"n": 1}, "ValueError: no good", {"n": 2}]


# --- hooks


@pytest.mark.parametrize("way", HERE)
@pytest.mark.parametrize("kind", [things.Hooked, things.PlainHooked])
@pytest.mark.parametrize(("fails", "hook"), [("", "on_finish"), ("work", "on_error"), ("on_finish", "on_finish")])
def test_hooks_are_called_as_often_in_every_way(way: Way, kind: type[Node], fails: str, hook: str) -> None:
    """6.1: once per process, and after each step. 8: a batch of three is one step; so its hooks are called once."""
    on_a_loop(lambda: way.run(kind(fails=fails), HELLO, 3), virtual=way.virtual)
    steps = 1 if way.name == "batch" else 3
    assert {"on_start": 1, "work": 3, hook: steps, "on_stop": 1} == things.CALLS


@pytest.mark.parametrize("way", HERE)
def test_a_node_that_cannot_start_fails_with_the_same_error(way: Way) -> None:
    """6.1"""

    async def main() -> str:
        with pytest.raises(Exception) as caught:
            await way.fails(things.Hooked(fails="on_start"), HELLO)
        return failure(caught.value)

    assert on_a_loop(main, virtual=way.virtual) == "RuntimeError: cannot start"
    assert things.CALLS["work"] == 0


# --- params


@pytest.mark.parametrize("values", [{"greeting": 7}, {}, {"greeting": "hi", "times": 9}, {"greeting": "hi", "tims": 1}])
def test_params_are_checked_before_any_way_is_taken(values: dict[str, Any]) -> None:
    """12.1: params without a template are validated at construction."""
    with pytest.raises(ParamsError):
        things.Greet(**values)


@pytest.mark.parametrize("way", ALL)
def test_a_param_that_does_not_fit_after_rendering_is_named(way: Way) -> None:
    """12.1"""
    node = things.Greet(greeting="hi", times="{{ inputs.count }}")
    told = on_a_loop(lambda: way.run(node, {"text": "x", "count": 7}), virtual=way.virtual)
    assert str(told[0]).startswith("ParamsError: ")
    assert "times" in str(told[0])


# --- secrets


@pytest.mark.parametrize("way", ALL)
def test_a_secret_is_masked_in_every_way(
    way: Way, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """12.3: in errors, in logs, and in what is told of them."""
    monkeypatch.setenv("NODELOOM_SECRET_MATRIX_TOKEN", "s3cret-of-the-matrix")
    node = things.Leaks(token=Secret("MATRIX_TOKEN"))
    with caplog.at_level(logging.DEBUG):
        told = on_a_loop(lambda: way.run(node, HELLO), virtual=way.virtual)
    assert str(told[0]).startswith("ValueError: refused ")
    assert "s3cret-of-the-matrix" not in str(told)
    assert "s3cret-of-the-matrix" not in caplog.text


# --- events

EVENTS = ("step_started", "chunk", "progress", "step_retried", "hook_failed", "step_completed", "step_failed")
WATCHED = [
    things.Shout(),
    things.Plain(),
    things.chunks.copy(),
    things.plain_chunks.copy(),
    things.Hooked(),
    things.Hooked(fails="on_finish"),
    things.Hooked(fails="work"),
    things.Carried(),
    things.breaks.copy(),
    things.breaks_in_the_middle.copy(),
    things.counts.copy(),
]


def _told_of(events: list[Any]) -> list[Any]:
    keys = ("chunk", "done", "total", "outputs", "hook", "error")
    return [
        (each.type, each.node, each.attempt, {key: each.data[key] for key in keys if key in each.data})
        for each in events
        if each.type in EVENTS
    ]


@pytest.mark.parametrize("node", WATCHED, ids=lambda each: f"{each.id} {getattr(each, 'fails', '')}")
def test_watchers_of_a_run_and_of_actors_are_told_the_same(node: Node) -> None:
    """1.7, 13.2: a call by itself, a map and a clock have no watchers of steps; a clock tells what happens to it."""

    async def in_a_graph() -> list[Any]:
        return [event async for event in Graph(node.copy(), name=node.id).stream(HELLO)]

    async def as_an_actor() -> list[Any]:
        events: list[Any] = []
        async with actors([node.copy()], watch=events.append) as system:
            await system.tell(node.id, HELLO)
            await system.drain()
        return events

    told = _told_of(on_a_loop(in_a_graph))
    assert told[0][0] == "step_started"
    assert told[-1][0] in ("step_completed", "step_failed")
    assert _told_of(on_a_loop(as_an_actor)) == told


# --- what the caller gives


def test_metadata_and_config_reach_a_node_wherever_they_can_be_given() -> None:
    """9.1: a graph, actors and a clock take them; a call by itself takes `config`."""
    node, config, metadata = things.Carried(), {"end": "!"}, {"who": "me"}
    seen: list[Any] = []

    async def main() -> None:
        seen.append(await node(HELLO, config=config))
        seen.append((await Graph(node.copy(), name="g").run(HELLO, config=config, metadata=metadata)).output)
        async with actors([node.copy()], config=config, metadata=metadata) as system:
            seen.append(await system.ask(node.id, HELLO))
        clock = Clock([node.copy(rate=50)], config=config, metadata=metadata)
        clock[node.id].add_observer(seen.append)
        await clock.run(duration=0.01, inputs=HELLO)
        await asyncio.sleep(0)

    on_a_loop(main)
    assert seen == [{"text": "HELLO!"}] * 4


def test_metrics_count_each_step_in_every_way() -> None:
    """13.2"""

    async def main() -> dict[str, Any]:
        async with Engine() as engine:
            node = things.Shout()
            await engine.call(node, HELLO)
            await engine.run(Graph(node.copy(), name="graph"), HELLO)
            await engine.map(node, [HELLO])
            async with engine.actors(Graph(node.copy(), name="actors")) as system:
                await system.ask("shout", HELLO)
            await Clock([node.copy(rate=50)], name="clock", engine=engine).run(duration=0.01, inputs=HELLO)
            return {name: figures["count"] for name, figures in engine.metrics().items()}

    counted = on_a_loop(main)
    assert counted == {"shout/shout": 2, "graph/shout": 1, "actors/shout": 1, "clock/shout": 1}
