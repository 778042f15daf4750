"""Places on the earth and on paper: distances, two projections, and coastlines cut to a window."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TypeAlias

__all__ = ["EARTH_RADIUS_KM", "Point", "Window", "distance_km", "equal_earth", "outline", "path_of", "plate"]

Point: TypeAlias = tuple[float, float]
Project: TypeAlias = Callable[[float, float], Point]
Window: TypeAlias = tuple[float, float, float, float]
"""West, south, east, north, in degrees; west may lie below -180 and east above 180."""

EARTH_RADIUS_KM = 6371.0088
_A1, _A2, _A3, _A4 = 1.340264, -0.081106, 0.000893, 0.003796
_ROOT3 = math.sqrt(3)


def distance_km(longitude: float, latitude: float, other_longitude: float, other_latitude: float) -> float:
    """The great-circle distance between two places, by the haversine formula."""
    north, other_north = math.radians(latitude), math.radians(other_latitude)
    half_north = math.sin((other_north - north) / 2)
    half_east = math.sin(math.radians(other_longitude - longitude) / 2)
    part = half_north * half_north + math.cos(north) * math.cos(other_north) * half_east * half_east
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(part)))


def equal_earth(longitude: float, latitude: float) -> Point:
    """The Equal Earth projection (Šavrič, Patterson and Jenny, 2018), with x to the east and y to the south."""
    theta = math.asin(_ROOT3 / 2 * math.sin(math.radians(latitude)))
    square = theta * theta
    sixth = square * square * square
    slope = _A1 + 3 * _A2 * square + sixth * (7 * _A3 + 9 * _A4 * square)
    x = 2 * _ROOT3 * math.radians(longitude) * math.cos(theta) / (3 * slope)
    return x, -theta * (_A1 + _A2 * square + sixth * (_A3 + _A4 * square))


def plate(middle_latitude: float) -> Project:
    """A plain map of a small window: degrees as they are, east-west shortened as at its middle."""
    shortened = math.cos(math.radians(middle_latitude))
    return lambda longitude, latitude: (math.radians(longitude) * shortened, -math.radians(latitude))


def outline(rings: Iterable[Sequence[Sequence[float]]], window: Window) -> list[list[Point]]:
    """Rings of longitude and latitude, cut to the window wherever on the globe it lies.

    A ring that leaves the window on one side of the map and comes back on the other gives two.
    """
    found: list[list[Point]] = []
    for ring in rings:
        whole = _unwrapped(ring)
        for turn in (-360.0, 0.0, 360.0):
            cut = _cut([(x + turn, y) for x, y in whole], window)
            if len(cut) > 2:
                found.append(_dense(cut))
    return found


def _unwrapped(ring: Sequence[Sequence[float]]) -> list[Point]:
    """The ring without jumps from 180 to -180; one around a pole is led over the pole."""
    points: list[Point] = []
    for point in ring:
        x, y = point[0], point[1]
        if points:
            x += 360 * round((points[-1][0] - x) / 360)
        points.append((x, y))
    if abs(points[-1][0] - points[0][0]) > 180:
        pole = math.copysign(90.0, sum(y for _, y in points))
        points += [(points[-1][0], pole), (points[0][0], pole)]
    return points


def _cut(ring: list[Point], window: Window) -> list[Point]:
    """Sutherland and Hodgman: cut along one side of the window after the other."""
    for side, limit in enumerate(window):
        axis, lower = side % 2, side < 2
        values = [point[axis] for point in ring]
        if not values or (max(values) < limit if lower else min(values) > limit):
            return []
        if min(values) < limit if lower else max(values) > limit:
            ring = _cut_along(ring, axis, limit, lower)
    return ring


def _cut_along(ring: list[Point], axis: int, limit: float, lower: bool) -> list[Point]:
    kept: list[Point] = []
    for here, there in pairwise([*ring, ring[0]]):
        inside, stays = ((point[axis] >= limit) == lower or point[axis] == limit for point in (here, there))
        if inside:
            kept.append(here)
        if inside != stays:
            part = (limit - here[axis]) / (there[axis] - here[axis])
            kept.append((here[0] + part * (there[0] - here[0]), here[1] + part * (there[1] - here[1])))
    return kept


def _dense(ring: list[Point], step: float = 4.0) -> list[Point]:
    """The ring with points along its long sides, for a projection bends them."""
    points: list[Point] = []
    for here, there in pairwise([*ring, ring[0]]):
        parts = max(1, math.ceil(max(abs(there[0] - here[0]), abs(there[1] - here[1])) / step))
        points += [
            (here[0] + (there[0] - here[0]) * n / parts, here[1] + (there[1] - here[1]) * n / parts)
            for n in range(parts)
        ]
    return points


def path_of(points: Iterable[Point], *, close: bool = False, closer_than: float = 0.5) -> str:
    """Points on paper as the `d` of an SVG path; a point hardly away from the last one is left out."""
    words: list[str] = []
    last: Point | None = None
    for x, y in points:
        if last is not None and abs(x - last[0]) + abs(y - last[1]) < closer_than:
            continue
        words.append(f"{'L' if words else 'M'}{x:.1f} {y:.1f}")
        last = (x, y)
    return "".join(words) + ("Z" if close else "")
