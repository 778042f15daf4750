"""From samples to one table: medians, ratios round by round, fitted slopes, targets met or missed."""

import math
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from statistics import linear_regression, median

from benchmarks.harness import Entry, Target, Workload

HEADER = (
    "workload",
    "size",
    "contender",
    "unit",
    "median",
    "min",
    "to limit",
    "to PocketFlow",
    "to best peer",
    "target",
    "met",
)
PACKAGES = (
    "nodeloom",
    "pydantic",
    "msgspec",
    "langgraph",
    "pocketflow",
    "pydantic-graph",
    "apache-burr",
    "tenacity",
    "stamina",
    "pykka",
    "horus-robotics",
)
Row = tuple[str, ...]


def rows(workload: Workload, entries: Sequence[Entry]) -> list[Row]:
    """One row a contender and size, then one a fitted slope."""
    measured = [_row(workload, entry, entries) for entry in entries]
    fitted = [_fitted(workload, group) for group in _groups(entries)] if workload.fit else []
    return measured + [row for row in fitted if row]


def _row(workload: Workload, entry: Entry, entries: Sequence[Entry]) -> Row:
    contender = entry.contender
    size = "" if contender.size is None else f"{contender.size:,}"
    head = (workload.name, size, contender.name, workload.unit)
    if entry.failure:
        return (*head, entry.failure, "", "", "", "", *_failed_targets(workload, entry))
    beside = [other for other in entries if other.contender.size == contender.size and not other.failure]
    targets = _targets(workload, entry)
    ours = contender.role == "nodeloom"
    return (
        *head,
        _figure(median(entry.samples)),
        _figure(min(entry.samples)),
        _shown_ratio(entry, _limit(beside)),
        _shown_ratio(entry, _named(beside, "PocketFlow")) if ours else "",
        _best_peer_ratio(entry, beside) if ours else "",
        *(_verdict(targets, lambda target: _reached(target, entry, beside)) if ours else ("", "")),
    )


def _targets(workload: Workload, entry: Entry) -> list[Target]:
    wanted = entry.contender.size
    return [target for target in workload.targets if target.kind != "slope" and target.size == wanted]


def _failed_targets(workload: Workload, entry: Entry) -> tuple[str, str]:
    if entry.contender.role != "nodeloom" or not workload.targets:
        return ("", "")
    return _verdict(_targets(workload, entry), lambda _: None)


def _reached(target: Target, entry: Entry, beside: Sequence[Entry]) -> float | None:
    if target.kind == "value":
        return median(entry.samples)
    other = _limit(beside) if target.kind == "limit" else _named(beside, target.peer)
    return _ratio(entry, other) if other else None


def _verdict(targets: Sequence[Target], reached: Callable[[Target], float | None]) -> tuple[str, str]:
    words = []
    for target in targets:
        value = reached(target)
        words.append("unknown" if value is None else "yes" if value <= target.bound else "NO")
    return ("; ".join(map(str, targets)), "; ".join(words))


def _ratio(entry: Entry, other: Entry) -> float:
    """The median of the ratios within each round: what the machine did between rounds cancels out."""
    return median(ours / theirs for ours, theirs in zip(entry.samples, other.samples, strict=False) if theirs)


def _shown_ratio(entry: Entry, other: Entry | None) -> str:
    if other is None or other is entry or not all(other.samples):
        return ""
    ratio = _ratio(entry, other)
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.2f}"


def _best_peer_ratio(entry: Entry, beside: Sequence[Entry]) -> str:
    peers = [other for other in beside if other.contender.role == "peer"]
    if not peers:
        return ""
    best = min(peers, key=lambda peer: median(peer.samples))
    return f"{_shown_ratio(entry, best)} ({best.contender.name})"


def _limit(beside: Iterable[Entry]) -> Entry | None:
    return next((entry for entry in beside if entry.contender.role == "limit"), None)


def _named(beside: Iterable[Entry], name: str) -> Entry | None:
    return next((entry for entry in beside if entry.contender.name == name), None)


def _groups(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Each contender's entries that have a figure, over all its sizes."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if not entry.failure:
            groups.setdefault(entry.contender.name, []).append(entry)
    return list(groups.values())


def _fitted(workload: Workload, group: Sequence[Entry]) -> Row | None:
    """The exponent of a power law (0 flat, 1 in proportion), or the slope of a line for a thousand more.

    Fitted to the least samples: whatever else the machine does only adds, and not alike at every size.
    """
    points = [(entry.contender.size or 0, min(entry.samples)) for entry in group]
    if len(points) < 3 or (workload.fit == "power" and min(value for _, value in points) <= 0):
        return None
    if workload.fit == "power":
        xs, ys = zip(*((math.log(size), math.log(value)) for size, value in points), strict=True)
        slope = linear_regression(xs, ys).slope
        unit = "exponent"
    else:
        xs, ys = zip(*points, strict=True)
        slope = linear_regression(xs, ys).slope * 1000
        unit = f"{workload.unit} per 1,000"
    ours = group[0].contender.role == "nodeloom"
    targets = [target for target in workload.targets if target.kind == "slope" and ours]
    head = (workload.name, "slope", group[0].contender.name, unit)
    return (*head, f"{slope:.3f}", "", "", "", "", *_verdict(targets, lambda _: slope))


def _figure(value: float) -> str:
    digits = 0 if value >= 1000 else 1 if value >= 100 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}"


def table(lines: Sequence[Row]) -> str:
    """A Markdown table with aligned columns, readable in a terminal as well."""
    columns = list(zip(HEADER, *lines, strict=True))
    widths = [max(map(len, column)) if index != 4 else 14 for index, column in enumerate(columns)]
    ruled = [HEADER, tuple("-" * width for width in widths), *lines]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in ruled]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def environment() -> str:
    """Python, cores and versions: what a reader needs to repeat the run, and nothing about whose machine."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} (source tree)" if package == "nodeloom" else f"{package} (missing)")
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {platform.system()}, "
        f"{os.cpu_count()} cores; {', '.join(found)}"
    )


def load() -> float:
    """How many processes wanted a core in the last minute; not a number where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan
