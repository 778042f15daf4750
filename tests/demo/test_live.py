"""The demo's living part: the week by the clock, through actors, and nothing of it lost (semantics 9, 10)."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nodeloom.demo import run_demo
from nodeloom.demo.live import live
from nodeloom.runners.readings import Watched


@pytest.fixture(scope="module")
def week(run_workflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return run_workflow(tmp_path_factory.mktemp("week")).result.state


def test_every_earthquake_of_the_week_comes_to_the_board(week: Any) -> None:
    """9.5: stopping loses nothing; the same nodes give what they gave in the workflow."""
    lived = asyncio.run(live(week, 1.0))
    assert (lived.sent, lived.processed, lived.left, lived.dead) == (1679, 1679, 0, 0)
    assert lived.strongest is not None
    assert lived.strongest == max(week["strong"], key=lambda quake: quake["magnitude"])
    assert lived.report.reason == "duration"
    assert set(lived.report) == {"replay", "look"}
    assert lived.report["replay"].expected == 50


def test_both_are_shown_while_they_live(week: Any) -> None:
    """10.5"""
    shown: list[Any] = []

    @asynccontextmanager
    async def screen(watched: Sequence[Watched]) -> AsyncGenerator[None]:
        shown.extend((each.kind, set(each.stats())) for each in watched)
        yield
        shown.append(watched[0].stats()["board"])

    asyncio.run(live(week, 0.3, screen))
    assert shown[:2] == [
        ("actors", {"grade", "strong", "moderate", "minor", "board"}),
        ("clock", {"replay", "look"}),
    ]
    assert shown[2].processed == 1679


def test_the_figures_are_told_after_the_report(tmp_path: Any, capsys: Any) -> None:
    assert run_demo(tmp_path, False, 0.5) == 0
    said = capsys.readouterr().out
    after = said[said.index("Report ") :]
    assert "The same nodes, living: the week once more, in 0.5 seconds" in after
    assert "1,679 sent, 1,679 processed, 0 left, 0 dead letters · nothing lost" in after
    assert re.search(r"Clock    replay [\d.]+ of 50 Hz · look [\d.]+ of 5 Hz", after)
    assert "\x1b" not in said


def test_quiet_lets_nothing_live(tmp_path: Any, capsys: Any) -> None:
    assert run_demo(tmp_path / "week.html", True, 60.0) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'week.html'}\n"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_while_it_lives_leaves_the_report_and_no_process(tmp_path: Path) -> None:
    """6.3"""
    code = "import sys; from pathlib import Path; from nodeloom.demo import run_demo; "
    code += f"sys.exit(run_demo(Path({str(tmp_path)!r}), False, 60.0))"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "default::ResourceWarning"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    next(line for line in process.stdout if "flows through actors" in line)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "nodeloom demo: interrupted\n")
    assert os.listdir(tmp_path) == ["report.html"]
