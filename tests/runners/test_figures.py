"""The figures of what lives on, as events."""

from __future__ import annotations

import asyncio

import pytest

from nodeloom import Clock, DefinitionError, Supervision, actors, node
from nodeloom.nodes.event import Event
from nodeloom.testing import run_virtual


@node
async def double(inputs):
    return {"n": inputs["n"] * 2}


def test_the_figures_of_actors_come_as_events_until_they_have_ended() -> None:
    """9, 13.2."""

    async def main() -> list[Event]:
        seen: list[Event] = []
        async with actors(double.copy(), name="doubling") as system:
            async for event in system.figures(every=1.0):
                seen.append(event)
                if len(seen) < 3:
                    await system.ask("double", {"n": len(seen)})
                else:
                    await system.stop()
        return seen

    seen = run_virtual(main())
    assert [(event.type, event.run_id, event.seq) for event in seen] == [("stats", "doubling", n) for n in (1, 2, 3, 4)]
    assert [event["nodes"]["double"]["processed"] for event in seen] == [0, 1, 2, 2]
    assert seen[-1]["nodes"]["double"]["state"] == "stopped"
    assert seen[0]["kind"] == "actors"


def test_the_figures_of_a_clock_come_as_events_while_it_runs() -> None:
    """10.5."""

    async def main() -> list[int]:
        clock, ticks = Clock([double_tick]), []
        running = asyncio.create_task(clock.run(duration=2.5))
        await asyncio.sleep(0.05)
        async for event in clock.figures(every=1.0):
            ticks.append(event["nodes"]["double_tick"]["ticks"])
        await running
        return ticks

    assert run_virtual(main()) == [1, 11, 21, 25]


@node(rate=10)
async def double_tick():
    return {}


async def test_a_period_that_is_none_is_refused() -> None:
    async with actors(double.copy()) as system:
        with pytest.raises(DefinitionError, match="every=-1"):
            await anext(system.figures(every=-1))


async def test_who_watches_actors_is_told_of_each_step_of_dead_letters_and_of_the_end_of_an_actor() -> None:
    """9.4, 13.2."""

    @node
    async def fragile(inputs):
        return {"n": 1 / inputs["n"]}

    seen: list[Event] = []
    async with actors(fragile, watch=seen.append, supervision=Supervision("stop")) as system:
        await system.tell("fragile", {"n": 1})
        await system.tell("fragile", {"n": 0})
        await system.drain()
    told = [event.type for event in seen]
    assert told[:4] == ["run_started", "step_started", "step_completed", "run_completed"]
    assert "message_died" in told
    reasons = [event["reason"] for event in seen if event.type == "actor_stopped"]
    assert reasons == ["fragile: ZeroDivisionError: division by zero"]
