"""Idempotency: equal calls are made once (semantics 5.7)."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from dataclasses import KW_ONLY, dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import NotStorable, PolicyError
from .checks import check, differing, seconds
from .fingerprint import fingerprint
from .keys import Key, KeyLike
from .on_behalf import context_of_its_own, own_failure, seen_out
from .policy import Handler, Layer, Place, Policy
from .results import copied, is_result
from .scope import scope_of
from .shared import Kept, Limits

if TYPE_CHECKING:
    from ..nodes.context import Context

__all__ = ["Flight", "Idempotency"]

SEPARATOR = "\x1f"
"""Between a scope and an author's key."""


@dataclass(frozen=True)
class Idempotency(Policy):
    """Do equal calls once: who asks again gets the result of the first, for `ttl` seconds.

    Steps with the same key, of this type of node and wherever they stand, share a result; of a graph as a node, those
    of the same graph. Those that ask while the first is under way wait for it; it belongs to all of them, so it is
    cancelled only when the last of them is. When it fails, all who waited fail with its error, and the next to ask
    tries anew. Results are kept by the engine, or by the store that its engines share.

    Args:
        key: what makes calls equal: a template as `"{{ inputs.order_id }}"`, a text, or a function of the context.
            By default, the params and inputs, whole; in a batch, the item as well.
        ttl: seconds that a result is remembered.

    Raises:
        DefinitionError: a time that is not above 0, a key that cannot be one. PolicyError: without a key, params or
            inputs that are no plain data; a step that asks for a key whose call it is part of.

    Example:
        `Charge(policies=[Idempotency(key="{{ inputs.order_id }}", ttl=86400)])`
    """

    layer: ClassVar[Layer] = "idempotency"
    key: KeyLike = None
    _: KW_ONLY
    ttl: float = 3600.0
    _key: Key = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check(self, ttl=seconds("ttl", self.ttl))
        object.__setattr__(self, "_key", Key(self.key, "Idempotency"))

    def around(self, call: Handler, place: Place) -> Handler:
        """The call, or its remembered result."""
        key_of: Callable[[Context], str] = _digest if self.key is None else self._given
        limits, ttl, scope = place.limits, self.ttl, scope_of(place.node)

        async def handle(ctx: Context) -> Any:
            key = f"{scope}{SEPARATOR}{key_of(ctx)}"
            while True:
                kept = limits.recall(key)
                if kept is not None:
                    return copied(kept.result)
                flight = limits.flights.get(key)
                if flight is None:
                    flight = Flight(limits.flights, key)
                    flight.begin(_found(limits, flight, ttl, call, context_of_its_own(ctx)))
                if flight.waits_for(_around.get()):
                    raise _within_itself(ctx, key)
                if not flight.is_given_up:
                    return await flight.result()
                await flight.end()

        return handle

    def _given(self, ctx: Context) -> str:
        key = self._key.of(ctx)
        if key:
            return key
        raise PolicyError(
            f"Idempotency of node {ctx.node_id}: key: it is empty, and all the steps without a value would share one "
            f"result"
        )

    @property
    def roots(self) -> frozenset[str]:
        """What its key is made of, as `inputs`, where that is a text."""
        return frozenset(str(path.parts[0]) for path in self._key.paths)

    def problems(self, names: frozenset[str]) -> list[str]:
        """What is wrong with the key."""
        return self._key.problems(names)

    def settings(self) -> Mapping[str, Any]:
        """What a document says of it."""
        return differing(self)


async def _found(limits: Limits, flight: Flight, ttl: float, call: Handler, ctx: Context) -> Any:
    """The result of a key: what somebody found out meanwhile, or what the call gives."""
    _around.set(flight)  # this task is the flight's own
    claim = await limits.claim(flight.key)
    if isinstance(claim, Kept):
        return claim.result
    try:
        with ctx.walk:
            result = await call(ctx)
    except BaseException as error:
        await claim.drop(error if isinstance(error, Exception) else None)
        raise
    if not is_result(result):  # the step fails by it, and failures are not remembered
        await claim.drop(None)
        return result
    kept = copied(result)
    await claim.keep(kept, ttl)
    return kept


def _within_itself(ctx: Context, key: str) -> PolicyError:
    return PolicyError(
        f"Idempotency of node {ctx.node_id}: the call with the key {key.partition(SEPARATOR)[2]!r} is under way in "
        f"this very step, or in one that waits for it: to wait for its result would be to wait for itself"
    )


def _digest(ctx: Context) -> str:
    values = {"params": None if ctx.params is None else dict(ctx.params), "inputs": ctx.inputs}
    if ctx.own is not None and ctx.own.index is not None:
        values["item"] = ctx.item  # the inputs of the items of a batch are its step's
    try:
        return fingerprint(values)
    except NotStorable as error:
        raise PolicyError(
            f"Idempotency of node {ctx.node_id} cannot tell which calls are equal, for not all of its params and "
            f"inputs are plain data ({error}); give it a key, as Idempotency(key='{{{{ inputs.order_id }}}}')"
        ) from error


class Flight:
    """One call under way, and the steps that wait for its result.

    Args:
        flights: where it is found under its key, from now until it ends. key: the key.
    """

    __slots__ = ("_awaited", "_call", "_error", "_flights", "_result", "_trace", "_waiting", "is_given_up", "key")

    def __init__(self, flights: MutableMapping[str, Any], key: str) -> None:
        flights[key] = self
        self._flights = flights
        self.key = key
        self._awaited: list[Flight] = []  # by its own call
        self._waiting: set[asyncio.Future[None]] = set()
        self._result: Any = None
        self._error: BaseException | None = None
        self._trace: TracebackType | None = None
        self.is_given_up = False

    def begin(self, finding: Coroutine[Any, Any, Any]) -> None:
        """Begin to find the result out."""
        self._call: asyncio.Task[Any] = asyncio.create_task(finding)
        self._call.add_done_callback(self._land)

    async def result(self) -> Any:
        """Wait for the result, and get a copy of it; the last who leaves before it is there ends the call."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(turn)
        around = _around.get()
        if around is not None:
            around._awaited.append(self)
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.discard(turn)
            if not self._waiting and not self._call.done():
                self.is_given_up = True
                await seen_out(self._call)
            raise
        finally:
            if around is not None:
                around._awaited.remove(self)
        if self._error is not None:
            raise own_failure(self._error, self._trace)
        return copied(self._result)

    def waits_for(self, other: Flight | None) -> bool:
        """Whether its call cannot end before the other's: it is that one, or awaits what cannot."""
        return other is not None and (self is other or any(each.waits_for(other) for each in self._awaited))

    async def end(self) -> None:
        """Wait until it has ended, however."""
        await asyncio.wait({self._call})

    def _land(self, call: asyncio.Task[Any]) -> None:
        del self._flights[self.key]
        if call.cancelled():
            self._error = asyncio.CancelledError()
        elif (error := call.exception()) is not None:
            self._error, self._trace = error, error.__traceback__
        else:
            self._result = call.result()
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)


_around: contextvars.ContextVar[Flight | None] = contextvars.ContextVar("nodeloom_flight", default=None)
"""The flight that this code is part of the call of."""
