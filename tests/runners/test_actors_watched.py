"""What watchers of actors are told of each step (semantics 9.1)."""

from __future__ import annotations

from typing import Any

from nodeloom import actors, node


@node
async def shout(inputs: Any) -> dict[str, Any]:
    return {"text": inputs["text"].upper()}


async def test_watchers_of_actors_are_told_of_the_steps_of_nodes_that_need_nothing_around_their_work() -> None:
    """9.1: as those of a run are."""
    events: list[Any] = []
    async with actors([shout.copy()], watch=events.append) as system:
        await system.ask("shout", {"text": "hello"})
        await system.tell("shout", {"words": "hello"})
    told = [event.type for event in events if event.type.startswith("step_")]
    assert told == ["step_started", "step_completed", "step_started", "step_failed"]
