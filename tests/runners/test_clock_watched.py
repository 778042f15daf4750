"""What a clock's watcher is told of what its nodes stream, and how far they are (semantics 10.5)."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from nodeloom import Clock, Node, Secret
from nodeloom.forms.params import Params
from nodeloom.testing import run_virtual


class Plain(Node):
    """On a thread of the clock's."""

    def work(self, ctx: Any) -> Any:
        ctx.progress(1, 4, "begun")
        ctx.stream({"frame": 1})
        return {"frame": 2}


class Awaits(Node):
    """On the loop."""

    async def work(self, ctx: Any) -> Any:
        ctx.progress(1, 4, "begun")
        ctx.stream({"frame": 1})
        return {"frame": 2}


class Process(Plain):
    """In a worker process."""

    isolation = "process"


EXPECTED = [
    ("progress", "cam", {"done": 1, "total": 4, "message": "begun", "attempt": 1}),
    ("chunk", "cam", {"chunk": {"frame": 1}, "attempt": 1}),
]


def heard(events: list[Any]) -> list[Any]:
    return [(each.type, each.node, each.data) for each in events if each.type in ("chunk", "progress")]


@pytest.mark.parametrize("kind", [Plain, Awaits])
def test_a_watcher_is_told_chunks_and_progress(kind: type[Node]) -> None:
    events: list[Any] = []

    async def main() -> None:
        await Clock([kind(id="cam", rate=10)], watch=events.append).run(duration=0.2)

    run_virtual(main())
    assert heard(events) == EXPECTED * 2
    assert [each.type for each in events if each.type not in ("chunk", "progress")] == ["stopped"]


@pytest.mark.parametrize("kind", [Plain, Awaits, Process])
async def test_from_wherever_the_tick_runs(kind: type[Node]) -> None:
    events: list[Any] = []
    on: set[int] = set()
    came = asyncio.Event()

    def watch(event: Any) -> None:
        on.add(threading.get_ident())
        events.append(event)
        if len(heard(events)) >= 2:
            came.set()

    clock = Clock([kind(id="cam", rate=20)], watch=watch)
    running = asyncio.create_task(clock.run())
    await asyncio.wait_for(came.wait(), 20.0)
    await clock.stop()
    report = await running
    assert heard(events)[:2] == EXPECTED
    assert report["cam"].failures == 0
    assert on == {threading.get_ident()}


def test_what_follows_a_tick_is_told_under_its_own_name_and_secrets_are_masked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """12.3"""
    monkeypatch.setenv("NODELOOM_SECRET_TOKEN", "long-enough-to-be-one")

    class After(Node):
        class Params(Params):
            token: Secret

        async def work(self, params: Any, ctx: Any) -> None:
            ctx.stream(params.token.reveal())

    events: list[Any] = []

    async def main() -> None:
        first = Awaits(id="cam", rate=10)
        first >> After(id="after", token=Secret("token"))
        await Clock([first], watch=events.append).run(duration=0.1)

    run_virtual(main())
    assert heard(events)[-1] == ("chunk", "after", {"chunk": "[secret token]", "attempt": 1})


def test_without_a_watcher_nothing_is_made() -> None:
    async def main() -> Any:
        return await Clock([Plain(id="cam", rate=10)]).run(duration=0.2)

    assert run_virtual(main())["cam"].failures == 0


def test_a_tick_that_was_given_up_is_not_heard_any_more() -> None:
    """10.4"""
    events: list[Any] = []

    class Late(Node):
        async def work(self, ctx: Any) -> None:
            ctx.stream("early")
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                ctx.stream("late")
                ctx.progress(1)
                raise

    async def main() -> None:
        late = Late(id="cam", rate=1, deadline=0.5, on_miss="restart")
        await Clock([late], watch=events.append).run(duration=0.9)

    run_virtual(main())
    assert [data["chunk"] for _, _, data in heard(events)] == ["early"]
