"""What a policy is, and what a chain of them is built from (semantics 5.1, 5.2).

A chain is built once, when a node is bound to its place: each policy is handed the call that follows it and gives
back a call of the same shape. The innermost call runs `work` once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from .shared import Limits

if TYPE_CHECKING:
    from ..nodes.context import Context

__all__ = ["Handler", "Layer", "Limits", "Place", "Policy"]

Handler = Callable[["Context"], Awaitable[Any]]
"""One attempt at a node's work, or a chain of policies around it: of a context, what `work` returned."""

Layer = Literal[
    "step",
    "fallback",
    "deadline",
    "idempotency",
    "retry",
    "attempt",
    "batching",
    "circuit_breaker",
    "rate_limit",
    "concurrency",
    "timeout",
    "work",
]
"""Where a policy stands, outermost first: the fixed order of semantics 5.1. `step`, `attempt` and `work` are where a
policy of one's own may stand: around everything, around each attempt, or directly around `work`."""


class Place(msgspec.Struct, frozen=True):
    """Where a chain is built.

    Attributes:
        node: the definition. node_id: its place in the graph. graph: the graph's name.
        limits: the state shared by key, across the runs of an engine or of all that share a store.
        names: the names that a key's expressions may use.
    """

    node: Any
    node_id: str
    graph: str
    limits: Limits
    names: frozenset[str]

    @property
    def identifier(self) -> str:
        """The node's type."""
        return str(self.node.identifier)

    @property
    def key(self) -> str:
        """What state is kept under where the author names no key: this place in this graph."""
        return f"{self.graph}/{self.node_id}"


class Policy:
    """Something done around a node's work: subclass it and write `apply`.

    Attributes:
        layer: where it stands; `"step"` is around everything, `"attempt"` around each attempt, `"work"` innermost.

    Example:
        >>> from nodeloom.policies import Policy
        >>> class Polite(Policy):
        ...     async def apply(self, call, ctx):
        ...         outputs = await call(ctx)
        ...         return {**outputs, "thanks": True}
    """

    layer: ClassVar[Layer] = "step"

    async def apply(self, call: Handler, ctx: Context) -> Any:
        """Do something around `call(ctx)`, which gives what `work` returned; it may be called again, or not at all."""
        raise NotImplementedError

    def around(self, call: Handler, place: Place) -> Handler:
        """The chain with this policy around it; called once, when a node is bound to its place."""
        apply = self.apply

        async def handle(ctx: Context) -> Any:
            return await apply(call, ctx)

        return handle

    def innermost(self, work: Handler, place: Place) -> Handler:
        """What the chain ends in: one call of `work`, unless a policy runs something else in its place."""
        return work

    def problems(self, names: frozenset[str]) -> list[str]:
        """What is wrong with it where these names are known, as the unknown names in a key's expression."""
        return []

    def settings(self) -> Mapping[str, Any]:
        """What a document says of it."""
        return {}
