"""A reading as lines of words, for what is no terminal."""

from __future__ import annotations

from collections.abc import Iterator

from ...runners.readings import Reading, View
from ...runners.stats import ActorStats, TickStats
from ..progress import clock
from ..tally import one_line
from .table import rest_text
from .units import count_text, precise_rate_text, rate_text, span_text

__all__ = ["actor_words", "plain_lines", "tick_words"]

_OF_ACTORS = {"failed": "failed", "restarts": "restarts", "dead_letters": "dead letters", "dropped": "dropped"}
_OF_TICKS = {
    "failures": "failed",
    "misses": "misses",
    "overruns": "overruns",
    "expired": "watchdog",
    "blocked": "blocked",
    "restarts": "restarts",
    "lost": "lost",
}


def plain_lines(reading: Reading, rows: int | None = None) -> Iterator[str]:
    """A line for each node.

    Args:
        reading: what. rows: how many nodes of each system at most.
    """
    time = clock(reading.time)
    for view in reading.views:
        yield from (f"{time} {line}" for line in _of_view(view, rows))
    if not reading.views:
        yield f"{time} nothing lives here at the moment"


def _of_view(view: View, rows: int | None) -> Iterator[str]:
    name = one_line(view.name)
    shown = view.nodes[:rows]
    for each in shown:
        words = actor_words(each) if isinstance(each, ActorStats) else tick_words(each)
        yield f"{name}/{one_line(each.node)} {words}"
    if rest := rest_text(view, shown):
        yield f"{name} {rest}"


def actor_words(stats: ActorStats) -> str:
    """How an actor is doing, in words; what went wrong only where something has."""
    holds = f"/{count_text(stats.maxsize)}" if stats.maxsize else ""
    return ", ".join(
        [
            stats.state,
            f"mailbox {count_text(stats.depth)}{holds}",
            f"in {rate_text(stats.rate_in)}/s, out {rate_text(stats.rate_out)}/s",
            f"p50 {span_text(stats.latency_p50)}, p99 {span_text(stats.latency_p99)}",
            f"{count_text(stats.processed)} done",
            *_troubles(stats, _OF_ACTORS),
        ]
    )


def tick_words(stats: TickStats) -> str:
    """How a ticking node is doing, in words."""
    age = [f"data {span_text(stats.data_age)} old"] if stats.data_age is not None else []
    spans = (span_text(each) for each in (stats.error_p50, stats.error_p99, stats.error_max))
    p50, p99, longest = spans
    return ", ".join(
        [
            stats.health.replace("_", " "),
            f"{precise_rate_text(stats.achieved_rate)} of {stats.rate:,g} Hz",
            f"period error p50 {p50}, p99 {p99}, max {longest}",
            f"{count_text(stats.ticks)} of {count_text(stats.expected)} ticks",
            *_troubles(stats, _OF_TICKS),
            *age,
            *([one_line(stats.reason)] if stats.reason else []),
        ]
    )


def _troubles(stats: ActorStats | TickStats, names: dict[str, str]) -> list[str]:
    return [f"{count_text(getattr(stats, word))} {name}" for word, name in names.items() if getattr(stats, word)]
