"""Who is told of dead letters when they come (semantics 9.4): of one actor by hand, and of a system."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nodeloom import Graph, Supervision, node
from nodeloom.channels import MemoryChannel, Message
from nodeloom.runners.actors.delivery import DeadLetter
from nodeloom.runners.stats import ActorStats
from nodeloom.testing import run_virtual


@node
async def divide(inputs: Any) -> Any:
    return {"n": 6 / inputs["n"]}


async def channel_of(*bodies: Any) -> MemoryChannel:
    channel = MemoryChannel()
    for n, body in enumerate(bodies):
        await channel.send(Message(body, priority=-n))
    await channel.close()
    return channel


def test_an_actor_by_hand_gives_each_message_that_failed_for_good() -> None:
    seen: list[Any] = []
    letters: list[DeadLetter] = []

    async def main() -> ActorStats:
        channel = await channel_of({"n": 3}, {"n": 0}, "nothing", {"n": 2}, {})
        return await divide.go(channel, observer=seen.append, dead_letters=letters.append)

    stats: ActorStats = run_virtual(main())
    assert [outputs["n"] for outputs in seen] == [2, 3]
    assert (stats.processed, stats.failed, stats.dead_letters) == (4, 2, 3)
    by_error = {letter.error.type: letter for letter in letters}
    assert len(letters) == 3
    assert (by_error["ZeroDivisionError"].inputs, by_error["ZeroDivisionError"].priority) == ({"n": 0}, -1)
    assert by_error["KeyError"].inputs == {}
    assert {"body": "nothing"} in [letter.run_inputs for letter in letters]


def test_those_of_an_actor_that_has_stopped_are_given_too() -> None:
    letters: list[DeadLetter] = []

    async def main() -> None:
        channel = await channel_of({"n": 0}, {"n": 1}, {"n": 2})
        await divide.go(channel, dead_letters=letters.append, supervision=Supervision("stop"))

    run_virtual(main())
    assert letters[0].error.type == "ZeroDivisionError"
    assert {letter.error.type for letter in letters[1:]} <= {"ActorStopped"}


def test_an_async_function_is_waited_for_at_the_end_and_may_send_them_on() -> None:
    """9.9"""

    async def main() -> int:
        dead = MemoryChannel()

        async def mourn(letter: DeadLetter) -> None:
            await asyncio.sleep(0.2)
            await dead.send(Message(letter.inputs))

        await divide.go(await channel_of({"n": 0}, {"n": 1}, {"n": 0, "again": True}), dead_letters=mourn)
        return dead.depth

    assert run_virtual(main()) == 2


def test_one_that_fails_disturbs_nobody_and_one_that_is_removed_is_told_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """9.9"""
    letters: list[DeadLetter] = []

    def fails(letter: DeadLetter) -> None:
        raise ValueError("not my letter")

    async def main() -> int:
        async with Graph(divide.copy(), name="one").actors() as system:
            system.dead_letters.remove_observer(letters.append)
            system.dead_letters.add_observer(fails)
            system.dead_letters.add_observer(letters.append)
            await system.tell("divide", {"n": 0})
            await system.drain()
            system.dead_letters.remove_observer(letters.append)
            await system.tell("divide", {"n": 0})
            await system.drain()
            return len(system.dead_letters)

    assert run_virtual(main()) == 2
    assert len(letters) == 1
    assert "of dead letters failed" in caplog.text


def test_what_is_no_function_is_refused() -> None:
    async def main() -> None:
        await divide.go(await channel_of({"n": 1}), dead_letters=[])

    with pytest.raises(TypeError, match=r"a function of one, as letters.append, not \[\]"):
        run_virtual(main())
