"""Options of a graph, its outputs and inputs, and a graph in the place of a node (2.7)."""

import asyncio
from typing import Annotated, Any

import pytest

from nodeloom import Field, Graph, GraphError, Params, Route, RunFailed, State, add, node
from nodeloom.errors import ParamsError


def echo(name: str) -> Any:
    @node(id=name)
    async def echo(inputs, ctx):
        return {**inputs, name: sorted(ctx.state)}

    return echo


async def test_without_outputs_a_graph_gives_what_its_last_nodes_returned() -> None:
    """2.7."""

    @node
    async def a():
        return {"a": 1, "both": "a"}

    @node
    async def b():
        return {"b": 1, "both": "b"}

    @node
    async def c():
        return {"c": 1, "both": "c"}

    a >> [b, c]
    assert (await Graph(a).run()).output == {"b": 1, "c": 1, "both": "c"}


async def test_outputs_are_templates_over_outputs_state_and_run() -> None:
    """2.7, 12.1: a whole value keeps its type."""

    @node
    async def a(inputs):
        return {"n": inputs["n"] + 1, "list": [1]}

    graph = Graph(
        a,
        name="g",
        outputs={
            "n": "{{ outputs.a.n }}",
            "text": "n is {{ state.n }}",
            "list": "{{ outputs.a.list }}",
            "of": "{{ run.inputs.n }}",
            "id": "{{ run.id }}",
            "fixed": 3,
            "deep": {"n": ["{{ state.n }}"]},
        },
    )
    result = await graph.run({"n": 1}, run_id="r")
    assert result.output == {
        "n": 2,
        "text": "n is 2",
        "list": [1],
        "of": 1,
        "id": "r",
        "fixed": 3,
        "deep": {"n": [2]},
    }


async def test_outputs_without_a_template_are_the_output() -> None:
    """2.7."""
    assert (await Graph(echo("a"), outputs={"done": True}).run({})).output == {"done": True}
    assert (await Graph(echo("a"), outputs={}).run({})).output == {}


@pytest.mark.parametrize("text", ["{{ outputs.nobody.n }}", "{{ nothing }}", "{{ state. }}", "{{ run.colour }}"])
def test_outputs_that_name_what_does_not_exist_are_refused_when_the_graph_is_made(text: str) -> None:
    """12.2."""
    with pytest.raises(GraphError, match="outputs"):
        Graph(echo("a"), outputs={"n": text})


async def test_outputs_that_cannot_be_rendered_fail_the_run() -> None:
    """2.7: by RunFailed, as any other failure of a run."""
    graph = Graph(echo("a"), name="g", outputs={"n": "{{ outputs.a.missing }}"})
    with pytest.raises(RunFailed, match="missing"):
        await graph.run({})
    result = await graph.run({}, check=False)
    assert result.status == "failed"
    assert result.outputs["a"] == {"a": []}
    assert [event.type async for event in graph.stream({})][-1] == "run_failed"


async def test_a_graph_as_a_node_takes_the_steps_inputs_and_gives_the_graphs_output() -> None:
    """2.7."""
    inner = Graph(echo("one"), name="inner")
    first, last = echo("first"), echo("last")
    first >> inner.as_node(id="in") >> last
    result = await Graph(first).run({"a": 1})
    assert result.outputs["in"] == {"a": 1, "first": ["a"], "one": ["a", "first"]}


async def test_the_state_inside_begins_from_the_inputs_alone_and_stays_inside() -> None:
    """2.7: state isolation."""
    seen: dict[str, Any] = {}

    @node
    async def first(inputs):
        return {"narrow": inputs["wide"]}

    @node
    async def inside(state, ctx):
        seen["state"], seen["outputs"] = dict(state), sorted(ctx.outputs)
        return {"secret": 1}

    @node
    async def last(state, ctx):
        seen["after"], seen["ids"] = dict(state), sorted(ctx.outputs)

    inner = Graph(inside, name="inner", outputs={"public": "{{ outputs.inside.secret }}"})
    first >> inner.as_node() >> last
    await Graph(first).run({"wide": 2})
    assert seen["state"] == {"narrow": 2}
    assert seen["outputs"] == []
    assert seen["after"] == {"wide": 2, "narrow": 2, "public": 1}
    assert seen["ids"] == ["first", "inner"]


async def test_a_declared_state_inside_is_its_own() -> None:
    """2.7."""

    class Count(State):
        n: Annotated[int, add] = 10

    @node
    async def more():
        return {"n": 1}

    inner = Graph(more, name="inner", state=Count, outputs={"n": "{{ state.n }}"})
    start = echo("start")
    start >> inner.as_node()
    assert (await Graph(start).run({})).output == {"n": 11}


async def test_graphs_nest_twice() -> None:
    """2.7."""
    one = Graph(echo("x"), name="one")
    two = Graph(one.as_node(), name="two")
    result = await Graph(two.as_node(), name="three").run({"n": 1})
    assert result.output == {"n": 1, "x": ["n"]}
    assert list(result.outputs) == ["two"]


async def test_one_graph_stands_twice_and_at_once_in_another() -> None:
    """1.1, 2.7."""

    @node
    async def double(inputs):
        await asyncio.sleep(0)
        return {"n": inputs["n"] * 2}

    inner = Graph(double, name="inner")
    start = echo("start")
    left, right = inner.as_node(id="left"), inner.as_node(id="right")
    start >> [left, right]
    result = await Graph(start).run({"n": 2})
    assert (result.outputs["left"], result.outputs["right"]) == ({"n": 4}, {"n": 4})


async def test_a_failure_inside_fails_the_step_with_the_original_in_the_chain() -> None:
    """2.6, 2.7."""

    @node
    async def fail():
        raise KeyError("deep")

    middle = Graph(Graph(fail, name="inner").as_node(), name="middle")
    with pytest.raises(RunFailed, match="outer failed") as caught:
        await Graph(middle.as_node(), name="outer").run()
    chain: list[BaseException] = []
    error: BaseException | None = caught.value
    while error is not None:
        chain.append(error)
        error = error.__cause__
    assert isinstance(chain[-1], KeyError)
    assert caught.value.result.error.node == "middle/inner/fail"


async def test_a_failure_inside_is_caught_outside() -> None:
    """2.5."""

    @node
    async def fail():
        raise KeyError("deep")

    @node
    async def sorry(ctx, inputs):
        return {"type": ctx.error["type"], "had": inputs["n"]}

    start = echo("start")
    inner = Graph(fail, name="inner").as_node()
    start >> inner
    inner.on_error(RunFailed) >> sorry
    result = await Graph(start).run({"n": 1})
    assert result.output == {"type": "KeyError", "had": 1}


def test_a_graphs_node_id_is_its_name_in_snake_case() -> None:
    """2.8."""
    assert Graph(echo("a"), name="Fetch Pages").as_node().id == "fetch_pages"


async def test_max_steps_ends_a_runaway() -> None:
    """3.5: and names the loop."""
    a, b = echo("a"), echo("b")
    a >> b >> a
    graph = Graph(a, name="round", max_steps=7)
    with pytest.raises(RunFailed, match=r"a -> b -> a|b -> a -> b"):
        await graph.run({})
    assert [problem.code for problem in graph.validate()] == ["endless_cycle"]


async def test_strict_routing_fails_a_run_whose_way_ends() -> None:
    """2.4."""
    a, b = echo("a"), echo("b")
    a.on(n=2) >> b
    loose, strict = Graph(a), Graph(a.copy(id="free"), strict_routing=True)
    assert (await loose.run({"n": 1})).status == "completed"
    assert (await strict.run({"n": 1})).status == "completed"  # no edges, nothing to take
    c, d = echo("c"), echo("d")
    c.on(n=2) >> d
    with pytest.raises(RunFailed, match="strict_routing"):
        await Graph(c, strict_routing=True).run({"n": 1})


@pytest.mark.parametrize("returned", [{"n": 1}, None, Route({"n": 1}), Route()], ids=repr)
async def test_strict_routing_fails_a_run_whose_routes_go_nowhere(returned: Any) -> None:
    """2.4: edges that only a Route takes are edges; what the step returned is kept."""

    @node
    async def a():
        return returned

    a.may_route(echo("b"))
    strict = Graph(a, strict_routing=True)
    result = await strict.run(check=False)
    assert (result.status, result.error.type) == ("failed", "RoutingError")  # type: ignore[union-attr]
    assert set(result.outputs) == {"a"}
    assert (await Graph(a.copy(id="free"), strict_routing=True).run()).status == "completed"


# --- inputs


class Wanted(Params):
    url: str
    times: int = Field(2, ge=1)


async def test_inputs_may_be_a_params_class() -> None:
    """2.7: types are read, defaults filled in, what does not fit is refused before anything runs."""
    graph = Graph(echo("a"), name="g", inputs=Wanted)
    assert (await graph.run({"url": "x", "times": "3"})).state["times"] == 3
    assert (await graph.run({"url": "x"})).state["times"] == 2
    with pytest.raises(ParamsError) as caught:
        await graph.run({"times": 0})
    assert {problem.field for problem in caught.value.problems} == {"params.url", "params.times"}
    with pytest.raises(ParamsError, match="did you mean 'times'"):
        await graph.run({"url": "x", "tims": 1})


async def test_inputs_may_be_a_mapping_of_types() -> None:
    """2.7."""
    graph = Graph(
        echo("a"), name="g", inputs={"url": {"type": "string"}, "n": {"type": "integer", "default": 5}, "x": "any"}
    )
    assert (await graph.run({"url": "u", "x": None})).state["n"] == 5
    with pytest.raises(ParamsError) as caught:
        await graph.run({})
    assert [problem.field for problem in caught.value.problems] == ["inputs.url", "inputs.x"]
    with pytest.raises(ParamsError, match=r"inputs\.n"):
        await graph.run({"url": "u", "x": 1, "n": "many"})


async def test_inputs_are_a_mapping() -> None:
    graph = Graph(echo("a"), name="g")
    for wrong in ([1], "text", 3):
        with pytest.raises(ParamsError, match="inputs of graph g are a mapping"):
            await graph.run(wrong)  # type: ignore[arg-type]


async def test_inputs_of_a_graph_inside_are_checked_as_part_of_the_step() -> None:
    """2.7: the step fails."""
    inner = Graph(echo("a"), name="inner", inputs=Wanted)
    start = echo("start")
    start >> inner.as_node()
    with pytest.raises(RunFailed, match="inner: ParamsError"):
        await Graph(start).run({"url": 3})


async def test_wrong_inputs_of_a_stream_are_raised_where_it_is_read() -> None:
    graph = Graph(echo("a"), name="g", inputs=Wanted)
    with pytest.raises(ParamsError):
        _ = [event async for event in graph.stream({})]


def test_typed_ports_are_checked_when_the_graph_is_made() -> None:
    """A port that nobody before the node gives."""
    from nodeloom import Node

    class Give(Node):
        class Outputs(Params):
            text: str

        async def work(self):
            return {"text": "x"}

    class Take(Node):
        class Inputs(Params):
            test: str
            note: str = ""

        async def work(self, inputs):
            return {}

    give = Give()
    give >> Take()
    with pytest.raises(GraphError, match=r"'test'.*give.*did you mean 'text'"):
        Graph(give)
