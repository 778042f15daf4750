"""Thread pools: bounded, named, honest about work that was given up on (5.4, 7.1)."""

import asyncio
import contextvars
import functools
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeloom.errors import EngineClosed, PoolExhausted, StepTimeout, StillRunning
from nodeloom.policies.concurrency import still_running
from nodeloom.policies.first_step import bounded
from nodeloom.resources.threads import ThreadPool, ThreadStats

variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")


@pytest.fixture
async def pool() -> AsyncIterator[ThreadPool]:
    made = ThreadPool("work", 2, grace=0.0)
    yield made
    made.close()


class Holding:
    """A function that holds its thread until it is let go."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.free = threading.Event()

    def __call__(self) -> str:
        self.began.set()
        assert self.free.wait(30)
        return "done"

    async def held(self) -> None:
        assert await asyncio.to_thread(self.began.wait, 5)


async def test_a_value_and_a_failure_come_back(pool: ThreadPool) -> None:
    assert await pool.run("a", lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        await pool.run("a", lambda: 1 // 0)


async def test_it_makes_threads_when_they_are_needed_and_no_more_than_its_size() -> None:
    """7.1."""
    pool = ThreadPool("lazy", 3)

    def mine() -> int:
        return sum(thread.name.startswith("nodeloom-lazy") for thread in threading.enumerate())

    assert mine() == 0
    await asyncio.gather(*(pool.run("a", lambda: None) for _ in range(50)))
    assert 0 < mine() <= 3
    pool.close()
    assert mine() == 0


async def test_context_variables_are_those_of_the_caller(pool: ThreadPool) -> None:
    """1.6."""
    variable.set(7)
    assert await pool.run("a", variable.get) == 7


async def test_a_stop_iteration_comes_back_as_a_runtime_error(pool: ThreadPool) -> None:
    """1.6: and does not keep its caller waiting."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        await asyncio.wait_for(pool.run("a", lambda: next(iter([]))), 5)


async def test_work_that_waits_for_a_thread_is_withdrawn_when_it_is_cancelled(pool: ThreadPool) -> None:
    """5.4: it never ran, so nothing is abandoned."""
    holding = [Holding(), Holding()]
    busy = [asyncio.create_task(pool.run("busy", each)) for each in holding]
    for each in holding:
        await each.held()
    ran: list[int] = []
    waiting = asyncio.create_task(pool.run("waiting", lambda: ran.append(1)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    for each in holding:
        each.free.set()
    assert await asyncio.gather(*busy) == ["done", "done"]
    assert ran == []
    assert pool.abandoned.total() == 0


async def test_work_that_is_cancelled_is_told_and_awaited_for_the_grace() -> None:
    """5.4."""
    pool = ThreadPool("patient", 1, grace=30)
    holding = Holding()
    task = asyncio.create_task(pool.run("a", holding, stop=holding.free.set))
    await holding.held()
    task.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait({task})
    assert task.cancelled()
    assert pool.abandoned.total() == 0
    pool.close()


async def test_abandoned_work_keeps_its_place_until_it_ends(pool: ThreadPool) -> None:
    """5.4: a full pool fails new work at once, naming who holds it."""
    holding = [Holding(), Holding()]
    for number, each in enumerate(holding):
        task = asyncio.create_task(pool.run(f"node{number}", each))
        await each.held()
        task.cancel()
        await asyncio.wait({task})
    with pytest.raises(PoolExhausted, match=r"all 2 threads of pool 'work'.*node0 \(1\), node1 \(1\)"):
        await pool.run("late", lambda: 1)
    holding[0].free.set()
    async with asyncio.timeout(5):
        while pool.abandoned.total() == 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert await pool.run("late", lambda: 1) == 1
    task = asyncio.create_task(pool.run("node2", again := Holding()))
    await again.held()
    task.cancel()
    await asyncio.wait({task})
    with pytest.raises(PoolExhausted) as caught:
        await pool.run("late", lambda: 1)
    assert "node0" not in str(caught.value)
    holding[1].free.set()
    again.free.set()


async def test_a_late_failure_of_abandoned_work_is_dropped_in_silence(pool: ThreadPool) -> None:
    """5.4."""
    free, began = threading.Event(), threading.Event()

    def late() -> None:
        began.set()
        free.wait(5)
        raise ValueError("too late")

    task = asyncio.create_task(pool.run("a", late))
    assert await asyncio.to_thread(began.wait, 5)
    task.cancel()
    await asyncio.wait({task})
    free.set()
    async with asyncio.timeout(5):
        while pool.abandoned.total():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_closing_waits_for_work_and_takes_no_more() -> None:
    """13.1."""
    pool = ThreadPool("closing", 1)
    await pool.run("a", lambda: 1)
    pool.close()
    pool.close()
    with pytest.raises(EngineClosed, match="pool 'closing' is closed with its engine; b has no thread"):
        await pool.run("b", lambda: 1)


async def test_closing_does_not_wait_for_abandoned_work() -> None:
    """6.3."""
    pool = ThreadPool("stuck", 1, grace=0.0)
    holding = Holding()
    task = asyncio.create_task(pool.run("a", holding))
    await holding.held()
    task.cancel()
    await asyncio.wait({task})
    pool.close()
    holding.free.set()


@pytest.mark.parametrize("size", [0, -3])
def test_a_size_is_at_least_one(size: int) -> None:
    with pytest.raises(ValueError, match=f"pool 'few'.*not {size}"):
        ThreadPool("few", size)


async def test_a_step_whose_time_is_over_is_not_waited_for() -> None:
    """5.4: it ends at once, whatever the grace; its thread is still busy, and says until when."""
    pool = ThreadPool("patient", 1, grace=30)
    holding = Holding()
    task = asyncio.create_task(pool.run("a", holding))
    await holding.held()
    task.cancel("timeout")
    async with asyncio.timeout(5):
        await asyncio.wait({task})
    with pytest.raises(StillRunning, match="a goes on running on a thread of pool 'patient'") as caught:
        task.result()
    until = caught.value.until
    assert not until.done()
    assert pool.stats().abandoned == {"a": 1}
    holding.free.set()
    async with asyncio.timeout(5):
        await until
    assert pool.stats() == ThreadStats(size=1, threads=1, busy=0, waiting=0, abandoned={}, late={"a": 1})
    pool.close()


async def test_the_function_is_told_at_once_when_the_time_is_over() -> None:
    """5.4."""
    pool = ThreadPool("patient", 1, grace=30)
    holding = Holding()
    task = asyncio.create_task(pool.run("a", holding, stop=holding.free.set))
    await holding.held()
    task.cancel("deadline")
    await asyncio.wait({task})
    with pytest.raises(StillRunning) as caught:
        task.result()
    async with asyncio.timeout(5):
        await caught.value.until
    pool.close()


async def test_a_policy_that_bounds_the_time_hears_of_what_goes_on(pool: ThreadPool) -> None:
    """5.4: as Concurrency does, which keeps the slot."""
    holding = Holding()

    async def work(ctx: object) -> str:
        return await pool.run("a", holding)

    call = bounded(work, 0.05, "timeout", lambda ctx: StepTimeout("too long"))
    with pytest.raises(StepTimeout) as caught:
        await call(None)  # type: ignore[arg-type]
    until = still_running(caught.value)
    assert until is not None
    assert not until.done()
    holding.free.set()
    await until


async def test_a_second_cancelling_ends_the_patience() -> None:
    """6.2."""
    pool = ThreadPool("patient", 1, grace=30)
    holding = Holding()
    told = threading.Event()
    task = asyncio.create_task(pool.run("a", holding, stop=told.set))
    await holding.held()
    task.cancel()
    while not told.is_set():  # noqa: ASYNC110
        await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait({task})
    assert task.cancelled()
    assert pool.stats().abandoned == {"a": 1}
    holding.free.set()
    pool.close()


async def test_work_that_has_ended_meanwhile_is_not_abandoned(pool: ThreadPool) -> None:
    """5.4."""
    done = threading.Event()
    task = asyncio.create_task(pool.run("a", done.set))
    await asyncio.sleep(0)
    assert done.wait(5)  # the loop is kept from hearing of it
    while pool.stats().busy:
        pass
    task.cancel("timeout")
    await asyncio.wait({task})
    assert task.cancelled()
    assert pool.stats().late == {}


async def test_those_who_wait_when_the_last_thread_is_lost_are_told(pool: ThreadPool) -> None:
    """5.4: they would wait for a thread that may never come."""
    holding = [Holding(), Holding()]
    busy = [asyncio.create_task(pool.run(f"node{number}", each)) for number, each in enumerate(holding)]
    for each in holding:
        await each.held()
    waiting = asyncio.create_task(pool.run("waiting", lambda: 1))
    await asyncio.sleep(0)
    assert pool.stats().waiting == 1
    busy[0].cancel("timeout")
    await asyncio.wait({busy[0]})
    assert not waiting.done()
    busy[1].cancel("timeout")
    with pytest.raises(PoolExhausted, match=r"node0 \(1\), node1 \(1\)"):
        await asyncio.wait_for(waiting, 5)
    for each in holding:
        each.free.set()


async def test_calls_are_served_in_the_order_they_came() -> None:
    """7.1."""
    pool = ThreadPool("line", 1)
    order: list[int] = []
    await asyncio.gather(*(pool.run("a", functools.partial(order.append, number)) for number in range(100)))
    assert order == list(range(100))
    pool.close()


async def test_one_after_the_other_needs_one_thread() -> None:
    """7.1."""
    pool = ThreadPool("line", 8)
    for _ in range(200):
        await pool.run("a", lambda: None)
    assert pool.stats().threads <= 2  # a second one, when the first had no time yet to say that it is free
    pool.close()


async def test_threads_without_work_end_after_a_while() -> None:
    """7.1."""
    pool = ThreadPool("idle", 4, idle=0.01)
    await asyncio.gather(*(pool.run("a", lambda: None) for _ in range(20)))
    async with asyncio.timeout(5):
        while pool.stats().threads:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert await pool.run("a", lambda: 1) == 1
    pool.close()


async def test_a_thread_that_waits_holds_nothing_of_what_it_has_done() -> None:
    """7.1: of no graph, and no result."""

    class Large:
        pass

    pool = ThreadPool("idle", 1)
    held, given = Large(), await pool.run("a", Large)
    gone = [weakref.ref(held), weakref.ref(given)]
    await pool.run("a", functools.partial(id, held))
    del held, given
    async with asyncio.timeout(5):
        while any(each() for each in gone):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    pool.close()


async def test_a_pool_serves_several_loops() -> None:
    """7.1."""
    pool = ThreadPool("shared", 2)

    def elsewhere() -> int:
        return asyncio.run(pool.run("b", lambda: 2))

    assert await pool.run("a", elsewhere) == 2
    pool.close()


async def test_closing_tells_those_who_wait(pool: ThreadPool) -> None:
    """13.1."""
    holding = [Holding(), Holding()]
    busy = [asyncio.create_task(pool.run("busy", each)) for each in holding]
    for each in holding:
        await each.held()
    waiting = asyncio.create_task(pool.run("waiting", lambda: 1))
    await asyncio.sleep(0)
    pool.close()
    with pytest.raises(EngineClosed):
        await waiting
    for each in holding:
        each.free.set()
    assert await asyncio.gather(*busy) == ["done", "done"]


@given(size=st.integers(1, 3), calls=st.integers(1, 5), cancelled=st.lists(st.integers(0, 4), unique=True))
def test_the_figures_are_right_whatever_happens_to_the_calls(size: int, calls: int, cancelled: list[int]) -> None:
    """5.4: always, what is abandoned is counted once, and gone when it ends."""

    async def main() -> None:
        pool = ThreadPool("any", size, grace=0.0)
        holding = [Holding() for _ in range(calls)]
        tasks = [asyncio.create_task(pool.run(f"n{number}", each)) for number, each in enumerate(holding)]
        for each in holding[:size]:
            await each.held()
        gone = [number for number in cancelled if number < calls]
        for number in gone:
            tasks[number].cancel("timeout")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        left = [number for number in gone if number < size]
        assert sum(pool.stats().abandoned.values()) == len(left)
        for each in holding:
            each.free.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        while pool.stats().busy:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert pool.stats().abandoned == {}
        assert sum(pool.stats().late.values()) == len(left)
        pool.close()

    asyncio.run(main())


# --- the end of the process


def script(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "script.py"
    file.write_text(START + textwrap.dedent(text))
    return subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=60, check=False)


START = """
import asyncio, atexit, sys, threading
from nodeloom.resources.threads import ThreadPool

free, began = threading.Event(), threading.Event()

def hold():
    began.set()
    while not free.is_set():
        pass

async def abandon(pool):
    task = asyncio.create_task(pool.run("hold", hold))
    while not began.is_set():
        await asyncio.sleep(0.001)
    task.cancel("timeout")
    await asyncio.wait({task})
"""


@pytest.mark.parametrize("closing", ["pool.close()", "pass"])
def test_a_process_ends_without_a_thread_that_is_stuck_and_names_it(tmp_path: Path, closing: str) -> None:
    """6.3: its exit code stands, and what is to be done at its exit is done."""
    ended = script(
        tmp_path,
        f"""
        pool = ThreadPool("few", 2, grace=0.1)
        atexit.register(print, "at exit")
        asyncio.run(abandon(pool))
        {closing}
        print("buffered", end=" ")
        sys.exit(3)
        """,
    )
    assert ended.stderr == "nodeloom: still busy, and left behind: hold\n"
    assert ended.stdout == "buffered at exit\n"
    assert ended.returncode == 3


def test_abandoned_work_has_its_grace_at_the_end_of_the_process(tmp_path: Path) -> None:
    """6.3."""
    ended = script(
        tmp_path,
        """
        pool = ThreadPool("few", 2, grace=30)
        asyncio.run(abandon(pool))
        threading.Timer(0.1, free.set).start()
        """,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_failure_of_the_main_program_stays_its_exit_code(tmp_path: Path) -> None:
    """6.3."""
    ended = script(
        tmp_path,
        """
        asyncio.run(abandon(ThreadPool("few", 2, grace=0.0)))
        raise ValueError("of the script")
        """,
    )
    assert ended.returncode == 1
    assert "ValueError: of the script" in ended.stderr
    assert ended.stderr.endswith("left behind: hold\n")


def test_a_process_waits_for_the_threads_of_others_all_the_same(tmp_path: Path) -> None:
    """6.3."""
    ended = script(
        tmp_path,
        """
        def write():
            threading.Event().wait(0.2)
            print("written")
        asyncio.run(abandon(ThreadPool("few", 2, grace=0.0)))
        threading.Thread(target=write).start()
        """,
    )
    assert (ended.returncode, ended.stdout) == (0, "written\n")


def test_a_pool_that_was_not_closed_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """6.3."""
    ended = script(
        tmp_path,
        """
        import time
        pool = ThreadPool("few", 2, idle=50)
        asyncio.run(pool.run("a", lambda: 1))
        """,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_runs_and_was_not_given_up_on_is_finished_before_the_end(tmp_path: Path) -> None:
    """6.3: nothing runs on a daemon thread."""
    ended = script(
        tmp_path,
        """
        def work():
            began.set()
            threading.Event().wait(0.2)
            print("finished")

        async def main():
            pool = ThreadPool("few", 2)
            task = asyncio.create_task(pool.run("a", work))
            while not began.is_set():
                await asyncio.sleep(0.001)
            asyncio.get_running_loop().stop()

        loop = asyncio.new_event_loop()
        loop.create_task(main())
        loop.run_forever()
        """,
    )
    assert ended.returncode == 0
    assert ended.stdout == "finished\n"
