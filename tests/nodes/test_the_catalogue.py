"""`Registry.describe` and `Registry.search`: the node types there are, as plain data."""

from __future__ import annotations

import json
from typing import Any

from nodeloom import Field, Node, Params, Registry, Retry, Timeout, node
from nodeloom.policies import Policy


class Ask(Params):
    url: str = Field(label="Address")


class Given(Params):
    page: int = 1


class Got(Params):
    body: str


class Fetch(Node):
    """Fetch one page.

    And more, which no catalogue says.
    """

    identifier = "web.fetch"
    icon = "globe"
    category = "web"
    version = 2
    policies = (Timeout(5), Retry(3))
    Inputs = Given
    Outputs = Got

    async def work(self, params: Ask) -> dict[str, Any]:
        return {"body": params.url}


class Older(Fetch):
    identifier = "web.fetch"
    version = 1


class Own(Policy):
    """A policy that no document can say."""


class Plain(Node):
    identifier = "own.plain"
    display_name = "Say it"
    policies = (Own(), Retry(2))

    async def work(self) -> None:
        return None


class Broken(Node):
    identifier = "own.broken"

    def schema(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no schema today")

    async def work(self) -> None:
        return None


@node("text.count", display_name="Count words")
async def count(inputs: Any) -> dict[str, Any]:
    return {}


REGISTRY = Registry(Fetch, Older, Plain, Broken, count)


def described(identifier: str) -> dict[str, Any]:
    (entry,) = [entry for entry in REGISTRY.describe() if entry["identifier"] == identifier]
    return entry


def test_each_type_is_described_once_by_its_newest_version() -> None:
    entries = REGISTRY.describe()
    assert [entry["identifier"] for entry in entries] == ["own.broken", "own.plain", "text.count", "web.fetch"]
    known = {key: value for key, value in described("web.fetch").items() if key not in ("schema", "ports")}
    assert known == {
        "identifier": "web.fetch",
        "display_name": "Fetch",
        "description": "Fetch one page.",
        "icon": "globe",
        "category": "web",
        "version": 2,
        "policies": {"retry": 3, "timeout": 5},
    }


def test_the_schema_is_that_of_the_node_and_all_of_it_is_plain() -> None:
    assert described("web.fetch")["schema"] == Fetch.schema()
    assert described("text.count")["schema"]["fields"] == []
    assert json.loads(json.dumps(REGISTRY.describe())) == REGISTRY.describe()


def test_ports_are_the_fields_of_what_a_type_declares() -> None:
    ports = described("web.fetch")["ports"]
    assert [(port["name"], port["type"], port["required"]) for port in ports["inputs"]] == [("page", "integer", False)]
    assert [(port["name"], port["required"]) for port in ports["outputs"]] == [("body", True)]
    assert described("own.plain")["ports"] == {"inputs": None, "outputs": None}


def test_a_policy_that_no_document_can_say_is_named() -> None:
    assert described("own.plain")["policies"] == {"own": None, "retry": 2}


def test_a_type_whose_schema_fails_says_why_and_hides_no_other() -> None:
    entry = described("own.broken")
    assert (entry["schema"], entry["problem"]) == (None, "RuntimeError: no schema today")
    assert "problem" not in described("own.plain")


def test_a_search_looks_for_every_word_wherever_it_stands() -> None:
    assert REGISTRY.search("WEB page") == [Fetch]
    assert REGISTRY.search("words") == [type(count)]
    assert REGISTRY.search("web nowhere") == []
    assert len(REGISTRY.search("  ")) == len(REGISTRY)
    assert [entry["identifier"] for entry in REGISTRY.describe("say")] == ["own.plain"]
