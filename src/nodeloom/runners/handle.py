"""What `engine.start` gives: a run to wait for, to pause and to cancel."""

from __future__ import annotations

import asyncio

from ..errors import RunCancelled, RunFailed
from ..model.run import RunResult
from ..model.values import EMPTY, Values
from ..nodes.graph import Graph
from .left import Left
from .pausing import Pausable

__all__ = ["RunHandle"]


class RunHandle:
    """A run that an engine has started.

    Attributes:
        id: the run's id. graph: what runs. inputs: what it was started with. task: what drives it.
        run: what is alive of it, until it ends.
    """

    def __init__(self, run: Pausable, graph: Graph, inputs: Values, task: asyncio.Task[RunResult]) -> None:
        self.id = run.run_id
        self.graph = graph
        self.inputs = inputs
        self._task = task
        self.run: Pausable | None = run
        task.add_done_callback(self._ended)

    @property
    def task(self) -> asyncio.Task[RunResult]:
        return self._task

    @property
    def status(self) -> str:
        """`running`, `paused`, `completed`, `failed` or `cancelled`.

        A run that is asked to pause is `running` until none of its steps runs any more.
        """
        if not self._task.done():
            return "paused" if self.run is not None and self.run.paused else "running"
        if self._task.cancelled():
            return "cancelled"
        error = self._task.exception()
        if isinstance(error, RunCancelled):
            return "cancelled"
        return "failed" if error is not None else self._task.result().status

    async def result(self, *, check: bool = True) -> RunResult:
        """Wait for the end of the run.

        Raises:
            RunFailed: it failed. RunCancelled: it was cancelled. With `check=False` the result says so instead.
        """
        await asyncio.wait({self._task})  # not the task itself: that could not tell its end from the caller's
        if self._task.cancelled():
            result = RunResult(self.id, "cancelled", EMPTY, EMPTY, EMPTY, 0)
            if check:
                raise RunCancelled(f"run {self.id} of graph {self.graph.name} was cancelled", result)
            return result
        error = self._task.exception()
        if isinstance(error, RunFailed | RunCancelled) and not check:
            failed: RunResult = error.result
            return failed
        return self._task.result()

    async def pause(self, *, within: float | None = None) -> Left | None:
        """Let no step begin, and wait until those that run have ended; see `Engine.pause`."""
        return None if self.run is None else await self.run.pause(within)

    async def resume(self) -> None:
        """Go on after a pause; of a run that is not paused, nothing."""
        if self.run is not None:
            self.run.resume()

    async def cancel(self, *, within: float | None = None) -> Left | None:
        """Cancel the run, and wait until its last step has ended; see `Engine.cancel`."""
        return None if self.run is None else await self.run.end(within)

    def _ended(self, task: asyncio.Task[RunResult]) -> None:
        """What is alive about the run goes; a task that was cancelled before its first turn has not said so."""
        if self.run is not None:
            self.run.declare_over()
        self.run = None
