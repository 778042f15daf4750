"""What the workflow found, against sums over the raw data that share no code with it."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest


def magnitudes(raw: list[dict[str, Any]]) -> dict[str, float]:
    return {each["id"]: each["properties"]["mag"] for each in raw if each["properties"]["type"] == "earthquake"}


def test_every_earthquake_went_the_way_of_its_magnitude(ran, raw):
    wanted: dict[str, set[str]] = {"strong": set(), "moderate": set(), "minor": set()}
    for name, size in magnitudes(raw).items():
        wanted["strong" if size >= 4.5 else "moderate" if size >= 2.5 else "minor"].add(name)
    found = {band: [quake["id"] for quake in ran.result.state[band]] for band in wanted}
    assert {band: set(ids) for band, ids in found.items()} == wanted
    assert {band: len(ids) for band, ids in found.items()} == {"strong": 85, "moderate": 212, "minor": 1382}


def test_what_is_no_earthquake_is_counted_apart(ran, raw):
    others = Counter(each["properties"]["type"] for each in raw) - Counter({"earthquake": 10**6})
    assert Counter(ran.result.state.others) == others == {"explosion": 15, "quarry blast": 13}


def test_the_order_is_that_of_the_feed(ran, raw):
    strong = [each["id"] for each in raw if each["properties"]["mag"] >= 4.5]
    assert [quake["id"] for quake in ran.result.state.strong] == strong


def angle(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The angle between two places, by vectors instead of by haversines."""
    vectors = []
    for longitude, latitude in (one, other):
        x, y = math.radians(longitude), math.radians(latitude)
        vectors.append((math.cos(y) * math.cos(x), math.cos(y) * math.sin(x), math.sin(y)))
    (a, b, c), (d, e, f) = vectors
    cross = math.hypot(b * f - c * e, c * d - a * f, a * e - b * d)
    return math.atan2(cross, a * d + b * e + c * f)


def test_nearest_airports_by_brute_force(ran, raw, raw_airports):
    places = {row["iata"]: (float(row["longitude"]), float(row["latitude"])) for row in raw_airports}
    where = {each["id"]: tuple(each["geometry"]["coordinates"][:2]) for each in raw}
    assert len(ran.result.state.strong) == 85
    for quake in ran.result.state.strong:
        nearest = min(places, key=lambda code: angle(where[quake["id"]], places[code]))
        assert quake["airport"]["code"] == nearest
        assert quake["distance"] == pytest.approx(6371.0088 * angle(where[quake["id"]], places[nearest]))


def test_energies_and_shares_by_band(ran, raw):
    sizes = list(magnitudes(raw).values())
    strong = [size for size in sizes if size >= 4.5]
    released = sum(63095.734448 * 31.6227766**size for size in strong)
    summary = ran.result.state.summary
    rows = {row["band"]: row for row in summary["bands"]}
    assert rows["strong"]["energy"] == pytest.approx(released, rel=1e-6)
    assert sum(row["energy"] for row in rows.values()) == pytest.approx(summary["energy"])
    assert sum(row["count"] for row in rows.values()) == summary["total"] == len(sizes) == 1679
    assert rows["strong"]["share_text"] == f"{85 / 1679:.1%}"
    assert rows["strong"]["energy_text"] == summary["strong_energy"] == "99.0%"
    deepest = max(each["geometry"]["coordinates"][2] for each in raw)
    assert rows["strong"]["deepest_text"] == f"{deepest:.0f}"


def test_the_ten_strongest(ran, raw):
    quakes = [each for each in raw if each["properties"]["type"] == "earthquake"]
    quakes.sort(key=lambda each: each["id"])
    quakes.sort(key=lambda each: each["properties"]["time"])
    quakes.sort(key=lambda each: each["properties"]["mag"], reverse=True)
    ten = ran.result.state.summary["ten"]
    assert [row["id"] for row in ten] == [each["id"] for each in quakes[:10]]
    assert [row["place"] for row in ten] == [each["properties"]["place"] for each in quakes[:10]]
    assert ten[0]["magnitude"] == "6.4"
    assert ten[0]["time"] == "6 Feb, 15:50"


def test_the_week_is_named_by_its_data(ran):
    summary = ran.result.state.summary
    assert (summary["first"], summary["last"]) == ("31 Jan 2018, 01:49", "7 Feb 2018, 01:26")
    assert summary["generated"] == "7 Feb 2018, 01:49"
    assert summary["per_day"] == "240"
