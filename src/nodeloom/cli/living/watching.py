"""What lives on is shown in its own terminal while it lives, and can be seen from others."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

from ...engine import Engine
from ...errors import NodeloomError
from ...runners.readings import Ask, Watched, read
from ..top.display import Moving, Quiet, Show, is_terminal

__all__ = ["Screen", "be_seen", "show_for"]

PERIOD: Final = 0.25
SHARE: Final = 0.05
"""Of its time that a process with very many nodes spends on showing them, at most."""
log = logging.getLogger("nodeloom.top")


async def be_seen(engine: Engine, stack: AsyncExitStack) -> None:
    """Let `nodeloom top` show an engine until the stack is left; where that cannot be, it works all the same."""
    try:
        await stack.enter_async_context(engine.seen())
    except NodeloomError as error:
        log.warning("%s", error)


def show_for(*, quiet: bool) -> Show:
    """Tables that move where standard error is a terminal; else nothing, for there may be a line for each output."""
    return Moving(sys.stderr) if not quiet and is_terminal(sys.stderr) else Quiet()


class Screen:
    """Shows what lives on for as long as it is entered, and its last figures at the end.

    Args:
        watched: what lives on. show: how.
    """

    def __init__(self, watched: Sequence[Watched], show: Show) -> None:
        self._watched = watched
        self._show = show
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Screen:
        self._show.start()
        if not isinstance(self._show, Quiet):
            self._task = asyncio.create_task(self._draw_on())
        return self

    async def __aexit__(self, *_: Any) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._draw()
        self._show.stop()

    async def _draw_on(self) -> None:
        while True:
            began = time.monotonic()
            self._draw()
            await asyncio.sleep(max(PERIOD, (time.monotonic() - began) / SHARE))

    def _draw(self) -> None:
        self._show.show(read(self._watched, Ask(limit=self._show.rows)))
