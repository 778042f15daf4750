"""A real HTTP service on the loopback that behaves as it is told, and remembers how it was used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Answer = Callable[[int], Awaitable[int]]
"""Of a request's number, from 1, the status to answer with; it may take its time."""


@dataclass
class Service:
    """What was seen: when each request came (the loop's seconds), and how many at once."""

    url: str = ""
    asked: list[float] = field(default_factory=list)
    connections: int = 0
    most_connections: int = 0
    accepted: int = 0
    at_once: int = 0
    most_at_once: int = 0


async def ok(number: int) -> int:
    return 200


@asynccontextmanager
async def serving(answer: Answer = ok) -> AsyncIterator[Service]:
    service = Service()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        service.accepted += 1
        service.connections += 1
        service.most_connections = max(service.most_connections, service.connections)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                service.asked.append(asyncio.get_running_loop().time())
                service.at_once += 1
                service.most_at_once = max(service.most_at_once, service.at_once)
                try:
                    status = await answer(len(service.asked))
                finally:
                    service.at_once -= 1
                writer.write(f"HTTP/1.1 {status} Told\r\ncontent-length: 2\r\n\r\nok".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has left
        finally:
            service.connections -= 1
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield service
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await server.wait_closed()
