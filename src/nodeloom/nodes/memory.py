"""A node's own memory, and the working copy an attempt writes to (semantics 4.1, 4.7)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, MutableMapping
from typing import Any

from ..model.values import owned

__all__ = ["Memory", "Parted"]


class Memory(MutableMapping[str, Any]):
    """What an attempt sees of its node's memory: its changes are kept when it completes, else forgotten.

    Keys read as attributes too. A dict, list or set is copied when it is first read, so a failed attempt that
    changed it in place leaves no trace either.
    """

    __slots__ = ("_gone", "_kept", "_own")

    def __init__(self, kept: MutableMapping[str, Any]) -> None:
        object.__setattr__(self, "_kept", kept)
        object.__setattr__(self, "_own", {})
        object.__setattr__(self, "_gone", set())

    _kept: MutableMapping[str, Any]
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

    def __delattr__(self, name: str) -> None:
        del self[name]

    def __repr__(self) -> str:
        return f"Memory({dict(self)!r})"

    def anew(self) -> Memory:
        """The same memory for another attempt, as it was before this one."""
        return Memory(self._kept)

    def commit(self) -> None:
        """Keep what the attempt changed."""
        for key in self._gone:
            self._kept.pop(key, None)
        for key, value in self._own.items():  # a copy: the node may have handed the same list on
            self._kept[key] = owned(value)
        self._gone.clear()


class Parted(MutableMapping[str, Any]):
    """Two mappings as one: the named keys are kept in the lasting one, all others in the passing one."""

    __slots__ = ("_keys", "_lasting", "_passing")

    def __init__(self, keys: Collection[str], lasting: dict[str, Any], passing: dict[str, Any]) -> None:
        self._keys = keys
        self._lasting = lasting
        self._passing = passing

    def _home(self, key: str) -> dict[str, Any]:
        return self._lasting if key in self._keys else self._passing

    def __getitem__(self, key: str) -> Any:
        return self._home(key)[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._home(key)[key] = value

    def __delitem__(self, key: str) -> None:
        del self._home(key)[key]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._lasting, *self._passing])

    def __len__(self) -> int:
        return len(self._lasting) + len(self._passing)
