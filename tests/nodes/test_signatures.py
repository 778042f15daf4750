"""What `work` may ask for, and how it is read (1.5)."""

import functools
import itertools
import subprocess
import sys
import time
from typing import Any

import pytest

from nodeloom import Graph, Node, Params, node
from nodeloom.errors import OutputError, SignatureError

NAMES = ("ctx", "inputs", "state", "params")
ASKED = [asked for size in range(5) for asked in itertools.permutations(NAMES, size)]


class Greeting(Params):
    text: str = "hello"


def write(source: str, **names: Any) -> Any:
    """The function or class that this source defines under the name `made`."""
    scope: dict[str, Any] = {"Node": Node, "Greeting": Greeting, "SEEN": {}, **names}
    exec(source, scope)  # noqa: S102
    return scope["made"]


def check(asked: tuple[str, ...], seen: dict[str, Any]) -> None:
    assert tuple(seen) == asked
    for name in asked:
        if name == "ctx":
            assert seen["ctx"].node_id == "made"
        elif name == "params":
            assert seen["params"].text == "hi"
        else:
            assert seen[name]["n"] == 1


@pytest.mark.parametrize("keyword_only", [False, True])
@pytest.mark.parametrize("start", ["async def", "def"])
@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: "-".join(asked) or "nothing")
async def test_work_may_ask_by_name_for_any_of_them_in_any_order(
    asked: tuple[str, ...], start: str, keyword_only: bool
) -> None:
    """1.5."""
    listed = ", ".join(name if name != "params" else "params: Greeting" for name in asked)
    star = "*, " if keyword_only and asked else ""
    source = (
        "class made(Node):\n    isolation = 'inline'\n"
        f"    Params = Greeting\n    {start} work(self, {star}{listed}):\n"
        f"        SEEN.update({', '.join(f'{name}={name}' for name in asked)})\n"
    )
    seen: dict[str, Any] = {}
    await write(source, SEEN=seen)(text="hi")({"n": 1})
    check(asked, seen)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: "-".join(asked) or "nothing")
async def test_a_function_may_ask_for_any_of_them_too(asked: tuple[str, ...]) -> None:
    """1.5."""
    listed = ", ".join(name if name != "params" else "params: Greeting" for name in asked)
    source = f"async def made({listed}):\n    SEEN.update({', '.join(f'{name}={name}' for name in asked)})\n"
    seen: dict[str, Any] = {}
    made = node(write(source, SEEN=seen))
    await (made.copy(text="hi") if "params" in asked else made)({"n": 1})
    check(asked, seen)


async def test_some_by_place_and_some_by_name_only() -> None:
    """1.5."""

    @node
    async def mixed(inputs, *, state, ctx):
        return {"got": [inputs["n"], state["n"], ctx.node_id]}

    assert await mixed({"n": 1}) == {"got": [1, 1, "mixed"]}


async def test_a_parameter_with_a_default_of_its_own_keeps_it_wherever_it_stands() -> None:
    """1.5: what has a name of its own and a default is the author's."""

    @node
    async def last(inputs, separator=","):
        return {"text": separator.join(inputs["words"])}

    @node
    async def first(separator=",", inputs=None, *, state):
        return {"text": separator.join(inputs["words"]), "n": len(state)}

    @node
    async def callable_default(inputs, now=time.monotonic, size=len):
        return {"late": now() > 0, "n": size(inputs)}

    assert await last({"words": ["a", "b"]}) == {"text": "a,b"}
    assert await first({"words": ["a", "b"]}) == {"text": "a,b", "n": 1}
    assert await callable_default({"words": []}) == {"late": True, "n": 1}


@pytest.mark.parametrize("where", ["method", "function"])
def test_an_unknown_name_is_an_error_at_definition_naming_those_that_exist(where: str) -> None:
    """1.5."""
    with pytest.raises(SignatureError, match=r"asks for 'context'.*ctx, inputs, state, params"):
        if where == "method":

            class Wrong(Node):
                async def work(self, context):
                    return None
        else:

            @node
            async def wrong(context):
                return None


def test_a_name_nearly_right_is_told_the_right_one() -> None:
    """1.5."""
    with pytest.raises(SignatureError, match="did you mean 'inputs'"):

        @node
        async def wrong(input):
            return None


@pytest.mark.parametrize("listed", ["*args", "**kwargs", "inputs, *rest"])
def test_parameters_without_a_name_are_refused(listed: str) -> None:
    """1.5: *args and **kwargs."""
    with pytest.raises(SignatureError, match="it is called by name"):
        node(write(f"async def made({listed}): pass"))


def test_execute_may_ask_for_its_own_three_only() -> None:
    """1.5."""
    with pytest.raises(SignatureError, match="state, config, runtime"):

        class Wrong(Node):
            async def execute(self, inputs):
                return None


async def test_params_annotated_on_work_declare_the_model() -> None:
    """1.5."""

    class Greet(Node):
        async def work(self, params: Greeting):
            return {"said": params.text}

    assert Greet.params_model is Greeting
    assert await Greet(text="hi")({}) == {"said": "hi"}
    assert await Greet()({}) == {"said": "hello"}


async def test_params_annotated_on_a_function_declare_the_model() -> None:
    """1.5."""

    @node(text="hi")
    async def greet(params: Greeting):
        return {"said": params.text}

    assert await greet({}) == {"said": "hi"}
    assert await greet.copy(text="oh")({}) == {"said": "oh"}


async def test_an_annotation_as_text_is_read_like_one() -> None:
    """1.5: `from __future__ import annotations`, with a type only a type checker knows beside it."""

    class Greet(Node):
        async def work(self, ctx: "SomewhereElse", params: "Greeting"):  # type: ignore[name-defined]  # noqa: F821
            return {"said": params.text}

    assert await Greet()({}) == {"said": "hello"}


def test_an_annotation_of_params_that_cannot_be_found_is_an_error_at_definition() -> None:
    """1.5."""
    with pytest.raises(SignatureError, match="annotation of params"):

        class Greet(Node):
            async def work(self, params: "SomewhereElse"):  # type: ignore[name-defined]  # noqa: F821
                return None


async def test_an_inherited_work_keeps_its_params() -> None:
    """1.5."""

    class Greet(Node):
        async def work(self, params: Greeting):
            return {"said": params.text}

    class Loud(Greet):
        display_name = "Loud"

    assert await Loud(text="a")({}) == {"said": "a"}


async def test_an_overridden_work_is_read_anew() -> None:
    """1.5."""

    class First(Node):
        async def work(self, inputs):
            return {"n": inputs["n"]}

    class Second(First):
        def work(self, state, ctx):  # type: ignore[override]
            return {"n": state["n"] + 1, "id": ctx.node_id}

    assert await Second()({"n": 1}) == {"n": 2, "id": "second"}


async def test_a_mixin_may_bring_the_work() -> None:
    """1.5: work may come from a class that is no node."""

    class Working:
        async def work(self, inputs):
            return {"n": inputs["n"]}

    class Mixed(Working, Node):
        pass

    assert await Mixed()({"n": 1}) == {"n": 1}


async def test_work_may_be_a_static_or_a_class_method() -> None:
    """1.5."""

    class Static(Node):
        @staticmethod
        async def work(inputs):
            return {"n": inputs["n"]}

    class OfClass(Node):
        @classmethod
        async def work(cls, inputs):
            return {"n": inputs["n"], "kind": cls.__name__}

    assert await Static()({"n": 1}) == {"n": 1}
    assert await OfClass()({"n": 1}) == {"n": 1, "kind": "OfClass"}


def test_a_node_without_work_is_refused_when_it_is_made() -> None:
    class Idle(Node):
        pass

    with pytest.raises(TypeError, match="has no work"):
        Idle()


@pytest.mark.parametrize("in_graph", [False, True])
async def test_a_method_of_an_uncompiled_instance_can_be_replaced(in_graph: bool) -> None:
    """1.5: as a test does, by functions of another signature and another kind."""

    class Fetch(Node):
        async def work(self, params: Greeting, ctx):
            raise RuntimeError("no network in tests")

    async def later(inputs):
        return {"got": inputs["n"]}

    def blocking(ctx):
        return {"got": ctx.inputs["n"]}

    async def chunks(state):
        yield {"got": state["n"]}

    for replacement in (later, blocking, chunks, lambda: {"got": 1}):
        fetch = Fetch()
        fetch.work = replacement  # type: ignore[method-assign, assignment]
        output = (await Graph(fetch).run({"n": 1})).output if in_graph else await fetch({"n": 1})
        assert output == {"got": 1}


async def test_a_method_can_be_replaced_again_between_two_calls() -> None:
    """1.5."""
    results = []

    class Fetch(Node):
        async def work(self):
            return {"n": 0}

    fetch: Any = Fetch()
    for n in range(3):
        fetch.work = lambda n=n: {"n": n}
        results.append((await fetch())["n"])
    assert results == [0, 1, 2]


def passed_on(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def awaited(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        answer = function(*args, **kwargs)
        return await answer if hasattr(answer, "__await__") else answer

    return wrapper


@pytest.mark.parametrize("decorate", [passed_on, awaited])
@pytest.mark.parametrize("start", ["async def", "def"])
async def test_a_decorated_function_is_read_through_its_decorator(decorate: Any, start: str) -> None:
    """1.5: what it asks for is the inner one's; how it runs is the outer one's."""
    inner = write(f"{start} made(inputs, *, ctx):\n    return {{'n': inputs['n'], 'id': ctx.node_id}}")
    assert await node(decorate(inner))({"n": 1}) == {"n": 1, "id": "made"}


async def test_a_partial_and_a_callable_object_are_functions_too() -> None:
    """1.5."""

    async def scale(inputs, factor):
        return {"n": inputs["n"] * factor}

    class Scale:
        async def __call__(self, inputs):
            return {"n": inputs["n"] * 3}

    assert await node(id="double")(functools.partial(scale, factor=2))({"n": 2}) == {"n": 4}
    assert await node(id="treble")(Scale())({"n": 2}) == {"n": 6}


def test_a_node_is_not_made_of_anything_else() -> None:
    with pytest.raises(TypeError, match="takes a function or an identifier"):
        node(3)  # type: ignore[call-overload]


async def test_a_coroutine_of_a_plain_function_is_no_output() -> None:
    """1.7: the error names the node, and nothing is left unawaited."""

    async def inner():
        return {}

    @node(isolation="inline")
    def outer():
        return inner()

    with pytest.raises(OutputError, match="outer"):
        await outer()


def test_signatures_are_read_when_they_are_defined_and_not_at_each_step() -> None:
    """1.5: a run reads none."""
    code = """
import inspect
from nodeloom import Graph, node
@node(isolation='inline')
def step(inputs, ctx): return {'n': 1}
graph = Graph(step)
graph.run_sync({})
count = 0
real = inspect.signature
def counted(*args, **kwargs):
    global count
    count += 1
    return real(*args, **kwargs)
inspect.signature = counted
import asyncio
async def main():
    for _ in range(100): await graph.run({})
asyncio.run(main())
print(count)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 0


@pytest.mark.parametrize(
    ("spelling", "asked", "right"),
    [
        ("work", "inputs", "self, inputs"),
        ("work", "", "self"),
        ("work", "*, ctx", "self, ctx"),
        ("execute", "state, config", "self, state, config"),
    ],
)
def test_a_method_without_self_is_told_how_to_write_it(spelling: str, asked: str, right: str) -> None:
    """1.5: it would be handed the node in the place of what it asks for."""
    with pytest.raises(SignatureError, match=rf"made takes no self.*write def {spelling}\({right}\)"):
        write(f"class made(Node):\n    async def {spelling}({asked}):\n        return {{}}\n")


async def test_a_callable_in_the_place_of_work_is_handed_what_it_asks_for() -> None:
    """1.5: it is no method, so nothing stands before what it asks for."""

    class Give:
        def __call__(self, inputs):
            return {"n": inputs["n"] + 1}

    made = write("class made(Node):\n    work = give\n", give=Give())
    assert await made()({"n": 1}) == {"n": 2}


@pytest.mark.parametrize("made", [dict, int, type("Own", (dict,), {})])
def test_what_no_signature_is_known_of_is_no_node(made: Any) -> None:
    """1.5"""
    with pytest.raises(SignatureError, match=r"nobody can tell what work of .* asks for: write a function around it"):
        node(made)
