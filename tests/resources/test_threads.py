"""Thread pools: bounded, named, honest about work that was given up on (5.4, 7.1)."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator

import pytest

from nodeloom.errors import EngineClosed, PoolExhausted
from nodeloom.resources.threads import ThreadPool

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
