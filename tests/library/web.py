"""A small real HTTP/1.1 server on the loopback, with the habits that a client must survive."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Web:
    """The server: where it is, what it was asked, and how many connections are open."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    fixed: dict[str, bytes] = field(default_factory=dict)
    connections: int = 0
    accepted: int = 0
    busiest: int = 0

    @property
    def last(self) -> Request:
        return self.requests[-1]

    async def quiet(self) -> None:
        """Wait until no connection is open; bounded by a second."""
        async with asyncio.timeout(1.0):
            while self.connections:  # noqa: ASYNC110 - it counts down by itself
                await asyncio.sleep(0.005)


Handler = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    named = {"content-length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def _echo(request: Request) -> bytes:
    told = {"method": request.method, "target": request.target, "headers": request.headers}
    body = json.dumps({**told, "body": request.body.decode("utf-8", "replace")}).encode()
    return answer("200 OK", body, content_type="application/json", set_cookie="session=mine")


def bomb(size: int) -> bytes:
    """`size` zero bytes, packed piece by piece."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    piece = bytes(1_000_000)
    return b"".join(packer.compress(piece) for _ in range(size // len(piece))) + packer.flush()


FIXED: dict[str, Callable[[], bytes]] = {
    "/text": lambda: answer("200 OK", "grüß dich".encode("latin-1"), content_type="text/plain; charset=latin-1"),
    "/odd": lambda: answer("200 OK", b"abc", content_type="text/plain; charset=klingon"),
    "/image": lambda: answer("200 OK", b"\x89PNG\xff", content_type="image/png"),
    "/unnamed": lambda: answer("200 OK", b"plain"),
    "/broken-json": lambda: answer("200 OK", b'{"a": 1,\n oops}', content_type="application/json"),
    "/big-json": lambda: answer("200 OK", json.dumps(["x" * 1000] * 400).encode(), content_type="application/json"),
    "/empty": lambda: answer("204 No Content", content_type="application/json"),
    "/gzip": lambda: answer("200 OK", gzip.compress(b"packed"), content_type="text/plain", content_encoding="gzip"),
    "/not-gzip": lambda: answer("200 OK", b"what?", content_type="text/plain", content_encoding="gzip"),
    "/bomb": lambda: answer("200 OK", bomb(200_000_000), content_type="text/plain", content_encoding="gzip"),
    "/bomb-redirect": lambda: answer("302 Found", bomb(200_000_000), content_encoding="gzip", location="/text"),
    "/big": lambda: answer("200 OK", b"x" * 100_000, content_type="text/plain"),
    "/missing": lambda: answer("404 Not Found", b"no such page"),
    "/busy": lambda: answer("503 Service Unavailable", retry_after="7"),
    "/busy-date": lambda: answer(
        "429 Too Many Requests", retry_after=format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    ),
    "/busy-part": lambda: answer("503 Service Unavailable", retry_after="0.3"),
    "/busy-for-ever": lambda: answer("503 Service Unavailable", retry_after="9" * 400),
    "/busy-odd": lambda: answer("429 Too Many Requests", retry_after="soon"),
    "/moved": lambda: answer("302 Found", location="/echo?moved=1"),
    "/see-other": lambda: answer("303 See Other", location="/echo"),
    "/loop": lambda: answer("302 Found", location="/loop"),
    "/to-file": lambda: answer("302 Found", location="file:///etc/passwd"),
}


async def _serve(web: Web, request: Request, writer: asyncio.StreamWriter) -> bool:
    """Answer; False when the connection is done with."""
    path = request.target.partition("?")[0]
    if path == "/echo":
        writer.write(_echo(request))
    elif path == "/slow":
        await asyncio.sleep(30)
    elif path == "/drip":
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.03)
    elif path == "/endless":
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
        for _ in range(100_000):
            writer.write(b"x" * 10_000)
            await writer.drain()
        return False
    elif path == "/cut":
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly this")
        return False
    elif path == "/nonsense":
        writer.write(b"SMTP ready\r\n\r\n")
        return False
    elif path == "/short-wait":
        await asyncio.sleep(0.02)
        writer.write(answer("200 OK", b"ok"))
    else:
        writer.write(web.fixed[path] if path in web.fixed else FIXED[path]())
    await writer.drain()
    return True


async def _requests(reader: asyncio.StreamReader) -> AsyncIterator[Request]:
    while head := await reader.readuntil(b"\r\n\r\n"):
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        yield Request(method, target, headers, body)


async def _gone(reader: asyncio.StreamReader) -> None:
    """Wait until the client has left: a handler that is asleep would not see it."""
    while not reader.at_eof():  # noqa: ASYNC110 - a reader tells only who reads
        await asyncio.sleep(0.01)


@asynccontextmanager
async def serving() -> AsyncIterator[Web]:
    web = Web()
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())  # type: ignore[arg-type]
        web.connections += 1
        web.accepted += 1
        web.busiest = max(web.busiest, web.connections)
        gone = asyncio.create_task(_gone(reader))
        try:
            async for request in _requests(reader):
                web.requests.append(request)
                serve = asyncio.create_task(_serve(web, request, writer))
                await asyncio.wait({serve, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not serve.done():
                    serve.cancel()
                if not serve.done() or serve.exception() or not serve.result():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            gone.cancel()
            web.connections -= 1
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    web.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield web
    finally:
        server.close()
        for each in talks:
            each.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
