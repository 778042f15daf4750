"""Ticking nodes and actors that share state, without a lock of one's own.

    python examples/shared_state.py [--seconds 2]

The naive way shares objects between threads: each needs a lock, and who forgets one reads half of a change. Here there
are two kinds of sharing. A topic carries what is the newest or what came next, from any thread to any thread: the
pose of a robot, its goals. `ctx.shared` is for what several change and must agree on: a transaction sees and changes it
alone, and commits whole or not at all. Two desks sell the same seats, and none is sold twice.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from nodeloom import Clock, Context, Engine, Graph, Node

SEATS = 300


class Motion(Node):
    """Drives towards the newest goal, 100 times a second, on a thread of the clock."""

    memory = True

    def work(self, ctx: Context) -> None:
        at = ctx.memory.get("at", 0.0)
        ctx.memory["at"] = at = at + 0.1 * (ctx.latest("goal", 0.0) - at)
        ctx.publish("pose", at)


class Watch(Node):
    """Takes every pose once, 10 times a second."""

    def work(self, ctx: Context) -> dict[str, Any]:
        return {"poses": len(ctx.topic("pose").take())}


class Desk(Node):
    """An actor: sells a seat, and tells the robot where to bring the guest."""

    async def work(self, ctx: Context) -> dict[str, Any]:
        async with ctx.shared.transaction() as seats:
            left = seats.get("left", SEATS)
            await asyncio.sleep(0)  # others run here, and see nothing of it
            seats["left"] = max(0, left - 1)
        ctx.publish("goal", float(left))
        return {"seat": left}


async def sell(engine: Engine, over: asyncio.Event) -> list[int]:
    """Both desks sell until there is no seat; the seats they sold."""
    sold: list[int] = []
    async with engine.actors(Graph([Desk(id="left"), Desk(id="right")], name="desks")) as system:
        while not over.is_set():
            pair = await asyncio.gather(system.ask("left"), system.ask("right"))
            sold += [each["seat"] for each in pair if each["seat"] > 0]
            await asyncio.sleep(0.001)
    return sold


async def run(seconds: float) -> None:
    async with Engine() as engine:
        over, poses = asyncio.Event(), list[int]()
        clock = Clock([Motion(rate=100), Watch(rate=10, order=1)], engine=engine)
        clock["watch"].add_observer(lambda outputs: poses.append(outputs["poses"]))
        selling = asyncio.create_task(sell(engine, over))
        ticks = (await clock.run(duration=seconds))["motion"]
        over.set()
        sold = await selling
        pose = engine.topic("pose")
        print(f"ticks: {ticks.ticks} of {ticks.expected} ({100 * ticks.ticks / ticks.expected:.1f} %)")
        print(f"poses sent: {pose.count}, taken by the watch {sum(poses)}, each once")
        print(f"seats sold: {len(sold)} of {SEATS}, twice {len(sold) - len(set(sold))}")
        print(f"goals sent: {engine.topic('goal').count}, the newest is {engine.topic('goal').latest():.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    asyncio.run(run(parser.parse_args().seconds))
