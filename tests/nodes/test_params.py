"""Params: templates, literal fields, errors where they can be known, reserved words (12.1, 12.2)."""

from typing import Any

import pydantic
import pytest

from nodeloom import Field, Graph, GraphError, Node, Params, RunFailed, node
from nodeloom.errors import DefinitionError, DocumentError, ExpressionError, ParamsError


class Fetch(Node):
    class Params(Params):  # type: ignore[misc, unused-ignore]
        url: str = ""
        times: int = Field(1, ge=1)
        tags: list[str] = []
        pattern: str = Field("", literal=True)
        extra: Any = None
        headers: dict[str, Any] = {}

    async def work(self, params):
        return {"got": params.model_dump()}


async def render(inputs: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    result = await Graph(Fetch(**values), name="g").run(inputs or {}, run_id="r1")
    return dict(result.output["got"])


async def test_a_template_is_rendered_for_each_step() -> None:
    """12.1."""
    graph = Graph(Fetch(url="http://{{ inputs.host }}/{{ state.n }}"))
    for host in ("a", "b"):
        assert (await graph.run({"host": host, "n": 1})).output["got"]["url"] == f"http://{host}/1"


@pytest.mark.parametrize("value", [1, 1.5, True, None, "", 0, [], [1, {"a": None}], {"k": [1]}])
async def test_a_text_that_is_one_expression_keeps_the_type(value: Any) -> None:
    """12.1, 1.8."""
    got = (await render({"v": value}, extra="{{ inputs.v }}"))["extra"]
    assert got == value
    assert type(got) is type(value)


async def test_mixed_text_renders_as_json_does() -> None:
    """12.1."""
    got = await render({"t": True, "f": 0.0, "l": [1, "a"]}, url="{{ inputs.t }} {{ inputs.f }} {{ inputs.l }}")
    assert got["url"] == 'true 0.0 [1, "a"]' or got["url"] == 'true 0.0 [1,"a"]'


async def test_templates_stand_inside_lists_and_mappings() -> None:
    """12.1."""
    got = await render({"a": "x", "n": 3}, tags=["{{ inputs.a }}", "fixed"], headers={"n": "{{ inputs.n }}"})
    assert got["tags"] == ["x", "fixed"]
    assert got["headers"] == {"n": 3}


async def test_a_rendered_value_is_validated_at_the_step() -> None:
    """12.1: a param that is a template is validated after rendering."""
    assert (await render({"n": 3}, times="{{ inputs.n }}"))["times"] == 3
    with pytest.raises(RunFailed, match=r"params\.times.*not 0") as caught:
        await render({"n": 0}, times="{{ inputs.n }}")
    assert isinstance(caught.value.__cause__, ParamsError)
    assert caught.value.result.error.node == "fetch"


def test_other_params_are_validated_at_construction() -> None:
    """12.1: with every problem at once, beside a template too."""
    with pytest.raises(ParamsError) as caught:
        Fetch(times=0, tags=3, url="{{ inputs.u }}")
    assert {problem.field for problem in caught.value.problems} == {"params.times", "params.tags"}
    assert all(problem.node == "fetch" for problem in caught.value.problems)


def test_an_unknown_param_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ParamsError, match=r"params\.ulr.*did you mean 'url'"):
        Fetch(ulr="x")
    with pytest.raises(ParamsError, match=r"params\.ulr"):
        Fetch(ulr="{{ inputs.u }}")


def test_a_node_without_params_refuses_them() -> None:
    @node
    async def plain():
        return None

    with pytest.raises(DefinitionError, match="takes no params, but got colour"):
        plain.copy(colour="red")


async def test_a_literal_field_is_never_rendered() -> None:
    """12.1."""
    got = await render({"a": 1}, pattern="{{ inputs.a }} {% x %}", url="{{ inputs.a }}x")
    assert got["pattern"] == "{{ inputs.a }} {% x %}"
    assert got["url"] == "1x"


async def test_four_braces_are_two() -> None:
    """12.1."""
    assert (await render(url="{{{{ not read"))["url"] == "{{ not read"


async def test_a_value_that_comes_from_a_caller_is_never_read_again() -> None:
    """12.1."""
    assert (await render({"v": "{{ run.id }}"}, url="{{ inputs.v }}"))["url"] == "{{ run.id }}"


async def test_a_template_sees_state_outputs_run_and_error() -> None:
    """12.1."""

    @node
    async def first():
        return {"n": 1}

    @node
    async def fail():
        raise ValueError("no")

    last = Fetch(
        extra=["{{ state.n }}", "{{ outputs.first.n }}", "{{ run.inputs.q }}", "{{ run.id }}", "{{ error.type }}"]
    )
    first >> fail
    fail.on_error() >> last
    result = await Graph(first).run({"q": 5}, run_id="r")
    assert result.output["got"]["extra"] == [1, 1, 5, "r", "ValueError"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ outputs.nobody.x }}", "no node has the id 'nobody'"),
        ("{{ stat.n }}", "stat"),
        ("{{ inputs. }}", "at character"),
        ("{{ run.colour }}", "only inputs and id"),
    ],
)
def test_what_can_be_known_to_be_wrong_is_a_problem_of_the_graph(text: str, reason: str) -> None:
    """12.2."""
    with pytest.raises(GraphError, match=reason) as caught:
        Graph(Fetch(url=text))
    assert caught.value.problems[0].node == "fetch"


async def test_what_is_missing_at_a_step_names_what_exists() -> None:
    """12.2."""
    with pytest.raises(RunFailed, match="host") as caught:
        await render({"host": "a"}, url="{{ inputs.hots }}")
    assert isinstance(caught.value.__cause__, ExpressionError)
    assert (await render({"host": "a"}, url="{{ inputs.hots ?? 'none' }}"))["url"] == "none"


class Clocked(Node):
    class Params(Params):  # type: ignore[misc, unused-ignore]
        rate: int = 1
        queue: int = 1
        id: str = "none"
        pool: str = "none"
        memory: int = 0
        params: str = ""

    async def work(self, params):
        return params.model_dump()


async def test_a_field_of_a_reserved_name_is_given_by_params() -> None:
    made = Clocked(id="real", params={"id": "field", "pool": "p", "memory": 3, "rate": 5, "params": "deep"})
    assert made.id == "real"
    assert await made() == {"id": "field", "pool": "p", "memory": 3, "rate": 5, "queue": 1, "params": "deep"}


async def test_a_field_named_like_a_later_word_may_be_given_by_name() -> None:
    assert (await Clocked(queue=5)())["queue"] == 5


async def test_params_are_not_shared_between_steps() -> None:
    """4.7, 1.1: a step that changes its params changes no other's."""

    class Greedy(Node):
        class Params(Params):  # type: ignore[misc, unused-ignore]
            tags: list[str] = []

        async def work(self, params):
            params.tags.append("x")
            return {"n": len(params.tags)}

    graph = Graph(Greedy(tags=["a"]))
    assert [(await graph.run()).output["n"] for _ in range(3)] == [2, 2, 2]


async def test_a_model_of_pydantics_own_is_a_params_model_too() -> None:
    class Plain(pydantic.BaseModel):
        url: str = "x"

    @node
    async def use(params: Plain):
        return {"url": params.url}

    assert await use.copy(url="y")() == {"url": "y"}


class Asked(Params):
    host: str
    port: int = 80


@node
async def asking(params: Asked) -> dict[str, Any]:
    return {"host": params.host, "port": params.port}


def test_a_function_may_need_params_that_its_copies_give() -> None:
    """1.5"""
    assert asking.copy(host="here").run_sync({}) == {"host": "here", "port": 80}
    first, second = asking.copy(id="a", host="a"), asking.copy(id="b", host="{{ run.id }}")
    first >> second
    assert Graph(first, name="g").run_sync(run_id="r").output == {"host": "r", "port": 80}
    with pytest.raises(ParamsError, match=r"params\.host: Field required"):
        asking.copy(id="c", port=1)
    with pytest.raises(ParamsError, match=r"params\.port"):
        asking.copy(id="c", host="c", port="x")


def test_a_function_without_its_params_is_refused_where_it_would_run() -> None:
    """12.2"""
    for make in (lambda: Graph(asking, name="g"), asking.run_sync):
        with pytest.raises(GraphError, match=r"params\.host.*Field required: give it, as asking\.copy\(host=\.\.\.\)"):
            make()
    with pytest.raises(ParamsError, match="valid integer"):
        node(port="x")(asking.work)


def test_a_function_that_needs_params_is_a_type_in_documents() -> None:
    def document(params: dict[str, Any]) -> dict[str, Any]:
        return {"nodeloom": 1, "name": "d", "nodes": {"a": {"type": f"{__name__}.asking", "params": params}}}

    assert Graph.from_document(document({"host": "there"})).run_sync().output == {"host": "there", "port": 80}
    with pytest.raises(DocumentError, match=r"params\.host: is required"):
        Graph.from_document(document({}))
