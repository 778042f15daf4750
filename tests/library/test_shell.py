"""`shell.run` with real processes."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.library.conftest import Bench

from nodeloom import Graph, ParamsError, node
from nodeloom.errors import CommandFailed, LimitExceeded, PathNotAllowed
from nodeloom.library import CommandTimeout, ShellRun

PYTHON = sys.executable


def python(code: str, *arguments: object, **params: Any) -> ShellRun:
    return ShellRun(argv=[PYTHON, "-c", code, *arguments], **params)


def left(mark: str) -> list[psutil.Process]:
    """The living processes that have this word in their command."""
    found = []
    for process in psutil.process_iter():
        try:
            if mark in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


async def until(condition, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - a process tells nobody
            await asyncio.sleep(0.01)


async def test_a_command_gives_its_output_status_and_time(bench: Bench) -> None:
    result = await bench.run(python("import sys; print('out'); print('err', file=sys.stderr)"))
    assert (result["exit_code"], result["stdout"], result["stderr"]) == (0, "out\n", "err\n")
    assert 0 < result["elapsed"] < 30


async def test_values_are_arguments_whatever_they_hold(bench: Bench) -> None:
    """12.4."""
    nasty = "; touch pwned; $(touch pwned) `touch pwned` '\"\n{{ x }}"
    code = "import sys; sys.stdout.write(sys.argv[1])"
    result = await bench.run(python(code, "{{ inputs.word }}"), {"word": nasty})
    assert result["stdout"] == nasty


async def test_a_number_is_an_argument_as_text(bench: Bench) -> None:
    result = await bench.run(ShellRun(argv=["echo", "{{ inputs.n }}", 2.5]), {"n": 3})
    assert result["stdout"] == "3 2.5\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["sh", "-c", "echo {{ inputs.word }}"],
        ["/bin/bash", "-ec", "echo {{ inputs.word }}"],
        ["env", "A=1", "sh", "-c", "echo {{ inputs.word }}"],
        ["cmd.exe", "/c", "echo {{ inputs.word }}"],
    ],
)
def test_a_template_in_a_shell_script_is_refused_when_the_node_is_made(argv: list) -> None:
    """12.4: values reach a shell only as argv or environment."""
    with pytest.raises(ParamsError, match="a template may not be part of what a shell runs"):
        ShellRun(argv=argv)


async def test_a_whole_command_made_by_a_template_runs_no_shell_script(bench: Bench) -> None:
    """12.4."""
    run = ShellRun(argv="{{ inputs.argv }}")
    assert (await bench.run(run, {"argv": ["echo", "hi"]}))["stdout"] == "hi\n"
    with pytest.raises(ParamsError, match="a template may not be part of what a shell runs"):
        await bench.run(run, {"argv": ["sh", "-c", "echo pwned"]})


async def test_values_reach_a_shell_as_arguments_and_environment(bench: Bench) -> None:
    """12.4."""
    run = ShellRun(argv=["sh", "-c", 'echo "$1-$WORD"', "sh", "{{ inputs.a }}"], env={"WORD": "{{ inputs.b }}"})
    assert (await bench.run(run, {"a": "$(id)", "b": "`id`"}))["stdout"] == "$(id)-`id`\n"


async def test_the_environment_is_what_is_given_and_a_few_that_are_safe(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "t0ken")
    code = "import os; print(sorted(os.environ))"
    names = (await bench.run(python(code, env={"GIVEN": 1})))["stdout"]
    assert "GIVEN" in names
    assert "PATH" in names
    assert "MY_TOKEN" not in names
    assert "MY_TOKEN" in (await bench.run(python(code, inherit=True)))["stdout"]


async def test_a_command_runs_in_a_folder_below_the_roots(root: Path, bench: Bench) -> None:
    (root / "sub").mkdir()
    code = "import os; print(os.getcwd())"
    assert (await bench.run(python(code)))["stdout"] == f"{root}\n"
    assert (await bench.run(python(code, cwd="sub")))["stdout"] == f"{root / 'sub'}\n"
    with pytest.raises(PathNotAllowed):
        await bench.run(python(code, cwd=".."))
    with pytest.raises(NotADirectoryError, match="there is no folder none"):
        await bench.run(python(code, cwd="none"))


async def test_a_command_reads_its_input_and_need_not(bench: Bench) -> None:
    text = "grüß\n" * 100_000
    result = await bench.run(python("import sys; sys.stdout.write(sys.stdin.read())", stdin=text))
    assert result["stdout"] == text
    assert (await bench.run(python("print('done')", stdin=text)))["stdout"] == "done\n"
    assert (await bench.run(python("import sys; print(sys.stdin.read() == '')")))["stdout"] == "True\n"


async def test_another_status_fails_with_the_last_words_of_stderr(bench: Bench) -> None:
    code = "import sys; sys.exit('first\\nthe disk is full')"
    with pytest.raises(CommandFailed, match=r"ended with status 1: first \| the disk is full$") as caught:
        await bench.run(python(code, "s3cret"))
    assert str(caught.value).startswith(PYTHON)
    assert "s3cret" not in str(caught.value)


async def test_a_status_can_be_expected(bench: Bench) -> None:
    result = await bench.run(python("raise SystemExit(3)", expected_exit_codes=[0, 3]))
    assert result["exit_code"] == 3
    with pytest.raises(CommandFailed, match="ended with status 0, and wrote nothing"):
        await bench.run(python("", expected_exit_codes=[3]))


async def test_a_command_ended_by_a_signal_says_which(bench: Bench) -> None:
    with pytest.raises(CommandFailed, match="was ended by SIGKILL"):
        await bench.run(python("import os; os.kill(os.getpid(), 9)"))


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["no-such-command-here"], "no-such-command-here cannot be started: there is no such command"),
        (["/etc"], "/etc cannot be started: Permission denied"),
        (["echo", "a\x00b"], "echo cannot be started: an argument"),
    ],
)
async def test_a_command_that_cannot_be_started_is_one_message(bench: Bench, argv: list, reason: str) -> None:
    with pytest.raises(CommandFailed, match=reason):
        await bench.run(ShellRun(argv=argv))


@pytest.mark.parametrize(
    "params", [{"argv": []}, {"argv": "ls -l"}, {"argv": [["ls"]]}, {"argv": ["ls"], "timeout": 0}]
)
def test_params_that_do_not_fit_are_refused(params: dict) -> None:
    with pytest.raises(ParamsError, match=r"params\.(argv|timeout)"):
        ShellRun(**params)


async def test_output_that_is_no_utf8_is_text_all_the_same(bench: Bench) -> None:
    result = await bench.run(python("import sys; sys.stdout.buffer.write(b'a\\xff')"))
    assert result["stdout"] == "a\ufffd"


# --- limits, and what is left behind

TREE = """
import subprocess, sys, time
child = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
for _ in range(3):
    subprocess.Popen([sys.executable, "-c", child, sys.argv[1]])
print("ready", flush=True)
time.sleep(float(sys.argv[2]))
"""


async def test_a_command_past_its_timeout_is_stopped_with_all_it_started(bench: Bench, tmp_path: Path) -> None:
    """5.4, 7.2: no orphan, though the children ignore SIGTERM."""
    mark = str(tmp_path)
    started = time.perf_counter()
    with pytest.raises(CommandTimeout, match=r"did not end within 1 s \(timeout\); it was stopped") as caught:
        await bench.run(python(TREE, mark, 60, timeout=1))
    assert isinstance(caught.value, TimeoutError)
    assert left(mark) == []
    assert time.perf_counter() - started < 10


async def test_a_cancelled_step_leaves_no_process(bench: Bench, tmp_path: Path) -> None:
    """2.6: siblings are cancelled and awaited."""
    mark = str(tmp_path)

    @node
    async def fails():
        await until(lambda: len(left(mark)) == 4)
        raise RuntimeError("enough")

    run = python(TREE, mark, 60).copy(id="run")
    result = await bench.engine.run(Graph([run, fails]), check=False)
    assert result.status == "failed"
    assert left(mark) == []


async def test_a_second_cancellation_leaves_no_process_either(bench: Bench, tmp_path: Path) -> None:
    mark = str(tmp_path)
    running = asyncio.create_task(bench.run(python(TREE, mark, 60)))
    await until(lambda: len(left(mark)) == 4)
    running.cancel()
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: left(mark) == [])


async def test_a_cancellation_while_it_starts_leaves_no_process(bench: Bench, tmp_path: Path) -> None:
    mark = str(tmp_path)
    for wait in (0.0, 0.001, 0.003, 0.005, 0.01, 0.02):
        running = asyncio.create_task(bench.run(python("import time; time.sleep(60)", mark)))
        await asyncio.sleep(wait)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert left(mark) == []


async def test_what_a_command_leaves_in_the_background_ends_with_it(bench: Bench, tmp_path: Path) -> None:
    mark = str(tmp_path)
    result = await bench.run(python(TREE, mark, 0))
    assert result["stdout"] == "ready\n"
    assert left(mark) == []


async def test_a_process_that_leaves_the_session_does_not_hold_the_step(bench: Bench) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '30'], start_new_session=True).pid)"
    started = time.perf_counter()
    result = await bench.run(python(code))
    psutil.Process(int(result["stdout"])).kill()
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_output_past_the_limit_stops_the_command(bench: Bench, tmp_path: Path, stream: str) -> None:
    code = f"import sys\nwhile True: sys.{stream}.write('x' * 10_000)"
    with pytest.raises(LimitExceeded, match=rf"wrote more than 100,000 bytes to {stream} \(max_output\)"):
        await bench.run(python(code, str(tmp_path), max_output=100_000))
    assert left(str(tmp_path)) == []


async def test_output_past_the_limit_fails_though_the_command_has_ended(bench: Bench) -> None:
    with pytest.raises(LimitExceeded):
        await bench.run(python("print('x' * 1000)", max_output=999))


async def test_many_commands_at_once_leave_no_process_and_no_pipe(bench: Bench) -> None:
    await bench.run(ShellRun(argv=["true"]))
    before, there = psutil.Process().num_fds(), psutil.Process().children()
    results = await asyncio.gather(*[bench.run(ShellRun(argv=["echo", str(n)])) for n in range(40)])
    assert [result["stdout"] for result in results] == [f"{n}\n" for n in range(40)]
    assert psutil.Process().num_fds() <= before
    assert psutil.Process().children() == there
    assert [child.cmdline()[-1] for child in there].count("nodeloom-keeper") == 1


ALONE = """
import asyncio, sys
from nodeloom.library import ShellRun, keeper
stubborn = "trap '' TERM; sh -c 'sleep 60; true' $0 & wait"
async def main():
    running = asyncio.create_task(ShellRun(argv=["sh", "-c", stubborn, sys.argv[1]])())
    while not keeper._keeper._groups:
        await asyncio.sleep(0.01)
    print("kept", flush=True)
    await running
asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_process_that_is_killed_leaves_nothing_of_its_commands(number: int, tmp_path: Path) -> None:
    """7.2: no orphan, though it could not run any code of its own, and the commands ignore SIGTERM."""
    mark = str(tmp_path)
    alone = await asyncio.create_subprocess_exec(PYTHON, "-c", ALONE, mark, stdout=asyncio.subprocess.PIPE)
    assert alone.stdout is not None
    try:
        async with asyncio.timeout(20):
            assert await alone.stdout.readline() == b"kept\n"
        await until(lambda: len(left(mark)) == 3, 20)
        (keeper,) = [each for each in psutil.Process(alone.pid).children() if each.cmdline()[-1] == "nodeloom-keeper"]
        alone.send_signal(number)
        assert await alone.wait() == -number
    finally:
        if alone.returncode is None:
            alone.kill()
    await until(lambda: left(mark) == [], 20)
    await until(lambda: not keeper.is_running() or keeper.status() == psutil.STATUS_ZOMBIE, 20)


async def test_a_keeper_that_was_ended_is_replaced(bench: Bench, tmp_path: Path) -> None:
    def keepers() -> list[psutil.Process]:
        return [child for child in psutil.Process().children() if child.cmdline()[-1:] == ["nodeloom-keeper"]]

    await bench.run(ShellRun(argv=["true"]))
    (first,) = keepers()
    first.kill()
    await until(lambda: first.status() == psutil.STATUS_ZOMBIE)
    await bench.run(ShellRun(argv=["true"]))
    (second,) = keepers()
    assert second != first
