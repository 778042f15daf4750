"""Steps of real runs, without an engine: for policies whose calls outlive the step they were begun for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from nodeloom import Graph, Node
from nodeloom.executors.calls import call_of
from nodeloom.model.advance import advance, start
from nodeloom.model.run import Completed
from nodeloom.model.values import freeze
from nodeloom.nodes.context import Context, Live, Walk
from nodeloom.nodes.event import Event
from nodeloom.policies.chain import chain
from nodeloom.policies.limits import MemoryLimits
from nodeloom.policies.policy import Handler, Place, Policy
from nodeloom.policies.shared import Limits

NAMES = frozenset({"params", "inputs", "state", "outputs", "run"})


class FakeServices:
    """An engine, as far as these policies look at it."""

    async def sleep(self, seconds: float, ctx: Any) -> None:
        await asyncio.sleep(seconds)

    async def in_line(self, take: Any, ctx: Any) -> bool:
        await take()
        return True

    async def offload(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(function, *args, **kwargs)


class OneRun:
    """A run of a graph, at its first step; `end` takes that step to its end, and the run with it.

    Args:
        node: the node. inputs: the run's. watched: whether somebody watches.
    """

    def __init__(self, node: Node, inputs: Mapping[str, Any] | None = None, *, watched: bool = False) -> None:
        graph = Graph.alone(node)
        run = start(graph.plan, f"run-{id(self)}", inputs or {})
        self.live = Live(graph, graph.plan, run, FakeServices())  # type: ignore[arg-type]
        self.events: list[Event] = []
        if watched:
            self.live.watch = self.events.append
        self.step = run.ready.pop()
        walk = Walk(self.live)
        walk.context = self.ctx = Context(self.step, walk, node, node.params)

    def end(self, outputs: Mapping[str, Any]) -> None:
        """The step completes, and the run is over."""
        advance(self.live.plan, self.live.run, Completed(self.step, freeze(outputs), ()))


def a_step(node: Node, inputs: Mapping[str, Any] | None = None) -> Context:
    """The context of a step in a run of its own."""
    return OneRun(node, inputs).ctx


def guarded(node: Node, policies: Sequence[Policy], limits: Limits | None = None) -> Handler:
    """A node's work with policies around it."""
    place = Place(node, node.id, "web", limits or MemoryLimits(), NAMES)
    call: Handler = call_of(node, lambda name: None, node.id)  # type: ignore[arg-type]
    for policy in policies:
        call = policy.innermost(call, place)
    return chain(policies, call, place)


async def turns(count: int = 5) -> None:
    """Let everything else have so many turns of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)
