"""Nodes that do different things under one key are told of when the graph is made (semantics 5.7)."""

import pytest

from nodeloom import Graph, GraphError, Idempotency, Node, Params, node
from nodeloom.nodes.documents.loading import check_document

TWICE = """\
nodeloom: 1
name: order
inputs: {{order: {{type: string, default: A-1}}}}
nodes:
  charge:
    type: http.request
    params: {{url: "http://127.0.0.1:9/charge"}}
    policies: {{idempotency: {{key: "{key}"}}}}
  ship:
    type: http.request
    params: {{url: "http://127.0.0.1:9/{url}"}}
    policies: {{idempotency: {{key: "{key}"}}}}
edges: [charge -> ship]
"""


class Fetch(Node):
    class Params(Params):
        url: str = ""

    async def work(self, params):
        return {"of": params.url}


def both(key, one="a", other="b"):
    policies = [Idempotency(key)]
    return Graph([Fetch(id="one", url=one, policies=policies), Fetch(id="other", url=other, policies=policies)])


@pytest.mark.parametrize("key", ["order", "{{ run.inputs.order }}", "of {{ run.id }}"])
def test_one_key_in_every_run_is_an_error(key):
    with pytest.raises(GraphError, match=r"other gets the result of one, and is then not done") as raised:
        both(key)
    (problem,) = raised.value.problems
    assert (problem.code, problem.node, problem.field) == ("shared_result", "other", "policies")
    assert f"'other {key}'" in problem.message


@pytest.mark.parametrize("key", ["{{ inputs.order }}", "{{ state.order }}-{{ run.id }}", lambda ctx: ctx.inputs["n"]])
def test_keys_that_may_be_equal_are_a_warning(key):
    (problem,) = both(key).validate()
    assert (problem.code, problem.severity) == ("shared_result", "warning")


@pytest.mark.parametrize("key", [None, "{{ params.url }}", "{{ params.url }} {{ run.id }}"])
def test_params_in_the_key_make_calls_different(key):
    assert both(key).validate() == []


@pytest.mark.parametrize("key", ["order", None, "{{ inputs.order }}"])
def test_nodes_that_are_alike_may_share_a_result(key):
    assert both(key, "a", "a").validate() == []


@pytest.mark.parametrize("key", [None, "order"])
def test_different_code_under_one_identifier_is_an_error(key):
    def made(table):
        @node(policies=[Idempotency(key)])
        async def load(inputs):
            return {"into": table}

        return load.copy(id=f"load_{table}")

    with pytest.raises(GraphError, match=r"or an identifier of its own"):
        Graph([made("users"), made("orders")])


def test_documents_tell_it_at_its_line(tmp_path):
    path = tmp_path / "order.yaml"

    def found(key, url):
        path.write_text(TWICE.format(key=key, url=url))
        return [(problem.code, problem.node, problem.line, problem.severity) for problem in check_document(path)]

    assert found("{{ run.inputs.order }}", "ship") == [("shared_result", "ship", 12, "error")]
    assert found("{{ run.inputs.order }}", "charge") == []
    assert found("{{ inputs.order }}", "ship") == [("shared_result", "ship", 12, "warning")]
