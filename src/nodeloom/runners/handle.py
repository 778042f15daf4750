"""What `engine.start` gives: a run to wait for and to cancel."""

from __future__ import annotations

import asyncio

from ..errors import RunCancelled, RunFailed
from ..model.run import RunResult
from ..model.values import EMPTY
from ..nodes.graph import Graph

__all__ = ["RunHandle"]


class RunHandle:
    """A run that an engine has started.

    Attributes:
        id: the run's id. graph: what runs.
    """

    def __init__(self, run_id: str, graph: Graph, task: asyncio.Task[RunResult]) -> None:
        self.id = run_id
        self.graph = graph
        self._task = task

    @property
    def status(self) -> str:
        """`running`, `completed`, `failed` or `cancelled`."""
        if not self._task.done():
            return "running"
        if self._task.cancelled():
            return "cancelled"
        return "failed" if self._task.exception() else self._task.result().status

    async def result(self, *, check: bool = True) -> RunResult:
        """Wait for the end of the run.

        Raises:
            RunFailed: it failed. RunCancelled: it was cancelled. With `check=False` the result says so instead.
        """
        await asyncio.wait({self._task})  # not the task itself: that could not tell its end from the caller's
        if not self._task.cancelled():
            error = self._task.exception()
            failed: RunResult | None = error.result if isinstance(error, RunFailed) and not check else None
            return failed or self._task.result()
        result = RunResult(self.id, "cancelled", EMPTY, EMPTY, EMPTY, 0)
        if check:
            raise RunCancelled(f"run {self.id} of graph {self.graph.name} was cancelled", result)
        return result

    async def cancel(self) -> None:
        """Cancel the run, and wait until its last step has ended."""
        self._task.cancel()
        await asyncio.wait({self._task})
