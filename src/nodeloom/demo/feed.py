"""The data of the demo behind a small HTTP server on this machine, for the workflow to have something to fetch.

GET /earthquakes?page=1&size=200   a page of the feed, with the address of the `next` one; page 5 takes its time
GET /airports.csv                  the airports
GET /land.json                     coastlines
GET /alerts                        always 503: services are away at times
"""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import dataclass
from importlib.resources import files
from types import TracebackType
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

__all__ = ["SLOW_PAGE", "Feed", "data"]

SLOW_PAGE = 5
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}
_LONGEST_SIZE = 500
Name: TypeAlias = Literal["earthquakes.json.gz", "airports.csv", "land.json"]


def data(name: Name) -> bytes:
    """A file of the demo's data, unpacked where it is packed; `data/SOURCES.md` says where each is from."""
    packed = files("nodeloom.demo").joinpath("data", name).read_bytes()
    return gzip.decompress(packed) if name.endswith(".gz") else packed


@dataclass(frozen=True)
class Answer:
    """What a request is answered with."""

    status: int
    body: bytes
    kind: str = "application/json"

    def encoded(self) -> bytes:
        head = (
            f"HTTP/1.1 {self.status} {_REASONS[self.status]}\r\nContent-Type: {self.kind}\r\n"
            f"Content-Length: {len(self.body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode("ascii") + self.body


def failure(status: int, detail: str) -> Answer:
    """An answer that says what is wrong."""
    return Answer(status, json.dumps({"status": status, "detail": detail}).encode())


class Feed:
    """The server, as an async context manager: it listens on a free port of the loopback interface.

    Args:
        pause: seconds the slow page takes.

    Example:
        `async with Feed() as feed: await client.get(f"{feed.address}/airports.csv")`
    """

    def __init__(self, pause: float = 1.5) -> None:
        self.pause = pause
        self.address = ""
        self.requests: list[str] = []
        self._feed: dict[str, Any] = json.loads(data("earthquakes.json.gz"))
        self._server: asyncio.Server | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Feed:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            for task in self._answering:
                task.cancel()
            await asyncio.gather(*self._answering, return_exceptions=True)
            await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one answer."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write((await self._answer(head)).encoded())
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            return  # whoever asked has left, or does not speak HTTP
        finally:
            writer.close()

    async def _answer(self, head: bytes) -> Answer:
        method, target, *_ = [*head.split(b"\r\n", 1)[0].decode("latin-1").split(" "), "", ""]
        self.requests.append(target)
        if method != "GET":
            return failure(405, "this server only answers GET")
        address = urlsplit(target)
        match address.path:
            case "/earthquakes":
                return await self._page(parse_qs(address.query))
            case "/airports.csv":
                return Answer(200, data("airports.csv"), "text/csv; charset=utf-8")
            case "/land.json":
                return Answer(200, data("land.json"))
            case "/alerts":
                return failure(503, "the alert service is being maintained")
            case path:
                return failure(404, f"there is no {path}; there are /earthquakes, /airports.csv, /land.json, /alerts")

    async def _page(self, query: dict[str, list[str]]) -> Answer:
        try:
            page, size = (int(query.get(name, [usual])[0]) for name, usual in (("page", "1"), ("size", "200")))
        except ValueError:
            return failure(400, "page and size are whole numbers")
        features = self._feed["features"]
        pages = -(-len(features) // size) if 1 <= size <= _LONGEST_SIZE else 0
        if not 1 <= page <= pages:
            return failure(400, f"page goes from 1 to {pages}, size from 1 to {_LONGEST_SIZE}")
        if page == SLOW_PAGE:
            await asyncio.sleep(self.pause)
        answer = {
            "type": "FeatureCollection",
            "metadata": {**self._feed["metadata"], "page": page, "pages": pages},
            "features": features[(page - 1) * size : page * size],
        }
        if page < pages:
            answer["next"] = f"{self.address}/earthquakes?page={page + 1}&size={size}"
        return Answer(200, json.dumps(answer, separators=(",", ":")).encode())
