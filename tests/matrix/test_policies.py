"""The same policies around the same nodes, in every way: the same outcomes, after as many attempts (semantics 5).

All in virtual time but for what needs threads. A worker process and a thread are other places of the same work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from tests.matrix.ways import WAYS, Way, on_a_loop

from nodeloom import (
    Batching,
    CircuitBreaker,
    Concurrency,
    Context,
    Deadline,
    Fallback,
    Idempotency,
    Node,
    Policy,
    RateLimit,
    Retry,
    Timeout,
    node,
)


class Work(Node):
    """Does what it is told, try after try: raises an exception, sleeps a number of seconds, or gives outputs.

    Attributes:
        began: when its tries began. most: how many ran at once. gathered: how many a gathered call was for.
    """

    def __init__(self, tries: Sequence[Any] = (), **settings: Any) -> None:
        super().__init__(**settings)
        self.tries = tries
        self.began: list[float] = []
        self.gathered: list[int] = []
        self.inside: list[int] = [0, 0]

    async def work(self, ctx: Context) -> dict[str, Any]:
        self.began.append(asyncio.get_running_loop().time())
        what = self.tries[min(len(self.began), len(self.tries)) - 1]
        self.inside[0] += 1
        self.inside[1] = max(self.inside)
        try:
            if isinstance(what, float):
                await asyncio.sleep(what)
        finally:
            self.inside[0] -= 1
        if isinstance(what, BaseException):
            raise what
        return {"try": len(self.began), "attempt": ctx.attempt}

    async def work_batch(self, items: Sequence[Any]) -> list[dict[str, Any]]:
        self.gathered.append(len(items))
        return [{"text": item["text"].upper()} for item in items]

    def copy(self, **settings: Any) -> Work:
        """In another place, counted together."""
        twin = super().copy(**settings)
        twin.began, twin.gathered, twin.inside = self.began, self.gathered, self.inside
        return twin


BAD = ValueError("no good")
NO_GOOD = "ValueError: no good"
LONG = 1e5


class Case(NamedTuple):
    """Policies, what the work does, and what becomes of so many steps.

    Attributes:
        told: what becomes of each. attempts: how often the work begins.
    """

    name: str
    policies: list[Policy]
    tries: list[Any]
    told: list[Any]
    attempts: int

    def __repr__(self) -> str:
        return self.name


def ok(number: int, attempt: int = 1) -> dict[str, int]:
    return {"try": number, "attempt": attempt}


@node
async def other(inputs: Any) -> dict[str, Any]:
    return {"instead": inputs["text"]}


TIMED_OUT = "StepTimeout: "
TOO_LATE = "DeadlineExceeded: "
OPEN = "CircuitOpen: "
SAID = {"attempt": 0, "try": 0}

CASES = [
    Case("Retry that helps", [Retry(3, wait=1.0)], [BAD, BAD, 0.0], [ok(3, 3)], 3),
    Case("Retry that does not", [Retry(3, wait=1.0)], [BAD], [NO_GOOD], 3),
    Case("Retry of others", [Retry(3, retry_on=(OSError,))], [BAD], [NO_GOOD], 1),
    Case("Retry, thrice", [Retry(2, wait=0.1)], [BAD, 0.0, BAD, 0.0, BAD, 0.0], [ok(2, 2), ok(4, 2), ok(6, 2)], 6),
    Case("Timeout", [Timeout(0.5)], [LONG], [TIMED_OUT], 1),
    Case("Timeout and Retry", [Timeout(0.5), Retry(2, wait=0.1)], [LONG, 0.1], [ok(2, 2)], 2),
    Case("Timeout that is kept", [Timeout(0.5)], [0.1], [ok(1)], 1),
    Case("Deadline", [Deadline(0.5)], [LONG], [TOO_LATE], 1),
    Case(
        "Deadline over Retry", [Retry(1000, wait=0.2, jitter=False, backoff=1.0), Deadline(0.5)], [BAD], [TOO_LATE], 3
    ),
    Case("Fallback to a value", [Fallback(value=SAID)], [BAD], [SAID], 1),
    Case("Fallback to None", [Fallback(value=None)], [BAD], [{}], 1),
    Case("Fallback after Retry", [Fallback(value=SAID), Retry(2, wait=0.1)], [BAD], [SAID], 2),
    Case("Fallback to the last good", [Fallback(last_good=LONG)], [0.0, BAD, BAD], [ok(1), ok(1), ok(1)], 3),
    Case("Fallback to none that is good", [Fallback(last_good=LONG)], [BAD], [NO_GOOD], 1),
    Case("Fallback to a node", [Fallback(node=other.copy())], [BAD], [{"instead": "hello"}], 1),
    Case("CircuitBreaker", [CircuitBreaker(2, reset_after=LONG)], [BAD], [NO_GOOD, NO_GOOD, OPEN, OPEN], 2),
    Case("CircuitBreaker and Retry", [CircuitBreaker(2, reset_after=LONG), Retry(5, wait=0.1)], [BAD], [OPEN, OPEN], 2),
    Case("Idempotency", [Idempotency(key="{{ inputs.text }}", ttl=LONG)], [0.1], [ok(1), ok(1), ok(1)], 1),
    Case("Idempotency by digest", [Idempotency(ttl=LONG)], [0.1], [ok(1), ok(1)], 1),
    Case("Idempotency of a failure", [Idempotency(ttl=LONG)], [BAD], [NO_GOOD, NO_GOOD], 2),
    Case("RateLimit", [RateLimit(1, per=10.0)], [0.0], [ok(1), ok(2), ok(3)], 3),
    Case("Concurrency", [Concurrency(1)], [0.1], [ok(1), ok(2), ok(3)], 3),
]
HERE = [pytest.param(case, way, id=f"{case} - {way}") for case in CASES for way in WAYS]
FAILING = [
    pytest.param(case, way, id=f"{case} - {way}") for case in CASES for way in WAYS if isinstance(case.told[0], str)
]
HELLO = {"text": "hello"}


@pytest.mark.parametrize(("case", "way"), HERE)
def test_policies_do_the_same_in_every_way(case: Case, way: Way) -> None:
    """5.1 to 5.9. 8.1: a batch stands in a Deadline as a whole; here it is of one item."""
    work = Work(case.tries, policies=case.policies)
    told = on_a_loop(lambda: way.run(work, HELLO, len(case.told)), virtual=True)
    assert len(told) == len(case.told)
    for seen, expected in zip(told, case.told, strict=True):
        assert seen.startswith(expected) if isinstance(expected, str) and isinstance(seen, str) else seen == expected
    assert len(work.began) == case.attempts


@pytest.mark.parametrize(("case", "way"), FAILING)
def test_policies_fail_with_the_same_words_in_every_way(case: Case, way: Way) -> None:
    """5.3 to 5.5"""

    def failed(of: Way) -> Any:
        return on_a_loop(lambda: of.run(Work(case.tries, policies=case.policies), HELLO, len(case.told)), virtual=True)

    assert failed(way) == failed(WAYS[0])


@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_a_rate_is_kept_in_every_way(way: Way) -> None:
    """5.6: any window of t seconds admits at most burst + rate * t."""
    work = Work([0.0], policies=[RateLimit(1, per=10.0)])
    on_a_loop(lambda: way.run(work, HELLO, 4, at_once=True), virtual=True)
    assert len(work.began) == 4
    assert all(after - before >= 10.0 - 1e-6 for before, after in zip(work.began, work.began[1:], strict=False))


@pytest.mark.parametrize("way", WAYS, ids=repr)
@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_run_at_once_than_may_in_every_way(way: Way, limit: int) -> None:
    """5.1. 9.1, 10.2: an actor and a ticking node are at one step at a time anyway."""
    work = Work([5.0], policies=[Concurrency(limit)])
    told = on_a_loop(lambda: way.run(work, HELLO, 4, at_once=True), virtual=True)
    assert len(told) == 4
    assert work.inside == [0, limit if way.at_once else 1]


@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_calls_are_gathered_in_every_way(way: Way) -> None:
    """5.8: of steps that run at once. 9.1, 10.2: those of an actor and of a ticking node do not."""
    work = Work(policies=[Batching(size=3, wait=0.1)])
    told = on_a_loop(lambda: way.run(work, HELLO, 3, at_once=True), virtual=True)
    assert told == [{"text": "HELLO"}] * 3
    assert work.gathered == ([3] if way.at_once else [1, 1, 1])


@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_a_flight_is_shared_by_those_who_come_while_it_lasts(way: Way) -> None:
    """5.7"""
    work = Work([1.0], policies=[Idempotency(ttl=LONG)])
    assert on_a_loop(lambda: way.run(work, HELLO, 4, at_once=True), virtual=True) == [ok(1)] * 4
    assert len(work.began) == 1


@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_a_breaker_that_one_way_opened_is_open_in_the_next(way: Way) -> None:
    """5.5: the state is shared by key, across runs, whatever runs them."""
    policies = [CircuitBreaker(2, reset_after=LONG, key="service")]

    async def main() -> Any:
        await WAYS[0].run(Work([BAD], policies=policies), HELLO, 2)
        return await way.run(Work([0.0], policies=policies), HELLO, 1)

    told = on_a_loop(main, virtual=True)
    assert str(told[0]).startswith(OPEN)


@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_work_that_never_awaits_is_retried_where_it_runs(way: Way) -> None:
    """1.6, 5.3: plain work, on a thread."""
    tries: list[int] = []

    @node(policies=[Retry(3, wait=0.001)])
    def plain(ctx: Context) -> dict[str, Any]:
        tries.append(ctx.attempt)
        if ctx.attempt < 3:
            raise BAD
        return {"attempt": ctx.attempt}

    assert on_a_loop(lambda: way.run(plain, HELLO)) == [{"attempt": 3}]
    assert tries == [1, 2, 3]


@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_an_attempt_begins_from_before_the_last_one(way: Way) -> None:
    """4.7, 4.8: memory, inputs and state are those of before."""

    @node(policies=[Retry(3, wait=0.001)], memory=True)
    async def stains(ctx: Context, inputs: Any, state: Any) -> dict[str, Any]:
        seen = {"memory": dict(ctx.memory), "inputs": list(inputs["list"]), "state": list(state["list"])}
        ctx.memory["n"] = ctx.attempt
        inputs["list"].append(ctx.attempt)
        state["list"].append(ctx.attempt)
        if ctx.attempt < 3:
            raise BAD
        return seen

    told = on_a_loop(lambda: way.run(stains, {"list": [0]}), virtual=True)
    assert told == [{"memory": {}, "inputs": [0], "state": [0]}]
