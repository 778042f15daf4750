"""A small real server that offers HTTP/2 over TLS, with a certificate of its own making."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trustme
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, RequestReceived


@dataclass
class Web2:
    """The server: where it is, how many connections it took, how many requests it had at once."""

    url: str = ""
    connections: int = 0
    now: int = 0
    at_once: int = 0

    async def answered(self) -> None:
        """The time an answer takes: long enough for others to come in."""
        self.now += 1
        self.at_once = max(self.at_once, self.now)
        await asyncio.sleep(0.02)
        self.now -= 1


def certificates() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's context, and that of a client which trusts it."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@asynccontextmanager
async def serving2(tls: ssl.SSLContext, offered: list[str]) -> AsyncIterator[Web2]:
    """A server on the loopback that offers these protocols."""
    web = Web2()
    talks: set[asyncio.Task[None]] = set()
    tls.set_alpn_protocols(offered)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())  # type: ignore[arg-type]
        web.connections += 1
        spoken = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        try:
            await (_two if spoken == "h2" else _one)(web, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "localhost", 0, ssl=tls)
    web.url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    try:
        yield web
    finally:
        server.close()
        for each in talks:
            each.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def _one(web: Web2, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        await web.answered()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()


async def _two(web: Web2, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    talk = H2Connection(H2Configuration(client_side=False))
    talk.initiate_connection()
    writer.write(talk.data_to_send())

    async def answer(stream: int) -> None:
        await web.answered()
        talk.send_headers(stream, [(":status", "200"), ("content-length", "2")])
        talk.send_data(stream, b"ok", end_stream=True)
        writer.write(talk.data_to_send())

    async with asyncio.TaskGroup() as answers:
        while data := await reader.read(65536):
            for event in talk.receive_data(data):
                if isinstance(event, RequestReceived):
                    answers.create_task(answer(event.stream_id))
                elif isinstance(event, ConnectionTerminated):
                    return
            writer.write(talk.data_to_send())
