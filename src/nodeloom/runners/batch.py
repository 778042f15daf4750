"""The batch runner: a node's work, done for each of many items as one step (semantics 8).

Policies stand around each item, a Deadline around the whole. What an engine binds with `batched` turns a step of a
node with `batch=` into the outputs of its batch; of a call of `map` the step is that of the node alone.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from ..errors import DefinitionError, OutputError
from ..executors.attempts import Attempts, AttemptServices
from ..executors.calls import Call
from ..executors.local import LocalServices
from ..expressions import Template, compile_template
from ..model.batch import Batch, BatchOutputs, BatchResult, Slot, spelt_twice
from ..model.masks import in_short
from ..model.plan import Plan, PlanNode
from ..model.result import blame_item
from ..model.values import Values, freeze
from ..nodes.context import Context
from ..nodes.graph import PARAM_NAMES
from ..nodes.memory import Memory
from ..nodes.node import Node
from .batch_contexts import made_for_call, made_for_step
from .batch_run import ItemsRun, ItemWork
from .batch_source import Source, open_source
from .batch_threads import ItemServices, in_its_own_walk
from .parts import Parts

__all__ = ["BatchDoing", "BatchServices", "batched", "settings_of_call"]


class BatchServices(LocalServices, Protocol):
    """What a batch asks of its engine."""

    def parts(self, ctx: Context) -> Parts: ...


def batched(
    node: Node, place: PlanNode, plan: Plan, *, services: BatchServices, call: Batch | None = None
) -> BatchDoing | None:
    """What does the work of the node's steps, where it has a batch.

    Args:
        node, place, plan: as of an executable. services: the engine's.
        call: the settings of a call of `map`; by default the node's own.
    """
    settings = call or node.batch
    if settings is None:
        return None
    return BatchDoing(node, place, plan, services, settings, is_call=call is not None)


def settings_of_call(own: Batch | None, settings: Mapping[str, Any]) -> Batch:
    """The settings of a call of `map`, whose step is given the items as its input `source`.

    Args:
        own: the node's. settings: what the call says.

    Raises:
        DefinitionError: with every problem.
    """
    batch = (own or Batch(items=())).mapped(settings)
    return dataclasses.replace(batch, items="{{ inputs.source }}", reduce=_kept)


def _kept(slots: list[Slot]) -> dict[str, Any]:
    """Stands for no reducing at all."""
    return {}


class BatchDoing:
    """The work of a node's steps, where each of them is a batch.

    Args:
        node, place, plan, services: as of an executable. batch: the settings.
        is_call: each item is a call of its own, as of `map`.

    Raises:
        DefinitionError: a policy beside the batch says what the batch says.
    """

    plain = False

    def __init__(
        self, node: Node, place: PlanNode, plan: Plan, services: BatchServices, batch: Batch, *, is_call: bool
    ) -> None:
        problem = spelt_twice(batch, node.policies)
        if problem is not None:
            raise DefinitionError(f"node {place.id}: {problem}")
        self._node = node
        self._node_id = place.id
        self._batch = batch
        self._services = services
        self._make = made_for_call if is_call else made_for_step
        self._items: Template | None = compile_template(batch.templates, PARAM_NAMES, "batch.items")
        self._spent = False
        around_step = [policy for policy in node.policies if policy.layer == "deadline"]
        around_item = [policy for policy in node.policies if policy.layer != "deadline"] + _policies_of(batch)
        item_services = ItemServices(services)
        asked = cast("AttemptServices", item_services)
        self._attempts = Attempts(node, place, plan, asked, policies=around_item, names=batch.names)
        one: Call = self._attempts.call if self._attempts.plain else self._attempts
        one = in_its_own_walk(one) if item_services.threaded else one
        self._work = ItemWork(one, _attempts_of if around_item else _always_one)
        self.call: Call = self._perform
        self._whole = _within(around_step, self._perform, node, place, plan, services)

    async def __call__(self, ctx: Context) -> BatchOutputs:
        """Do the items of one step, and give its outputs.

        Raises:
            the error of the first item that failed, where that fails the step; its `batch` is the `BatchResult`, and
            what is told of it says which item it was.
        """
        outputs: BatchOutputs = await self._whole(ctx)
        return outputs

    async def _perform(self, ctx: Context) -> BatchOutputs:
        if not self._node.memory:
            return await self._do(ctx, self._work, self._batch.at_once)
        kept, lock = self._services.memory_of(ctx.live, self._node)
        attempts = self._attempts

        async def one(item: Context) -> Any:
            return await attempts.chain((await attempts.with_params(item)).having(own_memory=Memory(kept)))

        async with lock:  # such a node takes its steps one at a time, and the items of one too (4.1)
            return await self._do(ctx, self._work._replace(call=one), 1)

    async def _do(self, ctx: Context, work: ItemWork, at_once: int) -> BatchOutputs:
        batch = self._batch
        source, make = await self._open(ctx), self._make(ctx, batch)
        each = ctx.inputs["each"] if self._make is made_for_call else None
        run = ItemsRun(ctx, batch, source, make, work, at_once, parts=self._services.parts(ctx), each=each)
        result = await _driven(run)
        failure = run.broken or (run.failure if batch.error_handling == "fail_fast" or run.all_failed else None)
        if failure is not None:
            vars(failure)["batch"] = result
            if failure is not run.broken:
                blame_item(failure, run.first_failed, source.total)
            raise failure
        if result.degraded:
            first = result.errors[0]
            ctx.log.warning(
                "%d of %d items failed; the first is item %d: %s: %s",
                result.error_count,
                result.count,
                first.index,
                first.type,
                first.message,
            )
        return BatchOutputs(await self._reduced(result), result.degraded)

    async def _open(self, ctx: Context) -> Source:
        """The items of a step of a graph."""
        items = self._batch.items
        if self._items is not None:
            return await open_source(self._items.render(ctx.scope()), self._node_id)
        if hasattr(items, "__next__") or hasattr(items, "__anext__"):
            if self._spent:
                raise DefinitionError(
                    f"the items of the batch of node {self._node_id} are an iterator, which an earlier step has used "
                    f"up; give a list, or a function that makes an iterator for each step"
                )
            self._spent = True
        return await open_source(items, self._node_id)

    async def _reduced(self, result: BatchResult) -> Values:
        """The step's outputs."""
        if self._batch.reduce is None:
            return Values(result.as_values())  # as it is: all of it is this batch's own
        if self._batch.reduce is _kept:
            return Values(batch=result)
        outputs = self._batch.reduce(list(result.slots))
        if inspect.isawaitable(outputs):
            outputs = await outputs
        if not isinstance(outputs, Mapping):
            raise OutputError(
                f"reduce of the batch of node {self._node_id} returned {in_short(outputs, 80)}; it returns the step's "
                f"outputs, a mapping"
            )
        return freeze(cast("Mapping[str, Any]", outputs))


async def _driven(run: ItemsRun) -> BatchResult:
    try:
        await run.drive()
    except BaseException as error:  # cancelled: a Deadline, whose cause this is, tells what was done so far
        vars(error)["batch"] = run.result()
        raise
    return run.result()


def _policies_of(batch: Batch) -> list[Any]:
    """The policies that settings of a batch are spellings of (8.1)."""
    policies: list[Any] = []
    if batch.max_retries > 1:
        from ..policies.retry import Retry  # here, for a graph without policies loads none

        policies.append(Retry(batch.max_retries, wait=batch.retry_wait, max_wait=max(30.0, batch.retry_wait)))
    if batch.item_timeout is not None:
        from ..policies.timeout import Timeout

        policies.append(Timeout(batch.item_timeout))
    return policies


def _within(
    policies: Sequence[Any], call: Call, node: Node, place: PlanNode, plan: Plan, services: BatchServices
) -> Callable[[Context], Any]:
    """The whole batch, within the deadline of its step."""
    if not policies:
        return call
    from ..policies.chain import chain
    from ..policies.policy import Place

    return chain(policies, call, Place(node, place.id, plan.name, services.limits, frozenset((*PARAM_NAMES, "params"))))


def _attempts_of(error: BaseException) -> int:
    from ..policies.retry import attempts_of

    return attempts_of(error)


def _always_one(_: BaseException) -> int:
    return 1
