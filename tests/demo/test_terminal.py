"""`run_demo` in a terminal and without one: what it prints, how it ends, what it leaves."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from nodeloom import Event
from nodeloom.demo import run_demo
from nodeloom.demo.progress import Terminal
from nodeloom.demo.run import report_at
from nodeloom.demo.workflow import graph

RUN = "import sys; from pathlib import Path; from nodeloom.demo import run_demo; "


def start(folder: Path, *, quiet: bool = False) -> subprocess.Popen[str]:
    code = f"{RUN}sys.exit(run_demo(Path({str(folder)!r}), {quiet}))"
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "default::ResourceWarning"}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
    )


def test_it_shows_the_graph_the_run_and_what_it_found(tmp_path, capsys):
    threads, process = set(threading.enumerate()), psutil.Process()
    sockets, children = len(process.net_connections()), process.children()
    assert run_demo(tmp_path / "new" / "folder") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "\x1b" not in shown.out
    assert "earthquakes: 22 nodes, 32 edges" in shown.out
    assert "page 9 of 9: 107 earthquakes" in shown.out
    assert re.search(r"✗ fetch_alerts .*503 Service Unavailable.* → without_alerts", shown.out)
    assert "1,679 steps: 85 strong, 212 moderate, 1,382 minor" in shown.out
    assert "strongest: 6.4 · 22km NNE of Hualian, Taiwan" in shown.out
    report = tmp_path / "new" / "folder" / "report.html"
    assert str(report) in shown.out
    assert os.listdir(report.parent) == ["report.html"]
    assert set(threading.enumerate()) == threads
    assert process.children() == children
    assert len(process.net_connections()) == sockets


def test_quiet_prints_the_path_alone_and_a_file_may_be_named(tmp_path, capsys):
    report = tmp_path / "week.html"
    assert run_demo(report, quiet=True) == 0
    assert capsys.readouterr().out == f"{report}\n"
    assert report.stat().st_size > 100_000


def test_where_the_report_goes(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert report_at(None) == tmp_path / "nodeloom-demo" / "report.html"
    assert report_at(Path("here")) == tmp_path / "here" / "report.html"
    assert report_at(Path("here.html")) == tmp_path / "here.html"


def test_what_cannot_be_written_is_said(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    (tmp_path / "taken.html").mkdir()
    for out in (tmp_path / "file", tmp_path / "taken.html"):
        assert run_demo(out, quiet=True) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert "save" in said.err
        assert "Traceback" not in said.err


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_in_the_middle_leaves_nothing(tmp_path):
    process = start(tmp_path / "out")
    assert process.stdout is not None
    for line in process.stdout:
        if "page 4 of 9" in line:  # the fifth is the slow one
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == "nodeloom demo: interrupted\n"
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_leaves_the_report_of_before(tmp_path):
    (tmp_path / "report.html").write_text("the one of before")
    process = start(tmp_path)
    assert process.stdout is not None
    next(line for line in process.stdout if "page 4 of 9" in line)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert (tmp_path / "report.html").read_text() == "the one of before"
    assert os.listdir(tmp_path) == ["report.html"]


def test_two_processes_write_the_same_bytes(tmp_path):
    processes = [start(tmp_path / name, quiet=True) for name in ("a", "b")]
    for process in processes:
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, "")
    first, second = ((tmp_path / name / "report.html").read_bytes() for name in ("a", "b"))
    assert first == second


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def event(kind: str, node: str, seconds: float = 0.0, **data: object) -> Event:
    return Event(kind, 1, 1000.0 + seconds, "r", node, "s", 1, dict(data))  # type: ignore[arg-type]


def test_on_a_terminal_a_last_line_moves():
    screen = Screen()
    terminal = Terminal(screen)
    terminal.watch(event("step_started", "fetch_page"))
    assert screen.getvalue().endswith("… fetch_page\x1b[0m")
    terminal.watch(event("step_failed", "fetch_page", 1.5, error={"message": "bad\x1b[2J"}, caught_by=["other"]))
    terminal.end()
    shown = screen.getvalue()
    assert "\r\x1b[K" in shown
    assert "bad [2J → other" in shown
    assert "\x1b[2J" not in shown
    assert "1.50 s" in shown


def test_a_terminal_without_the_signs_gets_others():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    terminal = Terminal(stream)
    terminal.drawing(graph)
    terminal.watch(event("step_completed", "read_coast", outputs={"coast": {}}))
    stream.seek(0)
    shown = stream.read()
    assert "begin -> fetch_page, airports, fetch_coast, fetch_alerts" in shown
    assert "+ read_coast" in shown
