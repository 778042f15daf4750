"""Earthquakes as plain data, and what can be said about a list of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

__all__ = [
    "MODERATE",
    "STRONG",
    "Airport",
    "Band",
    "Quake",
    "band_row",
    "energy",
    "ranked",
    "read_quake",
    "read_time",
    "strongest_row",
]

MODERATE, STRONG = 2.5, 4.5
"""The magnitudes from which the USGS keeps feeds of their own: mostly felt; possibly harmful."""

Band: TypeAlias = Literal["strong", "moderate", "minor"]
_RANGES: dict[Band, str] = {"strong": "4.5 and over", "moderate": "2.5 to 4.4", "minor": "under 2.5"}


class Airport(TypedDict):
    """One airport of the register."""

    code: str
    name: str
    region: str
    longitude: float
    latitude: float


class Quake(TypedDict):
    """One earthquake: what the feed says of it, and for a strong one what the workflow found."""

    id: str
    magnitude: float
    place: str
    time: int
    longitude: float
    latitude: float
    depth: float
    alert: str | None
    airport: NotRequired[Airport]
    distance: NotRequired[float]


def read_quake(feature: Mapping[str, Any]) -> Quake:
    """A feature of the GeoJSON feed, down to what the report needs. `time` is in milliseconds since 1970."""
    properties = feature["properties"]
    longitude, latitude, depth = feature["geometry"]["coordinates"]
    return {
        "id": feature["id"],
        "magnitude": properties["mag"],
        "place": properties["place"],
        "time": properties["time"],
        "longitude": longitude,
        "latitude": latitude,
        "depth": depth,
        "alert": properties["alert"],
    }


def energy(magnitude: float) -> float:
    """The energy set free, in joules, after Gutenberg and Richter: log10 E = 4.8 + 1.5 M."""
    return float(10.0 ** (4.8 + 1.5 * magnitude))


def ranked(quakes: Sequence[Quake]) -> list[Quake]:
    """The strongest first; of equals the earlier."""
    return sorted(quakes, key=lambda quake: (-quake["magnitude"], quake["time"], quake["id"]))


def read_time(milliseconds: int, pattern: str = "{0.day} {0:%b %Y, %H:%M}") -> str:
    """A time of the feed in words, UTC."""
    return pattern.format(datetime.fromtimestamp(milliseconds / 1000, UTC))


def band_row(band: Band, quakes: Sequence[Quake], everything: Sequence[Quake]) -> dict[str, Any]:
    """One line of the table of bands: figures as they are, and as words where they are shown."""
    released = sum(energy(quake["magnitude"]) for quake in quakes)
    share = released / sum(energy(quake["magnitude"]) for quake in everything) if quakes else 0.0
    deepest = max((quake["depth"] for quake in quakes), default=None)
    return {
        "band": band,
        "range": _RANGES[band],
        "count": len(quakes),
        "count_text": f"{len(quakes):,}",
        "share_text": f"{len(quakes) / max(1, len(everything)):.1%}",
        "energy": released,
        "energy_text": f"{share:.1%}" if share >= 0.001 else ("under 0.1%" if quakes else "none"),
        "deepest_text": "none" if deepest is None else f"{deepest:,.0f}",
    }


def strongest_row(rank: int, quake: Quake) -> dict[str, Any]:
    """One line of the table of the strongest."""
    row: dict[str, Any] = {
        "rank": rank,
        "id": quake["id"],
        "magnitude": f"{quake['magnitude']:.1f}",
        "place": quake["place"],
        "time": read_time(quake["time"], "{0.day} {0:%b, %H:%M}"),
        "depth": f"{quake['depth']:,.0f}",
    }
    if "airport" in quake and "distance" in quake:
        row |= {"airport": quake["airport"], "distance": f"{quake['distance']:,.0f}"}
    return row
