"""Those of one process who wait for what is shared with others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nodeloom.stores.turnstile import Passed, Turnstile
from nodeloom.testing import run_virtual


class Gate:
    """What is asked: opens at the times that are given, once each.

    Args:
        *opens: seconds. seconds: how long an answer takes.
    """

    def __init__(self, *opens: float, seconds: float = 0.0) -> None:
        self.opens = list(opens)
        self.seconds = seconds
        self.given_back: list[str] = []
        self.left: list[float] = []
        self.asked = 0
        self.error: Exception | None = None
        self.turnstile = Turnstile(self.ask, self.given_back.append, self.leave)

    async def ask(self) -> Passed | float:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        now = asyncio.get_running_loop().time()
        if self.opens and self.opens[0] <= now:
            return Passed(f"{self.opens.pop(0):g}")
        return (self.opens[0] - now) if self.opens else 100.0

    def leave(self) -> None:
        self.left.append(asyncio.get_running_loop().time())

    async def callers(self, count: int) -> list[asyncio.Task[str]]:
        """So many who wait."""
        tasks = [asyncio.create_task(self.turnstile.enter()) for _ in range(count)]
        await asyncio.sleep(0)
        return tasks


def test_they_pass_in_the_order_they_came_with_one_question_at_a_time():
    """5.6 FIFO"""

    async def main():
        gate = Gate(0, 1, 2)
        return await asyncio.gather(*await gate.callers(3)), gate.asked, gate.left, gate.turnstile.is_empty

    assert run_virtual(main()) == (["0", "1", "2"], 5, [], True)


def test_who_is_cancelled_while_waiting_leaves_the_line():
    """5.6"""

    async def main():
        gate = Gate(1, 5)
        first, second = await gate.callers(2)
        await asyncio.sleep(0.5)
        first.cancel()
        return await second, asyncio.get_running_loop().time(), gate.given_back

    assert run_virtual(main()) == ("1", 1.0, [])


def test_what_was_let_through_for_somebody_cancelled_in_that_turn_goes_to_the_next():
    """5.6 never lost"""

    async def main():
        class Cancelling(Turnstile):
            def _pass_on(self, ticket: str) -> None:
                super()._pass_on(ticket)
                first.cancel()

        gate = Gate(1, 5, seconds=0.25)
        gate.turnstile = Cancelling(gate.ask, gate.given_back.append, gate.leave)
        first, second = await gate.callers(2)
        got = await second
        return got, first.cancelled(), gate.given_back

    assert run_virtual(main()) == ("1", True, [])


def test_with_nobody_left_an_answer_on_its_way_is_given_back():
    """5.6 never lost"""

    async def main():
        gate = Gate(0, seconds=1.0)
        (first,) = await gate.callers(1)
        await asyncio.sleep(0.5)
        first.cancel()
        await asyncio.sleep(1)
        return gate.given_back, gate.left, gate.turnstile.is_empty

    assert run_virtual(main()) == (["0"], [], True)


def test_when_all_have_left_the_line_is_left_at_once():
    """5.6"""

    async def main():
        gate = Gate(50)
        callers = await gate.callers(3)
        await asyncio.sleep(1)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        await asyncio.sleep(1)
        return gate.left, gate.turnstile.is_empty

    assert run_virtual(main()) == ([1.0], True)


def test_it_asks_again_when_it_is_woken():
    """5.1"""

    async def main():
        gate = Gate(50)
        (caller,) = await gate.callers(1)
        await asyncio.sleep(1)
        gate.opens = [0]
        gate.turnstile.wake()
        return await caller, asyncio.get_running_loop().time()

    assert run_virtual(main()) == ("0", 1.0)


def test_an_error_is_everybodys_who_waits_and_the_next_to_come_asks_anew():
    """5.6"""

    async def main():
        gate = Gate(0, seconds=0.5)
        gate.error = ConnectionError("down")
        failed: list[Any] = await asyncio.gather(*await gate.callers(3), return_exceptions=True)
        gate.error = None
        return failed, await gate.turnstile.enter()

    failed, again = run_virtual(main())
    assert [(type(each), str(each)) for each in failed] == [(ConnectionError, "down")] * 3
    assert len({id(each) for each in failed}) == 3
    assert again == "0"


def test_who_comes_while_the_others_are_told_is_asked_for_as_well():
    """5.6"""

    async def main():
        gate = Gate(0, 0)
        first = asyncio.create_task(gate.turnstile.enter())
        await first
        return await gate.turnstile.enter()

    assert run_virtual(main()) == "0"


@pytest.mark.parametrize("count", [50])
def test_nothing_is_lost_whoever_leaves(count):
    """5.6 each ticket is somebody's or given back"""

    async def main():
        gate = Gate(*(number / 7 for number in range(count)), seconds=0.01)
        tasks: list[asyncio.Task[str]] = []
        for number in range(count):
            tasks += await gate.callers(1)
            asyncio.get_running_loop().call_later((number * 13 % 17) / 7, tasks[-1].cancel)
            await asyncio.sleep(1 / 14)
        await asyncio.sleep(100)
        got = [task.result() for task in tasks if not task.cancelled()]
        return len(got) + len(gate.given_back) + len(gate.opens), len(got)

    total, got = run_virtual(main())
    assert total == count
    assert got > 0
