"""A node's own memory, and the working copy an attempt writes to (semantics 4.1, 4.7)."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from ..model.values import owned

__all__ = ["Memory"]


class Memory(MutableMapping[str, Any]):
    """What an attempt sees of its node's memory: its changes are kept when it completes, else forgotten.

    Keys read as attributes too. A dict, list or set is copied when it is first read, so a failed attempt that
    changed it in place leaves no trace either.
    """

    __slots__ = ("_gone", "_kept", "_own")

    def __init__(self, kept: dict[str, Any]) -> None:
        object.__setattr__(self, "_kept", kept)
        object.__setattr__(self, "_own", {})
        object.__setattr__(self, "_gone", set())

    _kept: dict[str, Any]
    _own: dict[str, Any]
    _gone: set[str]

    def __getitem__(self, key: str) -> Any:
        if key in self._own:
            return self._own[key]
        if key in self._gone:
            raise KeyError(key)
        self._own[key] = owned(self._kept[key])
        return self._own[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._own[key] = value

    def __delitem__(self, key: str) -> None:
        self[key]
        del self._own[key]
        self._gone.add(key)

    def __iter__(self) -> Iterator[str]:
        kept = [key for key in self._kept if key not in self._gone and key not in self._own]
        return iter([*kept, *self._own])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the memory has no key {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __repr__(self) -> str:
        return f"Memory({dict(self)!r})"

    def commit(self) -> None:
        """Keep what the attempt changed."""
        for key in self._gone:
            self._kept.pop(key, None)
        self._kept.update(self._own)
        self._gone.clear()
