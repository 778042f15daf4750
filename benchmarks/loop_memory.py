"""loop_memory: the same loop ever longer: peak memory and time a round stay where they are."""

from collections.abc import Callable
from functools import partial

from benchmarks.harness import Case, Contender, Role, Target, Workload, peak_memory, timed
from benchmarks.loop import limit, nodeloom, pocketflow

SIZES = (1_000, 10_000, 100_000)
FLAT_KIB = 0.1  # a thousand more rounds may hold a tenth of a byte each
FLAT_EXPONENT = 0.05  # 26 % over two powers of ten would be 0.05


def workloads(quick: bool) -> list[Workload]:
    sizes = (300, 3_000, 30_000) if quick else SIZES
    made: list[tuple[str, Role, Callable[[int], Case]]] = [
        ("limit: asyncio loop", "limit", limit),
        ("nodeloom", "nodeloom", nodeloom),
        ("PocketFlow", "peer", pocketflow),
    ]
    every = [(name, role, n, partial(make, n)) for name, role, make in made for n in sizes]
    peaks = [Contender(name, peak_memory(make), role, n) for name, role, n, make in every]
    times = [Contender(name, timed(make, per=n), role, n) for name, role, n, make in every]
    return [
        Workload("loop_memory", "KiB at peak", peaks, [Target("slope", FLAT_KIB)], "line", rounds=1),
        Workload("loop_time", "µs a round", times, [Target("slope", FLAT_EXPONENT)], "power"),
    ]
