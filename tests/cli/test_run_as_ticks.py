"""`nodeloom run FILE --as tick`: rates from a document, a report, and how it ends (semantics 10)."""

import json
import os
import signal
import tempfile

import pytest

from .test_signals import finish, wait_for
from .test_terminal import ESCAPE, on_terminal

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and sockets of POSIX")

ROBOT = """
nodeloom: 1
name: robot
nodes:
  camera: {type: parts.Camera, rate: 50}
  control: {type: parts.Control, rate: 100, deadline: 1.0}
edges:
  - {from: camera, to: control, metadata: {read: latest}}
"""

PARTS = """
from pathlib import Path
from nodeloom import Graph, Node, node

class Camera(Node):
    memory = True
    def work(self, ctx):
        Path("began").touch()
        ctx.memory["n"] = ctx.memory.get("n", 0) + 1
        return {"frame": ctx.memory["n"]}

class Control(Node):
    def work(self, inputs):
        return {"seen": inputs.get("frame", 0)}

class Hangs(Node):
    def work(self, ctx):
        while not ctx.cancelled:
            pass

hanging = Graph(Hangs(id="hangs", rate=10, watchdog=0.1, on_miss="stop"), name="hanging")

@node(rate=20)
def fails(ctx):
    Path("began").touch()
    raise ValueError("no price for 7")

failing = Graph(fails, name="failing")

class Stuck(Node):
    async def work(self):
        import asyncio
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(2)

stuck = Graph(Stuck(id="stuck", rate=10, watchdog=0.1), name="stuck")

@node
async def still():
    return {}

nothing = Graph(still, name="nothing")
"""


@pytest.fixture(autouse=True)
def robot(project, monkeypatch):
    (project / "robot.yaml").write_text(ROBOT, encoding="utf-8")
    (project / "parts.py").write_text(PARTS, encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield


def test_a_document_ticks_at_its_rates_and_the_report_is_json(command):
    """10.1, 10.7"""
    said = command("run", "robot.yaml", "--as", "tick", "--duration", "0.4")
    assert said.code == 0
    report = said.json
    assert (report["name"], report["reason"], report["left"]) == ("robot", "duration", [])
    assert 0.4 <= report["duration"] < 2
    assert (report["nodes"]["camera"]["rate"], report["nodes"]["control"]["rate"]) == (50, 100)
    assert report["nodes"]["camera"]["expected"] == 20
    assert report["nodes"]["control"]["expected"] == 40
    assert report["nodes"]["control"]["data_age"] is not None


def test_a_clock_that_stops_before_its_time_says_why_and_1(command):
    """10.4: a stop always has a reason."""
    said = command("run", "parts:hanging", "--as", "tick", "--duration", "30")
    assert said.code == 1
    assert said.json["reason"] not in ("", "duration")
    assert "nodeloom: clock hanging stopped after " in said.err
    assert "hangs" in said.err


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_it_with_its_report(started, project, number, code, word):
    """6.3"""
    process = started("run", "robot.yaml", "--as", "tick")
    wait_for(project / "began")
    process.send_signal(number)
    found, out, err = finish(process)
    assert found == code
    assert json.loads(out)["reason"] == "stopped"
    assert err.splitlines()[-1].startswith(f"nodeloom: {word} after ")


def test_a_node_that_fails_at_the_end_makes_the_exit_code_1(command):
    said = command("run", "parts:failing", "--as", "tick", "--duration", "0.3")
    assert (said.code, said.json["reason"]) == (1, "duration")
    assert (
        said.err.splitlines()[-1] == "nodeloom: clock failing, at the end: fails is failing: ValueError: no price for 7"
    )


def test_a_tick_that_fails_is_told_with_its_line_and_on_demand_with_its_traceback(command):
    words = ("run", "parts:failing", "--as", "tick", "--duration", "0.2")
    told = command(*words).err.splitlines()[0]
    assert "a tick of node fails failed: ValueError: no price for 7 (at parts.py:26)" in told
    assert told.count("no price for 7") == 1
    assert "Traceback (most recent call last):\n" in command(*words, "--traceback").err


def test_a_tick_that_does_not_end_makes_the_exit_code_1(command):
    said = command("run", "parts:stuck", "--as", "tick", "--duration", "0.4", "--grace", "0")
    assert (said.code, said.json["reason"]) == (1, "duration")
    (told,) = [line for line in said.err.splitlines() if line.startswith("nodeloom: clock stuck, at the end: ")]
    assert "stuck is hung: no tick was done for 0.1 s" in told
    assert "1 tick left running (run " in told


def test_after_a_signal_its_code_stays_and_what_is_not_well_is_said(started, project):
    process = started("run", "parts:failing", "--as", "tick")
    wait_for(project / "began")
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process)
    assert code == 143
    assert "nodeloom: clock failing, at the end: fails is failing: ValueError: no price for 7" in err


def test_a_graph_in_which_nothing_ticks_is_refused(command):
    said = command("run", "parts:nothing", "--as", "tick", "--duration", "1")
    assert (said.code, said.out) == (2, "")
    assert "parts:nothing has 1 problem and cannot run" in said.err
    assert "rate" in said.err


@pytest.mark.parametrize("duration", ["0", "-1", "inf", "nan"])
def test_a_duration_that_is_none_is_refused(command, duration):
    said = command("run", "robot.yaml", "--as", "tick", "--duration", duration)
    assert said.code == 2
    assert "--duration" in said.err


def test_it_can_be_seen_by_top(started, command, project):
    """10.5"""
    process = started("run", "robot.yaml", "--as", "tick")
    wait_for(project / "began")
    said = command("top", str(process.pid), "--json", "--count", "1")
    process.send_signal(signal.SIGINT)
    finish(process)
    (view,) = said.lines[0]["views"]
    assert (view["name"], view["kind"], view["count"]) == ("robot", "clock", 2)
    assert {each["node"]: each["rate"] for each in view["ticks"]} == {"camera": 50, "control": 100}


@pytest.mark.parametrize("width", [80, 140])
def test_on_a_terminal_the_table_moves_and_the_last_one_stays(project, width):
    code, out, sent = on_terminal(project, "run", "robot.yaml", "--as", "tick", "--duration", "0.6", width=width)
    assert code == 0
    assert json.loads(out)["reason"] == "duration"
    text = ESCAPE.sub("", sent).replace("\r", "\n")
    assert text.count("NODE") >= 3
    picture = text[text.rindex("NODE") :].splitlines()
    rows = [line.split()[0] for line in picture[1:] if line.strip() and not line.startswith(" ")]
    assert sorted(rows) == ["camera", "control"]  # one that has had to wait on a busy machine stands first
    assert "\x1b[1A" in sent


def test_a_report_on_a_terminal_is_a_table(project):
    code, _, sent = on_terminal(project, "run", "robot.yaml", "--as", "tick", "--duration", "0.2", "-q", out=True)
    assert code == 0
    assert "clock robot · 2 nodes" in ESCAPE.sub("", sent)
    assert '"nodes"' not in sent
