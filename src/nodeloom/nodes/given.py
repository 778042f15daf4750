"""What a caller gives with a run, as the runtime takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ..errors import ParamsError
from ..model.values import EMPTY, Values, kind_of

__all__ = ["as_mapping", "read_only"]


def as_mapping(value: Any) -> Mapping[str, Any]:
    """What a node is called with: a mapping, or a dataclass or model as one."""
    if value is None:
        return EMPTY
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value)
    if hasattr(kind_of(value), "model_dump"):
        return {**kind_of(value).model_dump(value)}
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    if hasattr(value, "__dict__"):
        return {**vars(value)}
    raise ParamsError(f"a node is called with a mapping, a dataclass or a model, not {type(value).__name__}")


def read_only(given: Any) -> Any:
    """A run's `metadata` or `config` as its steps see it: the mapping cannot be changed, what is in it is shared."""
    if given is None:
        return EMPTY
    if type(given) is Values or not isinstance(given, Mapping):
        return given
    return Values(cast("Mapping[str, Any]", given))
