"""The graph runner: asks the plan what is ready, has it performed, folds the outcome, goes on.

A token that is alone is followed in the caller's own task, so a linear graph makes no task at all; where tokens
run at once, each gets one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter as clock
from typing import Any, cast

from msgspec.structs import replace

from ..errors import ExpressionError, RunFailed
from ..executors.local import Perform, Short, was_cancelled
from ..executors.metrics import Metrics
from ..model.advance import advance, error_info, first_failure, go_on, result_of, stop
from ..model.run import Cancelled, Completed, ErrorInfo, Outcome, RunResult, Step
from ..model.values import EMPTY, freeze
from ..nodes.context import Context, Live, Walk

__all__ = ["GraphRun", "checked"]

SLICE = 0.02
"""Seconds that nodes which never wait may go on before others get a turn."""


class GraphRun:
    """One run of a graph, in this process.

    Args:
        live: the run and what is alive about it.
        bound, metrics: for each node of the plan, by index, what performs its steps and counts them.
    """

    __slots__ = ("_bound", "_done", "_live", "_metrics", "_plan", "_run", "_stopped", "_tasks")

    def __init__(self, live: Live, bound: Sequence[tuple[Perform, Short | None]], metrics: Sequence[Metrics]) -> None:
        self._live = live
        self._plan = live.plan
        self._run = live.run
        self._bound = bound
        self._metrics = metrics
        self._tasks: dict[asyncio.Task[None], Step | None] = {}  # with the step of one that has not begun
        self._done: asyncio.Future[None] | None = None
        self._stopped = False

    async def drive(self) -> RunResult:
        """Follow the run to its end. Cancelling this cancels every step and awaits them.

        Returns:
            What became of it; a failed run is a result too.
        """
        run = self._run
        self._emit("run_started", inputs=run.inputs)
        try:
            if len(run.ready) == 1:
                with Walk(self._live) as walk:
                    await self._follow(walk, run.ready.pop())
            if run.ready:
                await self._follow_all()
            result = self._with_output(result_of(self._plan, run))
        except asyncio.CancelledError:
            try:
                await self._cancel_all()
            finally:
                self._emit("run_cancelled")
            raise
        except Exception as error:  # folding failed: in a reducer of the author's
            await self._cancel_all()
            result = self._broken(RunResult(run.id, "failed", EMPTY, EMPTY, EMPTY, run.steps), error)
        except BaseException:
            await self._cancel_all()
            raise
        if result.status == "completed":
            self._emit("run_completed", output=result.output, steps=result.steps)
        else:
            told = dict(result.error.as_values()) if result.error is not None else {}
            self._emit("run_failed", error=told, steps=result.steps)
        return result

    def _with_output(self, result: RunResult) -> RunResult:
        """The result with what the graph's `outputs` say; one that cannot be rendered fails the run (2.7)."""
        graph = self._live.graph
        if graph is None or graph.output_templates is None or result.status != "completed":
            return result
        try:
            return replace(result, output=graph.output_of(result, self._run.inputs))
        except ExpressionError as error:
            return self._broken(result, error)

    def _broken(self, result: RunResult, error: Exception) -> RunResult:
        """The result of a run that failed on its own account, not in a step."""
        info = error_info(error, "")
        self._live.exceptions.append((info, error))
        return replace(result, status="failed", error=info, errors=(info,))

    async def _follow(self, walk: Walk, step: Step) -> None:
        """Follow one token until it forks, waits at a join, or ends.

        Steps of nodes that need nothing around their work are performed here, in the open; what the usual step of a
        linear part costs is decided in this loop.
        """
        run, plan, live, bound, ready = self._run, self._plan, self._live, self._bound, self._run.ready
        cancelling = cast("asyncio.Task[Any]", asyncio.current_task()).cancelling
        cancels = cancelling()
        then = clock()
        breath = then + SLICE
        while True:
            perform, short = bound[step.node]
            outcome: Outcome | None = None
            moved: Step | None = None
            try:
                if then > breath:
                    await asyncio.sleep(0)  # nodes that never wait must not keep everybody else waiting
                    breath = then + SLICE
                if short is None or live.watch is not None:
                    outcome = await perform(step, walk)
                else:
                    call, definition, params, always, completed, _ = short
                    walk.context = ctx = Context(step, walk, definition, params)
                    result = await call(ctx)
                    if always is not None and type(result) is dict:
                        outputs = freeze(result)  # pyright: ignore[reportUnknownArgumentType]
                        moved = go_on(plan, run, step, outputs, always)
                        outcome = None if moved is not None else Completed(step, outputs, always)
                    else:
                        outcome = completed(step, live, result)
            except (Exception, asyncio.CancelledError) as error:  # every failure of a node is an outcome
                outcome = self._failed(step, short, error)
            counted = self._metrics[step.node]
            counted.count += 1
            counted.seconds -= then - (then := clock())
            if cancelling() > cancels:  # by a step that did not let its cancellation through
                self._end_early(outcome, moved)
            if outcome is not None:
                self._fold(outcome)
                if len(ready) != 1:
                    return
                moved = ready.pop()
            step = cast("Step", moved)

    def _end_early(self, outcome: Outcome | None, moved: Step | None) -> None:
        """Fold what is there and go no further, for the run was cancelled."""
        stop(self._run)
        advance(self._plan, self._run, outcome if outcome is not None else Cancelled(cast("Step", moved)))
        raise asyncio.CancelledError

    def _failed(self, step: Step, short: Short | None, error: BaseException) -> Outcome:
        """The outcome of a failure; a step that was cancelled is folded, and its cancellation goes on."""
        if was_cancelled(error):
            advance(self._plan, self._run, Cancelled(step))
            raise error
        if short is None:
            raise error  # an executor makes an outcome of what fails; this is its own fault
        return short.failed(step, self._live, error)

    def _fold(self, outcome: Outcome) -> None:
        advance(self._plan, self._run, outcome)
        if self._run.notes:
            self._tell_notes()
        if self._run.stopping:
            self._stop_all()

    async def _follow_all(self) -> None:
        """Several tokens: a task for each, until none is left."""
        self._done = asyncio.get_running_loop().create_future()
        self._dispatch()
        await self._done
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _dispatch(self) -> None:
        for step in self._run.ready:
            self._tasks[asyncio.create_task(self._walk(step))] = step
        self._run.ready.clear()

    async def _walk(self, step: Step) -> None:
        """A task's part: follow a token, then whatever became ready by it."""
        done = self._done
        assert done is not None
        ready = self._run.ready
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._tasks[task] = None
        try:
            with Walk(self._live) as walk:
                while True:
                    await self._follow(walk, step)
                    if not ready:
                        break
                    step = ready.pop(0)
                    self._dispatch()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._stop_all()
            if not done.done():
                done.set_exception(error)
        finally:
            self._ended(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task is over; one that was cancelled before it began has not folded its step."""
        step = self._tasks.pop(task, None)
        if step is not None:
            advance(self._plan, self._run, Cancelled(step))
        if not self._tasks and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _cancel(self, task: asyncio.Task[None]) -> None:
        """Cancel a task once: a second cancel would break into what it does to end."""
        if task not in self._tasks:
            return
        if self._tasks[task] is not None:  # nothing of it will run, its own end neither
            task.add_done_callback(self._ended)
        elif task.cancelling():  # by a loop that ends, or by a timeout of the step's own, which passes
            asyncio.get_running_loop().call_later(0.01, self._cancel, task)
            return
        task.cancel()

    def _stop_all(self) -> None:
        """A failure ends the run: what else runs is cancelled; awaiting them is `drive`'s part (2.6)."""
        if self._stopped:
            return  # a second cancel would break into what they do to end
        self._stopped = self._live.stopped = True
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                self._cancel(task)

    async def _cancel_all(self) -> None:
        """Cancel every step and await them all, however often this is cancelled meanwhile."""
        stop(self._run)
        self._stop_all()
        interrupted: asyncio.CancelledError | None = None
        while self._tasks:
            try:
                await asyncio.wait(self._tasks)
            except asyncio.CancelledError as error:
                interrupted = error
        if interrupted is not None:
            raise interrupted

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
