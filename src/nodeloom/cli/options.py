"""The options of `nodeloom run`, as data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from .report import UsageError

__all__ = ["FOLDER_HELP", "FormOptions", "RunOptions", "TopOptions", "check_kind"]

KINDS = ("graph", "actor", "tick")


def check_kind(kind: str) -> None:
    """Refuse a way to run that there is not.

    Raises:
        UsageError: with those there are.
    """
    if kind not in KINDS:
        raise UsageError(f"--as {kind}: there is no such way to run; there are {', '.join(KINDS)}")


INPUT = """One input; may be repeated. VALUE is read as JSON where it is valid JSON (n=3, tags='["a", "b"]'), else as \
text."""
FOLDER_HELP = "A folder of Python files with nodes of your own; may be repeated."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How to run a graph; each attribute is an option of the command."""

    input: Annotated[list[str] | None, Parameter(name=["--input", "-i"], metavar="KEY=VALUE", help=INPUT)] = None
    inputs: Annotated[
        str | None,
        Parameter(
            metavar="FILE",
            allow_leading_hyphen=True,
            help="Inputs from a JSON file; - reads standard input. An -i of the same name wins.",
        ),
    ] = None
    json: Annotated[
        bool,
        Parameter(help="Each event as a line of JSON on standard output, the result last; no progress is shown."),
    ] = False
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], help="Show no progress.")] = False
    verbose: Annotated[
        bool,
        Parameter(name=["--verbose", "-v"], help="Tell of starts, chunks, progress and log records too."),
    ] = False
    max_steps: Annotated[
        int | None, Parameter(metavar="N", help="End the run after this many steps, whatever the graph says.")
    ] = None
    grace: Annotated[
        float,
        Parameter(metavar="SECONDS", help="How long the run may take to end after SIGTERM; 10 by default."),
    ] = 10.0
    run_id: Annotated[str | None, Parameter(metavar="ID", help="A name for the run; made up by default.")] = None
    file_root: Annotated[
        list[Path] | None,
        Parameter(
            metavar="DIR",
            help="A folder that file nodes may touch; may be repeated. The working directory by default.",
        ),
    ] = None
    folder: Annotated[list[Path] | None, Parameter(metavar="DIR", help=FOLDER_HELP)] = None
    kind: Annotated[
        str,
        Parameter(
            name="--as",
            metavar="KIND",
            help="How to run it: as a graph, once (the usual); as actors, with a message for each line of JSON; or by "
            "tick, at the rates that its nodes have.",
        ),
    ] = "graph"
    messages: Annotated[
        Path | None,
        Parameter(metavar="FILE", allow_leading_hyphen=True, help="Actors: the messages; standard input by default."),
    ] = None
    outputs: Annotated[
        list[str] | None,
        Parameter(
            metavar="NODE",
            help="Actors: whose outputs go to standard output; may be repeated. Those that nothing follows by default.",
        ),
    ] = None
    strict: Annotated[bool, Parameter(help="Actors: stop at the first line that is no message.")] = False
    left: Annotated[
        Path | None,
        Parameter(metavar="FILE", help="Actors: where to add what was left undone; by default, it is told what was."),
    ] = None
    dead: Annotated[
        Path | None,
        Parameter(metavar="FILE", help="Actors: where to add the messages that failed; they are not kept by default."),
    ] = None
    duration: Annotated[
        float | None, Parameter(metavar="SECONDS", help="By tick: for how long; until a signal comes by default.")
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FormOptions:
    """How to fill in a form; each attribute is an option of the command."""

    input: Annotated[
        list[str] | None,
        Parameter(
            name=["--input", "-i"],
            metavar="KEY=VALUE",
            help="The value of one field; may be repeated. On a terminal it is not asked for. VALUE is read as JSON "
            "where the field takes that, else as text.",
        ),
    ] = None
    inputs: Annotated[
        str | None,
        Parameter(
            metavar="FILE",
            allow_leading_hyphen=True,
            help="Values from a JSON file; - reads standard input. An -i of the same name wins.",
        ),
    ] = None
    into: Annotated[
        Path | None,
        Parameter(metavar="FILE", help="Add the node to this document, which is made if it is not there."),
    ] = None
    folder: Annotated[list[Path] | None, Parameter(metavar="DIR", help=FOLDER_HELP)] = None
    id: Annotated[str | None, Parameter(metavar="ID", help="The node's id; by default its type's name.")] = None
    json: Annotated[
        bool,
        Parameter(help="Ask nothing: the fields, what is known of each, and all problems as JSON on standard output."),
    ] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TopOptions:
    """How to look at a process; each attribute is an option of the command."""

    sort: Annotated[
        Literal["worst", "busy", "slow", "name"],
        Parameter(help="Which nodes come first: worst (what is not well; the usual), busy, slow, or by name."),
    ] = "worst"
    limit: Annotated[
        int | None, Parameter(metavar="N", help="How many nodes of each system to show; as many as fit, by default.")
    ] = None
    every: Annotated[float, Parameter(metavar="SECONDS", help="How often to look; 1 by default.")] = 1.0
    count: Annotated[int | None, Parameter(metavar="N", help="How often to look in all; until it ends by default.")] = (
        None
    )
    json: Annotated[bool, Parameter(help="Each reading as a line of JSON on standard output.")] = False
