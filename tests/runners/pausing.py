"""Runs whose steps begin and end when a test says so, to be paused."""

import asyncio
from collections import defaultdict
from typing import Any

import pytest

from nodeloom import Graph, node
from nodeloom.engine import Left, RunHandle


class Bench:
    """Steps that begin, wait until they may go on, and end; what began and what ended, in order."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.ended: list[str] = []
        self.ids: list[str] = []
        self.free: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def step(self, name: str, **options: Any) -> Any:
        @node(id=name, **options)
        async def step(ctx):
            self.began.append(name)
            self.ids.append(ctx.step_id)
            try:
                await self.free[name].wait()
                return {name: ctx.step_id}
            finally:
                self.ended.append(name)

        return step

    def let(self, *names: str) -> None:
        for name in names:
            self.free[name].set()


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def never_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """However quick the steps, none begins because nobody has looked yet."""
    monkeypatch.setattr("nodeloom.runners.graph.LOOK", 1e9)


async def turns(count: int = 20) -> None:
    """Let everybody else have their turn."""
    for _ in range(count):
        await asyncio.sleep(0)


def line(bench: Bench) -> Graph:
    a, b, c = (bench.step(name) for name in "abc")
    a >> b >> c
    return Graph(a, name="line")


def diamond(bench: Bench) -> Graph:
    a, b, c, d = (bench.step(name) for name in "abcd")
    a >> [b, c] >> d
    return Graph(a, name="diamond")


def nested(bench: Bench) -> Graph:
    a, z = bench.step("a"), bench.step("z")
    b, c = bench.step("b"), bench.step("c")
    b >> c
    inner = Graph(b, name="inner")
    middle = Graph(inner.as_node(id="deep"), name="middle")
    a >> middle.as_node(id="mid") >> z
    return Graph(a, name="outer")


async def pause_and_look(run: RunHandle, began: list[str], within: float | None) -> None:
    """Pause a run, see that no step of it begins, and resume it."""
    before = list(began)
    async with asyncio.timeout(10):
        left: Left | None = await run.pause(within=within)
    await turns(7)
    assert began == before
    assert run.status != "running"
    assert left is None or left.steps
    await run.resume()
