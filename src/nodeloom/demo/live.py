"""The same nodes, living: the week of earthquakes comes in by the clock, and flows through actors.

A definition does not know what it runs in. `grade`, `strong`, `moderate` and `minor` are those of the workflow; here
each has a mailbox, and handles one earthquake after the other as they come. The clock has a node that replays the week
in a few seconds, and a slower one that reads the newest of what the first has given.
"""

# pyright: reportUnusedExpression=false

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from nodeloom import Clock, Engine, Graph, node

from ..runners.actors.system import ActorSystem
from ..runners.readings import Watched
from ..runners.ticks.report import Report
from .quakes import MODERATE, STRONG, Airport, Quake, ranked
from .workflow import grade, minor, moderate, strong

__all__ = ["Lived", "Screen", "live"]

REPLAYED, LOOKED = 50, 5
"""Ticks a second: of the replay, and of who looks at it."""

Screen: TypeAlias = Callable[[Sequence[Watched]], AbstractAsyncContextManager[Any]]
"""Shows what lives for as long as it is entered."""
Inputs = Mapping[str, Any]


@dataclass(frozen=True)
class Lived:
    """What became of it.

    Attributes:
        sent: how many earthquakes were. strongest: of those that reached the board. report: of the clock.
        processed: how many came to the end of their way. left, dead: how many did not.
    """

    sent: int
    processed: int
    left: int
    dead: int
    strongest: Quake | None
    report: Report


# --- 1. Actors: the nodes of the workflow, and a board at the end, which remembers.


@node(memory=True, join="any", isolation="inline")
def board(inputs: Inputs, ctx: Any) -> Inputs:
    """Counts what comes, and keeps the strongest."""
    quake = next(iter(inputs.values()))
    known = ctx.memory.get("strongest")
    ctx.memory["strongest"] = quake if known is None else ranked([known, quake])[0]
    ctx.memory["count"] = ctx.memory.get("count", 0) + 1
    return {"count": ctx.memory["count"], "strongest": ctx.memory["strongest"]}


def stations(airports: tuple[Airport, ...]) -> Graph:
    """What each earthquake goes through."""

    @dataclass
    class Sky:
        """The state that each earthquake begins with; all share the airports."""

        airports: tuple[Airport, ...] = field(default_factory=lambda: airports)

    graded = grade.copy()
    bands = [strong.copy(), moderate.copy(), minor.copy()]
    graded.on(magnitude__gte=STRONG) >> bands[0]
    graded.on(magnitude__gte=MODERATE) >> bands[1]
    graded.otherwise() >> bands[2]
    bands >> board.copy()
    return Graph(graded, name="stations", state=Sky)


# --- 2. A clock: the week in a few seconds. What comes faster than it is handled waits in the mailboxes, then here.


def replay_of(quakes: Sequence[Quake], system: ActorSystem, seconds: float) -> Graph:
    """A node that sends each earthquake when its time has come, and one that looks how far it is."""
    coming = sorted(quakes, key=lambda quake: quake["time"])
    first, last = coming[0]["time"], coming[-1]["time"]
    waiting = iter(coming)
    began = time.monotonic()

    @node(rate=REPLAYED, memory=True)
    async def replay(ctx: Any) -> Inputs:
        """Those of the last moment."""
        until = first + (last - first) * (time.monotonic() - began) / (0.9 * seconds)
        held: Quake | None = ctx.memory.get("next") or next(waiting, None)
        sent = 0
        while held is not None and held["time"] <= until:
            await system.tell("grade", {"quake": held})
            held, sent = next(waiting, None), sent + 1
        ctx.memory["next"] = held
        return {"sent": sent, "until": until}

    @node(rate=LOOKED, isolation="inline")
    def look(inputs: Inputs) -> Inputs:
        """How far the week is."""
        return {"done": (inputs["until"] - first) / (last - first) if "until" in inputs else 0.0}

    replay.goto(look, metadata={"read": "latest"})
    return Graph(replay, name="replay")


# --- 3. Both on one engine, watched; then the end: the clock first, the actors when they have nothing left to do.


async def live(week: Mapping[str, Any], seconds: float, screen: Screen | None = None) -> Lived:
    """Let a week of earthquakes come in.

    Args:
        week: the state in which the workflow ended. seconds: how long it takes. screen: shows it meanwhile.
    """
    quakes: Sequence[Quake] = week["quakes"]
    async with Engine() as engine, engine.actors(stations(tuple(week["airports"]))) as system:
        came: list[Inputs] = []
        gone: list[Inputs] = []
        system["board"].add_observer(came.append)
        clock = Clock(replay_of(quakes, system, seconds), name="replay", engine=engine)
        clock["replay"].add_observer(gone.append)
        async with screen([system, clock]) if screen else nullcontext():
            report = await clock.run(seconds)
            await system.drain()
        left = await system.stop()
        sent = sum(each["sent"] for each in gone)
        strongest = came[-1]["strongest"] if came else None
        return Lived(sent, len(came), len(left), system.dead_letters.total, strongest, report)
