"""A hundred nodes work through objects of an S3-compatible server: memory, threads and connections stay bounded."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from tests.faults.s3 import put, s3_server

from nodeloom import Concurrency, Context, Engine, Graph, Params, Retry, Timeout, node

NODES, OBJECTS, SIZE = 100, 3, 1_000_000


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server() as url:
        put(f"{url}/objects")
        for number in range(OBJECTS):
            put(f"{url}/objects/{number}.bin", bytes([number]) * SIZE)
        yield f"{url}/objects"


class FoldParams(Params):
    bucket: str = ""
    own: str = ""


def digest(data: bytes) -> str:
    """Work of the processor's, off the loop."""
    return hashlib.sha256(data).hexdigest()


@node(policies=[Retry(3), Concurrency(8, key="s3"), Timeout(60.0)])
async def fold(params: FoldParams, ctx: Context) -> dict[str, Any]:
    """Read every object, hash it on a thread, and write what came of it back."""
    found = []
    for number in range(OBJECTS):
        response = await ctx.http.get(f"{params.bucket}/{number}.bin")
        response.raise_for_status()
        found.append(await ctx.offload(digest, response.content))
    written = await ctx.http.put(f"{params.bucket}/{params.own}.txt", content="\n".join(found))
    written.raise_for_status()
    return {params.own: found}


async def test_a_hundred_nodes_over_s3_stay_within_bounds(bucket: str) -> None:
    """7.1, 7.4: 300 MB pass through in pieces of at most 8; no thread, connection or memory per node."""
    process = psutil.Process(os.getpid())
    before, threads = process.memory_info().rss, threading.active_count()
    most_memory, most_threads = 0, 0

    async def look() -> None:
        nonlocal most_memory, most_threads
        while True:
            most_memory = max(most_memory, process.memory_info().rss - before)
            most_threads = max(most_threads, threading.active_count() - threads)
            await asyncio.sleep(0.005)

    nodes = [fold.copy(id=f"node_{number}", bucket=bucket, own=f"node_{number}") for number in range(NODES)]
    async with Engine(pools={"default": 4}) as engine:
        looking = asyncio.create_task(look())
        result = await engine.run(Graph(nodes, name="s3"))
        looking.cancel()
    expected = [digest(bytes([number]) * SIZE) for number in range(OBJECTS)]
    assert [result.output[each.id] for each in nodes] == [expected] * NODES
    assert most_threads <= 4 + 1  # the pool's, and one that looks up names
    assert most_memory < 100_000_000
