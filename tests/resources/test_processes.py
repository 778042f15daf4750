"""Process pools: bounded, healing, with a kill that is real (5.4, 7.2)."""

import asyncio
import contextlib
import functools
import itertools
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeloom.errors import EngineClosed, WorkerDied
from nodeloom.resources.frames import LENGTH, Frames, FrameSocket
from nodeloom.resources.processes import ProcessPool, ProcessStats

PROGRAM = "tests.resources.worker_program"


def silent(told: bytes) -> None:
    raise AssertionError(f"nothing was to be told, but {told!r} was")


def make_pool(size: int = 2, *, grace: float = 5.0, idle: float = 60.0) -> ProcessPool:
    return ProcessPool("work", size, grace=grace, idle=idle, program=PROGRAM)


OTHERS: set[int] = set()
"""What other tests have started in this process, and keep."""


@pytest.fixture(autouse=True)
def others() -> None:
    OTHERS.clear()
    OTHERS.update(child.pid for child in psutil.Process().children(recursive=True))


@pytest.fixture
async def pool() -> AsyncIterator[ProcessPool]:
    made = make_pool()
    yield made
    await made.close()
    assert processes() == []


def processes() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if child.pid not in OTHERS]


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def ask(pool: ProcessPool, message: bytes) -> bytes:
    return await pool.call("a", message, silent)


async def begun(pool: ProcessPool, message: bytes) -> asyncio.Task[bytes]:
    """A call that a worker has got, and works on."""
    task = asyncio.create_task(ask(pool, message))
    await until(lambda: any(child.cpu_times().user > 0.02 for child in processes() if child.parent() != this()))
    return task


def this() -> psutil.Process:
    return psutil.Process()


async def timed(task: asyncio.Task[bytes]) -> float:
    """Seconds until a cancelled call is over."""
    began = time.perf_counter()
    task.cancel("timeout")
    await asyncio.wait({task})
    assert task.cancelled()
    return time.perf_counter() - began


# --- calls


async def test_a_worker_is_started_when_it_is_needed_and_used_again(pool: ProcessPool) -> None:
    """7.2."""
    assert processes() == []
    assert await ask(pool, b"echo hello") == b"hello"
    first = await ask(pool, b"pid")
    assert [await ask(pool, b"pid") for _ in range(5)] == [first] * 5
    assert pool.stats() == ProcessStats(size=2, workers=1, busy=0, waiting=0, started=1, killed=0, died=0)


async def test_no_more_than_its_size_run_at_once_and_others_wait_in_order(pool: ProcessPool) -> None:
    """7.1."""
    calls = [asyncio.create_task(ask(pool, b"pid")) for _ in range(30)]
    await asyncio.sleep(0)
    assert pool.stats().waiting == 28
    assert len(set(await asyncio.gather(*calls))) <= 2
    alone, order = make_pool(1), list[int]()
    calls = [asyncio.create_task(ask(alone, b"pid")) for _ in range(30)]
    for number, each in enumerate(calls):
        each.add_done_callback(functools.partial(lambda number, _: order.append(number), number))
    await asyncio.gather(*calls)
    await asyncio.sleep(0)
    assert order == list(range(30))
    await alone.close()


async def test_a_call_that_waits_in_line_leaves_it_at_once_when_it_is_cancelled() -> None:
    """7.1."""
    pool = make_pool(1)
    busy = await begun(pool, b"spin")
    waiting = asyncio.create_task(ask(pool, b"echo"))
    await until(lambda: pool.stats().waiting)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert pool.stats() == ProcessStats(size=1, workers=1, busy=1, waiting=0, started=1, killed=0, died=0)
    await timed(busy)
    await pool.close()


async def test_large_messages_come_through_whole(pool: ProcessPool) -> None:
    """7.2."""
    data = os.urandom(1 << 20) * 12
    assert await ask(pool, b"echo " + data) == data


async def test_what_a_worker_tells_meanwhile_is_heard_in_order_and_may_be_answered(pool: ProcessPool) -> None:
    """7.2."""
    heard: list[bytes] = []
    await pool.call("a", b"tell 1 2 3", lambda told: heard.append(told))
    assert heard == [b"1", b"2", b"3"]
    assert await pool.call("a", b"ask what", lambda told: told + b"!") == b"what!"


async def test_a_listener_that_fails_fails_the_call_and_costs_the_worker(pool: ProcessPool) -> None:
    """7.2."""

    def broken(told: bytes) -> None:
        raise ValueError("not what was expected")

    with pytest.raises(ValueError, match="expected"):
        await pool.call("a", b"ask what", broken)
    assert pool.stats().killed == 1
    assert await ask(pool, b"echo on") == b"on"


async def test_what_is_printed_goes_to_standard_error_and_nothing_can_be_read(
    pool: ProcessPool, capfd: pytest.CaptureFixture[str]
) -> None:
    """7.2: so printing cannot break what is sent, and a result on standard output stays one."""
    assert await ask(pool, b"print") == b"read 0"
    assert capfd.readouterr() == ("", "printed\nwritten\n")


async def test_signals_for_everybody_are_for_the_engine_to_judge(pool: ProcessPool) -> None:
    """6.3: Ctrl-C in a terminal, or a SIGTERM to all processes of a service."""
    assert await ask(pool, b"signal") == b"still here"
    assert await ask(pool, b"echo on") == b"on"


# --- killing


@pytest.mark.parametrize("what", [b"spin", b"hold-interpreter"])
async def test_a_call_that_is_cancelled_is_killed_whatever_it_does(pool: ProcessPool, what: bytes) -> None:
    """5.4, 7.2: a busy loop, or a C call that holds the interpreter; nothing is left, and the pool heals."""
    await ask(pool, b"echo")
    task = asyncio.create_task(ask(pool, what))
    await asyncio.sleep(0.05)
    assert await timed(task) < 0.9
    assert processes() == []
    assert await ask(pool, b"echo healed") == b"healed"
    assert pool.stats() == ProcessStats(size=2, workers=1, busy=0, waiting=0, started=2, killed=1, died=0)


async def test_a_kill_in_the_first_moment_of_a_worker_is_as_quick(pool: ProcessPool) -> None:
    """7.2."""
    for pause in (0.0, 0.001, 0.01, 0.03):
        task = asyncio.create_task(ask(pool, b"spin"))
        await asyncio.sleep(pause)
        assert await timed(task) < 0.9
        assert processes() == []


async def test_a_second_cancelling_does_not_leave_anything(pool: ProcessPool) -> None:
    """7.2."""
    task = await begun(pool, b"spin")
    task.cancel("timeout")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert processes() == []


async def test_what_a_worker_has_started_ends_with_it(pool: ProcessPool, tmp_path: Path) -> None:
    """7.2: children, those in sessions of their own, and those whose parents are gone."""
    note = tmp_path / "others"
    task = asyncio.create_task(ask(pool, b"start-others-and-spin " + bytes(note)))
    await until(note.exists)
    others = [int(word) for word in note.read_text().split()]
    assert all(psutil.pid_exists(each) for each in others)
    assert await timed(task) < 0.9
    assert [each for each in others if psutil.pid_exists(each)] == []


async def test_the_killing_of_one_worker_is_nothing_to_another(pool: ProcessPool) -> None:
    """7.2."""
    others = [int(word) for word in (await ask(pool, b"start-others")).split()]
    first = asyncio.create_task(ask(pool, b"spin"))
    second = asyncio.create_task(ask(pool, b"pid"))
    await second
    killed = asyncio.create_task(ask(pool, b"spin"))
    await asyncio.sleep(0.05)
    await timed(killed)
    assert all(psutil.pid_exists(each) for each in others)
    await timed(first)
    assert not any(psutil.pid_exists(each) for each in others)


async def test_fifty_kills_leave_nothing_behind() -> None:
    """7.2: no zombie, no descriptor, no asyncio task."""
    pool = make_pool(4)
    await ask(pool, b"echo")
    await asyncio.sleep(0.01)
    files, tasks = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())

    async def killed() -> None:
        task = asyncio.create_task(ask(pool, b"spin"))
        await asyncio.sleep(0.01)
        await timed(task)

    for _ in range(10):
        await asyncio.gather(*(killed() for _ in range(5)))
    await ask(pool, b"echo")
    assert len(os.listdir("/proc/self/fd")) == files
    assert len(asyncio.all_tasks()) == tasks
    assert len(processes()) == 2  # a worker, and its keeper
    await pool.close()
    assert processes() == []


# --- workers that end by themselves


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"exit 3", "ended with exit code 3"),
        (b"exit 0", "ended with exit code 0"),
        (b"fault", "was ended by SIGSEGV"),
    ],
)
async def test_a_worker_that_dies_fails_its_call_and_is_replaced(
    pool: ProcessPool, message: bytes, reason: str
) -> None:
    """7.2."""
    with pytest.raises(WorkerDied, match=f"the worker process of node a {reason} before it gave") as caught:
        await ask(pool, message)
    assert caught.value.retryable
    assert processes() == []
    assert await ask(pool, b"echo healed") == b"healed"
    assert pool.stats() == ProcessStats(size=2, workers=1, busy=0, waiting=0, started=2, killed=0, died=1)


async def test_a_worker_that_somebody_kills_says_what_that_may_mean(pool: ProcessPool) -> None:
    """7.2: the system's killer, when memory runs out."""
    worker = int(await ask(pool, b"pid"))
    task = asyncio.create_task(ask(pool, b"spin"))
    await asyncio.sleep(0.01)
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(WorkerDied, match=r"SIGKILL \(by somebody, or by the system when memory ran out\)"):
        await task


async def test_a_worker_without_its_keeper_is_lost_and_replaced(pool: ProcessPool) -> None:
    """7.2."""
    worker, keeper = int(await ask(pool, b"pid")), int(await ask(pool, b"keeper"))
    task = asyncio.create_task(ask(pool, b"spin"))
    await asyncio.sleep(0.01)
    os.kill(keeper, signal.SIGKILL)
    with pytest.raises(WorkerDied, match="was lost before it gave"):
        await task
    await until(lambda: not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE)
    assert await ask(pool, b"echo healed") == b"healed"


async def test_an_answer_that_was_given_counts_even_if_the_worker_ends_right_after(pool: ProcessPool) -> None:
    """7.2."""
    for number in range(5):
        assert await ask(pool, b"answer-and-exit yes") == b"yes"
        await until(lambda: pool.stats().died > number)  # noqa: B023
    async with pool.hold("a") as worker:
        asyncio.get_running_loop().remove_reader(worker._frames._end)  # its end is noticed before its answer
        assert await worker.perform(b"answer-and-exit late", silent) == b"late"


async def test_a_worker_that_died_at_rest_is_not_used_again(pool: ProcessPool) -> None:
    """7.2: nobody's step fails by it."""
    worker = int(await ask(pool, b"pid"))
    os.kill(worker, signal.SIGKILL)
    await until(lambda: pool.stats().died)
    assert int(await ask(pool, b"pid")) != worker


async def test_a_program_that_cannot_be_imported_fails_the_call(capfd: pytest.CaptureFixture[str]) -> None:
    """7.2: the reason is in standard error."""
    pool = ProcessPool("work", 1, program="tests.resources.no_such_program")
    with pytest.raises(WorkerDied, match="ended with exit code 1"):
        await ask(pool, b"echo")
    assert "No module named 'tests.resources.no_such_program'" in capfd.readouterr().err
    await pool.close()


# --- ending


async def test_workers_without_work_end_after_a_while() -> None:
    """7.2."""
    pool = make_pool(2, idle=0.05)
    await asyncio.gather(ask(pool, b"pid"), ask(pool, b"pid"))
    await until(lambda: not processes())
    assert pool.stats() == ProcessStats(size=2, workers=0, busy=0, waiting=0, started=2, killed=0, died=0)
    assert await ask(pool, b"echo on") == b"on"
    await pool.close()


async def test_a_closing_pool_asks_its_workers_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """13.1: so they can do what is to be done at their end."""
    monkeypatch.setenv("NOTE_THE_END", str(tmp_path / "note"))
    pool = make_pool()
    await asyncio.gather(ask(pool, b"pid"), ask(pool, b"pid"))
    await pool.close()
    await pool.close()
    assert (tmp_path / "note").read_text() == "ended\n" * pool.stats().started
    assert pool.stats().killed == 0
    assert processes() == []
    with pytest.raises(EngineClosed, match="pool 'work' is closed with its engine; a has no process"):
        await ask(pool, b"echo")


async def test_workers_that_do_not_end_within_the_grace_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """6.2."""
    monkeypatch.setenv("NEVER_END", "1")
    pool = make_pool(grace=0.05)
    await ask(pool, b"echo")
    await pool.close()
    assert pool.stats().killed == 1
    assert processes() == []


async def test_a_closing_pool_kills_what_is_at_work(pool: ProcessPool) -> None:
    """6.2."""
    task = await begun(pool, b"spin")
    await pool.close()
    with pytest.raises(EngineClosed):
        await task
    assert processes() == []


ENGINE = """
import asyncio, os, sys
from nodeloom.resources.processes import ProcessPool

async def main():
    pool = ProcessPool("work", 2, program="tests.resources.worker_program")
    if sys.argv[2:] == ["fork"]:
        asyncio.get_running_loop().call_later(0.2, fork)
    await pool.call("a", b"start-others-and-spin " + sys.argv[1].encode(), print)

def fork():
    if os.fork() == 0:
        import time
        print(os.getpid(), flush=True)
        time.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("options", [[], ["fork"]])
async def test_an_engine_that_is_killed_leaves_no_orphan(tmp_path: Path, options: list[str]) -> None:
    """7.2: not even while a fork of it lives, which holds all that it held."""
    note, script = tmp_path / "others", tmp_path / "engine.py"
    script.write_text(textwrap.dedent(ENGINE))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    engine = subprocess.Popen(
        [sys.executable, str(script), str(note), *options], env=environment, stdout=subprocess.PIPE
    )
    try:
        await until(note.exists, 30)
        fork = int(engine.stdout.readline()) if options and engine.stdout else 0
        others = [int(word) for word in note.read_text().split()]
        keeper = psutil.Process(others[0]).ppid()
        engine.kill()
        engine.wait()
        await until(lambda: not any(psutil.pid_exists(each) for each in [keeper, *others]), 2)
    finally:
        engine.kill()
        engine.wait()
        if engine.stdout:
            engine.stdout.close()
        if options:
            with contextlib.suppress(ProcessLookupError):
                os.kill(fork, signal.SIGKILL)


@pytest.mark.parametrize("size", [0, -2])
async def test_a_size_is_at_least_one(size: int) -> None:
    """7.1."""
    with pytest.raises(ValueError, match=f"pool 'few'.*not {size}"):
        ProcessPool("few", size)


# --- frames


@given(
    messages=st.lists(st.binary(max_size=50), max_size=8),
    cuts=st.lists(st.integers(0, 500), max_size=12),
)
def test_messages_arrive_whole_and_in_order_however_they_are_cut(messages: list[bytes], cuts: list[int]) -> None:
    """7.2."""
    stream = b"".join(LENGTH.pack(len(message)) + message for message in messages)
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})

    async def main() -> None:
        mine, theirs = socket.socketpair()
        received: list[bytes] = []
        frames = Frames(mine, received.append)
        for begin, end in itertools.pairwise(edges):
            theirs.sendall(stream[begin:end])
            frames.drain()
        assert received == messages
        frames.close()
        frames.close()
        theirs.close()

    asyncio.run(main())


def test_a_process_that_waits_reads_the_same_messages() -> None:
    """7.2: and none, when the other end is gone in the middle of one."""
    mine, theirs = socket.socketpair()
    with mine, theirs:
        end = FrameSocket(mine)
        FrameSocket(theirs).send(b"one")
        FrameSocket(theirs).send(b"")
        theirs.sendall(LENGTH.pack(10) + b"half")
        theirs.shutdown(socket.SHUT_WR)
        assert [end.receive(), end.receive(), end.receive()] == [b"one", b"", None]
