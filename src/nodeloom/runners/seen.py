"""How an engine lets itself be seen: it answers on a socket of its user's own, with figures and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import msgspec

from .readings import Ask, Watched, read
from .sockets import listening, published

__all__ = ["LONGEST_ASK", "Seen"]

LONGEST_ASK: Final = 256
PATIENCE: Final = 2.0
"""Seconds that a peer has to say what it wants, and to take the answer."""
AT_ONCE: Final = 8
"""How many peers are answered at a time; one more is turned away."""
FRESH: Final = 0.05
"""Seconds for which an answer is given again: to look often costs what is looked at nothing."""
SHARE: Final = 0.05
"""Of its time that a process with very many nodes spends on being looked at, at most."""


class Living(Protocol):
    """An engine: what lives on it."""

    @property
    def living(self) -> Iterable[Watched]: ...


class Seen:
    """What `engine.seen()` gives: while this is entered, `nodeloom top` shows the engine.

    Nothing is done for who asks but to tell figures; of a node's last input, a glimpse without the values of secrets.

    Args:
        engine: whose figures.

    Attributes:
        path: of the socket, while it is entered.
    """

    def __init__(self, engine: Living) -> None:
        self.path: Path | None = None
        self._engine = engine
        self._server: asyncio.Server | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self._answers: dict[bytes, tuple[float, bytes]] = {}

    async def __aenter__(self) -> Self:
        found, hidden = listening()
        self._server = await asyncio.start_unix_server(self._accept, sock=found, limit=LONGEST_ASK)
        self.path = published(hidden)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is None or self.path is None:
            return
        self.path.unlink(missing_ok=True)
        self.path = None  # whoever has just come is sent away
        self._server.close()
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.path is None or len(self._answering) >= AT_ONCE:
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        task.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one line, one answer."""
        try:
            async with asyncio.timeout(PATIENCE):
                writer.write(self._answer(await reader.readuntil()) + b"\n")
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            writer.transport.abort()  # it does not speak our language, or does not listen

    def _answer(self, line: bytes) -> bytes:
        until, answer = self._answers.get(line, (0.0, b""))
        began = time.monotonic()
        if began >= until:
            self._answers.clear()
            answer = self._fresh_answer(line)
            ended = time.monotonic()
            self._answers[line] = ended + max(FRESH, (ended - began) / SHARE), answer
        return answer

    def _fresh_answer(self, line: bytes) -> bytes:
        try:
            ask = msgspec.json.decode(line, type=Ask)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return msgspec.json.encode({"error": f"no such question: {error}"})
        return msgspec.json.encode(read(self._engine.living, ask))
