"""A sensor on a flaky network, read at 50 Hz: the last good value is always at hand, with its age.

    python examples/network_sensor.py [--seconds 2]

The naive way asks over the network in each tick: every answer that is late or lost holds up the loop, and what to do
without one is decided in an `except`. Here the tick looks at what `ctx.background` knows, which takes no time: the
latest good value, how old it is, why the last attempt failed. One question is under way at a time. The control decides
by the age, and brings the machine to rest when it knows too little.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import logging
from typing import Any

from nodeloom import Clock, Context, Node

TOO_OLD = 0.25  # seconds


class Sensor:
    """A server on a socket. Of six questions it answers four in 10 ms, is late for one, and hangs up on one."""

    def __init__(self) -> None:
        self.asked = itertools.count()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # at the end of the program
            await reader.readline()
            turn = next(self.asked) % 6
            if turn != 4:
                await asyncio.sleep(0.4 if turn == 5 else 0.01)
                writer.write(b"21.5\n")
        writer.close()


async def ask(port: int) -> float:
    async with asyncio.timeout(0.1):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"celsius?\n")
            if not (line := await reader.readline()):
                raise ConnectionError("the sensor hung up")
            return float(line)
        finally:
            writer.close()


class Heater(Node):
    def __init__(self, port: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.port = port

    def work(self, ctx: Context) -> dict[str, Any]:
        sensor = ctx.background("sensor", ask, self.port)
        value, age = sensor.read()
        if value is None or age is None or age > TOO_OLD:
            return {"power": 0.0, "age": age, "asked": sensor.count}
        return {"power": max(0.0, 25.0 - value), "age": age, "asked": sensor.count}


async def run(seconds: float) -> None:
    server = await asyncio.start_server(Sensor().answer, "127.0.0.1", 0)
    heater = Heater(server.sockets[0].getsockname()[1], rate=50)
    seen: list[Any] = []
    clock = Clock([heater])
    clock["heater"].add_observer(seen.append)
    async with server:
        ticks = (await clock.run(duration=seconds))["heater"]
    ages = sorted(each.age for each in seen if each.age is not None)
    print(f"ticks: {ticks.ticks} of {ticks.expected} ({100 * ticks.ticks / ticks.expected:.1f} %)")
    print(f"questions answered or failed: {seen[-1].asked}")
    print(f"age of the value: median {1000 * ages[len(ages) // 2]:.0f} ms, oldest {1000 * ages[-1]:.0f} ms")
    print(f"ticks at rest, for the value was missing or too old: {sum(each.power == 0 for each in seen)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    logging.disable(logging.ERROR)  # that a question failed is logged; here it is meant to
    parser.add_argument("--seconds", type=float, default=2.0)
    asyncio.run(run(parser.parse_args().seconds))
