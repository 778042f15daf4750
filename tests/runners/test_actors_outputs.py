"""What follows from an actor's outputs: edges and observers (semantics 9.6, 9.9)."""

from __future__ import annotations

import asyncio
from typing import Any

from nodeloom import Context, Graph, actors, node


class Boom(Exception):
    """What a message fails with."""


@node
async def work(inputs: dict[str, Any]) -> dict[str, Any]:
    """Do as the message says."""
    if inputs.get("fails"):
        raise Boom(str(inputs.get("n")))
    return {"n": inputs.get("n"), "done": True}


# --- 9.6


async def test_a_message_that_fails_takes_the_first_matching_error_edge_and_is_no_dead_letter() -> None:
    """9.6, 2.5: edges as in a graph."""
    got = []

    @node
    async def mend(inputs: dict[str, Any], ctx: Context) -> dict[str, Any]:
        got.append((inputs["n"], dict(ctx.error or {})["type"]))
        return {"mended": True}

    broken = work.copy()
    broken.on_error(Boom) >> mend
    async with Graph(broken).actors() as system:
        await system.tell("work", {"n": 3, "fails": True})
        await system.drain()
        assert not system.dead_letters
    assert got == [(3, "Boom")]


# --- 9.9


async def test_an_observer_that_fails_disturbs_nobody() -> None:
    """9.9: an observer's failure is recorded and isolated."""
    seen: list[Any] = []

    def bad(outputs: Any) -> None:
        raise Boom

    async def bad_async(outputs: Any) -> None:
        raise Boom

    async with actors(work.copy()) as system:
        actor = system["work"]
        actor.add_observer(bad)
        actor.add_observer(bad_async)
        actor.add_observer(seen.append)
        for n in range(5):
            assert (await system.ask("work", {"n": n}))["n"] == n
        actor.remove_observer(seen.append)
        await system.ask("work", {"n": 5})
        assert not system.dead_letters
    assert [each["n"] for each in seen] == list(range(5))
    assert actor.observers.failures == 12


async def test_an_observer_that_hangs_delays_neither_the_actor_nor_the_stop() -> None:
    """9.9: nor loses anybody else an output."""
    never = asyncio.Event()
    seen: list[Any] = []

    async def hang(outputs: Any) -> None:
        await never.wait()

    system = actors(work.copy())
    await system.__aenter__()
    system["work"].add_observer(hang)
    system["work"].add_observer(seen.append)
    for n in range(5):
        await system.ask("work", {"n": n})
    assert await asyncio.wait_for(system.stop(within=0.05), 5) == ()
    assert len(seen) == 5
