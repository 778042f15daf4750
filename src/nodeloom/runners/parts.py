"""Steps that divide their work among asyncio tasks, and can be paused all the same (semantics 6.2)."""

from __future__ import annotations

import asyncio
from typing import Any, Self, cast

from .pausing import Pausable

__all__ = ["Part", "Parts"]


class Parts:
    """The tasks among which a step divides its work, as a batch does, so that a pause knows what they are at.

    Args:
        run: the run of the step; None where nobody can pause it.

    Example:
        In the step: `with parts: ...`; in each task, `with parts.part(): ...`, and before each piece of work
        `await parts.at_gate()`.
    """

    def __init__(self, run: Pausable | None) -> None:
        self._run = run
        self._tasks: set[asyncio.Task[Any]] = set()

    def __enter__(self) -> Self:
        if self._run is not None:
            self._run.divide(self._tasks)
        return self

    def __exit__(self, *_: object) -> None:
        if self._run is not None:
            self._run.divide(None)

    def part(self) -> Part:
        """Entered in a task, it does part of the step's work until it is left."""
        return Part(self._tasks, self._run)

    @property
    def held(self) -> bool:
        """The run is paused, or about to be: nothing may begin."""
        return self._run is not None and self._run.held

    async def at_gate(self) -> None:
        """Wait while the run is paused."""
        if self._run is not None:
            await self._run.at_gate(None)


class Part:
    """What one task does of a step's work.

    Args:
        tasks: those that are at it. run: the run of the step; None where nobody can pause it.
    """

    __slots__ = ("_run", "_task", "_tasks")

    def __init__(self, tasks: set[asyncio.Task[Any]], run: Pausable | None) -> None:
        self._tasks = tasks
        self._run = run
        self._task: asyncio.Task[Any] | None = None

    def __enter__(self) -> None:
        self._task = task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._tasks.add(task)

    def __exit__(self, *_: object) -> None:
        self._tasks.discard(cast("asyncio.Task[Any]", self._task))
        if self._run is not None:
            self._run.look_for_rest()
