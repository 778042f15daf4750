"""What functions answered: kept for a while, and asked once however many ask at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .field import NOTHING

__all__ = ["Answers"]

MOST = 1_000
"""How many answers are kept for one form; the oldest go first."""


class Answers:
    """The answers of one form's functions on one event loop, each kept for its time to live."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[float, Any]] = {}
        self._flights: dict[Any, Flight] = {}

    def known(self, key: Any) -> Any:
        """A kept answer, or `NOTHING`."""
        kept = self._known.get(key)
        return kept[1] if kept is not None and kept[0] > asyncio.get_running_loop().time() else NOTHING

    async def ask(self, key: Any, ttl: float, call: Callable[[], Awaitable[Any]]) -> Any:
        """The answer to a question; who asks while it is asked already waits for the same answer.

        Args:
            key: what is asked; None where that cannot be told from other questions. ttl: seconds to keep the answer;
                a failure is not kept. call: asks.
        """
        if key is None:
            return await call()
        answer = self.known(key)
        if answer is not NOTHING:
            return answer
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = Flight(asyncio.ensure_future(call()))
        flight.waiting += 1
        try:
            answer = await asyncio.shield(flight.asked)
            self._keep(key, ttl, answer)
            return answer
        finally:
            flight.waiting -= 1
            if not flight.waiting or flight.asked.done():
                self._let_go(key, flight)

    def _let_go(self, key: Any, flight: Flight) -> None:
        """Nobody waits for it any more, or it has landed: who asks from now on asks anew."""
        flight.asked.cancel()
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _keep(self, key: Any, ttl: float, answer: Any) -> None:
        if ttl <= 0:
            return
        self._known.pop(key, None)
        self._known[key] = (asyncio.get_running_loop().time() + ttl, answer)
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]


class Flight:
    """A question under way. It belongs to all who wait for it: the last one who leaves cancels it.

    Attributes:
        asked: the question. waiting: how many wait for it.
    """

    __slots__ = ("asked", "waiting")

    def __init__(self, asked: asyncio.Future[Any]) -> None:
        self.asked = asked
        self.waiting = 0
