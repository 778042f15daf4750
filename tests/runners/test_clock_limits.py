"""Deadlines, watchdogs, failures, and what is done about them, in virtual time (semantics 10.4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from nodeloom import Clock, ClockStopped, DefinitionError, Engine, Node, Retry
from nodeloom.testing import pass_time, run_virtual


class Arm(Node):
    """Takes as long as it is told, tick by tick; then next to nothing."""

    memory = True
    events: list[Any] = []

    def __init__(self, *lasts: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.lasts = lasts

    def work(self, ctx: Any) -> Any:
        n = ctx.memory["n"] = ctx.memory.get("n", -1) + 1
        if n < len(self.lasts):
            pass_time(self.lasts[n])
        return {"n": n}


class AsyncArm(Arm):
    async def work(self, ctx: Any) -> Any:
        n = ctx.memory["n"] = ctx.memory.get("n", -1) + 1
        await asyncio.sleep(self.lasts[n] if n < len(self.lasts) else 0)
        return {"n": n}


KINDS = pytest.mark.parametrize("kind", [Arm, AsyncArm])


def run(clock: Clock, duration: float | None = 1.0, **options: Any) -> Any:
    async def main() -> Any:
        return await clock.run(duration, **options)

    return run_virtual(main())


@KINDS
def test_a_missed_deadline_is_noticed_while_the_tick_runs(kind: Callable[..., Node]) -> None:
    """10.4: at the deadline, not when the tick ends."""
    noticed: list[float] = []

    class Now(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "was due" in record.getMessage():
                noticed.append(asyncio.get_running_loop().time())

    log = logging.getLogger("nodeloom.clock")
    handler = Now()
    log.addHandler(handler)
    try:
        report = run(Clock([kind(0.01, 0.4, rate=2, deadline=0.05, id="arm")]), 2.0)
    finally:
        log.removeHandler(handler)
    assert noticed == pytest.approx([0.55])
    assert (report["arm"].misses, report["arm"].ticks, report["arm"].health) == (1, 4, "healthy")


@KINDS
def test_skip_leaves_out_the_next_tick(kind: Callable[..., Node]) -> None:
    """10.4"""
    report = run(Clock([kind(0.1, rate=2, deadline=0.05, on_miss="skip", id="arm")]), 2.0)
    assert (report["arm"].ticks, report["arm"].dropped, report["arm"].misses) == (3, 1, 1)


@KINDS
def test_safe_state_is_called_while_the_tick_hangs_and_health_says_so(kind: Callable[..., Node]) -> None:
    """10.4: until a tick is done in time again."""
    calls: list[float] = []
    health: list[str] = []

    class Safe(kind):  # type: ignore[misc, valid-type]
        def safe_state(self) -> None:
            calls.append(asyncio.get_running_loop().time())

    class Looks(Node):
        def work(self) -> None:
            health.append(clock.stats()["arm"].health)

    clock = Clock(
        [Safe(0.0, 0.3, rate=2, deadline=0.1, on_miss="safe_state", id="arm"), Looks(rate=10)], phases={"looks": 0.05}
    )
    report = run(clock, 1.5)
    assert calls == pytest.approx([0.6])
    assert health[:6] == ["healthy"] * 5 + ["healthy"]
    assert health[6:10] == ["safe_state"] * 4
    assert health[-1] == report["arm"].health == "healthy"


@KINDS
def test_restart_gives_up_the_tick_and_begins_anew(kind: Callable[..., Node]) -> None:
    """10.4: memory is forgotten, on_stop and on_start are called, and the late result is dropped."""
    calls: list[str] = []
    given: list[Any] = []

    class Restarts(kind):  # type: ignore[misc, valid-type]
        async def on_start(self, ctx: Any) -> None:
            calls.append("on_start")

        async def on_stop(self) -> None:
            calls.append("on_stop")

    clock = Clock([Restarts(0.0, 0.0, 0.45, rate=2, deadline=0.1, on_miss="restart", id="arm")])
    clock["arm"].add_observer(lambda outputs: given.append(outputs.n))
    report = run(clock, 2.4)
    assert calls == ["on_start", "on_stop", "on_start", "on_stop"], "the last is the end of the engine"
    assert given == [0, 1, 0, 1]
    assert (report["arm"].restarts, report["arm"].misses) == (1, 1)
    assert report["arm"].late == (1 if kind is Arm else 0), "what was cancelled has no result"


def test_a_node_that_is_restarted_too_often_stops_the_clock() -> None:
    """10.4: five times within a minute."""
    clock = Clock([AsyncArm(*[0.4] * 20, rate=1, deadline=0.1, on_miss="restart", id="arm")])

    class Forgetful(AsyncArm):
        async def work(self, ctx: Any) -> Any:
            await asyncio.sleep(0.4)

    clock = Clock([Forgetful(rate=1, deadline=0.1, on_miss="restart", id="arm")])
    with pytest.raises(ClockStopped, match="restarted 5 times within 60 s") as stopped:
        run(clock, 100.0)
    assert stopped.value.report["arm"].restarts == 5
    assert stopped.value.report.duration == pytest.approx(5.1)


@KINDS
def test_stop_ends_the_clock_with_the_reason(kind: Callable[..., Node]) -> None:
    """10.4: a stop always surfaces."""
    clock = Clock([kind(0.0, 0.3, rate=2, deadline=0.1, on_miss="stop", id="arm")])
    with pytest.raises(ClockStopped, match=r"node arm: a tick was not done 0\.1 s after it was due") as stopped:
        run(clock, 5.0)
    report = stopped.value.report
    assert report.reason == stopped.value.reason
    assert report.duration == pytest.approx(0.6 if kind is AsyncArm else 0.8, abs=0.01)


def test_without_check_the_report_has_the_reason() -> None:
    """10.4"""
    report = run(Clock([Arm(0.3, rate=2, deadline=0.1, on_miss="stop", id="arm")]), 5.0, check=False)
    assert report.reason.startswith("node arm: a tick was not done 0.1 s after it was due, at ")


@KINDS
def test_a_watchdog_expires_while_a_tick_hangs_and_again_while_it_goes_on(kind: Callable[..., Node]) -> None:
    """10.4: seconds without a tick that is done."""
    health: list[tuple[str, int]] = []

    class Looks(Node):
        def work(self) -> None:
            health.append((clock.stats()["arm"].health, clock.stats()["arm"].expired))

    clock = Clock([kind(0.0, 2.6, rate=2, watchdog=1.0, id="arm"), Looks(rate=1)], phases={"looks": 0.9})
    report = run(clock, 4.0)
    assert health == [("healthy", 0), ("hung", 1), ("hung", 2), ("healthy", 3)]
    assert report["arm"].expired == 3


def test_a_node_that_only_fails_lets_its_watchdog_expire() -> None:
    """10.4: a tick that failed is not done."""

    class Fails(Node):
        def work(self) -> None:
            raise OSError("no camera")

    report = run(Clock([Fails(rate=10, watchdog=0.35)]), 1.0)
    assert (report["fails"].failures, report["fails"].expired) == (10, 2)
    assert report["fails"].health in ("hung", "failing")


def test_no_limit_follows_from_the_rate() -> None:
    """10.4"""
    report = run(Clock([Arm(0.9, rate=10)]), 1.0)
    assert (report["arm"].misses, report["arm"].expired, report["arm"].overruns) == (0, 0, 9)


def test_a_failed_tick_is_counted_and_logged_once_until_the_node_works_again(caplog: pytest.LogCaptureFixture) -> None:
    """10.1: and the next tick goes on."""

    class Fails(Node):
        memory = True
        policies = ()

        def work(self, ctx: Any) -> None:
            tick = int(ctx.run_id.rpartition(":")[2])
            if tick < 4 or tick == 6:
                raise OSError(f"no camera {'here' if tick < 3 else 'there'}")

    with caplog.at_level(logging.INFO, "nodeloom.clock"):
        report = run(Clock([Fails(rate=10)]), 1.0)
    assert (report["fails"].ticks, report["fails"].failures, report["fails"].health) == (10, 5, "healthy")
    assert [record.getMessage() for record in caplog.records] == [
        "a tick of node fails failed: OSError: no camera here",
        "a tick of node fails failed: OSError: no camera there",
        "node fails works again",
        "a tick of node fails failed: OSError: no camera there",
        "node fails works again",
    ]


def test_a_clock_may_stop_at_the_first_failure() -> None:
    """10.4: the error is the cause."""

    class Fails(Node):
        def work(self) -> None:
            raise OSError("no camera")

    with pytest.raises(ClockStopped, match="node fails failed: OSError: no camera") as stopped:
        run(Clock([Fails(rate=10)], on_failure="stop"), 1.0)
    assert isinstance(stopped.value.__cause__, OSError)
    assert stopped.value.report["fails"].ticks == 1


def test_policies_stand_around_the_work_of_a_tick() -> None:
    """5.1: on the loop, for a Retry waits."""

    class Flaky(Node):
        async def work(self, ctx: Any) -> dict[str, Any]:
            if ctx.attempt == 1:
                raise OSError("once more")
            return {"attempt": ctx.attempt}

    given: list[Any] = []
    clock = Clock([Flaky(rate=2, policies=[Retry(2, wait=0.1, jitter=False)])])
    clock["flaky"].add_observer(lambda outputs: given.append(outputs.attempt))
    report = run(clock, 1.0)
    assert (given, report["flaky"].failures) == ([2, 2], 0)


def test_a_node_that_cannot_start_stops_the_clock_before_its_first_tick() -> None:
    """6.1"""

    class Broken(Arm):
        async def on_start(self, ctx: Any) -> None:
            raise OSError("no motor")

    with pytest.raises(ClockStopped, match="node broken could not be started: no motor"):
        run(Clock([Broken(rate=10)]))


def test_a_blocked_loop_is_named_and_counted_while_it_is() -> None:
    """10.3: by an async node that waits as plain code does."""

    class Blocks(Node):
        async def work(self, ctx: Any) -> None:
            if ctx.run_id.endswith(":1"):
                pass_time(2.0)

    told: list[tuple[str, str]] = []
    clock = Clock([Blocks(rate=1), Arm(rate=10)], watch=lambda event: told.append((event.type, event.node)))
    report = run(clock, 5.0)
    assert report["blocks"].blocked == 1
    assert ("blocked", "blocks") in told
    assert (report["arm"].ticks, report["arm"].error_max) == (50, pytest.approx(0.0, abs=1e-9))


async def test_a_stop_of_the_engine_is_an_end_with_a_reason() -> None:
    """10.4, 6.2"""
    engine = Engine()
    clock = Clock([AsyncArm(rate=50)], engine=engine)
    began = asyncio.Event()
    clock["async_arm"].add_observer(lambda outputs: began.set())
    running = asyncio.create_task(clock.run())
    await began.wait()
    await engine.stop(grace=1.0)
    with pytest.raises(ClockStopped, match="its engine stopped"):
        await running


def test_no_tick_begins_after_a_stop() -> None:
    """10.4: those that were owed neither; they are counted as dropped."""

    async def main() -> Any:
        clock = Clock([AsyncArm(0.0, 0.75, rate=10, on_overrun="catch_up", id="arm")])
        running = asyncio.create_task(clock.run())
        await asyncio.sleep(0.45)
        await clock.stop()
        return await running

    report = run_virtual(main())
    assert (report["arm"].ticks, report["arm"].dropped, report["arm"].expected) == (2, 3, 5)


def test_a_pause_from_the_beginning_holds_a_node_until_it_is_resumed() -> None:
    """6.2: what comes due meanwhile was never due."""

    async def main() -> Any:
        clock = Clock([Arm(rate=10), Arm(rate=10, id="other")])
        await clock.pause("arm")
        running = asyncio.create_task(clock.run(1.0))
        await asyncio.sleep(0.55)
        clock.resume("arm")
        return await running

    report = run_virtual(main())
    assert (report["arm"].ticks, report["arm"].expected, report["arm"].dropped) == (4, 4, 0)
    assert report["other"].ticks == 10


def test_what_cannot_be_set_is_refused() -> None:
    """10.3: with what can."""
    clock = Clock([Arm(rate=10)])
    refused: list[tuple[str, dict[str, Any]]] = [
        ("arm", {"rate": None}),
        ("arm", {"rate": -1}),
        ("arm", {"order": 1}),
        ("arm", {"on_miss": "safe_state"}),
        ("leg", {"rate": 1}),
    ]
    for node_id, changes in refused:
        with pytest.raises(DefinitionError):
            clock.set(node_id, **changes)
    with pytest.raises(KeyError, match="no node 'leg'"):
        clock["leg"]


def test_a_deadline_can_be_given_while_it_runs() -> None:
    """10.3"""

    async def main() -> Any:
        clock = Clock([AsyncArm(*[0.05] * 10, rate=10)])
        running = asyncio.create_task(clock.run(1.0))
        await asyncio.sleep(0.46)
        clock.set("async_arm", deadline=0.02)
        return await running

    assert run_virtual(main())["async_arm"].misses == 5


def test_who_watches_is_told_what_happens_in_order() -> None:
    """10.4: with the node and the reason; a watcher that fails disturbs nobody."""
    told: list[tuple[str, str]] = []

    class Safe(Arm):
        def safe_state(self) -> None: ...

    def watch(event: Any) -> None:
        told.append((event.type, event.node))
        raise ValueError("no screen")

    clock = Clock([Safe(0.0, 0.3, rate=2, deadline=0.1, on_miss="safe_state", id="arm")], watch=watch)
    run(clock, 1.0)
    assert told == [("missed", "arm"), ("safe_state", "arm"), ("stopped", "")]


@KINDS
@pytest.mark.parametrize(("lasts", "health"), [(0.05, "healthy"), (0.15, "behind")])
def test_a_node_that_leaves_out_ticks_is_behind(kind: Callable[..., Node], lasts: float, health: str) -> None:
    """10.5: nothing fails, and yet it does not come as often as it is to."""
    report = run(Clock([kind(*[lasts] * 20, id="arm", rate=10)]), 2.0)
    arm = report["arm"]
    assert (arm.health, arm.failures) == (health, 0)
    assert arm.reason == ("" if health == "healthy" else "31% of its ticks were left out of late")


def test_a_pause_and_a_change_of_the_rate_are_no_error_of_a_period() -> None:
    """10.5: all of its ticks begin when they are due."""

    async def main() -> Any:
        clock = Clock([Arm(id="arm", rate=10)])
        running = asyncio.ensure_future(clock.run(3.0))
        await asyncio.sleep(0.35)
        await clock.pause()
        await asyncio.sleep(1.0)
        clock.resume()
        for rate in (4, 50, 5):
            await asyncio.sleep(0.5)
            clock.set("arm", rate=rate)
        return await running

    arm = run_virtual(main())["arm"]
    assert arm.error_max == pytest.approx(0.0, abs=1e-9)
    assert arm.ticks == arm.expected
