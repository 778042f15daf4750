"""Systems of actors and clocks that only say how they are doing, and a process in which they live."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nodeloom.runners.left import Left
from nodeloom.runners.stats import ActorStats, TickStats

from .conftest import environment


@dataclass(eq=False)
class Fake:
    """Something that lives on an engine."""

    name: str
    kind: Literal["actors", "clock"]
    nodes: list[Any] = field(default_factory=list)

    def stats(self) -> Mapping[str, Any]:
        return {each.node: each for each in self.nodes}

    async def end(self, grace: float) -> tuple[Left, ...]:
        return ()

    def hasten(self) -> None: ...

    def lives_on(self, node: Any) -> bool:
        return False


SHOP = Fake(
    "shop",
    "actors",
    [
        ActorStats("take_order", "processing", 3, 1000, 12345, 0, True, {"order": 7}, 120.4, 119.6, 0.00082, 0.0031),
        ActorStats("pack", "idle", 850, 1000, 11400, 3, False, None, 119.6, 98.0, 0.0123, 0.205, 0, 3, 0),
        ActorStats("send", "restarting", 20, 20, 9000, 17, False, None, 9.83, 0.25, 1.5, 61.0, 4, 17, 1204),
    ],
)
ROBOT = Fake(
    "robot",
    "clock",
    [
        TickStats("camera", 30.0, 29.98, 900, 901, 0, 0.00012, 0.0011, 0.0042, last_run=0.01, health="healthy"),
        TickStats("control", 1000.0, 999.99, 30000, 30000, 0, 2.4e-6, 2e-5, 9e-4, data_age=0.02, health="healthy"),
        TickStats(
            "lidar", 10.0, 7.5, 225, 300, 0, 0.02, 0.5, 3.0, 12, 60, 1, 2, 4.0, None, None, "hung",
            "its watchdog expired 4.0 s ago: it has run for 5.0 s",
        ),
    ],
)  # fmt: skip

PROCESS = """
import asyncio, sys
from nodeloom import Engine
from tests.cli.living import ROBOT, SHOP

async def main():
    async with Engine() as engine, engine.seen() as seen:
        for each in (SHOP, ROBOT):
            engine.live_on(each)
        print(seen.path, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        BODY

asyncio.run(main())
"""


def living_process(folder: Any, body: str = "pass") -> subprocess.Popen[str]:
    """A process with both of them, which ends when it is sent a line; after its path has been read, it can be seen."""
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS.replace("BODY", body)],
        env=environment(XDG_RUNTIME_DIR=str(folder), PYTHONPATH=os.pathsep.join(sys.path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
