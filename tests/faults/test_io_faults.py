"""The thirteen faults of I/O that a home-made runtime has, each shown to be absent (docs/io.md)."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

import pytest
from tests.faults.service import serving

from nodeloom import (
    CircuitBreaker,
    Concurrency,
    Engine,
    Graph,
    RateLimit,
    Retry,
    RunFailed,
    Timeout,
    node,
)
from nodeloom.errors import CircuitOpen
from nodeloom.library.http_request import HttpRequest


async def test_fault_1_blocking_code_in_one_node_delays_nobody() -> None:
    """1.6, 7.1: a plain `def` runs off the loop; the loop keeps its beat while it blocks."""
    release = threading.Event()
    beats: list[float] = []

    @node
    def camera() -> dict[str, Any]:
        assert release.wait(10)
        return {"frame": 1}

    @node
    async def control() -> dict[str, Any]:
        for _ in range(20):
            await asyncio.sleep(0.005)
            beats.append(time.monotonic())
        release.set()
        return {"beats": len(beats)}

    result = await Graph([camera, control], name="side_by_side").run()
    assert result.outputs["control"]["beats"] == 20
    assert result.outputs["camera"]["frame"] == 1


async def test_fault_2_a_call_that_hangs_is_ended() -> None:
    """5.4: nothing waits for ever: a Timeout ends the attempt, and the connection goes back."""

    async def hang(number: int) -> int:
        await asyncio.sleep(0 if number == 1 else 3600)
        return 200

    async with serving(hang) as service, Engine() as engine:
        await engine.call(HttpRequest(url=service.url, id="first"))
        fetch = HttpRequest(url=service.url, policies=[Timeout(0.3)], id="fetch")
        with pytest.raises(RunFailed, match=r"took longer than its 0\.3 s"):
            await engine.run(Graph(fetch, name="hanging"))
        assert len(service.asked) == 2


async def test_fault_3_a_full_queue_blocks_no_thread() -> None:
    """7.1: steps that find the pool full wait on the loop, in their order, while others go on."""
    release = threading.Event()
    order: list[int] = []

    @node(pool="narrow")
    def slow(inputs: dict[str, Any]) -> dict[str, Any]:
        assert release.wait(10)
        order.append(inputs["n"])
        return {}

    async with Engine(pools={"narrow": 2}) as engine:
        running = [asyncio.create_task(engine.call(slow, {"n": n})) for n in range(20)]
        await asyncio.sleep(0.02)
        threads = [thread for thread in threading.enumerate() if "narrow" in thread.name]
        release.set()
        await asyncio.gather(*running)
    assert len(threads) == 2
    assert sorted(order) == list(range(20))


async def test_fault_4_connections_are_pooled() -> None:
    """7.4: two hundred requests one after another use one connection; at once, no more than the pool has."""
    async with serving() as service, Engine() as engine:
        fetch = HttpRequest(url=service.url, id="fetch")
        for _ in range(50):
            await engine.call(fetch)
        assert service.accepted == 1
        await asyncio.gather(*(engine.call(fetch) for _ in range(300)))
        assert service.most_connections <= 100


async def test_fault_5_nothing_leaks() -> None:
    """7.4, 2.6: after failed, cancelled and finished runs no socket, file or task is left."""

    async def moody(number: int) -> int:
        await asyncio.sleep(0.001 * (number % 7))
        return 500 if number % 3 == 0 else 200

    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    async with serving(moody) as service:
        files, tasks, threads = open_files(), len(asyncio.all_tasks()), threading.active_count()
        async with Engine() as engine:
            graph = Graph(HttpRequest(url=service.url, id="fetch"), name="fetching")
            runs = [asyncio.create_task(engine.run(graph, check=False)) for _ in range(60)]
            await asyncio.sleep(0.01)
            for run in runs[::4]:
                run.cancel()
            await asyncio.gather(*runs, return_exceptions=True)
        async with asyncio.timeout(5):
            while service.connections:  # noqa: ASYNC110 - the server learns of it a moment later
                await asyncio.sleep(0.005)
        assert (open_files(), len(asyncio.all_tasks()), threading.active_count()) == (files, tasks, threads)


async def test_fault_6_what_fails_once_is_tried_again() -> None:
    """5.3: with waits that grow and are spread, and never by two layers at once."""

    async def recovering(number: int) -> int:
        return 503 if number < 3 else 200

    async with serving(recovering) as service, Engine() as engine:
        fetch = HttpRequest(url=service.url, policies=[Retry(5, wait=0.01)], id="fetch")
        assert (await engine.call(fetch))["status"] == 200
        assert len(service.asked) == 3


async def test_fault_7_threads_are_bounded() -> None:
    """7.1: a thousand blocking steps share the pool; ten thousand idle nodes own no thread."""
    before = threading.active_count()
    most = 0
    lock = threading.Lock()

    @node
    def block() -> dict[str, Any]:
        nonlocal most
        with lock:
            most = max(most, threading.active_count())
        return {}

    many = [block.copy(id=f"n{number}") for number in range(10_000)]
    assert threading.active_count() == before
    async with Engine(pools={"default": 8}) as engine:
        await engine.run(Graph(many[:1000], name="wide"))
    assert most <= before + 8


async def test_fault_9_waiting_is_done_at_once() -> None:
    """2.1, 3.6: branches that wait for I/O wait together."""
    together = asyncio.Barrier(50)

    async def all_of_them(number: int) -> int:
        await together.wait()  # answers nobody until all fifty have asked
        return 200

    async with serving(all_of_them) as service, Engine() as engine:
        fetches = [HttpRequest(url=service.url, id=f"fetch{n}") for n in range(50)]
        result = await engine.run(Graph(fetches, name="together"))
        assert result.status == "completed"
        assert service.most_at_once == 50


async def test_fault_10_a_service_is_not_hammered() -> None:
    """5.6: any window of t seconds sees at most `burst + rate * t` requests, whoever asks."""
    rate, burst = 100.0, 5
    async with serving() as service, Engine() as engine:
        limit = RateLimit(rate, burst=burst, key="service")
        fetches = [HttpRequest(url=service.url, policies=[limit, Concurrency(20)], id=f"f{n}") for n in range(4)]
        graph = Graph(fetches, name="polite")
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(engine.run(graph) for _ in range(15)))
    assert len(service.asked) == 60
    for number, asked in enumerate(sorted(service.asked), start=1):  # on their way they can only become later
        assert number <= burst + rate * (asked - began)


async def test_fault_11_a_service_that_is_down_is_left_alone() -> None:
    """5.5: after five failures in a row the breaker refuses, and costs the service nothing."""

    async def down(number: int) -> int:
        return 500

    async with serving(down) as service, Engine() as engine:
        fetch = HttpRequest(url=service.url, policies=[CircuitBreaker(5, reset_after=60.0)], id="fetch")
        errors = []
        for _ in range(50):
            try:
                await engine.call(fetch)
            except Exception as error:  # counted below
                errors.append(type(error))
        assert len(service.asked) == 5
        assert errors.count(CircuitOpen) == 45


async def test_fault_12_a_thread_is_told_and_awaited() -> None:
    """5.4, 6.2: code on a thread is not killed: it is told, and has the time to put things in order."""
    began, log = threading.Event(), []

    @node
    def copying(ctx: Any) -> dict[str, Any]:
        began.set()
        try:
            while not ctx.cancelled:
                time.sleep(0.001)
        finally:
            log.append("closed")
        return {}

    async with Engine() as engine:
        run = await engine.start(Graph(copying, name="copying"))
        await asyncio.get_running_loop().run_in_executor(None, began.wait, 10)
        await run.cancel()
        assert log == ["closed"]
        assert run.status == "cancelled"


async def test_fault_13_async_and_blocking_code_stand_side_by_side() -> None:
    """1.6: a hundred async steps wait on one thread, and a blocking one beside them needs no other API."""

    @node
    async def waits(inputs: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return {"thread": threading.get_ident()}

    @node
    def blocks(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"thread": threading.get_ident()}

    nodes = [waits.copy(id=f"w{number}") for number in range(100)]
    result = await Graph([*nodes, blocks], name="mixed").run()
    on_loop = {result.outputs[each.id]["thread"] for each in nodes}
    assert on_loop == {threading.get_ident()}
    assert result.outputs["blocks"]["thread"] not in on_loop
