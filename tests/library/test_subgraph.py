"""`subgraph`: a document as one step."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.library.conftest import Bench

from nodeloom import Engine, Graph, ParamsError, RunFailed
from nodeloom.errors import DocumentError, PathNotAllowed
from nodeloom.library import NestingTooDeep, Subgraph

DOUBLE = {
    "nodeloom": 1,
    "name": "double",
    "nodes": {"twice": {"type": "transform", "params": {"values": {"n": "{{ run.inputs.n * 2 }}"}}}},
}


def save(path: Path, document: object) -> None:
    path.write_text(json.dumps(document))


async def test_an_inline_document_runs_with_the_inputs_of_the_step(bench: Bench) -> None:
    """2.7, 12.1: the templates of the document are its own."""
    node = Subgraph(document=DOUBLE)
    assert await bench.run(node, {"n": 21}) == {"n": 42}
    assert await bench.run(node, {"n": 0}) == {"n": 0}


async def test_inputs_can_be_named(bench: Bench) -> None:
    assert await bench.run(Subgraph(document=DOUBLE, inputs={"n": "{{ inputs.deep.n }}"}), {"deep": {"n": 4}}) == {
        "n": 8
    }
    with pytest.raises(RunFailed):
        await bench.run(Subgraph(document=DOUBLE, inputs={}), {"n": 1})


async def test_a_file_runs_and_is_compiled_once_until_it_changes(
    root: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    load = Graph.from_document

    def counting(*given: Any) -> Graph:
        compiled.append(given)
        return load(*given)

    monkeypatch.setattr(Graph, "from_document", counting)
    save(root / "double.json", DOUBLE)
    node = Subgraph(path="double.json")
    assert [await bench.run(node, {"n": n}) for n in range(3)] == [{"n": 0}, {"n": 2}, {"n": 4}]
    assert len(compiled) == 1
    save(root / "double.json", json.loads(json.dumps(DOUBLE).replace("* 2", "* 3")))
    os.utime(root / "double.json", ns=(1, 1))
    assert await bench.run(node, {"n": 2}) == {"n": 6}
    assert len(compiled) == 2


async def test_many_runs_at_once_share_one_compiled_document(root: Path, bench: Bench) -> None:
    """1.1."""
    save(root / "double.json", DOUBLE)
    node = Subgraph(path="double.json")
    results = await asyncio.gather(*[bench.run(node, {"n": n}) for n in range(50)])
    assert results == [{"n": n * 2} for n in range(50)]


async def test_a_subgraph_is_a_node_of_a_document(root: Path) -> None:
    save(root / "double.json", DOUBLE)
    outer = {
        "nodeloom": 1,
        "name": "outer",
        "nodes": {
            "by_path": {"type": "subgraph", "params": {"path": "double.json"}},
            "inline": {"type": "subgraph", "params": {"document": DOUBLE, "inputs": {"n": "{{ outputs.by_path.n }}"}}},
        },
        "edges": ["by_path -> inline"],
    }
    async with Engine(file_roots=[root]) as engine:
        result = await engine.run(Graph.from_document(outer), {"n": 5})
    assert dict(result.output) == {"n": 20}


async def test_a_document_that_contains_itself_by_a_template_ends_at_sixteen(root: Path, bench: Bench) -> None:
    again = {"type": "subgraph", "params": {"path": "{{ 'self.json' }}"}}
    save(root / "self.json", {"nodeloom": 1, "name": "self", "nodes": {"again": again}})
    with pytest.raises(RunFailed) as caught:
        await bench.run(Subgraph(path="self.json"))
    assert "self.json would be the 17th document within one another, 16 are the most" in str(caught.value)
    reason: BaseException | None = caught.value
    while reason is not None and not isinstance(reason, NestingTooDeep):
        reason = reason.__cause__
    assert isinstance(reason, NestingTooDeep)


async def test_sixteen_documents_within_one_another_run(root: Path, bench: Bench) -> None:
    save(root / "d0.json", DOUBLE)
    for n in range(1, 16):
        inner = {"type": "subgraph", "params": {"path": f"d{n - 1}.json"}}
        save(root / f"d{n}.json", {"nodeloom": 1, "name": f"d{n}", "nodes": {"inner": inner}})
    assert await bench.run(Subgraph(path="d15.json"), {"n": 1}) == {"n": 2}
    assert await bench.run(Subgraph(path="d15.json"), {"n": 2}) == {"n": 4}


@pytest.mark.parametrize("path", ["../secret.txt", "/etc/passwd", "link"])
async def test_a_document_outside_of_the_roots_is_refused(root: Path, bench: Bench, path: str) -> None:
    (root / "link").symlink_to(root.parent / "secret.txt")
    with pytest.raises(PathNotAllowed):
        await bench.run(Subgraph(path=path))


async def test_a_document_that_is_missing_or_wrong_is_one_error_with_its_problems(root: Path, bench: Bench) -> None:
    with pytest.raises(FileNotFoundError, match=r"cannot read the document none\.yaml"):
        await bench.run(Subgraph(path="none.yaml"))
    save(root / "bad.json", {"nodeloom": 1, "name": "bad", "nodes": {"a": {"type": "no.such"}, "b": {"type": "delya"}}})
    with pytest.raises(DocumentError) as caught:
        await bench.run(Subgraph(path="bad.json"))
    assert len(caught.value.problems) >= 2
    with pytest.raises(DocumentError):
        await bench.run(Subgraph(document={"nodeloom": 1}))


@pytest.mark.parametrize("params", [{}, {"path": "x", "document": {}}])
def test_a_path_or_a_document_is_given(params: dict) -> None:
    with pytest.raises(ParamsError, match="give the path of a document, or the document itself"):
        Subgraph(**params)


async def test_cancelling_a_run_cancels_what_runs_within_it(root: Path, bench: Bench) -> None:
    """2.6."""
    save(
        root / "slow.json",
        {"nodeloom": 1, "name": "slow", "nodes": {"wait": {"type": "delay", "params": {"seconds": 3600}}}},
    )
    handle = await bench.engine.start(Graph(Subgraph(path="slow.json")))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(2):
        await handle.cancel()
    assert handle.status == "cancelled"
