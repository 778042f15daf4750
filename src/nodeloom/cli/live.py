"""The live table: the nodes that matter now, and a line that sums up the rest."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..nodes.event import Event
from .tally import NodeTally, Tally, amount, one_line, seconds_text

__all__ = ["LiveTable"]

# The hues of the editor, in the terminal's own palette: readable on light and on dark.
STYLES = {
    "ready": "dim",
    "running": "blue",
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "skipped": "dim",
}
SIGNS = {"ready": "○", "running": "●", "completed": "✓", "failed": "✗", "cancelled": "■", "skipped": "–"}
ASCII = {"ready": ".", "running": "*", "completed": "+", "failed": "x", "cancelled": "#", "skipped": "-"}
URGENCY = {"running": 0, "failed": 1, "cancelled": 1}
PERIOD = 0.1


class LiveTable:
    """Draws the tally in place, at most ten times a second.

    Args:
        tally: what is drawn. verbose: keep chunks as lines above the table too.
    """

    def __init__(self, tally: Tally, *, verbose: bool = False, console: Console | None = None) -> None:
        self._tally = tally
        self._verbose = verbose
        self._console = console or Console(file=sys.stderr, highlight=False, soft_wrap=False)
        self._signs = SIGNS if can_print(self._console.encoding, SIGNS.values()) else ASCII
        self._live = Live(console=self._console, auto_refresh=False, transient=False, vertical_overflow="crop")
        self._changed = True
        self._drawn = 0.0

    def start(self) -> None:
        self._live.start()
        self._draw()

    def event(self, event: Event, node: NodeTally | None) -> None:
        self._changed = True
        if self._verbose and node is not None and event.type == "chunk":
            self._console.print(Text(f"{node.label} {one_line(event.data.get('chunk'))}", "dim"))

    def refresh(self) -> None:
        """Draw, when something has changed or a running node's time goes on."""
        moving = bool(self._tally.counts["running"])
        if (self._changed or moving) and time.monotonic() - self._drawn >= PERIOD * 0.9:
            self._draw()

    def stop(self) -> None:
        """Leave the last state of the table where it is, and give the terminal back."""
        self._draw()
        self._live.stop()

    def _draw(self) -> None:
        self._changed = False
        self._drawn = time.monotonic()
        self._live.update(self._picture(time.time()), refresh=True)

    def _picture(self, now: float) -> RenderableType:
        width, height = self._console.size
        room = max(height - 3, 2)
        shown = chosen(list(self._tally.nodes.values()), room)
        lines: list[RenderableType] = [self._table(shown, now, width)]
        hidden = len(self._tally.nodes) - len(shown)
        if hidden:
            lines.append(self._rest(shown, hidden))
        lines.append(self._summary(now))
        return Group(*lines)

    def _table(self, nodes: list[NodeTally], now: float, width: int) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0), expand=width >= 60)
        most = max((node.steps for node in nodes), default=0)
        named = max((len(node.label) for node in nodes), default=4)
        table.add_column(no_wrap=True, width=11 if width >= 34 else 1)
        table.add_column(no_wrap=True, overflow="ellipsis", width=min(named, max(width // 3, 8)))
        if self._counts(width):
            table.add_column(no_wrap=True, justify="right", width=len(f"{most:,}") + 1)
        table.add_column(no_wrap=True, justify="right", width=9)
        if width >= 60:
            table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for node in nodes:
            table.add_row(*self._row(node, now, width))
        return table

    def _row(self, node: NodeTally, now: float, width: int) -> Iterable[Text]:
        style = STYLES[node.state]
        word = f" {node.state}" if width >= 34 else ""
        yield Text(f"{self._signs[node.state]}{word}", style)
        yield Text(node.label, "dim" if style == "dim" else "bold" if node.running else "")
        if self._counts(width):
            yield Text(f"{node.steps:,}×" if node.steps > 1 else "", "dim")
        yield Text(took(node, now), "" if node.running else "dim")
        if width >= 60:
            yield self._message(node, now, min(24, width // 5))

    def _counts(self, width: int) -> bool:
        """Whether there is a column of step counts: only where some node has more than one step."""
        return width >= 50 and self._tally.steps > len(self._tally.nodes) - self._tally.counts["ready"]

    def _message(self, node: NodeTally, now: float, width: int) -> Text:
        at_once = f"{len(node.running)} at once  " if len(node.running) > 1 else ""
        text = Text().append(at_once, "dim")
        if node.done is not None and node.total:
            text.append_text(bar(node.done / node.total, width, self._signs is SIGNS))
            text.append(f" {amount(node.done)}/{amount(node.total)} ")
        elif node.done is not None:
            text.append(f"{amount(node.done)} ")
        waits = node.waits(now)
        text.append(waits or node.message, "red" if node.state == "failed" else "yellow" if waits else "dim")
        return text

    def _rest(self, shown: list[NodeTally], hidden: int) -> Text:
        counts = self._tally.counts.copy()
        counts.subtract(node.state for node in shown)
        parts = [f"{count:,} {state}" for state, count in counts.items() if count > 0]
        return Text(f"and {hidden:,} more: {', '.join(parts)}", "dim", no_wrap=True, overflow="ellipsis")

    def _summary(self, now: float) -> Text:
        tally = self._tally
        seconds = (tally.ended or now) - (tally.started or now)
        counts = tally.counts
        over = sum(counts[state] for state in ("completed", "failed", "cancelled"))
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(tally.name, "bold")
        line.append(f" {tally.status}", STYLES.get(tally.status, ""))
        line.append(f" · {seconds_text(seconds)} · {over:,} of {len(tally.nodes):,} nodes")
        line.append(f" · {tally.steps:,} step{'s' * (tally.steps != 1)}")
        for state in ("running", "failed"):
            if counts[state]:
                line.append(f" · {counts[state]:,} {state}", STYLES[state])
        return line if self._signs is SIGNS else Text(line.plain.replace("·", "|"), no_wrap=True)


def chosen(nodes: list[NodeTally], room: int) -> list[NodeTally]:
    """The nodes there is room for, in the graph's order: those that run, that failed, the latest, the next."""
    if len(nodes) <= room:
        return nodes
    places = {id(node): place for place, node in enumerate(nodes)}
    ranked = sorted(nodes, key=lambda node: (URGENCY.get(node.state, 2), -node.touched, places[id(node)]))
    return sorted(ranked[: room - 1], key=lambda node: places[id(node)])


def took(node: NodeTally, now: float) -> str:
    """How long the oldest running step has been at it, or the last one took."""
    if node.running:
        return seconds_text(max(now - min(node.running.values()), 0.0))
    return seconds_text(node.seconds) if node.seconds is not None else ""


def bar(share: float, width: int, fine: bool) -> Text:
    """A progress bar of that many characters."""
    full = round(min(max(share, 0.0), 1.0) * width)
    done, left = ("━", "━") if fine else ("#", "-")
    return Text(done * full, "blue").append(left * (width - full), "bright_black")


def can_print(encoding: str, signs: Iterable[str]) -> bool:
    """Whether an encoding has the signs."""
    try:
        "".join([*signs, "━·…×"]).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
