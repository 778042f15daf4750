"""At most so many steps at once (semantics 5.1, 5.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import StillRunning
from .admission import still_let_through, wait_in_line
from .checks import check, count
from .keys import Key, KeyLike
from .policy import Handler, Layer, Place, Policy
from .shared import SlotsLike

if TYPE_CHECKING:
    from ..nodes.context import Context

__all__ = ["Concurrency"]


@dataclass(frozen=True)
class Concurrency(Policy):
    """Let at most `limit` attempts run at once; the others wait in the order they came.

    The limit is shared by all steps with the same key in an engine, across its runs and graphs. Work that was
    abandoned on a thread holds its slot until the thread is free.

    Args:
        limit: how many.
        key: what shares the limit: a text as `"gpu"`, a template as `"{{ params.host }}"`, or a function of the
            context. By default, the steps of this node in this graph.

    Raises:
        DefinitionError: a limit that is no whole number from 1, a key that cannot be one.
        ConcurrencyConflict: another limit under the same key.

    Example:
        `Render(policies=[Concurrency(4, key="gpu")])`
    """

    layer: ClassVar[Layer] = "concurrency"
    limit: int
    key: KeyLike = None
    _key: Key = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check(self, limit=count("limit", self.limit))
        object.__setattr__(self, "_key", Key(self.key, "Concurrency"))

    def around(self, call: Handler, place: Place) -> Handler:
        """The call, when a slot is free."""
        key = self._key.at(place)
        if key.constant is not None:
            slots = place.limits.slots(key.constant, self.limit)
            return _held(call, lambda _: slots)
        return _held(call, lambda ctx: place.limits.slots(key.of(ctx), self.limit))

    def problems(self, names: frozenset[str]) -> list[str]:
        """What is wrong with the key."""
        return self._key.problems(names)

    def settings(self) -> Mapping[str, Any]:
        """What a document says of it."""
        return {"limit": self.limit} if self.key is None else {"limit": self.limit, "key": self.key}


def _held(call: Handler, slots_of: Callable[[Context], SlotsLike]) -> Handler:
    """The call, holding one of the slots while it runs."""

    async def handle(ctx: Context) -> Any:
        slots = slots_of(ctx)
        waits = not slots.try_acquire()
        if waits:
            await wait_in_line(ctx, slots.acquire)
        try:
            if waits:
                await still_let_through(ctx)
            result = await call(ctx)
        except BaseException as error:
            until = still_running(error)
            if until is None:
                slots.release()
            else:
                until.add_done_callback(lambda _: slots.release())
            raise
        slots.release()
        return result

    return handle


def still_running(error: BaseException | None) -> asyncio.Future[Any] | None:
    """What is done when the code has ended that a failed call left running on a thread; None when there is none."""
    while error is not None:
        if isinstance(error, StillRunning):
            return error.until
        error = error.__cause__
    return None
