"""Concurrency: at most so many at once, in the order they came."""

from __future__ import annotations

import asyncio
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.policies.surroundings import Work, a_place, a_step, around

from nodeloom.errors import ConcurrencyConflict, DefinitionError, PolicyError, StillRunning
from nodeloom.policies import Concurrency, Retry, Timeout
from nodeloom.policies.limits import MemoryLimits
from nodeloom.policies.slots import Slots
from nodeloom.testing import run_virtual

DONE = {"n": 1}


def test_at_most_so_many_run_at_once():
    """5.1"""
    work = Work(DONE, seconds=1)

    async def main():
        call = around(work, Concurrency(3))
        await asyncio.gather(*(call(a_step()) for _ in range(10)))
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 4
    assert work.most == 3


def test_who_waits_is_served_in_the_order_of_asking():
    """5.1"""
    work = Work(DONE, seconds=1)

    async def main():
        call = around(work, Concurrency(2))
        await asyncio.gather(*(call(a_step(params={"n": n})) for n in range(9)))

    run_virtual(main())
    assert [ctx.params["n"] for ctx in work.contexts] == list(range(9))


async def test_nobody_overtakes_who_waits():
    """5.1 not even who asks at the moment a slot becomes free."""
    slots = Slots(1)
    assert slots.try_acquire()
    waiting = asyncio.create_task(slots.acquire())
    await asyncio.sleep(0)
    slots.release()
    assert not slots.try_acquire()
    await waiting
    slots.release()
    assert slots.try_acquire()


async def test_a_free_slot_is_taken_without_a_wait():
    """5.2"""
    call = around(Work(DONE), Concurrency(1))(a_step())
    with pytest.raises(StopIteration):
        call.send(None)


def test_a_failure_frees_the_slot():
    """5.1"""
    work = Work(OSError(), DONE)

    async def main():
        return await around(work, Concurrency(1), Retry(2))(a_step())

    assert run_virtual(main()) == DONE


def test_waiting_for_the_next_attempt_holds_no_slot():
    """5.1"""
    first, second = Work(OSError(), DONE), Work(DONE)

    async def main():
        place = a_place()
        one = around(first, Retry(2, wait=9, jitter=False), Concurrency(1, key="gpu"), place=place)
        other = around(second, Concurrency(1, key="gpu"), place=place)
        running = asyncio.create_task(one(a_step()))
        await asyncio.sleep(1)
        await other(a_step())
        await running

    run_virtual(main())
    assert second.ended == [1]


async def test_who_is_cancelled_while_waiting_leaves_the_line():
    """2.6"""
    slots = Slots(1)
    slots.try_acquire()
    first, second = asyncio.create_task(slots.acquire()), asyncio.create_task(slots.acquire())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    assert slots.waiting == 1
    slots.release()
    await second
    assert (slots.held, slots.waiting) == (1, 0)


async def test_who_is_cancelled_as_the_slot_is_handed_over_gives_it_back():
    """2.6"""
    slots = Slots(1)
    slots.try_acquire()
    first, second = asyncio.create_task(slots.acquire()), asyncio.create_task(slots.acquire())
    await asyncio.sleep(0)
    slots.release()
    first.cancel()
    await asyncio.wait({first})
    assert first.cancelled()
    await asyncio.wait_for(second, 1)
    slots.release()
    assert slots.held == 0


async def test_a_closed_wait_leaves_the_line():
    """2.6"""
    slots = Slots(1)
    slots.try_acquire()
    waiting = slots.acquire()
    waiting.send(None)
    waiting.close()
    assert slots.waiting == 0


@given(st.integers(1, 3), st.lists(st.tuples(st.integers(0, 6), st.integers(1, 4), st.integers(0, 12)), max_size=12))
def test_slots_are_never_lost_nor_given_twice(limit, steps):
    """5.1 whoever comes, goes and is cancelled at whatever moment."""
    inside = most = 0

    async def hold(slots: Slots, begins: int, takes: int):
        nonlocal inside, most
        await asyncio.sleep(begins)
        await slots.acquire()
        inside, most = inside + 1, max(most, inside + 1)
        try:
            await asyncio.sleep(takes)
        finally:
            inside -= 1
            slots.release()

    async def main():
        slots, loop = Slots(limit), asyncio.get_running_loop()
        running = [asyncio.create_task(hold(slots, begins, takes)) for begins, takes, _ in steps]
        for each, (_, _, cancelled) in zip(running, steps, strict=True):
            if cancelled:
                loop.call_at(cancelled, each.cancel)
        if running:
            await asyncio.wait(running)
        return slots.held, slots.waiting

    assert run_virtual(main()) == (0, 0)
    assert most <= limit


# --- keys


def test_a_key_is_shared_by_all_nodes_of_an_engine():
    """5.1"""
    work = Work(DONE, seconds=1)

    async def main():
        place = a_place()
        calls = [around(work, Concurrency(2, key="gpu"), place=place) for _ in range(3)]
        await asyncio.gather(*(call(a_step()) for call in calls for _ in range(2)))

    run_virtual(main())
    assert work.most == 2


def test_without_a_key_it_is_the_place_of_the_node():
    """5.1"""
    limits = MemoryLimits()
    policy = Concurrency(2)
    call = around(Work(DONE), policy, place=a_place(limits))
    assert limits.slots("web/fetch", 2).free == 2
    with pytest.raises(ConcurrencyConflict):
        limits.slots("web/fetch", 3)
    del call


def test_each_value_of_a_key_has_slots_of_its_own():
    """5.1"""
    work = Work(DONE, seconds=1)

    async def main():
        call = around(work, Concurrency(1, key="{{ params.host }}"))
        await asyncio.gather(*(call(a_step(params={"host": host})) for host in "abcabc"))
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 2
    assert work.most == 3


def test_two_limits_under_one_constant_key_are_refused_when_the_chain_is_built():
    """5.6"""
    place = a_place()
    call = around(Work(DONE), Concurrency(4, key="gpu"), place=place)
    with pytest.raises(ConcurrencyConflict, match="'gpu': 4 and 5 at once"):
        around(Work(DONE), Concurrency(5, key="gpu"), place=place)
    assert isinstance(ConcurrencyConflict("no"), PolicyError)
    del call


async def test_two_limits_under_a_computed_key_are_refused_at_first_use():
    """5.6"""
    place = a_place()
    held = around(Work(DONE, seconds=60), Concurrency(4, key="{{ params.host }}"), place=place)
    running = asyncio.create_task(held(a_step(params={"host": "a"})))
    await asyncio.sleep(0)
    with pytest.raises(ConcurrencyConflict):
        await around(Work(DONE), Concurrency(5, key="a"), place=place)(a_step())
    running.cancel()
    await asyncio.wait({running})


async def test_keys_are_forgotten_when_nobody_holds_or_waits_for_a_slot():
    """3.5"""
    limits = MemoryLimits()
    call = around(Work(DONE), Concurrency(1, key="{{ params.n }}"), place=a_place(limits))
    for n in range(100):
        await call(a_step(params={"n": n}))
    assert len(limits._slots) == 0


# --- threads


async def test_abandoned_work_on_a_thread_keeps_its_slot():
    """5.4"""
    loop = asyncio.get_running_loop()
    threads = []

    async def on_a_thread(ctx):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            threads.append(loop.create_future())
            raise StillRunning("left running", threads[0]) from error

    limits = MemoryLimits()
    call = around(on_a_thread, Timeout(0.01), Concurrency(1), place=a_place(limits))
    slots = limits.slots("web/fetch", 1)
    with pytest.raises(TimeoutError):
        await call(a_step())
    assert slots.held == 1
    threads[0].set_result(None)
    await asyncio.sleep(0)
    assert slots.held == 0


# --- its settings


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "4", None])
def test_bad_limits_are_refused_at_once(limit):
    with pytest.raises(DefinitionError, match=r"Concurrency: limit=.* is not a whole number from 1"):
        Concurrency(limit)


def test_a_bad_key_is_refused_at_once():
    with pytest.raises(DefinitionError, match="Concurrency: key"):
        Concurrency(1, key="{{ 1 + }}")


def test_it_is_a_frozen_definition():
    """1.1"""
    assert Concurrency(4, "gpu") == Concurrency(4, key="gpu") == copy.deepcopy(Concurrency(4, key="gpu"))
    assert Concurrency(4) != Concurrency(4, key="gpu")
    assert repr(Concurrency(4, key="gpu")) == "Concurrency(limit=4, key='gpu')"
    assert hash(Concurrency(4)) == hash(Concurrency(4))
