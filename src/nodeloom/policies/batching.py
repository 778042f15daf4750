"""Batching: the calls of concurrent steps, gathered and made as one (semantics 5.8)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from msgspec.structs import replace

from ..errors import DefinitionError, NotStorable, OutputError
from ..model.values import EMPTY, Values, freeze, lend
from ..nodes.own import Own, own_params, with_item
from .checks import check, count, differing, seconds
from .fingerprint import fingerprint
from .on_behalf import context_of_its_own, own_failure, seen_out
from .policy import Handler, Layer, Place, Policy
from .work_batch import work_batch_of

if TYPE_CHECKING:
    from ..nodes.context import Context

__all__ = ["Batching"]


@dataclass(frozen=True)
class Batching(Policy):
    """Gather the calls of steps that run at once, and make one call of them: `work_batch(self, items)`.

    The node's `work_batch` is given the inputs of the steps, in the order they came, and returns as many outputs in
    that order; an exception among them fails its step alone. The items of a batch are steps too, whose inputs have
    the item and its index. It may also ask for `params` and `ctx`, and a plain `def` runs on a thread. Steps with
    different params are gathered apart. A retry of one step is gathered anew.

    The layers inside (circuit breaker, rate limit, concurrency, timeout) stand around the one call. Their keys may
    use params only, and `ctx.inputs`, `ctx.state` and `ctx.outputs` are empty there: the call is no single step's.

    Args:
        size: how many steps make a full call, which begins at once. None: only time decides.
        wait: seconds after the first step's coming until the call begins with those that are there; 0 for those
            that come in the same turn of the loop. None: only a full call begins.

    Raises:
        DefinitionError: a size that is no whole number from 1, a time below 0, or both None; a node without
            `work_batch`, or with a memory.

    Example:
        >>> from nodeloom import Node
        >>> from nodeloom.policies import Batching
        >>> class Embed(Node):
        ...     async def work(self, inputs):
        ...         return (await self.work_batch([inputs]))[0]
        ...     async def work_batch(self, items):
        ...         return [{"length": len(item["text"])} for item in items]
        >>> embed = Embed(policies=[Batching(size=100, wait=0.01)])
    """

    layer: ClassVar[Layer] = "batching"
    size: int | None = 100
    wait: float | None = 0.01

    def __post_init__(self) -> None:
        neither = self.size is None and self.wait is None
        check(
            self,
            size=None if self.size is None else count("size", self.size),
            wait="give a size, a wait or both: with neither no call ever begins" if neither else _wait_problem(self),
        )

    def around(self, call: Handler, place: Place) -> Handler:
        """The call, made once for all who come while it gathers."""
        return Gathering(call, self.size, self.wait).ask

    def innermost(self, work: Handler, place: Place) -> Handler:
        """One call of `work_batch`, where the context is that of a gathered call."""
        if place.node.memory:
            raise DefinitionError(
                f"node {place.node_id} has Batching and a memory: it takes its steps one at a time, so none is gathered"
            )
        ask = work_batch_of(place.node)

        async def handle(ctx: Context) -> Any:
            own = ctx.own
            if not isinstance(own, Together):
                return await work(ctx)
            params = own_params(ctx.params)
            if params is not ctx.params:
                ctx.walk.context = ctx = ctx.having(params=params)
            return await ask(ctx, list(own.items))

        return handle

    def settings(self) -> Mapping[str, Any]:
        """What a document says of it."""
        return differing(self)


class Together(Own):
    """What a gathered call has for its own: the inputs of the steps it is made for, in the order they came."""

    items: tuple[Values, ...] = ()


class Answer(NamedTuple):
    """What one step gets: what `work` would have returned, or an error."""

    result: Any = None
    error: BaseException | None = None

    def get(self) -> Any:
        """The result. Raises the error, a copy of the step's own."""
        if self.error is not None:
            raise own_failure(self.error, self.error.__traceback__)
        return self.result


class Gathering:
    """The calls that are being gathered at one place, by params.

    Args:
        call: the one call, of a context that holds the inputs of all. size, wait: when it begins.
    """

    __slots__ = ("_call", "_open", "_size", "_wait")

    def __init__(self, call: Handler, size: int | None, wait: float | None) -> None:
        self._call = call
        self._size = size
        self._wait = wait
        self._open: dict[Any, Gathered] = {}

    async def ask(self, ctx: Context) -> Any:
        """What a step gets of the call that it is gathered into."""
        group = _group_of(ctx.params)
        inputs = _inputs_of(ctx)
        gathered = self._open.get(group)
        if gathered is None:
            gathered = self._open[group] = Gathered(self._call, lambda: self._open.pop(group, None))
            if self._wait is not None:
                gathered.begin_in(self._wait)
        turn = gathered.add(ctx, inputs)
        if gathered.count == self._size:
            gathered.begin()
        try:
            answer = await turn
        except asyncio.CancelledError:
            await gathered.leave(turn)
            raise
        return answer.get()


class Gathered:
    """Steps that are gathered into one call, before it begins and while it runs.

    Args:
        call: the call. close: called once, when nobody can be added any more.
    """

    __slots__ = ("_call", "_close", "_steps", "_timer", "_under_way")

    def __init__(self, call: Handler, close: Callable[[], Any]) -> None:
        self._call = call
        self._close = close
        self._steps: OrderedDict[asyncio.Future[Answer], tuple[Context, Values]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._under_way: asyncio.Task[None] | None = None

    @property
    def count(self) -> int:
        """How many steps wait for it."""
        return len(self._steps)

    def add(self, ctx: Context, inputs: Values) -> asyncio.Future[Answer]:
        """Add a step and what it brings; what it waits for."""
        turn: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._steps[turn] = ctx, inputs
        return turn

    def begin_in(self, seconds: float) -> None:
        """Begin after so many seconds, if it has not begun by then."""
        self._timer = asyncio.get_running_loop().call_later(seconds, self.begin)

    def begin(self) -> None:
        """Make the call with the steps that are there."""
        self._shut()
        self._under_way = asyncio.create_task(self._make())

    async def leave(self, turn: asyncio.Future[Answer]) -> None:
        """Take a step out that is being cancelled; without any, there is no call, or an end to it."""
        self._steps.pop(turn, None)
        if self._steps:
            return
        if self._under_way is not None:
            await seen_out(self._under_way)
        else:
            self._shut()

    def _shut(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._close()

    async def _make(self) -> None:
        turns = list(self._steps)
        first, items = self._steps[turns[0]][0], tuple(inputs for _, inputs in self._steps.values())
        answers: list[Answer] = []
        try:
            own = Together(EMPTY, EMPTY, items=items)
            ctx = context_of_its_own(first, step=replace(first.step, brought=EMPTY), own=own)
            with ctx.walk:
                answers = _answers(await self._call(ctx), len(turns), ctx.node_id)
        except BaseException as error:  # it is the failure of every step that waits
            answers = [Answer(error=error)] * len(turns)
            if not isinstance(error, Exception):
                raise
        finally:
            for turn, answer in zip(turns, answers, strict=True):
                if not turn.done():
                    turn.set_result(answer)


def _wait_problem(policy: Batching) -> str | None:
    return None if policy.wait is None else seconds("wait", policy.wait, least=0)


def _inputs_of(ctx: Context) -> Values:
    """What a step brings into a gathered call: its inputs; in a batch, with the item, for the inputs are its step's.

    They are the call's own: what it changes in them is gone when it fails (4.7).
    """
    if ctx.own is None or ctx.own.index is None:
        return lend(ctx.inputs)
    return freeze(with_item(lend(ctx.inputs), ctx.own.anew(), None))


def _group_of(params: Any) -> Any:
    """What is equal for equal params, for a dict."""
    try:
        hash(params)
    except TypeError:
        pass
    else:
        return params
    try:
        return fingerprint({"params": dict(params)})
    except NotStorable:
        return id(params)


def _answers(results: Any, expected: int, node_id: str) -> list[Answer]:
    """What `work_batch` returned, one answer a step."""
    right = f"it returns a list of {expected} outputs (mappings, or exceptions), one for each item it was given"
    if not isinstance(results, Sequence) or isinstance(results, str | bytes):
        raise OutputError(f"work_batch of node {node_id} returned {type(results).__name__}; {right}")
    found = list(cast("Any", results))
    if len(found) != expected:
        raise OutputError(f"work_batch of node {node_id} returned {len(found)} outputs; {right}")
    return [Answer(error=each) if isinstance(each, BaseException) else Answer(each) for each in found]
