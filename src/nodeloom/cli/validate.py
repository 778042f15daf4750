"""`nodeloom validate`: every problem of a graph at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path

from ..errors import GraphError, Problem
from ..nodes.host import run_sync
from .options import check_kind
from .output import write_json
from .refusals import refusals
from .report import WRONG, harmless, problem_lines, show_error, wants_traceback
from .targets import Target, check_target, load_graph, parse_target

__all__ = ["validate_command"]


def validate_command(text: str, kind: str, folders: Sequence[Path] | None = None, *, as_json: bool) -> int:
    """Check the graph that a target names, for a way to run it, with the nodes of folders; gives the exit code."""
    check_kind(kind)
    target = parse_target(text, folders)
    problems: Sequence[Problem]
    try:
        with redirect_stdout(sys.stderr):
            problems = check_target(target)
            if not any(problem.severity == "error" for problem in problems):
                problems = sorted([*problems, *run_sync(_found_beyond, target, kind)], key=_place)
    except GraphError as error:
        if wants_traceback():
            show_error(error)
        problems = error.problems
    wrong = any(problem.severity == "error" for problem in problems)
    if as_json:
        found = [{key: value for key, value in asdict(problem).items() if value is not None} for problem in problems]
        write_json({"target": text, "valid": not wrong, "problems": found}, sys.stdout)
    else:
        lines = problem_lines(problems, text)
        print("\n".join([*map(harmless, lines), f"{text}: {_verdict(problems, wrong)}"]))
    return WRONG if wrong else 0


async def _found_beyond(target: Target, kind: str) -> list[Problem]:
    """What only a graph that was made can tell.

    What the functions of the nodes' forms say, for what is offered to choose from may not be known without them; and
    what a run of this kind would refuse.
    """
    graph = load_graph(target)
    return [
        *(problem for problem in await graph.check() if problem.severity == "error"),
        *await refusals(graph, kind),
    ]


def _place(problem: Problem) -> tuple[int, int]:
    return problem.line or 0, problem.column or 0


def _verdict(problems: Sequence[Problem], wrong: bool) -> str:
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    parts = [f"{count} {word}{'s' * (count != 1)}" for count, word in ((errors, "problem"), (warnings, "warning"))]
    if wrong:
        return parts[0] if not warnings else f"{parts[0]}, {parts[1]}"
    return "valid" + (f", {parts[1]}" if warnings else "")
