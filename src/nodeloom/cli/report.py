"""Errors as paragraphs: what, where, what would be right."""

from __future__ import annotations

import difflib
import errno
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import GraphError, NodeloomError, Problem, RunFailed
from ..model.masks import MASKS

if TYPE_CHECKING:
    from types import TracebackType

    from cyclopts import CycloptsError

__all__ = [
    "BROKEN_PIPE",
    "FAILED",
    "INTERRUPTED",
    "WRONG",
    "UsageError",
    "author_line",
    "author_place",
    "fail",
    "failure_of",
    "harmless",
    "innermost",
    "problem_lines",
    "problems_paragraph",
    "show_error",
    "show_traceback",
    "traceback_text",
    "trouble_of",
    "usage_of",
    "wants_traceback",
]

FAILED, WRONG, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_OURS = Path(__file__).parents[1]
_INSTALLED = tuple(
    str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_CANNOT_WRITE = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT)
SETTING = "secrets set takes a NAME and --file FILE; the value is no word of the command: it is typed or piped in"
_traceback: list[bool] = []


class UsageError(Exception):
    """Something the user gave is not right; the message is the whole paragraph."""


def show_traceback(shown: bool) -> None:
    """Let errors come with their traceback from now on."""
    _traceback[:] = [shown]


def wants_traceback() -> bool:
    """Whether `--traceback` or NODELOOM_TRACEBACK asks for tracebacks."""
    return any(_traceback) or os.environ.get("NODELOOM_TRACEBACK", "") not in ("", "0")


def fail(message: str, code: int, error: BaseException | None = None) -> int:
    """Print a paragraph on standard error, and give the code back."""
    if error is not None and wants_traceback():
        show_error(error)
    print(f"nodeloom: {MASKS.text(harmless(message))}", file=sys.stderr)
    return code


def show_error(error: BaseException) -> None:
    """Print the whole traceback."""
    print(traceback_text(error), end="", file=sys.stderr)


def traceback_text(error: BaseException) -> str:
    """The whole traceback, secrets masked."""
    return MASKS.text("".join(traceback.format_exception(error)))


def harmless(text: str) -> str:
    """The text without characters that would steer a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


# --- what an error says


def trouble_of(error: BaseException) -> tuple[str, int]:
    """The paragraph of an error that ended a command, and the exit code."""
    if isinstance(error, RunFailed):
        return failure_of(error), FAILED
    if isinstance(error, NodeloomError | UsageError):
        return str(error), WRONG
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror or error}", WRONG
    if isinstance(error, OSError) and error.errno in _CANNOT_WRITE:
        return f"the output cannot be written: {error.strerror}", FAILED
    place = author_place(error)
    where = f"\n  at {place}" if place else ""
    return f"{type(error).__name__}: {error}{where}\n  --traceback shows the whole way there", FAILED


def failure_of(error: RunFailed) -> str:
    """Why a run failed: the node, the error, and the author's line it came from."""
    cause = innermost(error)
    result = error.result
    info = result.error
    what = f"{info.type}: {info.message}" if info is not None else str(error)
    lines = [f"the run failed in node {info.node}: {what}" if info is not None and info.node else str(error)]
    place = author_place(cause)
    if place:
        lines.append(f"at {place}")
    others = [str(each) for each in result.errors[1:]]
    if others:
        lines.append(f"and {len(others)} more failed: {'; '.join(others[:5])}")
    lines.append(f"run {result.run_id}, after {_steps(result.steps)}")
    return "\n  ".join(lines)


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count:,} steps"


def innermost(error: BaseException) -> BaseException:
    """The exception that a node raised, through graphs inside graphs."""
    at: BaseException = error
    while isinstance(at, RunFailed) and at.__cause__ is not None:
        at = at.__cause__
    return at


def author_place(error: BaseException) -> str:
    """The author's file and line an exception comes from, and the line itself; empty when it is nobody's."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename)}:{error.lineno}: {(error.text or '').strip()}".rstrip(": ")
    frame = _author_frame(error)
    if frame is None:
        return ""
    name, line, function = frame
    code = _line_of(name, line)
    return f"{_shown(name)}:{line}, in {function}" + (f": {code}" if code else "")


def author_line(error: BaseException) -> str:
    """The author's file and line an exception comes from, and no more; empty when it is nobody's."""
    frame = _author_frame(error)
    return "" if frame is None else f"{_shown(frame[0])}:{frame[1]}"


def _author_frame(error: BaseException) -> tuple[str, int, str] | None:
    frames = [frame for frame in _frames(error.__traceback__) if _is_author(frame[0])]
    return frames[-1] if frames else None


def _frames(trace: TracebackType | None) -> Iterator[tuple[str, int, str]]:
    while trace is not None:
        code = trace.tb_frame.f_code
        yield code.co_filename, trace.tb_lineno, code.co_name
        trace = trace.tb_next


def _is_author(name: str) -> bool:
    if name.startswith("<"):
        return False
    path = Path(name).resolve()
    return not path.is_relative_to(_OURS) and not str(path).startswith(_INSTALLED)


def _line_of(name: str, line: int) -> str:
    import linecache

    return linecache.getline(name, line).strip()


def _shown(name: str) -> str:
    """A path as one reads it: from the working directory, where it is below it."""
    try:
        return str(Path(name).resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return name


def problem_lines(problems: Sequence[Problem], file: str) -> list[str]:
    """Each problem on a line of its own, beginning with FILE:line:column."""
    lines: list[str] = []
    for problem in problems:
        at = "".join(f":{number}" for number in (problem.line, problem.column) if number)
        where = ", ".join(
            part
            for part in (
                f"node {problem.node}" if problem.node else "",
                f"edge {problem.edge}" if problem.edge else "",
                problem.field or "",
            )
            if part
        )
        warning = "warning: " if problem.severity == "warning" else ""
        lines.append(f"{problem.file or file}{at}: {warning}{where + ': ' if where else ''}{problem.message}")
    return lines


def problems_paragraph(error: GraphError, file: str) -> str:
    """What is wrong with a graph: a line to say so, and one for each problem."""
    count = sum(problem.severity == "error" for problem in error.problems)
    lines = problem_lines(error.problems, file)
    return "\n  ".join([f"{file} has {count} problem{'s' * (count != 1)} and cannot run", *lines])


# --- what the words of the command line should have been


def usage_of(error: CycloptsError, words: list[str]) -> str:
    """A usage error in our words, with the nearest match."""
    chain = list(error.command_chain or ())
    command = " ".join(["nodeloom", *chain])
    # What is wrong there may be the value of a secret, in a place where it would be kept by a shell's history.
    message = SETTING if chain == ["secrets", "set"] else _usage_message(error, words)
    return f"{message}\n  {command} --help lists what there is"


def _usage_message(error: CycloptsError, words: list[str]) -> str:
    from cyclopts import UnknownCommandError, UnusedCliTokensError

    if isinstance(error, UnknownCommandError):
        word = (error.unused_tokens or words or ["?"])[0]
        return f"no command {word!r}{_nearest_command(word, error.command_chain or ())}"
    if isinstance(error, UnusedCliTokensError):
        left = " ".join(error.unused_tokens or [])
        return f"{left!r} is more than the command takes"
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:1].lower() + text[1:]


def _nearest_command(word: str, chain: Sequence[str]) -> str:
    commands = ["run", "validate", "draw", "nodes", "form", "new", "demo", "top", "secrets"]
    if "secrets" in chain:
        commands = ["set", "list", "remove", "key"]
    near = difflib.get_close_matches(word, commands, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(commands)}"
