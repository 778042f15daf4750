"""The flowing state as a step sees it, and the state a graph declares (4.1, 4.2, 4.8)."""

import asyncio
import dataclasses
import json
from typing import Annotated, Any, TypedDict

import annotated_types
import pydantic
import pytest

from nodeloom import Graph, State, add, append, extend, maximum, messages, node, union
from nodeloom.errors import DefinitionError, ParamsError, ReducerFailed, RunFailed


@node
async def keep(inputs):
    return dict(inputs)


async def seen_by(function: Any, inputs: dict[str, Any], **options: Any) -> Any:
    first = keep.copy()
    first >> node(function)
    return await Graph(first, **options).run(inputs)


async def test_the_state_is_read_as_keys_and_as_attributes() -> None:
    """4.1."""

    async def read(state):
        return {
            "same": state["k"] == state.k == state.get("k"),
            "json": json.dumps(state),
            "dict": isinstance(state, dict),
        }

    result = await seen_by(read, {"k": [1]})
    assert result.output == {"same": True, "json": '{"k": [1]}', "dict": True}


async def test_a_key_wins_over_a_method_of_the_same_name() -> None:
    """4.1."""

    async def read(state):
        return {"got": state.items, "also": state.get("items"), "keys": sorted(state)}

    assert (await seen_by(read, {"items": [1], "k": 2})).output == {"got": [1], "also": [1], "keys": ["items", "k"]}


@pytest.mark.parametrize("view", ["inputs", "state", "ctx.outputs", "ctx.state", "ctx.inputs"])
@pytest.mark.parametrize(
    "change",
    [
        lambda view: view.__setitem__("k", 2),
        lambda view: view.__delitem__("k"),
        lambda view: view.update(k=2),
        lambda view: view.pop("k"),
        lambda view: view.setdefault("z", 1),
        lambda view: view.clear(),
        lambda view: setattr(view, "k", 2),
        lambda view: delattr(view, "k"),
        lambda view: view.__ior__({"k": 2}),
    ],
)
async def test_inputs_state_and_outputs_are_read_only(view: str, change: Any) -> None:
    """4.1, 4.8."""

    async def meddle(inputs, state, ctx):
        change({"inputs": inputs, "state": state}.get(view) or getattr(ctx, view.removeprefix("ctx.")))

    with pytest.raises(RunFailed, match="read-only") as caught:
        await seen_by(meddle, {"k": 1})
    assert isinstance(caught.value.__cause__, TypeError)


async def test_falsy_values_reach_the_next_node_unchanged() -> None:
    """1.8."""
    falsy = {"map": {}, "zero": 0, "text": "", "list": [], "none": None, "false": False, "float": 0.0}

    async def read(inputs, state):
        return {"inputs": dict(inputs), "state": dict(state)}

    result = await seen_by(read, falsy)
    assert result.output == {"inputs": falsy, "state": falsy}
    assert [type(value) for value in result.output["state"].values()] == [type(value) for value in falsy.values()]


async def test_an_empty_mapping_is_an_output() -> None:
    """1.8."""

    @node
    async def nothing():
        return {}

    async def read(inputs, ctx):
        return {"inputs": dict(inputs), "of": dict(ctx.outputs["nothing"])}

    nothing >> node(read)
    assert (await Graph(nothing).run({"a": 1})).output == {"inputs": {}, "of": {}}


# --- declared states

Hits = Annotated[list, append]


class Declared(State):
    query: str
    count: Annotated[int, add] = 5
    hits: Hits = []
    best: Annotated[int, maximum] = 0


@dataclasses.dataclass
class AsDataclass:
    query: str
    count: Annotated[int, add] = 5
    hits: Hits = dataclasses.field(default_factory=list)
    best: Annotated[int, maximum] = 0


class AsTypedDict(TypedDict, total=False):
    query: str
    count: Annotated[int, add]
    hits: Hits
    best: Annotated[int, maximum]


class AsModel(pydantic.BaseModel):
    query: str
    count: Annotated[int, add] = 5
    hits: Hits = pydantic.Field(default_factory=list)
    best: Annotated[int, maximum] = 0


KINDS = [Declared, AsDataclass, AsTypedDict, AsModel]


def counting() -> Graph | Any:
    @node
    async def first():
        return {"count": 1, "hits": "a", "best": 3, "stray": 1}

    @node
    async def second(state):
        return {"count": 1, "hits": "b", "best": 2, "had": sorted(state)}

    first >> second
    return first


@pytest.mark.parametrize("kind", KINDS)
async def test_a_state_is_declared_in_four_ways(kind: type) -> None:
    """4.1, 4.2: updates are reduced, what is not declared stays in the outputs."""
    result = await Graph(counting(), state=kind).run({"query": "q"})
    base = 0 if kind is AsTypedDict else 5
    assert result.state == {"query": "q", "count": base + 2, "hits": ["a", "b"], "best": 3}
    assert result.outputs["first"]["stray"] == 1
    assert "stray" not in result.outputs["second"]["had"]


@pytest.mark.parametrize("kind", KINDS)
async def test_inputs_are_validated_at_the_border(kind: type) -> None:
    """4.1."""
    graph = Graph(counting(), state=kind)
    with pytest.raises(ParamsError) as caught:
        await graph.run({"query": [1], "count": "many"})
    assert {problem.field for problem in caught.value.problems} == {"inputs.query", "inputs.count"}
    assert (await graph.run({"query": "q", "count": "7"})).state["count"] == 9


async def test_a_missing_key_is_no_error_for_a_node_may_write_it() -> None:
    """4.1."""

    @node
    async def write():
        return {"query": 3}

    result = await Graph(write, state=Declared).run({})
    assert result.state["query"] == 3  # updates are not validated


async def test_defaults_are_not_shared_between_runs() -> None:
    """1.1: one declaration, many runs."""

    @node
    async def change(state):
        state["hits"].append("x")
        return {"n": len(state["hits"])}

    graph = Graph(change, state=Declared)
    assert [(await graph.run({})).output["n"] for _ in range(3)] == [1, 1, 1]
    assert Declared.hits == []


@pytest.mark.parametrize(
    ("reducer", "updates", "value"),
    [
        (append, ["a", ["b"]], ["a", ["b"]]),
        (extend, [["a"], ["b", "c"]], ["a", "b", "c"]),
        (add, [1, 2], 3),
        (union, [{1}, {2}], {1, 2}),
        (lambda old, new: f"{old}+{new}", ["a", "b"], "a+b"),
    ],
)
async def test_each_reducer_merges_updates(reducer: Any, updates: list[Any], value: Any) -> None:
    """4.2: without a default the key begins from the type's empty value, or the first update."""

    class Keys(TypedDict, total=False):
        key: Annotated[Any, reducer]

    @node
    async def first():
        return {"key": updates[0]}

    @node
    async def second():
        return {"key": updates[1]}

    first >> second
    assert (await Graph(first, state=Keys).run()).state["key"] == value


async def test_a_reducer_that_fails_fails_the_run() -> None:
    """2.6, 4.2: as RunFailed, with the exception behind it."""

    def refuse(old, new):
        raise ArithmeticError("cannot add these")

    class Keys(State):
        key: Annotated[int, refuse] = 0

    @node
    async def write():
        return {"key": 1}

    @node
    async def read(state):
        return {"n": state["key"]}

    write >> read
    with pytest.raises(RunFailed, match="cannot add these") as caught:
        await asyncio.wait_for(Graph(write, state=Keys).run(), 5)
    assert isinstance(caught.value.__cause__, ReducerFailed)
    assert "its reducer refuse failed to merge int 1 into int 0" in str(caught.value)
    assert isinstance(caught.value.__cause__.__cause__, ArithmeticError)


@pytest.mark.parametrize("wrong", [3, "state", object(), list])
def test_a_state_that_declares_nothing_is_refused(wrong: Any) -> None:
    """4.1."""
    with pytest.raises(DefinitionError):
        Graph(counting(), state=wrong)


def test_two_reducers_for_one_key_are_refused() -> None:
    """4.2."""

    with pytest.raises(DefinitionError, match="two reducers"):

        class Twice(State):  # pyright: ignore[reportUnusedClass]
            key: Annotated[int, add, maximum] = 0


def test_a_field_with_the_name_of_its_reducer_is_refused_when_its_class_is_made() -> None:
    """4.2: Python binds the default first, so the annotation holds it instead of the reducer."""
    with pytest.raises(DefinitionError) as caught:

        class Chat(State):  # pyright: ignore[reportUnusedClass]
            messages: Annotated[list, messages] = []

    said = str(caught.value)
    assert "Chat.messages: [] in Annotated is no reducer, but the default of the field itself" in said
    assert "`Annotated[list, nodeloom.messages]`" in said
    assert "import the reducer under another name" in said


@pytest.mark.parametrize("kind", ["model", "dataclass"])
def test_the_same_is_refused_in_other_classes_when_they_are_declared(kind: str) -> None:
    """4.2."""
    chat: type
    if kind == "model":

        class Model(pydantic.BaseModel):
            messages: Annotated[list, messages] = []

        chat = Model
    else:

        @dataclasses.dataclass
        class Plain:
            messages: Annotated[list, messages] = dataclasses.field(default_factory=list)

        chat = Plain
    with pytest.raises(DefinitionError, match=r"\.messages: .* in Annotated is no reducer"):
        Graph(counting(), state=chat)


@pytest.mark.parametrize(
    ("marker", "said"),
    [("apend", "did you mean 'append'"), (3, "give one of append, extend"), (list, "give one"), (None, "give one")],
)
def test_what_nobody_would_read_beside_a_type_is_refused(marker: Any, said: str) -> None:
    """4.2."""
    with pytest.raises(DefinitionError, match=said):

        class Odd(State):  # pyright: ignore[reportUnusedClass]
            key: Annotated[list, marker] = []


async def test_what_pydantic_reads_stands_beside_a_reducer() -> None:
    """4.1, 4.2: constraints of a key, and what is said of the items of a list."""

    class Constrained(State):
        count: Annotated[int, add, pydantic.Field(ge=0), annotated_types.Lt(10)] = 0
        name: Annotated[str, pydantic.StringConstraints(min_length=2)] = "ab"
        later: "Annotated[list, append]" = []
        items: list[Annotated[int, "of each"]] = []
        _own: Annotated[int, "nobody's"] = 0

    @node
    async def write():
        return {"count": 2, "later": "x"}

    run = await Graph(write, state=Constrained).run({"count": 1})
    assert (run.state["count"], run.state["later"]) == (3, ["x"])
    with pytest.raises(ParamsError, match=r"inputs\.name"):
        await Graph(write.copy(id="again"), state=Constrained).run({"name": "a"})


async def test_a_class_variable_and_a_private_name_are_no_keys() -> None:
    from typing import ClassVar

    class Mixed(State):
        shared: ClassVar[int] = 3
        _own: int = 4
        key: int = 1

    assert (await Graph(counting(), state=Mixed).run()).state == {"key": 1}


async def test_an_inherited_state_has_the_keys_of_both() -> None:
    class More(Declared):
        extra: int = 7

    assert (await Graph(counting(), state=More).run({"query": "q"})).state["extra"] == 7


# --- what a sibling or a later step can and cannot see


async def test_a_sibling_does_not_see_what_another_changes_in_place() -> None:
    """4.8: dicts, lists and sets, at any depth, of inputs, state and outputs."""
    both = asyncio.Barrier(2)

    @node
    async def first():
        return {"list": [1], "map": {"deep": [1]}, "set": {1}, "pairs": [({"a": [1]},)]}

    @node
    async def changes(inputs, state, ctx):
        for view in (inputs, state, ctx.outputs["first"]):
            view["list"].append(2)
            view["map"]["deep"].append(2)
            view["set"].add(2)
            view["pairs"][0][0]["a"].append(2)
        await both.wait()
        await both.wait()

    @node
    async def looks(inputs, state, ctx):
        await both.wait()
        seen = [
            (list(v["list"]), v["map"]["deep"], set(v["set"]), v["pairs"][0][0]["a"])
            for v in (inputs, state, ctx.outputs["first"])
        ]
        await both.wait()
        return {"seen": seen}

    first >> [changes, looks]
    result = await Graph(first).run()
    assert result.outputs["looks"]["seen"] == [([1], [1], {1}, [1])] * 3


async def test_starts_do_not_see_what_another_start_changes() -> None:
    """4.8: the run's inputs come through a fork too."""

    @node
    async def changes(inputs):
        inputs["list"].append(2)

    @node
    async def looks(inputs, state):
        await asyncio.sleep(0)
        return {"seen": [list(inputs["list"]), list(state["list"])]}

    given = {"list": [1]}
    result = await Graph([changes, looks]).run(given)
    assert result.outputs["looks"]["seen"] == [[1], [1]]
    assert given == {"list": [1]}


async def test_objects_that_are_no_containers_are_shared() -> None:
    """4.8."""

    class Frame:
        pass

    frame = Frame()

    @node
    async def first():
        return {"frame": frame}

    @node
    async def left(inputs):
        return {"left": inputs["frame"] is frame}

    @node
    async def right(state):
        return {"right": state.frame is frame}

    first >> [left, right]
    assert (await Graph(first).run()).output == {"left": True, "right": True}


async def test_in_a_line_the_next_node_owns_what_it_receives() -> None:
    """4.8: nothing is copied."""
    made = [1]

    @node
    async def first():
        return {"list": made}

    @node
    async def second(inputs):
        return {"same": inputs["list"] is made}

    first >> second
    assert (await Graph(first).run()).output == {"same": True}


async def test_a_step_on_a_thread_reads_its_state_while_its_siblings_go_on() -> None:
    """1.6, 4.3: the runtime writes on the loop what a thread may be reading."""

    @node
    def reads(state, ctx):
        total = 0
        for _ in range(200):
            total += len(dict(ctx.state)) + len(dict(ctx.outputs)) + len(state)
        return {"total": total}

    @node
    async def ticks(state):
        await asyncio.sleep(0)
        return {f"key{len(state)}": 1, "round": state.get("round", 0) + 1}

    readers = [reads.copy(id=f"reads{n}") for n in range(8)]
    tickers = [ticks.copy(id=f"ticks{n}") for n in range(8)]
    start, end = keep.copy(), keep.copy(id="end")
    start >> [*readers, *tickers]
    for each in tickers:
        each.on("state.round < 50") >> each
        each.otherwise() >> end
    for each in readers:
        each >> end
    graph = Graph(start)
    for _ in range(5):
        result = await graph.run({})
        assert len({result.outputs[each.id]["total"] for each in readers}) == 1
