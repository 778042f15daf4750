"""A node or graph is a definition: wired until it is compiled, then shared by any number of runs (1.1)."""

import asyncio
from typing import Any

import pytest

from nodeloom import Field, Graph, GraphError, Node, Params, node
from nodeloom.errors import FrozenDefinition, RunFailed


def make(name: str = "step") -> Any:
    @node(id=name)
    async def step(inputs):
        return dict(inputs)

    return step


def test_wiring_goes_on_until_a_graph_is_compiled() -> None:
    """1.1."""
    a, b, c = make("a"), make("b"), make("c")
    a >> b
    a >> c
    assert len(Graph(a).edges) == 2


def test_both_ends_of_a_compiled_graph_refuse_new_edges() -> None:
    """1.1: and the error says what to do."""
    a, b, free = make("a"), make("b"), make("free")
    a >> b
    Graph(a)
    with pytest.raises(FrozenDefinition, match=r"a is part of a compiled graph.*use a\.copy\(\)"):
        a >> free
    with pytest.raises(FrozenDefinition, match=r"b is part of a compiled graph.*free >> b"):
        free >> b
    with pytest.raises(FrozenDefinition):
        a.goto(free)
    with pytest.raises(FrozenDefinition):
        a.may_route(free)


def test_a_graph_that_could_not_be_compiled_leaves_its_nodes_free() -> None:
    """1.1."""
    a, b = make("a"), make("b")
    a.on("nonsense here") >> b
    with pytest.raises(GraphError):
        Graph(a)
    a >> make("c")


def test_a_copy_of_a_compiled_node_is_free() -> None:
    """1.1: `copy()` makes a free one."""
    a, b = make("a"), make("b")
    a >> b
    Graph(a)
    twin = a.copy(id="twin")
    twin >> make("other")
    assert [str(edge) for edge in Graph(twin).edges] == ["twin -> other"]


async def test_a_call_of_a_compiled_node_leaves_it_compiled() -> None:
    """1.1: running one node by itself changes nothing about it."""
    a, b = make("a"), make("b")
    a >> b
    Graph(a)
    assert await a({"n": 1}) == {"n": 1}
    with pytest.raises(FrozenDefinition):
        a >> make("c")


async def test_a_call_of_a_free_node_leaves_it_free() -> None:
    """1.1."""
    a = make("a")
    await a({})
    a >> make("b")
    assert len(Graph(a).edges) == 1


def test_repeating_an_edge_adds_nothing() -> None:
    """1.1."""
    a, b = make("a"), make("b")
    a >> b
    a >> b
    a >> [b, b]
    a.on(x=1) >> b
    a.on(x=1) >> b
    a.otherwise() >> b
    a.otherwise() >> b
    a.on_error(ValueError) >> b
    a.on_error(ValueError) >> b
    assert [edge.kind for edge in Graph(a).edges] == ["always", "when", "otherwise", "error"]


def test_what_was_given_to_a_graph_may_change_and_what_a_graph_shows_may_not() -> None:
    """1.1, 2.8: nodes, edges, their metadata, outputs and inputs are as they were compiled."""
    a, b = make("a"), make("b")
    metadata: dict[str, Any] = {"tags": ["x"], "deep": {"n": 1}}
    outputs: dict[str, Any] = {"k": [1]}
    inputs: dict[str, Any] = {"n": {"type": "integer", "default": 1}}
    a.goto(b, metadata=metadata)
    graph = Graph(a, outputs=outputs, inputs=inputs)
    metadata["tags"].append("y")
    metadata["deep"].clear()
    outputs["k"].append(2)
    inputs["n"]["default"] = 9
    shown: Any = graph.edges[0].metadata
    assert shown == {"tags": ("x",), "deep": {"n": 1}}
    for change in (
        lambda: graph.nodes.pop("a"),  # type: ignore[attr-defined]
        lambda: graph.nodes.update(c=make("c")),  # type: ignore[attr-defined]
        lambda: shown.update(other=1),
        lambda: shown["tags"].append("z"),
        lambda: shown["deep"].update(n=2),
        lambda: setattr(graph, "max_steps", 5),
        lambda: setattr(graph, "name", "other"),
    ):
        with pytest.raises((TypeError, AttributeError)):
            change()
    graph.output_templates["k"].append(3)  # type: ignore[index]
    assert graph.run_sync().output == {"k": [1]}
    assert graph.check_inputs({}) == {"n": 1}


async def test_what_a_run_gives_out_is_not_the_graphs() -> None:
    """1.1: constants of `outputs` and defaults of `inputs` are each run's own."""

    @node
    async def change(inputs):
        inputs["list"].append(1)
        return {"list": inputs["list"]}

    graph = Graph(change, outputs={"k": [1]}, inputs={"list": {"type": "any", "default": []}})
    for _ in range(2):
        result = await graph.run()
        result.output["k"].append(2)
        assert result.outputs["change"] == {"list": [1]}
    assert (await graph.run()).output == {"k": [1]}
    assert graph.check_inputs({})["list"] is not graph.check_inputs({})["list"]


def test_setting_something_on_a_graph_says_what_to_do() -> None:
    """1.1."""
    graph = Graph(make("a"), name="g")
    with pytest.raises(FrozenDefinition, match=r"max_steps of graph g cannot be set.*make another one"):
        graph.max_steps = 5


class Keeper(Node):
    async def work(self, inputs):
        self.last = inputs
        return {}


class ThreadKeeper(Node):
    def work(self, inputs):
        self.last = inputs
        return {}


@pytest.mark.parametrize("kind", [Keeper, ThreadKeeper])
async def test_setting_an_attribute_inside_work_says_where_run_data_belongs_in_a_graph(kind: type[Node]) -> None:
    """1.1."""
    with pytest.raises(RunFailed, match=r"last cannot be set.*Return run data from work.*ctx\.memory"):
        await Graph(kind(), name="g").run({})


@pytest.mark.parametrize("kind", [Keeper, ThreadKeeper])
async def test_setting_an_attribute_inside_work_says_where_run_data_belongs_in_a_direct_call(
    kind: type[Node],
) -> None:
    """1.1."""
    with pytest.raises(FrozenDefinition, match=r"Return run data from work.*ctx\.memory"):
        await kind()({})


async def test_deleting_an_attribute_inside_work_is_refused_like_setting_one() -> None:
    """1.1: nothing mutates a definition."""

    class Forgetful(Node):
        def __init__(self, **values):
            super().__init__(**values)
            self.table = {"a": 1}

        async def work(self):
            del self.table

    forgetful = Forgetful()
    with pytest.raises(FrozenDefinition):
        await forgetful({})
    assert forgetful.table == {"a": 1}


def test_a_compiled_definition_refuses_to_be_changed_from_outside() -> None:
    """1.1."""
    a = make("a")
    Graph(a)
    with pytest.raises(FrozenDefinition):
        a.id = "other"


async def test_one_graph_serves_a_thousand_runs_at_once() -> None:
    """1.1: their results are independent."""

    @node
    async def double(inputs):
        await asyncio.sleep(0)
        return {"n": inputs["n"] * 2}

    @node
    async def left(state):
        await asyncio.sleep(0)
        return {"left": state["n"] + 1}

    @node
    async def right(state):
        return {"right": state["n"] + 2}

    @node
    async def join(state):
        return {"all": [state["n"], state["left"], state["right"]]}

    double >> [left, right] >> join
    graph = Graph(double)
    results = await asyncio.gather(*(graph.run({"n": n}) for n in range(1000)))
    assert [result.output["all"] for result in results] == [[2 * n, 2 * n + 1, 2 * n + 2] for n in range(1000)]
    assert len({result.run_id for result in results}) == 1000


async def test_one_definition_stands_in_two_graphs() -> None:
    """1.1: a node without edges of its own may start two graphs; each runs it under its own name."""
    shared = make("shared")
    first, second = Graph(shared, name="first"), Graph(shared, name="second")
    a, b = await asyncio.gather(first.run({"n": 1}), second.run({"n": 2}))
    assert (a.output, b.output) == ({"n": 1}, {"n": 2})


async def test_a_run_does_not_change_the_inputs_it_was_given() -> None:
    """1.1."""
    given = {"n": [1]}
    await Graph(make()).run(given)
    assert given == {"n": [1]}


# --- copies


class Threshold(Node):
    def __init__(self, limit=1, **values):
        super().__init__(**values)
        self.limit = limit
        self.highest = limit  # follows from the setting under another name

    async def work(self, inputs):
        return {"over": inputs["n"] > self.highest}


def test_a_copy_takes_changed_settings_of_an_own_constructor() -> None:
    assert Threshold(limit=1).copy(limit=5).run_sync({"n": 3}) == {"over": False}
    assert Threshold(limit=1).copy(id="b").run_sync({"n": 3}) == {"over": True}


def test_a_copy_keeps_what_was_set_on_the_original() -> None:
    first = Threshold()
    first.highest = 10
    first.join = "any"
    twin = first.copy(id="second")
    assert twin.run_sync({"n": 3}) == {"over": False}
    assert twin.join == "any"
    assert first.copy(join="all").join == "all"


class Greeting(Node):
    class Params(Params):  # type: ignore[misc, unused-ignore]
        text: str = "hello"
        rate: int = 1
        id: int = Field(0)

    async def work(self, params):
        return {"said": params.text * params.rate, "id": params.id}


@pytest.mark.parametrize(
    ("made", "changes", "said", "number"),
    [
        (Greeting(text="a"), {"text": "b"}, "b", 0),
        (Greeting({"text": "a"}), {"text": "b"}, "b", 0),
        (Greeting(params={"text": "a", "rate": 2}), {"text": "b"}, "bb", 0),
        (Greeting(params={"text": "a", "rate": 2}), {"params": {"rate": 3}}, "aaa", 0),
        (Greeting(text="a"), {"params": {"rate": 3, "id": 7}}, "aaa", 7),
        (Greeting(params={"id": 7}), {"id": "other"}, "hello", 7),
    ],
)
def test_a_copy_takes_changed_params_however_they_were_given(
    made: Node, changes: dict[str, Any], said: str, number: int
) -> None:
    assert made.copy(**changes).run_sync() == {"said": said, "id": number}


def test_a_copy_validates_what_it_changes() -> None:
    with pytest.raises(ValueError, match=r"params\.rate"):
        Greeting().copy(params={"rate": "many"})


def test_a_copy_of_a_nested_graph_runs_the_same_graph() -> None:
    inner = Graph(make("a"), name="inner")
    first = inner.as_node(id="one")
    first >> first.copy(id="two")
    assert Graph(first).run_sync({"n": 1}).output == {"n": 1}
