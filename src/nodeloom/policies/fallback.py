"""Fallback: what a step gives when it has failed for good (semantics 5.9)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from ..errors import GraphError, StartFailed
from ..model.result import error_info
from ..model.values import freeze, lend
from ..nodes.context import being_cancelled
from ..nodes.graph import Graph
from ..nodes.node import Node
from ..nodes.own import with_item
from .ages import AnswerAge, answer_age
from .checks import as_written, check, differing, seconds
from .keys import Key, KeyLike
from .policy import Handler, Layer, Place, Policy
from .results import copied, is_result

if TYPE_CHECKING:
    from ..nodes.context import Context

__all__ = ["Fallback"]


class _Unset(Enum):
    UNSET = "unset"


@dataclass(frozen=True, repr=False)
class Fallback(Policy):
    """When a step has failed for good, give something else instead: a value, the last good outputs, another node's.

    It stands around everything, retries and the deadline included; what was cancelled has not failed. That it was
    used is told by the event `fallback_used`, with the `error`, and the `age` of a last good answer in seconds, and
    by a log record.

    Args:
        value: outputs to give: a mapping, or None for none.
        last_good: give the newest outputs of a step that did not fail, when they are at most this many seconds old;
            else the step fails. What an `Idempotency` recalled is as old as the call it came from. They are kept in
            memory, a copy that nobody can change.
        node: a node to run by itself with this step's inputs, and in a batch the item and its `index` among them; when
            it fails as well, the step fails with its error.
        key: with `last_good`, what keeps answers apart: a text, a template as `"{{ params.host }}"`, or a function
            of the context. By default there is one.

    Raises:
        DefinitionError: not exactly one of them, or one that cannot work.

    Example:
        `Fetch(url="{{ inputs.url }}", policies=[Retry(3), Fallback(last_good=60.0, key="{{ inputs.url }}")])`
    """

    layer: ClassVar[Layer] = "fallback"
    value: Mapping[str, Any] | Literal[_Unset.UNSET] | None = _Unset.UNSET
    _: KW_ONLY
    last_good: float | None = None
    node: Node | None = None
    key: KeyLike = None
    _key: Key = field(init=False, compare=False)

    def __post_init__(self) -> None:
        problems = {name: find(self) for name, find in _PROBLEMS.items()}
        check(self, **problems)
        object.__setattr__(self, "_key", Key(self.key, "Fallback"))
        if isinstance(self.value, Mapping):
            object.__setattr__(self, "value", freeze(copied(dict(self.value))))

    def around(self, call: Handler, place: Place) -> Handler:
        """The call, or what stands in for it."""
        if self.last_good is not None:
            return _remembering(call, self._key.at(place), self.last_good)
        instead = self._value if self.node is None else self._other

        async def handle(ctx: Context) -> Any:
            try:
                return await call(ctx)
            except StartFailed:  # the run fails by it (6.1)
                raise
            except (Exception, asyncio.CancelledError) as error:
                if being_cancelled():
                    raise
                return await instead(ctx, error)

        return handle

    async def _value(self, ctx: Context, error: BaseException) -> Any:
        _tell(ctx, error, by="value")
        return copied(self.value)

    async def _other(self, ctx: Context, error: BaseException) -> Any:
        _tell(ctx, error, by="node")
        return await ctx.live.services.call(self.node, with_item(lend(ctx.inputs), ctx.own, None))

    def problems(self, names: frozenset[str]) -> list[str]:
        """What is wrong with the key, or with the node by itself."""
        problems = self._key.problems(names)
        if self.node is not None:
            try:
                Graph.alone(self.node)
            except GraphError as error:
                problems += [f"node {each.node or self.node.id}: {each.message}" for each in error.problems]
        return problems

    def settings(self) -> Mapping[str, Any]:
        """What a document says of it."""
        return differing(self)

    def __repr__(self) -> str:
        return as_written(self)


def _choice_problem(policy: Fallback) -> str | None:
    given = [name for name in ("last_good", "node") if getattr(policy, name) is not None]
    given += ["value"] if policy.value is not _Unset.UNSET else []
    if len(given) == 1:
        return None
    return f"give exactly one of value, last_good and node, not {' and '.join(sorted(given)) or 'none'}"


def _value_problem(policy: Fallback) -> str | None:
    value: Any = policy.value
    if value is None or value is _Unset.UNSET or _is_outputs(value):
        return _choice_problem(policy)
    return f"value={value!r} is no outputs: give a mapping from names to values, or None"


def _node_problem(policy: Fallback) -> str | None:
    node: Any = policy.node
    return None if node is None or isinstance(node, Node) else f"node={node!r} is no node (of a graph: graph.as_node())"


def _key_problem(policy: Fallback) -> str | None:
    if policy.key is None or policy.last_good is not None:
        return None
    return "key keeps last good answers apart, and comes with last_good only"


_PROBLEMS: dict[str, Callable[[Fallback], str | None]] = {
    "value": _value_problem,
    "last_good": lambda policy: None if policy.last_good is None else seconds("last_good", policy.last_good),
    "node": _node_problem,
    "key": _key_problem,
}


def _is_outputs(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    keys: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
    return all(isinstance(key, str) for key in keys)


class _Good(NamedTuple):
    """An answer, and when it was made, in the loop's time."""

    result: Any
    time: float


class _LastGood:
    """The last good answers by key, as long as they may be used."""

    __slots__ = ("_answers", "limit")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._answers: OrderedDict[str, _Good] = OrderedDict()

    def keep(self, key: str, result: Any, age: float) -> None:
        """Keep an answer that is so many seconds old, unless a newer one is there."""
        now = asyncio.get_running_loop().time()
        known = self._answers.get(key)
        if known is None or known.time <= now - age:
            self._answers[key] = _Good(copied(result), now - age)
            self._answers.move_to_end(key)
        while self._answers and now - next(iter(self._answers.values())).time > self.limit:
            self._answers.popitem(last=False)

    def find(self, key: str) -> _Good | None:
        good = self._answers.get(key)
        fresh = good is not None and asyncio.get_running_loop().time() - good.time <= self.limit
        return good if fresh else None


def _remembering(call: Handler, key: Key, limit: float) -> Handler:
    """The call; when it fails, its last good answer under the key."""
    answers = _LastGood(limit)

    async def handle(ctx: Context) -> Any:
        name = key.of(ctx)
        told = AnswerAge(ctx)
        before = answer_age.set(told)
        try:
            result = await call(ctx)
        except StartFailed:  # the run fails by it (6.1)
            raise
        except (Exception, asyncio.CancelledError) as error:
            good = None if being_cancelled() else answers.find(name)
            if good is None:
                raise
            _tell(ctx, error, by="last_good", age=asyncio.get_running_loop().time() - good.time)
            return copied(good.result)
        finally:
            answer_age.reset(before)
        if is_result(result):
            answers.keep(name, result, told.seconds)
        return result

    return handle


def _tell(ctx: Context, error: BaseException, **what: Any) -> None:
    """Tell watchers and the log that the step failed, though it does not look like it."""
    info = error_info(error, ctx.node_id)
    ctx.live.emit("fallback_used", ctx, error=dict(info.as_values()), **what)
    age = f", {what['age']:.1f} s old" if "age" in what else ""
    ctx.log.warning("node %s failed (%s: %s); fallback: %s%s", ctx.node_id, info.type, info.message, what["by"], age)
