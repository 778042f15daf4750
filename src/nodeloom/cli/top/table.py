"""A reading as two tables on a terminal: its systems of actors, and its clocks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.text import Text

from ...runners.readings import Reading, View
from ...runners.stats import ActorStats, TickStats
from ..live import can_print
from ..tally import one_line
from .columns import ACTORS, GAP, TICKS, Cell, Grid, grid_of
from .units import count_text, rate_text

__all__ = ["SIGNS", "picture", "rest_text", "rows_for", "summary_parts", "title_text"]

SIGNS = "━─µ·–×…"
ASCII = str.maketrans({"━": "#", "─": "-", "µ": "u", "·": "|", "–": "-", "…": "~"})
ROOM_FOR_MORE = 24
"""How many columns must be left over for a last input or a reason to stand beside its node."""


def picture(reading: Reading, console: Console, *, rows: int | None = None, note: str = "") -> RenderableType:
    """The reading as it fits the terminal.

    Args:
        reading, console: what, and where. rows: how many nodes of each system at most. note: a line at the end.
    """
    lines: list[Text] = [Text(title_text(reading), "dim")]
    allotted = rows_for(reading.views, console.height - 3)
    for view, room in zip(reading.views, allotted, strict=True):
        lines += _table(view, min(room, rows or room), console.width)
    if reading.hidden:
        lines.append(Text(f"and {reading.hidden:,} more systems", "dim"))
    if not reading.views:
        lines.append(Text("nothing lives here at the moment", "dim"))
    if note:
        lines.append(Text(note, "red"))
    if not can_print(console.encoding, SIGNS):
        lines = [_plain(line) for line in lines]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
        line.truncate(console.width, overflow="ellipsis" if console.encoding.startswith("utf") else "crop")
    return Group(*lines)


def title_text(reading: Reading) -> str:
    """Which process this is, and when."""
    clock = time.strftime("%H:%M:%S", time.localtime(reading.time))
    program = f"{one_line(reading.program)} · " if reading.program else ""
    return f"{program}pid {reading.pid} · {clock}"


def rows_for(views: Sequence[View], height: int) -> list[int]:
    """How many nodes of each system there is room for: all of small ones, the rest divided among the others."""
    nodes = [view.nodes for view in views]
    rows = [0] * len(nodes)
    room = height - 3 * len(nodes)  # of each a summary, the titles, and what is left out
    while room > 0 and any(row < len(each) for row, each in zip(rows, nodes, strict=True)):
        for place, each in enumerate(nodes):
            if rows[place] < len(each) and room > 0:
                room -= _lines_of(each[rows[place]])
                rows[place] += 1
    return [max(row, 1) for row in rows]


def _lines_of(stats: ActorStats | TickStats) -> int:
    """How many lines a node may need: a reason may stand below it."""
    return 2 if isinstance(stats, TickStats) and stats.reason else 1


def _table(view: View, rows: int, width: int) -> list[Text]:
    head = Text()
    head.append(f"{view.kind} ", "dim").append(one_line(view.name), "bold")
    for part, style in summary_parts(view):
        head.append(" · ", "dim").append(part, style)
    shown: Sequence[ActorStats | TickStats] = view.nodes[:rows]
    if not shown:
        return [head]
    grid = grid_of(ACTORS if view.kind == "actors" else TICKS, shown, width)
    lines = [head, _line(grid, [Cell(column.title, "dim") for column in grid.columns])]
    for cells, stats in zip(grid.rows, shown, strict=True):
        lines += _row(grid, cells, stats, width)
    rest = rest_text(view, shown)
    return [*lines, Text(rest, "dim")] if rest else lines


def _row(grid: Grid, cells: list[Cell], stats: ActorStats | TickStats, width: int) -> list[Text]:
    """A node's line; with what is to be said of it beside it, or below where there is no room and it matters."""
    line = _line(grid, cells)
    said, style = _said(stats)
    if not said:
        return [line]
    if width - grid.width >= ROOM_FOR_MORE:
        return [line.append(" " * GAP + said, style)]
    return [line, Text(f"  {said}", style)] if isinstance(stats, TickStats) else [line]


def _said(stats: ActorStats | TickStats) -> tuple[str, str]:
    if isinstance(stats, TickStats):
        return one_line(stats.reason), "yellow"
    return one_line(stats.last_input) if stats.last_input else "", "dim"


def _line(grid: Grid, cells: Iterable[Cell]) -> Text:
    line = Text()
    for place, (column, width, cell) in enumerate(zip(grid.columns, grid.widths, cells, strict=True)):
        text = one_line(cell.text)
        text = text if len(text) <= width else f"{text[: width - 1]}…"
        last = place == len(grid.columns) - 1
        line.append(text.rjust(width) if column.right else text.ljust(width), cell.style)
        line.append("" if last else " " * GAP)
    return line


def summary_parts(view: View) -> list[tuple[str, str]]:
    """A system in a few words, each with its colour."""
    total = view.totals.get
    if view.kind == "actors":
        troubles = (("dead_letters", "dead letters", "red"), ("failed", "failed", "yellow"), ("depth", "waiting", ""))
        flow = [f"{rate_text(total('rate_out', 0.0))}/s", f"{count_text(total('processed', 0))} done"]
    else:
        troubles = (("blocked", "blocked", "red"), ("failures", "failed", "red"), ("misses", "misses", "yellow"))
        flow = [f"{count_text(total('ticks', 0))} of {count_text(total('expected', 0))} ticks"]
    wrong = [(f"{count_text(total(word, 0))} {name}", style) for word, name, style in troubles if total(word)]
    return [(f"{view.count:,} node{'s' * (view.count != 1)}", ""), *wrong, *((part, "") for part in flow)]


def rest_text(view: View, shown: Sequence[ActorStats | TickStats]) -> str:
    """What there is besides the nodes that are shown, counted."""
    hidden = view.count - len(shown)
    if hidden <= 0:
        return ""
    words = ("depth", "failed", "dead_letters") if view.kind == "actors" else ("misses", "overruns", "blocked")
    names = {"depth": "waiting", "dead_letters": "dead letters"}
    left = {word: view.totals.get(word, 0) - sum(getattr(each, word) for each in shown) for word in words}
    parts = [f"{count_text(number)} {names.get(word, word)}" for word, number in left.items() if number > 0]
    return f"and {hidden:,} more{': ' if parts else ''}{', '.join(parts)}"


def _plain(line: Text) -> Text:
    twin = line.copy()
    twin.plain = line.plain.translate(ASCII)
    return twin
