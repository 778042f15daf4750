"""What each item of a batch is given: its inputs, its own fork of the state, its names (semantics 8.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from ..model.batch import Batch
from ..model.values import WHOLE, freeze, handed, owned
from ..nodes.context import Context, Own, Walk

__all__ = ["Make", "made_for_call", "made_for_step"]

Make = Callable[[Any, int, Walk], Context]
"""Of an item, its index and a worker's walk, the context of its work."""


class StepScope:
    """The names that the expressions of all items share: made once for a step, whatever the size of its graph.

    Args:
        ctx: the step's.
    """

    __slots__ = ("_ctx", "_known")

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._known: dict[str, Any] | None = None

    def names(self) -> dict[str, Any]:
        """The names by value. Nobody may change what is below them."""
        if self._known is None:
            self._known = self._ctx.scope()
        return self._known


class ItemOwn(Own):
    """What an item has to itself, and what it shares with the others."""

    shared: Any = None

    def scope(self) -> dict[str, Any]:
        """The names of the step, and its own."""
        names = {**cast("StepScope", self.shared).names(), **self.names()}
        if self.alone:
            names |= {
                "inputs": self.inputs,
                "state": self.inputs,
                "run": {"inputs": self.inputs, "id": names["run"]["id"]},
            }
        return names


def made_for_step(ctx: Context, batch: Batch) -> Make:
    """Each item sees the step's inputs, and a fork of its state."""
    step, node, params, alias, shared = ctx.step, ctx.node, ctx.params, batch.as_, StepScope(ctx)

    def make(item: Any, index: int, walk: Walk) -> Context:
        item = item if type(item) in WHOLE else owned(item)
        own = ItemOwn(None, None, index, item, alias, None, False, shared)
        return Context(step, walk, node, params, 1, None, own)

    return make


def made_for_call(ctx: Context, batch: Batch) -> Make:
    """Each item is a call of its own: a mapping is its inputs, and what else it is, it is their only one."""
    step, node, params, alias, shared = ctx.step, ctx.node, ctx.params, batch.as_, StepScope(ctx)

    def make(item: Any, index: int, walk: Walk) -> Context:
        given: Any = item if type(item) is dict else _as_inputs(item)  # pyright: ignore[reportUnknownVariableType]
        if given is not None:
            item = inputs = handed(given)
        else:
            item = owned(item)
            inputs = freeze({alias: item})
        own = ItemOwn(inputs, None, index, item, alias, inputs, True, shared)
        return Context(step, walk, node, params, 1, None, own)

    return make


def _as_inputs(item: Any) -> Mapping[str, Any] | None:
    """A mapping, dataclass or model as inputs."""
    if isinstance(item, Mapping):
        return cast("Mapping[str, Any]", item)
    kind = cast("Any", type(item))  # pyright: ignore[reportUnknownArgumentType]
    if hasattr(kind, "model_fields") and hasattr(kind, "model_dump"):
        return {**kind.model_dump(item)}
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(item, name) for name in kind.__dataclass_fields__}
    return None
