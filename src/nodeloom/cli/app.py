"""The commands and their options; each body is imported when its command is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Group, Parameter

from .. import __version__
from .options import FOLDER_HELP, FormOptions, RunOptions, TopOptions
from .report import BROKEN_PIPE, FAILED, INTERRUPTED, WRONG, author_place, fail, show_traceback, trouble_of, usage_of

__all__ = ["app", "invoke"]

EPILOGUE = (
    "Any command takes --traceback (or NODELOOM_TRACEBACK=1): errors with the whole traceback. "
    "Exit codes: 0 completed, 1 failed, 2 wrong usage or an invalid document, 130 interrupted."
)
TARGET_HELP = "A document (YAML or JSON), module:graph, or file.py:graph."

Target = Annotated[str, Parameter(help=TARGET_HELP)]
Folders = Annotated[list[Path] | None, Parameter(metavar="DIR", help=FOLDER_HELP)]


app = App(
    name="nodeloom",
    help="Nodes and graphs: run them, check them, draw them.",
    help_format="plaintext",
    help_epilogue=EPILOGUE,
    version=__version__,
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=(), show_default=False),
    group_commands=Group("Commands", sort_key=0),
    group_parameters=Group("Options", sort_key=1),
)


@app.command(name="run", help_epilogue="")
def run(target: Target, /, *, options: RunOptions | None = None) -> int:
    """Run a graph: progress on standard error, its output as JSON on standard output."""
    from .run import run_command

    return run_command(target, options or RunOptions())


@app.command(name="validate", help_epilogue="")
def validate(
    target: Target,
    /,
    *,
    kind: Annotated[str, Parameter(name="--as", metavar="KIND")] = "graph",
    folder: Folders = None,
    json: bool = False,
) -> int:
    """Check a graph without running it: every problem at once, as FILE:line:column.

    Args:
        kind: How it is to be run: graph (the usual), actor or tick; what `run --as KIND` would refuse is told, too.
        json: The problems as JSON on standard output.
    """
    from .validate import validate_command

    return validate_command(target, kind, folder, as_json=json)


@app.command(name="draw", help_epilogue="")
def draw(
    target: Target,
    /,
    *,
    format: Annotated[Literal["mermaid", "svg"] | None, Parameter(name=["--format", "-f"])] = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], metavar="FILE")] = None,
    theme: Literal["auto", "light", "dark"] = "auto",
    direction: Literal["auto", "right", "down"] = "auto",
    folder: Folders = None,
) -> int:
    """Draw a graph, as Mermaid text or as an SVG picture.

    Args:
        format: What to draw; by default what the end of FILE says, else mermaid.
        output: Where to write it; standard output by default.
        theme: The colours of the SVG; auto follows whoever looks at it.
        direction: Where the SVG goes; auto goes right, or down where that would be too wide.
    """
    from .draw import draw_command

    return draw_command(target, format, output, theme, direction, folder)


@app.command(name="nodes", help_epilogue="")
def nodes(
    *search: Annotated[str, Parameter(help="Words to look for in name and description.")],
    folder: Folders = None,
    json: bool = False,
) -> int:
    """List the node types there are: those that ship, those installed, and your own.

    Args:
        json: The list as JSON, with each node's description and the JSON Schema of its params.
    """
    from .catalogue import nodes_command

    return nodes_command(" ".join(search), folder or [], as_json=json)


@app.command(name="form", help_epilogue="")
def form(
    node: Annotated[str, Parameter(help="A node type: its identifier, its import path, or file.py:Name.")],
    /,
    *,
    options: FormOptions | None = None,
) -> int:
    """Fill in the form of a node: asked field by field on a terminal, and given as an entry of a document."""
    from .form import form_command

    return form_command(node, options or FormOptions())


@app.command(name="new", help_epilogue="")
def new(
    project: Annotated[Path, Parameter(help="The folder to make, whose name is the project's; or the word node.")],
    name: Annotated[str | None, Parameter(help="After the word node: the node's name, as ResizeImage.")] = None,
    /,
) -> int:
    """Make a small project that runs and passes its tests at once; or, as `new node NAME`, a node and its test."""
    from .scaffold import new_command

    return new_command(project, name)


@app.command(name="demo", help_epilogue="")
def demo(
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], metavar="PATH")] = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"])] = False,
    live: Annotated[float, Parameter(metavar="SECONDS")] = 10.0,
) -> int:
    """Run a workflow worth watching, on this machine alone; then its nodes as they live, by the clock and as actors.

    Args:
        out: Where to keep what it makes: a folder, or a file that ends in .html.
        quiet: Show no progress, and nothing that lives.
        live: For how long its nodes live; 10 by default, 0 for not at all.
    """
    from .demo import demo_command

    return demo_command(out, quiet, live)


@app.command(name="top", help_epilogue="")
def top(
    pid: Annotated[int | None, Parameter(help="Which process; needed where several can be seen.")] = None,
    /,
    *,
    options: TopOptions | None = None,
) -> int:
    """Watch the actors and clocks of a process: how busy, how fast, how well each node is. Ctrl-C leaves it."""
    from .top.command import top_command

    return top_command(pid, options or TopOptions())


secrets = App(name="secrets", help="Keep secrets in an encrypted file; values are never shown.", help_epilogue="")
app.command(secrets)

Name = Annotated[str, Parameter(help="What a param names it by.")]
File = Annotated[
    Path | None,
    Parameter(
        metavar="FILE", help="The secrets file; by default what NODELOOM_SECRETS_FILE says, or .nodeloom/secrets.json."
    ),
]


@secrets.command(name="set")
def secrets_set(name: Name, /, *, file: File = None) -> int:
    """Keep a value: it is asked for and not shown, or read from standard input."""
    from .secrets import set_command

    return set_command(name, file)


@secrets.command(name="list")
def secrets_list(*, file: File = None) -> int:
    """List the names of what is kept."""
    from .secrets import list_command

    return list_command(file)


@secrets.command(name="remove")
def secrets_remove(name: Name, /, *, file: File = None) -> int:
    """Forget a secret."""
    from .secrets import remove_command

    return remove_command(name, file)


@secrets.command(name="key")
def secrets_key(*, file: File = None) -> int:
    """Make the key file that secrets are encrypted with, for you alone to read."""
    from .secrets import key_command

    return key_command(file)


def invoke(arguments: list[str] | None = None) -> int:
    """Run the command the arguments name; whatever goes wrong becomes a paragraph and an exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    before = words[: words.index("--")] if "--" in words else words
    if "--traceback" in before:
        words.remove("--traceback")
        show_traceback(True)
    try:
        return _flushed(lambda: _call(words))
    except BrokenPipeError:
        _to_nowhere()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return fail("interrupted", INTERRUPTED)


def _call(words: list[str]) -> int:
    try:
        code = app(
            words,
            print_error=False,
            exit_on_error=False,
            verbose=False,
            result_action="return_value",
        )
    except CycloptsError as error:
        return fail(usage_of(error, words), WRONG, error if "secrets" not in words else None)
    except BrokenPipeError:
        raise
    except SystemExit as error:
        return _exited(error)
    except Exception as error:  # the edge of the program: whatever it is becomes a paragraph
        message, code = trouble_of(error)
        return fail(message, code, error)
    return code if isinstance(code, int) else 0


def _exited(error: SystemExit) -> int:
    """The author's code called sys.exit, which is no way to end a step; or rich found that nobody reads."""
    place = author_place(error)
    if not place:
        return error.code if isinstance(error.code, int) else 0
    return fail(f"the graph's code ended the program, by SystemExit: {error.code}\n  at {place}", FAILED, error)


def _flushed(call: Callable[[], int]) -> int:
    code = call()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _to_nowhere()
        return fail(f"the output cannot be written: {error.strerror or error}", 1, error)
    return code


def _to_nowhere() -> None:
    """Nobody reads what is still buffered: let the interpreter's last flush go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
