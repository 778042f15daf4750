"""A step around which policies are tried, without an engine: a context that keeps what it is told."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from nodeloom.model.values import Values, freeze
from nodeloom.policies.chain import chain
from nodeloom.policies.limits import MemoryLimits
from nodeloom.policies.policy import Place, Policy

NAMES = frozenset({"params", "inputs", "state", "outputs", "run"})


class FakeNode:
    """A node type, as far as a policy looks at it."""

    identifier = "tests.fetch"


class FakeLive:
    """A run that keeps its events, and calls other nodes."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int, dict[str, Any]]] = []
        self.services = self
        self.called: list[tuple[Any, Any]] = []
        self.answer: Any = {}

    def emit(self, type: str, ctx: Any = None, **data: Any) -> None:
        self.events.append((type, ctx.attempt, data))

    async def in_line(self, take: Any, ctx: Any) -> bool:
        await take()
        return True

    async def call(self, node: Any, inputs: Any) -> Any:
        self.called.append((node, inputs))
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class FakeContext:
    """A step of the node `fetch` in the graph `web`."""

    params: Any = None
    inputs: Values = field(default_factory=lambda: freeze({}))
    state: Values = field(default_factory=lambda: freeze({}))
    attempt: int = 1
    own: Any = None
    node_id: str = "fetch"
    live: FakeLive = field(default_factory=FakeLive)
    graph: Any = field(default_factory=lambda: SimpleNamespace(name="web"))
    names: dict[str, Any] = field(default_factory=dict)

    @property
    def log(self) -> logging.Logger:
        return logging.getLogger("tests.fetch")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def at_attempt(self, attempt: int) -> FakeContext:
        return replace(self, attempt=attempt)

    def scope(self) -> dict[str, Any]:
        run = {"inputs": {}, "id": "run-1"}
        return {"inputs": self.inputs, "state": self.state, "outputs": {}, "run": run, **self.names}


def a_step(**given: Any) -> Any:
    """A context; what is given as a dict is frozen."""
    frozen: dict[str, Any] = {name: freeze(value) if type(value) is dict else value for name, value in given.items()}
    return FakeContext(**frozen)


def a_place(limits: Any = None, node: Any = None, names: frozenset[str] = NAMES) -> Place:
    """Where chains are built; with limits of its own, unless some are given."""
    return Place(node or FakeNode(), "fetch", "web", limits or MemoryLimits(), names)


def around(call: Any, *policies: Policy, place: Place | None = None) -> Any:
    """The call with policies around it."""
    return chain(list(policies), call, place or a_place())


class Work:
    """Work whose tries go as they are told to: an exception is raised, anything else returned.

    Args:
        *tries: one for each try; the last one counts for all that follow. seconds: what each takes.
    """

    def __init__(self, *tries: Any, seconds: float = 0.0) -> None:
        self.tries = tries
        self.seconds = seconds
        self.contexts: list[Any] = []
        self.begun: list[float] = []
        self.ended: list[float] = []
        self.inside = self.most = 0

    async def __call__(self, ctx: Any) -> Any:
        loop = asyncio.get_running_loop()
        which = self.tries[min(len(self.contexts), len(self.tries) - 1)]
        self.contexts.append(ctx)
        self.begun.append(loop.time())
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            if self.seconds:
                await asyncio.sleep(self.seconds)
        finally:
            self.inside -= 1
            self.ended.append(loop.time())
        if isinstance(which, BaseException):
            raise which
        return which

    @property
    def count(self) -> int:
        return len(self.begun)
