"""Documents that name others by their files: where those are looked for, and what is told of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodeloom import Engine, Graph, RunFailed
from nodeloom.errors import DocumentError, PathNotAllowed, Problem
from nodeloom.nodes.documents.loading import check_document, from_document, load_text

DOUBLE = {
    "nodeloom": 1,
    "name": "double",
    "nodes": {"twice": {"type": "transform", "params": {"values": {"n": "{{ run.inputs.n * 2 }}"}}}},
}


def naming(*paths: str, **more: object) -> dict:
    """A document that names others."""
    nodes = {f"n{index}": {"type": "subgraph", "params": {"path": path}} for index, path in enumerate(paths)}
    return {"nodeloom": 1, "nodes": {**nodes, **more}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of documents, which is not where anything runs."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "flows" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "flows"


def save(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document, indent=1))
    return path


def told(problems: list[Problem]) -> list[tuple[str, str | None, str]]:
    return [(problem.code, problem.file, problem.severity) for problem in problems]


async def run(path: Path, *roots: Path, **inputs: object) -> dict:
    async with Engine(file_roots=[*roots]) as engine:
        return dict((await engine.run(from_document(path), inputs)).output)


async def test_a_path_begins_at_the_folder_of_the_document(folder: Path) -> None:
    save(folder / "deep" / "double.json", DOUBLE)
    save(folder / "deep" / "inner.json", naming("double.json"))
    outer = save(folder / "outer.json", naming("deep/inner.json"))
    assert check_document(outer) == []
    assert await run(outer, folder, n=4) == {"n": 8}


async def test_so_do_those_of_a_template_and_of_a_document_within(folder: Path) -> None:
    save(folder / "double.json", DOUBLE)
    given = save(folder / "given.json", naming("{{ run.inputs.which }}.json"))
    assert await run(given, folder.parent, which="double", n=1) == {"n": 2}
    held = {"type": "subgraph", "params": {"document": naming("double.json"), "inputs": {"n": 3}}}
    assert await run(save(folder / "held.json", naming(a=held)), folder) == {"n": 6}
    inline = {"type": "subgraph", "params": {"document": naming("double.json")}}
    assert await run(save(folder / "inline.json", naming(a=inline)), folder, n=5) == {"n": 10}


async def test_a_copy_of_such_a_node_knows_its_folder_too(folder: Path) -> None:
    save(folder / "double.json", DOUBLE)
    node = from_document(save(folder / "outer.json", naming("double.json"))).nodes["n0"]
    async with Engine(file_roots=[folder]) as engine:
        for twin in (node.copy(), node.copy(path="./double.json")):
            assert dict((await engine.run(Graph(twin, name="g"), {"n": 2})).output) == {"n": 4}


@pytest.mark.parametrize("given", ["mapping", "text"])
async def test_in_a_document_that_is_no_file_it_begins_at_the_first_root(folder: Path, given: str) -> None:
    save(folder / "double.json", DOUBLE)
    document = naming("double.json")
    graph = Graph.from_document(document) if given == "mapping" else load_text(json.dumps(document))
    async with Engine(file_roots=[folder]) as engine:
        assert dict((await engine.run(graph, {"n": 2})).output) == {"n": 4}


async def test_a_path_leads_to_nothing_outside_of_the_folders_that_are_allowed(folder: Path) -> None:
    save(folder.parent / "double.json", DOUBLE)
    outer = save(folder / "outer.json", naming("../double.json"))
    with pytest.raises(RunFailed) as caught:
        await run(outer, folder, n=1)
    assert isinstance(caught.value.__cause__, PathNotAllowed)
    assert await run(outer, folder.parent, n=1) == {"n": 2}


def test_what_is_wrong_with_a_named_document_is_told_under_its_name(folder: Path) -> None:
    save(folder / "deep" / "bad.json", {"nodeloom": 1, "nodes": {"a": {"type": "no.such.type"}}})
    (folder / "deep" / "broken.yaml").write_text("nodeloom: 1\nnodes: [\n")
    save(folder / "deep" / "between.json", naming("bad.json", "./bad.json"))
    outer = save(folder / "outer.json", naming("deep/between.json", "deep/broken.yaml", x={"type": "also.not"}))
    problems = check_document(outer)
    assert told(problems) == [
        ("unknown_type", None, "error"),
        ("unknown_type", str(folder / "deep" / "bad.json"), "error"),
        ("syntax", str(folder / "deep" / "broken.yaml"), "error"),
    ]
    assert (problems[1].line, problems[1].node, problems[1].field) == (5, "a", "type")
    with pytest.raises(DocumentError, match=r"deep.bad\.json, line 5, node a, type: no node type 'no.such.type'"):
        from_document(outer)


def test_warnings_of_a_named_document_are_warnings(folder: Path) -> None:
    save(folder / "inner.json", naming("none.json"))
    inline = {"type": "subgraph", "params": {"document": naming("none.json")}}
    outer = save(folder / "outer.json", naming("inner.json", "gone.json", a=inline))
    found = check_document(outer)
    assert told(found) == [
        ("no_document", None, "warning"),
        ("no_document", None, "warning"),
        ("no_document", str(folder / "inner.json"), "warning"),
    ]
    assert from_document(outer).validate() == found


@pytest.mark.parametrize(
    ("files", "circle"),
    [
        ({"a": ["a.json"]}, "a.json > a.json"),
        ({"a": ["b.json"], "b": ["c.json"], "c": ["./a.json"]}, "a.json > b.json > c.json > a.json"),
        ({"a": ["b.json"], "b": ["c.json"], "c": ["b.json"]}, "b.json > c.json > b.json"),
    ],
)
def test_a_document_that_contains_itself_is_a_problem_that_names_the_circle(
    folder: Path, files: dict[str, list[str]], circle: str
) -> None:
    for name, paths in files.items():
        save(folder / f"{name}.json", naming(*paths))
    found = check_document(folder / "a.json")
    assert [problem.code for problem in found] == ["circle"]
    assert found[0].message.startswith(f"the document contains itself: {circle}; ")
    assert found[0].severity == "warning"  # a condition may lead past it
    assert from_document(folder / "a.json").validate() == found


async def test_a_document_that_contains_itself_behind_a_condition_comes_to_an_end(folder: Path) -> None:
    (folder / "count.yaml").write_text(
        "nodeloom: 1\nname: count\ninputs: {n: {type: integer, default: 3}}\nnodes:\n"
        '  a: {type: transform, params: {values: {n: "{{ inputs.n - 1 }}"}}}\n'
        "  again: {type: subgraph, params: {path: count.yaml}}\n"
        "  done: {type: transform, params: {values: {ok: true}}}\n"
        'edges:\n  - {from: a, to: again, when: "output.n > 0"}\n  - {from: a, to: done, otherwise: true}\n'
    )
    assert [problem.severity for problem in check_document(folder / "count.yaml")] == ["warning"]
    async with Engine(file_roots=[folder]) as engine:
        assert (await engine.run(from_document(folder / "count.yaml"), {"n": 3})).output == {"ok": True}


def test_a_document_that_many_name_is_looked_at_once(folder: Path) -> None:
    """Sixteen files, each of which names the next one four times, would else be read billions of times."""
    save(folder / "d16.json", DOUBLE)
    for n in range(16):
        save(folder / f"d{n}.json", naming(*[f"d{n + 1}.json"] * 4))
    assert check_document(folder / "d0.json") == []


def test_a_chain_without_an_end_in_sight_is_followed_as_far_as_it_may_run(folder: Path) -> None:
    """A step may be 16 documents deep."""
    for n in range(400):
        save(folder / f"d{n}.json", naming(f"d{n + 1}.json"))
    assert check_document(folder / "d0.json") == []


def test_what_lies_outside_is_not_looked_into(folder: Path) -> None:
    """A run may have no access to it, so that nothing of it may be told."""
    save(folder.parent / "bad.json", {"nodeloom": 1})
    assert check_document(save(folder / "outer.json", naming("../bad.json", "/etc/passwd"))) == []
