"""Documents become graphs: types from a registry or by import, versions, defaults, and what they do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.documents.types import REGISTRY, Fetch, Greeter, Module, OldScale, Scale

from nodeloom import Graph, Node, Quorum, Registry
from nodeloom.errors import DocumentError
from nodeloom.nodes.documents.loading import check_document, from_document, load_text

GOOD = Path(__file__).parent / "good"


def one(entry: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"nodeloom": 1, "nodes": {"a": entry}, **more}


def codes(document: Any, registry: Registry | None = REGISTRY, **options: Any) -> list[tuple[str, str | None]]:
    return [(problem.code, problem.field) for problem in check_document(document, registry, **options)]


@pytest.mark.parametrize("path", sorted(GOOD.iterdir()), ids=lambda path: path.name)
def test_a_good_document_loads_without_a_word(path: Path) -> None:
    assert [problem for problem in check_document(path, REGISTRY) if problem.code != "migrated"] == []
    assert isinstance(from_document(str(path), REGISTRY), Graph)


def test_a_document_says_all_of_a_graph() -> None:
    """2.7: start, outputs, limits; 1.1: params, join, routing; 4.2: reducers."""
    graph = from_document(GOOD / "triage.yaml", REGISTRY)
    plan = graph.declaration
    assert (graph.name, plan.starts, plan.on_failure, plan.strict_routing) == ("triage", ("fetch",), "continue", True)
    assert (plan.max_steps, plan.bounded) == (1000, True)
    assert plan.state.types == {"hits": "array", "words": "integer", "body": "string", "anything": "any"}
    assert plan.state.reducers["hits"].name == "append"
    assert plan.state.defaults["hits"]() == []
    short, sorry = graph.nodes["short"], graph.nodes["sorry"]
    assert (short.join, short.routing, sorry.memory, sorry.pool) == ("any", "first", ("seen",), "slow")
    assert graph.nodes["long"].isolation == "inline"
    assert graph.nodes["fetch"].given["since"] == "2024-02-29"
    assert [edge.kind for edge in graph.edges] == ["always", "when", "otherwise", "error"]
    assert graph.edges[2].metadata == {"colour": "red"}
    assert [node.line for node in plan.nodes] == [11, 12, 13, 14, 15]
    assert [edge.line for edge in graph.edges] == [17, 18, 19, 20]
    assert graph.document_extras == {
        "description": "The document of the design.",
        "ui": {"positions": {"fetch": [10, 20.5]}},
        "labels": {"fetch": {"url": "A page"}},
        "x-owner": "someone",
        "node_labels": {"fetch": "Get the page"},
    }


def test_every_way_to_write_an_edge() -> None:
    """2.1, 2.2, 2.5: chains, lists, conditions, error edges; 1.1: repeating an edge adds nothing."""
    graph = from_document(GOOD / "edges.yaml", REGISTRY)
    told = [(str(edge), edge.kind, edge.when, edge.errors) for edge in graph.edges]
    assert told == [
        ("a -> b", "always", None, ()),
        ("a -> c", "always", None, ()),
        ("b -> d", "always", None, ()),
        ("c -> d", "always", None, ()),
        ("b -> e", "always", None, ()),
        ("c -> e", "always", None, ()),
        ("d -> e", "always", None, ()),
        ("a -> f", "when", "output.words > 100 and output.lang == 'en'", ()),
        ("a -> f", "error", None, ("OSError", "my.errors.Late")),
        ("a -> g", "error", None, ("OSError", "my.errors.Late")),
        ("b -> f", "error", None, ("OSError", "my.errors.Late")),
        ("b -> g", "error", None, ("OSError", "my.errors.Late")),
        ("g -> g", "error", None, ()),
        ("e -> a", "when", "output.again == true", ()),
        ("a -> g", "route", None, ()),
        ("h -> a", "always", None, ()),
    ]
    assert graph.declaration.starts == ("a", "h")
    assert graph.nodes["e"].join == Quorum(2)
    assert graph.name == "edges"


def test_a_start_is_every_node_without_incoming_edges() -> None:
    nodes = {id: {"type": "text.shout"} for id in "abcd"}
    graph = from_document({"nodeloom": 1, "nodes": nodes, "edges": ["b -> c", "c -> c", "d -> c"][:1]}, REGISTRY)
    assert graph.declaration.starts == ("a", "b", "d")
    assert graph.name == "graph"


async def test_a_loaded_graph_runs() -> None:
    text = (GOOD / "triage.yaml").read_text(encoding="utf-8").replace("pool: slow", "pool: default")
    graph = load_text(text, registry=REGISTRY)
    result = await graph.run({"url": "one two three", "limit": 2})
    assert result.output == {"words": 3}
    assert set(result.outputs) == {"fetch", "count", "long"}


async def test_a_document_inside_a_node_is_a_graph() -> None:
    graph = from_document(GOOD / "inner.yaml", REGISTRY)
    assert (await graph.run({})).output == {"words": 1}
    inner: Any = graph.nodes["inside"]
    assert inner.graph.document_extras == {"ui": {"note": "kept"}}
    assert inner.join == "all"


def test_a_date_is_a_text_that_a_date_field_reads() -> None:
    entry = {"type": "web.fetch", "params": {"url": "x", "since": "2024-02-29"}}
    assert from_document(one(entry), REGISTRY).nodes["a"].params.since == date(2024, 2, 29)


def test_a_version_is_exact_or_migrated() -> None:
    nodes = from_document(GOOD / "versions.yaml", REGISTRY).nodes
    assert [type(node) for node in nodes.values()] == [OldScale, Scale, Scale]
    assert [node.params.model_dump() for node in nodes.values()] == [
        {"factor": 2.0},
        {"percent": 200.0},
        {"percent": 5.0},
    ]
    assert codes(one({"type": "test.scale", "version": 4})) == [("unknown_version", "version")]
    assert codes(one({"type": "test.scale", "version": "1"})) == [("unknown_version", "version")]


def test_what_a_migration_changes_is_listed() -> None:
    found = check_document(one({"type": "test.scale", "version": 2, "params": {"factor": 2.0}}), REGISTRY)
    assert [(problem.code, problem.severity, problem.message) for problem in found] == [
        ("migrated", "warning", "made for version 2 of the type, opened as version 3: factor: 2.0 is gone"),
        ("migrated", "warning", "made for version 2 of the type, opened as version 3: percent: 200.0 is new"),
    ]
    graph = from_document(one({"type": "test.scale", "version": 2, "params": {"factor": 2.0}}), REGISTRY)
    assert [problem.code for problem in graph.validate()] == ["migrated", "migrated"]


def test_a_step_that_is_missing_on_the_way_is_refused_with_the_reason() -> None:
    class Third(Node):
        identifier = "test.third"
        version = 3

        @classmethod
        def migrate(cls, params: dict[str, Any], from_version: int) -> Any:
            return {**params, "b": 1} if from_version == 2 else None

        def work(self) -> None: ...

    (problem,) = check_document(one({"type": "test.third", "version": 1}), Registry(Third))
    assert problem.message == (
        "params of test.third cannot be brought from version 1 to 2: "
        "migrate of Third has no step from there (it returned None)"
    ).replace("Third has", f"{Third.__qualname__} has")


def test_an_older_version_without_a_migration_is_refused_with_the_reason() -> None:
    class Second(Node):
        identifier = "test.second"
        version = 2

        def work(self) -> None: ...

    (problem,) = check_document(one({"type": "test.second", "version": 1}), Registry(Second))
    assert "no migrate() of" in problem.message
    assert "says what params of version 1 are in version 2" in problem.message


def test_a_migration_that_fails_is_a_problem() -> None:
    class Broken(Node):
        identifier = "test.broken"
        version = 2

        @classmethod
        def migrate(cls, params: dict[str, Any], from_version: int) -> Any:
            return params["no"]

        def work(self) -> None: ...

    assert codes(one({"type": "test.broken", "version": 1}), Registry(Broken)) == [("bad_node", "params")]


def test_a_constructor_of_the_authors_own_gets_params_by_name() -> None:
    graph = from_document(one({"type": "test.greeter", "params": {"greeting": "hi"}, "join": "any"}), REGISTRY)
    node: Any = graph.nodes["a"]
    assert (type(node), node.greeting, node.join) == (Greeter, "hi", "any")


def test_an_edge_of_what_is_wrong_does_not_make_more_wrong() -> None:
    nodes = {"a": {"type": "text.shout"}, "b": {"type": "no.such"}, "c": {"type": "text.shout"}}
    for edges in (["a -> b -> c"], ["a -> x", "x -> c", "a -> b"], ["a -> b", {"from": "b", "to": "c", "when": "1 +"}]):
        found = codes({"nodeloom": 1, "nodes": nodes, "start": "a", "edges": edges})
        assert {code for code, _ in found} <= {"unknown_type", "unknown_node", "condition"}


def test_more_problems_than_anyone_reads_are_cut() -> None:
    problems = check_document({"nodeloom": 1, **{f"k{n}": 1 for n in range(500)}}, REGISTRY)
    assert len(problems) == 101
    assert problems[-1].code == "more"


# --- types that are in no registry


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A folder with a module of nodes, which is forgotten afterwards."""
    package = tmp_path / "own_nodes_for_documents"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "counting.py").write_text(
        "from nodeloom import Node, node\n"
        "class Count(Node):\n    class Inner(Node):\n        def work(self): ...\n    def work(self): ...\n"
        "@node\ndef shout(inputs): ...\n"
        "NOTHING = 3\n"
    )
    (package / "broken.py").write_text("import no_such_module_at_all\n")
    (package / "failing.py").write_text("raise SystemExit(3)\n")
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("own_nodes_for_documents")]:
        sys.modules.pop(name)


@pytest.mark.parametrize("name", ["counting.Count", "counting:Count", "counting.Count.Inner", "counting.shout"])
def test_a_type_can_be_imported_by_who_owns_the_document(project: Path, name: str) -> None:
    file = project / "flow.yaml"
    file.write_text(f"nodeloom: 1\nnodes: {{a: {{type: own_nodes_for_documents.{name}}}}}\n")
    before = list(sys.path)
    assert codes(file, None) == [("unknown_type", "type")]
    assert codes(file, REGISTRY) == [("unknown_type", "type")]
    assert "own_nodes_for_documents" not in sys.modules
    for registry in (None, REGISTRY):
        assert from_document(file, registry, imports=True).name == "flow"
    assert sys.path == before


def test_a_given_registry_is_all_there_is(project: Path) -> None:
    """A server takes registered types only, whatever its process has loaded."""
    document = one({"type": f"{Module.__module__}.Module"})
    assert codes(document, REGISTRY) == [("unknown_type", "type")]
    assert type(from_document(document).nodes["a"]) is Module


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("own_nodes_for_documents.counting.Cuont", "own_nodes_for_documents.counting has no 'Cuont'"),
        ("own_nodes_for_documents.counting.NOTHING", "is a int, not a node"),
        ("own_nodes_for_documents.counting", "own_nodes_for_documents has no 'counting'"),
        ("own_nodes_for_documents.broken.Count", "no_such_module_at_all"),
        ("own_nodes_for_documents.failing:Count", "importing own_nodes_for_documents.failing fails with SystemExit: 3"),
        ("own_nodes_for_documents.no_such.Count", "own_nodes_for_documents has no 'no_such'"),
        ("no_such_package_at_all.Count", "there is no module 'no_such_package_at_all'"),
        ("no_such_package_at_all:Count", "there is no module 'no_such_package_at_all'"),
        ("web.fetsh", "did you mean 'web.fetch'?; nor can it be imported: there is no module 'web'"),
        ("os.system", "not a node"),
        ("Count", "no node type 'Count' is registered"),
        ("a" * 100_000, "is registered"),
        ("__main__.Nothing", "__main__"),
    ],
)
def test_an_import_that_fails_is_one_problem_with_the_reason(project: Path, name: str, said: str) -> None:
    [problem] = check_document(one({"type": name}), REGISTRY, imports=True, folder=project)
    assert problem.code == "unknown_type"
    assert said in problem.message
    assert len(problem.message) < 500


def test_types_are_looked_up_in_what_is_installed_by_default() -> None:
    [problem] = check_document(one({"type": "no.such.type.at.all"}))
    assert "no node type 'no.such.type.at.all' is registered" in problem.message


def test_a_text_can_be_loaded_and_named() -> None:
    graph = load_text("nodeloom: 1\nnodes: {a: {type: web.fetch, params: {url: x}}}", "steps/my-flow.yaml", REGISTRY)
    assert (graph.name, type(graph.nodes["a"])) == ("my_flow", Fetch)
    with pytest.raises(DocumentError, match=r"steps/my-flow\.yaml: 1 problem"):
        load_text("nodeloom: 1", "steps/my-flow.yaml", REGISTRY)
