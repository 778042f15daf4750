"""What is seen of an engine from outside: a reading of its systems of actors and its clocks (semantics 10.5)."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal, Protocol, TypeVar

import msgspec

from ..model.masks import MASKS
from .glimpse import glimpse, shortened
from .stats import ActorStats, TickStats

__all__ = ["MOST", "SORTS", "Ask", "Kind", "Reading", "Sort", "View", "Watched", "ranked", "read", "view_of"]

Kind = Literal["actors", "clock"]
Sort = Literal["worst", "busy", "slow", "name"]
SORTS: Final = ("worst", "busy", "slow", "name")
MOST: Final = 1_000
"""How many nodes of one system a reading holds at most."""
MOST_VIEWS: Final = 50
LONGEST_NAME, LONGEST_REASON = 200, 300

_ILL: Final = {"restarting": 2, "paused": 1}
_ILL_HEALTH: Final = {"hung": 4, "failing": 3, "safe_state": 3, "stopped": 3, "late": 2, "behind": 1}
_ADDED_UP: Final = {
    "actors": ("depth", "processed", "failed", "rate_in", "rate_out", "restarts", "dead_letters", "dropped"),
    "clock": ("ticks", "expected", "failures", "misses", "overruns", "expired", "blocked"),
}
Stats = TypeVar("Stats", ActorStats, TickStats)


class Watched(Protocol):
    """What lives on and can be looked at: a system of actors, a clock."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str:
        """Either `actors` or `clock`."""
        ...

    def stats(self) -> Mapping[str, ActorStats] | Mapping[str, TickStats]:
        """How each node is doing now, by its id."""
        ...


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a reading is to hold.

    Attributes:
        sort: which nodes come first. limit: how many of each system there are at most.
    """

    sort: Sort = "worst"
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = 100


class View(msgspec.Struct, frozen=True):
    """One system or clock.

    Attributes:
        name, kind: which. count: how many nodes it has. totals: their figures added up.
        actors, ticks: the first of its nodes; of a kind there is only one.
    """

    name: str
    kind: Kind
    count: int = 0
    totals: dict[str, int | float] = {}
    actors: tuple[ActorStats, ...] = ()
    ticks: tuple[TickStats, ...] = ()

    @property
    def nodes(self) -> tuple[ActorStats, ...] | tuple[TickStats, ...]:
        """The first of its nodes, of its kind."""
        return self.actors if self.kind == "actors" else self.ticks


class Reading(msgspec.Struct, frozen=True):
    """One look at a process.

    Attributes:
        pid, program: which process. time: of the reading, in seconds since 1970. views: what lives there.
        hidden: how many more systems there are.
    """

    pid: int
    program: str
    time: float
    views: tuple[View, ...] = ()
    hidden: int = 0


def read(living: Iterable[Watched], ask: Ask | None = None) -> Reading:
    """Look at what lives in this process.

    Args:
        living: what to look at. ask: which nodes come first, and how many.
    """
    views = [view_of(each, ask or Ask()) for each in living]
    program = PurePath(sys.argv[0]).name if sys.argv else ""
    return Reading(os.getpid(), program, time.time(), tuple(views[:MOST_VIEWS]), max(len(views) - MOST_VIEWS, 0))


def view_of(watched: Watched, ask: Ask) -> View:
    """Look at one system or clock."""
    name = shortened(watched.name, LONGEST_NAME)
    kind: Kind = "clock" if watched.kind == "clock" else "actors"
    found: list[Any] = [*watched.stats().values()]
    totals: dict[str, int | float] = {word: sum(getattr(each, word) for each in found) for word in _ADDED_UP[kind]}
    first = ranked(found, ask.sort, ask.limit)[: ask.limit]
    if kind == "actors":
        return View(name, kind, len(found), totals, actors=tuple(map(_actor_told, first)))
    return View(name, kind, len(found), totals, ticks=tuple(map(_tick_told, first)))


def _actor_told(stats: ActorStats) -> ActorStats:
    """With what is safe to tell of its last input."""
    told = "" if stats.last_input is None else glimpse(stats.last_input)
    return msgspec.structs.replace(stats, node=shortened(stats.node, LONGEST_NAME), last_input=told)


def _tick_told(stats: TickStats) -> TickStats:
    reason = shortened(MASKS.text(stats.reason), LONGEST_REASON)
    return msgspec.structs.replace(stats, node=shortened(stats.node, LONGEST_NAME), reason=reason)


# --- which nodes come first


def ranked(stats: Sequence[Stats], sort: Sort, room: int) -> list[Stats]:
    """The nodes in an order; those that are alike in it stay as they are.

    Args:
        stats, sort: of the nodes. room: for how many; where it is enough for all, those that are well stay in place.
    """
    worst = _worst if len(stats) <= room else _worst_or_busiest
    keys: dict[Sort, Callable[[Any], Any]] = {"worst": worst, "busy": _busy, "slow": _slow, "name": _name}
    return sorted(stats, key=keys[sort])


def _name(stats: ActorStats | TickStats) -> str:
    return stats.node


def _worst(stats: ActorStats | TickStats) -> tuple[float, ...]:
    """What is ill, then what has been; roughly, so that lines do not dance."""
    if isinstance(stats, ActorStats):
        full = stats.maxsize > 0 and stats.depth >= stats.maxsize
        stopped = stats.state == "stopped" and stats.failed > 0  # alone, not when all have come to their end
        been = stats.failed + stats.dead_letters + stats.dropped + stats.restarts
        return -max(_ILL.get(stats.state, 0), 2 * full, 3 * stopped), -_roughly(been)
    been = stats.misses + stats.overruns + stats.expired + stats.blocked + stats.failures
    return -_ILL_HEALTH.get(stats.health, 0), -_roughly(been)


def _worst_or_busiest(stats: ActorStats | TickStats) -> tuple[float, ...]:
    if isinstance(stats, ActorStats):
        return *_worst(stats), -_roughly(stats.depth), -_roughly(stats.rate_in + stats.rate_out)
    return *_worst(stats), -_roughly(stats.expected - stats.ticks)


def _roughly(number: float) -> int:
    return math.frexp(number)[1] if number >= 1 else 0


def _busy(stats: ActorStats | TickStats) -> tuple[float, ...]:
    if isinstance(stats, ActorStats):
        return -(stats.rate_in + stats.rate_out), -stats.depth
    return (-stats.achieved_rate,)


def _slow(stats: ActorStats | TickStats) -> float:
    return -stats.latency_p99 if isinstance(stats, ActorStats) else -stats.error_p99
