"""A clock on real threads: what virtual time cannot show (semantics 10.3, 10.4). All waits are for events."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import subprocess
import sys
import textwrap
import threading
from typing import Any

import pytest

from nodeloom import Clock, ClockStopped, Engine, Graph, Node, node
from nodeloom.nodes.context import current_context

WAIT = 20.0
"""Seconds after which a test gives up; none waits so long."""


class Control(Node):
    """Ticks, and says where."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.threads: set[str] = set()

    def work(self, ctx: Any) -> dict[str, Any]:
        self.threads.add(threading.current_thread().name)
        assert current_context() is ctx
        return {"ok": True}


class Until:
    """Lets something happen once another thing has happened so many times."""

    def __init__(self, times: int) -> None:
        self.reached = threading.Event()
        self._left = times

    def __call__(self, *_: Any) -> None:
        self._left -= 1
        if self._left <= 0:
            self.reached.set()


def threads_of(clock: str) -> list[str]:
    """The clock threads that there are."""
    return [each.name for each in threading.enumerate() if each.name.startswith(f"nodeloom-{clock}_")]


async def test_plain_work_runs_on_clock_threads_and_no_daemon() -> None:
    """10.3, 6.3"""
    control = Control(rate=200)
    report = await Clock([control], name="robot").run(duration=0.1)
    assert report["control"].expected == 20
    assert control.threads <= {f"nodeloom-robot_{number}" for number in range(1, 5)}
    assert threads_of("robot") == [], "they have ended"


@pytest.mark.parametrize("overrun", ["skip", "catch_up", "coalesce"])
async def test_every_instant_is_ticked_or_counted_as_dropped(overrun: Any) -> None:
    """10.2: on threads too, whatever the machine does meanwhile, and however the clock ends."""
    ticked = Until(60)
    nodes = [Control(rate=rate, id=f"n{rate}", on_overrun=overrun) for rate in (97, 500, 1500)]
    clock = Clock(nodes)
    for stats in (await clock.run(duration=0.1)).values():
        assert stats.ticks + stats.dropped == stats.expected == -(-int(stats.rate) // 10)
    clock["n500"].add_observer(ticked)
    running = asyncio.create_task(clock.run())
    assert await asyncio.to_thread(ticked.reached.wait, WAIT)
    await clock.stop()
    for stats in (await running).values():
        assert stats.ticks + stats.dropped == stats.expected > 0


async def test_a_node_that_blocks_does_not_delay_another() -> None:
    """10.3: it stands on one thread, the other goes on ticking on others."""
    ticked = Until(50)
    released: list[bool] = []
    over = threading.Event()

    @node(id="camera")
    def camera() -> None:
        released.append(ticked.reached.wait(WAIT))
        over.set()

    control = Control(rate=500)
    clock = Clock([camera.copy(rate=500, on_overrun="coalesce"), control])
    clock["control"].add_observer(ticked)
    running = asyncio.create_task(clock.run())
    assert await asyncio.to_thread(over.wait, WAIT)
    await clock.stop()
    report = await running
    assert released[0] is True, "control ticked 50 times while camera stood still"
    assert report["control"].overruns <= report["control"].ticks
    assert report.reason == "stopped"


async def test_async_work_runs_on_the_loop_that_awaits_the_clock() -> None:
    """10.3"""
    loops: set[Any] = set()

    @node(id="camera")
    async def camera(ctx) -> None:
        loops.add(asyncio.get_running_loop())
        assert current_context() is ctx

    report = await Clock([camera.copy(rate=100)]).run(duration=0.1)
    assert loops == {asyncio.get_running_loop()}
    assert report["camera"].expected == 10


async def test_a_tick_begins_on_its_thread_and_goes_on_on_the_loop_where_it_must_wait() -> None:
    """10.3: what follows may await."""
    where: list[str] = []
    main = threading.current_thread().name

    @node(id="control")
    def control() -> dict[str, Any]:
        where.append(threading.current_thread().name)
        return {"n": 1}

    @node(id="report")
    async def reports(inputs) -> None:
        await asyncio.sleep(0)
        where.append(threading.current_thread().name)

    first = control.copy(rate=100)
    first >> reports
    report = await Clock(first).run(duration=0.05)
    assert len(where) == 2 * report["control"].ticks
    assert set(where[1::2]) == {main}
    assert main not in where[::2]


async def test_a_blocked_loop_is_named_while_it_is_blocked_and_plain_nodes_tick_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """10.3, 10.4: by the monitor, which is not on the loop; deadline and watchdog too."""
    told, over = threading.Event(), threading.Event()
    noticed: dict[str, Any] = {}

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "has blocked the event loop" in record.getMessage():
                noticed["message"] = record.getMessage()
            if "no tick was done" in record.getMessage() and noticed:
                told.set()

    class Blocks(Node):
        async def work(self) -> None:
            noticed.setdefault("during", told.wait(WAIT))
            over.set()

    handler = Told()
    logging.getLogger("nodeloom.clock").addHandler(handler)
    events: list[str] = []
    clock = Clock(
        [Blocks(rate=100, deadline=0.02, watchdog=0.15), Control(rate=100)],
        stall=0.05,
        watch=lambda event: events.append(event.type),
    )
    try:
        running = asyncio.create_task(clock.run())
        assert await asyncio.to_thread(over.wait, WAIT)
        await clock.stop()
        report = await running
    finally:
        logging.getLogger("nodeloom.clock").removeHandler(handler)
    assert noticed["during"] is True, "it was told while it blocked"
    assert "node blocks has blocked the event loop" in noticed["message"]
    assert f"{__file__}:" in noticed["message"]
    assert "in work" in noticed["message"]
    assert report["blocks"].blocked >= 1
    assert report["blocks"].misses >= 1
    assert report["blocks"].expired >= 1
    assert {"blocked", "missed", "expired"} <= set(events)
    assert report["control"].ticks > 10


async def test_a_hanging_thread_is_given_up_by_a_restart_and_its_late_result_is_dropped() -> None:
    """10.4: others tick meanwhile, and so does the node itself again."""
    hang, again, ended = threading.Event(), threading.Event(), threading.Event()
    given: list[str] = []
    began: list[int] = []

    class Arm(Node):
        def work(self, ctx: Any) -> dict[str, Any]:
            began.append(1)
            if len(began) == 1:
                hang.wait(WAIT)
                assert ctx.cancelled, "it is told"
                ended.set()
                return {"word": "late"}
            again.set()
            return {"word": "in time"}

    clock = Clock([Arm(rate=100, deadline=0.05, on_miss="restart"), Control(rate=100)])
    clock["arm"].add_observer(lambda outputs: given.append(outputs.word))
    running = asyncio.create_task(clock.run())
    assert await asyncio.to_thread(again.wait, WAIT)
    hang.set()
    assert await asyncio.to_thread(ended.wait, WAIT)
    await clock.stop()
    report = await running
    assert "late" not in given
    assert "in time" in given
    assert (report["arm"].restarts, report["arm"].late) == (1, 1)
    assert report.left == ()


async def test_safe_state_is_called_on_another_thread_than_the_stuck_one() -> None:
    """10.4"""
    safe = threading.Event()
    threads: list[int] = []

    class Arm(Node):
        def work(self) -> None:
            threads.append(threading.get_ident())
            safe.wait(WAIT)

        def safe_state(self) -> None:
            threads.append(threading.get_ident())
            safe.set()

    clock = Clock([Arm(rate=50, deadline=0.02, on_miss="safe_state")])
    running = asyncio.create_task(clock.run())
    assert await asyncio.to_thread(safe.wait, WAIT)
    await clock.stop()
    await running
    assert threads[0] != threads[1]
    assert threads[1] != threading.get_ident()


async def test_what_does_not_end_within_the_grace_is_left_and_named() -> None:
    """6.2, 6.3"""
    hang, hangs = threading.Event(), threading.Event()

    class Stuck(Node):
        memory = True

        def work(self, ctx: Any) -> None:
            ctx.memory["n"] = ctx.memory.get("n", 0) + 1
            hangs.set()
            hang.wait(WAIT)

    clock = Clock([Stuck(rate=100), Control(rate=100)])
    running = asyncio.create_task(clock.run())
    assert await asyncio.to_thread(hangs.wait, WAIT)
    left = await clock.stop(within=0.05)
    report = await running
    assert [step.node for each in left for step in each.steps] == ["stuck"]
    assert report.left == left
    hang.set()
    assert (await clock.run(duration=0.05))["stuck"].failures == 0, "nothing holds its memory"


async def test_cancelling_the_run_ends_its_ticks_and_threads() -> None:
    """6.2"""
    began = asyncio.Event()
    ended: list[str] = []

    class Waits(Node):
        async def work(self) -> None:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("ended")

    clock = Clock([Waits(rate=100), Control(rate=100)], name="cancelled")
    running = asyncio.create_task(clock.run())
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended == ["ended"]
    assert clock.report().reason == "cancelled"
    assert threads_of("cancelled") == []


async def test_rates_can_be_changed_from_any_thread_while_it_runs() -> None:
    """10.3: a long wait is broken off."""
    ticked = Until(5)
    clock = Clock([Control(rate=0.001)])
    clock["control"].add_observer(ticked)
    running = asyncio.create_task(clock.run())
    await asyncio.to_thread(clock.set, "control", rate=200)
    assert await asyncio.to_thread(ticked.reached.wait, WAIT)
    await clock.stop()
    assert (await running)["control"].rate == 200


async def test_graphs_run_inside_of_ticks_and_background_work_goes_on_behind_them() -> None:
    """7.3, 2.7"""
    fetched = threading.Event()
    seen: list[Any] = []

    @node
    async def inner(inputs):
        return {"doubled": inputs["n"] * 2}

    async def fetch() -> str:
        return "weather"

    class Ticks(Node):
        def work(self, ctx: Any) -> dict[str, Any]:
            latest = ctx.background("weather", fetch)
            if latest.value is not None:
                fetched.set()
            return {"n": 21}

    ticks, doubles = Ticks(rate=100), Graph(inner, name="doubles").as_node(id="doubles")
    ticks >> doubles
    async with Engine() as engine:
        clock = Clock(ticks, engine=engine)
        clock["doubles"].add_observer(lambda outputs: seen.append(outputs.doubled))
        running = asyncio.create_task(clock.run())
        assert await asyncio.to_thread(fetched.wait, WAIT)
        await clock.stop()
        await running
    assert seen[0] == 42


async def test_an_observer_that_fails_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """9.9: it is logged; each is told of each output, on the clock's loop."""
    told: list[int] = []

    def fails(outputs: Any) -> None:
        raise ValueError("no screen")

    clock = Clock([Control(rate=100)])
    clock["control"].add_observer(fails)
    clock["control"].add_observer(lambda outputs: told.append(threading.get_ident()))
    with caplog.at_level(logging.ERROR):
        report = await clock.run(duration=0.05)
    assert told == [threading.get_ident()] * report["control"].ticks
    assert "fails of control failed" in caplog.text
    clock["control"].remove_observer(fails)
    caplog.clear()
    await clock.run(duration=0.02)
    assert caplog.text == ""


async def test_a_paused_node_does_not_tick_and_the_others_do() -> None:
    """6.2, 10.3"""
    ticked = Until(10)
    clock = Clock([Control(rate=200, id="held"), Control(rate=200, id="goes")])
    running = asyncio.create_task(clock.run())
    await clock.pause("held")
    before = clock.stats()["held"].ticks
    clock["goes"].add_observer(ticked)
    assert await asyncio.to_thread(ticked.reached.wait, WAIT)
    assert clock.stats()["held"].ticks == before
    again = Until(3)
    clock["held"].add_observer(again)
    clock.resume("held")
    assert await asyncio.to_thread(again.reached.wait, WAIT)
    await clock.stop()
    report = await running
    assert report["held"].expected < report["goes"].expected


async def test_a_real_time_priority_is_asked_for_and_the_report_says_what_came_of_it() -> None:
    """10.3: it never fails because of that."""
    report = await Clock([Control(rate=100)], realtime=True).run(duration=0.02)
    assert report.realtime.startswith(("SCHED_FIFO", "not granted"))
    assert (await Clock([Control(rate=100)]).run(duration=0.02)).realtime == ""


async def test_a_worker_process_ticks_too() -> None:
    """10.3: of code that holds the interpreter's lock."""
    from nodeloom.library.flow import Transform

    report = await Clock([Transform(values={"n": 1}, id="far", rate=20, isolation="process")]).run(
        duration=0.5, check=False
    )
    assert report["far"].failures == 0
    assert report["far"].ticks >= 1


async def test_a_clock_runs_once_at_a_time_and_again_afterwards() -> None:
    """10.4"""
    clock = Clock([Control(rate=100)])
    running = asyncio.create_task(clock.run(duration=0.1))
    await asyncio.sleep(0)
    with pytest.raises(Exception, match="runs already"):
        await clock.run(duration=0.1)
    await running
    assert (await clock.run(duration=0.05))["control"].expected == 5


def test_run_sync_runs_a_clock_from_code_that_is_not_async() -> None:
    """10.1"""
    report = Clock([Control(rate=100)]).run_sync(duration=0.05)
    assert report["control"].expected == 5
    assert report["control"].ticks > 0


def test_a_process_ends_though_a_tick_is_stuck_and_names_it() -> None:
    """6.3"""
    program = """
        import asyncio, threading
        from nodeloom import Clock, Node

        class Stuck(Node):
            def work(self):
                threading.Event().wait()

        report = asyncio.run(Clock([Stuck(rate=100)], grace=0.05).run(duration=0.1))
        print(report.left[0].steps[0].node)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "stuck")
    assert "still busy, and left behind: stuck" in ran.stderr
    assert os.name == "posix" or ran.returncode == 0


async def test_nodes_that_are_idle_own_no_thread() -> None:
    """7.1"""
    nodes = [Control(rate=0.01, id=f"n{number}") for number in range(2_000)]
    clock = Clock(nodes, name="idle", phases={each.id: 50.0 for each in nodes})
    running = asyncio.create_task(clock.run())
    while not (alive := threads_of("idle")):  # noqa: ASYNC110 - threads tell nobody that they were made
        await asyncio.sleep(0)
    await clock.stop()
    assert len(alive) <= 2
    assert (await running).reason == "stopped"


async def test_the_context_variables_of_who_runs_a_clock_are_those_of_its_ticks() -> None:
    """10.3: on its threads and on its loop; what a tick sets is its own."""
    user = contextvars.ContextVar("user", default="nobody")
    seen: dict[str, set[str]] = {"plain": set(), "awaits": set()}

    @node(id="plain")
    def plain() -> None:
        seen["plain"].add(user.get())
        user.set("changed")

    @node(id="awaits")
    async def awaits() -> None:
        seen["awaits"].add(user.get())
        user.set("changed")

    user.set("somebody")
    await Clock([plain.copy(rate=100), awaits.copy(rate=100)]).run(duration=0.05)
    assert seen == {"plain": {"somebody"}, "awaits": {"somebody"}}


async def test_figures_can_be_read_from_any_thread_at_any_time() -> None:
    """10.5: before, while and after it runs."""
    clock = Clock([Control(rate=500)])
    assert clock.stats()["control"].health == "waiting"
    ticked, enough = Until(30), threading.Event()
    clock["control"].add_observer(ticked)
    read: list[Any] = []

    def reads() -> None:
        while not enough.is_set():
            read.append(clock.stats()["control"])

    running = asyncio.create_task(clock.run())
    reading = asyncio.create_task(asyncio.to_thread(reads))
    assert await asyncio.to_thread(ticked.reached.wait, WAIT)
    enough.set()
    await reading
    await clock.stop()
    report = await running
    ticks = [stats.ticks for stats in read]
    assert ticks == sorted(ticks)
    assert clock.stats()["control"] == report["control"]
    assert report["control"].health in ("healthy", "behind")  # as the machine allows


async def test_closing_the_engine_ends_a_clock_at_once() -> None:
    """6.2: what it was at is cancelled, and `run` says why."""
    began = asyncio.Event()

    class Waits(Node):
        async def work(self) -> None:
            began.set()
            await asyncio.Event().wait()

    engine = Engine()
    clock = Clock([Waits(rate=100), Control(rate=100)], engine=engine, grace=WAIT)
    running = asyncio.create_task(clock.run())
    await began.wait()
    await asyncio.wait_for(engine.close(), WAIT / 2)
    with pytest.raises(ClockStopped, match="its engine stopped") as stopped:
        await running
    assert [step.node for each in stopped.value.report.left for step in each.steps] == ["waits"]


async def test_ticks_have_run_ids_of_their_own() -> None:
    """1.3: also those of another run of the same clock."""
    seen: list[str] = []

    @node(id="control")
    def control(ctx) -> None:
        seen.append(ctx.run_id)

    clock = Clock([control.copy(rate=100)], name="robot")
    await clock.run(duration=0.03)
    await clock.run(duration=0.03)
    assert len(set(seen)) == len(seen) > 1
    assert all(each.startswith("robot-") for each in seen)


async def test_a_hanging_thread_does_not_hold_up_a_stop_on_a_miss() -> None:
    """10.4: the clock stops at once, with the reason, and says what it left."""
    hang = threading.Event()

    class Arm(Node):
        def work(self) -> None:
            hang.wait(WAIT)

    try:
        with pytest.raises(ClockStopped, match="node arm: no tick was done for") as stopped:
            await asyncio.wait_for(Clock([Arm(rate=10, watchdog=0.05, on_miss="stop")], grace=WAIT).run(), WAIT / 2)
    finally:
        hang.set()
    assert [step.node for each in stopped.value.report.left for step in each.steps] == ["arm"]


async def test_a_late_async_tick_brings_its_node_to_a_safe_state_off_the_loop() -> None:
    """10.4: also where it is its end that tells."""
    threads: list[int] = []

    class Arm(Node):
        async def work(self) -> None: ...

        def safe_state(self) -> None:
            threads.append(threading.get_ident())

    clock = Clock([Arm(rate=50, deadline=1e-9, on_miss="safe_state")])
    report = await clock.run(duration=0.1)
    assert report["arm"].misses == report["arm"].ticks > 0
    assert report["arm"].health == "safe_state"
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()
