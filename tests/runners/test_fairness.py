"""A run lets others have their turn, and ends when it is told to, whatever its nodes do."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import pytest

from nodeloom import Graph, Node, Quorum, node


async def test_nodes_that_never_wait_let_others_have_a_turn() -> None:
    """3.6: a loop of nodes that never suspend is bounded by a timeout around it."""

    @node
    async def count(state):
        return {"n": state.get("n", 0) + 1}

    count.on("state.n > 0") >> count
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await Graph(count, name="endless", max_steps=100_000_000).run({})


async def test_a_step_that_swallows_its_cancellation_is_the_last() -> None:
    """2.6: cancelling a run in a line starts no further step."""
    began = asyncio.Event()
    seen: list[str] = []

    @node
    async def stubborn():
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("swallowed")
        return {"done": True}

    @node
    async def after():
        seen.append("after")

    stubborn >> after
    run = asyncio.create_task(Graph(stubborn, name="stubborn").run())
    await began.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert seen == ["swallowed"]


async def test_a_loop_of_forks_leaves_no_walks_behind() -> None:
    """3.5: memory is flat in the rounds of a loop whose body forks and joins."""

    held: dict[int, int] = {}

    @node
    async def head(state):
        n = state.get("n", 0) + 1
        if n in (500, 3_000):
            gc.collect()
            held[n] = tracemalloc.get_traced_memory()[0]
        return {"n": n}

    left, right, join = (node(lambda: None).copy(id=name) for name in ("left", "right", "join"))
    for each in (left, right, join):
        each.isolation = "inline"
    head >> [left, right] >> join
    join.on("state.n < 3001") >> head
    tracemalloc.start()
    try:
        await Graph(head, name="rounds").run({})
    finally:
        tracemalloc.stop()
    assert held[3_000] - held[500] < 50_000


async def test_branches_that_all_fail_before_a_quorum_fail_the_run() -> None:
    """3.4: a run that did nothing is not completed."""

    @node
    async def start():
        return {}

    def failing(name: str):
        async def work():
            raise ValueError(name)

        return node(work).copy(id=name)

    quorum = node(lambda: {"q": 1}).copy(id="quorum", join=Quorum(2))
    start >> [failing("b"), failing("c")] >> quorum
    result = await Graph(start, name="quorum").run(check=False)
    assert result.status == "failed"
    assert [error.type for error in result.errors] == ["ValueError", "ValueError"]


async def test_a_hook_that_is_cancelled_from_within_undoes_nothing() -> None:
    """6.1: hooks observe."""

    class Watched(Node):
        async def work(self):
            return {"x": 1}

        async def on_finish(self, result):
            waiting = asyncio.create_task(asyncio.Event().wait())
            waiting.cancel()
            await waiting

    assert (await Graph(Watched(), name="watched").run()).output == {"x": 1}
