"""The graph runner: asks the plan what is ready, has it performed, folds the outcome, goes on.

A token that is alone is followed in the caller's own task, so a linear graph makes no task at all; where tokens
run at once, each gets one.
"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter as clock
from typing import Any, cast

from msgspec.structs import replace

from ..errors import ExpressionError, ReducerFailed
from ..executors.local import Executable, was_cancelled
from ..executors.step_failure import FAILURES
from ..model.advance import advance, error_info, result_of, stop
from ..model.run import Cancelled, Outcome, RunResult, Step
from ..model.values import EMPTY, as_values, kept
from ..model.ways import Kept
from ..nodes.context import Context, Walk, cancels_of
from ..nodes.scrubbing import scrubbed
from .outcome import batch_of, failure_of
from .pausing import Pausable

__all__ = ["GraphRun"]

log = logging.getLogger("nodeloom.runs")

SLICE = 0.02
"""Seconds that nodes which never wait may go on before others get a turn."""

LOOK = 0.000_05
"""Seconds of quick steps after which a walk looks whether it was cancelled; one that waited took longer."""


class GraphRun(Pausable):
    """One run of a graph, in this process.

    Args:
        live: the run and what is alive about it.
        bound, metrics: for each node of the plan, by index, what performs its steps and counts them.
        around: what else its engine has under way.
        outer: the run with the step that this one is part of. step: that step.
    """

    __slots__ = ()

    async def drive(self) -> RunResult:
        """Follow the run to its end. Cancelling this cancels every step and awaits them.

        Returns:
            What became of it; one that failed, or that `cancel` ended, is a result too.
        """
        run, runs = self._run, self._around.runs
        self._task = task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._cancels = task.cancelling()
        runs[id(run)] = self
        if self.outer is not None:
            self._link(task)
        try:
            self._emit("run_started", inputs=run.inputs)
            if self._told is not None:
                raise asyncio.CancelledError
            if len(run.ready) == 1:
                with Walk(self._live) as walk:
                    walk.cancels = cancels_of(task)
                    await self._follow(walk, run.ready.pop(), task)
            if run.ready:
                await self._follow_all()
            result = self._with_output(result_of(self._plan, run))
        except asyncio.CancelledError as error:
            result = await self._cancelled(task, error)
        except Exception as error:  # folding failed: in a reducer of the author's
            await self._cancel_all()
            result = self._broken(self._so_far(), error)
        except BaseException:
            await self._cancel_all()
            raise
        finally:
            self.over = True
            del runs[id(run)]
            if self._noted or self._around.stopping:
                self._tell_end(task)
        if result.status == "failed":
            result = replace(result, batch=batch_of(result.error, failure_of(result, self._live)))
        self._say_end(result)
        return result

    def _so_far(self) -> RunResult:
        """The result of a run that could not be folded on, as far as there is one."""
        run = self._run
        try:
            for branch in list(run.branches.values()):
                if branch.step is not None and not branch.over:
                    advance(self._plan, run, Cancelled(branch.step))
            return replace(result_of(self._plan, run), output=EMPTY)
        except Exception as error:  # of the same reducer
            log.debug("what run %s had written cannot be told: %s", run.id, error)
            return RunResult(run.id, "failed", EMPTY, EMPTY, EMPTY, run.steps)

    def _say_end(self, result: RunResult) -> None:
        if result.status == "completed":
            self._emit("run_completed", output=result.output, steps=result.steps)
        elif result.status == "failed":
            told = dict(result.error.as_values()) if result.error is not None else {}
            self._emit("run_failed", error=told, steps=result.steps)

    def _tell_end(self, task: asyncio.Task[Any]) -> None:
        """It is over, whichever way: whoever took note of it is told."""
        if self._sent:
            task.uncancel()
        if self._linked:
            self._unlink(task)
        self.declare_over()
        if self._around.stopping:
            self._around.ended()

    def cancel(self) -> bool:
        """Ask it to end; False when that was asked before, or it is over."""
        if self._told is not None or self.over:
            return False
        self._told = self.left()
        self._noted = True
        if self._task is not None:
            self._sent = True
            self._task.cancel()
        return True

    async def _cancelled(self, task: asyncio.Task[Any], error: asyncio.CancelledError) -> RunResult:
        """What a run became that `cancel` ended; its state is that of the steps that were done.

        Raises:
            CancelledError: others cancelled it, and are to have that back.
        """
        told = self._told
        try:
            await self._cancel_all()
        finally:
            left = [{"node": at.node, "step_id": at.step_id} for at in told.steps] if told is not None else []
            self._emit("run_cancelled", steps=self._run.steps, left=left)
        if told is None or task.cancelling() - self._sent > self._cancels:
            raise error
        try:
            return replace(result_of(self._plan, self._run), status="cancelled", output=EMPTY)
        except Exception as failure:  # in a reducer of the author's
            self._live.exceptions.append((error_info(failure, ""), scrubbed(failure)))
            return RunResult(self._run.id, "cancelled", EMPTY, EMPTY, EMPTY, self._run.steps)

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
        info = error_info(error, error.node if isinstance(error, ReducerFailed) else "")
        self._live.exceptions.append((info, scrubbed(error)))
        return replace(result, status="failed", error=info, errors=(info,))

    async def _follow(self, walk: Walk, step: Step, task: asyncio.Task[Any]) -> None:
        """Follow one token until it forks, waits at a join, or ends.

        Steps of nodes that need nothing around their work are performed here, in the open; what the usual step of a
        linear part costs is decided in this loop.
        """
        run, live, bound, metrics, branches = self._run, self._live, self._bound, self._metrics, self._run.branches
        cancels = task.cancelling()
        then = clock()
        look, breath = 0.0 if self._held else then, then + SLICE
        while True:
            executable, quick = bound[at := step.node]
            outputs: Kept | None = None
            went: Step | Outcome | None
            try:
                if then > look:
                    look = then + LOOK
                    breath = await self._between(step, task, cancels, then, breath)
                if quick is None:
                    went = await executable.perform(step, walk)
                else:
                    call, of_state, definition, params, way, choose = quick
                    if of_state is None or (state := branches[step.branch].state) is None:
                        walk.context = ctx = Context(step, walk, definition, params)
                        result = await call(ctx)
                    else:
                        walk.context, walk.step, walk.quick = None, step, quick
                        result = await of_state(state)
                    if type(result) is dict:
                        outputs = kept(result)  # pyright: ignore[reportUnknownArgumentType]
                        went = (way or choose(step, live, outputs)[1])(run, step, outputs)
                    else:
                        went = executable.completed(step, live, result)
            except FAILURES as error:  # every failure of a node is an outcome
                went, look = self._failed(step, executable, outputs, error, task, cancels), 0.0
            counted = metrics[at]
            counted.count += 1
            counted.seconds -= then - (then := clock())
            if not isinstance(went, Step):
                following = self._fold(went, task.cancelling() > cancels and not self._was_interrupted(task, cancels))
                if following is None:
                    return
                went = following
                if self._held:
                    look = 0.0
            step = went

    def _fold(self, outcome: Outcome | None, cancelled: bool) -> Step | None:
        """Fold an outcome, if there is one; the next step where one alone is ready, and for no other task to take.

        Raises:
            CancelledError: the run was cancelled while the step went on to its end: it goes no further.
        """
        if outcome is None and not cancelled:  # the token waits at a join, and that was all
            return None
        run = self._run
        if cancelled:
            stop(run)
        if outcome is not None:
            advance(self._plan, run, outcome)
        if cancelled:
            raise asyncio.CancelledError
        if run.notes:
            self._live.tell_notes()
        if run.stopping:
            self._stop_all()
        if self._held and len(run.branches) == 1:
            self._quicken(False)
        return run.ready.pop() if len(run.ready) == 1 else None

    async def _between(self, step: Step, task: asyncio.Task[Any], cancels: int, now: float, breath: float) -> float:
        """Between two steps: wait while the run is held, let others have a turn when it is time; when the next is.

        Raises:
            CancelledError: a step did not let its cancellation through.
        """
        if task.cancelling() > cancels and not self._was_interrupted(task, cancels):
            raise asyncio.CancelledError
        if now >= breath:
            await asyncio.sleep(0)
            breath = clock() + SLICE
        if self._held:
            await self.at_gate(step)
            breath = clock() + SLICE
        return breath

    def _failed(
        self,
        step: Step,
        executable: Executable,
        outputs: Kept | None,
        error: BaseException,
        task: asyncio.Task[Any],
        cancels: int,
    ) -> Outcome | Step:
        """The outcome of a failure; of a step that was interrupted, the step once more.

        Raises:
            CancelledError: the run was cancelled; its step is folded.
        """
        if was_cancelled(error):
            if self._was_interrupted(task, cancels):
                self._metrics[step.node].count -= 1  # what is counted now was none
                return step
            advance(self._plan, self._run, Cancelled(step))
            raise error
        if outputs is not None and isinstance(error, Exception):  # its work is done, and its way on cannot be told
            return executable.misrouted(step, self._live, as_values(outputs), error)
        return executable.failed(step, self._live, error)

    async def _follow_all(self) -> None:
        """Several tokens: a task for each, until none is left."""
        self._done = asyncio.get_running_loop().create_future()
        self._dispatch()
        await self._done
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _dispatch(self) -> None:
        tasks, walk, create = self._tasks, self._walk, asyncio.get_running_loop().create_task
        for step in self._run.ready:
            tasks[create(walk(step))] = step
        self._run.ready.clear()

    async def _walk(self, step: Step) -> None:
        """A task's part: follow a token, then whatever became ready by it."""
        done = self._done
        assert done is not None
        ready = self._run.ready
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = None
        walk = Walk(self._live)
        walk.begin()
        try:
            await self._follow(walk, step, task)
            while ready:
                step = ready.pop(0)
                self._dispatch()
                await self._follow(walk, step, task)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._stop_all()
            if not done.done():
                done.set_exception(error)
        finally:
            walk.leave()
            self._ended(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task is over; one that was cancelled before it began has not folded its step."""
        step = self._tasks.pop(task, None)
        if step is not None:
            advance(self._plan, self._run, Cancelled(step))
        if not self._tasks and self._done is not None and not self._done.done():
            self._done.set_result(None)
        elif self._held or self._around.stopping:
            self.look_for_rest()

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

    def _emit(self, type: Any, **data: Any) -> None:
        if self._live.watch is not None:
            self._live.emit(type, None, **data)
