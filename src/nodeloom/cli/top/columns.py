"""What the tables of actors and of ticking nodes show of each, and what goes first where there is no room for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from ...runners.stats import ActorStats, TickStats
from .units import count_text, precise_rate_text, rate_text, span_text

__all__ = ["ACTORS", "TICKS", "Cell", "Column", "Grid", "grid_of"]

BAR = 6
GAP = 2
UNUSED = 100
"""How much less a column matters that holds nothing but zeros."""
S = TypeVar("S", ActorStats, TickStats)


class Cell(NamedTuple):
    """What stands in a place of the table; in colour where something is not well."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Column(Generic[S]):
    """One figure of a node.

    Attributes:
        title: above it. rank: from 0, what stays longest. cell: how it looks for a node. right: numbers are aligned so.
        trouble: it is there for what went wrong, and matters little while nothing has.
    """

    title: str
    rank: int
    cell: Callable[[S], Cell]
    right: bool = True
    trouble: bool = False


class Grid(NamedTuple):
    """The columns there is room for: their titles, widths and cells, row by row."""

    columns: list[Column[Any]]
    widths: list[int]
    rows: list[list[Cell]]

    @property
    def width(self) -> int:
        return sum(self.widths) + GAP * (len(self.widths) - 1)


def grid_of(columns: Sequence[Column[Any]], stats: Sequence[Any], width: int) -> Grid:
    """The most important columns that fit, in the order they are given."""
    cells = [[column.cell(each) for each in stats] for column in columns]
    widths = [max(len(column.title), *(len(cell.text) for cell in below), 0) for column, below in _both(columns, cells)]
    widths[0] = min(widths[0], max(width // 3, 8))
    used = [any(cell.text not in ("0", "–", "") for cell in below) for below in cells]
    ranks = [column.rank + UNUSED * (column.trouble and not some) for column, some in zip(columns, used, strict=True)]
    taken: list[int] = []
    room = width + GAP
    for place in sorted(range(len(columns)), key=lambda place: ranks[place]):
        if widths[place] + GAP > room:
            break
        room -= widths[place] + GAP
        taken.append(place)
    taken.sort()
    rows = [[cells[place][row] for place in taken] for row in range(len(stats))]
    return Grid([columns[place] for place in taken], [widths[place] for place in taken], rows)


def _both(columns: Sequence[Column[Any]], cells: list[list[Cell]]) -> zip[tuple[Column[Any], list[Cell]]]:
    return zip(columns, cells, strict=True)


def _span(word: str) -> Callable[[Any], Cell]:
    """A time; units are aligned, whether they have one letter or two."""

    def cell(stats: ActorStats | TickStats) -> Cell:
        text = span_text(getattr(stats, word))
        return Cell(f"{text} " if text.endswith((" s", " h")) else text)

    return cell


def _trouble(word: str, style: str) -> Callable[[Any], Cell]:
    """How often something went wrong."""

    def cell(stats: ActorStats | TickStats) -> Cell:
        number = getattr(stats, word)
        return Cell(count_text(number), style if number else "dim")

    return cell


# --- actors

_STATES = {"restarting": "yellow", "paused": "", "processing": "", "idle": "dim"}


def _state(stats: ActorStats) -> Cell:
    """Where all have come to their end nothing is wrong; one that failed was stopped for that."""
    stopped = "red" if stats.failed else "dim"
    return Cell(stats.state, _STATES.get(stats.state, stopped))


def _fullness(stats: ActorStats) -> str:
    share = stats.depth / stats.maxsize if stats.maxsize else 0.0
    return "red" if share >= 1 else "yellow" if share >= 0.8 else ""


def _depth(stats: ActorStats) -> Cell:
    holds = f"/{count_text(stats.maxsize)}" if stats.maxsize else ""
    return Cell(f"{count_text(stats.depth)}{holds}", _fullness(stats))


def _bar(stats: ActorStats) -> Cell:
    share = min(stats.depth / stats.maxsize, 1.0) if stats.maxsize else 0.0
    full = max(round(share * BAR), stats.depth > 0)
    return Cell("━" * full + "─" * (BAR - full), _fullness(stats) or "dim")


ACTORS: tuple[Column[ActorStats], ...] = (
    Column("NODE", 0, lambda each: Cell(each.node, "bold" if each.processing else ""), right=False),
    Column("STATE", 1, _state, right=False),
    Column("", 12, _bar, right=False),
    Column("MAILBOX", 2, _depth),
    Column("IN/S", 8, lambda each: Cell(rate_text(each.rate_in))),
    Column("OUT/S", 5, lambda each: Cell(rate_text(each.rate_out))),
    Column("P50", 11, _span("latency_p50")),
    Column("P99", 6, _span("latency_p99")),
    Column("DONE", 7, lambda each: Cell(count_text(each.processed))),
    Column("FAILED", 4, _trouble("failed", "yellow"), trouble=True),
    Column("RESTARTS", 10, _trouble("restarts", "yellow"), trouble=True),
    Column("DEAD", 3, _trouble("dead_letters", "red"), trouble=True),
    Column("DROPPED", 9, _trouble("dropped", "yellow"), trouble=True),
)


# --- ticking nodes

HEALTH = {
    "behind": "yellow",
    "late": "yellow",
    "failing": "red",
    "safe_state": "red",
    "hung": "red",
    "stopped": "yellow",
    "waiting": "dim",
}


def _achieved(stats: TickStats) -> Cell:
    begun = stats.ticks > 1
    short = begun and stats.achieved_rate < 0.98 * stats.rate
    return Cell(precise_rate_text(stats.achieved_rate) if begun else "–", "yellow" if short else "")


def _ticks(stats: TickStats) -> Cell:
    return Cell(f"{count_text(stats.ticks)}/{count_text(stats.expected)}")


TICKS: tuple[Column[TickStats], ...] = (
    Column("NODE", 0, lambda each: Cell(each.node), right=False),
    Column("HEALTH", 1, lambda each: Cell(each.health.replace("_", " "), HEALTH.get(each.health, "")), right=False),
    Column("ASKED", 3, lambda each: Cell(f"{each.rate:,g}")),
    Column("HZ", 2, _achieved),
    Column("P50", 11, _span("error_p50")),
    Column("P99", 5, _span("error_p99")),
    Column("MAX", 10, _span("error_max")),
    Column("TICKS", 6, _ticks),
    Column("FAILED", 6, _trouble("failures", "red"), trouble=True),
    Column("MISSES", 4, _trouble("misses", "yellow"), trouble=True),
    Column("OVERRUNS", 7, _trouble("overruns", "yellow"), trouble=True),
    Column("WATCHDOG", 8, _trouble("expired", "red"), trouble=True),
    Column("BLOCKED", 9, _trouble("blocked", "red"), trouble=True),
    Column("RESTARTS", 13, _trouble("restarts", "yellow"), trouble=True),
    Column("LOST", 14, _trouble("lost", "yellow"), trouble=True),
    Column("AGE", 12, _span("data_age"), trouble=True),
)
