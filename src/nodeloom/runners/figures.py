"""The figures of what lives on, as events: what a live table shows, for programs (semantics 9, 10.5)."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from ..nodes.event import Event
from ..resources.given import check_seconds
from .readings import Watched

__all__ = ["figures"]


async def figures(living: Watched, every: float, is_over: Callable[[], bool]) -> AsyncIterator[Event]:
    """An event now, and one every so many seconds until it is over, the last one then.

    Args:
        living: what to look at. every: seconds. is_over: whether it has ended.

    Returns:
        Events of type `stats`, whose `run_id` is the name, and whose data hold the `kind` (`actors` or `clock`) and the
        figures of the `nodes` by id.
    """
    check_seconds("every", every)
    for number in itertools.count(1):
        ended = is_over()
        yield Event("stats", number, time.time(), living.name, data=_told(living))
        if ended:
            return
        await asyncio.sleep(every)


def _told(living: Watched) -> dict[str, Any]:
    nodes = {node_id: msgspec.structs.asdict(stats) for node_id, stats in living.stats().items()}
    return {"kind": living.kind, "nodes": nodes}
