"""What the report says: the figures of the week, and everything its template is given by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from .figures import radius
from .quakes import Band, Quake, band_row, energy, ranked, read_time, strongest_row

__all__ = ["TEMPLATE", "contents", "summary_of"]

TEMPLATE = files("nodeloom.demo").joinpath("report.html.jinja").read_text(encoding="utf-8")
_DAY = 86_400_000
_LEGEND: tuple[tuple[str, float, Band], ...] = (
    ("M 6", 6.0, "strong"),
    ("M 5, strong from 4.5", 5.0, "strong"),
    ("M 3, moderate from 2.5", 3.0, "moderate"),
    ("M 1, minor", 1.0, "minor"),
)
_INSETS = (
    ("draw_alaska", "Alaska and the Aleutians"),
    ("draw_west", "Western states"),
    ("draw_taiwan", "Taiwan"),
)


def summary_of(
    graded: Mapping[Band, Sequence[Quake]],
    *,
    others: Sequence[str],
    generated: int,
    airports: int,
    notes: Sequence[str],
) -> dict[str, Any]:
    """The figures of the week.

    Args:
        graded: the earthquakes by band. others: the kinds of the events that were none.
        generated: when the feed was made. airports: how many were looked through. notes: remarks made on the way.
    """
    everything = ranked([quake for band in graded.values() for quake in band])
    times = [quake["time"] for quake in everything]
    rows = [band_row(band, graded[band], everything) for band in ("strong", "moderate", "minor")]
    days = max((max(times) - min(times)) / _DAY, 1 / 24)
    return {
        "total": len(everything),
        "total_text": f"{len(everything):,}",
        "energy": sum(energy(quake["magnitude"]) for quake in everything),
        "per_day": f"{len(everything) / days:,.0f}",
        "first": read_time(min(times)),
        "last": read_time(max(times)),
        "generated": read_time(generated),
        "strong_text": rows[0]["count_text"],
        "strong_energy": rows[0]["energy_text"],
        "airports_text": f"{airports:,}",
        "bands": rows,
        "ten": [strongest_row(place, quake) for place, quake in enumerate(everything[:10], 1)],
        "strongest": strongest_row(1, everything[0]),
        "notes": [*_remarks(everything, others), *notes],
    }


def _remarks(quakes: Sequence[Quake], others: Sequence[str]) -> list[str]:
    kinds = " and ".join(f"{count} {kind}{'s' * (count != 1)}" for kind, count in sorted(Counter(others).items()))
    alerts = Counter(quake["alert"] for quake in quakes if quake["alert"])
    named = ", ".join(f"{count} {colour}" for colour, count in sorted(alerts.items()))
    remarks = [f"Left out, for they are no earthquakes: {kinds}."] if kinds else []
    return [*remarks, f"Alert levels in the feed: {named}."] if named else remarks


def contents(outputs: Mapping[str, Any], summary: Mapping[str, Any], title: str) -> dict[str, Any]:
    """Everything the template is given.

    Args:
        outputs: what the drawing nodes returned, by node id. summary: of `summary_of`. title: of the report.
    """
    return {
        "title": title,
        "summary": summary,
        "world": outputs["draw_world"]["map"],
        "insets": [_inset(outputs[node]["map"], node, name) for node, name in _INSETS],
        "magnitudes": outputs["draw_charts"]["magnitudes"],
        "week": outputs["draw_charts"]["week"],
        "legend": [_legend_entry(*entry) for entry in _LEGEND],
    }


def _inset(drawn: Mapping[str, Any], node: str, name: str) -> dict[str, Any]:
    return {"id": node, "name": name, "map": drawn, "count_text": f"{drawn['count']:,} earthquakes"}


def _legend_entry(label: str, magnitude: float, band: Band) -> dict[str, Any]:
    size = 2 * radius(magnitude) + 2
    return {
        "label": label,
        "band": band,
        "r": f"{radius(magnitude):.1f}",
        "size": f"{size:.1f}",
        "middle": f"{size / 2:.1f}",
    }
