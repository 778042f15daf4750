"""Distances, projections and cutting."""

from __future__ import annotations

import math
from typing import Any

import pytest

from nodeloom.demo.figures import Frame, draw_magnitudes, draw_map, draw_week, radius
from nodeloom.demo.geo import EARTH_RADIUS_KM, distance_km, equal_earth, outline, path_of

NOTHING: dict[Any, list[Any]] = {"minor": [], "moderate": [], "strong": []}


def test_distances_one_can_know():
    quarter = EARTH_RADIUS_KM * math.pi / 2
    assert distance_km(0, 0, 90, 0) == pytest.approx(quarter)
    assert distance_km(12, 0, -77, 90) == pytest.approx(quarter)
    assert distance_km(0, 0, 180, 0) == pytest.approx(2 * quarter)
    assert distance_km(179, 10, -179, 10) == pytest.approx(distance_km(-1, 10, 1, 10))
    assert distance_km(5, 5, 5, 5) == 0


def test_equal_earth_keeps_areas():
    """The area of a cell on paper follows the sine of its latitudes, wherever it is."""

    def area(west: float, south: float) -> float:
        steps = [south + part / 50 for part in range(51)]
        side = [equal_earth(west, y) for y in steps] + [equal_earth(west + 1, y) for y in reversed(steps)]
        crossed = zip(side, [*side[1:], side[0]], strict=True)
        return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in crossed)) / 2

    for west, south in ((0, 0), (100, 0), (0, 60), (-170, -75)):
        ball = math.radians(1) * abs(math.sin(math.radians(south + 1)) - math.sin(math.radians(south)))
        assert area(west, south) == pytest.approx(ball, rel=1e-3)


def bounds(points: list[tuple[float, float]]) -> tuple[float, float, float, float]:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def test_a_ring_is_cut_to_the_window():
    square = [[-10, -10], [10, -10], [10, 10], [-10, 10], [-10, -10]]
    (cut,) = outline([square], (0, 0, 30, 30))
    assert bounds(cut) == (0, 0, 10, 10)
    assert outline([square], (20, 20, 30, 30)) == []
    assert len(outline([square], (0, -20, 360, 20))) == 2


def test_a_ring_over_the_date_line_is_one_piece():
    over = [[170, 0], [-170, 0], [-170, 10], [170, 10], [170, 0]]
    (cut,) = outline([over], (0, -20, 360, 20))
    assert bounds(cut) == (170, 0, 190, 10)


def test_a_ring_around_the_pole_reaches_it():
    coast = [[x, -70] for x in range(-180, 180, 10)] + [[-180, -70]]
    lowest = min(bounds(cut)[1] for cut in outline([coast], (-30, -80, 330, 80)))
    assert lowest == -80
    covered = sum(bounds(cut)[2] - bounds(cut)[0] for cut in outline([coast], (-30, -80, 330, 80)))
    assert covered == pytest.approx(360)


@pytest.mark.parametrize("window", [(-30, -77, 330, 87), (-189, 50, -130, 71), (119, 22, 123, 26)])
@pytest.mark.parametrize("projection", ["equal_earth", "plate"])
def test_what_a_frame_holds_is_on_paper(window, projection):
    frame = Frame(window, 500, projection)
    for longitude in range(-180, 181, 7):
        for latitude in range(-90, 91, 5):
            if frame.holds(longitude, latitude):
                x, y = frame.place(longitude, latitude)
                assert -1e-6 <= x <= 500 + 1e-6
                assert -0.1 <= y <= frame.height + 0.1


def test_north_is_up_and_east_is_right():
    frame = Frame((-30, -77, 330, 87), 1000, "equal_earth")
    assert frame.place(-118, 34)[0] > frame.place(121, 24)[0]
    assert frame.place(0, 50)[1] < frame.place(0, 40)[1]


def test_labels_of_the_graticule():
    labels = [line["label"] for line in Frame((-30, -77, 330, 87), 1000, "equal_earth").graticule(30)]
    assert "180°" in labels
    assert "150° W" in labels
    assert "0°" in labels
    assert "60° S" in labels


def test_points_hardly_apart_are_one():
    assert path_of([(0, 0), (0.1, 0.1), (5, 5)], close=True) == "M0.0 0.0L5.0 5.0Z"


def test_nothing_can_be_drawn():
    assert draw_magnitudes(NOTHING)["bars"] == []
    assert draw_week(NOTHING)["marks"] == NOTHING
    drawn = draw_map(Frame((0, 0, 10, 10), 100, "plate"), 5, [], [], NOTHING)
    assert (drawn["count"], drawn["airports"], drawn["land"]) == (0, "", "")


def test_a_stronger_one_is_larger():
    sizes = [radius(size / 10) for size in range(70)]
    assert sizes == sorted(sizes)
    assert radius(-0.8) == radius(0) > 0
