"""The HTTP client that every node of an engine shares: pooled for each host, with limits (7.4)."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from tests.library.web import Web, serving
from tests.resources.web2 import Web2, certificates, serving2

from nodeloom import Engine, Graph, node
from nodeloom.errors import EngineClosed
from nodeloom.resources.http import http
from nodeloom.resources.http_client import Client, Line, PerHost
from nodeloom.testing import run_virtual


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with serving() as web:
        yield web


@pytest.fixture
async def other() -> AsyncIterator[Web]:
    async with serving() as web:
        yield web


def lines(client: httpx2.AsyncClient) -> dict[Any, Line]:
    transport = client._transport
    assert isinstance(transport, PerHost)
    return transport._lines


async def settle(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


# --- in an engine


async def test_the_client_is_shared_by_all_and_closed_with_the_engine() -> None:
    """7.4."""
    seen: list[Any] = []

    @node
    async def look(ctx):
        seen.append(ctx.http)

    async with Engine() as engine:
        graph = Graph(look)
        await asyncio.gather(*(engine.run(graph) for _ in range(20)))
        assert len(set(map(id, seen))) == 1
        assert not seen[0].is_closed
    assert seen[0].is_closed


# --- settings


async def test_the_client_never_waits_without_a_limit() -> None:
    """7.4, 5.3: and does not retry, which is a policy's work."""
    client = http().open()
    timeout = client.timeout
    assert (timeout.connect, timeout.read, timeout.write, timeout.pool) == (30.0, 30.0, 30.0, 30.0)
    assert client.follow_redirects
    await client.aclose()


async def test_a_request_is_sent_once_even_when_the_connection_is_lost(web: Web) -> None:
    """5.3: the client does not retry."""
    client = http().open()
    with pytest.raises(httpx2.HTTPError):
        await client.get(f"{web.url}/nonsense")
    assert len(web.requests) == 1
    await client.aclose()


async def test_cookies_of_one_request_are_not_sent_with_another(web: Web) -> None:
    """7.4: the client is shared by runs that have nothing to do with one another."""
    client = http().open()
    for _ in range(2):
        await client.get(f"{web.url}/echo")
    assert "cookie" not in web.last.headers
    await client.aclose()


@pytest.mark.parametrize("setting", [{"timeout": 0}, {"per_host": 0}, {"total": -1}, {"kept": -1}])
def test_a_setting_that_is_no_limit_is_refused_and_named(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"http\({next(iter(setting))}="):
        http(**setting)


async def test_the_client_can_be_awaited_and_entered_and_stays_open(web: Web) -> None:
    """7.4: one step that is done with it does not close it for the next."""
    client: Any = http().open()
    assert await client is client
    async with client as same:
        assert same is client
    assert (await client.get(f"{web.url}/text")).status_code == 200
    await client.aclose()


# --- connections to one host


async def test_a_host_has_no_more_connections_in_use_than_allowed(web: Web) -> None:
    """7.4: a thousand requests, two hundred at once."""
    client = http(per_host=10).open()
    at_once = asyncio.Semaphore(200)

    async def ask() -> str:
        async with at_once:
            return (await client.get(f"{web.url}/unnamed")).text

    assert await asyncio.gather(*(ask() for _ in range(1000))) == ["plain"] * 1000
    assert web.busiest <= 10
    assert web.accepted == 10
    assert lines(client) == {}
    await client.aclose()
    await web.quiet()


async def test_a_slow_host_does_not_hold_up_another(web: Web, other: Web) -> None:
    """7.4: though more requests wait for it than there are connections in all."""
    client = http(per_host=2, total=5).open()
    slow = [asyncio.create_task(client.get(f"{web.url}/slow")) for _ in range(50)]
    await settle(lambda: web.connections == 2)
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(client.get(f"{other.url}/unnamed") for _ in range(20)))
    assert [answer.text for answer in answers] == ["plain"] * 20
    assert (web.busiest, other.busiest) == (2, 2)
    for each in slow:
        each.cancel()
    await asyncio.wait(slow)
    assert lines(client) == {}
    await client.aclose()


async def test_requests_to_a_host_take_turns_in_the_order_they_came(web: Web) -> None:
    """7.4."""
    client = http(per_host=1).open()
    await asyncio.gather(*(client.get(f"{web.url}/echo?n={n}") for n in range(30)))
    assert [request.target for request in web.requests] == [f"/echo?n={n}" for n in range(30)]
    await client.aclose()


async def test_a_response_that_is_being_read_keeps_its_place(web: Web) -> None:
    """7.4."""
    client = http(per_host=1).open()
    async with client.stream("GET", f"{web.url}/drip") as response:
        pieces = response.aiter_bytes()
        await anext(pieces)
        second = asyncio.create_task(client.get(f"{web.url}/unnamed"))
        await asyncio.sleep(0.05)
        assert not second.done()
        assert web.busiest == 1
    assert (await second).text == "plain"
    await client.aclose()


async def test_who_waits_too_long_for_a_turn_is_told_so(web: Web) -> None:
    """7.4: no wait is without a limit; a request may have its own."""
    client = http(per_host=1).open()
    async with client.stream("GET", f"{web.url}/drip"):
        with pytest.raises(httpx2.PoolTimeout, match=r"no turn came within 0.05 s: 1 requests to 127.0.0.1"):
            await client.get(f"{web.url}/unnamed", timeout=httpx2.Timeout(5.0, pool=0.05))
    assert (await client.get(f"{web.url}/unnamed")).text == "plain"
    await client.aclose()


async def test_cancelled_requests_leave_no_place_taken(web: Web) -> None:
    """7.4: whether they waited, connected or read."""
    client = http(per_host=3).open()
    chance = random.Random(7)

    async def ask(path: str, leave: float | None) -> None:
        async with asyncio.timeout(leave):
            await client.get(web.url + path)

    asks = [("/short-wait", chance.random() * 0.2) for _ in range(100)] + [("/drip", chance.random() * 0.2)] * 5
    await asyncio.gather(*(ask(*each) for each in asks), return_exceptions=True)
    assert lines(client) == {}
    async with asyncio.timeout(5):
        await asyncio.gather(*(client.get(f"{web.url}/unnamed") for _ in range(9)))
    await client.aclose()
    await web.quiet()


async def test_closing_sends_away_who_waits_for_a_turn(web: Web) -> None:
    """7.4."""
    client = http(per_host=1).open()
    first = asyncio.create_task(client.get(f"{web.url}/slow"))
    await settle(lambda: web.connections == 1)
    second = asyncio.create_task(client.get(f"{web.url}/unnamed"))
    await asyncio.sleep(0.01)
    await client.aclose()
    with pytest.raises(EngineClosed, match="while this request waited its turn"):
        await second
    first.cancel()
    await asyncio.wait({first})
    assert lines(client) == {}


async def test_a_proxy_of_the_environment_is_used_except_where_it_says_no(
    web: Web, other: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """7.4: as by a client of httpx2's own making."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", other.url.removeprefix("http://"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    client = http().open()
    assert (await client.get(f"{web.url}/unnamed")).text == "plain"
    assert other.requests == []
    with pytest.raises(httpx2.HTTPError):  # what stands in for a proxy knows only paths
        await client.get("http://elsewhere.test/unnamed")
    assert other.last.target == "http://elsewhere.test/unnamed"
    await client.aclose()


# --- the line before a host


def test_a_turn_that_comes_with_a_cancellation_goes_to_the_next() -> None:
    """7.4: no place is lost, whichever of the two is seen first."""

    async def main() -> None:
        line = Line(1)
        await line.enter()
        second, third = (asyncio.create_task(line.enter()) for _ in range(2))
        await asyncio.sleep(0)
        line.leave()
        second.cancel()
        async with asyncio.timeout(1):
            await third
        assert second.cancelled()
        assert (line.inside, len(line.waiting)) == (1, 0)
        line.leave()
        assert line.empty

    run_virtual(main())


@pytest.mark.parametrize("seed", range(5))
def test_a_line_never_lets_in_more_than_its_limit_and_forgets_nobody(seed: int) -> None:
    """7.4: under cancellation at every moment."""
    chance = random.Random(seed)
    busiest = inside = served = 0

    async def main() -> None:
        line = Line(3)

        async def visit() -> None:
            nonlocal busiest, inside, served
            await line.enter()
            try:
                inside += 1
                busiest = max(busiest, inside)
                await asyncio.sleep(chance.choice([0, 0.1, 1.0]))
                served += 1
            finally:
                inside -= 1
                line.leave()

        async def impatient() -> None:
            async with asyncio.timeout(chance.choice([0, 0.1, 0.5, 3.0, 100.0, 10_000.0])):
                await visit()

        await asyncio.gather(*(impatient() for _ in range(300)), return_exceptions=True)
        assert line.empty

    run_virtual(main())
    assert busiest == 3
    assert served > 50


# --- HTTP/2


@pytest.fixture(scope="session")
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return certificates()


@pytest.fixture
async def web2(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> AsyncIterator[Web2]:
    async with serving2(tls[0], ["h2", "http/1.1"]) as web:
        yield web


async def test_http2_is_spoken_where_it_is_offered(web2: Web2, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """7.4: many requests at once over one connection, more than `per_host`."""
    client = http(per_host=2, verify=tls[1]).open()
    assert (await client.get(f"{web2.url}/first")).http_version == "HTTP/2"
    answers = await asyncio.gather(*(client.get(f"{web2.url}/together") for _ in range(20)))
    assert {answer.http_version for answer in answers} == {"HTTP/2"}
    assert web2.connections == 1
    assert web2.at_once > 2
    assert lines(client) == {}
    await client.aclose()


async def test_who_waits_for_a_host_goes_on_once_it_turns_out_to_speak_http2(
    web2: Web2, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """7.4: though the first answer is still being read."""
    client = http(per_host=1, verify=tls[1]).open()
    first = asyncio.create_task(client.send(client.build_request("GET", web2.url), stream=True))
    others = [asyncio.create_task(client.get(web2.url)) for _ in range(5)]
    async with asyncio.timeout(5):
        await asyncio.wait(others)
    await (await first).aclose()
    await client.aclose()


async def test_http1_is_spoken_where_nothing_else_is_offered(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """7.4: then `per_host` is the number of connections."""
    async with serving2(tls[0], ["http/1.1"]) as web:
        client = http(per_host=3, verify=tls[1]).open()
        answers = await asyncio.gather(*(client.get(f"{web.url}/x") for _ in range(20)))
        assert {answer.http_version for answer in answers} == {"HTTP/1.1"}
        assert web.at_once <= 3
        assert web.connections <= 3
        await client.aclose()


async def test_http2_can_be_left_out(web2: Web2, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    client = http(http2=False, verify=tls[1]).open()
    assert (await client.get(f"{web2.url}/x")).http_version == "HTTP/1.1"
    await client.aclose()


async def test_a_host_that_nobody_vouches_for_is_refused(web2: Web2) -> None:
    """7.4: by default the system's authorities are trusted, and they do not know this one."""
    client = http().open()
    with pytest.raises(httpx2.ConnectError, match="certificate"):
        await client.get(web2.url)
    assert lines(client) == {}
    await client.aclose()


def test_the_client_is_one_of_httpx2() -> None:
    """The public face: `ctx.http` is an `httpx2.AsyncClient`."""
    assert issubclass(Client, httpx2.AsyncClient)
