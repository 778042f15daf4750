"""Graphs become documents and come back as they were; what cannot is refused with the reason."""

from __future__ import annotations

import dataclasses
import enum
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypedDict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.documents.types import REGISTRY, Count, Fetch, Free, Greeter, Module, Scale, function, shout

from nodeloom import EdgeCondition, Graph, Node, Params, Quorum, Registry, State, append, node
from nodeloom.errors import DocumentError, GraphError
from nodeloom.expressions import from_keywords
from nodeloom.nodes.documents.loading import load_text
from nodeloom.nodes.documents.reading import read_text
from nodeloom.nodes.documents.saving import dump_yaml, to_document

GOOD = Path(__file__).parent / "good"
SETTINGS = ("id", "join", "routing", "isolation", "memory", "pool", "mailbox", "supervision")


def meaning(graph: Graph) -> dict[str, Any]:
    """All that makes a graph what it is, without its lines."""
    plan = graph.declaration
    state = plan.state
    edges = [
        (
            *msgspec.structs.astuple(edge)[:3],
            edge.when if not isinstance(edge.when, tuple) else from_keywords(dict(edge.when)).text,
            edge.predicate,
            edge.errors,
            edge.metadata,
        )
        for edge in plan.edges
    ]
    return {
        "nodes": [msgspec.structs.replace(spec, line=None) for spec in plan.nodes],
        "edges": edges,
        "rest": (plan.name, plan.starts, plan.on_failure, plan.strict_routing, plan.max_steps, plan.bounded),
        "state": (state.keys, state.types, state.reducers, {key: make() for key, make in state.defaults.items()}),
        "settings": [[getattr(node, word) for word in SETTINGS] for node in graph.nodes.values()],
        "params": [
            meaning(node.graph) if hasattr(node, "graph") else (node.given, node.params)
            for node in graph.nodes.values()
        ],
        "ends": (graph.inputs, graph.output_templates, graph.document_extras),
    }


def again(graph: Graph, registry: Registry = REGISTRY) -> Graph:
    """The graph by way of a document, its YAML and its JSON."""
    document = graph.to_document()
    loaded = Graph.from_document(document, registry)
    assert loaded.to_document() == document
    assert load_text(dump_yaml(document), "x.yaml", registry).to_document() == document
    assert load_text(msgspec.json.encode(document), "x.json", registry).to_document() == document
    return loaded


def refused(graph: Graph) -> list[tuple[str | None, str | None, str | None]]:
    with pytest.raises(DocumentError, match="cannot be saved") as raised:
        graph.to_document()
    assert {problem.code for problem in raised.value.problems} == {"not_savable"}
    return [(problem.node, problem.edge, problem.field) for problem in raised.value.problems]


@pytest.mark.parametrize("path", sorted(GOOD.iterdir()), ids=lambda path: path.name)
def test_a_good_document_is_saved_as_it_was(path: Path) -> None:
    graph = Graph.from_document(path, REGISTRY)
    assert meaning(again(graph)) == meaning(graph)


def test_a_graph_in_python_comes_back() -> None:
    fetch = Fetch(url="https://example.org", id="fetch", join="all", routing="first", pool="slow")
    count = Count(text="{{ outputs.fetch.body }}", memory=["seen"])
    long = shout.copy(id="long", join=Quorum(2), isolation="inline")
    fetch >> count
    count.on(words__gt=100, words__in=[101, 102]) >> long
    count.on("output.words <= 100") >> fetch
    count.otherwise() >> long
    fetch.on_error(TimeoutError, "my.Own") >> long
    count.on_error() >> long
    count.may_route(long)
    count.goto(long, metadata={"colour": ["red"]})
    graph = Graph(fetch, name="all of it", outputs={"n": "{{ outputs.count.words }}"}, max_steps=50)
    assert meaning(again(graph)) == meaning(graph)


def test_starts_are_written_when_they_are_not_the_default() -> None:
    assert "start" not in Graph([shout.copy(id="a"), shout.copy(id="c")]).to_document()
    for ids in ("bac", "ab", "a"):
        a, b, c = (shout.copy(id=id) for id in "abc")
        a >> b >> c
        b.on(n=1) >> a
        graph = Graph([{"a": a, "b": b, "c": c}[id] for id in ids])
        assert again(graph).declaration.starts == tuple(ids)


class Typed(State):
    query: str = ""
    hits: Annotated[list[int], append] = []
    best: Annotated[float, max] = 0.5
    extra: dict[str, Any] | None = None


@dataclasses.dataclass
class Data:
    needed: int
    tags: list[str] = dataclasses.field(default_factory=lambda: ["a"])


class Typing(TypedDict):
    words: bool


class Model(Params):
    url: str
    limit: int = 3


@pytest.mark.parametrize("state", [Typed, Data, Typing, Model, {"a": "integer"}, {}, None])
def test_a_declared_state_is_kept_in_the_types_of_json(state: Any) -> None:
    """4.1, 4.2."""
    graph = Graph(shout.copy(), state=state)
    assert meaning(again(graph))["state"] == meaning(graph)["state"]


def test_a_class_of_inputs_is_kept_in_the_types_of_json() -> None:
    document = Graph(shout.copy(), inputs=Model).to_document()
    assert document["inputs"] == {"url": {"type": "string"}, "limit": {"type": "integer", "default": 3}}


def test_a_graph_in_the_place_of_a_node_is_a_document_in_a_document() -> None:
    inner = Graph(Fetch(url="{{ inputs.url }}", id="get"), name="inner", state=Typed)
    first = shout.copy(id="first")
    first >> inner.as_node(id="second")
    outer = Graph(first, name="outer")
    assert meaning(again(outer)) == meaning(outer)
    assert outer.to_document()["nodes"]["second"]["type"] == "subgraph"


def test_a_constructor_of_the_authors_own_is_called_again() -> None:
    first = Greeter("hi", id="first", join="any")
    first >> Greeter(greeting="ho", id="second").copy(id="third", isolation="inline")
    loaded = again(Graph(first))
    assert [getattr(each, "greeting", None) for each in loaded.nodes.values()] == ["hi", "ho"]


class Colour(enum.Enum):
    RED = "red"


def test_params_that_pydantic_reads_from_json_are_kept() -> None:
    class Plan(Node):
        identifier = "test.plan"

        class Params(Params):  # type: ignore[misc, unused-ignore]
            day: date
            place: PurePosixPath
            colour: Colour

        def work(self) -> None: ...

    plan = Plan(day=date(2024, 2, 29), place=PurePosixPath("/a"), colour=Colour.RED)
    loaded = again(Graph(plan), Registry(Plan))
    assert loaded.nodes["plan"].params == plan.params


def test_what_a_document_cannot_hold_is_refused_all_at_once() -> None:
    """2.2: a Python predicate, with the reason."""

    @node
    def local() -> None: ...

    class Odd(Node):
        identifier = "test.odd"

        class Params(Params):  # type: ignore[misc, unused-ignore]
            value: Any

        def work(self) -> None: ...

    class OwnReducer(State):
        total: Annotated[int, lambda value, update: value - update] = 0
        when: Any = object()

    first = Odd(value=object(), id="first")
    inner = Graph(Odd(value=[{1, 2}], id="deep"))
    patched = shout.copy(id="patched")
    vars(patched)["work"] = dict
    first.goto(local, condition=EdgeCondition(lambda step: True), metadata={"x": {1: 2}})
    first >> [inner.as_node(id="inner"), Free("hi", id="free"), patched]
    graph = Graph(first, state=OwnReducer, outputs={"x": float("inf")})
    assert refused(graph) == [
        (None, None, "state.when.default"),
        (None, None, "state.total"),
        ("first", None, "params.value"),
        ("local", None, "type"),
        ("inner", None, None),
        ("free", None, "params"),
        ("patched", None, "params"),
        (None, "first -> local", None),
        (None, "first -> local", "metadata.x"),
        (None, None, "outputs.x"),
    ]


def test_a_type_must_be_findable_by_its_identifier() -> None:
    """What others load by: its own identifier, or the place of its definition."""
    assert again(Graph(Module()), Registry(Module)).nodes
    assert Graph.from_document(Graph(function.copy()).to_document()).nodes["function"]

    class Hidden(Node):
        def work(self) -> None: ...

    with pytest.raises(DocumentError, match="inside a function"):
        Graph(Hidden()).to_document()
    shadowed = type("Module", (Module,), {"__module__": Module.__module__})
    with pytest.raises(DocumentError, match="another node type by now"):
        Graph(shadowed()).to_document()
    assert to_document(Graph(Hidden()), Registry(Hidden))["nodes"]["hidden"]["type"].endswith("Hidden")


def test_a_version_is_written_so_that_later_ones_migrate() -> None:
    assert Graph(Scale(percent=5)).to_document()["nodes"]["scale"]["version"] == 3


def test_what_is_saved_is_within_the_bounds_of_what_is_read() -> None:
    with pytest.raises(DocumentError, match="at most"):
        Graph(Fetch(url="x" * 2_000_000)).to_document()


TEXTS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="{"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Any graph of a few nodes, with edges of every kind a document has."""
    count = draw(st.integers(1, 6))
    joins = st.sampled_from([None, "all", "any", Quorum(1), Quorum(2)])
    nodes: list[Any] = [
        Fetch(
            {"url": draw(TEXTS), "raw": draw(st.text(st.characters(codec="utf-8"), max_size=8))},
            id=f"n{index}",
            join=draw(joins),
            routing=draw(st.sampled_from(["all", "first"])),
            memory=draw(st.sampled_from([False, True, ("a", "b")])),
        )
        for index in range(count)
    ]
    for _ in range(draw(st.integers(0, 8))):
        source, target = draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
        metadata = draw(st.none() | st.dictionaries(TEXTS, VALUES, max_size=2))
        match draw(st.integers(0, 5)):
            case 0:
                source.goto(target, metadata=metadata)
            case 1:
                source.goto(target, condition=f"output.n == {draw(st.integers())}", metadata=metadata)
            case 2:
                source.on(status=draw(TEXTS), score__gte=0.5) >> target
            case 3:
                source.otherwise() >> target
            case 4:
                source.on_error(*draw(st.lists(st.sampled_from([OSError, "x.Y"]), unique=True))) >> target
            case _:
                source.may_route(target)
    options: dict[str, Any] = {
        "strict_routing": draw(st.booleans()),
        "on_failure": draw(st.sampled_from(["fail", "continue"])),
        "max_steps": draw(st.none() | st.integers(1, 10)),
    }
    outputs = draw(st.none() | st.dictionaries(TEXTS, VALUES, max_size=3))
    return Graph(nodes, name=draw(TEXTS.filter(str.strip)), outputs=outputs, **options)


@settings(max_examples=100, deadline=5_000)
@given(st.data())
def test_any_graph_comes_back(data: st.DataObject) -> None:
    try:
        graph = data.draw(graphs())
    except GraphError:
        return  # an endless cycle
    graph.document_extras = {"ui": data.draw(st.dictionaries(TEXTS, VALUES, max_size=2))}
    assert meaning(again(graph)) == meaning(graph)


@pytest.mark.parametrize("end", ["\x1b", "\x00", "\x7f", "\x85", "\uffff", "\ufeff", "\u2028"])
def test_a_line_that_ends_in_what_yaml_cannot_show_is_saved_escaped(end: str) -> None:
    text = f"first{end}\nsecond{end}\n"
    assert read_text(dump_yaml({"nodeloom": 1, "text": text}), "x.yaml").data["text"] == text
