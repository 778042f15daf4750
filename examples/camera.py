"""A camera whose driver blocks for 50 ms, beside a control loop at 100 Hz: neither waits for the other.

    python examples/camera.py [--seconds 2]

The naive way reads the camera inside of the loop, which then runs at 20 Hz; or polls it from a thread that sleeps
between two frames, which is late for the next one. Here the camera is a node with a rate of its own. Its plain
`def work` blocks a thread of the clock and nothing else, and the control node reads the newest frame, again and again.
What is counted are frames that arrived, each once, and how old they were when they were used; not polls.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

from nodeloom import Clock, Context, Engine, Node

SHUTTER = 0.05  # seconds that the driver blocks for a frame


class Driver:
    """A camera that delivers a frame at each instant of its shutter; who asks late waits for the next."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def read(self) -> tuple[int, float]:
        number = int((time.monotonic() - self.began) / SHUTTER) + 1
        time.sleep(max(0.0, self.began + number * SHUTTER - time.monotonic()))
        return number, time.monotonic()


class Camera(Node):
    def __init__(self, driver: Driver, **settings: Any) -> None:
        super().__init__(**settings)
        self.driver = driver

    def work(self) -> dict[str, Any]:
        number, taken = self.driver.read()
        return {"frame": number, "taken": taken}


class Control(Node):
    memory = True

    def work(self, ctx: Context, inputs: Any) -> dict[str, Any]:
        if "frame" in inputs and inputs["frame"] != ctx.memory.get("frame"):
            ctx.memory["frame"] = inputs["frame"]
            ctx.publish("used", (inputs["frame"], time.monotonic() - inputs["taken"]))
        return {"steer": 0.1 if "frame" in inputs else 0.0}


async def run(seconds: float) -> None:
    async with Engine() as engine:
        used = engine.topic("used").queue()
        camera = Camera(Driver(), rate=1 / SHUTTER, on_overrun="catch_up")
        control = Control(rate=100)
        camera.goto(control, metadata={"read": "latest"})
        ticks = (await Clock([camera, control], engine=engine).run(duration=seconds))["control"]
        ages = sorted(age for _, age in used.take())
    print(f"control ticks: {ticks.ticks} of {ticks.expected} ({100 * ticks.ticks / ticks.expected:.1f} %)")
    print(f"frames used: {len(ages)} ({len(ages) / seconds:.1f} a second of {1 / SHUTTER:.0f})")
    print(f"frame age when used: median {1000 * ages[len(ages) // 2]:.1f} ms, oldest {1000 * ages[-1]:.1f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    asyncio.run(run(parser.parse_args().seconds))
