from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.library.web import Web, serving

from nodeloom import Engine, Graph, Node


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with serving() as web:
        yield web


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The one folder the engine allows; beside it is what it does not."""
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    return root


class Bench:
    """One engine, to run nodes by themselves."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def run(self, node: Node, inputs: object = None) -> dict:
        return dict(await self.engine.call(node, inputs))

    async def graph(self, graph: Graph, inputs: dict | None = None) -> dict:
        return dict((await self.engine.run(graph, inputs)).output)


@pytest.fixture
async def bench(root: Path) -> AsyncIterator[Bench]:
    async with Engine(file_roots=[root]) as engine:
        yield Bench(engine)
