"""The examples are programs that end by themselves, and print figures that make sense. How fast is for benchmarks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def figures(name: str, seconds: float) -> dict[str, list[float]]:
    """Run an example; the numbers of each line it prints, by what stands before the colon."""
    command = [sys.executable, "-W", "error::ResourceWarning", str(ROOT / "examples" / f"{name}.py")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
    asked = [*command, "--seconds", str(seconds)]
    done = subprocess.run(asked, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    lines = (line.partition(":") for line in done.stdout.splitlines())
    return {what: [float(number) for number in NUMBER.findall(told)] for what, _, told in lines}


def test_every_example_has_a_test_and_says_what_it_shows() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    for path in sorted((ROOT / "examples").glob("*.py")):
        assert f'figures("{path.stem}"' in tests
        text = path.read_text(encoding="utf-8")
        assert text.startswith('"""')
        assert f"python examples/{path.name} [--seconds" in text
        assert "The naive way" in text


def test_the_camera_keeps_its_rate_beside_control() -> None:
    """10.3: frames are counted as they arrive, each once, with their age."""
    told = figures("camera", 0.6)
    ticks, due, _ = told["control ticks"]
    assert (due, ticks > 0) == (60, True)
    assert 1 <= told["frames used"][0] <= 13
    median, oldest = told["frame age when used"]
    assert 0 <= median <= oldest


def test_the_network_sensor_gives_values_with_their_age() -> None:
    """7.3"""
    told = figures("network_sensor", 1.0)
    assert told["ticks"][1] == 50
    assert told["questions answered or failed"][0] >= 1
    median, oldest = told["age of the value"]
    assert 0 <= median <= oldest
    assert told["ticks at rest, for the value was missing or too old"][0] >= 1  # before the first


def test_the_log_writer_loses_no_line() -> None:
    """5.8: what was acknowledged is on disk."""
    told = figures("log_writer", 0.6)
    for what in ("one by one", "in batches"):
        acknowledged, _, on_disk, syncs, each = told[what]
        assert acknowledged == on_disk >= 1
        assert syncs >= 1
        assert each >= 1
    assert told["one by one"][3] == told["one by one"][0]
    assert told["in batches"][3] < told["in batches"][0]


def test_the_slow_poller_stops_in_the_middle_of_a_request() -> None:
    """7.3: ticks do not wait for answers, and the end does not either."""
    told = figures("slow_poller", 0.8)
    assert told["ticks"][1] == 80
    assert told["answers"][0] <= 3
    took, slow = told["stopped"]
    assert took < 5_000
    assert slow == 300


def test_shared_state_is_whole() -> None:
    """4.1, 10.6: every pose once, no seat twice."""
    told = figures("shared_state", 0.5)
    assert told["ticks"][1] == 50
    sent, taken = told["poses sent"][0], told["poses sent"][-1]
    assert 0 < taken <= sent == told["ticks"][0]
    sold, seats = told["seats sold"][:2]
    assert 0 < sold <= seats == 300
    assert told["seats sold"][-1] == 0
