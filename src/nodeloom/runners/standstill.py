"""How far a run is from standing still: which of its asyncio tasks rest, and why (semantics 6.2).

A task **rests** while it waits at the gate of a paused run, while its step only waits for a time to come (`ctx.sleep`),
and while it waits for a run inside its step whose own tasks rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

from ..model.run import Step

__all__ = ["Place", "Standstill", "Task", "place_of"]

Task = asyncio.Task[Any]
Place = tuple[int, int]
"""A step, by its branch and its number there."""


class Resting(Protocol):
    """What is asked of a run inside a step."""

    @property
    def at_rest(self) -> bool: ...


R = TypeVar("R", bound=Resting)


class Standstill(Generic[R]):
    """How far a run is from standing still; made when it is first of interest.

    Attributes:
        asked: this very run was paused, not only one around it. told: watchers know.
        gate: closed while the run is held.
        held: the tasks that wait at the gate, with their steps. idle: those whose steps wait for a time to come.
        inner: the tasks that wait for a run inside their step. parts: by task, those that do parts of its step.
        interrupted: the tasks whose step was cancelled, to be begun anew.
        lined: the tasks whose step waits for a token or a slot. aside: those of them that are to leave the line.
        waiting: who waits for the standstill.
    """

    __slots__ = ("aside", "asked", "gate", "held", "idle", "inner", "interrupted", "lined", "parts", "told", "waiting")

    def __init__(self) -> None:
        self.asked = self.told = False
        self.gate = asyncio.Event()
        self.held: dict[Task, Place] = {}
        self.idle: dict[Task, Place] = {}
        self.inner: dict[Task, R] = {}
        self.parts: dict[Task, set[Task]] = {}
        self.interrupted: set[Task] = set()
        self.lined: set[Task] = set()
        self.aside: set[Task] = set()
        self.waiting: list[asyncio.Future[None]] = []

    def rests(self, task: Task) -> bool:
        """Whether a task of the run's executes nothing."""
        if task in self.held or task in self.idle:
            return True
        if task in self.inner:
            return self.inner[task].at_rest
        parts = self.parts.get(task)
        return bool(parts) and all(self.rests(part) for part in parts or ())

    def may_all_rest(self, count: int) -> bool:
        """Whether that many tasks can be at rest, by the numbers alone."""
        return len(self.held) + len(self.idle) + len(self.inner) + len(self.parts) >= count

    def idle_places(self) -> set[Place]:
        """The steps that wait for a time to come; one that is done in parts, when none of those executes."""
        parts = {part for each in self.parts.values() for part in each}
        places = {place for task, place in self.idle.items() if task not in parts}
        resting = [each for each in self.parts.values() if all(self.rests(part) for part in each)]
        return places | {self.idle[part] for each in resting for part in each if part in self.idle}

    def is_part(self, task: Task) -> bool:
        return any(task in parts for parts in self.parts.values())

    async def in_line(self, task: Task, take: Callable[[], Awaitable[None]]) -> bool:
        """Let the step of the current task wait for a token or a slot; False where it left the line for a pause."""
        before = task.cancelling()
        self.lined.add(task)
        try:
            await take()
        except asyncio.CancelledError:
            if task not in self.aside:
                raise
            self.aside.discard(task)
            if task.uncancel() > before:  # by others too, and they win
                raise
            return False
        finally:
            self.lined.discard(task)
        return True

    def step_aside(self) -> None:
        """Have them leave the line who wait for a token or a slot: they have begun nothing."""
        for task in self.lined - self.aside:
            self.aside.add(task)
            task.cancel()

    def wake(self) -> None:
        """Tell who waits for the standstill."""
        for each in self.waiting:
            if not each.done():
                each.set_result(None)


def place_of(step: Step) -> Place:
    """Which step of its run it is."""
    return step.branch, step.ordinal
