"""Those of this process who wait for something that is shared with others: a line, of which the first one asks."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from ..policies.on_behalf import own_failure

__all__ = ["Passed", "Turnstile"]


class Passed(NamedTuple):
    """Who asked may pass.

    Attributes:
        ticket: what to give back if nobody needs it.
    """

    ticket: str


class Turnstile:
    """Lets the waiting through in the order they came; one question is under way at a time, whoever it is for.

    Who is cancelled leaves the line; what was let through for somebody who left is for the next, or given back.

    Args:
        ask: asks once: `Passed`, or the seconds until it makes sense to ask again.
        give_back: gives back what nobody needs. leave: says that nobody of this process waits any more.
    """

    __slots__ = ("_ask", "_asking", "_give_back", "_leave", "_line", "_nap")

    def __init__(
        self,
        ask: Callable[[], Awaitable[Passed | float]],
        give_back: Callable[[str], None],
        leave: Callable[[], None],
    ) -> None:
        self._ask = ask
        self._give_back = give_back
        self._leave = leave
        self._line: OrderedDict[asyncio.Future[str], None] = OrderedDict()
        self._asking: asyncio.Task[None] | None = None
        self._nap: asyncio.Future[None] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits, nor is asked for."""
        return not self._line and self._asking is None

    async def enter(self) -> str:
        """Wait to be let through; the ticket. Raises what asking raises."""
        turn: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._line[turn] = None
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_on())
        try:
            return await turn
        except asyncio.CancelledError:
            self._line.pop(turn, None)
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on(turn.result())
            if not self._line:
                self.wake()
            raise

    def wake(self) -> None:
        """Ask again now: something has changed."""
        if self._nap is not None and not self._nap.done():
            self._nap.set_result(None)

    async def _ask_on(self) -> None:
        """Ask for as long as somebody waits. It is never cancelled between a question and its answer."""
        queued = False
        try:
            while self._line:
                answer = await self._ask()
                queued = not isinstance(answer, Passed)
                if isinstance(answer, Passed):
                    self._pass_on(answer.ticket)
                elif self._line:
                    await self._rest(answer)
        except Exception as error:  # whatever it is, it is what everybody who waits gets
            self._fail(error)
        finally:
            self._asking = None
        if queued:
            self._leave()

    async def _rest(self, seconds: float) -> None:
        self._nap = asyncio.get_running_loop().create_future()
        await asyncio.wait({self._nap}, timeout=seconds)
        self._nap = None

    def _pass_on(self, ticket: str) -> None:
        while self._line:
            turn, _ = self._line.popitem(last=False)
            if not turn.done():
                turn.set_result(ticket)
                return
        self._give_back(ticket)

    def _fail(self, error: Exception) -> None:
        while self._line:
            turn, _ = self._line.popitem(last=False)
            if not turn.done():
                turn.set_exception(own_failure(error, error.__traceback__))
