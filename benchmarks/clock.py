"""clock: ticks that come, and when; a camera that blocks, and the age of its frames; many nodes; virtual time.

Every contender notes the instant at which each tick begins, with the same clock, and all figures are made of these:
ticks that did not come, and by how much the time between two is not what it should be. One run gives several figures.
"""

import asyncio
import ctypes
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from benchmarks.harness import MICROSECONDS, MILLISECONDS, Contender, Sampler, Target, Workload, check

RATE = 1_000
CONTROL = 100
SHUTTER = 0.05  # seconds that the camera blocks for a frame
NODES = 50
HOUR = 3_600
Figures = dict[str, float]
now = time.perf_counter


class Shared:
    """Runs whose figures are asked for one at a time: all of a run are kept until they are.

    Args:
        run: gives all the figures of a run.
    """

    def __init__(self, run: Callable[[], Figures]) -> None:
        self._run = run
        self._left: dict[str, list[float]] = {}

    def figure(self, name: str) -> Callable[[], Sampler]:
        return lambda: lambda: self._take(name)

    def _take(self, name: str) -> float:
        if not self._left.get(name):
            for each, figure in self._run().items():
                self._left.setdefault(each, []).append(figure)
        return self._left[name].pop(0)


def period_figures(instants: Sequence[float], rate: float, seconds: float) -> Figures:
    """What is to be known of ticks that began at these instants."""
    errors = sorted(abs(after - before - 1 / rate) for before, after in pairwise(instants))
    return {
        "missing": missing(len(instants), rate * seconds),
        "p50": errors[len(errors) // 2] * MICROSECONDS,
        "p99": errors[len(errors) * 99 // 100] * MICROSECONDS,
    }


def missing(count: int, due: float) -> float:
    return max(0.0, 100.0 * (due - count) / due)


# --- 1,000 Hz


def in_a_thread(seconds: float) -> Figures:
    """A thread that sleeps to absolute instants, and catches up with those it is late for; with the timer slack that a
    clock asks of Linux for its threads.
    """
    instants: list[float] = []

    def loop() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(29, 1, 0, 0, 0)
        start = time.monotonic() + 0.01
        for number in range(int(RATE * seconds)):
            left = start + number / RATE - time.monotonic()
            if left > 0:
                time.sleep(left)
            instants.append(now())

    thread = threading.Thread(target=loop)
    thread.start()
    thread.join()
    return period_figures(instants, RATE, seconds)


def by_clock(seconds: float, on_overrun: str = "skip") -> Figures:
    from nodeloom import Clock, Node

    instants: list[float] = []

    class Tick(Node):
        def work(self) -> None:
            instants.append(now())

    asyncio.run(Clock([Tick(rate=RATE, on_overrun=on_overrun)]).run(duration=seconds))
    return period_figures(instants, RATE, seconds)


HORUS = """
import json, os, sys, time
instants, said = [], os.dup(1)
os.dup2(2, 1)  # what it prints is no figure
import horus
tick = horus.Node(name="tick", tick=lambda node: instants.append(time.perf_counter()), rate={rate})
horus.run(tick, duration={seconds}, tick_rate={rate})
os.write(said, json.dumps(instants).encode())
"""


def by_horus(seconds: float) -> Figures:
    """In a process of its own: it takes over the signals of the one it runs in."""
    import horus  # noqa: F401 - it is here, or that is the reason shown

    program = HORUS.format(rate=RATE, seconds=seconds)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=seconds + 30)
    return period_figures(json.loads(done.stdout), RATE, seconds)


# --- 100 Hz beside a camera that blocks


class Seen:
    """What a control loop sees of a camera: the instants of its ticks, the frames it used and how old they were."""

    def __init__(self) -> None:
        self.instants: list[float] = []
        self.frames: list[float] = []
        self.ages: list[float] = []

    def tick(self, taken: float | None) -> None:
        self.instants.append(now())
        if taken is not None and taken not in self.frames[-1:]:
            self.frames.append(taken)
            self.ages.append(self.instants[-1] - taken)

    def figures(self, seconds: float) -> Figures:
        self.ages.sort()
        return {
            "missing": missing(len(self.instants), CONTROL * seconds),
            "frame": (self.frames[-1] - self.frames[0]) / (len(self.frames) - 1) * MILLISECONDS,
            "age": self.ages[len(self.ages) // 2] * MILLISECONDS,
            "oldest": self.ages[-1] * MILLISECONDS,
        }


def beside_by_clock(seconds: float) -> Figures:
    from nodeloom import Clock, Node

    seen = Seen()

    class Camera(Node):
        def work(self) -> dict[str, float]:
            time.sleep(SHUTTER)
            return {"taken": now()}

    class Control(Node):
        def work(self, inputs: Any) -> None:
            seen.tick(inputs.get("taken"))

    camera, control = Camera(rate=1 / SHUTTER, on_overrun="coalesce"), Control(rate=CONTROL)
    camera.goto(control, metadata={"read": "latest"})
    asyncio.run(Clock([camera, control]).run(duration=seconds))
    return seen.figures(seconds)


def beside_a_thread(seconds: float) -> Figures:
    """The pattern of the guide: a thread polls the camera and sleeps 10 ms, the loop reads the latest slot."""
    seen, over = Seen(), threading.Event()
    slot: list[float | None] = [None]

    def poll() -> None:
        while not over.is_set():
            time.sleep(SHUTTER)
            slot[0] = now()
            time.sleep(0.01)

    thread = threading.Thread(target=poll)
    thread.start()
    start = time.monotonic() + 0.01
    for number in range(int(CONTROL * seconds)):
        time.sleep(max(0.0, start + number / CONTROL - time.monotonic()))
        seen.tick(slot[0])
    over.set()
    thread.join()
    return seen.figures(seconds)


# --- many nodes, and virtual time


def many(seconds: float) -> Sampler:
    from nodeloom import Clock, Node

    class Tick(Node):
        def work(self) -> None:
            return None

    def sample() -> float:
        nodes = [Tick(rate=CONTROL, id=f"n{index}") for index in range(NODES)]
        report = asyncio.run(Clock(nodes).run(duration=seconds))
        ticks = sum(each.ticks - each.overruns for each in report.values())
        return missing(ticks, NODES * CONTROL * seconds)

    return sample


def virtual_hour() -> Sampler:
    from nodeloom import Clock, Node
    from nodeloom.testing import run_virtual

    class Tick(Node):
        def work(self) -> None:
            return None

    def sample() -> float:
        clock = Clock([Tick(rate=10)])
        begun = now()
        report = run_virtual(clock.run(duration=HOUR))
        taken = now() - begun
        check(report["tick"].ticks, 10 * HOUR)
        return taken

    return sample


def workloads(quick: bool) -> list[Workload]:
    long, short = (2.0, 2.0) if quick else (10.0, 5.0)
    rounds = 1 if quick else 3
    thread, clock, horus = (Shared(partial(run, long)) for run in (in_a_thread, by_clock, by_horus))
    catching_up = Shared(partial(by_clock, long, "catch_up"))
    polled, camera = (Shared(partial(run, short)) for run in (beside_a_thread, beside_by_clock))

    def at_a_thousand(what: str, unit: str, figure: str, target: float) -> Workload:
        contenders = [
            Contender("limit: a bare thread", thread.figure(figure), "limit"),
            Contender("nodeloom", clock.figure(figure), "nodeloom"),
            Contender("nodeloom, catch_up", catching_up.figure(figure), "variant"),
            Contender("horus-robotics", horus.figure(figure)),
        ]
        return Workload(f"clock: 1,000 Hz, {what}", unit, contenders, [Target("value", target)], rounds=rounds)

    def beside(what: str, unit: str, figure: str, targets: Sequence[Target]) -> Workload:
        contenders = [
            Contender("nodeloom", camera.figure(figure), "nodeloom"),
            Contender("a polling thread", polled.figure(figure)),
        ]
        return Workload(f"clock: 100 Hz beside a camera, {what}", unit, contenders, targets, rounds=rounds)

    return [
        at_a_thousand("ticks missing", "%", "missing", 0.0),
        at_a_thousand("period error, p50", "µs", "p50", 20.0),
        at_a_thousand("period error, p99", "µs", "p99", 1_000.0),
        beside("ticks missing", "%", "missing", [Target("value", 0.0)]),
        beside("its frames", "ms a frame of 50", "frame", [Target("value", 51.0)]),
        beside("frame age, median", "ms", "age", []),
        beside("frame age, oldest", "ms", "oldest", []),
        Workload(
            f"clock: {NODES} nodes at 100 Hz, ticks missing",
            "%",
            [Contender("nodeloom", lambda: many(short), "nodeloom")],
            [Target("value", 0.5)],
            rounds=rounds,
        ),
        Workload(
            "clock: a virtual hour at 10 Hz",
            "s",
            [Contender("nodeloom", virtual_hour, "nodeloom")],
            [Target("value", 1.0)],
            rounds=rounds,
        ),
    ]
