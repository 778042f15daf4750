"""What the terminal shows of the demo: the graph, the run as it goes, the summary."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from ..nodes.drawing import edge_label
from ..nodes.event import Event

if TYPE_CHECKING:
    from ..nodes.graph import Graph
    from .live import Lived

__all__ = ["Terminal"]

# The hues of the editor in the terminal's own palette: colour means state.
_COLOURS = {"completed": "32", "failed": "31", "waiting": "33", "running": "34", "dim": "2", "bold": "1"}
_MANY = ("grade", "strong", "moderate", "minor")
_UNICODE = {"ok": "✓", "bad": "✗", "wait": "…", "dot": "·", "arrow": "→"}
_ASCII = {"ok": "+", "bad": "x", "wait": "...", "dot": "-", "arrow": "->"}


class Terminal:
    """Writes lines as the run goes; on a terminal in colour, with a last line that moves.

    Args:
        stream: where to. quiet: write nothing.
    """

    def __init__(self, stream: TextIO | None = None, quiet: bool = False) -> None:
        self._stream = stream or sys.stdout
        self._quiet = quiet
        self._live = not quiet and self._stream.isatty()
        self._signs = _UNICODE if _can_write(self._stream, "".join(_UNICODE.values())) else _ASCII
        self._started = 0.0
        self._run_id = ""
        self._counts: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        self._moving = ""

    def line(self, text: str = "", style: str = "") -> None:
        """One line, above the one that moves."""
        if self._quiet:
            return
        self._erase()
        self._stream.write(self._styled(text, style) + "\n")
        self._stream.flush()

    def drawing(self, graph: Graph) -> None:
        """The graph in a few lines: what follows on what, and when."""
        self.line(f"{graph.name}: {len(graph.nodes)} nodes, {len(graph.edges)} edges", "bold")
        for sources, target, label in _ways(graph):
            when = f"  {self._styled(label, 'dim')}" if label else ""
            self.line(f"  {sources} {self._styled(self._signs['arrow'], 'dim')} {target}{when}")
        self.line()

    def watch(self, event: Event) -> None:
        """Show an event of the run, if there is something to say."""
        if not self._run_id:
            self._run_id, self._started = event.run_id, event.time
        inner = event.run_id != self._run_id
        name = event.node or ""
        if event.type == "step_started":
            self._running[name] += 1
        elif event.type in ("step_completed", "step_failed", "step_cancelled"):
            self._running[name] -= 1
            self._ended(event, name, inner)
        self._move()

    def _ended(self, event: Event, name: str, inner: bool) -> None:
        if event.type == "step_cancelled":
            return
        if event.type == "step_failed":
            error: Mapping[str, Any] = event.data.get("error") or {}
            caught = ", ".join(event.data.get("caught_by") or [])
            word = f" {self._signs['arrow']} {caught}" if caught else ""
            self._entry(event, name, "bad", "failed", f"{error.get('message', '')}{word}")
        elif name in _MANY:
            self._counts[name] += 1
        else:
            self._before_summary(event, name)
            if said := _said(name, event.data.get("outputs") or {}):
                self._entry(event, f"airports/{name}" if inner else name, "ok", "completed", said)

    def _before_summary(self, event: Event, name: str) -> None:
        """The many steps between `triage` and `summarise` are one line, once they are over."""
        if name != "summarise" or not self._counts:
            return
        parts = [f"{self._counts[band]:,} {band}" for band in _MANY[1:]]
        self._entry(event, "grade", "ok", "completed", f"{self._counts['grade']:,} steps: {', '.join(parts)}")

    def _entry(self, event: Event, name: str, sign: str, style: str, said: str) -> None:
        since = f"{event.time - self._started:6.2f} s"
        mark = self._styled(self._signs[sign], style)
        self.line(f"{self._styled(since, 'dim')}  {mark} {name:<22} {_harmless(said)}")

    def _move(self) -> None:
        """Redraw the last line: what runs now."""
        if not self._live:
            return
        running = [name for name, count in self._running.items() if count > 0]
        done = f" {self._signs['dot']} {self._counts['grade']:,} graded" if self._counts else ""
        text = f"         {self._signs['wait']} {', '.join(running)}{done}"[:79] if running else ""
        if text != self._moving:
            self._erase()
            self._stream.write(self._styled(text, "running"))
            self._stream.flush()
            self._moving = text

    def _erase(self) -> None:
        if self._moving:
            self._stream.write("\r\x1b[K")
            self._moving = ""

    def end(self) -> None:
        """Give the terminal back."""
        self._erase()
        self._stream.flush()

    def failed(self, why: str) -> None:
        """Say on standard error why there is no report."""
        self.end()
        sys.stderr.write(f"nodeloom demo: {why}\n")

    def summary(self, summary: Mapping[str, Any], report: str, seconds: float) -> None:
        """What the run found, and where the report is."""
        if self._quiet:
            self._stream.write(f"{report}\n")
            return
        top, dot = summary["strongest"], self._signs["dot"]
        self.line()
        self.line(f"{summary['total_text']} earthquakes, {summary['first']} to {summary['last']} UTC", "bold")
        for row in summary["bands"]:
            self.line(f"  {row['band']:<9} {row['range']:<13} {row['count_text']:>6}   energy {row['energy_text']:>10}")
        self.line(f"  strongest: {top['magnitude']} {dot} {top['place']} {dot} {top['time']} UTC")
        for note in summary["notes"]:
            self.line(f"  {note}", "dim")
        self.line()
        self.line(f"Report   {report}   ({seconds:.1f} s)", "bold")

    def before_living(self, seconds: float) -> None:
        """What comes now."""
        self.line()
        self.line(f"The same nodes, living: the week once more, in {seconds:g} seconds", "bold")
        self.line("  a clock replays it, and each earthquake flows through actors", "dim")
        self.line()

    def lived(self, lived: Lived) -> None:
        """What became of what lived."""
        dot = f" {self._signs['dot']} "
        self.line()
        lost = "nothing lost" if lived.sent == lived.processed and not (lived.left or lived.dead) else "not all arrived"
        figures = (
            f"{lived.sent:,} sent, {lived.processed:,} processed, {lived.left:,} left, {lived.dead:,} dead letters"
        )
        self.line(f"Actors   {figures}{dot}{lost}", "bold")
        if lived.strongest is not None:
            self.line(f"Board    strongest: {lived.strongest['magnitude']}{dot}{lived.strongest['place']}")
        rates = [f"{name} {each.achieved_rate:.1f} of {each.rate:g} Hz" for name, each in lived.report.items()]
        self.line(f"Clock    {dot.join(rates)}")

    def _styled(self, text: str, style: str) -> str:
        code = _COLOURS.get(style)
        return f"\x1b[{code}m{text}\x1b[0m" if code and text and self._live else text


def _ways(graph: Graph) -> list[tuple[str, str, str]]:
    """The edges as lines of (sources, targets, when), those that share an end taken together."""
    by_source: dict[tuple[str, str], list[str]] = {}
    for edge in graph.edges:
        by_source.setdefault((edge.source, edge_label(edge)), []).append(edge.target)
    by_target: dict[tuple[str, str], list[str]] = {}
    for (source, label), targets in by_source.items():
        by_target.setdefault((", ".join(targets), label), []).append(source)
    return [(", ".join(sources), target, label) for (target, label), sources in by_target.items()]


def _said(name: str, outputs: Mapping[str, Any]) -> str:
    """What a step that completed is worth telling; nothing for most."""
    match name:
        case "collect":
            return f"page {outputs['page']} of {outputs['of']}: {len(outputs['quakes'])} earthquakes"
        case "read_airports":
            return f"{len(outputs['airports']):,} airports"
        case "read_coast":
            return "coastlines"
        case "without_alerts" | "triage":
            return str(outputs.get("note") or outputs.get("told", ""))
        case "save":
            return f"{outputs['size'] / 1024:,.0f} KB written"
        case _ if name.startswith("draw_"):
            return "drawn"
        case _:
            return ""


def _harmless(text: str) -> str:
    """Text from elsewhere without what would steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)[:200]


def _can_write(stream: TextIO, signs: str) -> bool:
    try:
        signs.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
