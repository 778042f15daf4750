"""Node classes written as `execute(state, config, runtime)` carry over, point by point (1.5)."""

import dataclasses
import itertools
import logging
from typing import Any

import pydantic
import pytest

from nodeloom import Graph, Node, node
from nodeloom.errors import ParamsError


class Shout(Node):
    async def execute(self, state, config, runtime):
        return {"text": state.query.upper()}


@pytest.mark.parametrize(
    "asked", [a for n in range(4) for a in itertools.permutations(("state", "config", "runtime"), n)]
)
async def test_execute_may_ask_for_any_of_its_three(asked: tuple[str, ...]) -> None:
    """1.5."""
    scope: dict[str, Any] = {"Node": Node, "SEEN": {}}
    listed = ", ".join(("self", *asked))
    body = f"SEEN.update({', '.join(f'{name}={name}' for name in asked)})"
    exec(f"class Made(Node):\n    async def execute({listed}):\n        {body}", scope)  # noqa: S102
    await scope["Made"]()({"query": "x"}, config={"k": 1})
    assert tuple(scope["SEEN"]) == asked
    if "config" in asked:
        assert scope["SEEN"]["config"] == {"k": 1}


async def test_state_is_read_as_attributes() -> None:
    assert await Shout()({"query": "x"}) == {"text": "X"}


async def test_state_is_read_with_get() -> None:
    class Get(Node):
        async def execute(self, state):
            return {"text": state.get("query"), "lang": state.get("lang", "en"), "item": state["query"]}

    assert await Get()({"query": "x"}) == {"text": "x", "lang": "en", "item": "x"}


async def test_a_key_that_is_not_there_is_an_attribute_error_with_the_nearest() -> None:
    class Wrong(Node):
        async def execute(self, state):
            return {"text": state.qurey}

    with pytest.raises(AttributeError, match="did you mean 'query'"):
        await Wrong()({"query": "x"})


class Streaming(Node):
    async def execute(self, state, runtime):
        runtime.stream.send({"part": 1})
        await runtime.stream.send({"part": 2})
        return {"done": True}


async def test_a_chunk_is_sent_with_and_without_await() -> None:
    """`runtime.stream.send(chunk)` streams."""
    chunks = [event["chunk"] async for event in Graph(Streaming()).stream({}) if event.type == "chunk"]
    assert chunks == [{"part": 1}, {"part": 2}]


async def test_sending_outside_a_watched_run_is_harmless() -> None:
    assert await Streaming()({}) == {"done": True}
    assert (await Graph(Streaming()).run({})).output == {"done": True}


async def test_a_plain_execute_sends_from_its_thread() -> None:
    class Blocking(Node):
        def execute(self, state, runtime):
            runtime.stream.send({"part": 1})
            return {"done": True}

    chunks = [event["chunk"] async for event in Graph(Blocking()).stream({}) if event.type == "chunk"]
    assert chunks == [{"part": 1}]


async def test_self_log_logs_under_the_node(caplog: pytest.LogCaptureFixture) -> None:
    class Talk(Node):
        identifier = "test.talk"

        async def execute(self, state):
            self.log("fetched", url="x", node="mine", message="hello")
            return {}

    with caplog.at_level(logging.INFO):
        await Graph(Talk(id="talk")).run({}, run_id="r1")
    record: Any = caplog.records[-1]
    assert record.name == "test.talk"
    assert record.getMessage() == "fetched url='x' node='mine' message='hello'"
    assert (record.node, record.run) == ("talk", "r1")
    assert record.fields == {"url": "x", "node": "mine", "message": "hello"}


def test_self_log_works_outside_a_run(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Shout().log("100% made", n=1)
    assert caplog.records[-1].getMessage() == "100% made n=1"


class Own(Node):
    def __init__(self, prefix: str, times: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prefix = prefix
        self.times = times
        self.table = {"a": "b"}

    async def execute(self, state):
        return {"text": self.prefix * self.times + state.query, "table": self.table["a"]}


async def test_an_own_constructor_keeps_its_settings() -> None:
    own = Own("> ", times=2, id="own")
    assert own.id == "own"
    assert await own({"query": "x"}) == {"text": "> > x", "table": "b"}
    assert (await Graph(Own("> ")).run({"query": "x"})).output == {"text": "> x", "table": "b"}


async def test_an_own_constructor_may_set_before_it_calls_super() -> None:
    class Early(Node):
        def __init__(self, prefix, **kwargs):
            self.prefix = prefix
            super().__init__(**kwargs)

        async def execute(self, state):
            return {"text": self.prefix + state.query}

    assert await Early("> ", id="early")({"query": "x"}) == {"text": "> x"}


async def test_keywords_that_are_no_params_stay_readable() -> None:
    """An own constructor that hands `**kwargs` on keeps settings."""

    class Loose(Node):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)

        async def execute(self, state):
            return {"colour": self.params.colour}

    assert await Loose(colour="red", id="loose")({}) == {"colour": "red"}


@dataclasses.dataclass
class Question:
    query: str
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class Slotted:
    query: str


class Model(pydantic.BaseModel):
    query: str
    tags: list[str] = []


class Nesting(pydantic.BaseModel):
    query: str
    inner: Model = Model(query="y")


class Attributes:
    def __init__(self) -> None:
        self.query = "x"


@pytest.mark.parametrize(
    "state",
    [{"query": "x"}, Question("x"), Slotted("x"), Model(query="x"), Attributes()],
    ids=lambda s: type(s).__name__,
)
async def test_a_node_is_called_with_a_mapping_a_dataclass_or_a_model(state: Any) -> None:
    """`await node(state, config=..., runtime=...)`."""

    class All(Node):
        async def execute(self, state, config, runtime):
            await runtime.stream.send({"text": config["lang"]})
            return {"text": state.query, "lang": config["lang"]}

    assert await All()(state, config={"lang": "en"}, runtime=None) == {"text": "x", "lang": "en"}


async def test_a_model_is_data_all_the_way_down() -> None:
    class Deep(Node):
        async def execute(self, state):
            return {"deep": state["inner"]["query"]}

    assert await Deep()(Nesting(query="x")) == {"deep": "y"}


async def test_a_runtime_of_the_callers_own_is_handed_over() -> None:
    sent: list[Any] = []

    class Sink:
        def send(self, chunk):
            sent.append(chunk)

    class Own:
        stream = Sink()

    class Send(Node):
        async def execute(self, runtime):
            runtime.stream.send({"n": 1})
            return {}

    await Send()({}, runtime=Own())
    assert sent == [{"n": 1}]


@pytest.mark.parametrize("state", ["text", 3, [1], {1, 2}])
async def test_a_node_called_with_something_else_says_what_it_takes(state: Any) -> None:
    with pytest.raises(ParamsError, match="a mapping, a dataclass or a model"):
        await Shout()(state)


async def test_a_graph_hands_its_config_to_execute() -> None:
    class Config(Node):
        async def execute(self, state, config):
            return {"lang": config.get("lang", "none")}

    graph = Graph(Config())
    assert (await graph.run({}, config={"lang": "en"})).output == {"lang": "en"}
    assert (await graph.run({})).output == {"lang": "none"}


async def test_a_graph_inside_a_graph_hands_its_config_on() -> None:
    class Config(Node):
        async def execute(self, config):
            return {"lang": config["lang"]}

    outer = Graph(Graph(Config(), name="inner").as_node(), name="outer")
    assert (await outer.run({}, config={"lang": "en"})).output == {"lang": "en"}


async def test_a_replaced_execute_is_used() -> None:
    shout: Any = Shout()

    async def fake(state):
        return {"text": "fake " + state.query}

    shout.execute = fake
    assert await shout({"query": "x"}) == {"text": "fake x"}
    assert (await Graph(shout).run({"query": "x"})).output == {"text": "fake x"}


async def test_both_spellings_stand_in_one_graph() -> None:
    @node
    async def ask(inputs):
        return {"query": inputs["q"]}

    ask >> Shout()
    assert (await Graph(ask).run({"q": "x"})).output == {"text": "X"}
