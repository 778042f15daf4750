"""Topics: what is published under a name (semantics 10.6)."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest

from nodeloom import Clock, DefinitionError, Engine, Graph, Node, Topic, node
from nodeloom.testing import run_virtual


class Pose:
    """Where something is."""


def test_values_arrive_as_they_were_sent() -> None:
    """10.6: the very object, and None is a message."""
    topic = Topic[Any]("pose")
    queue = topic.queue()
    pose = Pose()
    assert topic.latest("nothing yet") == "nothing yet"
    for value in (pose, None, [1]):
        topic.send(value)
    assert topic.latest("nothing yet") == [1]
    taken = queue.take()
    assert taken == [pose, None, [1]]
    assert taken[0] is pose
    assert topic.count == 3


def test_none_is_a_message_and_no_default() -> None:
    """10.6"""
    topic = Topic[Any]("pose")
    topic.send(None)
    assert topic.latest("default") is None
    assert topic.age is not None


def test_a_queue_that_is_not_read_drops_the_oldest_and_counts_them() -> None:
    """10.6: bounded."""
    topic = Topic[int]("n")
    queue = topic.queue(kept=3)
    for number in range(5):
        topic.send(number)
    assert (queue.take(), queue.lost) == ([2, 3, 4], 2)
    queue.close()
    topic.send(5)
    assert queue.take() == []


async def test_a_topic_of_one_type_is_not_another() -> None:
    """10.6: both are named."""
    async with Engine() as engine:
        pose = engine.topic("pose", Pose)
        assert engine.topic("pose") is pose
        with pytest.raises(DefinitionError, match=r"'pose' carries Pose, .* one of int"):
            engine.topic("pose", int)
        with pytest.raises(DefinitionError, match=r"'pose' carries Pose, and was sent a str"):
            pose.send("here")  # type: ignore[arg-type]


def test_what_many_threads_send_comes_to_a_queue_once_each() -> None:
    """10.6: thread-safe."""
    topic = Topic[tuple[int, int]]("n")
    queue = topic.queue(kept=100_000)
    together = threading.Barrier(4)

    def send(who: int) -> None:
        together.wait()
        for number in range(2_000):
            topic.send((who, number))

    threads = [threading.Thread(target=send, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = queue.take()
    assert len(taken) == topic.count == 8_000
    for who in range(4):
        assert [number for sender, number in taken if sender == who] == list(range(2_000))


def test_ticking_nodes_talk_by_topics_and_their_age_is_known() -> None:
    """10.6, 10.5: with the newest, again and again, and each once."""

    async def main() -> None:
        seen: dict[str, list[Any]] = {"latest": [], "taken": []}

        class Camera(Node):
            memory = True

            def work(self, ctx: Any) -> None:
                ctx.memory["n"] = ctx.memory.get("n", 0) + 1
                ctx.publish("frame", ctx.memory["n"])

        class Control(Node):
            def work(self, ctx: Any) -> None:
                seen["latest"].append(ctx.latest("frame", default=0))

        class Writer(Node):
            async def work(self, ctx: Any) -> None:
                seen["taken"] += ctx.topic("frame").take()

        clock = Clock([Camera(rate=20), Control(rate=40), Writer(rate=5)], phases={"control": 0.01, "writer": 0.001})
        report = await clock.run(duration=0.5)
        assert seen["latest"] == [number for number in range(1, 11) for _ in range(2)]
        assert seen["taken"] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
        assert report["control"].data_age == pytest.approx(0.035)
        assert report["camera"].data_age is None

    run_virtual(main())


async def test_topics_work_in_graphs_too() -> None:
    """10.6: they are the engine's."""

    @node
    async def say(ctx) -> None:
        ctx.publish("word", "hello")

    @node
    def hear(ctx):
        return {"heard": ctx.latest("word")}

    say >> hear
    async with Engine() as engine:
        result = await engine.run(Graph(say, name="words"))
        assert result.output == {"heard": "hello"}
        assert engine.topic("word").latest() == "hello"


def test_a_queue_that_nobody_holds_is_not_filled() -> None:
    """10.6: what is not read any more holds no messages."""
    topic = Topic[Any]("pose")
    queue = topic.queue()
    held = Pose()
    gone = weakref.ref(held)
    topic.send(held)
    topic.send(None)
    del held
    assert gone() is not None
    del queue
    gc.collect()
    assert gone() is None
