"""Policies in a document, read and written."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeloom import node
from nodeloom.errors import DefinitionError
from nodeloom.policies import (
    Batching,
    CircuitBreaker,
    Concurrency,
    Deadline,
    Fallback,
    Idempotency,
    Policy,
    RateLimit,
    Retry,
    Timeout,
)
from nodeloom.policies.settings import HOME_OF, policies_from, read_policies, settings_of


def problems(mapping, where: str = "policies") -> dict[str, str]:
    """What is wrong, by field."""
    return {str(problem.field): problem.message for problem in read_policies(mapping, where)[1]}


def test_a_text_is_the_key_of_an_idempotency():
    assert policies_from({"idempotency": "{{ run.id }}"}) == [Idempotency(key="{{ run.id }}")]
    with pytest.raises(DefinitionError, match=r"idempotency is a text \(key\) or a mapping"):
        policies_from({"idempotency": True})
    with pytest.raises(DefinitionError, match=r"timeout is a number \(seconds\) or a mapping"):
        policies_from({"timeout": "10"})


def test_a_number_is_the_first_setting_and_a_mapping_all_of_them():
    """The form that api.md shows."""
    written = {"retry": 3, "timeout": 10, "rate_limit": {"rate": 10, "per": 1}}
    assert policies_from(written) == [Retry(3), Timeout(10), RateLimit(10, per=1)]


def test_every_policy_can_be_written():
    assert policies_from(
        {
            "fallback": {"value": {"n": 0}},
            "deadline": 30,
            "idempotency": {"key": "{{ inputs.order_id }}", "ttl": 3600},
            "retry": {"attempts": 3, "wait": 0.1, "retry_on": ["OSError", "TimeoutError"], "give_up_on": "KeyError"},
            "batching": {"size": 100, "wait": 0.01},
            "circuit_breaker": {"failures": 5, "reset_after": 30},
            "rate_limit": {"rate": 10, "per": 1, "burst": 10, "key": "{{ params.host }}"},
            "concurrency": {"limit": 4, "key": "gpu"},
            "timeout": 5.5,
        }
    ) == [
        Fallback({"n": 0}),
        Deadline(30),
        Idempotency(key="{{ inputs.order_id }}", ttl=3600),
        Retry(3, wait=0.1, retry_on=("OSError", "TimeoutError"), give_up_on="KeyError"),
        Batching(size=100, wait=0.01),
        CircuitBreaker(5, reset_after=30),
        RateLimit(10, per=1, burst=10, key="{{ params.host }}"),
        Concurrency(4, key="gpu"),
        Timeout(5.5),
    ]


@pytest.mark.parametrize("name", HOME_OF)
def test_each_name_is_that_of_its_layer(name):
    """5.1"""
    needed = dict.fromkeys(("deadline", "rate_limit", "concurrency", "timeout", "batching"), 2)
    settings = {**needed, "fallback": {"value": {}}}
    (policy,) = policies_from({name: settings.get(name, {})})
    assert policy.layer == name


def test_no_settings_are_the_defaults():
    assert policies_from({"retry": {}, "idempotency": {}}) == [Retry(), Idempotency()]
    assert policies_from({}) == []


def test_every_problem_is_told_at_once_with_its_place():
    """12.2"""
    found = problems(
        {
            "retri": 3,
            "retry": "x",
            "timeout": True,
            "deadline": float("nan"),
            "rate_limit": {"per": -1, "bust": 3},
            "concurrency": {"limit": 0, "key": "{{ 1 + }}"},
            "circuit_breaker": None,
        },
        "nodes.fetch.policies",
    )
    assert "did you mean `retry`" in found["nodes.fetch.policies.retri"]
    assert "not 'x'" in found["nodes.fetch.policies.retry"]
    assert "not true" in found["nodes.fetch.policies.timeout"]
    assert "nan is not a number of seconds above 0" in found["nodes.fetch.policies.deadline"]
    assert "needs rate" in found["nodes.fetch.policies.rate_limit"]
    assert "per=-1" in found["nodes.fetch.policies.rate_limit.per"]
    assert "did you mean `burst`" in found["nodes.fetch.policies.rate_limit.bust"]
    assert "limit=0" in found["nodes.fetch.policies.concurrency.limit"]
    assert "character 8" in found["nodes.fetch.policies.concurrency.key"]
    assert "not nothing" in found["nodes.fetch.policies.circuit_breaker"]


@pytest.mark.parametrize("settings", [{"attempt": 3}, {"attempts": 3, "random": 1}, {"wait": -1}])
def test_a_policy_with_a_problem_is_not_given(settings):
    policies, found = read_policies({"retry": settings, "timeout": 5})
    assert policies == [Timeout(5)]
    assert len(found) == 1


def test_policies_from_raises_with_every_problem():
    with pytest.raises(DefinitionError) as caught:
        policies_from({"retri": 3, "timeout": 0})
    assert "policies.retri: there is no policy 'retri'" in str(caught.value)
    assert "policies.timeout: seconds=0 is not a number of seconds above 0" in str(caught.value)


@pytest.mark.parametrize(
    "value", ["x", "3", True, False, 0, -1, -0.5, float("nan"), float("inf"), float("-inf"), None, [], [3], b"3"]
)
@pytest.mark.parametrize("name", ["retry", "timeout", "deadline", "concurrency", "rate_limit", "circuit_breaker"])
def test_a_wrong_value_is_refused_at_its_place(name, value):
    assert list(problems({name: value})) == [f"policies.{name}"]


@pytest.mark.parametrize(
    ("name", "settings", "field"),
    [
        ("retry", {"attempts": 2.5}, "attempts"),
        ("retry", {"wait": "1"}, "wait"),
        ("retry", {"backoff": 0}, "backoff"),
        ("retry", {"jitter": "no"}, "jitter"),
        ("retry", {"retry_on": 3}, "retry_on"),
        ("retry", {"random": 3}, "random"),
        ("retry", {1: 2}, "1"),
        ("concurrency", {"limit": 1, "key": 3}, "key"),
        ("fallback", {"value": 3}, "value"),
        ("fallback", {"node": "other"}, "node"),
        ("timeout", {"seconds": 0}, "seconds"),
        ("timeout", {"second": 1}, "second"),
    ],
)
def test_a_wrong_setting_is_refused_at_its_place(name, settings, field):
    assert f"policies.{name}.{field}" in problems({name: settings})


@pytest.mark.parametrize("mapping", [[], "retry", None, 3, [{"retry": 3}]])
def test_what_is_no_mapping_is_refused(mapping):
    assert "policies are a mapping, as" in problems(mapping)["policies"]


@hypothesis.settings(max_examples=50)
@given(st.dictionaries(st.sampled_from([*HOME_OF, "x"]) | st.text(max_size=5), st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["attempts", "key", "seconds", "rate", "limit", "value", "wait"]), inner),
    max_leaves=5,
), max_size=4))  # fmt: skip
def test_whatever_a_document_says_gives_policies_or_problems(mapping):
    for name, given_settings in mapping.items():
        policies, found = read_policies({name: given_settings})
        assert len(policies) == (0 if found else 1)
        assert all((problem.field or "").startswith(f"policies.{name}") and problem.message for problem in found)


# --- the way back


def test_policies_are_written_as_they_are_read():
    policies = [
        Retry(3),
        Timeout(10),
        RateLimit(10, per=2, key="{{ params.host }}"),
        Concurrency(4),
        Fallback({"n": [1]}),
        Retry(5, wait=1.5),
    ]
    assert settings_of(policies[:5]) == {
        "fallback": {"value": {"n": [1]}},
        "retry": 3,
        "rate_limit": {"rate": 10, "per": 2, "key": "{{ params.host }}"},
        "concurrency": 4,
        "timeout": 10,
    }
    assert settings_of(policies[5:]) == {"retry": {"attempts": 5, "wait": 1.5}}


@pytest.mark.parametrize(
    "policy",
    [
        Retry(4, wait=1, backoff=3.0, max_wait=9, jitter=False, retry_on="OSError", give_up_on=("a.B", "KeyError")),
        Fallback(None),
        Fallback(last_good=60, key="{{ params.host }}"),
        Concurrency(4, key="gpu"),
        RateLimit(10, per=1.5, burst=3, key="a"),
        CircuitBreaker(3, reset_after=9.0, key="a"),
        Idempotency(key="{{ inputs.id }}", ttl=60),
        Idempotency(),
        Batching(size=7, wait=0.5),
        Deadline(30),
        Timeout(0.25),
    ],
)
def test_what_is_written_reads_as_the_same(policy):
    assert policies_from(settings_of([policy])) == [policy]


def test_classes_are_written_by_name():
    """2.2 as on error edges."""
    assert settings_of([Retry(2, retry_on=(OSError, DefinitionError))]) == {
        "retry": {"attempts": 2, "retry_on": ["builtins.OSError", "nodeloom.errors.DefinitionError"]}
    }


@node
async def other():
    return {}


class Own(Policy):
    """A policy of an author's own."""


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (Retry(retry_on=lambda error: True), "retry_on=.* of Retry cannot be written"),
        (
            Retry(retry_on=type("Local", (Exception,), {"__qualname__": "f.<locals>.Local"})),
            "a class within a function",
        ),
        (Concurrency(1, key=lambda ctx: "a"), "key=.* of Concurrency cannot be written"),
        (Fallback(node=other), "a node is given in Python"),
        (Own(), "is a policy of an author's own"),
        (type("Mine", (Retry,), {})(3), "is a policy of an author's own"),
    ],
)
def test_what_only_python_can_say_is_refused_with_the_reason(policy, said):
    with pytest.raises(DefinitionError, match=said):
        settings_of([policy])
