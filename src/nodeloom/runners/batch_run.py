"""The items of one step: workers that take them from one source, each as soon as it is free (semantics 8.3).

Where one item runs at a time there is no worker but the step itself, and no task is made.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from operator import itemgetter
from typing import Any, NamedTuple, cast

from msgspec.structs import replace

from ..errors import OutputError
from ..executors.calls import Call
from ..executors.local import was_cancelled
from ..executors.step_failure import FAILURES, as_failure
from ..model.batch import Batch, BatchResult, ItemError, Record, Slot
from ..model.edge import Route
from ..model.masks import in_short
from ..model.result import error_info
from ..model.values import WHOLE, freeze
from ..nodes.context import Context, Walk, cancels_of
from .batch_contexts import Make
from .batch_progress import Progress
from .batch_source import Source
from .batch_threads import ENDED_BY_ANOTHER
from .batch_workers import Workers
from .parts import Parts

__all__ = ["Each", "ItemWork", "ItemsRun"]

SLICE = 0.02
"""Seconds that items which never wait may go on before others get a turn."""

LOOK = 0.000_05
"""Seconds of quick items after which a worker looks whether it was cancelled; one that waited took longer."""

APART = nullcontext()
"""Stands for no part: of who does items in the step's own task, or in a part that was begun before."""

Each = Callable[[Slot], Awaitable[None]]
"""What is done with each item that has ended, before its worker takes another one."""


class ItemWork(NamedTuple):
    """What does an item's work.

    Attributes:
        call: of the item's context, what `work` returned. attempts_of: of the error of a failed item, how many attempts
            it tells of.
    """

    call: Call
    attempts_of: Callable[[BaseException], int]


class ItemsRun:
    """The items of one step.

    Args:
        ctx: the step's. batch: the settings. source: the items. make: what each of them is given.
        work: what does an item's work. at_once: how many may run at once.
        parts: the step, for a pause to know what its workers are at.
        each: done with each item that has ended; then no slots are kept.

    Attributes:
        failed: how many items did. failure: the error of the first of them, in the order of the items.
        broken: what the source of the items raised.
    """

    __slots__ = (
        "_attempts_of",
        "_began",
        "_breath",
        "_call",
        "_clock",
        "_ctx",
        "_each",
        "_fails_fast",
        "_first_failed",
        "_keep",
        "_late",
        "_make",
        "_parts",
        "_progress",
        "_records",
        "_resting",
        "_source",
        "_tells",
        "_told",
        "_workers",
        "broken",
        "failed",
        "failure",
    )

    def __init__(
        self,
        ctx: Context,
        batch: Batch,
        source: Source,
        make: Make,
        work: ItemWork,
        at_once: int,
        *,
        parts: Parts,
        each: Each | None,
    ) -> None:
        most = at_once if source.total is None else max(1, min(at_once, source.total))
        self._ctx = ctx
        self._source = source
        self._make = make
        self._call = work.call
        self._parts = parts
        self._attempts_of = work.attempts_of
        self._each = each
        self._workers = Workers(self._work, self._break, most if most > 1 else 0)
        self._fails_fast = batch.error_handling == "fail_fast"
        self._clock = _clock_of(asyncio.get_running_loop())
        self._began = self._clock()
        self._breath = self._began + SLICE
        self._resting = False
        self._records: list[Record] = []  # in the order in which the items ended
        self._keep: Callable[[Record], Any] = self._records.append if each is None else _forget
        self._progress = Progress(ctx, source.total) if ctx.live.watch is not None else None
        self._tells = self._progress is not None or each is not None
        self._told = 0
        self._first_failed = -1
        self._late = -1  # an item that was taken when nothing was begun any more
        self.failed = 0
        self.failure: BaseException | None = None
        self.broken: Exception | None = None

    @property
    def first_failed(self) -> int:
        """The index of the first item that failed, in the order of the items."""
        return self._first_failed

    @property
    def all_failed(self) -> bool:
        """Whether there were items, and each of them failed."""
        return 0 < self.failed == (len(self._records) or self._told)

    async def drive(self) -> None:
        """Do the items. Cancelling this cancels each that runs, and awaits them."""
        try:
            if self._workers.room:
                with self._parts:
                    await self._workers.run()
            else:
                await self._work(APART)
        except Exception as error:
            self._break(error)
        finally:
            await self._source.close()
            if self._progress is not None:
                self._progress.over()

    def result(self) -> BatchResult:
        """The slots as they are now; an item without one was never begun."""
        records = sorted(self._records, key=itemgetter("index"))
        known = (self._source.total or 0) if self._each is None else 0
        return BatchResult(records, max(known, self._late + 1, records[-1]["index"] + 1 if records else 0))

    def _work(self, part: AbstractContextManager[None] | None = None) -> Coroutine[Any, Any, None]:
        """A worker's part: one item after the other."""
        part = self._parts.part() if part is None else part
        items = self._source.items
        return self._take_awaited(part) if items is None else self._take(items, part)

    def _break(self, error: Exception) -> None:
        """The source of the items failed, or whoever is told of them; what fails in an item is its slot's."""
        self.broken = self.broken or error
        self._workers.open = False
        if self._fails_fast:
            self._workers.stop(ENDED_BY_ANOTHER)

    async def _take_awaited(self, part: AbstractContextManager[None]) -> None:
        workers = self._workers
        with Walk(self._ctx.live, self._ctx), part:
            if self._parts.held:
                await self._parts.at_gate()
            while workers.open and (taken := await self._source.take()) is not None:
                if workers.is_closed():  # it came too late to be begun
                    self._late = taken[0]
                else:
                    await self._take((taken,), APART)
            workers.open = False

    async def _take(self, items: Iterable[tuple[int, Any]], part: AbstractContextManager[None]) -> None:
        """Do items, as long as there are any; what a usual item costs is decided here."""
        workers, make, call, keep, clock = self._workers, self._make, self._call, self._keep, self._clock
        task, look = cast("asyncio.Task[Any]", asyncio.current_task()), 0.0
        cancels = task.cancelling()
        with Walk(self._ctx.live) as walk, part:
            walk.cancels = cancels_of(task)
            if self._parts.held:
                await self._parts.at_gate()
            began = clock()
            for index, item in items if workers.open else ():
                if workers.room:
                    workers.begin()
                ctx = self._ctx
                try:
                    walk.context = ctx = make(item, index, walk)
                    output = _output(await call(ctx), ctx)
                    now = clock()
                    record: Record = {
                        "index": index,
                        "status": "ok",
                        "output": output,
                        "error": None,
                        "attempts": walk.context.attempt,
                        "started": began - self._began,
                        "seconds": now - began,
                    }
                except FAILURES as error:
                    record, now = self._not_ok(index, error, ctx, walk, began), clock()
                keep(record)
                if self._tells:
                    await self._tell(record, ctx)
                began = now
                if now > look:
                    look = now + LOOK
                    if task.cancelling() > cancels and workers.open:  # the item did not let its cancellation through
                        raise asyncio.CancelledError
                    if now > self._breath or self._parts.held:
                        began = await self._pause()
                if not workers.open:
                    return

    async def _tell(self, record: Record, ctx: Context) -> None:
        """Tell of an item that has ended; none begins meanwhile in its place."""
        self._told += 1
        slot = Slot.of(record)
        if self._progress is not None:
            self._progress.ended(slot, ctx)
        if self._each is not None:
            await self._each(slot)

    # --- pauses

    async def _pause(self) -> float:
        """Between two items: wait while the run is paused, and let others have a turn; gives the time."""
        if self._parts.held:
            await self._parts.at_gate()
        if self._clock() > self._breath:
            if not self._resting:  # all workers together go on for a slice, whoever of them it is
                self._resting = True
                asyncio.get_running_loop().call_soon(self._rested)
            await asyncio.sleep(0)
        return self._clock()

    def _rested(self) -> None:
        self._resting = False
        self._breath = self._clock() + SLICE

    # --- slots

    def _not_ok(self, index: int, error: BaseException, ctx: Context, walk: Walk, began: float) -> Record:
        """The record of an item that failed.

        Raises:
            CancelledError: it was cancelled; its record is kept.
        """
        ended = self._clock()
        attempts = 1 if walk.context is None or ctx is self._ctx else walk.context.attempt
        slot = Slot(index, "cancelled", None, None, attempts, began - self._began, ended - began)
        if was_cancelled(error):
            self._keep(slot.as_record())
            if self._progress is not None:
                self._progress.ended(slot, ctx)
            raise error
        error = as_failure(error, self._ctx.node_id)
        self.failed += 1
        if self.failure is None or index < self._first_failed:
            self.failure, self._first_failed = error, index
        if self._fails_fast:
            self._workers.stop(ENDED_BY_ANOTHER)
        attempts, info = max(attempts, self._attempts_of(error)), error_info(error, self._ctx.node_id)
        failed = ItemError(index, info.type, info.message, attempts, info.code, info.retryable)
        return replace(slot, status="failed", error=failed, attempts=attempts).as_record()


def _output(result: Any, ctx: Context) -> dict[str, Any]:
    """What `work` returned for an item, as its output."""
    if type(result) is dict:
        given: dict[str, Any] = result  # pyright: ignore[reportUnknownVariableType]
        for key, value in given.items():
            if type(value) not in WHOLE or type(key) is not str:
                return dict(freeze(given))
        return given.copy()
    if result is None:
        return {}
    if isinstance(result, Mapping):
        return dict(freeze(cast("Mapping[str, Any]", result)))
    if inspect.iscoroutine(result):
        result.close()
    what = "a Route, but items have no way on of their own" if isinstance(result, Route) else in_short(result, 80)
    raise OutputError(
        f"work of node {ctx.node_id} returned for an item of its batch {type(result).__name__} {what}; it returns a "
        f"mapping of outputs, or None"
    )


def _clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """The loop's time, by the shortest way."""
    usual = getattr(loop.time, "__func__", None) is asyncio.BaseEventLoop.time
    return time.monotonic if usual else loop.time


def _forget(record: Record) -> None:
    """Where no slots are kept."""
