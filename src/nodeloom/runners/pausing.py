"""Pausing a run: what holds it, who of it still executes, and who waits until nobody does (semantics 6.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from ..executors.local import Bound
from ..executors.metrics import Metrics
from ..model.branches import is_solo
from ..model.plan import Plan
from ..model.run import Run, Step
from ..nodes.context import Live
from .left import Left, LeftStep
from .standstill import Place, Standstill, Task, place_of

__all__ = ["Around", "Pausable"]

T = TypeVar("T")

SETTLING = 0.05
"""Seconds past its time that a pause gives cancelled steps to end; code on a thread may take any time."""


class Around(Protocol):
    """What a run knows of all that its engine has under way.

    Attributes:
        runs: by the identity of the data of each. stopping: no new ones are taken.
    """

    runs: dict[int, Pausable]
    stopping: bool

    def came_to_rest(self, run: Pausable) -> None:
        """Nothing of a run executes, while the engine stops."""
        ...

    def ended(self) -> None:
        """A run has ended, while the engine stops."""
        ...


class Pausable:
    """A run as far as it can be held, interrupted and looked at. What follows its tokens is the runner's.

    Args:
        live: the run and what is alive about it.
        bound, metrics: for each node of the plan, by index, what performs its steps and counts them.
        around: what else its engine has under way.
        outer: the run with the step that this one is part of. step: that step.

    Attributes:
        over: it has ended.
    """

    __slots__ = (
        "_around",
        "_bound",
        "_cancels",
        "_done",
        "_end",
        "_held",
        "_linked",
        "_live",
        "_metrics",
        "_noted",
        "_plan",
        "_run",
        "_sent",
        "_standstill",
        "_step",
        "_stopped",
        "_task",
        "_tasks",
        "_told",
        "outer",
        "over",
    )

    _task: Task | None  # the one of `drive`
    _told: Left | None
    _done: asyncio.Future[None] | None
    _end: asyncio.Future[None] | None
    _standstill: Standstill[Pausable] | None

    def __init__(
        self,
        live: Live,
        bound: Sequence[Bound],
        metrics: Sequence[Metrics],
        around: Around,
        outer: Pausable | None = None,
        step: Step | None = None,
    ) -> None:
        self._live = live
        self._plan: Plan = live.plan
        self._run: Run = live.run
        self._bound = bound if live.watch is None else [(executable, None) for executable, _ in bound]
        self._metrics = metrics
        self._around = around
        self.outer = outer
        self._step = step
        self._tasks: dict[asyncio.Task[None], Step | None] = {}  # with the step of one that has not begun
        self._task = self._done = self._end = self._standstill = self._told = None
        self._held = self._linked = self._noted = self._sent = self._stopped = self.over = False

    @property
    def run_id(self) -> str:
        return self._run.id

    @property
    def held(self) -> bool:
        """No step may begin, for it is paused or about to be."""
        return self._held

    @property
    def paused(self) -> bool:
        """It is held, and nothing of it executes."""
        return self._held and self.at_rest and not self.over

    # --- pausing

    async def pause(self, within: float | None = None) -> Left | None:
        """Let no step begin, and wait until those that run have ended; see `Engine.pause`."""
        if self.over:
            return None
        still = self._still()
        still.asked = True
        self._hold_or_release()
        self.look_for_rest()
        if self._includes(asyncio.current_task()) or await self._standing_still(still, within):
            return None  # a step that waited for this would wait for itself
        left = self.left(idle=False)
        self._interrupt(still)
        await self._standing_still(still, SETTLING)
        return left if left.steps else None

    def resume(self) -> None:
        """Go on; of a run that is not paused, nothing."""
        still = self._standstill
        if still is None or not still.asked or self.over:
            return
        still.asked = False
        self._hold_or_release()
        if still.told:
            still.told = False
            self._live.emit("run_resumed")
        still.wake()

    async def _standing_still(self, still: Standstill[Pausable], within: float | None) -> bool:
        """Wait for the standstill, or for the end of the run; False when the time is over before."""
        if self.at_rest:
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        still.waiting.append(waiter)
        try:
            await asyncio.wait({waiter}, timeout=within)
            return waiter.done() or self.at_rest
        finally:
            still.waiting.remove(waiter)

    def _still(self) -> Standstill[Pausable]:
        if self._standstill is None:
            self._standstill = Standstill()
            self._noted = True
        return self._standstill

    def _hold_or_release(self) -> None:
        """Close or open the gate, by what is asked of this run and of the one around it."""
        still = self._still()
        held = still.asked or (self._linked and self.outer is not None and self.outer._held)
        if held == self._held:
            return
        self._held = held
        if held:
            still.gate.clear()
            still.step_aside()
            self._quicken(False)
        else:
            self._quicken(True)
            still.gate.set()
        for inner in still.inner.values():
            inner._hold_or_release()

    def _quicken(self, quick: bool) -> None:
        """Let a token that is alone go on without being looked at, or not: a held run folds every outcome."""
        branches = self._run.branches
        if len(branches) > 1 and quick:
            return
        for branch in branches.values():
            alone = quick and branch.parent < 0 and not branch.children and not branch.over
            branch.solo = alone and is_solo(self._plan, self._run, branch)

    def _interrupt(self, still: Standstill[Pausable]) -> None:
        """Cancel the steps that run, which are begun anew when the run goes on."""
        for task in self._followers():
            if still.rests(task) or self._tasks.get(task) is not None:
                continue
            busy = [part for part in still.parts.get(task, (task,)) if not still.rests(part)]
            inner = [still.inner[part] for part in busy if part in still.inner]
            if len(inner) == len(busy):  # only steps of runs inside this step run
                for run in inner:
                    run._interrupt(run._still())
            elif task not in still.interrupted:
                still.interrupted.add(task)
                task.cancel()

    def _was_interrupted(self, task: Task, cancels: int) -> bool:
        """Whether a cancelling was only for a step to be begun anew; then it is taken back."""
        still = self._standstill
        if still is None or task not in still.interrupted:
            return False
        still.interrupted.discard(task)
        return task.uncancel() <= cancels

    # --- resting

    @property
    def at_rest(self) -> bool:
        """Nothing of it executes."""
        if self._task is None or self.over:
            return True
        still, followers = self._standstill, self._followers()
        if still is None or not still.may_all_rest(len(followers)):
            return not followers
        return all(still.rests(task) for task in followers)

    @property
    def waits(self) -> bool:
        """It is at rest, and has steps left to do."""
        return bool(self._followers()) and self.at_rest

    def _followers(self) -> Mapping[Task, Any]:
        """The tasks that follow its tokens."""
        if self._task is None:
            return {}
        return {self._task: None} if self._done is None else self._tasks

    def has(self, task: Task | None) -> bool:
        """Whether a task follows one of its tokens, or does part of such a task's step."""
        if task is None:
            return False
        if (task in self._tasks) if self._done is not None else (task is self._task):
            return True
        return self._standstill is not None and self._standstill.is_part(task)

    def _includes(self, task: Task | None) -> bool:
        """The same, or of a run inside."""
        inner = self._standstill.inner.values() if self._standstill is not None else ()
        return self.has(task) or any(run._includes(task) for run in inner)

    def divide(self, parts: set[Task] | None) -> None:
        """The current task's step is done by these tasks from here on, or by itself again."""
        task = asyncio.current_task()
        if task is None or not self.has(task):
            return
        if parts is None:
            self._still().parts.pop(task, None)
        else:
            self._still().parts[task] = parts

    async def at_gate(self, step: Step | None) -> None:
        """Wait until the run goes on, before a step or a part of one."""
        task = asyncio.current_task()
        if task is None or not self.has(task):
            return
        still = self._still()
        still.held[task] = (-1, -1) if step is None else place_of(step)
        self.look_for_rest()
        try:
            while self._held:
                await still.gate.wait()
        finally:
            del still.held[task]

    async def rest(self, waiting: Awaitable[T], step: Step) -> T:
        """Let a step wait with nothing in hand, for a time to come or the like; in a paused run it does not go on."""
        task = asyncio.current_task()
        if task is None or not self.has(task):
            return await waiting
        still = self._still()
        still.idle[task] = place_of(step)
        try:
            self.look_for_rest()
            result = await waiting
            while self._held:
                await still.gate.wait()
            return result
        finally:
            del still.idle[task]

    async def in_line(self, take: Callable[[], Awaitable[None]]) -> bool:
        """Let a step wait for a token or a slot; False where the run is held: then it is to wait for that first."""
        task = asyncio.current_task()
        if task is None or not self.has(task):
            await take()
            return True
        return not self._held and await self._still().in_line(task, take)

    def look_for_rest(self) -> None:
        """A task has come to rest, or is no more: see whether it was the last one, in this run and in those around."""
        run: Pausable | None = self
        while run is not None and (run._held or run._around.stopping) and run.at_rest:
            still = run._still()
            if run._held and still.asked and not still.told and run._task is not None:
                still.told = True
                run._live.emit("run_paused")
            still.wake()
            if run._around.stopping:
                run._around.came_to_rest(run)
            run = run.outer if run._linked else None

    # --- runs inside of runs

    def _link(self, task: Task) -> None:
        """Tell the run around this one that its step waits for it; not where others do besides."""
        outer = self.outer
        if outer is None or not outer.has(task):
            return
        self._linked = self._noted = True
        outer._still().inner[task] = self
        if outer._held:
            self._hold_or_release()

    def _unlink(self, task: Task) -> None:
        if self._linked and self.outer is not None:
            self.outer._still().inner.pop(task, None)

    # --- its end

    def cancel(self) -> bool:
        """Ask it to end; False when that was asked before, or it is over."""
        raise NotImplementedError

    async def end(self, within: float | None = None) -> Left | None:
        """Cancel it, and wait for its end; see `Engine.cancel`."""
        if self.over:
            return None
        self.cancel()
        _, waiting = await asyncio.wait({self.until_over()}, timeout=within)
        return self.left() if waiting else None

    def declare_over(self) -> None:
        """It has ended: tell who waits for that."""
        self.over = True
        if self._standstill is not None:
            self._standstill.wake()
        if self._end is not None and not self._end.done():
            self._end.set_result(None)

    def until_over(self) -> asyncio.Future[None]:
        """What is done when it has ended."""
        if self._end is None:
            self._end = asyncio.get_running_loop().create_future()
            self._noted = True
            if self.over:
                self._end.set_result(None)
        return self._end

    def left(self, *, idle: bool = True) -> Left:
        """What it is at: the steps that have begun and not ended.

        Args:
            idle: count those that only wait for a time to come.
        """
        graph = self._live.graph
        return Left(self._run.id, graph.name if graph is not None else "", tuple(self._left_steps("", idle)))

    def _left_steps(self, way: str, idle: bool) -> Iterator[LeftStep]:
        still = self._still()
        apart = {place_of(step) for step in (*self._run.ready, *self._tasks.values()) if step is not None}
        apart.update(still.held.values(), () if idle else still.idle_places())
        inner = self._inner_runs()
        for branch in self._run.branches.values():
            step = branch.step
            if step is None or place_of(step) in apart:
                continue
            node = self._plan.nodes[step.node].id
            runs = inner.get(place_of(step))
            if runs is None:
                yield LeftStep(way + node, step.id(node))
            for each in runs or ():
                yield from each._left_steps(f"{way}{node}/", idle)

    def _inner_runs(self) -> dict[Place, list[Pausable]]:
        """The runs inside of its steps."""
        found: dict[Place, list[Pausable]] = {}
        for run in self._still().inner.values():
            if run._step is not None:
                found.setdefault(place_of(run._step), []).append(run)
        return found
