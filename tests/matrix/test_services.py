"""What a context offers, in every way: threads and processes that are cut off, topics, transactions, background."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.matrix import things
from tests.matrix.ways import WAYS, Way, on_a_loop

from nodeloom import Context, Node, Timeout, node

HELLO = {"text": "hello"}
HERE = [pytest.param(way, id=way.name) for way in WAYS]


@pytest.mark.parametrize("way", HERE)
def test_a_timeout_ends_a_step_in_a_worker_process_in_every_way(way: Way) -> None:
    """5.4, 7.2: it is a kill."""
    hangs = things.hangs.copy(isolation="process", policies=[Timeout(0.2)])
    told = on_a_loop(lambda: way.run(hangs, HELLO))
    assert str(told[0]).startswith("StepTimeout: ")


@pytest.mark.parametrize("way", HERE)
def test_a_timeout_ends_a_step_on_a_thread_in_every_way(way: Way) -> None:
    """5.4: the thread is told, and what it returns is dropped."""

    @node(policies=[Timeout(0.05)])
    def waits(ctx: Context) -> dict[str, Any]:
        while not ctx.cancelled:
            things.TICK.wait(0.001)
        return {"late": True}

    told = on_a_loop(lambda: way.run(waits, HELLO))
    assert str(told[0]).startswith("StepTimeout: ")


@node
async def publishes(ctx: Context) -> dict[str, Any]:
    ctx.publish("said", None)
    ctx.publish("said", ctx.inputs["text"])
    topic = ctx.topic("said")
    return {"latest": ctx.latest("said"), "taken": topic.take()[-1:], "aged": topic.age is not None}


@node
def plainly_publishes(ctx: Context) -> dict[str, Any]:
    ctx.publish("said", ctx.inputs["text"])
    topic = ctx.topic("said")
    return {"latest": ctx.latest("said"), "taken": topic.take()[-1:], "aged": topic.age is not None}


@pytest.mark.parametrize("way", HERE)
@pytest.mark.parametrize("each", [publishes, plainly_publishes], ids=["async", "plain"])
def test_topics_are_the_same_in_every_way(way: Way, each: Node) -> None:
    """10.6: a sent None is a message."""
    told = on_a_loop(lambda: way.run(each.copy(), HELLO, 2), virtual=way.virtual)
    assert told == [{"latest": "hello", "taken": ["hello"], "aged": True}] * 2


@node
async def shares(ctx: Context) -> dict[str, Any]:
    async with ctx.shared.transaction() as shared:
        shared["n"] = number = shared.get("n", 0) + 1
        await asyncio.sleep(0)
    return {"n": number}


@node
def plainly_shares(ctx: Context) -> dict[str, Any]:
    with ctx.shared.transaction() as shared:
        shared["n"] = number = shared.get("n", 0) + 1
    return {"n": number}


@pytest.mark.parametrize("way", HERE)
@pytest.mark.parametrize("each", [shares, plainly_shares], ids=["async", "plain"])
def test_transactions_are_the_same_in_every_way(way: Way, each: Node) -> None:
    """4.1: what is shared is the engine's, and outlives the step."""
    told = on_a_loop(lambda: way.run(each.copy(), HELLO, 3))
    assert told == [{"n": 1}, {"n": 2}, {"n": 3}]


@pytest.mark.parametrize("way", HERE)
def test_background_work_outlives_the_step_in_every_way(way: Way) -> None:
    """7.3: one job per key, and its latest value is at hand at the next step."""

    async def asked() -> int:
        return 7

    @node
    async def asks(ctx: Context) -> dict[str, Any]:
        known = ctx.background("seven", asked)
        return {"value": known.value if known.value is not None else await known.next()}

    told = on_a_loop(lambda: way.run(asks, HELLO, 2), virtual=way.virtual)
    assert told == [{"value": 7}] * 2


@pytest.mark.parametrize("way", HERE)
def test_a_node_sleeps_and_offloads_in_every_way(way: Way) -> None:
    """6.2, 7.1"""

    @node
    async def sleeps(ctx: Context) -> dict[str, Any]:
        await ctx.sleep(0.001)
        return {"text": await ctx.offload(str.upper, ctx.inputs["text"])}

    assert on_a_loop(lambda: way.run(sleeps, HELLO)) == [{"text": "HELLO"}]
