"""The live table on a terminal, by way of a pseudo-terminal; and what it decides to show."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
import time
from typing import Any

import pytest
from rich.console import Console

from nodeloom.cli.live import LiveTable, chosen
from nodeloom.cli.tally import NodeTally, Tally, one_line, seconds_text
from nodeloom.nodes.event import Event

from .conftest import COMMAND, environment

STEPS = """
import asyncio
from nodeloom import Graph, Node, node

class Wait(Node):
    async def work(self, ctx):
        for done in range(5):
            ctx.progress(done, 5, "pages of a book that is rather long to read")
            await asyncio.sleep(0.03)
        return {}

start = Wait(id="start")
many = [Wait(id=f"fetch_a_page_with_a_long_name_{number}") for number in range(COUNT)]
start >> many
graph = Graph(start, name="reading")

@node
async def wrong():
    print("printed above the table")
    raise ValueError("nothing to read")

failing = Graph(wrong, name="failing")
"""
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(project, *words, width=80, height=24, out=False, **more):
    """Run a command with standard error on a terminal, and give (code, stdout, what the terminal was sent).

    With `out`, standard output is the terminal too.
    """
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *words],
        cwd=project,
        env=environment(**more),
        stdin=side,
        stdout=side if out else subprocess.PIPE,
        stderr=side,
    )
    os.close(side)
    sent = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:
            break
        if not piece:
            break
        sent += piece
    os.close(main)
    said, _ = process.communicate(timeout=30)
    return process.returncode, (said or b"").decode(), sent.decode()


def last_picture(sent, first_word):
    """The lines of the last time the table was drawn."""
    text = ESCAPE.sub("", sent.replace("\x1b[2K", "")).replace("\r", "")
    return text[text.rindex(first_word) :].splitlines()


@pytest.fixture
def steps(project):
    def write(count):
        (project / "steps.py").write_text(STEPS.replace("COUNT", str(count)), encoding="utf-8")

    return write


@pytest.mark.parametrize("width", [30, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal_and_every_node_is_there(project, steps, width):
    steps(3)
    code, out, sent = on_terminal(project, "run", "steps:graph", width=width)
    assert code == 0
    assert out == "{}\n"
    lines = ESCAPE.sub("", sent.replace("\x1b[1A", "\n")).replace("\r", "\n").splitlines()
    assert max(map(len, lines)) <= width
    picture = last_picture(sent, "✓ completed  start" if width >= 40 else "✓")
    assert any("reading completed" in line for line in picture[-1:])
    if width >= 40:
        assert sum(line.startswith("✓ completed") for line in picture) == 4
    if width == 200:
        assert "pages of a book that is rather long to read" in sent
        assert "4 of 4 nodes · 4 steps" in picture[-1]


def test_states_have_colour_and_words_and_the_cursor_comes_back(project, steps):
    steps(1)
    _, _, sent = on_terminal(project, "run", "steps:graph")
    assert "\x1b[34m● running" in sent
    assert "\x1b[32m✓ completed" in sent
    assert "━" in sent
    assert sent.rindex("\x1b[?25h") > sent.rindex("\x1b[?25l")


def test_no_color_leaves_the_words(project, steps):
    steps(1)
    _, _, sent = on_terminal(project, "run", "steps:graph", NO_COLOR="1")
    assert "● running" in ESCAPE.sub("", sent)
    assert not re.search(r"\x1b\[(?:\d+;)*3[0-7]m", sent)


def test_a_dumb_terminal_gets_plain_lines(project, steps):
    steps(1)
    _, _, sent = on_terminal(project, "run", "steps:graph", TERM="dumb")
    assert "\x1b" not in sent
    assert " start completed in " in sent


def test_a_terminal_without_unicode_gets_ascii(project, steps):
    steps(1)
    code, _, sent = on_terminal(project, "run", "steps:graph", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert code == 0
    assert sent.isascii()
    assert "+ completed" in sent


def test_a_thousand_nodes_fit_a_small_terminal(project, steps):
    steps(1000)
    code, _, sent = on_terminal(project, "run", "steps:graph", width=90, height=12)
    assert code == 0
    picture = last_picture(sent, "\n✓ completed").copy()
    assert re.search(r"and 9\d\d more: 9\d\d completed", sent)
    assert "1,001 of 1,001 nodes" in sent
    assert len(picture) <= 12


def test_a_failure_leaves_the_table_and_the_paragraph_and_prints_stand_above(project, steps):
    steps(1)
    code, out, sent = on_terminal(project, "run", "steps:failing")
    assert code == 1
    assert out == ""
    text = ESCAPE.sub("", sent)
    assert "✗ failed" in text
    assert text.index("printed above the table") < text.index("failing failed")
    assert "nodeloom: the run failed in node wrong: ValueError: nothing to read" in text


def test_the_table_is_drawn_at_most_ten_times_a_second(project, steps):
    steps(200)
    began = time.monotonic()
    _, _, sent = on_terminal(project, "run", "steps:graph")
    seconds = time.monotonic() - began
    assert ESCAPE.sub("", sent).count("reading running") <= seconds * 11 + 3


def test_a_loop_counts_its_steps_on_one_line(project):
    _, _, sent = on_terminal(project, "run", "flows:looping")
    assert "50×" in sent


def test_quiet_shows_nothing_on_a_terminal(project, steps):
    steps(1)
    assert on_terminal(project, "run", "steps:graph", "--quiet") == (0, "{}\n", "")


def test_what_runs_and_what_failed_is_shown_before_what_waits():
    nodes = [NodeTally(f"n{number}") for number in range(100)]
    nodes[90].state, nodes[80].state, nodes[70].state = "running", "failed", "completed"
    nodes[70].touched = 5
    assert [node.label for node in chosen(nodes, 6)] == ["n0", "n1", "n70", "n80", "n90"]
    assert chosen(nodes[:3], 6) == nodes[:3]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0001, "<1 ms"),
        (0.004, "4 ms"),
        (0.12, "0.12 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3725, "1 h 02 min"),
    ],
)
def test_durations_are_said_as_people_do(seconds, text):
    assert seconds_text(seconds) == text


def test_a_value_takes_one_line_whatever_it_is():
    assert one_line("a\n\x1b[2J\tb") == "a [2J b"
    assert one_line({"a": [1, "é"]}) == '{"a": [1, "é"]}'
    assert one_line("x" * 500) == "x" * 199 + "…"


def test_the_table_counts_a_wait_for_another_attempt_down() -> None:
    """5.3: a step that waits for a day is not one that hangs."""
    tally = Tally("asking", ["ask"])
    table = LiveTable(tally, console=Console(file=io.StringIO(), width=100, height=20, force_terminal=True))

    def drawn(now: float) -> str:
        console = Console(file=io.StringIO(), width=100)
        console.print(table._picture(now))  # pyright: ignore[reportPrivateUsage]
        return console.file.getvalue()  # type: ignore[attr-defined]

    def tell(kind: Any, time: float, attempt: int = 1, **data: Any) -> None:
        event = Event(kind, 1, time, "run", "ask", "step", attempt, data)
        table.event(event, tally.add(event))

    tell("step_started", 1000.0)
    tell("step_retried", 1000.5, 2, wait=86_400.0, error={"type": "HTTPError", "message": "503"})
    assert "retrying in 24 h 00 min: HTTPError: 503" in drawn(1000.5)
    assert "retrying in 1 min 40 s: HTTPError: 503" in drawn(87_300.5)
    assert "attempt 2" in drawn(87_401.0)
    assert "retrying" not in drawn(87_401.0)
    tell("step_retried", 87_402.0, 3, wait=60.0, error={"type": "HTTPError", "message": "503"})
    tell("step_failed", 87_403.0, 3, error={"type": "Cancelled", "message": "over"}, duration=1.0)
    assert "retrying" not in drawn(87_403.0)
