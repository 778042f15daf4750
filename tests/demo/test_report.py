"""The report: whole, self-contained, escaped."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from nodeloom.demo.quakes import strongest_row

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Balanced(HTMLParser):
    """Checks that every element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """An element that closes itself is neither opened nor closed."""

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="session")
def tree(ran) -> ET.Element:
    return ET.fromstring(ran.text.removeprefix("<!DOCTYPE html>"))


def words(element: ET.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def test_it_is_html_and_every_picture_is_xml(ran, tree):
    parser = Balanced()
    parser.feed(ran.text)
    parser.close()
    assert parser.open == []
    assert ran.text.startswith("<!DOCTYPE html>")
    pictures = [svg for svg in tree.iter("svg") if svg.get("role") == "img"]
    assert len(pictures) == 6
    assert all(svg.get("viewBox") and svg.get("aria-label") for svg in pictures)


def test_it_asks_for_nothing_from_elsewhere(ran, tree):
    assert not [each for each in tree.iter() if each.tag in ("script", "img", "link", "iframe", "image", "use")]
    assert not [
        name for each in tree.iter() for name in each.attrib if name in ("src", "href") or name.startswith("on")
    ]
    assert set(re.findall(r"url\(([^)]*)\)", ran.text)) <= {
        f"#{name}-edge" for name in ("world", "draw_alaska", "draw_west", "draw_taiwan")
    }
    assert "@import" not in ran.text


def test_ids_are_used_once(tree):
    ids = [each.get("id") for each in tree.iter() if each.get("id")]
    assert len(ids) == len(set(ids)) == 4


def test_every_earthquake_is_on_the_world_map(tree):
    world = next(svg for svg in tree.iter("svg") if (svg.get("aria-label") or "").startswith("World"))
    circles = {group.get("class"): len(list(group.iter("circle"))) for group in world.iter("g") if group.get("class")}
    assert circles == {"minor": 1382, "moderate": 212, "strong": 85}
    _, _, width, height = map(float, (world.get("viewBox") or "").split())
    for circle in world.iter("circle"):
        assert 0 <= float(circle.get("cx", "")) <= width
        assert 0 <= float(circle.get("cy", "")) <= height
    dots = next(path for path in world.iter("path") if path.get("class") == "airports")
    assert (dots.get("d") or "").count("h0") == 3376


def test_the_histogram_adds_up(tree):
    chart = next(svg for svg in tree.iter("svg") if svg.get("aria-label") == "Histogram of magnitudes")
    counts = [int(text.text or "") for text in chart.iter("text") if "count" in (text.get("class") or "")]
    assert sum(counts) == 1679
    bars = [(rect.get("class"), float(rect.get("height", ""))) for rect in chart.iter("rect")]
    assert len(bars) == len(counts)
    tallest = max(height for _, height in bars)
    for (_, height), count in zip(bars, counts, strict=True):
        assert height == pytest.approx(tallest * count / max(counts), abs=0.1)


def test_the_table_says_what_was_found(ran, tree):
    table = next(tree.iter("table"))
    rows = [[words(cell) for cell in row.iter("td")] for row in table.iter("tr")][1:]
    assert len(rows) == 10
    strong = {quake["id"]: quake for quake in ran.result.state.strong}
    for row, said in zip(rows, ran.result.state.summary["ten"], strict=True):
        quake = strong[said["id"]]
        assert row[:4] == [f"{quake['magnitude']:.1f}", quake["place"], said["time"], f"{quake['depth']:,.0f}"]
        assert row[4].endswith(quake["airport"]["code"])
        assert row[5] == f"{quake['distance']:,.0f}"


def test_the_figures_at_the_top(tree):
    figures = [words(each) for each in tree.iter("dd")]
    assert figures == ["1,679", "85", "99.0%", "M 6.4"]


def test_values_are_escaped(run_workflow, tmp_path):
    title = "<script>alert('1')</script> & \"more\" {{ 7 * 7 }}"
    text = run_workflow(tmp_path, title=title).text
    tree = ET.fromstring(text.removeprefix("<!DOCTYPE html>"))
    assert "<script" not in text
    assert words(next(tree.iter("h1"))) == words(next(tree.iter("title"))) == title


def test_what_holds_no_airport_has_none():
    row = strongest_row(
        1,
        {
            "id": "a",
            "magnitude": 5.0,
            "place": "x",
            "time": 0,
            "longitude": 0.0,
            "latitude": 0.0,
            "depth": 1.0,
            "alert": None,
        },
    )
    assert "airport" not in row
