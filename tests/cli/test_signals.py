"""Ctrl-C, SIGTERM, closed pipes: what the process leaves behind, and how it ends (semantics 6.3)."""

import contextlib
import http.server
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

SLOW = """
import asyncio
import sys
import time
from pathlib import Path
from nodeloom import Graph, node

@node
async def hold():
    try:
        Path("holding").touch()
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.1)
        Path("cleaned").touch()

@node
def polite(ctx):
    while not ctx.cancelled:
        time.sleep(0.02)
    Path("polite").touch()

both = Graph([hold, polite], name="both")

@node
async def works():
    Path("holding").touch()
    await asyncio.sleep(0.3)
    return {"n": 1}

@node
async def goes_on(state):
    return {"n": state.n + 1}

works >> goes_on
short = Graph(works, name="short")

@node
async def lingering():
    Path("holding").touch()
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(60)

lasting = Graph(lingering, name="lasting")

@node(isolation="inline")
def blocking():
    Path("holding").touch()
    time.sleep(60)

blocked = Graph(blocking, name="blocked")

@node
async def handed():
    Path("holding").touch()
    await asyncio.to_thread(time.sleep, 60)

threaded = Graph(handed, name="threaded")

@node
def stubborn():
    Path("holding").touch()
    time.sleep(60)

stuck = Graph(stubborn, name="stuck")

@node(isolation="process")
def crunch():
    Path("holding").touch()
    time.sleep(60)

apart = Graph(crunch, name="apart")

@node
async def many(state):
    return {"n": state.get("n", 0) + 1}

many.on("state.n < 200000") >> many
endless = Graph(many, name="endless")

@node
async def large():
    return {"text": ["x" * 1000] * 20_000}

bulky = Graph(large, name="bulky")
"""


@pytest.fixture(autouse=True)
def slow(project):
    (project / "slow.py").write_text(SLOW, encoding="utf-8")


def wait_for(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} never came"
        time.sleep(0.02)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=30)
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_the_first_signal_cancels_awaits_cleanup_and_says_what_ran(started, project, number, code, word):
    process = started("run", "slow:both", "--grace", "0.1")
    wait_for(project / "holding")
    process.send_signal(number)
    found, out, err = finish(process)
    assert found == code
    assert out == ""
    assert "stopping hold, polite" in err
    assert ("Ctrl-C again ends at once" in err) == (number == signal.SIGINT)
    assert ("which may take up to 0.10 s to end" in err) == (number == signal.SIGTERM)
    assert f"nodeloom: {word}: the run was cancelled while hold, polite ran\n  run " in err
    assert "Traceback" not in err
    assert (project / "cleaned").exists()
    assert (project / "polite").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("graph", ["lasting", "blocked", "threaded"])
def test_the_second_signal_ends_at_once(started, project, graph, number):
    """6.3."""
    process = started("run", f"slow:{graph}", "-q")
    wait_for(project / "holding")
    process.send_signal(number)
    time.sleep(0.3)
    assert process.poll() is None
    began = time.monotonic()
    process.send_signal(number)
    code, _, err = finish(process)
    assert code == 128 + number
    assert time.monotonic() - began < 5
    assert "stopped at once" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("graph", "name"), [("stuck", "stubborn"), ("threaded", "asyncio_0")])
def test_a_thread_that_never_returns_is_named_and_the_process_ends(started, project, graph, name):
    process = started("run", f"slow:{graph}", "-q", "--grace", "0")
    wait_for(project / "holding")
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process)
    assert code == 143
    assert "still busy, and left behind" in err
    assert name in err


SLEEPING = """
nodeloom: 1
name: sleeping
nodes:
  sleep: {type: shell.run, params: {argv: [sleep, '60']}}
"""


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
@pytest.mark.parametrize(("target", "program"), [("shell.yaml", "sleep"), ("slow:apart", "python")])
def test_an_interrupted_run_leaves_no_child_process(started, project, target, program, signals):
    """6.3, 7.2: not even one that was ended at once."""
    (project / "shell.yaml").write_text(SLEEPING, encoding="utf-8")
    process = started("run", target)
    parent = psutil.Process(process.pid)
    if target == "slow:apart":
        wait_for(project / "holding")
    end = time.monotonic() + 30
    children: list[psutil.Process] = []
    while not any(program in each.name() for each in children):
        assert time.monotonic() < end
        time.sleep(0.02)
        children = parent.children(recursive=True)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.1)
    assert finish(process)[0] == 128 + signals[-1]
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []


def test_an_interrupted_run_with_json_still_ends_with_its_result(started, project):
    process = started("run", "slow:both", "--json")
    wait_for(project / "holding")
    process.send_signal(signal.SIGINT)
    code, out, _ = finish(process)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 130
    assert lines[-2]["type"] == "run_cancelled"
    assert [step["node"] for step in lines[-2]["data"]["left"]] == ["hold", "polite"]
    assert (lines[-1]["type"], lines[-1]["status"]) == ("result", "cancelled")


def test_a_run_that_ends_within_the_grace_of_sigterm_has_completed(started, project):
    """6.3: with its steps to come, and with its output."""
    process = started("run", "slow:short")
    wait_for(project / "holding")
    process.send_signal(signal.SIGTERM)
    code, out, err = finish(process)
    assert code == 0
    assert json.loads(out) == {"n": 2}
    assert "stopping works, which may take up to 10.0 s to end" in err
    assert "cancelled" not in err


@pytest.mark.parametrize("grace", ["-1", "nan", "soon"])
def test_a_grace_that_is_none_is_refused(command, grace):
    said = command("run", "slow:short", "--grace", grace)
    assert said.code == 2
    assert "grace" in said.err


POLLER = """
nodeloom: 1
name: poller
start: ask
inputs: {url: {type: string}}
nodes:
  ask: {type: http.request, params: {url: "{{ run.inputs.url }}"}}
  wait: {type: delay, params: {seconds: 60}}
edges:
  - ask -> wait
  - {from: wait, to: ask, when: "not (state.over exists)"}
"""


@contextlib.contextmanager
def answering(slow: float) -> Iterator[tuple[str, list[float]]]:
    """A server on the loopback that takes its time, and the times it was asked at."""
    asked: list[float] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(time.monotonic())
            time.sleep(slow)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("in_the_call", [False, True])
def test_a_poller_with_a_period_of_a_minute_stops_within_a_second(started, project, in_the_call):
    """6.2, 6.3: asleep it is not waited for; a call that is under way has its answer first."""
    (project / "poller.yaml").write_text(POLLER, encoding="utf-8")
    with answering(0.3 if in_the_call else 0.0) as (url, asked):
        process = started("run", "poller.yaml", "-i", f"url={url}", "--json")
        lines: list[dict[str, object]] = []
        last = ("step_started", "ask") if in_the_call else ("step_started", "wait")
        while not lines or (lines[-1]["type"], lines[-1].get("node")) != last:
            lines.append(json.loads(process.stdout.readline()))
        while not asked:
            time.sleep(0.01)
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code, out, err = finish(process)
        took = time.monotonic() - told
    lines += [json.loads(line) for line in out.splitlines()]
    assert code == 143
    assert took < 1
    assert len(asked) == 1
    types = [(line["type"], line.get("node")) for line in lines]
    assert ("step_completed", "ask") in types
    assert types[-3:] == [("step_cancelled", "wait"), ("run_cancelled", None), ("result", None)]
    assert "terminated: the run was cancelled while wait ran" in err


def test_ctrl_c_while_the_graph_is_imported_is_a_line_and_130(started, project):
    (project / "importing.py").write_text(
        "import time\nfrom pathlib import Path\nPath('holding').touch()\ntime.sleep(60)\n", encoding="utf-8"
    )
    process = started("run", "importing:graph")
    wait_for(project / "holding")
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert (code, err) == (130, "nodeloom: interrupted\n")


@pytest.mark.parametrize("words", [["run", "slow:bulky", "-q"], ["run", "slow:endless", "--json"]])
def test_a_closed_pipe_ends_it_quietly(started, words):
    process = started(*words)
    process.stdout.read(10)
    process.stdout.close()
    err = process.stderr.read().decode()
    assert process.wait(timeout=30) == 141
    assert err == ""


def test_a_closed_error_pipe_ends_it_quietly(started):
    process = started("run", "slow:endless")
    process.stderr.readline()
    process.stderr.close()
    assert process.stdout.read() == b""
    assert process.wait(timeout=30) == 141


@pytest.mark.parametrize("words", [["--help"], ["nodes"], ["draw", "slow:both"]])
def test_short_output_into_a_closed_pipe_is_quiet_too(project, words):
    from .conftest import COMMAND, environment

    read, write = os.pipe()
    os.close(read)
    env = environment()
    env.pop("PYTHONUNBUFFERED")
    done = subprocess.run(
        [*COMMAND, *words], cwd=project, env=env, stdout=write, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(write)
    assert done.returncode == (1 if words == ["--help"] else 141)  # the help is printed by rich, which says 1
    assert done.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said_and_1(project):
    from .conftest import COMMAND, environment

    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, "run", "flows:graph", "-q"],
            cwd=project,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert b"the output cannot be written: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
