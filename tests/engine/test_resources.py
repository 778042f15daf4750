"""An engine's resources and background work, as nodes see them (7.3, 7.4, 13.1)."""

import asyncio
import contextlib
import random
import threading
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.library.web import Web, serving
from tests.resources.test_leaks import DESCRIPTORS, Held

from nodeloom import Engine, Graph, Node, RunFailed, node
from nodeloom.errors import EngineClosed, NodeloomError
from nodeloom.resources.http import http
from nodeloom.resources.sql import sql
from nodeloom.testing import run_virtual


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with serving() as web:
        yield web


@contextlib.asynccontextmanager
async def open_bucket() -> AsyncGenerator[dict[str, int]]:
    bucket = {"opened": 1}
    yield bucket
    bucket.clear()


# --- resources


async def test_nodes_share_resources_by_name_and_by_attribute() -> None:
    """7.4, the public face: `ctx.resource(name)`, `ctx.resources.name`."""
    seen: list[Any] = []

    @node
    async def look(ctx):
        seen.extend([await ctx.resource("bucket"), await ctx.resources.bucket, await ctx.resource("http"), ctx.http])

    async with Engine(resources={"bucket": open_bucket}) as engine:
        graph = Graph(look)
        await asyncio.gather(*(engine.run(graph) for _ in range(20)))
        assert seen[0] == {"opened": 1}
        assert {id(each) for each in seen} == {id(seen[0]), id(seen[3])}
    assert seen[0] == {}
    assert seen[3].is_closed


async def test_a_node_that_asks_for_nothing_opens_nothing() -> None:
    """7.4."""

    @node
    async def plain():
        return {}

    async with Engine(resources={"bucket": open_bucket}) as engine:
        await engine.call(plain)
        assert engine._resources.opened == []


async def test_a_plain_node_on_a_thread_waits_for_a_resource() -> None:
    """1.6, 7.4."""

    @node
    def look(ctx):
        return {"thread": threading.current_thread().name, **ctx.resource("bucket").result(5.0)}

    async with Engine(resources={"bucket": open_bucket}) as engine:
        outputs = await engine.call(look)
    assert outputs["opened"] == 1
    assert outputs["thread"].startswith("nodeloom-")


async def test_the_client_has_the_settings_that_the_engine_was_given(web: Web) -> None:
    """7.4."""

    @node
    async def ask(ctx):
        return {"text": (await ctx.http.get(f"{web.url}/short-wait")).text}

    async with Engine(resources={"http": http(per_host=2)}) as engine:
        graph = Graph(ask)
        results = await asyncio.gather(*(engine.run(graph) for _ in range(10)))
    assert {result.output["text"] for result in results} == {"ok"}
    assert web.busiest == 2


async def test_an_unknown_resource_fails_the_step_and_names_what_there_is() -> None:
    @node
    async def look(ctx):
        return {"it": await ctx.resource("buckets")}

    async with Engine(resources={"bucket": open_bucket}) as engine:
        with pytest.raises(NodeloomError, match=r"no resource 'buckets'; did you mean 'bucket'\?.*bucket, http"):
            await engine.call(look)
    with pytest.raises(EngineClosed):
        engine.resource("bucket")


def test_a_cancelled_closing_closes_everything_first() -> None:
    """7.4, 13.1: whatever it is doing when it is cancelled."""

    @contextlib.asynccontextmanager
    async def slow() -> AsyncGenerator[None]:
        yield
        await asyncio.sleep(1.0)
        closed.append("slow")

    closed: list[str] = []

    class Stops(Node):
        async def work(self, ctx):
            await ctx.resource("slow")

        async def on_stop(self):
            await asyncio.sleep(1.0)
            closed.append("on_stop")

    async def main() -> None:
        engine = Engine(resources={"slow": slow})
        await engine.call(Stops())
        closing = asyncio.create_task(engine.close())
        for _ in range(3):
            await asyncio.sleep(0.5)
            closing.cancel()
        await asyncio.wait({closing})
        assert closing.cancelled()

    run_virtual(main())
    assert closed == ["on_stop", "slow"]


# --- background work


def test_a_loop_in_a_graph_goes_on_beside_slow_work() -> None:
    """7.3: it never waits, reads what there is and how old it is."""
    begun: list[float] = []

    async def fetch() -> str:
        begun.append(asyncio.get_running_loop().time())
        await asyncio.sleep(1.0)
        return "sunny"

    @node
    async def tick(ctx, state):
        weather = ctx.background("weather", fetch)
        await asyncio.sleep(0.1)
        return {"n": state.get("n", 0) + 1, "weather": weather.value, "age": weather.age}

    @node
    async def end(state):
        return {}

    again = tick.copy(id="tick")
    again.on("output.n < 25") >> again
    again.on("output.n >= 25") >> end

    async def main() -> None:
        async with Engine() as engine:
            result = await engine.run(Graph(again, name="ticking"))
            assert (result.state["n"], result.state["weather"]) == (25, "sunny")
            assert 0.0 <= result.state["age"] <= 1.2
            assert asyncio.get_running_loop().time() == pytest.approx(2.5)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())
    assert len(begun) == 3


async def test_plain_functions_go_to_the_engines_threads_and_plain_nodes_may_ask() -> None:
    """7.3."""

    @node
    def tick(ctx):
        return {"latest": ctx.background("key", lambda: threading.current_thread().name)}

    async with Engine() as engine:
        latest = (await engine.call(tick))["latest"]
        assert (await latest.next()).startswith("nodeloom-default")


def test_closing_the_engine_cancels_what_is_under_way() -> None:
    """7.3."""
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    @node
    async def tick(ctx):
        ctx.background("key", endless)
        await asyncio.sleep(1.0)

    async def main() -> None:
        async with Engine() as engine:
            await engine.call(tick)
            assert ended == []
        assert ended == ["cancelled"]

    run_virtual(main())


# --- leaks


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="counts what is open in /proc")
async def test_two_hundred_runs_of_an_engine_leave_nothing_open(web: Web, tmp_path: Path) -> None:
    """7.4, 13.1: some fail, some are cancelled; sockets, files, threads and tasks are as before."""
    await engine_of_many(web, tmp_path, 20)
    if others := asyncio.all_tasks() - {asyncio.current_task()}:  # what the loop itself has still to end
        await asyncio.wait(others, timeout=1.0)
    before = Held.now()
    ended = await engine_of_many(web, tmp_path, 200)
    assert await Held.settled(before) == before
    assert min(ended[how] for how in ("completed", "failed", "cancelled")) > 0


async def engine_of_many(web: Web, folder: Path, count: int) -> Counter[str]:
    chance = random.Random(3)

    @node
    async def ask(ctx, inputs):
        ctx.background("beside", ctx.http.get, f"{web.url}/short-wait")
        answer = await ctx.http.get(f"{web.url}/{'cut' if inputs['n'] % 11 == 0 else 'unnamed'}")
        return {"text": answer.text}

    @node
    async def keep(ctx, state):
        db = await ctx.resource("db")
        async with db.begin() as connection:
            await connection.execute(text("insert into runs values (:n)"), {"n": state["n"]})
            if state["n"] % 7 == 0:
                raise ValueError("half-way")

    @node
    def on_thread(ctx):
        return {"bucket": ctx.resource("bucket").result(5.0)["opened"]}

    ask >> keep >> on_thread
    graph = Graph(ask, name="leaks")
    async with Engine(resources={"db": sql(f"sqlite:///{folder}/x.db"), "bucket": open_bucket}) as engine:
        async with (await engine.resource("db")).begin() as connection:
            await connection.execute(text("create table if not exists runs (n integer)"))

        async def lived(n: int) -> str:
            await asyncio.sleep(chance.random() * 0.2)
            try:
                async with asyncio.timeout(chance.random() * 0.2 if n % 2 else None):
                    await engine.run(graph, {"n": n})
            except TimeoutError:
                return "cancelled"
            except RunFailed:
                return "failed"
            return "completed"

        ended = Counter(await asyncio.gather(*(lived(n) for n in range(count))))
    await web.quiet()
    return ended
