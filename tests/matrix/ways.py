"""The ways to run a node, in one table: a new way is one line of `WAYS`, and every node of the matrix runs in it.

A way runs a node so many times with the same inputs, within one life where it has one, and tells what became of each:
the outputs, or the failure as `Type: message`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import nodeloom
from nodeloom import Clock, Graph, Node, RunFailed, actors
from nodeloom.channels import MemoryChannel, Message
from nodeloom.errors import ClockStopped
from nodeloom.model.batch import BatchResult, Slot
from nodeloom.runners.ticks.observers import ClockEvent
from nodeloom.testing import run_virtual

T = TypeVar("T")
Inputs = Mapping[str, Any]
Told = Mapping[str, Any] | str
Run = Callable[..., Awaitable[list[Told]]]


class Way(NamedTuple):
    """One way to run a node.

    Attributes:
        run: `run(node, inputs, times)`. fails: runs it once, and raises what it failed with.
        lives: its steps share a memory of `memory=True`, or why they do not. at_once: they may run at once, or why
            they may not.
        virtual: it runs plain work on a loop with virtual time as well, for it needs no other thread.
        elsewhere: it runs in another process: nothing of this one is seen there.
    """

    name: str
    run: Run
    fails: Callable[[Node, Inputs], Awaitable[Any]]
    lives: bool
    at_once: bool = True
    virtual: bool = False
    elsewhere: bool = False

    def __repr__(self) -> str:
        return self.name


def failure(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def cause_of(error: BaseException) -> BaseException:
    assert error.__cause__ is not None
    return error.__cause__


async def told(step: Awaitable[Inputs]) -> Told:
    try:
        return dict(await step)
    except Exception as error:
        return failure(error)


async def all_told(steps: list[Callable[[], Awaitable[Inputs]]], at_once: bool) -> list[Told]:
    if at_once:
        return list(await asyncio.gather(*[told(step()) for step in steps]))
    return [await told(step()) for step in steps]


# --- directly


async def directly(node: Node, inputs: Inputs, times: int = 1, at_once: bool = False) -> list[Told]:
    return await all_told([lambda: node(inputs)] * times, at_once)


async def directly_failing(node: Node, inputs: Inputs) -> Any:
    return await node(inputs)


# --- as the only node of a graph


def alone(node: Node) -> Graph:
    return Graph(node.copy(), name=node.id)


async def in_graph(node: Node, inputs: Inputs, times: int = 1, at_once: bool = False) -> list[Told]:
    graph = alone(node)
    return await all_told([lambda: graph_output(graph, inputs)] * times, at_once)


async def graph_output(graph: Graph, inputs: Inputs) -> Any:
    try:
        return (await graph.run(inputs)).output
    except RunFailed as failed:
        raise cause_of(failed) from None


async def in_graph_failing(node: Node, inputs: Inputs) -> Any:
    return await graph_output(alone(node), inputs)


# --- as an actor


async def as_actor(node: Node, inputs: Inputs, times: int = 1, at_once: bool = False) -> list[Told]:
    async with actors([node.copy()], name=node.id) as system:
        return await all_told([lambda: system.ask(node.id, inputs)] * times, at_once)


async def as_actor_failing(node: Node, inputs: Inputs) -> Any:
    async with actors([node.copy()], name=node.id) as system:
        return await system.ask(node.id, inputs)


async def as_reader(node: Node, inputs: Inputs, times: int = 1, at_once: bool = False) -> list[Told]:
    """As an actor that reads a channel; its failures are events."""
    mailbox, seen = MemoryChannel(), list[Told]()

    def watch(event: Any) -> None:
        if event.type == "step_failed":
            seen.append(f"{event['error']['type']}: {event['error']['message']}")

    for _ in range(times):
        await mailbox.send(Message(dict(inputs)))
    await mailbox.close()
    await node.go(mailbox, observer=lambda outputs: seen.append(dict(outputs)), watch=watch)
    return seen


# --- by tick


async def by_tick(
    node: Node, inputs: Inputs, times: int = 1, at_once: bool = False, rate: float = 1.0, **settings: Any
) -> list[Told]:
    """Ticks that are due while one runs are caught up with, so that there are exactly so many."""
    seen: list[Told] = []

    def watch(event: ClockEvent) -> None:
        if event.type == "failed":
            seen.append(event.data["error"])

    ticking = node.copy(rate=rate, on_overrun="catch_up")
    clock = Clock([ticking], watch=watch, grace=1e6, name=node.id, **settings)
    clock[node.id].add_observer(lambda outputs: seen.append(dict(outputs)))
    await clock.run(duration=(times - 0.5) / rate, inputs=inputs)
    await asyncio.sleep(0)
    return seen


async def by_fast_tick(node: Node, inputs: Inputs, times: int = 1, at_once: bool = False, **more: Any) -> list[Told]:
    return await by_tick(node, inputs, times, rate=50.0, **more)


async def by_tick_failing(node: Node, inputs: Inputs) -> Any:
    clock = Clock([node.copy(rate=1.0)], on_failure="stop", name=node.id)
    try:
        await clock.run(duration=0.5, inputs=inputs)
    except ClockStopped as stopped:
        raise cause_of(stopped) from None


# --- in a batch


async def in_batch(node: Node, inputs: Inputs, times: int = 1, at_once: bool = False) -> list[Told]:
    try:
        batch = await node.map([inputs] * times, parallel=at_once, error_handling="continue")
    except Exception as error:  # all of them failed, or the whole did
        failed: BatchResult | None = getattr(error, "batch", None)
        if failed is None or any(slot.status not in ("ok", "failed") for slot in failed.slots):
            return [failure(error)]
        batch = failed
    return [told_of(slot) for slot in batch.slots]


def told_of(slot: Slot) -> Told:
    return f"{slot.error.type}: {slot.error.message}" if slot.error is not None else dict(slot.output or {})


async def in_batch_failing(node: Node, inputs: Inputs) -> Any:
    return await node.map([inputs])


# --- in a worker process


async def in_process(node: Node, inputs: Inputs, times: int = 1, at_once: bool = False) -> list[Told]:
    return await directly(node.copy(isolation="process"), inputs, times, at_once)


async def in_process_failing(node: Node, inputs: Inputs) -> Any:
    return await node.copy(isolation="process")(inputs)


WAYS = [
    Way("direct", directly, directly_failing, lives=False),  # 4.1: a call is a run of its own
    Way("graph", in_graph, in_graph_failing, lives=False),  # 4.1: so is each run
    Way("actor", as_actor, as_actor_failing, lives=True, at_once=False),  # 9.1: one message at a time
    Way("channel", as_reader, as_actor_failing, lives=True, at_once=False),
    Way("tick", by_tick, by_tick_failing, lives=True, at_once=False, virtual=True),  # 10.2: ticks do not overlap
    Way("tick-thread", by_fast_tick, by_tick_failing, lives=True, at_once=False),
    Way("batch", in_batch, in_batch_failing, lives=True),
]
PROCESS = Way("process", in_process, in_process_failing, lives=False, elsewhere=True)
EVERYWHERE = [*WAYS, PROCESS]


def on_a_loop(main: Callable[[], Awaitable[T]], *, virtual: bool = False) -> T:
    """Run a test on a loop of its own, and close what its engine holds."""

    async def whole() -> T:
        try:
            return await main()
        finally:
            await nodeloom.close()

    return run_virtual(whole()) if virtual else asyncio.run(whole())
