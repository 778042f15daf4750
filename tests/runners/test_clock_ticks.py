"""Ticking nodes under a clock, in virtual time (semantics 10.1 to 10.3)."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeloom import Clock, Node, node
from nodeloom.testing import pass_time, run_virtual


class Counter(Node):
    """Counts its ticks."""

    memory = True

    def work(self, ctx: Any) -> dict[str, Any]:
        ctx.memory["n"] = ctx.memory.get("n", 0) + 1
        return {"n": ctx.memory["n"]}


def at_times(clock: Clock, node_id: str) -> list[Any]:
    """What a node gives, as it gives it."""
    given: list[Any] = []
    clock[node_id].add_observer(lambda outputs: given.append(outputs))
    return given


def test_a_node_ticks_at_its_rate_for_the_duration() -> None:
    """10.1"""

    async def main() -> None:
        times: list[float] = []

        @node(id="camera")
        def camera() -> None:
            times.append(asyncio.get_running_loop().time())

        report = await Clock([camera.copy(rate=30)]).run(duration=2.0)
        assert times == pytest.approx([number / 30 for number in range(60)])
        assert (report["camera"].ticks, report["camera"].expected, report.reason) == (60, 60, "duration")
        assert report["camera"].achieved_rate == pytest.approx(30)
        assert report.duration == pytest.approx(2.0)

    run_virtual(main())


def test_nodes_due_at_one_instant_start_in_their_order() -> None:
    """10.3"""

    async def main() -> None:
        began: list[str] = []

        def ticking(name: str, order: int) -> Node:
            @node(id=name)
            def work() -> None:
                began.append(name)

            return work.copy(rate=10, order=order)

        await Clock([ticking("c", 2), ticking("a", -1), ticking("b", 0), ticking("b2", 0)]).run(duration=0.2)
        assert began == ["a", "b", "b2", "c"] * 2

    run_virtual(main())


def test_a_slow_plain_node_does_not_delay_another() -> None:
    """10.3: and its own overruns are counted."""

    async def main() -> None:
        class Camera(Node):
            def work(self) -> dict[str, Any]:
                pass_time(0.05)
                return {"frame": 1}

        class Control(Node):
            def work(self) -> None: ...

        report = await Clock([Camera(rate=30, on_overrun="skip"), Control(rate=100)]).run(duration=1.0)
        assert report["control"].ticks == 100
        assert report["control"].error_max == pytest.approx(0.0, abs=1e-9)
        assert report["camera"].overruns == report["camera"].dropped == 15
        assert report["camera"].ticks == 15

    run_virtual(main())


def test_memory_is_kept_for_the_life_of_a_clock() -> None:
    """4.1"""

    async def main() -> None:
        clock = Clock([Counter(rate=10)])
        given = at_times(clock, "counter")
        await clock.run(duration=0.5)
        assert [each.n for each in given] == [1, 2, 3, 4, 5]
        await clock.run(duration=0.1)
        clock.reset_memory("counter")
        await clock.run(duration=0.1)
        assert [each.n for each in given[5:]] == [6, 1]

    run_virtual(main())


def test_an_hour_of_ticks_passes_in_a_moment() -> None:
    """10.1: 3,600 ticks, deterministic."""

    async def main() -> None:
        report = await Clock([Counter(rate=1)]).run(duration=3600.0)
        assert report["counter"].ticks == 3600
        assert report["counter"].error_max == 0.0

    run_virtual(main())


NODES = st.lists(
    st.tuples(
        st.sampled_from([1.0, 7.0, 10.0, 30.0, 100.0]),
        st.sampled_from(["skip", "catch_up", "coalesce"]),
        st.sampled_from([0.0, 0.001, 0.02, 0.13, 0.5]),
        st.booleans(),
        st.sampled_from([0.0, 0.0125]),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(nodes=NODES, duration=st.sampled_from([0.1, 0.7, 1.3, 2.0]))
def test_whatever_ticks_take_each_instant_is_ticked_or_dropped(nodes: list[Any], duration: float) -> None:
    """10.1, 10.2: and none begins before it is due, nor twice at once."""
    running: set[str] = set()
    began: dict[str, list[float]] = {}

    def begin(name: str) -> None:
        assert name not in running
        running.add(name)
        began.setdefault(name, []).append(asyncio.get_running_loop().time())

    class Plain(Node):
        def __init__(self, lasts: float, **given: Any) -> None:
            super().__init__(**given)
            self.lasts = lasts

        def work(self) -> Any:
            begin(self.id)
            pass_time(self.lasts)
            running.discard(self.id)

    class Awaits(Plain):
        async def work(self) -> Any:
            begin(self.id)
            await asyncio.sleep(self.lasts)
            running.discard(self.id)

    async def main() -> Any:
        made = [
            (Awaits if awaits else Plain)(lasts, id=f"n{number}", rate=rate, on_overrun=overrun)
            for number, (rate, overrun, lasts, awaits, _) in enumerate(nodes)
        ]
        phases = {f"n{number}": each[4] for number, each in enumerate(nodes)}
        return await Clock(made, phases=phases, grace=100.0).run(duration)

    report = run_virtual(main())
    for number, (rate, overrun, _, _, phase) in enumerate(nodes):
        stats = report[f"n{number}"]
        assert stats.ticks + stats.dropped == stats.expected == math.ceil((duration - phase) * rate - 1e-9)
        assert stats.dropped <= stats.overruns or overrun != "skip"
        times = began[f"n{number}"]
        assert len(times) == stats.ticks
        for count, at in enumerate(times):
            assert at >= phase + count / rate - 1e-9, "no tick begins before it is due"


def test_nodes_spelled_execute_are_given_the_config_of_their_clock() -> None:
    """1.5, 10.1"""

    class Carried(Node):
        def execute(self, config: Any) -> dict[str, Any]:
            return {"end": config["end"]}

    async def main() -> None:
        clock = Clock([Carried(rate=10)], config={"end": "!"})
        given = at_times(clock, "carried")
        await clock.run(duration=0.1)
        await asyncio.sleep(0)
        assert given == [{"end": "!"}]

    run_virtual(main())
