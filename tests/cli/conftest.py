"""Projects to run commands in, and two ways to run them: in this process, and as the real command."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nodeloom.cli import main

COMMAND = [sys.executable, "-c", "import sys; from nodeloom.cli import main; sys.exit(main())"]

FLOWS = """
import asyncio
from nodeloom import Graph, Node, Params, node

@node
async def fetch(inputs):
    print("printed by fetch")
    return {"body": inputs.get("text", "hello world")}

@node
async def words(inputs):
    for word in inputs["body"].split():
        yield {"word": word}
    yield {"words": len(inputs["body"].split())}

@node
def letters(inputs, ctx):
    ctx.progress(1, 2, "counting")
    return {"letters": len(inputs["body"])}

@node
async def report(state):
    return {"report": f"{state['words']} words, {state['letters']} letters"}

fetch >> [words, letters] >> report
graph = Graph(fetch, name="triage")

@node
async def echo(inputs):
    return inputs

echoing = Graph(echo, name="echoing", inputs=None)

@node
def bad(inputs):
    raise ValueError("no report today")

@node
async def rescue():
    return {"rescued": True}

failing = Graph(bad.copy(id="bad"), name="failing")
caught_bad = bad.copy(id="fetch_page")
caught_bad.on_error(ValueError) >> rescue
caught = Graph(caught_bad, name="caught")
inner = Graph(bad.copy(id="deep"), name="inner")
outer = Graph(inner.as_node(id="middle"), name="outer")

@node
async def step(state):
    return {"n": state.get("n", 0) + 1}
step.on("state.n < 50") >> step
looping = Graph(step, name="looping")

class Wanted(Params):
    url: str
    times: int = 1

@node
async def wants(inputs):
    return inputs
strict = Graph(wants, name="strict", inputs=Wanted)

a_node = wants
a_text = "no graph"
"""

DOCUMENT = """
nodeloom: 1
name: counting
inputs:
  text: {type: string}
nodes:
  count: {type: own.Count, params: {text: "{{ run.inputs.text }}"}}
  long: {type: own.Say, params: {kind: long}}
  short: {type: own.Say, params: {kind: short}}
edges:
  - {from: count, to: long, when: "outputs.count.words > 3"}
  - {from: count, to: short, otherwise: true}
"""

OWN = """
from nodeloom import Node, Params

class Count(Node):
    "Count words."
    class Params(Params):  # type: ignore[misc, unused-ignore]
        text: str
    async def work(self, params):
        return {"words": len(params.text.split())}

class Say(Node):
    "Say what it is."
    class Params(Params):  # type: ignore[misc, unused-ignore]
        kind: str
    async def work(self, params):
        return {"kind": params.kind}
"""


@dataclass
class Said:
    """What a command gave back."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "flows.py").write_text(textwrap.dedent(FLOWS), encoding="utf-8")
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    (tmp_path / "counting.yaml").write_text(DOCUMENT, encoding="utf-8")
    return tmp_path


@pytest.fixture
def cli(project, monkeypatch, capsys) -> Callable[..., Said]:
    """Run a command in this process, in the project."""
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("NODELOOM_TRACEBACK", raising=False)
    monkeypatch.setattr("nodeloom.cli.report._traceback", [])

    def run(*words: str) -> Said:
        before = set(sys.modules)
        try:
            capsys.readouterr()
            code = main([str(word) for word in words])
            said = capsys.readouterr()
            return Said(code, said.out, said.err)
        finally:
            for name in set(sys.modules) - before:
                file = getattr(sys.modules[name], "__file__", None)
                if file and Path(file).is_relative_to(project):
                    del sys.modules[name]

    return run


def environment(**more: str) -> dict[str, str]:
    plain = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return {**plain, "PYTHONUNBUFFERED": "1", "TERM": "xterm-256color", **more}


@pytest.fixture
def command(project) -> Callable[..., Said]:
    """Run the real command, in the project."""

    def run(*words: str, stdin: str = "", **more: str) -> Said:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=project,
            env=environment(**more),
            input=stdin.encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def started(project) -> Any:
    """Start the real command, and leave it running."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(*words: str, **options: Any) -> subprocess.Popen[bytes]:
        settings: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen([*COMMAND, *words], cwd=project, env=environment(), **settings)
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
