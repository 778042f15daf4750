"""Contenders take turns: one sample each per round, so that a drifting machine drifts for all alike.

A contender's `prepare` imports what it needs, builds its graph and gives back a sampler; a sampler takes one
figure in the unit of its workload. What cannot be imported, fails, hangs or returns a wrong result is kept
with its reason and shown in the table.
"""

import asyncio
import gc
import re
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Once = Callable[[], Awaitable[object]]
Sampler = Callable[[], float]
Role = Literal["limit", "nodeloom", "peer", "variant"]

MICROSECONDS = 1e6
MILLISECONDS = 1e3
ENOUGH = 0.04  # seconds one sample of a short piece of work is repeated for
PATIENCE = 120.0  # seconds after which a contender is taken to hang


class NotRun(Exception):
    """A contender left out on purpose; the text is the reason shown."""


@dataclass(frozen=True)
class Case:
    """What is timed, what it must return, and a shorter warm-up where the work itself is long."""

    run: Once
    expected: object
    warm: Once | None = None


@dataclass(frozen=True)
class Contender:
    name: str
    prepare: Callable[[], Sampler]
    role: Role = "peer"
    size: int | None = None


@dataclass(frozen=True)
class Target:
    """A bound on nodeloom's median, on its ratio to the limit or to a peer, or on a fitted slope."""

    kind: Literal["value", "limit", "peer", "slope"]
    bound: float
    peer: str = "PocketFlow"
    size: int | None = None

    def __str__(self) -> str:
        name = {"value": "", "limit": " of limit", "peer": f" of {self.peer}", "slope": " slope"}[self.kind]
        return f"≤ {self.bound:g}{name}"


@dataclass(frozen=True)
class Workload:
    """One figure of one piece of work.

    `fit` over the sizes: "power" gives an exponent (0 is flat), "line" a slope.
    """

    name: str
    unit: str
    contenders: Sequence[Contender]
    targets: Sequence[Target] = ()
    fit: Literal["power", "line"] | None = None
    rounds: int = 0


@dataclass
class Entry:
    """A contender and what was seen of it; `with entry:` keeps a failure as its result."""

    contender: Contender
    sampler: Sampler | None = None
    samples: list[float] = field(default_factory=list)
    failure: str = ""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False  # an interrupt ends the benchmark
        self.failure = reason(error)
        return True


def measure(workload: Workload, rounds: int) -> list[Entry]:
    """Take `rounds` samples of every contender, round-robin, each round beginning with another one."""
    entries = [Entry(contender) for contender in workload.contenders]
    for entry in entries:
        with entry:
            entry.sampler = entry.contender.prepare()
    for turn in range(workload.rounds or rounds):
        shift = turn % len(entries)
        for entry in entries[shift:] + entries[:shift]:
            if entry.sampler is not None and not entry.failure:
                with entry:
                    entry.samples.append(entry.sampler())
    return entries


def reason(error: Exception) -> str:
    """What the table says of a contender without a figure."""
    if isinstance(error, NotRun):
        return f"not run: {error}"
    if isinstance(error, TimeoutError):
        return f"no result within {PATIENCE:g} s"
    return f"failed: {type(error).__name__}: {_without_paths(str(error))}"


def _without_paths(text: str) -> str:
    """One line that says nothing about the machine it was written on."""
    line = " ".join(text.split())
    return re.sub(r"(?:/[\w.+-]+)+/([\w.+-]+)", r"\1", line)[:200]


def check(result: object, expected: object) -> None:
    """Refuse a figure for work that was not done."""
    if result != expected:
        raise AssertionError(f"returned {result!r} where {expected!r} is right")


def timed(make: Callable[[], Case], *, per: float, scale: float = MICROSECONDS) -> Callable[[], Sampler]:
    """Time a case: one `asyncio.run` a sample, a checked warm-up, repeats until the sample is long enough.

    Args:
        make: imports, builds the graph and returns the case; its time does not count.
        per: steps, rounds or items in one run of the case.
        scale: units in a second.
    """

    def prepare() -> Sampler:
        case = make()
        return lambda: asyncio.run(_timed(case)) * scale / per

    return prepare


async def _timed(case: Case) -> float:
    async with asyncio.timeout(PATIENCE):
        begun = time.perf_counter()
        await _warm_up(case)
        taken = time.perf_counter() - begun
        repeats = 1 if case.warm else max(1, min(1000, round(ENOUGH / taken)))
        settle()
        result: object = None
        begun = time.perf_counter()
        for _ in range(repeats):
            result = await case.run()
        taken = time.perf_counter() - begun
        check(result, case.expected)
        return taken / repeats


async def _warm_up(case: Case) -> None:
    if case.warm:
        await case.warm()
    else:
        check(await case.run(), case.expected)


def settle() -> None:
    """The same for all: collect, then freeze what is loaded; the collector stays on, as in production."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def peak_memory(make: Callable[[], Case]) -> Callable[[], Sampler]:
    """Peak traced KiB of one run over what was held before it, in a pass that is not timed."""

    def prepare() -> Sampler:
        case = make()
        return lambda: asyncio.run(_peak(case))

    return prepare


async def _peak(case: Case) -> float:
    async with asyncio.timeout(PATIENCE):
        await _warm_up(case)
        settle()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            check(await case.run(), case.expected)
            return (tracemalloc.get_traced_memory()[1] - before) / 1024
        finally:
            tracemalloc.stop()


class CarPark:
    """Holds any number of runs in an asyncio sleep, and can end every sleep at once."""

    def __init__(self) -> None:
        self.open(0)

    def open(self, places: int) -> None:
        """Make `full` come true at the given number of sleepers."""
        self.places = places
        self.full = asyncio.Event()
        self.sleepers: list[tuple[asyncio.Future[None], asyncio.TimerHandle]] = []

    async def park(self) -> None:
        """Sleep as `asyncio.sleep` does: a future and a timer of the loop."""
        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[None] = loop.create_future()
        self.sleepers.append((sleeper, loop.call_later(3600, sleeper.cancel)))
        if len(self.sleepers) == self.places:
            self.full.set()
        await sleeper

    def release(self) -> None:
        for sleeper, timer in self.sleepers:
            timer.cancel()
            sleeper.set_result(None)
        self.sleepers.clear()

    async def fill(self, once: Once, places: int) -> "list[asyncio.Task[object]]":
        """Start runs until all are parked; a run that ends before it parks is an error."""
        self.open(places)
        runs = [asyncio.ensure_future(once()) for _ in range(places)]
        full = asyncio.ensure_future(self.full.wait())
        done, _ = await asyncio.wait([full, *runs], return_when=asyncio.FIRST_COMPLETED)
        if full not in done:
            full.cancel()
            raise AssertionError(f"a run ended without parking: {done.pop().result()!r}")
        return runs


def progress(text: str) -> None:
    """Say on standard error where the benchmark is; the table alone goes to standard output."""
    print(text, file=sys.stderr, flush=True)
