"""Actors on random graphs (semantics 9.5, 9.6): every message is accounted for, and a graph gives the same."""

from __future__ import annotations

import asyncio
import threading
import tracemalloc
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nodeloom import Graph, Mailbox, Node, node
from nodeloom.errors import ChannelFull
from nodeloom.model.mailbox import OVERFLOWS
from nodeloom.testing import run_virtual


class Boom(Exception):
    """What a message fails with."""


Edges = list[tuple[int, int, bool]]


@st.composite
def shapes(draw: st.DrawFn) -> tuple[int, Edges, list[float]]:
    """Some nodes in a row of which each leads on, to one or more that come later; some lead on when they fail."""
    count = draw(st.integers(2, 6))
    edges: Edges = []
    for source in range(count - 1):
        targets = draw(st.sets(st.integers(source + 1, count - 1), min_size=1, max_size=3))
        edges += [(source, target, draw(st.booleans()) and draw(st.booleans())) for target in sorted(targets)]
    reached = {0}
    for source, target, _ in edges:
        if source in reached:
            reached.add(target)
    edges = [edge for edge in edges if edge[0] in reached]
    return count, edges, draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=count, max_size=count))


def built(shape: tuple[int, Edges, list[float]], begun: list[tuple[str, int]], fails: set[tuple[int, int]]) -> Graph:
    """The graph of a shape; each node tells what it begins, and some fail for some messages."""
    count, edges, seconds = shape

    def made(at: int) -> Node:
        async def step(inputs: dict[str, Any], state: Any) -> dict[str, Any]:
            begun.append((f"n{at}", state["m"]))
            await asyncio.sleep(seconds[at])
            if (at, state["m"]) in fails:
                raise Boom
            return {f"k{at}": state["m"]}

        return node(id=f"n{at}")(step)

    nodes = [made(at) for at in range(count)]
    for source, target, on_error in edges:
        if on_error:
            nodes[source].on_error(Boom) >> nodes[target]
        else:
            nodes[source] >> nodes[target]
    return Graph(nodes[0], on_failure="continue")


@settings(max_examples=60, deadline=None)
@given(shape=shapes(), data=st.data())
def test_one_message_takes_the_steps_that_a_run_takes(
    shape: tuple[int, Edges, list[float]], data: st.DataObject
) -> None:
    """9.6: the same steps and the same joins, failures and error edges too."""
    fails = data.draw(st.sets(st.tuples(st.integers(0, 5), st.just(0)), max_size=2))

    async def main() -> None:
        in_graph: list[tuple[str, int]] = []
        in_actors: list[tuple[str, int]] = []
        result = await built(shape, in_graph, fails).run({"m": 0}, check=False)
        async with built(shape, in_actors, fails).actors() as system:
            await system.send({"m": 0})
            assert await system.drain() == ()
            assert bool(system.dead_letters) == (result.status == "failed")
        assert sorted(in_graph) == sorted(in_actors)

    run_virtual(main())


@settings(max_examples=60, deadline=None)
@given(shape=shapes(), data=st.data())
def test_every_message_is_done_dead_dropped_or_left(shape: tuple[int, Edges, list[float]], data: st.DataObject) -> None:
    """9.5: nothing is lost and no stop hangs, whatever the mailboxes do and whenever it comes; order is kept (9.2)."""
    count = data.draw(st.integers(1, 20), "messages")
    fails = data.draw(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 19)), max_size=4), "fails")
    mailbox = Mailbox(data.draw(st.integers(1, 3), "maxsize"), data.draw(st.sampled_from(OVERFLOWS), "overflow"))
    after = data.draw(st.sampled_from([0.0, 0.25, 1.25, 3.0, 60.0]), "stop after")
    within = data.draw(st.sampled_from([0.0, 0.75, 100.0]), "within")
    pauses = data.draw(st.booleans(), "pauses")

    async def main() -> None:
        begun: list[tuple[str, int]] = []
        events: list[Any] = []
        refused: list[int] = []
        system = built(shape, begun, fails).actors(mailbox=mailbox, watch=events.append)

        async def send() -> None:
            for m in range(count):
                try:
                    await system.tell("n0", {"m": m})
                except ChannelFull:
                    refused.append(m)
                except Exception:  # it has stopped
                    refused.extend(range(m, count))
                    return

        sending = asyncio.ensure_future(send())
        await asyncio.sleep(after)
        if pauses:
            await system.pause("n0", within=0.1)
        left = await asyncio.wait_for(system.stop(within=within), within + 30)
        await asyncio.wait_for(sending, 1)
        run_ids = {event.run_id for event in events if event.type == "run_started"}
        over = [event.run_id for event in events if event.type in ("run_completed", "run_failed")]
        never_opened = [each for each in left if each.message_id not in run_ids]
        assert len(over) == len(set(over))
        open_still = {each.message_id for each in left} & run_ids
        assert set(over) | open_still == run_ids
        assert not set(over) & open_still
        assert len(run_ids) + len(never_opened) + len(refused) == count
        firsts = [m for name, m in begun if name == "n0"]
        assert firsts == sorted(set(firsts))

    run_virtual(main())


def test_of_20_messages_in_flight_at_a_stop_20_are_accounted_for() -> None:
    """9.5: done or left."""

    async def main() -> None:
        begun: list[tuple[str, int]] = []
        system = built((2, [(0, 1, False)], [1.0, 1.0]), begun, set()).actors()
        for m in range(20):
            await system.tell("n0", {"m": m})
        await asyncio.sleep(7.5)
        left = await system.stop(within=0.0)
        done = system.stats()["n1"].processed
        assert (done, len(left)) == (6, 14)
        assert sorted(each.state["m"] for each in left) == list(range(6, 20))
        assert [each.status for each in left].count("interrupted") == 2

    run_virtual(main())


async def test_10000_idle_actors_cost_little_and_own_neither_thread_nor_task() -> None:
    """9.1, 7.1: at most 3 KiB each, beside the graph."""
    nodes = [node(id=f"n{at}")(_nothing) for at in range(10_000)]
    graph = Graph(nodes)
    threads, tasks = threading.active_count(), len(asyncio.all_tasks())
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        system = graph.actors()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / 10_000 <= 3 * 1024
    assert (threading.active_count(), len(asyncio.all_tasks())) == (threads, tasks)
    assert await system.stop() == ()


async def _nothing() -> None:
    pass
