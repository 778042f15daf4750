"""Deadline bounds a whole step: its attempts, and all its waits."""

from __future__ import annotations

import asyncio

from tests.policies.surroundings import Work, a_step, around

from nodeloom.errors import DeadlineExceeded, StepError, StepTimeout
from nodeloom.policies import Concurrency, Deadline, Fallback, RateLimit, Retry, Timeout
from nodeloom.testing import run_virtual

DONE = {"n": 1}


def exceeding(work, *policies, calls: int = 1):
    """What the last of the calls failed with, and at what time."""

    async def main():
        call = around(work, *policies)
        results = await asyncio.gather(*(call(a_step()) for _ in range(calls)), return_exceptions=True)
        return results[-1], asyncio.get_running_loop().time()

    return run_virtual(main())


def test_a_step_that_takes_too_long_fails():
    """5.4"""
    work = Work(DONE, seconds=60)
    error, time = exceeding(work, Deadline(30))
    assert type(error) is DeadlineExceeded
    assert isinstance(error, TimeoutError)
    assert isinstance(error, StepError)
    assert error.code == "deadline_exceeded"
    assert str(error) == "node fetch was not done within its 30 s (Deadline)"
    assert time == 30
    assert work.ended == [30]


def test_a_step_that_is_in_time_is_left_alone():
    """5.4"""
    assert exceeding(Work(DONE, seconds=29), Deadline(30)) == (DONE, 29)


def test_it_bounds_all_attempts_together():
    """5.4"""
    work = Work(DONE, seconds=60)
    error, time = exceeding(work, Retry(100, wait=0), Timeout(10), Deadline(35))
    assert type(error) is DeadlineExceeded
    assert time == 35
    assert work.begun == [0, 10, 20, 30]


def test_it_bounds_the_wait_for_the_next_attempt():
    """5.4"""
    work = Work(OSError())
    error, time = exceeding(work, Retry(2, wait=60, max_wait=60, jitter=False), Deadline(5))
    assert type(error) is DeadlineExceeded
    assert (time, work.count) == (5, 1)


def test_it_bounds_the_wait_for_a_slot():
    """5.4"""
    work = Work(DONE, seconds=4)
    error, time = exceeding(work, Concurrency(1), Deadline(5), calls=3)
    assert type(error) is DeadlineExceeded
    assert (time, work.count) == (5, 2)


def test_it_bounds_the_wait_for_a_token():
    """5.4"""
    work = Work(DONE)
    error, time = exceeding(work, RateLimit(1, per=4), Deadline(5), calls=3)
    assert type(error) is DeadlineExceeded
    assert (time, work.count) == (5, 2)


def test_it_is_not_retried():
    """5.1 it stands outside of retry."""
    work = Work(DONE, seconds=60)
    exceeding(work, Deadline(5), Retry(3, retry_on=TimeoutError))
    assert work.count == 1


def test_a_fallback_stands_outside_of_it():
    """5.1"""
    assert exceeding(Work(DONE, seconds=60), Deadline(5), Fallback({"n": 0})) == ({"n": 0}, 5)


def test_an_attempt_that_times_out_before_it_is_the_attempts():
    """5.4"""
    error, _ = exceeding(Work(DONE, seconds=60), Timeout(3), Deadline(5))
    assert type(error) is StepTimeout


def test_each_step_has_its_own():
    """1.2"""
    work = Work(DONE, seconds=4)

    async def main():
        call = around(work, Deadline(5))
        return [await call(a_step()) for _ in range(5)]

    assert run_virtual(main()) == [DONE] * 5
