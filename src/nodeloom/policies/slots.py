"""Slots: at most so many at once, in the order of asking."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

__all__ = ["Slots"]


class Slots:
    """Up to `limit` holders at once; who waits is served in the order of asking, and nobody overtakes.

    A slot that becomes free while somebody waits is handed over, and never free in between. Whoever is cancelled
    while waiting leaves the line; whoever is cancelled when the slot was just handed over gives it back.

    Args:
        limit: how many may hold a slot at once.

    Example:
        >>> slots = Slots(1)
        >>> slots.try_acquire(), slots.try_acquire()
        (True, False)
    """

    __slots__ = ("__weakref__", "_waiting", "free", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.free = limit
        self._waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    @property
    def held(self) -> int:
        """How many slots are held."""
        return self.limit - self.free

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return len(self._waiting)

    def try_acquire(self) -> bool:
        """Take a slot if that needs no wait."""
        if self.free:  # then nobody waits: a slot is handed over while somebody does
            self.free -= 1
            return True
        return False

    async def acquire(self) -> None:
        """Take a slot, behind those who asked before."""
        if self.try_acquire():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.release()
            else:
                self._waiting.pop(turn, None)
            raise

    def release(self) -> None:
        """Give a slot back: to who waits longest, if anyone does."""
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1
