from __future__ import annotations

import asyncio
import csv
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from nodeloom import Engine, Event, RunResult
from nodeloom.demo.feed import Feed
from nodeloom.demo.workflow import graph


@dataclass
class Ran:
    """One run of the demo's workflow, with what was seen of it."""

    result: RunResult
    report: Path
    requests: list[str]
    events: list[Event] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.report.read_text(encoding="utf-8")


async def _run(folder: Path, **inputs: Any) -> Ran:
    events: list[Event] = []
    async with Feed(pause=0) as feed, Engine(file_roots=[folder]) as engine:
        given = {"feed": feed.address, "report": "report.html", **inputs}
        result = await engine.run(graph, given, watch=events.append)
        return Ran(result, folder / given["report"], feed.requests, events)


@pytest.fixture(scope="session")
def run_workflow() -> Callable[..., Ran]:
    return lambda folder, **inputs: asyncio.run(_run(folder, **inputs))


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory, run_workflow: Callable[..., Ran]) -> Ran:
    return run_workflow(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def raw() -> list[dict[str, Any]]:
    """The features of the feed, read without any code of the demo."""
    packed = files("nodeloom.demo").joinpath("data", "earthquakes.json.gz").read_bytes()
    features: list[dict[str, Any]] = json.loads(gzip.decompress(packed))["features"]
    return features


@pytest.fixture(scope="session")
def raw_airports() -> list[dict[str, str]]:
    text = files("nodeloom.demo").joinpath("data", "airports.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
