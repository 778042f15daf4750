"""The graph runner: asks the plan what is ready, has it performed, folds the outcome, goes on.

A token that is alone is followed in the caller's own task, so a linear graph makes no task at all; where tokens
run at once, each gets one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from ..errors import RunFailed
from ..model.advance import advance, first_failure, result_of, stop
from ..model.run import Cancelled, ErrorInfo, Outcome, RunResult, Step
from ..nodes.context import Live

__all__ = ["GraphRun", "Performs", "checked"]


class Performs(Protocol):
    """Something that turns the steps of one node into outcomes: an executor, bound to the node."""

    async def perform(self, step: Step, live: Live) -> Outcome: ...


class GraphRun:
    """One run of a graph, in this process.

    Args:
        live: the run and what is alive about it. executables: one for each node of the plan, by index.
    """

    __slots__ = ("_done", "_executables", "_live", "_plan", "_run", "_tasks", "cancelling")

    def __init__(self, live: Live, executables: Sequence[Performs]) -> None:
        self._live = live
        self._plan = live.plan
        self._run = live.run
        self._executables = executables
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: asyncio.Future[None] | None = None
        self.cancelling = False

    async def drive(self) -> RunResult:
        """Follow the run to its end. Cancelling this cancels every step and awaits them.

        Returns:
            What became of it; a failed run is a result too.
        """
        run = self._run
        self._emit("run_started", inputs=run.inputs)
        try:
            await self._follow_alone()
            if run.tokens:
                await self._follow_all()
        except asyncio.CancelledError:
            self.cancelling = True
            await self._cancel_tasks()
            self._emit("run_cancelled")
            raise
        result = result_of(self._plan, run)
        if result.status == "completed":
            self._emit("run_completed", output=result.output, steps=result.steps)
        else:
            error = dict(result.error.as_values()) if result.error is not None else {}
            self._emit("run_failed", error=error, steps=result.steps)
        return result

    async def _follow_alone(self) -> None:
        """While there is one token: perform, fold, go on, in this very task."""
        run, plan, live, executables = self._run, self._plan, self._live, self._executables
        ready = run.ready
        while run.tokens == 1 and ready:
            step = ready.pop()
            try:
                outcome = await executables[step.node].perform(step, live)
            except asyncio.CancelledError:
                live.stopped = True
                advance(plan, run, Cancelled(step))
                raise
            advance(plan, run, outcome)
            if run.notes:
                self._tell_notes()

    async def _follow_all(self) -> None:
        """Several tokens: a task for each, until none is left."""
        self._done = asyncio.get_running_loop().create_future()
        self._dispatch()
        await self._done
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def _dispatch(self) -> None:
        ready = self._run.ready
        while ready:
            task = asyncio.create_task(self._follow(ready.pop(0)))
            self._tasks.add(task)
            task.add_done_callback(self._task_ended)

    async def _follow(self, step: Step) -> None:
        """Follow one token until it forks, waits at a join, or ends."""
        run, plan, live = self._run, self._plan, self._live
        while True:
            try:
                outcome = await self._executables[step.node].perform(step, live)
            except asyncio.CancelledError:
                advance(plan, run, Cancelled(step))
                raise
            advance(plan, run, outcome)
            if run.notes:
                self._tell_notes()
            if run.stopping:
                self._stop_tasks()
            ready = run.ready
            if not ready:
                return
            step = ready.pop(0)
            if ready:
                self._dispatch()

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        done = self._done
        if done is None or done.done():
            return
        if not task.cancelled() and task.exception() is not None:
            self._stop_tasks()
            done.set_exception(task.exception() or RuntimeError())
        elif not self._run.tokens or not self._tasks:
            done.set_result(None)

    def _stop_tasks(self) -> None:
        """A failure ends the run: what else runs is cancelled; awaiting them is `drive`'s part (2.6)."""
        self._live.stopped = True
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()

    async def _cancel_tasks(self) -> None:
        self._live.stopped = True
        stop(self._run)
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _tell_notes(self) -> None:
        for note in self._run.notes or ():
            if note.type in ("branch_ended", "arrival_dropped", "join_started"):
                self._emit(note.type, node=note.node, **note.data)
        if self._run.notes:
            self._run.notes.clear()

    def _emit(self, type: Any, **data: Any) -> None:
        if self._live.watch is not None:
            self._live.emit(type, None, **data)


def checked(result: RunResult, live: Live, name: str) -> RunResult:
    """The result of a run that completed.

    Raises:
        RunFailed: of one that failed, from the exception that failed it.
    """
    if result.status == "completed":
        return result
    failure = first_failure(live.run)
    error: ErrorInfo | None = failure.error if failure is not None else result.error
    cause = next((exception for info, exception in live.exceptions if info is error), None)
    raise RunFailed(f"run {result.run_id} of graph {name} failed: {error}", result) from cause

