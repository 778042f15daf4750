"""The data that ships, and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files

FOLDER = files("nodeloom.demo").joinpath("data")


def test_it_is_small_and_every_file_has_its_source():
    ours = {each.name: len(each.read_bytes()) for each in FOLDER.iterdir()}
    said = FOLDER.joinpath("SOURCES.md").read_text(encoding="utf-8")
    assert sum(ours.values()) < 1_000_000
    headings = {line.removeprefix("## ") for line in said.splitlines() if line.startswith("## ")}
    assert headings == set(ours) - {"SOURCES.md"}
    assert said.count("- Licence") == said.count("- Taken from") == said.count("- Changed") == 3


def test_the_counts_and_dates_it_states_are_those_of_the_data(raw, raw_airports):
    said = FOLDER.joinpath("SOURCES.md").read_text(encoding="utf-8")
    assert f"{len(raw):,} features" in said
    assert f"{sum(each['properties']['type'] == 'earthquake' for each in raw):,} are earthquakes" in said
    assert f"{len(raw_airports):,} records" in said
    times = [datetime.fromtimestamp(each["properties"]["time"] // 1000, UTC) for each in raw]
    assert f"from {min(times):%Y-%m-%d %H:%M:%S} to {max(times):%Y-%m-%d %H:%M:%S} UTC" in said
