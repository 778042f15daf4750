"""Figures as people read them: 820 µs, 1.2 ms, 99.98 a second, 12,345."""

from __future__ import annotations

__all__ = ["count_text", "precise_rate_text", "rate_text", "span_text"]

NONE = "–"
_UNITS = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (60.0, 1.0, "s"), (3600.0, 1 / 60, "min"))


def span_text(seconds: float | None) -> str:
    """A short time: three digits that matter, and a unit. Nothing has no time."""
    if seconds is None or seconds <= 0:
        return NONE
    for below, times, unit in _UNITS:
        text = _digits(seconds * times)
        if seconds < below and text != "1000":
            return f"{text} {unit}"
    return f"{_digits(seconds / 3600)} h"


def _digits(number: float) -> str:
    return f"{number:.1f}" if number < 9.95 else f"{number:.0f}"


def rate_text(rate: float) -> str:
    """How many a second: 0, 0.25, 9.8, 120, 12,345."""
    if rate <= 0:
        return "0"
    if rate < 0.995:
        return f"{rate:.2f}"
    return f"{rate:.1f}" if rate < 9.95 else f"{rate:,.0f}"


def precise_rate_text(rate: float) -> str:
    """How many a second where a hundredth of a percent matters: 99.98, 1,000, 0.25."""
    if rate >= 999.95:
        return f"{rate:,.0f}"
    return f"{rate:.1f}" if rate >= 99.995 else f"{rate:.2f}"


def count_text(number: float) -> str:
    """How many there are; millions in short."""
    return f"{number:,.0f}" if number < 10_000_000 else f"{number / 1e6:,.1f}M"
