"""After everything is closed nothing is left: no socket, no file, no thread, no task (7.4)."""

import asyncio
import gc
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.library.web import Web, serving
from tests.resources.test_background import camera, context_of

from nodeloom.resources.background import Background
from nodeloom.resources.http import http
from nodeloom.resources.named import NamedResources
from nodeloom.resources.sql import sql
from nodeloom.resources.threads import ThreadPool

DESCRIPTORS = Path("/proc/self/fd")
pytestmark = pytest.mark.skipif(not DESCRIPTORS.exists(), reason="counts what is open in /proc")


class Held(Counter[str]):
    """What this process has open, by kind."""

    @classmethod
    def now(cls) -> "Held":
        gc.collect()
        held = cls(tasks=len(asyncio.all_tasks()), threads=threading.active_count())
        for each in DESCRIPTORS.iterdir():
            with suppress(FileNotFoundError):  # the one that lists them
                kind = str(each.readlink()).partition(":")[0]
                held["files" if kind.startswith("/") else kind] += 1
        return held

    @classmethod
    async def settled(cls, before: "Held") -> "Held":
        """What is open once the other side, too, has noticed; within two seconds."""
        held = cls.now()
        for _ in range(100):
            if held == before:
                break
            await asyncio.sleep(0.02)
            held = cls.now()
        return held


class Bench:
    """What an engine holds, put together by hand."""

    def __init__(self, web: Web, folder: Path) -> None:
        self.web = web
        self.pool = ThreadPool("default", 4)
        self.resources = NamedResources(
            {
                "http": http(per_host=4),
                "db": sql(f"sqlite:///{folder}/leaks.db", pool_size=3),
                "file": self.file,
                "often broken": self.broken,
            }
        )
        self.folder = folder
        self.background = Background(self.offload, grace=2.0)
        self.chance = random.Random(11)

    @asynccontextmanager
    async def file(self) -> AsyncIterator[Any]:
        with (self.folder / "open.txt").open("w") as file:
            yield file

    @asynccontextmanager
    async def broken(self) -> AsyncIterator[None]:
        with (self.folder / "open.txt").open("w"):
            await asyncio.sleep(0.001)
            if self.chance.random() < 0.7:
                raise OSError("no luck")
            yield

    async def offload(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return await self.pool.run("background", lambda: function(*args, **kwargs))

    async def close(self) -> None:
        await self.background.close()
        await self.resources.close()
        self.pool.close()


async def one_run(bench: Bench, ctx: Any, n: int) -> None:
    """Something of everything; every seventh fails half-way."""
    client = bench.resources.resource("http")
    latest = bench.background.latest(ctx, f"key {n % 5}", lambda: client.get(f"{bench.web.url}/short-wait"))
    await client.get(f"{bench.web.url}/{'cut' if n % 11 == 0 else 'unnamed'}")
    db = await bench.resources.resource("db")
    async with db.begin() as connection:
        await connection.execute(text("insert into runs values (:n)"), {"n": n})
        if n % 7 == 0:
            raise ValueError("half-way")
    await bench.resources.resource("file")
    with suppress(OSError):
        await bench.resources.resource("often broken")
    if n % 3 == 0:
        await latest.next()


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with serving() as web:
        yield web


async def many(bench: Bench, count: int) -> Counter[str]:
    """Runs that begin and are cancelled at moments drawn by lot; how they ended."""
    chance = random.Random(5)
    ctx = await context_of(camera)
    async with (await bench.resources.resource("db")).begin() as connection:
        await connection.execute(text("create table if not exists runs (n integer)"))

    async def lived(n: int) -> str:
        await asyncio.sleep(chance.random() * 0.25)
        try:
            async with asyncio.timeout(chance.random() * 0.3 if n % 2 else None):
                await one_run(bench, ctx, n)
        except TimeoutError:
            return "cancelled"
        except Exception as error:
            return type(error).__name__
        return "completed"

    return Counter(await asyncio.gather(*(lived(n) for n in range(count))))


async def test_two_hundred_runs_leave_nothing_open(web: Web, tmp_path: Path) -> None:
    """7.4: some fail, some are cancelled at random moments; then everything is closed."""
    await many_closed(web, tmp_path, 20)  # what is loaded once, and kept, is
    before = Held.now()
    ended = await many_closed(web, tmp_path, 200)
    assert await Held.settled(before) == before
    assert min(ended["completed"], ended["cancelled"], ended["ValueError"], ended["RemoteProtocolError"]) > 0


async def many_closed(web: Web, folder: Path, count: int) -> Counter[str]:
    bench = Bench(web, folder)
    try:
        ended = await many(bench, count)
        assert Held.now()["socket"] > 0
    finally:
        await bench.close()
    await web.quiet()
    return ended


async def test_an_engine_that_is_closed_in_the_middle_leaves_nothing_open(web: Web, tmp_path: Path) -> None:
    """7.4: its runs are cancelled with it, at whatever they do."""
    await many_closed(web, tmp_path, 20)
    before = Held.now()
    for seconds in (0.0, 0.03, 0.1, 0.2):
        bench = Bench(web, tmp_path)
        runs = asyncio.create_task(many(bench, 200))
        await asyncio.sleep(seconds)
        runs.cancel()
        await asyncio.wait({runs})
        closing = asyncio.create_task(bench.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait({closing})
        await bench.close()
        await web.quiet()
    assert await Held.settled(before) == before
