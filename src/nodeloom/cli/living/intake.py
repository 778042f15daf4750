"""The intake of a system of actors: lines of JSON become messages, no faster than there is room for them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

from ...errors import ActorStopped, NodeloomError, ParamsError
from ...runners.actors.system import ActorSystem
from ..report import fail
from ..targets import inputs_problem
from .lines import Lines
from .messages import BadLine, Told, message_of

__all__ = ["Intake"]


class Intake:
    """Sends what it reads to actors, until there is no more, or it is closed.

    Args:
        system: the actors. descriptor: of what is read. name: of that, for messages. strict: end at the first bad line.

    Attributes:
        sent: how many messages were taken in. bad: how many lines were none, or were refused.
        over: everything was read, and sent. name: of what is read.
    """

    def __init__(self, system: ActorSystem, descriptor: int, name: str, *, strict: bool) -> None:
        self.sent = self.bad = 0
        self.over = False
        self._system = system
        self._lines = Lines(descriptor)
        self.name = name
        self._strict = strict
        self._closed = False
        self._unread: list[bytes] = []
        self._refused: list[Told] = []
        starts = [system.plan.nodes[index].id for index in system.plan.starts]
        self._start = starts[0] if len(starts) == 1 else None

    @property
    def place(self) -> str:
        """How far it has read."""
        return f"line {self._lines.number:,} of {self.name}"

    async def run(self) -> None:
        """Send one line after the other; a bad one is told of, and stops nobody."""
        while (line := await self._lines.next()) is not None:
            if line.strip():
                await self._take(line)
            if self._strict and self.bad:
                self.close()
        self.over = not self._closed

    def close(self) -> None:
        """Read nothing more; what is being sent may still find room."""
        self._closed = True
        self._unread += self._lines.close()

    def left(self) -> Iterator[dict[str, Any] | bytes]:
        """What was read, and is no message of the actors'."""
        yield from (told.as_line() for told in self._refused)
        yield from (line for line in self._unread if line.strip())

    async def _take(self, line: bytes) -> None:
        try:
            await self._send(message_of(line))
            self.sent += 1
        except ParamsError as error:
            self._tell(inputs_problem(error, self._system.name), error)
        except (BadLine, NodeloomError) as error:
            self._tell(str(error), error)

    async def _send(self, told: Told) -> None:
        node = told.node or self._start
        try:
            if told.was_under_way:
                await self._system.send_again(told.as_left(self._named(node)))
            elif node is None:
                await self._system.send(told.inputs, priority=told.priority)
            else:
                await self._system.tell(node, told.inputs, priority=told.priority)
        except ActorStopped:
            if not self._closed:
                raise
            self._refused.append(told)  # it waited for room when the end came
            self.sent -= 1
        await asyncio.sleep(0)  # where there is always room, what was sent has its turn, too

    def _named(self, node: str | None) -> str:
        if node is None:
            raise BadLine("a message that was under way, with a state or run_inputs, names the node it was at")
        return node

    def _tell(self, what: str, error: Exception | None = None) -> None:
        self.bad += 1
        fail(f"{self.place}: {what}", 1, error)
        sys.stderr.flush()
