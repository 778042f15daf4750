"""Observers of what lives on, whatever it is."""

from __future__ import annotations

from typing import Any

from nodeloom import Clock, node
from nodeloom.testing import run_virtual


@node(rate=10, memory=True)
def count(ctx):
    ctx.memory["n"] = ctx.memory.get("n", 0) + 1
    return {"n": ctx.memory["n"]}


def test_a_clock_has_plain_and_async_observers_and_each_run_tells_them_all() -> None:
    """9.9: those of a clock are those of actors."""
    plain: list[int] = []
    awaited: list[int] = []

    async def slowly(outputs: Any) -> None:
        awaited.append(outputs["n"])

    def failing(outputs: Any) -> None:
        raise ValueError("no")

    async def main() -> None:
        clock = Clock([count.copy()])
        clock["count"].add_observer(failing)
        clock["count"].add_observer(lambda outputs: plain.append(outputs["n"]))
        clock["count"].add_observer(slowly)
        await clock.run(duration=0.3)
        await clock.run(duration=0.3)
        clock["count"].remove_observer(slowly)
        await clock.run(duration=0.3)

    run_virtual(main())
    assert plain == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert awaited == [1, 2, 3, 4, 5, 6]
