"""Where an actor's supervision comes from: its node, a document, or whoever makes the actors (semantics 9.4)."""

from __future__ import annotations

from typing import Any

import pytest

from nodeloom import Graph, Node, Registry, Supervision, node
from nodeloom.errors import DefinitionError
from nodeloom.nodes.documents.saving import dump_yaml
from nodeloom.testing import run_virtual

RESTART, STOP, RESUME = (Supervision(word) for word in ("restart", "stop", "resume"))


@node("supervised.divide", supervision=Supervision("restart", max_restarts=2, backoff=0.5))
async def divide(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"n": 1 / inputs["n"]}


class Careful(Node):
    identifier = "supervised.careful"
    supervision = "stop"  # type: ignore[assignment]

    async def work(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return {"n": 1 / inputs["n"]}


def rules(graph: Graph, **options: Any) -> dict[str, Supervision]:
    async def made() -> dict[str, Supervision]:
        async with graph.actors(**options) as system:
            return {name: system[name].supervision for name in graph.nodes}

    return run_virtual(made())


def graph() -> Graph:
    own, plain = divide.copy(id="own"), divide.copy(id="plain", supervision=None)
    own >> plain >> Careful(id="careful") >> Careful(id="other", supervision="resume")
    return Graph(own, name="living")


OWN = {"own": divide.supervision, "plain": RESUME, "careful": STOP, "other": RESUME}


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        (None, {}),
        ({}, {}),
        ({"careful": RESTART}, {"careful": RESTART}),
        ({"own": RESUME, "plain": STOP}, {"own": RESUME, "plain": STOP}),
        (RESTART, dict.fromkeys(OWN, RESTART)),
    ],
    ids=str,
)
def test_what_is_said_with_the_actors_goes_before_what_their_nodes_say(given: Any, changed: dict[str, Any]) -> None:
    assert rules(graph(), supervision=given) == {**OWN, **changed}


def test_it_is_saved_and_loaded_without_loss() -> None:
    """12.1"""
    document = graph().to_document()
    nodes = document["nodes"]
    assert nodes["own"]["supervision"] == {"directive": "restart", "max_restarts": 2, "within": 60.0, "backoff": 0.5}
    assert ("supervision" in nodes["careful"], nodes["other"]["supervision"]["directive"]) == (False, "resume")
    again = Graph.from_document(document, Registry(divide, Careful))
    assert (again.to_document(), rules(again)) == (document, OWN)
    assert "supervision:" in dump_yaml(document)


def test_a_document_says_it_by_name_or_by_its_fields() -> None:
    said = {"a": "restart", "b": {"directive": "stop"}, "c": {"max_restarts": 1}, "d": None}
    nodes = {name: {"type": "supervised.divide", "supervision": each} for name, each in said.items()}
    made = Graph.from_document({"nodeloom": 1, "nodes": nodes}, Registry(divide))
    assert rules(made) == {"a": RESTART, "b": STOP, "c": Supervision(max_restarts=1), "d": RESUME}


def test_an_actor_does_what_its_node_says() -> None:
    """9.4"""

    async def main() -> tuple[str, int]:
        async with Graph(Careful(), name="one").actors() as system:
            await system.tell("careful", {"n": 0})
            await system.drain()
            return system["careful"].state, len(system.dead_letters)

    assert run_virtual(main()) == ("stopped", 1)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("restrat", "supervision is one of resume, restart, stop, not 'restrat'"),
        ({"restarts": 3}, "a supervision has no restarts; it has: directive, max_restarts, within, backoff"),
        (3, 'give a Supervision, as Supervision\\("restart"\\), or its name'),
        (["stop"], "give a Supervision"),
    ],
    ids=str,
)
def test_what_is_no_supervision_is_refused(value: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Careful(supervision=value)
