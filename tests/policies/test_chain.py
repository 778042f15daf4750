"""The chain: a node's policies as one call, in one fixed order."""

from __future__ import annotations

import itertools

import pytest
from tests.policies.surroundings import NAMES, Work, a_place, a_step, around

from nodeloom import Node, Params
from nodeloom.errors import ConcurrencyConflict, DefinitionError, RateLimitConflict
from nodeloom.policies import Batching, Concurrency, Deadline, Fallback, Policy, RateLimit, Retry, Timeout
from nodeloom.policies.chain import chain, check_policies, ordered, policy_problems
from nodeloom.policies.policy import Handler, Place

DONE = {"n": 1}
LAYERS = (
    "step",
    "fallback",
    "deadline",
    "idempotency",
    "retry",
    "attempt",
    "batching",
    "circuit_breaker",
    "rate_limit",
    "concurrency",
    "timeout",
    "work",
)


def marking(name: str, seen: list[str]) -> Policy:
    """A policy that stands in a layer, and tells when it is passed."""

    class Marking(Policy):
        layer = name  # type: ignore[assignment]

        async def apply(self, call, ctx):
            seen.append(name)
            return await call(ctx)

    return Marking()


class Stamp(Policy):
    """A policy of an author's own."""

    def __init__(self, text: str) -> None:
        self.text = text

    async def apply(self, call, ctx):
        return {**await call(ctx), "stamp": self.text}

    def __eq__(self, other):
        return isinstance(other, Stamp) and other.text == self.text

    def __hash__(self):
        return hash(self.text)


# --- the order


async def test_policies_stand_in_one_fixed_order_whatever_order_they_are_listed_in():
    """5.1"""
    node = type("Gathering", (), {"identifier": "g", "work_batch": lambda self, items: None})()
    for turn in range(len(LAYERS)):
        seen: list[str] = []
        listed = [marking(name, seen) for name in (*LAYERS[turn:], *LAYERS[:turn])[::-1]]
        await around(Work(DONE), *listed, place=a_place(node=node))(a_step())
        assert tuple(seen) == LAYERS


async def test_every_order_of_the_same_policies_does_the_same():
    """5.1"""
    policies = [Retry(2, wait=0), Timeout(5), Fallback({"n": 0}), Concurrency(1)]
    results = []
    for listed in itertools.permutations(policies):
        work = Work(OSError())
        results.append((await around(work, *listed)(a_step()), work.count))
    assert results == [({"n": 0}, 2)] * 24


def test_ordered_gives_the_outermost_first():
    """5.1"""
    policies = [Timeout(5), Retry(2), Fallback({}), Deadline(9)]
    assert [policy.layer for policy in ordered(policies)] == ["fallback", "deadline", "retry", "timeout"]


def test_without_policies_it_is_the_call_itself():
    """5.2"""
    work = Work(DONE)
    assert chain([], work, a_place()) is work


async def test_it_is_built_once():
    """5.2"""
    built: list[str] = []

    class Counted(Policy):
        def around(self, call: Handler, place: Place) -> Handler:
            built.append(place.key)
            return call

    call = around(Work(DONE), Counted())
    for _ in range(3):
        await call(a_step())
    assert built == ["web/fetch"]


# --- policies of an author's own


async def test_an_own_policy_stands_around_everything_unless_it_says_otherwise():
    """5.1"""
    assert await around(Work(OSError()), Fallback({"n": 0}), Stamp("seen"))(a_step()) == {"n": 0, "stamp": "seen"}


async def test_an_own_policy_may_stand_around_each_attempt():
    """5.1"""
    seen: list[str] = []
    await around(Work(OSError(), DONE), Retry(2, wait=0), marking("attempt", seen))(a_step())
    assert seen == ["attempt", "attempt"]


async def test_several_of_ones_own_stand_in_the_order_they_are_listed():
    """5.1"""
    assert (await around(Work(DONE), Stamp("outer"), Stamp("inner"))(a_step()))["stamp"] == "outer"


async def test_an_own_policy_may_not_call_at_all_or_call_again():
    """5.1"""

    class Never(Policy):
        async def apply(self, call, ctx):
            return {"n": 0}

    class Twice(Policy):
        async def apply(self, call, ctx):
            await call(ctx)
            return await call(ctx)

    work = Work(DONE)
    assert await around(work, Never())(a_step()) == {"n": 0}
    assert work.count == 0
    await around(work, Twice())(a_step())
    assert work.count == 2


# --- what is refused


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        (Retry(3), r"are a list, as \[Retry\(3\), Timeout\(10\)\]"),
        ({"retry": 3}, "are a list"),
        ("retry", "are a list"),
        (None, "are a list"),
        ([Retry], r"is no policy \(a class: give Retry\(...\)\)"),
        ([3], "3 is no policy"),
        ([Retry(3), Retry(4)], r"Retry\(attempts=3\) and Retry\(attempts=4\) are both retry"),
        ([Timeout(3), Retry(2), Timeout(3)], "are both timeout"),
        ([Stamp("a"), Stamp("a")], "are both step"),
        ([marking("works", [])], "layer 'works' of Marking is none of .*did you mean `work`"),
    ],
)
def test_what_cannot_be_a_nodes_policies_is_refused_where_it_is_written(policies, said):
    """5.1"""
    with pytest.raises(DefinitionError, match=said) as caught:
        check_policies(policies, "fetch")
    assert str(caught.value).startswith("policies of node fetch")


def test_an_own_retry_is_a_retry():
    """5.1 one of a kind, also where one is made from the other."""

    class Patient(Retry):
        pass

    with pytest.raises(DefinitionError, match="are both retry"):
        check_policies([Patient(9), Retry(3)], "fetch")


def test_sound_policies_are_given_as_a_tuple():
    """1.1"""
    policies = [Stamp("a"), Retry(3), Stamp("b")]
    assert check_policies(policies, "fetch") == tuple(policies)
    assert check_policies([], "fetch") == ()


def test_the_chain_refuses_what_the_constructor_would():
    """5.1"""
    with pytest.raises(DefinitionError, match=r"policies of node fetch: .* are both retry"):
        chain([Retry(3), Retry(3)], Work(DONE), a_place())


def test_unknown_names_in_keys_are_refused_all_at_once():
    """12.2 each with its policy and position."""
    policies = [RateLimit(1, key="{{ parms.a }}"), Concurrency(1, key="{{ output.a }}")]
    with pytest.raises(DefinitionError) as caught:
        chain(policies, Work(DONE), a_place())
    text = str(caught.value)
    assert "RateLimit: key: there is no name `parms`" in text
    assert "Concurrency: key: there is no name `output`" in text
    assert "did you mean `outputs`" in text
    assert "at character 4" in text


def test_unknown_params_are_refused_where_the_node_declares_them():
    """12.2"""

    class Fetch(Node):
        class Params(Params):
            host: str = "a"

        async def work(self):
            return None

    place = a_place(node=Fetch())
    with pytest.raises(DefinitionError, match="`params` has no `hots`; it has host; did you mean `host`"):
        chain([RateLimit(1, key="{{ params.hots }}")], Work(DONE), place)
    chain([RateLimit(1, key="{{ params.host }}")], Work(DONE), place)


def test_limits_that_contradict_are_refused():
    """5.6"""
    place = a_place()
    kept = [
        around(Work(DONE), Concurrency(4, key="gpu"), place=place),
        around(Work(DONE), RateLimit(4, key="gpu"), place=place),
    ]
    with pytest.raises(ConcurrencyConflict):
        around(Work(DONE), Concurrency(5, key="gpu"), place=place)
    with pytest.raises(RateLimitConflict):
        around(Work(DONE), RateLimit(5, key="gpu"), place=place)
    del kept


# --- with batching


class Gathering:
    """A node that takes many calls at once."""

    identifier = "tests.gathering"
    memory = False
    isolation = "thread"

    async def work_batch(self, items):
        return items


def test_batching_needs_a_node_that_takes_many_calls():
    """5.8"""
    with pytest.raises(DefinitionError, match=r"policies of node fetch: Batching: .* has no work_batch"):
        chain([Batching(size=10)], Work(DONE), a_place())
    assert policy_problems([Batching(size=10)], NAMES) == []
    assert policy_problems([Batching(size=10)], NAMES, Gathering()) == []


def test_inside_batching_keys_use_params_only():
    """5.1"""
    place = a_place(node=Gathering())
    with pytest.raises(DefinitionError, match=r"RateLimit \(.* uses params only\): key: there is no name `inputs`"):
        chain([Batching(size=10), RateLimit(1, key="{{ inputs.host }}")], Work(DONE), place)
    chain([Batching(size=10), RateLimit(1, key="{{ params.host }}")], Work(DONE), place)
    chain([RateLimit(1, key="{{ inputs.host }}")], Work(DONE), place)
