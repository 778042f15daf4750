"""The settings of policies as forms: asked and refused as in a document."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from nodeloom.forms.checking import checked
from nodeloom.forms.json_schema import form_schema
from nodeloom.policies.forms import policy_form, policy_forms
from nodeloom.policies.settings import HOME_OF, read_policies


def test_every_policy_has_a_form_whose_fields_say_what_they_are() -> None:
    forms = policy_forms()
    assert list(forms) == list(HOME_OF)
    for form in forms.values():
        assert json.loads(json.dumps(form.as_list())) == form.as_list()
        assert form_schema(form)["type"] == "object"
        assert all(field.description for field in form.fields), form.name


def test_the_fields_of_a_policy_are_its_settings() -> None:
    assert [(field.name, field.type, field.default) for field in policy_form("retry").fields] == [
        ("attempts", "integer", 3),
        ("wait", "number", 0.1),
        ("backoff", "number", 2.0),
        ("max_wait", "number", 30.0),
        ("jitter", "boolean", True),
        ("retry_on", "list", ["builtins.Exception"]),
        ("give_up_on", "list", []),
    ]
    assert [field.name for field in policy_form("fallback").fields] == ["value", "last_good", "key"]


@pytest.mark.parametrize(
    ("name", "values", "fields"),
    [
        ("retry", {}, []),
        ("retry", {"attempts": 0, "jitter": 5}, ["attempts", "jitter"]),
        ("retry", {"retry_on": ["TimeoutError"], "wait": 1}, []),
        ("retry", {"retry_on": [5]}, ["retry_on"]),
        ("rate_limit", {}, ["rate"]),
        ("rate_limit", {"rate": 10, "burst": -1, "key": "{{ params."}, ["burst", "key"]),
        ("circuit_breaker", {"failures": "many"}, ["failures"]),
        ("timeout", {"seconds": float("nan")}, ["seconds"]),
        ("timeout", {"second": 5}, ["second", "seconds"]),
        ("idempotency", {"key": "{{ inputs.order }}", "ttl": 60}, []),
    ],
)
def test_a_form_and_a_document_refuse_the_same(name: str, values: dict[str, Any], fields: list[str]) -> None:
    found = asyncio.run(checked(policy_form(name), values)).problems
    assert sorted(str(problem.field) for problem in found) == fields
    assert bool(read_policies({name: values})[1]) == bool(fields)
