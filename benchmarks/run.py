"""Run the benchmarks: `python benchmarks/run.py [--quick] [linear loop ...]`.

A whole run writes `benchmarks/results.md`; a quick or partial one only prints, unless `--output` is given.
"""

import argparse
import os
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = (
    "linear",
    "loop",
    "loop_memory",
    "fanout",
    "batch",
    "policies",
    "forms",
    "actors",
    "clock",
    "build",
    "imports",
    "memory",
    "growth",
)
EXPLANATION = """\
Contenders take turns, one sample each per round, each round beginning with another one. A sample is one
`asyncio.run` with a checked warm-up, short work being repeated for some 40 ms. Before each sample the garbage
is collected and what is loaded is frozen; the collector stays on, for all alike. Median and min are over the
rounds; a ratio is the median of the ratios within each round, and is the figure to trust: absolute ones drift
with the machine. "Limit" is hand-written asyncio doing the same work. Checkpointing, tracing and events are
off for all. A slope row fits the least samples over the sizes: an exponent (0 is flat, 1 is in proportion),
or a line's rise for a thousand more. Every result is checked before its figure counts.
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="workload", help=f"{', '.join(NAMES)}; default all")
    parser.add_argument("--quick", action="store_true", help="small sizes and two rounds, in under a minute")
    parser.add_argument("--rounds", type=int, help="samples of each contender (default: 5, quick: 2)")
    parser.add_argument("--output", type=Path, help="where to write the results as Markdown")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.names) - set(NAMES))
    if unknown:
        parser.error(f"no workload {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return chosen


def main() -> None:
    chosen = arguments()
    # The script's own folder must not stand on the path: its modules have everyday names.
    sys.path[:1] = [str(ROOT), str(ROOT / "src")]
    warnings.simplefilter("ignore")
    os.environ |= {"LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false"}
    from benchmarks import report
    from benchmarks.harness import measure, progress

    rounds = chosen.rounds or (2 if chosen.quick else 5)
    lines: list[report.Row] = []
    begun, load = time.perf_counter(), report.load()
    for name in chosen.names or NAMES:
        for workload in import_module(f"benchmarks.{name}").workloads(chosen.quick):
            started = time.perf_counter()
            lines += report.rows(workload, measure(workload, rounds))
            progress(f"{workload.name}: {time.perf_counter() - started:.1f} s")
    progress(f"all: {time.perf_counter() - begun:.0f} s, {rounds} rounds")
    loads = f"Load average {load:.1f} before, {report.load():.1f} after; a quiet machine shows about 0 and 1."
    text = f"{report.table(lines)}\n\n{report.environment()}\n\n{loads}\n"
    print(text)
    whole = not chosen.quick and not chosen.names
    output = chosen.output or (ROOT / "benchmarks" / "results.md" if whole else None)
    if output:
        page = f"# Benchmark results\n\n{EXPLANATION}\n{rounds} rounds.\n\n{text}"
        output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
