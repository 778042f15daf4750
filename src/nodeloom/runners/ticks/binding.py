"""A clock's nodes, bound to its engine: what performs their steps, and whether these need a loop (semantics 10.3)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from ...executors.attempts import Attempts
from ...executors.calls import inline_call
from ...executors.local import Executable
from ...executors.metrics import Metrics
from ...model.plan import Plan
from ...nodes.context import Context, Live, Services
from ...nodes.graph import Graph
from ...nodes.node import Node
from ...resources.processes import ProcessPool
from ...resources.threads import ThreadPool
from ..batch import BatchServices, batched
from ..lifecycle import Living
from ..parts import Parts

if TYPE_CHECKING:
    from ...forms.asking import Asker
    from ...policies.policy import Limits
    from ...resources.secrets import Secrets

__all__ = ["Bound", "ClockServices", "Memories", "TickServices", "bind_all"]


class ClockServices(BatchServices, Services, Protocol):
    """What a clock asks of its engine."""

    async def restart_node(self, node: Node, ctx: Context) -> None: ...

    def live_on(self, living: Living) -> None: ...

    def forget(self, living: Living) -> None: ...


Memories = dict[str, tuple[dict[str, Any], asyncio.Lock]]
"""What nodes remember, by id, and the locks that let their steps go one at a time."""


class TickServices:
    """An engine's services to the nodes of one clock, whose memories the clock keeps (4.1).

    Args:
        engine: the engine. memories: those of its nodes, by id.
    """

    def __init__(self, engine: ClockServices, memories: Memories) -> None:
        self._engine = engine
        self._memories = memories

    def memory_of(self, live: Live, node: Node) -> tuple[MutableMapping[str, Any], asyncio.Lock]:
        """A node's memory, which lasts as long as the clock, and the lock that lets its steps go one at a time."""
        if isinstance(node.memory, tuple):
            return self._engine.memory_of(live, node)
        known = self._memories.get(node.id)
        return known or self._memories.setdefault(node.id, ({}, asyncio.Lock()))

    def forget_memory(self, node: Node) -> None:
        """Let a node begin anew."""
        self._memories.pop(node.id, None)

    def take_memory(self, node: Node) -> None:
        """Take a node's memory from what it is at, which may hold its lock for ever; what that changes is its own."""
        known = self._memories.get(node.id)
        if known is not None:
            self._memories[node.id] = dict(known[0]), asyncio.Lock()

    @property
    def limits(self) -> Limits:
        return self._engine.limits

    @property
    def asker(self) -> Asker:
        return self._engine.asker

    @property
    def secrets(self) -> Secrets:
        return self._engine.secrets

    def pool(self, name: str) -> ThreadPool:
        """The thread pool of that name."""
        return self._engine.pool(name)

    def processes(self, name: str) -> ProcessPool:
        """The pool of worker processes of that name."""
        return self._engine.processes(name)

    def metrics_of(self, graph: str, node: Node) -> Metrics:
        """The live figures of a node in a graph of this name."""
        return self._engine.metrics_of(graph, node)

    def parts(self, ctx: Context) -> Parts:
        """The tasks among which a step divides its work."""
        return self._engine.parts(ctx)

    def is_started(self, node: Node) -> bool:
        """Whether the node's `on_start` was called."""
        return self._engine.is_started(node)

    async def start_node(self, node: Node, ctx: Context) -> None:
        """Call the node's `on_start`, once."""
        await self._engine.start_node(node, ctx)

    async def restart_node(self, node: Node, ctx: Context) -> None:
        """Call the node's `on_stop`, and `on_start` again, with a memory that is empty."""
        self.forget_memory(node)
        await self._engine.restart_node(node, ctx)


class Bound:
    """One node of a clock: what performs its steps.

    Attributes:
        executable, metrics: as a graph's runner has them. here: its steps never wait, and need no loop.
    """

    __slots__ = ("executable", "here", "metrics")

    def __init__(self, node: Node, plan: Plan, services: TickServices, *, alone: bool) -> None:
        place = plan.nodes[plan.by_id[node.id]]
        self.here = alone and _needs_nothing_awaited(node)
        doing: Any = batched(node, place, plan, services=services)
        if doing is None and self.here:
            doing = Attempts(node, place, plan, services, call=inline_call(node))
            if doing.asks:
                self.here, doing = False, None
        self.executable = Executable(node, place, plan, services, doing)
        self.metrics = services.metrics_of(plan.name, node)


def bind_all(graph: Graph, services: TickServices, shared: frozenset[str]) -> list[Bound]:
    """What performs the steps of each node, by its index.

    Args:
        graph: the clock's. services: its engine's. shared: the nodes with a memory that several ticks may be at.
    """
    nodes = [graph.nodes[place.id] for place in graph.plan.nodes]
    return [Bound(node, graph.plan, services, alone=node.id not in shared) for node in nodes]


def _needs_nothing_awaited(node: Node) -> bool:
    """Its work is a plain function with nothing around it that waits."""
    if node.policies or node.batch is not None or isinstance(node.memory, tuple):
        return False
    kind = type(node)
    hooks = [kind.on_finish if kind.on_finish is not Node.on_finish else None, kind.error_hook]
    if any(inspect.iscoroutinefunction(hook) for hook in hooks):
        return False
    return inline_call(node) is not None
