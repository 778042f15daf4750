"""The transactional store that steps coordinate through, in memory (semantics 4.1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from ..errors import StepError
from ..nodes.memory import Memory

__all__ = ["MemoryShared"]


class MemoryShared:
    """Keys and values; a transaction sees and changes them alone, and commits whole or not at all.

    Example:
        `async with ctx.shared.transaction() as t: t["seats"] = t.get("seats", 10) - 1`
    """

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._lock: asyncio.Lock | None = None
        self._owner: asyncio.Task[Any] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Memory]:
        """A mapping to read and write; an exception inside undoes every write."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        task = asyncio.current_task()
        if self._lock.locked() and self._owner is task:
            raise StepError("a transaction on the shared store is open in this step already; use that one")
        async with self._lock:
            self._owner = task
            view = Memory(self._values)
            try:
                yield view
            finally:
                self._owner = None
            view.commit()
