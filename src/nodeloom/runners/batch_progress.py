"""What watchers are told of a batch: each item as it ends, and how far it is (semantics 8.5)."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from msgspec.structs import asdict

from ..model.batch import Slot
from ..nodes.context import Context
from ..nodes.event import EventType

__all__ = ["Progress"]

PERIOD = 0.1
"""Seconds between two words on how far it is."""
LOOK_BACK = 50
"""How many of them the rate is taken over."""

_EVENTS: dict[str, EventType] = {"ok": "item_completed", "failed": "item_failed", "cancelled": "item_cancelled"}


class Progress:
    """Counts the items of a step as they end, and tells its watchers.

    Args:
        ctx: the step's. total: how many items there are, where that is known.
    """

    __slots__ = ("_clock", "_ctx", "_failed", "_last", "_points", "_total", "done")

    def __init__(self, ctx: Context, total: int | None) -> None:
        self._ctx = ctx
        self._total = total
        self._clock = asyncio.get_running_loop().time
        self.done = self._failed = 0
        self._last = self._clock()
        self._points: deque[tuple[float, int]] = deque([(self._last, 0)], LOOK_BACK)
        self._tell(None)

    def ended(self, slot: Slot, ctx: Context) -> None:
        """An item has ended."""
        data: dict[str, Any] = {"index": slot.index, "duration": slot.seconds}
        if slot.status == "ok":
            data["outputs"] = slot.output
        elif slot.error is not None:
            data["error"] = asdict(slot.error)
        ctx.live.emit(_EVENTS[slot.status], ctx, **data)
        if slot.status == "cancelled":
            return
        self.done += 1
        self._failed += slot.status == "failed"
        now = self._clock()
        if now - self._last >= PERIOD:
            self._tell(self._rate(now))

    def over(self) -> None:
        """No more items end."""
        if self._total is None:
            self._total = self.done
        self._tell(self._rate(self._clock()))

    def _rate(self, now: float) -> float | None:
        """Items a second, lately."""
        self._last = now
        then, before = self._points[0]
        self._points.append((now, self.done))
        return (self.done - before) / (now - then) if now > then else None

    def _tell(self, rate: float | None) -> None:
        left = None if self._total is None or not rate else (self._total - self.done) / rate
        self._ctx.live.emit(
            "progress",
            self._ctx,
            done=self.done,
            total=self._total,
            message=f"{self._failed} failed" if self._failed else "",
            failed=self._failed,
            rate=rate,
            left=left,
        )
