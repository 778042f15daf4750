"""The runs that an engine has under way, and how they are brought to an end (semantics 6.2)."""

from __future__ import annotations

import asyncio
import weakref

from ..errors import NodeloomError
from ..nodes.context import Context, current_context
from .handle import RunHandle
from .left import Left
from .pausing import Pausable

__all__ = ["UnderWay"]


class UnderWay:
    """The runs that are driven at the moment.

    Attributes:
        runs: by the identity of the data of each. handles: of those that were started, by their ids.
        stopping: no new ones are taken.
    """

    def __init__(self) -> None:
        self.runs: dict[int, Pausable] = {}
        self.handles: dict[str, RunHandle] = {}
        self.stopping = False
        self._let_go: weakref.WeakValueDictionary[str, RunHandle] = weakref.WeakValueDictionary()
        self._cut: list[Left] = []
        self._soon = asyncio.Event()

    def of(self, ctx: Context | None) -> Pausable | None:
        """The run whose step this is the context of, if that is still under way."""
        return None if ctx is None else self.runs.get(id(ctx.live.run))

    def keep(self, handle: RunHandle, *, named: bool) -> RunHandle:
        """Know a started run by its id; for good, where somebody has named it."""
        self.handles[handle.id] = handle
        if not named:  # nobody can ask for it by a name of their own, so its handle is enough to keep it
            handle.task.add_done_callback(lambda _: self._forget(handle.id))
        return handle

    def _forget(self, run_id: str) -> None:
        self._let_go[run_id] = self.handles.pop(run_id)

    async def pause(self, run_id: str, within: float | None) -> Left | None:
        """Pause a run; see `Engine.pause`."""
        left = None
        for run in self._named(run_id):
            left = await run.pause(within) or left
        return left

    def resume(self, run_id: str) -> None:
        """Resume a run; see `Engine.resume`."""
        for run in self._named(run_id):
            run.resume()

    async def cancel(self, run_id: str, within: float | None) -> Left | None:
        """Cancel a run; see `Engine.cancel`."""
        left = None
        for run in self._named(run_id):
            left = await run.end(within) or left
        return left

    def _named(self, run_id: str) -> list[Pausable]:
        """The run that was started as this, or all of that name that callers of `run` await."""
        handle = self.handles.get(run_id) or self._let_go.get(run_id)
        if handle is not None:
            return [] if handle.run is None else [handle.run]
        runs = [run for run in self.runs.values() if run.run_id == run_id]
        if not runs:
            raise NodeloomError(f"no run {run_id!r} was started here, and none of that id is under way")
        return runs

    async def drain(self, within: float | None) -> tuple[Left, ...]:
        """Wait for the end of those under way now; gives those that had not ended by then."""
        around = self.of(current_context())
        if around is not None and around.has(asyncio.current_task()):
            raise NodeloomError(f"a step of run {around.run_id} awaits drain(), which would wait for that step")
        await asyncio.sleep(0)  # what was started just now has begun after that
        runs = self._outermost()
        if runs:
            await asyncio.wait([run.until_over() for run in runs], timeout=within)
        return tuple(run.left() for run in runs if not run.over)

    async def stop(self, grace: float) -> tuple[Left, ...]:
        """Take no new ones, give those there are the grace to end, and cancel what is left, or only waits.

        Args:
            grace: seconds; `hasten` ends it.

        Returns:
            What was cancelled.
        """
        self.stopping = True
        await asyncio.sleep(0)
        for run in self._outermost():
            self.came_to_rest(run)
        if self.runs and grace > 0:
            try:
                async with asyncio.timeout(grace):
                    await self._soon.wait()
            except TimeoutError:
                pass
        while runs := self._outermost():  # again, for what a step left running is outermost when its run is over
            for run in runs:
                self._cancel(run)
            await asyncio.wait([run.until_over() for run in runs])
        if started := [handle.task for handle in self.handles.values() if not handle.task.done()]:
            await asyncio.wait(started)
        return tuple(self._cut)

    def hasten(self) -> None:
        """The grace of `stop` is over."""
        self._soon.set()

    def came_to_rest(self, run: Pausable) -> None:
        """A run that only waits is not waited for while the engine stops."""
        if run.waits and _is_outermost(run):
            self._cancel(run)

    def ended(self) -> None:
        """A run has ended while the engine stops."""
        if not self.runs:
            self._soon.set()

    def _cancel(self, run: Pausable) -> None:
        left = run.left()
        if run.cancel():
            self._cut.append(left)

    def _outermost(self) -> list[Pausable]:
        return [run for run in self.runs.values() if _is_outermost(run)]


def _is_outermost(run: Pausable) -> bool:
    return run.outer is None or run.outer.over
