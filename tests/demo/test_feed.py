"""The server of the demo."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from urllib.parse import urlsplit

import pytest

from nodeloom.demo.feed import SLOW_PAGE, Feed, data


async def ask(feed: Feed, request: str) -> tuple[int, bytes]:
    host, port = urlsplit(feed.address).netloc.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]) if head else 0, body


async def get(feed: Feed, target: str) -> tuple[int, bytes]:
    return await ask(feed, f"GET {target} HTTP/1.1\r\nHost: demo\r\n\r\n")


async def test_pages_join_up_to_the_whole_feed():
    async with Feed(pause=0) as feed:
        status, body = await get(feed, "/earthquakes?page=1&size=500")
        pages = [json.loads(body)]
        while "next" in pages[-1]:
            address = urlsplit(pages[-1]["next"])
            status, body = await get(feed, f"{address.path}?{address.query}")
            assert status == 200
            pages.append(json.loads(body))
    features = [each for page in pages for each in page["features"]]
    assert features == json.loads(data("earthquakes.json.gz"))["features"]
    assert [page["metadata"]["pages"] for page in pages] == [4] * 4


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /earthquakes?page=0", 400),
        ("GET /earthquakes?page=99", 400),
        ("GET /earthquakes?size=0", 400),
        ("GET /earthquakes?size=501", 400),
        ("GET /earthquakes?page=x", 400),
        ("GET /nothing", 404),
        ("GET /../feed.py", 404),
        ("POST /earthquakes", 405),
        ("GET /alerts", 503),
        ("GET /airports.csv", 200),
        ("GET /land.json", 200),
    ],
)
async def test_answers(request_line, status):
    async with Feed() as feed:
        assert (await ask(feed, f"{request_line} HTTP/1.1\r\n\r\n"))[0] == status


@pytest.mark.parametrize("noise", ["\r\n\r\n", "nonsense\r\n\r\n", "GET\r\n\r\n", "x" * 100_000 + "\r\n\r\n"])
async def test_noise_ends_its_connection_alone(noise):
    async with Feed() as feed:
        with contextlib.suppress(ConnectionError):
            await ask(feed, noise)
        assert (await get(feed, "/land.json"))[0] == 200


async def test_it_listens_on_this_machine_only_and_not_after_its_end():
    async with Feed() as feed:
        host, port = urlsplit(feed.address).netloc.split(":")
        assert host == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=1)


async def test_closing_does_not_wait_for_the_slow_page():
    before = asyncio.all_tasks()
    async with Feed(pause=60) as feed:
        asked = asyncio.create_task(get(feed, f"/earthquakes?page={SLOW_PAGE}"))
        while not feed.requests:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    status, body = await asyncio.wait_for(asked, 5)
    assert (status, body) == (0, b"")
    assert asyncio.all_tasks() <= before
