"""The local executor: a step of a node becomes an outcome, in this process.

`bind` looks at a node once per compiled graph and gives it an `Executable`; what a node does not use costs its
steps nothing.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple, Protocol, cast

from ..errors import DefinitionError, OutputError, RoutingError, StepError
from ..expressions import Template, compile_template
from ..model.advance import error_info
from ..model.branches import absorb, outputs_of, state_of
from ..model.edge import Route
from ..model.plan import Plan, PlanNode
from ..model.run import Branch, Completed, Failed, Outcome, Send, Step
from ..model.values import EMPTY, Values, freeze, owned
from ..nodes.context import Context, Live, Walk, current_context
from ..nodes.graph import PARAM_NAMES, rendered_params
from ..nodes.memory import Memory
from ..nodes.node import Node
from ..nodes.signature import read_signature
from ..resources.threads import ThreadPool
from .metrics import Metrics

__all__ = ["Executable", "LocalServices", "Perform", "Short", "bind", "was_cancelled"]

Call = Callable[[Context], Awaitable[Any]]
Perform = Callable[[Step, Walk], Awaitable[Outcome]]
clock = time.perf_counter


class LocalServices(Protocol):
    """What the local executor asks of its engine."""

    def pool(self, name: str) -> ThreadPool: ...

    def metrics_of(self, node: Node) -> Metrics: ...

    def memory_of(self, live: Live, node: Node) -> tuple[MutableMapping[str, Any], asyncio.Lock]: ...

    async def start_node(self, node: Node, ctx: Context) -> None: ...

    def is_started(self, node: Node) -> bool: ...


Make = Callable[[Step, Live, Branch, Values], Any]

_NAMES: dict[str, Make] = {
    "output": lambda step, live, branch, outputs: outputs,
    "inputs": lambda step, live, branch, outputs: step.inputs,
    "state": lambda step, live, branch, outputs: branch.state or state_of(live.run, branch, live.plan.state),
    "outputs": lambda step, live, branch, outputs: outputs_of(live.run, branch, live.plan.state),
    "run": lambda step, live, branch, outputs: {"inputs": live.run.inputs, "id": live.run.id},
    "params": lambda step, live, branch, outputs: _current_params(),
    "error": lambda step, live, branch, outputs: step.error.as_values() if step.error is not None else None,
}
"""How each name that a condition may use is made, after the step's updates."""


class Short(NamedTuple):
    """The steps of a node that needs nothing around its work, while nobody watches: what a runner then does itself.

    Attributes:
        call: `work`, of the context alone. node, params: what the context is made with.
        always: the edges a step takes, where no condition decides. completed, failed: the outcome, otherwise.
    """

    call: Call
    node: Node
    params: Any
    always: tuple[int, ...] | None
    completed: Callable[[Step, Live, Any], Outcome]
    failed: Callable[[Step, Live, BaseException], Outcome]


class Executable:
    """One node in one compiled graph, ready to perform its steps.

    Args:
        node: the definition. place: where it stands in the plan. plan: the compiled graph.
        services: the engine's.
    """

    __slots__ = (
        "_call",
        "_error_hook",
        "_finish_hook",
        "_lent",
        "_memory",
        "_metrics",
        "_names",
        "_params",
        "_short",
        "_starts",
        "_template",
        "node",
        "place",
        "plan",
        "services",
    )

    def __init__(self, node: Node, place: PlanNode, plan: Plan, services: LocalServices) -> None:
        self.node = node
        self.place = place
        self.plan = plan
        self.services = services
        self._names = [(name, _NAMES[name]) for name in sorted(place.names)]
        self._metrics = services.metrics_of(node)
        self._params = node.params
        self._template = compile_template(rendered_params(node), PARAM_NAMES, "params")
        self._call = _call_of(node, services, place.id)
        self._finish_hook = node.on_finish if type(node).on_finish is not Node.on_finish else None
        self._error_hook = type(node).error_hook
        self._memory = bool(node.memory)
        self._starts = type(node).on_start is not Node.on_start or type(node).on_stop is not Node.on_stop
        hooked = self._finish_hook is not None or self._error_hook is not None
        self._lent = _containers(node.params)
        short = not (self._starts or hooked or self._memory or self._lent or self._template is not None)
        self._short = short

    def short(self) -> Short | None:
        """The short way, for a node that needs nothing around its work."""
        if not self._short:
            return None
        return Short(self._call, self.node, self._params, self.place.always, self.completed, self.failed)

    async def perform(self, step: Step, walk: Walk) -> Outcome:
        """Turn a step into its outcome: render params, call hooks, keep memory, tell watchers. Cancellation passes."""
        started = clock()
        live = walk.live
        walk.context = ctx = Context(step, walk, self.node, self._params)
        if self._starts and not self.services.is_started(self.node):
            try:
                await self.services.start_node(self.node, ctx)
            except (Exception, asyncio.CancelledError) as error:  # a node that cannot start fails the run (6.1)
                if was_cancelled(error):
                    raise
                failed = self.failed(step, live, error, fatal=True)
                self._tell(ctx, failed, clock() - started)
                return failed
        live.emit("step_started", ctx)
        try:
            result = await (self._with_memory(step, walk) if self._memory else self._attempt(step, walk, None))
            outcome = self.completed(step, live, result)
        except (Exception, asyncio.CancelledError) as error:  # every failure of a node is an outcome
            if was_cancelled(error):
                live.emit("step_cancelled", ctx)
                raise
            outcome = self.failed(step, live, error)
            await self._hook(ctx, "on_error", self._error_hook, self.node, error)
        else:
            if isinstance(outcome, Completed) and self._finish_hook is not None:
                await self._hook(ctx, "on_finish", self._finish_hook, outcome.outputs)
        self._tell(ctx, outcome, clock() - started)
        return outcome

    async def _attempt(self, step: Step, walk: Walk, memory: Memory | None) -> Any:
        ctx = Context(step, walk, self.node, self._params, 1, memory)
        if self._template is not None:
            params = _rendered(self.node, self._template, ctx)
            ctx = Context(step, walk, self.node, params, 1, memory)
        elif self._lent:
            own = {name: owned(getattr(self._params, name)) for name in self._lent}
            ctx = Context(step, walk, self.node, self._params.model_copy(update=own), 1, memory)
        walk.context = ctx
        return await self._call(ctx)

    async def _with_memory(self, step: Step, walk: Walk) -> Any:
        """One step at a time; what the attempt changed is kept when it is done (4.1, 4.7)."""
        kept, lock = self.services.memory_of(walk.live, self.node)
        async with lock:
            memory = Memory(kept)
            result = await self._attempt(step, walk, memory)
            memory.commit()
            return result

    async def _hook(self, ctx: Context, name: str, hook: Callable[..., Any] | None, *arguments: Any) -> None:
        """Call a hook; its failure is recorded and changes nothing (6.1)."""
        if hook is None:
            return
        try:
            answer = hook(*arguments)
            if inspect.isawaitable(answer):
                await answer
        except (Exception, asyncio.CancelledError) as error:  # hooks observe
            if was_cancelled(error):
                raise
            ctx.log.exception("%s of node %s failed", name, self.place.id)
            ctx.live.emit("hook_failed", ctx, hook=name, error=str(error))

    def _tell(self, ctx: Context, outcome: Outcome, seconds: float) -> None:
        if isinstance(outcome, Completed):
            ctx.live.emit("step_completed", ctx, outputs=outcome.outputs, duration=seconds)
        elif isinstance(outcome, Failed):
            error = dict(outcome.error.as_values())
            caught = [self.plan.nodes[self.plan.edges[index].target].id for index in outcome.taken]
            ctx.live.emit("step_failed", ctx, error=error, duration=seconds, caught_by=caught)

    def completed(self, step: Step, live: Live, result: Any) -> Outcome:
        """The outcome of what `work` returned: outputs frozen, edges decided."""
        if type(result) is dict:
            outputs = freeze(result)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(result, Route):
            return Completed(step, self._outputs(result.outputs), (), self._sends(result))
        else:
            outputs = self._outputs(result)
        taken = self.place.always
        if taken is None:
            branch = absorb(self.plan, live.run, step, outputs)
            scope = {name: make(step, live, branch, outputs) for name, make in self._names}
            try:
                taken = self.plan.taken(self.place, scope)
            except RoutingError as error:
                return self._misrouted(live, step, outputs, error)
        if not taken and self.plan.strict_routing and self.place.leaves:
            message = f"{self.place.id} has edges, but none of their conditions holds (strict_routing)"
            return self._misrouted(live, step, outputs, RoutingError(message))
        return Completed(step, outputs, taken)

    def _misrouted(self, live: Live, step: Step, outputs: Values, error: RoutingError) -> Failed:
        """A completed step whose way on cannot be told: no edge catches that, and nothing is retried (2.3)."""
        absorb(self.plan, live.run, step, outputs)
        info = error_info(error, self.place.id)
        live.exceptions.append((info, error))
        return Failed(step, info, fatal=True)

    def _outputs(self, result: Any) -> Values:
        if result is None:
            return EMPTY
        if isinstance(result, Mapping):
            return freeze(cast("Mapping[str, Any]", result))
        if inspect.iscoroutine(result):
            result.close()
        raise OutputError(
            f"work of node {self.place.id} returned {type(result).__name__} {_shortened(result)}; "
            f"it returns a mapping of outputs, None, or a Route"
        )

    def _sends(self, route: Route) -> tuple[Send, ...]:
        sends: list[Send] = []
        for target, inputs in route.sends():
            edge = self.place.routes.get(target)
            if edge is None:
                known = ", ".join(self.place.routes) or "none"
                raise RoutingError(
                    f"node {self.place.id} routes to {target!r}, to which it has no edge (edges to: {known}); "
                    f"declare one with {self.place.id}.may_route({target})"
                )
            sends.append(Send(edge, None if inputs is None else freeze(inputs)))
        return tuple(sends)

    def failed(self, step: Step, live: Live, error: BaseException, fatal: bool = False) -> Outcome:
        if isinstance(error, asyncio.CancelledError):
            error = _from_within(error, self.place.id)
        self._metrics.failures[type(error).__name__] += 1
        info = error_info(error, self.place.id)
        taken = () if fatal else self.plan.caught(self.place, info.names)
        if not taken:
            live.exceptions.append((info, error))
        return Failed(step, info, taken, fatal)


def bind(node: Node, place: PlanNode, plan: Plan, services: LocalServices) -> tuple[Perform, Short | None]:
    """What turns the node's steps in this plan into outcomes, and the short way where there is one."""
    executable = Executable(node, place, plan, services)
    return executable.perform, executable.short()


def _call_of(node: Node, services: LocalServices, node_id: str) -> Call:
    """How `work` is called: directly, on the loop without a wait, on a thread, or item by item."""
    work = getattr(node, node.spelling)
    signature = type(node).signature
    if node.spelling in node.__dict__:  # replaced on the instance, as a test does
        signature = read_signature(work, node.id, spelling=node.spelling, bound=True)
    if signature is None:
        raise DefinitionError(f"{type(node).__qualname__} has no work")
    invoke = signature.bind(work)
    if signature.shape == "coroutine":
        return invoke
    if signature.shape == "async_generator":
        return _streaming(invoke)
    run = _last_of(invoke) if signature.shape == "generator" else invoke
    if node.isolation == "inline":
        return _inline(run)
    pool = services.pool(node.pool)
    return _threaded(run, pool, node_id)


def was_cancelled(error: BaseException) -> bool:
    """Whether this is the cancelling of the run, and not what a step let out that nobody cancelled."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _from_within(error: asyncio.CancelledError, node_id: str) -> StepError:
    """The failure of a step that raised CancelledError by itself: its caller was not cancelled."""
    failure = StepError(
        f"work of node {node_id} raised CancelledError, though nobody cancelled it: what it awaited was"
    )
    failure.__cause__ = error
    return failure


def _streaming(invoke: Callable[[Context], Any]) -> Call:
    async def call(ctx: Context) -> Any:
        last = None
        chunks = invoke(ctx)
        try:
            async for last in chunks:
                ctx.stream(last)
        finally:
            await chunks.aclose()
        return _last_chunk(last, ctx)

    return call


def _last_of(invoke: Callable[[Context], Any]) -> Callable[[Context], Any]:
    def run(ctx: Context) -> Any:
        last = None
        for last in invoke(ctx):
            if ctx.cancelled:
                return None
            ctx.stream(last)
        return _last_chunk(last, ctx)

    return run


def _last_chunk(last: Any, ctx: Context) -> Any:
    if last is None or isinstance(last, Mapping):
        return cast("Any", last)
    raise OutputError(
        f"the last chunk that node {ctx.node_id} yields is its output and must be a mapping, "
        f"not {type(last).__name__} {_shortened(last)}"
    )


def _inline(run: Callable[[Context], Any]) -> Call:
    async def call(ctx: Context) -> Any:
        return run(ctx)

    return call


def _threaded(run: Callable[[Context], Any], pool: ThreadPool, node_id: str) -> Call:
    async def call(ctx: Context) -> Any:
        def on_thread() -> Any:
            with Walk(ctx.live, ctx):  # the thread may outlive the step; what it logs is this step's all the same
                return run(ctx)

        return await pool.run(node_id, on_thread, ctx.live.stop)

    return call


def _rendered(node: Node, template: Template, ctx: Context) -> Any:
    """The params of this step: templates filled in, then validated (12.1)."""
    values = {**node.given, **template.render(ctx.scope())}
    if node.params_model is None:
        return Values(values)
    from ..forms.params import validate

    return validate(node.params_model, values, subject=ctx.node_id)


def _current_params() -> dict[str, Any]:
    """The params of the step that has just completed, as it was given them."""
    ctx = current_context()
    return {} if ctx is None or ctx.params is None else dict(ctx.params)


def _containers(params: Any) -> list[str]:
    """The params that a step could change in place: each step gets its own, for a node is a definition (1.1)."""
    if not hasattr(params, "model_copy"):
        return []
    return [name for name, value in params if type(value) in (list, dict, set)]


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
