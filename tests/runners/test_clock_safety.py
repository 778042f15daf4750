"""What a clock says of a node that is in trouble: its safe state, its rate, its log lines (semantics 10.4, 10.5)."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from nodeloom import Clock, DefinitionError, Graph, Node
from nodeloom.testing import pass_time, run_virtual


class Slow(Node):
    """Each of its ticks takes 0.3 s, or as long as it is told."""

    lasts = 0.3

    def work(self) -> None:
        pass_time(self.lasts)


def run(clock: Clock, duration: float, **options: Any) -> Any:
    async def main() -> Any:
        return await clock.run(duration, **options)

    return run_virtual(main())


class Unsafe(Slow):
    """Its brakes fail, by an error for each call that is to fail."""

    def __init__(self, *errors: Exception, **settings: Any) -> None:
        super().__init__(on_miss="safe_state", id="arm", **settings)
        self.errors = list(errors)
        self.called: list[float] = []

    def safe_state(self) -> Any:
        self.called.append(asyncio.get_running_loop().time())
        if self.errors:
            raise self.errors.pop(0)


class UnsafeLater(Unsafe):
    async def safe_state(self) -> None:
        await asyncio.sleep(0.01)
        super().safe_state()


@pytest.mark.parametrize("kind", [Unsafe, UnsafeLater])
def test_a_safe_state_that_fails_is_told_and_no_safe_state(kind: Callable[..., Unsafe]) -> None:
    """10.4: it has its own event, and the figures say that the node fails, and by what."""
    told: list[tuple[str, dict[str, Any]]] = []
    clock = Clock([kind(OSError("no brakes"), rate=1, deadline=0.1)], watch=lambda e: told.append((e.type, e.data)))
    report = run(clock, 1.0)
    assert [kind for kind, _ in told] == ["missed", "safe_state_failed", "stopped"]
    assert told[1][1] == {"error": "OSError: no brakes"}
    assert (report["arm"].health, report["arm"].reason) == ("failing", "safe_state failed: OSError: no brakes")


@pytest.mark.parametrize(("limit", "lasts"), [("deadline", 0.3), ("watchdog", 10.0)])
def test_a_safe_state_that_failed_is_tried_again_until_it_is_done(
    limit: str, lasts: float, caplog: pytest.LogCaptureFixture
) -> None:
    """10.4: at each miss or expiry, and logged once for each error."""
    errors = [OSError("no brakes"), OSError("no brakes"), OSError("no power")]
    arm = Unsafe(*errors, rate=1, **{limit: 0.2})
    arm.lasts = lasts
    run(Clock([arm]), 5.0)
    assert len(arm.called) == 4, "three times in vain"
    logged = [text for record in caplog.records if "safe_state of" in (text := record.getMessage())]
    assert logged == [
        "safe_state of node arm failed: OSError: no brakes",
        "safe_state of node arm failed: OSError: no power",
    ]


def test_a_safe_state_that_takes_a_while_is_called_once_and_is_none_before_it_is_done() -> None:
    """10.4"""
    seen: list[str] = []

    calls: list[str] = []

    class Brakes(Slow):
        async def safe_state(self) -> None:
            calls.append("brakes")
            await asyncio.sleep(1.0)

    class Looks(Node):
        def work(self) -> None:
            seen.append(clock.stats()["brakes"].health)

    brakes = Brakes(rate=2, deadline=0.1, on_miss="safe_state")
    clock = Clock([brakes, Looks(rate=1)], phases={"looks": 0.45})
    run(clock, 2.0)
    assert (len(calls), seen) == (1, ["late", "safe_state"])


async def rates_of(arm: Node) -> tuple[list[float], Any]:
    """The achieved rate of a node in each second, and its report after four."""
    clock = Clock([arm])
    running = asyncio.create_task(clock.run(4.0))
    seen: list[float] = []
    for _ in range(4):
        await asyncio.sleep(0.999)
        seen.append(clock.stats()[arm.id].achieved_rate)
    return seen, (await running)[arm.id]


def test_the_achieved_rate_of_a_node_that_hangs_falls_while_it_does() -> None:
    """10.5: it is not that of the time before its last tick, and its report counts until the end."""

    class Hangs(Node):
        async def work(self, ctx: Any) -> None:
            if ctx.run_id.endswith(":9"):
                await asyncio.sleep(100.0)

    async def main() -> Any:
        return await rates_of(Hangs(rate=10))

    seen, report = run_virtual(main())
    assert seen == pytest.approx([10.0, 5.0, 10 / 3, 2.5], rel=0.01)
    assert report.achieved_rate == pytest.approx(2.5)


def test_the_achieved_rate_falls_where_ticks_are_left_out() -> None:
    """10.5: each tick is too late, and the next one is not run."""
    report = run(Clock([Slow(rate=2, deadline=0.1, on_miss="skip", id="arm")]), 4.0)
    assert (report["arm"].ticks, report["arm"].achieved_rate) == (4, pytest.approx(1.0))


def test_the_achieved_rate_is_that_of_the_time_in_which_a_node_is_not_paused() -> None:
    """10.5: what comes due in a pause was never due; and of one tick a whole period counts."""
    seen: list[float] = []

    class Quick(Node):
        async def work(self) -> None: ...

    async def main() -> Any:
        clock = Clock([Quick(rate=10)])
        running = asyncio.create_task(clock.run(4.0))
        for _ in range(2):
            await asyncio.sleep(0.05)
            seen.append(clock.stats()["quick"].achieved_rate)
            await asyncio.sleep(0.9)
            await clock.pause("quick")
            await asyncio.sleep(1.05)
            seen.append(clock.stats()["quick"].achieved_rate)
            clock.resume("quick")
        return await running

    report = run_virtual(main())
    assert [*seen, report["quick"].achieved_rate] == pytest.approx([10.0] * 5, rel=0.1)


def test_a_miss_is_logged_once_until_a_tick_is_in_time_again(caplog: pytest.LogCaptureFixture) -> None:
    """10.4: it is counted and told each time; a tick that fails is not in time."""
    told: list[str] = []

    class Late(Node):
        def work(self, ctx: Any) -> None:
            tick = int(ctx.run_id.rpartition(":")[2])
            pass_time(0.3 if tick in (0, 1, 3, 5) else 0.0)
            if tick == 2:
                raise OSError("no motor")

    with caplog.at_level(logging.INFO, "nodeloom.clock"):
        report = run(Clock([Late(rate=2, deadline=0.1)], watch=lambda event: told.append(event.type)), 4.0)
    assert (report["late"].misses, told.count("missed")) == (4, 4)
    logged = [record.getMessage().partition(", at ")[0].partition(" (")[0] for record in caplog.records]
    assert logged == [
        "node late: a tick was not done 0.1 s after it was due",
        "a tick of node late failed: OSError: no motor",
        "node late works again",
        "node late is in time again",
        "node late: a tick was not done 0.1 s after it was due",
        "node late is in time again",
    ]


class Blocks(Node):
    """Its tick blocks the loop."""

    async def work(self) -> None:
        pass_time(0.3)


@pytest.mark.parametrize("kind", [Slow, Blocks])
@pytest.mark.parametrize("limit", ["deadline", "watchdog"])
def test_a_limit_that_is_missed_says_where_its_tick_stands(
    kind: type[Node], limit: str, caplog: pytest.LogCaptureFixture
) -> None:
    """10.4: in the log, in the event, and in the reason, also while ticks of others run."""
    told: list[dict[str, Any]] = []

    class Other(Node):
        def work(self) -> None:
            pass_time(0.15)

    limits: dict[str, Any] = {limit: 0.2}
    nodes = [kind(rate=1, id="arm", on_miss="stop", **limits), Other(rate=1)]
    clock = Clock(nodes, phases={"other": 0.1}, stall=9.0, watch=lambda event: told.append(event.data))
    report = run(clock, 5.0, check=False)
    place = re.compile(r"at (.*test_clock_safety\.py:(\d+) in work)")
    line = vars(kind)["work"].__code__.co_firstlineno + 1
    for text in (caplog.text, told[0]["reason"], report.reason, report["arm"].reason):
        found = place.search(text)
        assert found is not None
        assert (found[1], int(found[2])) == (told[0]["where"], line)


def test_a_limit_that_is_missed_by_what_awaits_or_has_ended_names_no_line() -> None:
    """10.4: for it stands at none."""
    told: list[dict[str, Any]] = []

    class Awaits(Node):
        async def work(self) -> None:
            await asyncio.sleep(0.3)

    clock = Clock([Awaits(rate=1, deadline=0.1, watchdog=0.5)], watch=lambda event: told.append(event.data))
    run(clock, 1.0)
    assert [each["where"] for each in told if "on_miss" in each] == ["", ""]


async def test_a_limit_that_is_missed_on_a_thread_says_where_its_tick_stands() -> None:
    """10.4"""
    hang = threading.Event()
    expired = asyncio.Event()

    class Hangs(Node):
        def work(self) -> None:
            hang.wait(20.0)

    def watch(event: Any) -> None:
        if event.type == "expired":
            reasons.append(event.data["reason"])
            expired.set()

    reasons: list[str] = []
    clock = Clock([Hangs(rate=10, watchdog=0.05)], watch=watch)
    running = asyncio.create_task(clock.run())
    try:
        await asyncio.wait_for(expired.wait(), 20.0)
    finally:
        hang.set()
    await clock.stop()
    await running
    line = Hangs.work.__code__.co_firstlineno + 1
    assert reasons[0].endswith(f"test_clock_safety.py:{line} in work")


async def test_time_that_is_not_virtual_cannot_be_passed() -> None:
    """10.3: the error names what was called, and what is right: with no loop, on a real one, and on a real clock."""
    with pytest.raises(DefinitionError, match=r"pass_time passes virtual time.*run_virtual"):
        await asyncio.to_thread(pass_time, 1.0)
    with pytest.raises(DefinitionError, match=r"pass_time passes virtual time.*run_virtual"):
        pass_time(1.0)
    report = await Clock([Slow(rate=100)]).run(duration=0.02)
    assert report["slow"].reason.startswith("DefinitionError: pass_time passes virtual time")


def test_plain_work_of_a_graph_cannot_pass_virtual_time() -> None:
    """10.3: it is on a thread; the error says what to write. What is on the loop passes it."""

    async def main() -> list[Any]:
        plain = await Graph([Slow()], name="plain").run(check=False)
        await Graph([Blocks()], name="blocks").run()
        return [plain.errors, asyncio.get_running_loop().time()]

    errors, time = run_virtual(main())
    assert "write `async def work` there, with `await asyncio.sleep(seconds)`" in str(errors)
    assert time >= 0.3
