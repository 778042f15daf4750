"""What one attempt, or one item of a batch, has to itself (semantics 4.7, 8.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from ..errors import StepError
from ..model.values import Values, kind_of, lend, owned

__all__ = ["Own", "containers", "own_params", "owned_of", "pairs_of", "with_fields", "with_item"]


class Own(msgspec.Struct):
    """What one attempt, or one item of a batch, has to itself instead of sharing it with its branch.

    Attributes:
        state, outputs: its views; None until they are read. index: the item's place in its batch. item: the item.
        alias: its name in expressions. inputs: an item's view of the step's. alone: the item is a run of its own, as
            of `map`: its inputs are not the step's, and what its run was started with.
    """

    state: Values | None = None
    outputs: Values | None = None
    index: int | None = None
    item: Any = None
    alias: str = ""
    inputs: Values | None = None
    alone: bool = False

    def names(self) -> dict[str, Any]:
        """What an item adds to expressions: itself under its alias, and its place."""
        return {} if self.index is None else {self.alias: self.item, "index": self.index}

    def scope(self) -> dict[str, Any] | None:
        """The names expressions may use, where they are not to be made of the context."""
        return None

    def anew(self) -> Own:
        """The same for another attempt, which sees nothing that this one changes in place."""
        state = None if self.state is None else lend(self.state)
        outputs = None if self.outputs is None else lend(self.outputs)
        inputs = lend(self.inputs) if self.alone and self.inputs is not None else None
        return replace(self, state=state, outputs=outputs, item=owned(self.item), inputs=inputs)


def with_item(inputs: Values, own: Own | None, declared: Any) -> Mapping[str, Any]:
    """The inputs of a graph that is a step's work: in a batch, the item and its index are among them (8.4).

    Args:
        inputs: the step's. own: the item's. declared: what the graph declares as its inputs; of the two it is given
            those that it declares, and both if it takes anything.

    Raises:
        StepError: the inputs have the name of the item already.
    """
    if own is None or own.index is None or own.alone:
        return inputs
    names = own.names()
    if own.alias in inputs:
        raise StepError(
            f"the inputs of this step have {own.alias!r} already, which would shadow the item that its graph is given; "
            f"call the item something else, as Batch(as_='each')"
        )
    known = names if declared is None else getattr(declared, "model_fields", declared)
    return {**inputs, **{name: value for name, value in names.items() if name in known}}


def containers(params: Any) -> list[str]:
    """The params that a step could change in place: each step gets its own, for a node is a definition (1.1)."""
    if not hasattr(kind_of(params), "model_copy"):
        return []
    return [name for name, value in params if type(value) in (list, dict, set)]


def own_params(params: Any) -> Any:
    """The same params for one attempt, which may change what it finds in them (4.7)."""
    if type(params) is Values:
        return lend(params)
    held = containers(params)
    return with_fields(params, owned_of(params, held)) if held else params


def owned_of(params: Any, names: Iterable[str]) -> dict[str, Any]:
    """A step's own of these params of a model."""
    values = pairs_of(params)  # an extra of it may have the name of a method, which is what getattr finds
    return {name: owned(values[name]) for name in names}


def with_fields(params: Any, changes: Mapping[str, Any]) -> Any:
    """A copy of a model with other values in some fields; a field may have the name of a method of models."""
    return kind_of(params).model_copy(params, update=changes)


def pairs_of(params: Any) -> dict[str, Any]:
    """The params by name, of a mapping or a model: `dict(params)` would ask it for its `keys`, which may be a param."""
    return {**params} if isinstance(params, Mapping) else dict(iter(params))
