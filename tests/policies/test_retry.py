"""Retry: the only layer that tries again."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import gc
import weakref
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.policies.surroundings import Work, a_step, around

from nodeloom import Context, Graph, node
from nodeloom.errors import (
    CircuitOpen,
    DefinitionError,
    EngineClosed,
    FrozenDefinition,
    NodeloomError,
    ParamsError,
    PolicyError,
    RateLimitConflict,
    RetryAfter,
    RunFailed,
    StepError,
)
from nodeloom.library.http_errors import HttpStatusError
from nodeloom.model.run import ErrorInfo, RunResult
from nodeloom.model.values import EMPTY
from nodeloom.policies import Concurrency, Deadline, Retry, Timeout
from nodeloom.policies.retry import attempts_of
from nodeloom.testing import run_virtual

DONE = {"n": 1}


def tried(policy: Retry, work: Work, *others, step=None):
    """What the work returned, in virtual time."""

    async def main():
        return await around(work, policy, *others)(step or a_step())

    return run_virtual(main())


def waits(work: Work) -> list[float]:
    """The seconds between the tries."""
    return [round(begun - ended, 6) for ended, begun in zip(work.ended[:-1], work.begun[1:], strict=True)]


def test_it_tries_again_until_an_attempt_succeeds():
    """5.3"""
    work = Work(OSError("a"), OSError("b"), DONE)
    assert tried(Retry(3), work) == DONE
    assert work.count == 3


def test_attempts_are_counted_with_the_first():
    """5.3 total attempts"""
    work = Work(OSError("always"))
    with pytest.raises(OSError, match="always"):
        tried(Retry(4), work)
    assert work.count == 4


def test_one_attempt_is_no_retry():
    """5.3"""
    work = Work(OSError("once"))
    with pytest.raises(OSError, match="once"):
        tried(Retry(1), work)
    assert work.count == 1


def test_the_last_error_is_the_steps_error():
    """5.3"""
    last = ValueError("last")
    with pytest.raises(ValueError) as caught:
        tried(Retry(3), Work(OSError("a"), KeyError("b"), last))
    assert caught.value is last


def test_each_attempt_knows_its_number():
    """1.3"""
    work = Work(OSError(), OSError(), DONE)
    tried(Retry(3), work)
    assert [ctx.attempt for ctx in work.contexts] == [1, 2, 3]


def test_waits_grow_exponentially_up_to_the_longest():
    """5.3"""
    work = Work(OSError())
    with pytest.raises(OSError):
        tried(Retry(6, wait=1.0, backoff=2.0, max_wait=5.0, jitter=False), work)
    assert waits(work) == [1, 2, 4, 5, 5]


def test_full_jitter_waits_between_nothing_and_the_bound():
    """5.3"""
    chances = iter([0.0, 0.25, 1.0])
    work = Work(OSError())
    with pytest.raises(OSError):
        tried(Retry(4, wait=1.0, random=lambda: next(chances)), work)
    assert waits(work) == [0, 0.5, 4]


def test_jitter_is_the_default_and_differs():
    """5.3"""

    def once() -> float:
        work = Work(OSError(), DONE)
        tried(Retry(2, wait=30.0), work)
        return waits(work)[0]

    seen = {once() for _ in range(10)}
    assert len(seen) > 1
    assert all(0 <= wait <= 30 for wait in seen)


@given(st.integers(1, 40), st.floats(0, 10), st.floats(1, 1e6), st.floats(10, 100), st.floats(0, 1))
def test_no_wait_is_ever_longer_than_the_longest(attempts, wait, backoff, max_wait, chance):
    """5.3 whatever the settings, and however many attempts."""
    work = Work(OSError())
    policy = Retry(attempts, wait=wait, backoff=backoff, max_wait=max_wait, random=lambda: chance)
    with pytest.raises(OSError):
        tried(policy, work)
    assert work.count == attempts
    assert all(each <= max_wait + 1e-6 for each in waits(work))


# --- what is retried


class Busy(Exception):
    """An error of somebody's own."""


class VeryBusy(Busy):
    """A kind of it."""


QUALIFIED = f"{__name__}.Busy"


@pytest.mark.parametrize("meant", [Busy, (Busy,), "Busy", QUALIFIED, ("KeyError", "Busy"), lambda error: True, [Busy]])
def test_errors_are_named_by_class_by_name_or_told_by_a_function(meant):
    """5.3; a name matches along the MRO, plain or qualified, as on an error edge (2.5)."""
    for error in (Busy(), VeryBusy()):
        work = Work(error, DONE)
        assert tried(Retry(2, retry_on=meant), work) == DONE


@pytest.mark.parametrize("meant", [KeyError, "KeyError", "usy", lambda error: isinstance(error, KeyError)])
def test_other_errors_are_not_retried(meant):
    """5.3"""
    work = Work(Busy(), DONE)
    with pytest.raises(Busy):
        tried(Retry(2, retry_on=meant), work)
    assert work.count == 1


@pytest.mark.parametrize("meant", [VeryBusy, "VeryBusy", (KeyError, VeryBusy), lambda error: type(error) is VeryBusy])
def test_give_up_on_takes_out_what_retry_on_names(meant):
    """5.3"""
    policy = Retry(2, retry_on=Busy, give_up_on=meant)
    assert tried(policy, Work(Busy(), DONE)) == DONE
    work = Work(VeryBusy(), DONE)
    with pytest.raises(VeryBusy):
        tried(policy, work)
    assert work.count == 1


def test_what_failed_in_a_graph_inside_counts_as_what_failed():
    """2.5 names match what failed inside, as they do on an error edge."""
    info = ErrorInfo("Busy", "busy", "no", "inner", False, ("Busy", QUALIFIED, "Exception"))
    result = RunResult("run-1", "failed", EMPTY, EMPTY, EMPTY, 1, info)
    failed = RunFailed("inner failed", result)
    assert tried(Retry(2, retry_on=Busy), Work(failed, DONE)) == DONE
    work = Work(failed, DONE)
    with pytest.raises(RunFailed):
        tried(Retry(2, retry_on=KeyError), work)
    assert work.count == 1


def test_a_function_that_fails_itself_is_told():
    def tells(error):
        raise KeyError("oops")

    with pytest.raises(PolicyError, match=r"tells.*failed itself with KeyError: 'oops'"):
        tried(Retry(2, retry_on=tells), Work(Busy()))


@pytest.mark.parametrize(
    "error",
    [
        CircuitOpen("open"),
        DefinitionError("wrong"),
        FrozenDefinition("wrong"),
        ParamsError("wrong"),
        PolicyError("wrong"),
        RateLimitConflict("wrong"),
        EngineClosed("closed"),
    ],
)
def test_an_open_breaker_and_an_authors_mistake_are_never_retried(error):
    """5.3 whatever retry_on says."""
    work = Work(error, DONE)
    with pytest.raises(type(error)):
        tried(Retry(3, retry_on=(Exception, NodeloomError, type(error))), work)
    assert work.count == 1


async def test_cancellation_is_never_retried():
    """5.3"""
    work = Work(DONE, seconds=60)
    running = asyncio.create_task(around(work, Retry(3))(a_step()))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert work.count == 1


async def test_a_cancellation_that_work_turned_into_a_failure_is_not_retried():
    """5.3"""
    tries: list[int] = []

    async def work(ctx):
        tries.append(ctx.attempt)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ValueError("tidied up badly") from None

    running = asyncio.create_task(around(work, Retry(3, wait=0))(a_step()))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(ValueError, match="tidied"):
        await running
    assert tries == [1]


async def test_cancelling_ends_the_wait_at_once():
    """2.6"""
    work = Work(OSError())
    running = asyncio.create_task(around(work, Retry(3, wait=60, max_wait=60, jitter=False))(a_step()))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert work.count == 1


# --- Retry-After


def test_what_asks_for_a_later_retry_is_waited_for():
    """5.3 honours RetryAfter."""
    work = Work(RetryAfter(7, "loading"), DONE)
    assert tried(Retry(2), work) == DONE
    assert waits(work) == [7]


def test_any_error_with_a_number_of_seconds_asks():
    """5.3"""

    class Throttled(Exception):
        retry_after = 3.5

    work = Work(Throttled(), DONE)
    assert tried(Retry(2), work) == DONE
    assert waits(work) == [3.5]


def test_it_waits_as_long_as_asked_even_past_the_longest_wait():
    """5.3 coming back earlier is what was refused."""
    work = Work(RetryAfter(90), DONE)
    assert tried(Retry(2, wait=1, max_wait=2, jitter=False), work) == DONE
    assert waits(work) == [90]


def test_the_longer_of_both_waits_counts():
    """5.3"""
    work = Work(RetryAfter(0.5), DONE)
    assert tried(Retry(2, wait=1, jitter=False), work) == DONE
    assert waits(work) == [1]


@pytest.mark.parametrize("asked", [None, "20", True, float("nan"), float("inf"), -3, object()])
def test_what_is_no_number_of_seconds_asks_for_nothing(asked):
    """5.3"""
    error = OSError()
    error.retry_after = asked  # type: ignore[attr-defined]
    work = Work(error, DONE)
    assert tried(Retry(2, wait=1, jitter=False), work) == DONE
    assert waits(work) == [1]


def test_no_wait_goes_past_the_deadline_of_the_step():
    """5.4"""

    async def main():
        step, loop = a_step(), asyncio.get_running_loop()
        with pytest.raises(TimeoutError, match="Deadline") as caught:
            await around(Work(RetryAfter(90, "busy")), Retry(2), Deadline(5))(step)
        assert loop.time() == 5
        return caught.value

    error = run_virtual(main())
    assert isinstance(error.__cause__, asyncio.CancelledError)
    assert "busy" in str(error.__cause__.__cause__), "what the wait was for is told"


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), True])
def test_retry_after_takes_seconds(seconds):
    with pytest.raises(ValueError, match="seconds"):
        RetryAfter(seconds)


def test_retry_after_is_a_step_error_that_says_why():
    error = RetryAfter(20, "the model is loading")
    assert isinstance(error, StepError)
    assert (error.code, error.retryable, error.retry_after) == ("retry_after", True, 20)
    assert str(error) == "the model is loading"
    assert str(RetryAfter(1.5)) == "to be tried again after 1.5 s"


# --- what is told


def test_a_retry_is_announced_before_its_wait():
    """1.7"""
    step = a_step()
    tried(Retry(3, wait=2, jitter=False), Work(OSError("away"), KeyError("k"), DONE), step=step)
    (first, attempt, data), (_, second, _) = step.live.events
    assert (first, attempt, second) == ("step_retried", 2, 3)
    assert data["wait"] == 2
    assert data["error"]["type"] == "OSError"
    assert data["error"]["message"] == "away"


def test_what_is_not_retried_is_not_announced():
    """1.7"""
    step = a_step()
    with pytest.raises(OSError):
        tried(Retry(1), Work(OSError()), step=step)
    assert step.live.events == []


@pytest.mark.parametrize(("attempts", "retry_on", "made"), [(3, Exception, 3), (3, KeyError, 1), (1, Exception, 1)])
def test_the_error_tells_how_many_attempts_were_made(attempts, retry_on, made):
    """8.2"""
    with pytest.raises(OSError) as caught:
        tried(Retry(attempts, retry_on=retry_on), Work(OSError()))
    assert attempts_of(caught.value) == made


def test_without_a_retry_there_was_one_attempt():
    """8.2"""
    assert attempts_of(OSError()) == 1


def test_an_error_that_cannot_be_changed_tells_its_attempts_too():
    """8.2"""

    @dataclass(frozen=True)
    class Frozen(Exception):
        reason: str

    with pytest.raises(Frozen) as caught:
        tried(Retry(2), Work(Frozen("no")))
    assert attempts_of(caught.value) == 2


def test_a_timeout_of_an_attempt_is_retried_and_waits_do_not_count():
    """5.4"""
    work = Work(OSError(), DONE, seconds=4)
    assert tried(Retry(2, wait=30, jitter=False), work, Timeout(5)) == DONE

    slow = Work(DONE, seconds=6)
    with pytest.raises(TimeoutError):
        tried(Retry(3, retry_on=TimeoutError), slow, Timeout(5))
    assert slow.count == 3


# --- its settings


def test_bad_settings_are_refused_all_at_once():
    with pytest.raises(DefinitionError) as caught:
        Retry(0, wait=-1, backoff=0.5, max_wait=float("inf"), jitter=1, retry_on=3, give_up_on=[BaseException])  # type: ignore[arg-type, list-item]
    for name in ("attempts=0", "wait=-1", "backoff=0.5", "max_wait=inf", "jitter=1", "retry_on=3", "give_up_on="):
        assert name in str(caught.value)
    assert str(caught.value).startswith("Retry: ")


@pytest.mark.parametrize("attempts", [True, 2.0, "3", None, -1])
def test_attempts_are_a_whole_number(attempts):
    with pytest.raises(DefinitionError, match=f"attempts={attempts!r} is not a whole number from 1"):
        Retry(attempts)


def test_a_wait_longer_than_the_longest_is_refused():
    with pytest.raises(DefinitionError, match="wait=60 is longer than max_wait=30"):
        Retry(2, wait=60)


@pytest.mark.parametrize("meant", [asyncio.CancelledError, int, "", "x y", "a.", object(), [3], None])
def test_what_names_no_error_is_refused(meant):
    with pytest.raises(DefinitionError, match="retry_on="):
        Retry(retry_on=meant)


def test_an_async_function_of_the_error_is_refused():
    async def tells(error):
        return True

    with pytest.raises(DefinitionError, match="must not be async"):
        Retry(retry_on=tells)  # type: ignore[arg-type]


def test_it_is_a_frozen_definition():
    """1.1"""
    policy = Retry(5, wait=1)
    assert policy == Retry(5, wait=1.0)
    assert policy != Retry(4, wait=1)
    assert Retry(retry_on=OSError) == Retry(retry_on=[OSError])
    assert copy.copy(policy) == copy.deepcopy(policy) == policy
    assert repr(policy) == "Retry(attempts=5, wait=1)"
    assert hash(policy) == hash(Retry(5, wait=1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.attempts = 6  # type: ignore[misc]


@pytest.mark.parametrize("attempts", [1, 3])
async def test_failures_are_let_go_with_their_step(attempts):
    """3.5 without the garbage collector: an error holds frames, and they hold what the step held."""
    raised: list[weakref.ref[Busy]] = []

    async def work(ctx):
        await asyncio.sleep(0)
        error = Busy()
        raised.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    gc.collect()
    gc.disable()
    try:
        with suppress(Busy):
            await around(work, Retry(attempts, wait=0), Timeout(5), Deadline(9), Concurrency(1))(a_step())
        assert [error() for error in raised] == [None] * attempts
    finally:
        gc.enable()


def test_runs_beside_one_another_count_for_themselves():
    """1.2"""
    policy = Retry(3, wait=1, jitter=False)
    first, second = Work(OSError(), OSError(), DONE, seconds=0.3), Work(OSError(), OSError(), DONE, seconds=0.7)

    async def main():
        return await asyncio.gather(around(first, policy)(a_step()), around(second, policy)(a_step()))

    assert run_virtual(main()) == [DONE, DONE]
    assert (first.count, second.count) == (3, 3)
    assert waits(first) == waits(second) == [1, 2]


class Unnamed(NodeloomError):
    """Says nothing of trying again: what it has from the root is nobody's word."""


class Final(Unnamed):
    retryable = False


class Helpful(Final):
    retryable = True


class Said(Unnamed):
    def __init__(self, retryable: bool) -> None:
        super().__init__("said")
        self.retryable = retryable


@pytest.mark.parametrize(
    ("error", "settings", "tries"),
    [
        (Unnamed(), {}, 3),
        (Final(), {}, 1),
        (Helpful(), {}, 3),
        (Said(False), {}, 1),
        (Said(True), {}, 3),
        (Final(), {"retry_on": (Exception,)}, 1),
        (Final(), {"retry_on": ("Exception", OSError)}, 1),
        (Final(), {"retry_on": (Final,)}, 3),
        (Final(), {"retry_on": "Unnamed"}, 3),
        (Final(), {"retry_on": lambda error: True}, 3),
        (HttpStatusError("404", 404), {}, 1),
        (HttpStatusError("503", 503), {}, 3),
    ],
)
def test_an_error_that_says_itself_that_it_is_final_has_to_be_named(error: Exception, settings: Any, tries: int):
    """5.3"""

    async def main():
        work = Work(error)
        with pytest.raises(type(error)):
            await around(work, Retry(3, wait=0.0, **settings))(a_step())
        return work.count

    assert run_virtual(main()) == tries


def test_what_failed_in_a_graph_as_a_node_is_asked_and_waited_for():
    """5.3: RetryAfter of an inner node, and functions of the error, mean the inner error."""
    seen: list[Exception] = []
    began: list[float] = []

    @node
    async def asks(ctx: Context):
        began.append(asyncio.get_running_loop().time())
        raise RetryAfter(20)

    def again(error: Exception) -> bool:
        seen.append(error)
        return True

    inner = Graph(asks, name="inner")
    step = inner.as_node(policies=[Retry(2, wait=0.0, retry_on=again)])
    with pytest.raises(RunFailed):
        run_virtual(Graph(step, name="outer").run())
    assert [type(error) for error in seen] == [RetryAfter]
    assert began[1] - began[0] == 20


def test_an_absurd_time_that_an_error_asks_for_is_a_year():
    """5.3"""

    async def main():
        step = a_step()
        asked = asyncio.create_task(around(Work(RetryAfter(1e300)), Retry(2))(step))
        await asyncio.sleep(1)
        asked.cancel()
        await asyncio.wait({asked})
        return step.live.events

    ((kind, _, data),) = run_virtual(main())
    assert (kind, data["wait"]) == ("step_retried", 31_536_000.0)
