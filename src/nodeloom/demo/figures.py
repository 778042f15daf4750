"""The pictures of the report as plain figures: where each mark stands. The template turns them into SVG.

Lengths are in pixels of the picture's own view box. Circles have an area that grows with the energy's order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from .geo import Point, Window, equal_earth, outline, path_of, plate
from .quakes import MODERATE, Airport, Band, Quake, ranked, read_time

__all__ = ["BIN", "Frame", "draw_magnitudes", "draw_map", "draw_week", "radius"]

Figure = dict[str, Any]
Graded = Mapping[Band, Sequence[Quake]]
BANDS: tuple[Band, ...] = ("minor", "moderate", "strong")
BIN = 0.25
LETTER = 7.2  # a letter of a label is at most about as wide as this
_DAY = 86_400_000


def radius(magnitude: float) -> float:
    """How large a circle an earthquake gets."""
    return 0.9 * math.pow(1.57, max(0.0, magnitude))


class Frame:
    """A window of the globe on paper.

    Args:
        window: west, south, east, north. width: of the paper. projection: `equal_earth`, or `plate` for a small part.
    """

    def __init__(self, window: Window, width: float, projection: Literal["equal_earth", "plate"]) -> None:
        self.window = window
        self.width = width
        west, south, east, north = window
        self._middle = (west + east) / 2
        self._project = equal_earth if projection == "equal_earth" else plate((south + north) / 2)
        edge = [self._project(x, y) for x, y in self._border()]
        self._left, self._top = min(x for x, _ in edge), min(y for _, y in edge)
        self._scale = width / (max(x for x, _ in edge) - self._left)
        self.height = round((max(y for _, y in edge) - self._top) * self._scale, 1)

    def _border(self) -> list[Point]:
        """The window's sides, by longitude from its middle, once around."""
        west, south, east, north = self.window
        steps = [south + (north - south) * part / 60 for part in range(61)]
        left, right = west - self._middle, east - self._middle
        return [(left, y) for y in steps] + [(right, y) for y in reversed(steps)]

    def holds(self, longitude: float, latitude: float) -> bool:
        """Whether a place is in the window."""
        west, south, east, north = self.window
        return (longitude - west) % 360 <= east - west and south <= latitude <= north

    def place(self, longitude: float, latitude: float) -> Point:
        """Where a place of the window stands on paper."""
        west = self.window[0]
        turned = longitude if longitude in self.window[::2] else (longitude - west) % 360 + west
        return self._paper(turned - self._middle, latitude)

    def _paper(self, offset: float, latitude: float) -> Point:
        x, y = self._project(offset, latitude)
        return (x - self._left) * self._scale, (y - self._top) * self._scale

    def edge(self) -> str:
        """The window's border as a path."""
        return path_of([self._paper(x, y) for x, y in self._border()], close=True)

    def land(self, rings: Sequence[Sequence[Sequence[float]]]) -> str:
        """Coastlines as one path."""
        cuts = outline(rings, self.window)
        paths = (path_of((self._paper(x - self._middle, y) for x, y in ring), close=True) for ring in cuts)
        return "".join(path for path in paths if path.count("L") > 1)

    def graticule(self, step: int) -> list[Figure]:
        """Lines of longitude and latitude inside the window, each with its label."""
        west, south, east, north = self.window
        lines: list[Figure] = []
        for x in range(math.ceil(west / step) * step, math.floor(east / step) * step + 1, step):
            if west < x < east:
                points = [self.place(x, south + (north - south) * part / 40) for part in range(41)]
                label = _degrees(x, "E", "W") if points[0][0] < self.width - 5 * LETTER else ""
                lines.append(_line(points, label, "longitude"))
        levels = range(math.ceil(south / step) * step, math.floor(north / step) * step + 1, step)
        return lines + [
            _line([self.place(west, y), self.place(east, y)], _degrees(y, "N", "S"), "latitude")
            for y in levels
            if south < y < north
        ]


def _line(points: Sequence[Point], label: str, kind: str) -> Figure:
    x, y = points[0]
    return {"d": path_of(points), "label": label, "kind": kind, "x": round(x, 1), "y": round(y, 1)}


def _degrees(value: float, positive: str, negative: str) -> str:
    turned = (value + 180) % 360 - 180
    if turned in (0, -180):
        return f"{abs(turned):.0f}°"
    return f"{abs(turned):.0f}° {positive if turned > 0 else negative}"


def draw_map(frame: Frame, step: int, rings: Any, airports: Sequence[Airport], graded: Graded) -> Figure:
    """A map: land, a graticule, airports as dots, earthquakes as circles, the weakest below."""
    shown = [frame.place(each["longitude"], each["latitude"]) for each in airports if _in(frame, each)]
    quakes = {
        band: [_circle(frame, quake) for quake in reversed(ranked(graded[band])) if _in(frame, quake)] for band in BANDS
    }
    return {
        "width": frame.width,
        "height": frame.height,
        "edge": frame.edge(),
        "land": frame.land(rings),
        "graticule": frame.graticule(step),
        "airports": "".join(f"M{x:.1f} {y:.1f}h0" for x, y in sorted(shown)),
        "quakes": quakes,
        "count": sum(map(len, quakes.values())),
        "labels": _labels(frame, ranked(graded["strong"])),
    }


def _in(frame: Frame, place: Airport | Quake) -> bool:
    return frame.holds(place["longitude"], place["latitude"])


def _circle(frame: Frame, quake: Quake) -> Figure:
    x, y = frame.place(quake["longitude"], quake["latitude"])
    named = quake["magnitude"] >= MODERATE  # what a pointer over the circle shows
    return {
        "x": f"{x:.1f}",
        "y": f"{y:.1f}",
        "r": f"{radius(quake['magnitude']):.1f}",
        "title": f"M {quake['magnitude']:.1f}, {quake['place']}, {read_time(quake['time'])} UTC" if named else "",
    }


def _labels(frame: Frame, strongest: Sequence[Quake], most: int = 6, apart: float = 60.0) -> list[Figure]:
    """Names for the strongest, as long as they do not stand on one another."""
    labels: list[Figure] = []
    for quake in strongest:
        if not _in(frame, quake) or len(labels) == most:
            continue
        x, y = frame.place(quake["longitude"], quake["latitude"])
        if any(abs(y - other["y"]) < 16 and abs(x - other["x"]) < 2 * apart for other in labels):
            continue
        if any(math.dist((x, y), (other["x"], other["y"])) < apart for other in labels):
            continue
        text = f"{quake['magnitude']:.1f}  {_short(quake['place'])}"
        away = radius(quake["magnitude"]) + 5
        left = x + away + len(text) * LETTER > frame.width * 0.97
        labels.append({"x": x - away if left else x + away, "y": y + 4, "left": left, "text": text})
    return labels


def _short(place: str) -> str:
    """`15km ESE of Hualian, Taiwan` as `Hualian, Taiwan`."""
    return place.partition(" of ")[2] if place[:1].isdigit() and " of " in place else place


def draw_magnitudes(graded: Graded, width: float = 560, height: float = 230) -> Figure:
    """A histogram: how many earthquakes there were of each magnitude, in steps of a quarter."""
    counts = {band: Counter(math.floor(quake["magnitude"] / BIN) for quake in graded[band]) for band in BANDS}
    columns = [(place, band, counts[band][place]) for band in BANDS for place in counts[band]]
    places = [place for place, _, _ in columns] or [0]
    first, last = min(places), max(places)
    paper = Chart((first, last + 1), (0, max((count for _, _, count in columns), default=1)), width, height, left=8)
    bars = [
        {
            "x": round(paper.across(place) + 1, 1),
            "y": paper.up(count),
            "width": round(paper.across(place + 1) - paper.across(place) - 2, 1),
            "height": round(paper.bottom - paper.up(count), 1),
            "band": band,
            "count": count,
        }
        for place, band, count in sorted(columns)
    ]
    whole = range(math.ceil(first * BIN), math.floor((last + 1) * BIN) + 1)
    ticks = [{"x": paper.across(value / BIN), "label": value} for value in whole]
    return {**paper.sides(), "bars": bars, "ticks": ticks}


def draw_week(graded: Graded, width: float = 560, height: float = 230) -> Figure:
    """Every earthquake by its time and magnitude, with a line at each midnight."""
    everything = [quake for band in BANDS for quake in graded[band]]
    times = [quake["time"] for quake in everything] or [0]
    sizes = [quake["magnitude"] for quake in everything] or [0.0]
    start, end = min(times), max(*times, min(times) + 1)
    low, high = math.floor(min(sizes)), math.ceil(max(*sizes, min(sizes) + 1))
    paper = Chart((start, end), (low, high), width, height, left=26)
    midnights = range((start // _DAY + 1) * _DAY, end, _DAY)
    return {
        **paper.sides(),
        "days": [{"x": paper.across(day), "label": read_time(day, "{0.day} {0:%b}")} for day in midnights],
        "levels": [{"y": paper.up(size), "label": size} for size in range(low, high + 1)],
        "marks": {band: [_mark(paper, quake) for quake in reversed(ranked(graded[band]))] for band in BANDS},
    }


def _mark(paper: Chart, quake: Quake) -> Figure:
    size = quake["magnitude"]
    return {"x": paper.across(quake["time"]), "y": paper.up(size), "r": f"{0.8 + radius(size) / 3:.1f}"}


class Chart:
    """The paper of a chart: where values stand between its sides.

    Args:
        across, up: the least and the greatest value along each axis. width, height: of the paper.
        left: the margin on the left.
    """

    def __init__(
        self, across: tuple[float, float], up: tuple[float, float], width: float, height: float, *, left: float
    ) -> None:
        self._across, self._up = across, up
        self.width, self.height = width, height
        self.left, self.right, self.top, self.bottom = left, width - 8, 18, height - 26

    def across(self, value: float) -> float:
        low, high = self._across
        return round(self.left + (self.right - self.left) * (value - low) / (high - low), 1)

    def up(self, value: float) -> float:
        low, high = self._up
        return round(self.bottom - (self.bottom - self.top) * (value - low) / (high - low), 1)

    def sides(self) -> Figure:
        """What the template needs to draw the axes."""
        names = ("width", "height", "left", "right", "top", "bottom")
        return {name: getattr(self, name) for name in names}
