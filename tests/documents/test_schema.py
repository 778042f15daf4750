"""The JSON Schema accepts what is a document and refuses what a schema can know to be none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.documents.types import REGISTRY

from nodeloom.nodes.documents.heading import TOP_KEYS
from nodeloom.nodes.documents.loading import check_document
from nodeloom.nodes.documents.reading import read_file
from nodeloom.nodes.documents.schema import document_schema

HERE = Path(__file__).parent
SCHEMA = document_schema()
TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def is_of(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and not (kind in ("integer", "number") and isinstance(value, bool))


def equal(value: Any, other: Any) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def accepts(rule: dict[str, Any], value: Any) -> bool:
    """The part of JSON Schema that the schema uses, and no other."""
    known = {
        *("$schema", "title", "description", "$defs", "$ref", "type", "const", "enum", "pattern", "minLength"),
        *("minimum", "items", "minItems", "properties", "patternProperties", "additionalProperties", "required"),
        *("minProperties", "propertyNames", "anyOf", "maximum", "exclusiveMinimum"),
    }
    assert set(rule) <= known
    if "$ref" in rule:
        return accepts(SCHEMA["$defs"][rule["$ref"].removeprefix("#/$defs/")], value)
    kinds = rule.get("type", [])
    return all(
        (
            not kinds or any(is_of(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)),
            "const" not in rule or equal(value, rule["const"]),
            "enum" not in rule or any(equal(value, each) for each in rule["enum"]),
            "anyOf" not in rule or any(accepts(each, value) for each in rule["anyOf"]),
            not isinstance(value, str) or accepts_text(rule, value),
            not is_of(value, "number") or rule.get("minimum", value) <= value <= rule.get("maximum", value),
            not is_of(value, "number") or "exclusiveMinimum" not in rule or value > rule["exclusiveMinimum"],
            not isinstance(value, list) or accepts_list(rule, value),
            not isinstance(value, dict) or accepts_mapping(rule, value),
        )
    )


def accepts_text(rule: dict[str, Any], value: str) -> bool:
    return len(value) >= rule.get("minLength", 0) and re.search(rule.get("pattern", ""), value) is not None


def accepts_list(rule: dict[str, Any], value: list[Any]) -> bool:
    return len(value) >= rule.get("minItems", 0) and all(accepts(rule.get("items", {}), item) for item in value)


def accepts_mapping(rule: dict[str, Any], value: dict[str, Any]) -> bool:
    named, patterns, others = (
        rule.get(word, {}) for word in ("properties", "patternProperties", "additionalProperties")
    )

    def accepts_entry(key: str, below: Any) -> bool:
        rules = (
            [named[key]] if key in named else [each for pattern, each in patterns.items() if re.search(pattern, key)]
        )
        if not rules and others is False:
            return False
        return all(accepts(each, below) for each in rules or [others])

    return (
        len(value) >= rule.get("minProperties", 0)
        and all(key in value for key in rule.get("required", []))
        and all(accepts(rule.get("propertyNames", {}), key) for key in value)
        and all(accepts_entry(key, below) for key, below in value.items())
    )


@pytest.mark.parametrize("path", sorted((HERE / "good").iterdir()), ids=lambda path: path.name)
def test_the_schema_accepts_good_documents(path: Path) -> None:
    assert accepts(SCHEMA, read_file(path).data)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"nodeloom": 2}, "format"),
        ({"nodeloom": True}, "format"),
        ({"nam": "x"}, "unknown_key"),
        ({"name": " "}, "bad_value"),
        ({"start": []}, "bad_value"),
        ({"start": 3}, "bad_value"),
        ({"nodes": {}}, "no_nodes"),
        ({"nodes": {"a-b": {"type": "text.shout"}}}, "bad_id"),
        ({"nodes": {"a": "text.shout"}}, "bad_node"),
        ({"nodes": {"a": {"typ": "x"}}}, "missing_type"),
        ({"nodes": {"a": {"type": "text.shout", "params": [1]}}}, "bad_params"),
        ({"nodes": {"a": {"type": "text.shout", "join": {"quorum": 0}}}}, "bad_join"),
        ({"nodes": {"a": {"type": "text.shout", "join": "some"}}}, "bad_join"),
        ({"nodes": {"a": {"type": "text.shout", "routing": "last"}}}, "bad_routing"),
        ({"nodes": {"a": {"type": "text.shout", "memory": 3}}}, "bad_memory"),
        ({"nodes": {"a": {"type": "text.shout", "pool": ""}}}, "bad_pool"),
        ({"nodes": {"a": {"type": "text.shout", "label": 3}}}, "bad_value"),
        ({"nodes": {"a": {"type": "text.shout", "policies": []}}}, "bad_policies"),
        ({"nodes": {"a": {"type": "text.shout", "supervision": "restrat"}}}, "bad_supervision"),
        ({"nodes": {"a": {"type": "text.shout", "supervision": {"backoff": -1}}}}, "bad_supervision"),
        ({"nodes": {"a": {"type": "text.shout", "supervision": {"restarts": 1}}}}, "bad_supervision"),
        ({"edges": {"a": "b"}}, "bad_edges"),
        ({"edges": ["a => a"]}, "bad_edge"),
        ({"edges": ["a"]}, "bad_edge"),
        ({"edges": [3]}, "bad_edge"),
        ({"edges": [{"to": "a"}]}, "bad_edge"),
        ({"edges": [{"from": "a", "to": "a", "when": "output.x", "otherwise": True}]}, "bad_edge"),
        ({"edges": [{"from": "a", "to": "a", "on_error": 3}]}, "bad_edge"),
        ({"edges": [{"from": "a", "to": "a", "route": "yes"}]}, "bad_edge"),
        ({"edges": [{"from": "a", "to": "a", "metadata": 3}]}, "bad_edge"),
        ({"edges": [{"from": "a", "to": "a", "colour": 3}]}, "unknown_key"),
        ({"inputs": {"a": "strng"}}, "bad_field"),
        ({"inputs": {"a": {"reducer": "add"}}}, "unknown_key"),
        ({"state": {"a": {"reducer": "no"}}}, "bad_field"),
        ({"state": 3}, "bad_value"),
        ({"outputs": []}, "bad_value"),
        ({"max_steps": 0}, "bad_value"),
        ({"on_failure": "no"}, "bad_value"),
        ({"strict_routing": 1}, "bad_value"),
        ({"ui": 1}, "bad_value"),
    ],
    ids=json.dumps,
)
def test_the_schema_refuses_what_checking_refuses(change: dict[str, Any], code: str) -> None:
    base: dict[str, Any] = {"nodeloom": 1, "nodes": {"a": {"type": "text.shout"}}}
    assert accepts(SCHEMA, base)
    assert not accepts(SCHEMA, {**base, **change})
    assert code in {problem.code for problem in check_document({**base, **change}, REGISTRY)}


def test_the_schema_names_every_key() -> None:
    assert set(SCHEMA["properties"]) == set(TOP_KEYS)
    assert document_schema() is not document_schema()


@pytest.mark.parametrize("where", ["thread", "inline", "process"])
def test_the_schema_knows_everywhere_that_work_may_run(where: str) -> None:
    document = {"nodeloom": 1, "nodes": {"a": {"type": "text.shout", "isolation": where}}}
    assert accepts(SCHEMA, document)
    assert check_document(document, REGISTRY) == []
