"""The local executor: a step of a node becomes an outcome, in this process.

`bind` looks at a node once per compiled graph and gives it an `Executable`; what a node does not use costs its
steps nothing.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, cast

from ..errors import OutputError, RoutingError, StartFailed
from ..model.advance import error_info
from ..model.batch import BatchOutputs
from ..model.edge import Route
from ..model.masks import in_short
from ..model.plan import Plan, PlanNode
from ..model.result import blame_nothing
from ..model.run import Completed, Failed, Outcome, Send, Step
from ..model.values import EMPTY, Values, freeze
from ..model.ways import Way
from ..nodes.begun import say_begun
from ..nodes.context import Context, Live, Walk, being_cancelled
from ..nodes.node import Node
from ..nodes.scrubbing import scrubbed
from .attempts import Attempts, AttemptServices
from .calls import Call, of_state
from .routing import Choose, choice_of, nowhere, sends_of
from .sealed import sealed_fields, unsealed
from .step_failure import FAILURES, as_failure
from .task_groups import mend

__all__ = [
    "Around",
    "Bound",
    "Doing",
    "Executable",
    "LocalServices",
    "Quick",
    "bind",
    "was_cancelled",
]

clock = time.perf_counter
mend()


class LocalServices(AttemptServices, Protocol):
    """What the local executor asks of its engine."""

    async def start_node(self, node: Node, ctx: Context) -> None: ...

    def is_started(self, node: Node) -> bool: ...


Quick = tuple[Call, Callable[[Values], Awaitable[Any]] | None, Node, Any, Way | None, Choose]
"""The steps of a node that needs nothing around its work, while nobody watches: what a runner then does itself.

`work`, of the context alone, and of the state where it asks for nothing else; the node and params that the context
is made with; the way a step goes on where no condition decides; and what decides else. A plain tuple, for it is
taken apart at each step."""


class Doing(Protocol):
    """The work of a node's steps, with all that belongs around it: of a context, what `work` returned.

    Attributes:
        plain: there is nothing around it, so that a step may call `call` itself.
    """

    call: Call

    @property
    def plain(self) -> bool: ...

    def __call__(self, ctx: Context, /) -> Awaitable[Any]: ...


Around = Callable[[Node, PlanNode, Plan], Doing | None]
"""What does the work of a node's steps in another way than once each, where there is one: a batch."""


class Executable:
    """One node in one compiled graph, ready to perform its steps.

    Args:
        node: the definition. place: where it stands in the plan. plan: the compiled graph.
        services: the engine's. doing: what does the work of its steps.
    """

    __slots__ = (
        "_attempts",
        "_choose",
        "_deadline",
        "_error_hook",
        "_finish_hook",
        "_metrics",
        "_sealed",
        "_starts",
        "node",
        "place",
        "plan",
        "services",
    )

    def __init__(
        self, node: Node, place: PlanNode, plan: Plan, services: LocalServices, doing: Doing | None = None
    ) -> None:
        self.node = node
        self.place = place
        self.plan = plan
        self.services = services
        self._attempts: Doing | Attempts = doing or Attempts(node, place, plan, services)
        self._choose = choice_of(plan, place)
        self._metrics = services.metrics_of(plan.name, node)
        self._finish_hook = node.on_finish if type(node).on_finish is not Node.on_finish else None
        self._error_hook = type(node).error_hook
        starts = type(node).on_start is not Node.on_start or type(node).on_stop is not Node.on_stop
        self._starts = starts and node.isolation != "process"  # there each worker starts it
        self._sealed = sealed_fields(node) if self._starts else frozenset[str]()
        self._deadline: float | None = _deadline_of(node) if self._starts else None

    def quick(self) -> Quick | None:
        """What a runner needs to perform the node's steps itself; None where there is more to do around them."""
        hooked = self._finish_hook is not None or self._error_hook is not None
        if hooked or self._starts or not self._attempts.plain:
            return None
        always = self.place.always
        way = self.plan.way(always) if always and not self.plan.strict_routing else None
        return self._attempts.call, of_state(self.node), self.node, self.node.params, way, self._choose

    async def perform(self, step: Step, walk: Walk) -> Outcome:
        """Turn a step into its outcome: render params, call hooks, keep memory, tell watchers. Cancellation passes."""
        started = clock()
        live = walk.live
        walk.context = ctx = Context(step, walk, self.node, self.node.params)
        if self._starts and not self.services.is_started(self.node):
            try:
                await self._begin(ctx)
            except FAILURES as error:  # a node that cannot start fails the run (6.1)
                if was_cancelled(error):
                    raise
                failed = self.failed(step, live, error, fatal=True)
                self._tell(ctx, failed, clock() - started)
                return failed
        live.emit("step_started", ctx)
        try:
            outcome = self.completed(step, live, await self._attempts(ctx))
        except FAILURES as error:  # every failure of a node is an outcome
            if was_cancelled(error):
                live.emit("step_cancelled", ctx)
                raise
            outcome = self.failed(step, live, error, fatal=isinstance(error, StartFailed))
            await self._hook(ctx, "on_error", self._error_hook, self.node, error)
        else:
            if self._finish_hook is not None:
                await self._hook(ctx, "on_finish", self._finish_hook, _done(outcome))
        self._tell(walk.context or ctx, outcome, clock() - started)  # of the attempt that was the last
        return outcome

    async def _begin(self, ctx: Context) -> None:
        """Call the node's `on_start` before a step; when the step's deadline is over, its policies are told (5.4)."""
        if self._deadline is None:
            return await self.start(ctx)
        begun, limit = asyncio.get_running_loop().time(), asyncio.timeout(self._deadline)
        try:
            async with limit:
                await self.start(ctx)
        except TimeoutError:
            if not limit.expired():
                raise
            begun = -math.inf
        return say_begun(ctx, begun)

    async def start(self, ctx: Context) -> None:
        """Call the node's `on_start`, unless it has none, or that was done."""
        if self._starts and not self.services.is_started(self.node):
            await self.services.start_node(self.node, self.unsealed(ctx))

    def unsealed(self, ctx: Context) -> Context:
        """What `on_start` sees: the node's own params, their secrets resolved as those of a step."""
        if not self._sealed:
            return ctx
        return ctx.having(params=unsealed(ctx.params, self._sealed, self.services.secrets))

    async def _hook(self, ctx: Context, name: str, hook: Callable[..., Any] | None, *arguments: Any) -> None:
        """Call a hook; its failure is recorded and changes nothing (6.1)."""
        if hook is None:
            return
        try:
            answer = hook(*arguments)
            if inspect.isawaitable(answer):
                await answer
        except FAILURES as error:  # hooks observe
            if was_cancelled(error):
                raise
            ctx.log.exception("%s of node %s failed", name, self.place.id)
            ctx.live.emit("hook_failed", ctx, hook=name, error=str(error))

    def _tell(self, ctx: Context, outcome: Outcome, seconds: float) -> None:
        if (outputs := _done(outcome)) is not None:
            more = {"degraded": True} if isinstance(outcome, Completed) and outcome.degraded else {}
            ctx.live.emit("step_completed", ctx, outputs=outputs, duration=seconds, **more)
        elif isinstance(outcome, Failed):
            error = dict(outcome.error.as_values())
            caught = [self.plan.nodes[self.plan.edges[index].target].id for index in outcome.taken]
            ctx.live.emit("step_failed", ctx, error=error, duration=seconds, caught_by=caught)

    def completed(self, step: Step, live: Live, result: Any) -> Outcome:
        """The outcome of what `work` returned: outputs frozen, edges decided."""
        degraded = isinstance(result, BatchOutputs) and result.degraded
        outputs = self._outputs(result.outputs if isinstance(result, BatchOutputs | Route) else result)
        sends = sends_of(self.place, result) if isinstance(result, Route) else None
        try:
            if sends is not None:
                return Completed(step, outputs, (), self._strict_sends(sends))
            return Completed(step, outputs, self._choose(step, live, outputs)[0], degraded=degraded)
        except RoutingError as error:
            return self.misrouted(step, live, outputs, error)

    def _strict_sends(self, sends: tuple[Send, ...]) -> tuple[Send, ...]:
        if not sends and self.plan.strict_routing and self.place.leaves:
            raise nowhere(self.place.id)
        return sends

    def misrouted(self, step: Step, live: Live, outputs: Values, error: Exception) -> Failed:
        """A completed step whose way on cannot be told: no edge catches that, and nothing is retried (2.3)."""
        info = error_info(error, self.place.id)
        live.exceptions.append((info, scrubbed(error)))
        return Failed(step, info, fatal=True, outputs=outputs)

    def _outputs(self, result: Any) -> Values:
        if result is None:
            return EMPTY
        if isinstance(result, Mapping):
            return freeze(cast("Mapping[str, Any]", result))
        if inspect.iscoroutine(result):
            result.close()
        raise OutputError(
            f"work of node {self.place.id} returned {type(result).__name__} {in_short(result, 80)}; "
            f"it returns a mapping of outputs, None, or a Route"
        )

    def failed(self, step: Step, live: Live, error: BaseException, fatal: bool = False) -> Outcome:
        error = as_failure(error, self.place.id)
        self._metrics.failures[type(error).__name__] += 1
        info = error_info(error, self.place.id)
        blame_nothing(error)
        taken = () if fatal else self.plan.caught(self.place, info.names)
        if not taken or live.keeps_caught:
            live.exceptions.append((info, scrubbed(error)))
        return Failed(step, info, taken, fatal)


def _deadline_of(node: Node) -> float | None:
    """The seconds that a step of the node has for everything, `on_start` among it."""
    return next((getattr(policy, "seconds", None) for policy in node.policies if policy.layer == "deadline"), None)


def _done(outcome: Outcome) -> Values | None:
    """The outputs of a step that is completed, whether or not its way on could be told."""
    return outcome.outputs if isinstance(outcome, Completed | Failed) else None


Bound = tuple[Executable, Quick | None]


def bind(node: Node, place: PlanNode, plan: Plan, services: LocalServices, around: Around | None = None) -> Bound:
    """What turns the node's steps in this plan into outcomes, and the quick way where there is one."""
    doing = around(node, place, plan) if around is not None else None
    executable = Executable(node, place, plan, services, doing)
    return executable, executable.quick()


def was_cancelled(error: BaseException) -> bool:
    """Whether this is the cancelling of the run, and not what a step let out that nobody cancelled."""
    return isinstance(error, asyncio.CancelledError) and being_cancelled()
