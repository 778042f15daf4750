"""What a node's outputs are called, as far as it can be told before a run (semantics 12.2)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..errors import DefinitionError

__all__ = ["known_outputs", "outputs_of"]


def outputs_of(kind: Any) -> Collection[str] | None:
    """The names that a node type declares as its `Outputs`; None where it declares none, or allows others."""
    declared = getattr(kind, "Outputs", None)
    if declared is None or declared.model_config.get("extra") == "allow":
        return None
    return frozenset(declared.model_fields)


def known_outputs(node: Any) -> frozenset[str] | None:
    """The names of a node's outputs in its place; None where there may be any: in a batch, and with a fallback.

    Raises:
        DefinitionError: its `output_names` gives something else than names.
    """
    if node.batch is not None or any(getattr(policy, "layer", "") == "fallback" for policy in node.policies):
        return None
    names = node.output_names()
    if names is None:
        return None
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise DefinitionError(f"output_names of {type(node).__qualname__} gives names, or None for any, not {names!r}")
    return frozenset(names)
