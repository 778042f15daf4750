"""A slow web API behind a tick of 100 Hz: the tick never waits, and the program stops at once.

    python examples/slow_poller.py [--seconds 2]

The naive way has a thread that polls and sleeps: the tick reads a variable without knowing how old it is, and at the
end the program waits for the sleep, or cuts the thread off in the middle of a request. Here each tick says what it
would like to know, `ctx.background("price", ...)`; one request is under way at a time, on the engine's client, and the
next begins with the first tick after its answer. A request that is under way at the end is cancelled and awaited.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from typing import Any

from nodeloom import Clock, Context, Engine, Node

SLOW = 0.3  # seconds that the service takes


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request, slowly."""
    with contextlib.suppress(asyncio.CancelledError):  # at the end of the program
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(SLOW)
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 15\r\n\r\n")
        writer.write(b'{"price": 42.0}')
    writer.close()


class Trader(Node):
    def __init__(self, url: str, **settings: Any) -> None:
        super().__init__(**settings)
        self.url = url

    def work(self, ctx: Context) -> dict[str, Any]:
        price = ctx.background("price", self.ask, ctx)
        value, age = price.read()
        return {"price": value, "age": age, "answers": price.count}

    async def ask(self, ctx: Context) -> float:
        return float((await ctx.http.get(self.url)).json()["price"])


async def run(seconds: float) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    seen: list[Any] = []
    async with server:
        async with Engine() as engine:
            clock = Clock([Trader(f"http://127.0.0.1:{port}/", rate=100)], engine=engine)
            clock["trader"].add_observer(seen.append)
            ticks = (await clock.run(duration=seconds))["trader"]
            ended = time.monotonic()
        took = time.monotonic() - ended
    ages = sorted(each.age for each in seen if each.age is not None)
    oldest = f"{1000 * ages[-1]:.0f} ms" if ages else "none came"
    print(f"ticks: {ticks.ticks} of {ticks.expected} ({100 * ticks.ticks / ticks.expected:.1f} %)")
    print(f"answers: {seen[-1].answers} ({seen[-1].answers / seconds:.1f} a second of {1 / SLOW:.1f})")
    print(f"age of the price: oldest {oldest}")
    print(f"stopped: in {1000 * took:.0f} ms, with a request of {1000 * SLOW:.0f} ms under way")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    asyncio.run(run(parser.parse_args().seconds))
