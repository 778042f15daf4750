"""The HTTP client that every node of an engine shares (7.4)."""

import asyncio

from nodeloom import Engine, Graph, node
from nodeloom.resources.http import open_http


async def test_the_client_is_opened_on_first_use_and_shared_by_all() -> None:
    """7.4."""
    seen: list[object] = []

    @node
    async def look(ctx):
        seen.append(ctx.http)

    async with Engine() as engine:
        assert engine._resources == {}
        graph = Graph(look)
        await asyncio.gather(*(engine.run(graph) for _ in range(20)))
        assert len(set(map(id, seen))) == 1
    assert seen[0].is_closed  # type: ignore[attr-defined]


async def test_the_client_never_waits_without_a_limit() -> None:
    """7.4, 5.3: and does not retry, which is a policy's work."""
    client = open_http()
    timeout = client.timeout
    assert (timeout.connect, timeout.read, timeout.write, timeout.pool) == (30.0, 30.0, 30.0, 30.0)
    assert client.follow_redirects
    await client.aclose()


async def test_a_node_that_asks_for_no_client_opens_none() -> None:
    """7.4."""

    @node
    async def plain():
        return {}

    async with Engine() as engine:
        await engine.call(plain)
        assert engine._resources == {}
