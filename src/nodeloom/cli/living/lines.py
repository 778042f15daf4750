"""Lines of standard input or a file, one when it is asked for: what nobody asks for is not read."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import Final

__all__ = ["LONGEST", "Lines"]

PIECE: Final = 65_536
LONGEST: Final = 16 * 1024 * 1024
"""Of a line, in bytes: one that goes on is given as it is so far, and its end as another."""


class Lines:
    """Reads lines of a file descriptor; the loop goes on meanwhile, and the descriptor stays as it is.

    Attributes:
        number: of the line that was given last, from 1.
    """

    def __init__(self, descriptor: int) -> None:
        self.number = 0
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._over = False
        self._waiting: asyncio.Future[None] | None = None

    async def next(self) -> bytes | None:
        """The next line, without its end; None when there are no more, or this is closed."""
        while not self._lines and not self._over:
            await self._read()
        if self._over and self._rest:
            self._lines.append(self._rest)
            self._rest = b""
        if not self._lines:
            return None
        self.number += 1
        return self._lines.popleft()

    def close(self) -> list[bytes]:
        """Read nothing more; what was read and not given yet."""
        self._over = True
        unread = [*self._lines, *([self._rest] if self._rest else [])]
        self._lines.clear()
        self._rest = b""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        return unread

    async def _read(self) -> None:
        if await self._is_ready():
            piece = os.read(self._descriptor, PIECE)  # which blocks nobody: there is something, or it is a file
            self._over = not piece
            if len(self._rest) >= LONGEST:
                self._lines.append(self._rest)
                self._rest = b""
            *lines, self._rest = (self._rest + piece).split(b"\n")
            self._lines.extend(lines)

    async def _is_ready(self) -> bool:
        """Wait until there is something to read, or the end; False when this was closed meanwhile."""
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        try:
            loop.add_reader(self._descriptor, self._tell, self._waiting)
        except (PermissionError, NotImplementedError):  # a file, which is always ready
            await asyncio.sleep(0)
            return not self._over
        try:
            await self._waiting
        finally:
            loop.remove_reader(self._descriptor)
        return not self._over

    @staticmethod
    def _tell(waiting: asyncio.Future[None]) -> None:
        if not waiting.done():
            waiting.set_result(None)
