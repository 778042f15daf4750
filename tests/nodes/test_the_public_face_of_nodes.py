"""The code of the public face's "Nodes" runs as it is written there, as far as it exists."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from nodeloom import Context, Field, Graph, GraphError, Node, Params, Registry, node
from nodeloom.errors import DefinitionError, ParamsError


class FetchParams(Params):
    url: str = Field(label="URL", placeholder="https://")
    attempts: int = Field(3, ge=1, le=10)


class Fetch(Node):
    """Fetch one page."""

    identifier = "web.fetch"
    display_name = "Fetch"
    icon = "globe"
    version = 1
    isolation = "thread"

    async def work(self, params: FetchParams, ctx):
        response = await ctx.http.get(params.url)
        return {"status": response.status_code, "body": response.text}


@node
async def shout(inputs):
    return {"text": inputs["body"].upper()}


@node("text.count", display_name="Count words", isolation="inline")
def count(state):
    return {"words": len(state["text"].split())}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhello page")
    await writer.drain()
    writer.close()
    await writer.wait_closed()


@pytest.fixture
async def page() -> AsyncIterator[str]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    yield f"http://{host}:{port}/"
    server.close()
    await server.wait_closed()


async def test_a_node_by_itself_runs_with_the_engines_client(page: str) -> None:
    """7.4: `outputs = await fetch({...})`, the client asked of the context."""
    fetch = Fetch(url=page, id="fetch")
    outputs = await fetch({"any": "inputs"})
    assert outputs == {"status": 200, "body": "hello page"}


async def test_nodes_of_the_public_face_run_as_a_graph(page: str) -> None:
    """1.5, 2.2: a class, a function and a configured function in one line."""
    from nodeloom import Graph

    fetch, loud, words = Fetch(url=page), shout.copy(), count.copy()
    fetch >> loud >> words
    result = await Graph(fetch, name="triage").run({"query": "x"})
    assert result.output == {"words": 2}
    assert result.outputs["shout"] == {"text": "HELLO PAGE"}


def test_a_node_runs_from_code_that_is_not_async() -> None:
    """`fetch.run_sync({...})`."""
    assert shout.run_sync({"body": "a b"}) == {"text": "A B"}
    assert count.run_sync({"text": "a b"}) == {"words": 2}


def test_what_a_class_says_of_itself_is_read_from_it() -> None:
    assert (Fetch.identifier, Fetch.display_name, Fetch.icon, Fetch.version) == ("web.fetch", "Fetch", "globe", 1)
    assert Fetch.description == "Fetch one page."
    assert (count.identifier, count.display_name, count.isolation) == ("text.count", "Count words", "inline")


def test_what_a_class_does_not_say_has_a_default() -> None:
    class ReadHTTPPage(Node):
        async def work(self):
            return None

    assert ReadHTTPPage.display_name == "Read http page"
    assert ReadHTTPPage.identifier.endswith("ReadHTTPPage")
    assert ReadHTTPPage().id == "read_http_page"
    assert ReadHTTPPage.version == 1
    assert ReadHTTPPage.description == ""
    assert shout.id == "shout"
    assert shout.identifier == f"{shout.__module__}.shout"


def test_the_same_definition_stands_in_a_second_place_without_its_edges() -> None:
    """2.2: `again = shout.copy(id="again")`."""
    first = shout.copy(id="first")
    first >> count.copy()
    again = first.copy(id="again")
    assert again.id == "again"
    assert again.wires == []
    assert again.run_sync({"body": "x"}) == {"text": "X"}


def test_a_nested_params_class_declares_the_model_too() -> None:
    class Repeat(Node):
        class Params(Params):  # type: ignore[misc, unused-ignore]
            times: int = Field(2, ge=1)

        async def work(self, params, inputs):
            return {"text": inputs["text"] * params.times}

    assert Repeat(times=3).run_sync({"text": "ab"}) == {"text": "ababab"}
    with pytest.raises(ParamsError, match=r"params\.times"):
        Repeat(times=0)


@pytest.mark.parametrize(
    ("word", "value"),
    [("queue", None)],
)
def test_a_word_whose_feature_is_not_here_yet_is_refused_with_the_reason(word: str, value: Any) -> None:
    with pytest.raises(DefinitionError, match=f"{word}= comes with .* this version does not have yet"):
        Fetch(url="https://example.org", **{word: value})


def test_an_isolation_that_does_not_exist_is_refused_wherever_it_is_said() -> None:
    with pytest.raises(DefinitionError, match="use 'thread', 'process' or 'inline'"):
        Fetch(url="https://example.org", isolation="container")
    with pytest.raises(DefinitionError, match="use 'thread', 'process' or 'inline'"):

        class Heavy(Node):
            isolation = "container"  # type: ignore[assignment]

            def work(self):
                return {}


@pytest.mark.parametrize(
    ("word", "value"),
    [("isolation", "fork"), ("join", "most"), ("routing", "last"), ("memory", 3), ("pool", ""), ("id", "a b")],
)
def test_a_setting_that_cannot_work_is_refused_on_an_instance(word: str, value: Any) -> None:
    with pytest.raises(DefinitionError, match=f"{word}="):
        Fetch(url="https://example.org", **{word: value})


@pytest.mark.parametrize(
    ("word", "value"), [("isolation", "fork"), ("join", "most"), ("routing", "last"), ("memory", 3), ("pool", "")]
)
def test_a_setting_that_cannot_work_is_refused_on_a_class(word: str, value: object) -> None:
    async def work(self):
        return None

    with pytest.raises(DefinitionError, match=f"{word}="):
        type("Wrong", (Node,), {word: value, "work": work})


def test_a_version_and_an_icon_are_checked_when_the_class_is_written() -> None:
    for word, value in (("version", 0), ("version", "2"), ("version", True), ("icon", 3)):
        with pytest.raises(DefinitionError, match=word):
            type("Wrong", (Node,), {word: value, "work": lambda self: None})


async def test_the_context_offers_what_the_public_face_lists() -> None:
    """The fields of `Context`, each with a value a step can use."""
    seen: dict[str, object] = {}

    class Look(Node):
        memory = True

        async def work(self, ctx: Context):
            for name in [
                "inputs",
                "state",
                "params",
                "metadata",
                "run_id",
                "step_id",
                "node_id",
                "attempt",
                "trace_id",
                "span_id",
                "parent_span_id",
                "log",
                "http",
                "cancelled",
            ]:
                seen[name] = getattr(ctx, name)
                seen["outputs"] = dict(ctx.outputs)
            seen["memory"] = dict(ctx.memory)
            seen["graph"] = ctx.graph.name if ctx.graph else None
            seen["same client"] = ctx.resource("http") is ctx.http is ctx.resources.http
            seen["offloaded"] = await ctx.offload(dict, a=1)
            async with ctx.shared.transaction() as t:
                t["n"] = 1
            ctx.stream({"chunk": 1})
            ctx.progress(1, 2)
            return {}

    from nodeloom import Graph

    await Graph(Look(id="look"), name="looking").run({"a": 1}, run_id="r1", metadata={"who": "me"})
    assert seen["inputs"] == seen["state"] == {"a": 1}
    assert seen["outputs"] == {}
    assert seen["params"] is None
    assert seen["metadata"] == {"who": "me"}
    assert (seen["run_id"], seen["node_id"], seen["attempt"], seen["graph"]) == ("r1", "look", 1, "looking")
    assert str(seen["step_id"]).startswith("look:")
    assert seen["trace_id"]
    assert seen["span_id"]
    assert seen["parent_span_id"] is None
    assert seen["cancelled"] is False
    assert seen["memory"] == {}
    assert seen["same client"] is True
    assert seen["offloaded"] == {"a": 1}


async def test_the_context_cannot_be_changed() -> None:
    @node
    async def meddle(ctx):
        ctx.attempt = 2

    with pytest.raises(AttributeError):
        await meddle()


async def test_a_resource_or_setting_that_does_not_exist_is_named_with_those_that_do() -> None:
    from nodeloom.errors import NodeloomError

    @node
    async def ask(ctx):
        return {"x": ctx.resource("sql")}

    @node
    async def ask_setting(ctx):
        return {"x": ctx.setting("colour")}

    with pytest.raises(NodeloomError, match=r"no resource 'sql' \(there are: http\)"):
        await ask()
    with pytest.raises(NodeloomError, match="no setting 'colour'; there are: file_roots"):
        await ask_setting()


def test_a_registry_knows_the_nodes_it_is_given() -> None:
    registry = Registry(Fetch, count)
    assert registry.get("web.fetch") is Fetch
    assert registry.resolve("web.fetch", 1) is Fetch
    assert registry.get("text.count") is type(count)


def test_importing_the_package_does_not_load_the_heavy_libraries() -> None:
    import subprocess

    code = "import sys, nodeloom; print([m for m in ('pydantic', 'httpx2', 'rich', 'cyclopts') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Named(Node):
    """Its output is called as its params say."""

    class Params(Params):
        name: str

    def output_names(self):
        return None if "{{" in self.given["name"] else [self.given["name"]]

    async def work(self, params):
        return {params.name: 1}


class Use(Node):
    class Params(Params):
        text: str = ""

    async def work(self, params):
        return {"text": params.text}


def test_references_are_held_against_the_outputs_that_a_node_says_it_will_have():
    """12.2"""

    def made(name: str, text: str = "", when: str = "true", output: str = "{{ outputs.use.any }}") -> Graph:
        named, use = Named(name=name), Use(text=text)
        named.on(when) >> use
        return Graph(named, name="g", outputs={"n": output})

    said = r"outputs\.named\.totl: named declares no output 'totl'; did you mean 'total'"
    for wrong in ({"text": "{{ outputs.named.totl }}"}, {"when": "outputs.named.totl > 1"}):
        with pytest.raises(GraphError, match=said):
            made("total", **wrong)
    with pytest.raises(GraphError, match=said):
        made("total", output="{{ outputs.named.totl }}")
    with pytest.raises(GraphError, match=r"output\.totl: the node declares no such output"):
        made("total", when="output.totl > 1")
    made("{{ inputs.name }}", "{{ outputs.named.totl }}")
    made("total", "{{ outputs.named.totl ?? 0 }}{{ outputs.named.total }}", when="outputs.named.totl exists")


def test_output_names_are_names():
    class Odd(Named):
        def output_names(self):
            return self.given["name"]

    with pytest.raises(DefinitionError, match=r"output_names of .*Odd gives names, or None for any, not 'total'"):
        Graph(Odd(name="total"), name="g")
