"""A `safe_state` that does not return: it is told, bounded, and keeps no clock from its end (semantics 10.4, 6.2)."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from nodeloom import Clock, DefinitionError, Node, Params
from nodeloom.testing import pass_time, run_virtual

WAIT = 20.0


class Arm(Node):
    """Too slow at each of its ticks; its brakes take as long as they are told."""

    class Params(Params):  # type: ignore[misc, unused-ignore]
        brakes: float = 100.0
        lasts: float = 0.3

    async def work(self, params: Any) -> None:
        await asyncio.sleep(params.lasts)


class Later(Arm):
    """Its brakes are async."""

    async def safe_state(self) -> None:
        called.append(moment())
        try:
            await asyncio.sleep(self.params.brakes)
        except asyncio.CancelledError:
            cancelled.append(moment())
            raise


class AtOnce(Arm):
    """Its brakes are plain code."""

    def safe_state(self) -> None:
        called.append(moment())
        pass_time(self.params.brakes)


def moment() -> float:
    """The time, to the millisecond."""
    return round(asyncio.get_running_loop().time(), 3)


called: list[float] = []
cancelled: list[float] = []


@pytest.fixture(autouse=True)
def _none_called_yet() -> None:
    called.clear()
    cancelled.clear()


LATE = "TimeoutError: it was not done within 2 s (safe_within)"


def run(kind: type[Arm], duration: float, *, brakes: float = 100.0, **settings: Any) -> Any:
    """The report of a clock with that node, what was told, and when it ended."""
    told: list[tuple[str, float]] = []

    async def main() -> Any:
        arm = kind(brakes=brakes, rate=1, deadline=0.1, on_miss="safe_state", id="arm")
        clock = Clock([arm], watch=lambda event: told.append((event.type, moment())), safe_within=2.0, **settings)
        return await clock.run(duration), moment()

    report, ended = run_virtual(main())
    return report, told, ended


def test_one_that_awaits_for_ever_is_cancelled_told_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """10.4"""
    report, told, _ = run(Later, 4.0)
    assert called == [0.1, 2.1 + 1]
    assert cancelled == [2.1, 5.1]
    assert [when for kind, when in told if kind == "safe_state_failed"] == [2.1, 5.1]
    assert (report["arm"].health, report["arm"].reason) == ("failing", f"safe_state failed: {LATE}")
    (logged,) = [record for record in caplog.records if "safe_state of" in record.getMessage()]
    assert (logged.getMessage(), logged.levelno) == (f"safe_state of node arm failed: {LATE}", logging.ERROR)
    assert report.left == ()


def test_one_that_is_late_and_done_after_all_is_safe() -> None:
    """10.4 plain code cannot be cancelled, and is not called a second time meanwhile"""
    report, told, _ = run(AtOnce, 6.0, brakes=5.0)
    assert called == [0.1]
    assert [kind for kind, _ in told if kind.startswith("safe_state")] == ["safe_state_failed", "safe_state"]
    assert report["arm"].health == "safe_state"


@pytest.mark.parametrize(("brakes", "ended"), [(1.5, 1.6), (100.0, 2.1)])
def test_the_end_of_a_clock_waits_for_one_as_long_as_it_may_take(brakes: float, ended: float) -> None:
    """6.2 brakes that are being put on are not let go of"""
    report, _, end = run(Later, 0.5, brakes=brakes)
    assert end == ended
    assert report["arm"].health == ("safe_state" if brakes < 2 else "failing")
    assert cancelled == ([] if brakes < 2 else [2.1])


def test_the_end_of_a_clock_waits_no_longer_than_its_grace() -> None:
    """6.2 and what it gives up is in the report"""
    report, _, end = run(Later, 0.5, brakes=1.5, grace=1.0)
    assert (end, cancelled) == (1.5, [1.5])
    assert [step.node for each in report.left for step in each.steps] == ["arm"]
    assert report.left[0].run_id == "clock:arm:safe_state"


async def test_one_that_holds_its_thread_does_not_keep_the_clock_from_its_end() -> None:
    """10.4, 6.3 the other nodes tick on, the line where it stands is told, and the report names it"""
    hang, beat, told = threading.Event(), threading.Event(), asyncio.Event()

    class Stuck(Node):
        def work(self) -> None:
            hang.wait(WAIT)

        def safe_state(self) -> None:
            hang.wait(WAIT)

    class Beat(Node):
        def work(self) -> None:
            beat.set()

    errors: list[str] = []

    def watch(event: Any) -> None:
        if event.type == "safe_state_failed":
            errors.append(event.data["error"])
            told.set()

    nodes = [Stuck(rate=50, deadline=0.02, on_miss="safe_state"), Beat(rate=200)]
    clock = Clock(nodes, watch=watch, safe_within=0.05, grace=0.1)
    running = asyncio.create_task(clock.run())
    await asyncio.wait_for(told.wait(), WAIT)
    beat.clear()
    assert await asyncio.to_thread(beat.wait, WAIT)
    left = await clock.stop()
    report = await running
    hang.set()
    assert errors[0].startswith("TimeoutError: it was not done within 0.05 s (safe_within), at ")
    assert errors[0].endswith(" in safe_state")
    assert [step.node for each in left for step in each.steps] == ["stuck", "stuck"]
    assert [each.run_id.rpartition(":")[2] for each in left] == ["0", "safe_state"]
    assert report["stuck"].health == "failing"


def test_how_long_it_may_take_is_a_number_of_seconds() -> None:
    """10.4"""
    with pytest.raises(DefinitionError, match="safe_within=-1"):
        Clock([Later(rate=1)], safe_within=-1)
