"""Where the items of a batch come from: a list, anything that can be iterated, or what an expression gives."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sized
from types import GeneratorType
from typing import Any, cast

from ..errors import StepError
from ..model.masks import in_short

__all__ = ["Source", "open_source"]

log = logging.getLogger("nodeloom.batch")


class Source:
    """The items of one step with their places, taken one after the other by however many workers.

    Args:
        items: what can be iterated at once. after: what is waited for. total: how many there are, where that is known.

    Attributes:
        items: each with its place; None where they are waited for.
    """

    __slots__ = ("_after", "_given", "_lock", "_next", "_over", "items", "total")

    def __init__(self, items: Iterator[Any] | None, after: AsyncIterator[Any] | None, total: int | None) -> None:
        self.items = None if items is None else enumerate(items)
        self.total = total
        self._given = items
        self._after = after
        self._lock = asyncio.Lock()
        self._next = 0
        self._over = False

    async def take(self) -> tuple[int, Any] | None:
        """The next item with its place, or None; nobody asks before the one before has its answer."""
        assert self._after is not None
        async with self._lock:
            if self._over:
                return None
            try:
                item = await self._after.__anext__()
            except StopAsyncIteration:
                self._over = True
                return None
            except BaseException:
                self._over = True
                raise
            self._next += 1
            return self._next - 1, item

    async def close(self) -> None:
        """Let go of what was not taken to its end."""
        try:
            if self._after is not None and hasattr(self._after, "aclose"):
                await cast("Any", self._after).aclose()
            elif isinstance(self._given, GeneratorType):
                self._given.close()  # pyright: ignore[reportUnknownMemberType]
        except Exception:  # the batch has its result already
            log.exception("closing the items of a batch failed")


async def open_source(items: Any, node_id: str) -> Source:
    """The items as a source.

    Args:
        items: what was given: something to iterate, or a function, or a coroutine, that gives it.

    Raises:
        StepError: they cannot be iterated.
    """
    found = await _given(items)
    if hasattr(found, "__aiter__"):
        return Source(None, aiter(cast("AsyncIterable[Any]", found)), None)
    if isinstance(found, str | bytes | Mapping) or not hasattr(found, "__iter__"):
        raise StepError(
            f"the items of the batch of node {node_id} are {_what(found)}; they are a list, or something else that can "
            f"be iterated"
        )
    # What an item does to a list of the author's is not seen here.
    several: Iterable[Any] = (
        tuple(cast("Iterable[Any]", found)) if type(found) is list else cast("Iterable[Any]", found)
    )
    return Source(iter(several), None, len(cast("Sized", several)) if hasattr(several, "__len__") else None)


async def _given(items: Any) -> object:
    """What was given, or what that gives."""
    if callable(items) and not hasattr(items, "__iter__") and not hasattr(items, "__aiter__"):
        given: object = items()
    else:
        given = items
    return cast("object", await given) if inspect.isawaitable(given) else given


def _what(items: Any) -> str:
    kind = "a mapping" if isinstance(items, Mapping) else f"of type {type(items).__name__}"
    return f"{kind}: {in_short(items)}"
