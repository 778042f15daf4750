"""Run the demo in a terminal: a server to fetch from, an engine, the workflow, and what is said about it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from ..engine import Engine
from ..errors import RunFailed
from ..model.run import RunResult
from ..nodes.graph import Graph
from .feed import Feed
from .live import Screen, live
from .progress import Terminal

__all__ = ["run_demo"]

FAILED, INTERRUPTED = 1, 130
FOLDER, NAME = Path("nodeloom-demo"), "report.html"


def run_demo(out: Path | None = None, quiet: bool = False, seconds: float = 0.0, screen: Screen | None = None) -> int:
    """Run the demo: the workflow once, and then its nodes as they live.

    Args:
        out: the folder to write `report.html` in, or a file named `*.html`; `nodeloom-demo` by default.
        quiet: print nothing but the path of the report, and let nothing live.
        seconds: how long they live. screen: shows that, where there is a terminal.

    Returns:
        The exit code: 0, 1 when it failed, 130 when it was interrupted. A report is written whole or not at all.
    """
    report = report_at(out)
    terminal = Terminal(quiet=quiet)
    try:
        from .workflow import graph

        return asyncio.run(show(graph, report, terminal, 0.0 if quiet else seconds, screen))
    except KeyboardInterrupt:
        terminal.failed("interrupted")
        return INTERRUPTED
    except RunFailed as error:
        terminal.failed(str(error))
        return FAILED
    except OSError as error:
        terminal.failed(str(error))
        return FAILED


def report_at(out: Path | None) -> Path:
    """The file the report is written to."""
    given = out or FOLDER
    return (given if given.suffix.lower() in (".html", ".htm") else given / NAME).absolute()


async def show(
    graph: Graph, report: Path, terminal: Terminal, seconds: float = 0.0, screen: Screen | None = None
) -> int:
    """Draw the graph, run it, tell what it found; and let it live for these seconds."""
    terminal.drawing(graph)
    started = time.perf_counter()
    result = await run(graph, report, terminal)
    terminal.end()
    terminal.summary(result.state["summary"], str(report), time.perf_counter() - started)
    if seconds > 0:
        terminal.before_living(seconds)
        terminal.lived(await live(result.state, seconds, screen))
    return 0


async def run(graph: Graph, report: Path, terminal: Terminal, pause: float = 1.5) -> RunResult:
    """Run the workflow against a server of its own; both are closed when this ends, however it ends."""
    root = next(folder for folder in report.parents if folder.is_dir())
    async with Feed(pause) as feed, Engine(file_roots=[root]) as engine:
        inputs = {"feed": feed.address, "report": str(report.relative_to(root))}
        return await engine.run(graph, inputs, watch=terminal.watch)
