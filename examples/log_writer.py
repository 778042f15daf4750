"""A log on disk that many write to: lines are written and synced in batches, and none is lost when it stops.

    python examples/log_writer.py [--seconds 2]

The naive way syncs each line by itself, and all wait for the disk in a row; or it gathers lines in a list that is lost
with the process. Here the writer is a node with `Batching`: what comes at the same time is one call of `work_batch`,
so one write and one sync, on a thread. A producer goes on when its line is on disk, and not before.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nodeloom import Batching, Engine, Node


class Writer(Node):
    def __init__(self, path: Path, **settings: Any) -> None:
        super().__init__(**settings)
        self.path = path

    def work(self, inputs: Any) -> dict[str, Any]:
        return self.work_batch([inputs])[0]

    def work_batch(self, items: Sequence[Any]) -> list[dict[str, Any]]:
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(f"{item['line']}\n" for item in items)
            file.flush()
            os.fsync(file.fileno())
        return [{"batch": len(items)} for _ in items]


async def produce(engine: Engine, writer: Writer, name: int, over: asyncio.Event) -> list[int]:
    """Write line after line; how many lines each was written together with."""
    batches: list[int] = []
    while not over.is_set():
        batches.append((await engine.call(writer, {"line": f"{name} {len(batches)}"}))["batch"])
    return batches


async def measured(what: str, writer: Writer, count: int, seconds: float) -> None:
    async with Engine() as engine:
        over = asyncio.Event()
        producers = [asyncio.create_task(produce(engine, writer, name, over)) for name in range(count)]
        await asyncio.sleep(seconds)
        over.set()
        batches = [each for written in await asyncio.gather(*producers) for each in written]
    lines = writer.path.read_text(encoding="utf-8").splitlines()
    syncs = round(sum(1 / each for each in batches))
    print(
        f"{what}: {len(batches)} lines acknowledged ({len(batches) / seconds:.0f} a second), "
        f"{len(set(lines))} on disk, {syncs} syncs, {len(batches) / syncs:.0f} lines each"
    )


async def run(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        await measured("one by one", Writer(Path(folder, "one.log")), 1, seconds / 2)
        gathering = Writer(Path(folder, "all.log"), policies=[Batching(size=500, wait=0.005)])
        await measured("in batches", gathering, 200, seconds / 2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    asyncio.run(run(parser.parse_args().seconds))
