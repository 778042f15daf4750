"""Params of an older version of a node type, brought to the newest: one step of its author's after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..errors import DefinitionError
from ..model.values import owned

if TYPE_CHECKING:
    from .node import Node

__all__ = ["Migrated", "migrated", "migrates"]


class Migrated(NamedTuple):
    """Params that were brought to the newest version.

    Attributes:
        params: by name. changes: what differs from those that were given, one line each; none where they are as they
            were.
    """

    params: dict[str, Any]
    changes: tuple[str, ...] = ()


def migrates(kind: type[Node], version: int | None) -> bool:
    """Whether a node type can take params of that version, which is older than its own."""
    return version is not None and version < kind.version and hasattr(kind, "migrate")


def migrated(kind: type[Node], params: Mapping[str, Any], version: int | None) -> Migrated:
    """The params of a document as the node type takes them now.

    `migrate(params, from_version)` of the type is called for each version on the way, and gives the params of the next.

    Args:
        kind: the node type. params: as they were given. version: what they were made for; None for the newest.

    Raises:
        DefinitionError: a step of the way is missing, or fails; the message says which.

    Example:
        >>> from nodeloom import Node, Params
        >>> class Fetch(Node):
        ...     version = 3
        ...     class Params(Params):
        ...         url: str
        ...         attempts: int = 3
        ...     @classmethod
        ...     def migrate(cls, params, from_version):
        ...         if from_version == 1:
        ...             return {"url": params["address"]}
        ...         return params | {"attempts": 5}
        ...     async def work(self): ...
        >>> migrated(Fetch, {"address": "x"}, 1).changes
        ("address: 'x' is gone", 'attempts: 5 is new', "url: 'x' is new")
    """
    if version is None or not migrates(kind, version):
        return Migrated(dict(params))
    now: dict[str, Any] = owned(dict(params))
    for step in range(version, kind.version):
        now = _step(kind, now, step)
    return Migrated(now, tuple(_changes(params, now)))


def _step(kind: type[Node], params: dict[str, Any], version: int) -> dict[str, Any]:
    what = f"params of {kind.identifier} cannot be brought from version {version} to {version + 1}"
    try:
        found: Any = cast("Any", kind).migrate(owned(params), version)
    except Exception as error:  # whatever an author's migrate raises is the reason
        raise DefinitionError(f"{what}: migrate raised {type(error).__name__}: {error}") from error
    if found is None:
        raise DefinitionError(f"{what}: migrate of {kind.__qualname__} has no step from there (it returned None)")
    if not isinstance(found, Mapping):
        raise DefinitionError(f"{what}: migrate returns params as a mapping, not {found!r:.80}")
    return dict(cast("Mapping[str, Any]", found))


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    names = sorted({*before, *after})
    return [line for name in names if (line := _change(name, before, after))]


def _change(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if name not in after:
        return f"{name}: {before[name]!r:.60} is gone"
    if name not in before:
        return f"{name}: {after[name]!r:.60} is new"
    same = type(before[name]) is type(after[name]) and before[name] == after[name]
    return "" if same else f"{name}: {before[name]!r:.60} is now {after[name]!r:.60}"
