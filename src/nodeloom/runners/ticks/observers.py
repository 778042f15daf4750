"""Who is told what happens to a clock, and what its nodes give (semantics 9.9, 10.5)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from ...model.masks import MASKS
from ...model.values import Values
from ...nodes.context import Live
from ...nodes.event import Event, EventType
from ...nodes.live import Attempted
from ..observers import Observers
from .ticker import Tick

__all__ = ["ClockEvent", "ClockObservers", "WatchedLive"]

log = logging.getLogger("nodeloom.clock")


class ClockEvent(msgspec.Struct, frozen=True):
    """One thing that happened to a clock.

    Attributes:
        type: `failed`, `missed`, `expired`, `blocked`, `safe_state`, `safe_state_failed`, `restarted`, `stopped`; and
            `chunk` and `progress`, as of a run.
        node: the node it is about; empty where it is about none. time: seconds since the epoch.
        data: what belongs to it, as a `reason`; a `chunk`, or `done`, `total` and `message`, with the `attempt`.
    """

    type: str
    node: str
    time: float
    data: dict[str, Any]


class WatchedLive(Live):
    """A run of one step of a tick, of which the clock's watcher is told what it streams, and how far it is."""

    __slots__ = ("_tell", "_tick")

    def tell_by(self, tell: Callable[[str, str, dict[str, Any]], None], tick: Tick) -> None:
        """Tell by this; of a tick that was given up, nothing more."""
        self._tell, self._tick = tell, tick
        self.watch = _nobody

    def emit(self, type: EventType, ctx: Attempted | None = None, **data: Any) -> None:
        """Tell the watcher, from any thread; of all that happens in a run, chunks and progress alone."""
        if ctx is not None and type in ("chunk", "progress") and not self._tick.given_up:
            self._tell(type, ctx.node_id, MASKS.data({**data, "attempt": ctx.attempt}))


def _nobody(event: Event) -> None:
    """In the place of a run's watcher: that there is one is asked for, and it is told by other ways."""


class ClockObservers:
    """Those who observe a clock. They are told on its loop; one that fails is logged, and disturbs nobody.

    Args:
        watch: is told of each event.
    """

    def __init__(self, watch: Callable[[ClockEvent], Any] | None = None) -> None:
        self.watch = watch
        self._of: dict[str, Observers] = {}

    def of(self, node_id: str) -> Observers:
        """Those who are given the outputs of a node."""
        known = self._of.get(node_id)
        if known is None:
            known = self._of[node_id] = Observers(node_id)
        return known

    def tell(self, node_id: str, outputs: Values) -> None:
        """A node has given outputs."""
        self.of(node_id).tell(outputs)

    async def close(self, within: float) -> None:
        """Let async observers finish what they have, for these seconds at most."""
        await asyncio.gather(*[each.close(within) for each in self._of.values()])

    def happened(self, event: ClockEvent) -> None:
        """Something has happened."""
        try:
            if self.watch is not None:
                self.watch(event)
        except Exception:
            log.exception("a watcher of the clock failed")
