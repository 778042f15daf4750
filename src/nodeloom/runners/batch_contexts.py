"""What each item of a batch is given: its inputs, its own fork of the state, its names (semantics 8.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from ..model.batch import Batch
from ..model.run import Step
from ..model.values import freeze, handed, owned
from ..nodes.context import Context, Own, Walk

__all__ = ["WHOLE", "Make", "made_for_call", "made_for_step"]

Make = Callable[[Any, int, Walk], Context]
"""Of an item, its index and a worker's walk, the context of its work."""


WHOLE = frozenset({int, str, float, bool, type(None)})
"""Kinds of values of which nothing can be changed."""


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
        return {**cast("StepScope", self.shared).names(), **self.names}


def made_for_step(ctx: Context, batch: Batch) -> Make:
    """Each item sees the step's inputs, and a fork of its state."""
    step, node, params, alias, shared = ctx.step, ctx.node, ctx.params, batch.as_, StepScope(ctx)

    def make(item: Any, index: int, walk: Walk) -> Context:
        item = item if type(item) in WHOLE else owned(item)
        own = ItemOwn(None, None, {alias: item, "index": index}, index, None, shared)
        return Context(step, walk, node, params, 1, None, own)

    return make


def made_for_call(ctx: Context, batch: Batch) -> Make:
    """Each item is a call of its own: a mapping is its inputs, and what else it is, it is their only one."""
    step, node, params, alias, shared = ctx.step, ctx.node, ctx.params, batch.as_, StepScope(ctx)
    run_id = ctx.run_id

    def make(item: Any, index: int, walk: Walk) -> Context:
        given = _as_inputs(item)
        inputs = handed(given) if given is not None else freeze({alias: owned(item)})
        names = {
            alias: inputs if given is not None else inputs[alias],
            "index": index,
            "inputs": inputs,
            "state": inputs,
            "run": {"inputs": inputs, "id": run_id},
        }
        call = Step(step.node, step.branch, step.ordinal, step.seed, inputs)
        return Context(call, walk, node, params, 1, None, ItemOwn(inputs, None, names, index, inputs, shared))

    return make


def _as_inputs(item: Any) -> Mapping[str, Any] | None:
    """A mapping, dataclass or model as inputs."""
    if isinstance(item, Mapping):
        return cast("Mapping[str, Any]", item)
    kind = cast("Any", type(item))  # pyright: ignore[reportUnknownArgumentType]
    if hasattr(kind, "model_fields") and hasattr(kind, "model_dump"):
        return {**item.model_dump()}
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(item, name) for name in kind.__dataclass_fields__}
    return None
