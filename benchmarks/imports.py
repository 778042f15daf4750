"""imports: what a first program imports, in a fresh interpreter that has asyncio already; ms."""

import os
import subprocess
import sys
import tempfile
from functools import partial

from benchmarks.harness import MILLISECONDS, Contender, Role, Sampler, Target, Workload

STATEMENTS: list[tuple[str, Role, str]] = [
    ("limit: pydantic, msgspec", "limit", "import pydantic, msgspec; pydantic.BaseModel"),
    ("nodeloom", "nodeloom", "from nodeloom import Graph, node"),
    ("nodeloom, name only", "variant", "import nodeloom"),
    ("nodeloom with Params", "variant", "from nodeloom import Field, Graph, Node, Params"),
    ("PocketFlow", "peer", "from pocketflow import AsyncFlow, AsyncNode"),
    ("Burr", "peer", "from burr.core import ApplicationBuilder, State, action"),
    ("pydantic-graph", "peer", "from pydantic_graph import BaseNode, End, GraphBuilder"),
    ("LangGraph", "peer", "from langgraph.graph import END, START, StateGraph"),
]
CACHE = tempfile.TemporaryDirectory(prefix="bytecode")  # bytecode of every contender, nowhere else
PROGRAM = """\
import asyncio, time
begun = time.perf_counter()
{statement}
print(time.perf_counter() - begun)
"""


def prepare(statement: str) -> Sampler:
    """Import once before any sample, so that bytecode and file cache are warm for all."""
    sample = partial(fresh, PROGRAM.format(statement=statement))
    sample()
    return sample


def fresh(program: str) -> float:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONPYCACHEPREFIX": CACHE.name}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise ImportError(done.stderr.strip().splitlines()[-1].partition(": ")[2])
    return float(done.stdout) * MILLISECONDS


def workloads(quick: bool) -> list[Workload]:
    contenders = [Contender(name, partial(prepare, statement), role) for name, role, statement in STATEMENTS]
    targets = [Target("value", 120), Target("value", 60)]
    return [Workload("imports", "ms", contenders, targets, rounds=2 if quick else 7)]
