"""`shell.run`: a command with its arguments, never a line for a shell."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Annotated, Any, cast

from nodeloom import Context, Field, Node, Params, Secret
from nodeloom.errors import CommandFailed, LimitExceeded, ParamsError, Problem
from nodeloom.forms import OrSecret, revealed

from .places import folder_at
from .processes import Finished, run_command

__all__ = ["CommandTimeout", "ShellRun"]

SAFE = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TEMP", "SYSTEMROOT")
SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "fish", "cmd", "powershell", "pwsh")
RUNS_NEXT = re.compile(r"-[a-z]*c|/c|-command", re.IGNORECASE)

Word = Annotated[str, Field(coerce_numbers_to_str=True)]


class CommandTimeout(CommandFailed, TimeoutError):
    """A command took longer than its timeout, and was ended with all it had started."""

    code = "command_timeout"


class RunParams(Params):
    argv: list[Word] = Field(
        min_length=1,
        label="Command",
        description="The command and its arguments, each a text of its own; no shell reads them.",
    )
    env: dict[str, Annotated[Word | Secret, OrSecret()]] = Field(
        default_factory=dict,
        label="Environment",
        description=f"Beside {', '.join(SAFE)}, which are passed on. A value may be a secret.",
    )
    inherit: bool = Field(False, label="Inherit", description="Pass the whole environment on.")
    cwd: str = Field(".", label="Folder", description="Below the folders the engine allows.")
    stdin: str = Field("", label="Input", description="Text for the command to read.")
    timeout: float = Field(60.0, gt=0, le=86_400, label="Timeout", description="Seconds; then it is ended.")
    max_output: int = Field(
        10_000_000, ge=0, label="Most output", description="Bytes, of stdout and of stderr each; more fails."
    )
    expected_exit_codes: list[int] = Field(
        default_factory=lambda: [0], min_length=1, label="Expected exit codes", description="Others fail."
    )


class ShellRun(Node):
    """Run a command, and give what it wrote.

    It runs in a process group of its own, which is ended whole: when the command ends, on its timeout, and when the
    step is cancelled. Values reach it as arguments, environment or input, never as text that a shell reads. Raises:
    CommandFailed, CommandTimeout, LimitExceeded, PathNotAllowed, ParamsError.

    Example:
        `ShellRun(argv=["git", "log", "-n", "{{ inputs.count }}"])`
    """

    identifier = "shell.run"
    display_name = "Run a command"
    icon = "terminal"
    category = "System"

    class Outputs(Params):
        exit_code: int
        stdout: str
        stderr: str
        elapsed: float = Field(description="Seconds.")

    def __init__(self, params: Mapping[str, Any] | None = None, **values: Any) -> None:
        super().__init__(params, **values)
        given: Any = self.given.get("argv")
        if isinstance(given, list | tuple):
            words = cast("Sequence[Any]", given)
            _refuse_scripts(words, words)

    async def work(self, params: RunParams, ctx: Context) -> dict[str, Any]:
        _refuse_scripts(params.argv, self.given.get("argv"))
        cwd = await ctx.offload(folder_at, params.cwd, ctx.setting("file_roots"))
        started = time.perf_counter()
        done = await _run(params, cwd)
        if done.exit_code not in params.expected_exit_codes:
            raise CommandFailed(_failure(params.argv[0], done))
        return {
            "exit_code": done.exit_code,
            "stdout": done.stdout.decode("utf-8", "replace"),
            "stderr": done.stderr.decode("utf-8", "replace"),
            "elapsed": time.perf_counter() - started,
        }


async def _run(params: RunParams, cwd: Any) -> Finished:
    name = params.argv[0]
    kept = os.environ if params.inherit else {key: os.environ[key] for key in SAFE if key in os.environ}
    try:
        async with asyncio.timeout(params.timeout):
            return await run_command(
                params.argv,
                env={**kept, **revealed(params.env)},
                cwd=cwd,
                stdin=params.stdin.encode("utf-8", "surrogateescape"),
                max_output=params.max_output,
            )
    except TimeoutError:
        raise CommandTimeout(f"{name} did not end within {params.timeout:g} s (timeout); it was stopped") from None
    except LimitExceeded as error:
        raise LimitExceeded(f"{name}: {error}") from None
    except FileNotFoundError:
        raise CommandFailed(f"{name} cannot be started: there is no such command, on PATH or in {cwd}") from None
    except OSError as error:
        raise CommandFailed(f"{name} cannot be started: {error.strerror or error}") from None
    except ValueError:
        raise CommandFailed(f"{name} cannot be started: an argument or a variable may not hold that") from None


def _failure(name: str, done: Finished) -> str:
    """The command, how it ended, and the last it had to say; its arguments may be secret."""
    if done.exit_code < 0:
        ending = f"was ended by {_signal_name(-done.exit_code)}"
    else:
        ending = f"ended with status {done.exit_code}"
    said = done.stderr[-2_000:].decode("utf-8", "replace").strip().splitlines()[-3:]
    return f"{name} {ending}: {' | '.join(said)[-500:]}" if said else f"{name} {ending}, and wrote nothing to stderr"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _refuse_scripts(argv: Sequence[Any], given: Any) -> None:
    """Refuse a template in the text that a shell is told to run (semantics 12.4).

    Args:
        argv: the words. given: the same as the author wrote them, or one template for all.
    """
    place = _script(argv)
    if place is None:
        return
    written: Any = given
    if isinstance(given, list | tuple):
        words = cast("Sequence[Any]", given)
        written = words[place] if place < len(words) else None
    if isinstance(written, str) and "{{" in written:
        message = (
            "a template may not be part of what a shell runs; pass the value as an argument, as in "
            '[sh, -c, \'grep "$1" log\', sh, "{{ inputs.word }}"], or as a variable in env'
        )
        raise ParamsError(f"shell.run: params.argv: {message}", [Problem("params", message, field="params.argv")])


def _script(argv: Sequence[Any]) -> int | None:
    """Which word a shell in the command would run as a script."""
    shells = [index for index, word in enumerate(argv) if PurePath(str(word)).stem.lower() in SHELLS]
    for index in range(shells[0] + 1 if shells else len(argv), len(argv) - 1):
        if RUNS_NEXT.fullmatch(str(argv[index])):
            return index + 1
    return None
