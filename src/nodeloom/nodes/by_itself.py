"""A node run by itself, without a graph of one's own: once, or for each of many items (semantics 8.4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from ..model.batch import Batch, BatchResult, Slot
from ..model.values import Values
from .host import current_host, run_sync

if TYPE_CHECKING:
    from typing import Unpack

    from .event import Event

__all__ = ["RUN_OPTIONS", "MapSettings", "RunOptions", "RunsByItself"]


class RunOptions(TypedDict, total=False):
    """What a run may be given besides its inputs."""

    metadata: Mapping[str, Any] | None
    config: Mapping[str, Any] | None
    watch: Callable[[Event], None] | None


RUN_OPTIONS: Final = RunOptions.__annotations__.keys()
"""Their words."""


class MapSettings(RunOptions, total=False):
    """What a call of `map` may say: as of a `Batch`, and as of a run."""

    as_: str
    parallel: bool
    max_concurrent: int
    max_retries: int
    retry_wait: float
    item_timeout: float
    error_handling: Literal["fail_fast", "continue"]


class RunsByItself:
    """What a node can do without a graph of the author's around it."""

    __slots__ = ()

    batch: Batch | None = None

    async def __call__(self, inputs: Any = None, /, **options: Any) -> Values:
        """Run this node by itself: `await fetch({"url": "..."})`.

        Args:
            inputs: a mapping, dataclass or model; also what `state` is then.
            **options: `metadata` and `config`, as of `Graph.run`; `watch`, which is called with each event; and for
                nodes spelled `execute`, a `runtime`.

        Returns:
            Its outputs.
        """
        return await current_host().call(self, inputs, **options)

    def run_sync(self, inputs: Any = None, /, **options: Any) -> Values:
        """The same from code that is not async."""
        result: Values = run_sync(self, inputs, **options)
        return result

    async def go(self, mailbox: Any, /, **options: Any) -> Any:
        """Live as an actor that reads a channel, until that is closed and everything that was in it is done.

        Cancelling this finishes what was taken out of the channel, and leaves the rest there.

        Args:
            mailbox: a channel of messages, whose bodies are inputs.
            **options: as of `Graph.actors`; `observer`, which is given every output; `dead_letters`, which is given
                every message that failed for good, as a `DeadLetter` with its `inputs` and its `error`. Both are
                functions: a plain one is called at once, an async one from a task of its own.

        Returns:
            How it did, an `ActorStats`.

        Example:
            >>> import asyncio
            >>> from nodeloom import node
            >>> from nodeloom.channels import MemoryChannel, Message
            >>> @node
            ... async def shout(inputs):
            ...     return {"text": inputs["text"].upper()}
            >>> async def main():
            ...     mailbox, said = MemoryChannel(), []
            ...     await mailbox.send(Message({"text": "hello"}))
            ...     await mailbox.close()
            ...     stats = await shout.go(mailbox, observer=said.append)
            ...     return stats.processed, said
            >>> asyncio.run(main())
            (1, [{'text': 'HELLO'}])
        """
        return await current_host().go(self, mailbox, **options)

    async def map(self, items: Any, /, **settings: Unpack[MapSettings]) -> BatchResult:
        """Run this node for each of many items: `await resize.map(files, max_concurrent=20)`.

        Each item is a call of the node. A mapping, dataclass or model is that call's inputs; anything else is its one
        input `item` (or what `as_` calls it). Policies stand around each of them, a Deadline around all.

        Args:
            items: a list, or whatever else can be iterated, also asynchronously: then an item is taken when there is
                a free place for it, and not before.
            **settings: as of a `Batch`; what is not said is as in the node's own batch, where it has one. And
                `metadata` and `config`, as of `Graph.run`, and `watch`, which is called with each event, as of a step
                with a batch.

        Returns:
            A slot for each item, in the order of the items.

        Raises:
            the error of the first item that failed, in the order of the items; with `error_handling="continue"` only
            when all of them did. Its `batch` is what there is of the `BatchResult`. DefinitionError: settings that
            cannot work.

        Example:
            >>> from nodeloom import node
            >>> @node
            ... async def double(inputs):
            ...     return {"n": inputs["n"] * 2}
            >>> double.map_sync([{"n": 1}, {"n": 2}]).results
            [{'n': 2}, {'n': 4}]
        """
        return await current_host().map(self, items, **settings)

    def map_sync(self, items: Any, /, **settings: Unpack[MapSettings]) -> BatchResult:
        """The same from code that is not async."""
        result: BatchResult = run_sync(self.map, items, **settings)
        return result

    def map_stream(self, items: Any, /, **settings: Unpack[MapSettings]) -> AsyncIterator[Slot]:
        """The same, item by item as they end: `async for slot in resize.map_stream(files): ...`.

        No slots are kept, so that the memory it needs does not grow with the items. Who is slow to take them holds the
        items up: at most as many as may run at once wait to be taken. Leaving the loop cancels those that run.

        Args:
            items, **settings: as for `map`.

        Raises:
            at the end, what `map` raises; without slots.
        """
        return _streamed(self, items, settings)


async def _streamed(node: RunsByItself, items: Any, settings: MapSettings) -> AsyncIterator[Slot]:
    of_batch = {word: value for word, value in settings.items() if word not in RUN_OPTIONS}
    at_once = (node.batch or Batch(items=())).mapped(of_batch).at_once
    ended: asyncio.Queue[Slot | None] = asyncio.Queue()
    room = asyncio.Semaphore(at_once)

    async def each(slot: Slot) -> None:
        ended.put_nowait(slot)
        await room.acquire()

    run = asyncio.ensure_future(current_host().map(node, items, each=each, **settings))
    run.add_done_callback(lambda _: ended.put_nowait(None))
    try:
        while (slot := await ended.get()) is not None:
            yield slot
            room.release()
        await run
    finally:
        run.cancel()
        await asyncio.wait({run})
        if not run.cancelled():
            run.exception()
