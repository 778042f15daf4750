"""What is counted of a ticking node: cheap to write at each tick, worked out when somebody asks (semantics 10.5)."""

from __future__ import annotations

from array import array

from msgspec.structs import replace

from ..stats import Health, TickStats
from .schedule import Schedule

__all__ = ["KEPT", "Figures", "with_errors"]

KEPT = 4_096
"""Of how many ticks the errors of their periods are kept, the latest."""


BEHIND = 0.1
"""The share of its ticks that a node may leave out, of late, and still be called healthy."""

WEIGHT = 0.1
"""Of the newest tick in that share; those before it count less and less."""


class Figures:
    """The counts of one node. They are written and read under its clock's lock.

    Attributes:
        ticks: how many began. failures, misses, expired, blocked, restarts, late, lost: how often that happened.
        first: its first instant, later by as long as it was paused since.
        begun, done, gave: when its last tick began, when one was done, when it gave outputs; None before the first.
        data_age: how old what it read last was. health, reason: how it is in a word, and why.
    """

    __slots__ = (
        "_at",
        "_dropped",
        "_errors",
        "_left_out",
        "_since",
        "_worst",
        "begun",
        "blocked",
        "data_age",
        "done",
        "expired",
        "failures",
        "first",
        "gave",
        "health",
        "late",
        "lost",
        "misses",
        "reason",
        "restarts",
        "ticks",
    )

    def __init__(self) -> None:
        self._errors = array("d")
        self._at = 0
        self._worst = 0.0
        self.first = 0.0
        self.ticks = self.failures = self.misses = self.expired = self.blocked = 0
        self.restarts = self.late = self.lost = 0
        self.begun: float | None = None
        self._since: float | None = None
        self._dropped = 0
        self._left_out = 0.0
        self.done: float | None = None
        self.gave: float | None = None
        self.data_age: float | None = None
        self.health: Health = "waiting"
        self.reason = ""

    def begin(self, now: float, period: float | None, dropped: int) -> None:
        """A tick begins; by how much the time since the last one is not its period is kept, where it has one.

        Args:
            now: the time. period: seconds. dropped: how many ticks were left out in all.
        """
        left_out, self._dropped = dropped - self._dropped, dropped
        self._left_out += (left_out / (left_out + 1) - self._left_out) * WEIGHT
        if self._since is not None and period is not None:
            self._keep(abs(now - self._since - period))
        self._since = self.begun = now
        self.ticks += 1

    def break_off(self) -> None:
        """The time until the next tick is no period: it was paused, or its rate was changed."""
        self._since = None

    def _keep(self, error: float) -> None:
        self._worst = max(self._worst, error)
        if len(self._errors) < KEPT:
            self._errors.append(error)
        else:
            self._errors[self._at] = error
            self._at = (self._at + 1) % KEPT

    def feel(self, health: Health, reason: str = "") -> None:
        """How the node is from now on."""
        self.health = health
        self.reason = reason

    def snapshot(self, node: str, schedule: Schedule, now: float) -> TickStats:
        """The figures now, but for those of the errors of its periods."""
        missed = schedule.missed(now)
        health, reason = self._health()
        return TickStats(
            node=node,
            rate=schedule.rate,
            achieved_rate=self._achieved(schedule, now),
            ticks=self.ticks,
            expected=schedule.expected(now),
            failures=self.failures,
            error_max=self._worst,
            misses=self.misses,
            overruns=schedule.overruns + missed,
            expired=self.expired,
            blocked=self.blocked,
            last_run=None if self.begun is None else now - self.begun,
            data_age=self.data_age,
            output_age=None if self.gave is None else now - self.gave,
            health=health,
            reason=reason,
            dropped=schedule.dropped,
            restarts=self.restarts,
            late=self.late,
            lost=self.lost,
        )

    def _health(self) -> tuple[Health, str]:
        """How it is: of a node whose ticks are well, but do not come as often as they are to, that."""
        if self.health != "healthy" or self._left_out <= BEHIND:
            return self.health, self.reason
        return "behind", f"{self._left_out:.0%} of its ticks were left out of late"

    def errors(self) -> array[float]:
        """The errors of the latest periods, in no order; a copy."""
        return self._errors[:]

    def _achieved(self, schedule: Schedule, now: float) -> float:
        """Ticks a second, from the first instant until now, or the end; of the last tick a whole period counts."""
        if self.begun is None:
            return 0.0
        until = max(min(now, schedule.until), self.begun + 1.0 / schedule.rate)
        return self.ticks / (until - self.first)


def with_errors(stats: TickStats, errors: array[float]) -> TickStats:
    """The figures, with what is worked out of the errors of the periods: without the lock, for that takes a while."""
    ordered = sorted(errors)
    return replace(stats, error_p50=_share(ordered, 0.5), error_p99=_share(ordered, 0.99))


def _share(ordered: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
