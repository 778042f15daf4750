"""The runs that an engine has under way, and how they are brought to an end (semantics 6.2)."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Mapping
from typing import Any

from ..errors import NodeloomError
from ..nodes.context import Context, current_context
from ..nodes.graph import Graph
from ..resources.given import check_seconds
from .handle import RunHandle
from .left import Left
from .pausing import Pausable

__all__ = ["UnderWay"]


class UnderWay:
    """The runs that are driven at the moment.

    Args:
        kept: how many started runs with a name of their caller's are known when they have ended.

    Attributes:
        runs: by the identity of the data of each. handles: of those that were started, by their ids.
        stopping: no new ones are taken.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._ended: deque[str] = deque()  # names of those that have ended, oldest first
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
        """Know a started run by its id; where somebody has named it, also when it has ended, among the latest."""
        self.handles[handle.id] = handle
        # Nobody can ask for one without a name of theirs, so its handle is enough to keep it.
        end = self._keep_ended if named else self._forget
        handle.task.add_done_callback(lambda _: end(handle.id))
        return handle

    def started(self, run_id: str | None, graph: Graph, inputs: Mapping[str, Any]) -> RunHandle | None:
        """The run that was started as this, if there is one.

        Raises:
            NodeloomError: it is of another graph, or has other inputs.
        """
        handle = self.handles.get(run_id) if run_id is not None else None
        if handle is None:
            return None
        differs = f"graph {handle.graph.name}" if not _are_alike(handle.graph, graph) else ""
        if not differs and not _are_equal(handle.inputs, inputs):
            differs = f"graph {graph.name} with other inputs ({_differing(handle.inputs, inputs)} differ)"
        if differs:
            raise NodeloomError(
                f"run {run_id!r} was started already, of {differs}; a run's id names one run: give this one another"
            )
        return handle

    def _keep_ended(self, run_id: str) -> None:
        self._ended.append(run_id)
        while len(self._ended) > self._kept:
            self._forget(self._ended.popleft())

    def _forget(self, run_id: str) -> None:
        self._let_go[run_id] = self.handles.pop(run_id)

    async def pause(self, run_id: str, within: float | None) -> Left | None:
        """Pause a run; see `Engine.pause`."""
        left = None
        _check_within(within)
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
        _check_within(within)
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
        _check_within(within)
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


def _check_within(within: float | None) -> None:
    if within is not None:
        check_seconds("within", within)


def _are_alike(one: Graph, other: Graph) -> bool:
    """Whether two graphs are one, or of one name and declared alike, as a document that is read twice."""
    from ..policies.scope import scope_of  # here, for a run whose id is new asks nothing of policies

    return one is other or scope_of(one.as_node()) == scope_of(other.as_node())


def _are_equal(one: Any, other: Any) -> bool:
    try:
        return one is other or bool(one == other)
    except Exception:  # as arrays, of which none is equal or not as a whole
        return False


def _differing(known: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """The names of inputs that are not the same."""
    names = {**known, **given}
    missing = object()
    one, other = {**known}, {**given}  # which have no name in the place of a method
    differing = [name for name in names if not _are_equal(one.get(name, missing), other.get(name, missing))]
    return ", ".join(differing) or "they"


def _is_outermost(run: Pausable) -> bool:
    return run.outer is None or run.outer.over
