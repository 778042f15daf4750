"""`nodeloom draw`: a graph as Mermaid text or as an SVG picture."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Literal

from ..errors import GraphError
from .report import WRONG, UsageError, fail, problems_paragraph
from .svg import Direction, Theme, svg
from .targets import load_graph, parse_target

__all__ = ["draw_command"]

ENDINGS = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid", ".md": "mermaid"}


def _kind_of(output: Path | None) -> str:
    """The format that a file's ending asks for; Mermaid where there is none."""
    ending = output.suffix.lower() if output is not None else ""
    if ending and ending not in ENDINGS:
        known = ", ".join(ENDINGS)
        raise UsageError(f"{output}: no picture is known by the ending {ending!r}; use one of {known}, or say --format")
    return ENDINGS.get(ending, "mermaid")


def draw_command(
    text: str,
    wanted: Literal["mermaid", "svg"] | None,
    output: Path | None,
    theme: Theme = "auto",
    direction: Direction = "auto",
    folders: Sequence[Path] | None = None,
) -> int:
    """Draw the graph that a target names, with the nodes of these folders; gives the exit code."""
    target = parse_target(text, folders)
    try:
        with redirect_stdout(sys.stderr):
            graph = load_graph(target)
    except GraphError as error:
        return fail(problems_paragraph(error, text), WRONG, error)
    kind = wanted or _kind_of(output)
    picture = svg(graph, theme=theme, direction=direction) if kind == "svg" else graph.to_mermaid()
    if output is None:
        sys.stdout.write(picture)
        return 0
    if output.suffix.lower() == ".md":
        picture = f"```mermaid\n{picture}```\n"
    try:
        output.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror or error}") from error
    return 0
