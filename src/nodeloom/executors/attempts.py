"""How a node's work is done in its place: params filled in, policies around it, its memory kept (semantics 4, 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..errors import GraphError, PolicyError, Problem
from ..expressions import compile_template
from ..model.plan import Plan, PlanNode
from ..model.run import Step
from ..model.values import Values, lend, owned
from ..nodes.context import Context, Live, Own
from ..nodes.forms import form_of_node, is_handwritten
from ..nodes.graph import PARAM_NAMES, rendered_params
from ..nodes.memory import Memory
from ..nodes.node import Node
from ..nodes.own import containers, own_params, owned_of, with_fields
from .calls import Call, Pools, call_of
from .metrics import Metrics
from .sealed import Sealed
from .step_failure import as_failure

if TYPE_CHECKING:
    from ..forms.asking import Asker
    from ..forms.form import Form
    from ..policies.policy import Handler, Limits, Place
    from ..resources.secrets import Secrets
    from .process import WorkerCall

__all__ = ["AttemptServices", "Attempts"]


class AttemptServices(Pools, Protocol):
    """What doing a node's work asks of its engine."""

    @property
    def limits(self) -> Limits: ...

    @property
    def asker(self) -> Asker: ...

    @property
    def secrets(self) -> Secrets: ...

    def metrics_of(self, graph: str, node: Node) -> Metrics: ...

    def memory_of(self, live: Live, node: Node) -> tuple[MutableMapping[str, Any], asyncio.Lock]: ...


class Attempts:
    """A node's work in one compiled graph, with all that belongs around it.

    Args:
        node: the definition. place: where it stands in the plan. plan: the compiled graph.
        services: the engine's. policies: those around it, where they are not the node's.
        names: what expressions may use besides those of every step, as an item's.
        call: how `work` is called, where that is not the node's to say.

    Attributes:
        call: `work` itself, of a context. chain: the same with the node's policies around it.
        plain: a step may call `work` directly, for there is nothing around it.
    """

    __slots__ = (
        "_bounds_form",
        "_form",
        "_given",
        "_guarded",
        "_lent",
        "_metrics",
        "_node",
        "_own_params",
        "_sealed",
        "_services",
        "_template",
        "call",
        "chain",
        "plain",
    )

    call: Call
    chain: Call

    def __init__(
        self,
        node: Node,
        place: PlanNode,
        plan: Plan,
        services: AttemptServices,
        *,
        policies: Sequence[Any] | None = None,
        names: tuple[str, ...] = (),
        call: Call | None = None,
    ) -> None:
        self._node = node
        self._services = services
        self._metrics = services.metrics_of(plan.name, node)
        known = (*PARAM_NAMES, *names)
        texts = rendered_params(node)
        self._sealed = Sealed.of(node, place.id)
        self._given = node.given if self._sealed is None else self._sealed.given
        self._template = compile_template({name: self._given[name] for name in texts}, known, "params")
        self._lent = containers(node.params)
        self._form = _form_that_asks(node)
        self._bounds_form = False
        sent = None
        if self._sealed is not None and node.isolation == "process":
            sent = self._sealed.sent(services.secrets)
        self.call = call or call_of(node, services, place.id, sent)
        # Whoever comes after a failure, be it another attempt or a node that handles the error, begins from before it.
        self._guarded = bool(node.policies or place.errors) if policies is None else bool(policies)
        self._own_params = bool(self._lent or self._form) or self._template is not None or type(node.params) is Values
        around = node.policies if policies is None else policies
        self.chain = self._chain(around, place.id, plan.name, known) if around else self.once
        bare = self._template is None and self._sealed is None and self._form is None
        self.plain = bare and not (self._guarded or node.memory or self._lent)

    @property
    def asks(self) -> bool:
        """The functions of the node's form have a say in every step, and are awaited."""
        return self._form is not None

    def _chain(self, policies: Sequence[Any], node_id: str, graph: str, names: tuple[str, ...]) -> Handler:
        from ..policies.chain import chain  # here, for a graph without policies loads none
        from ..policies.policy import Place

        place = Place(self._node, node_id, graph, self._services.limits, frozenset((*names, "params")))
        self._bounds_form = self._form is not None and any(policy.layer == "deadline" for policy in policies)
        try:
            if not self._bounds_form:
                return self._around(policies, chain, place)
            outside = [policy for policy in policies if policy.layer in ("fallback", "deadline")]
            inside = [policy for policy in policies if policy not in outside]
            return chain(outside, self._after_the_form(self._around(inside, chain, place)), place)
        except PolicyError as error:  # another graph on this engine has said otherwise under the same key
            problem = Problem(error.code, str(error), node=node_id, field="policies")
            raise GraphError([problem], f"graph {graph} on this engine") from error

    def _after_the_form(self, call: Handler) -> Handler:
        """The call, with what the node's form has to say before it: a Deadline bounds both (5.4)."""

        async def handle(ctx: Context) -> Any:
            return await call(self._opened(await self._asked(ctx)))

        return handle

    def _around(self, policies: Sequence[Any], chain: Callable[..., Handler], place: Place) -> Handler:
        if self._node.isolation != "process":
            return chain(policies, self.once, place)
        # A worker is made ready right outside of a Timeout, which is not spent on starting it.
        inside = [policy for policy in policies if policy.layer in ("timeout", "work")]
        outside = [policy for policy in policies if policy not in inside]
        return chain(outside, cast("WorkerCall", self.call).around(chain(inside, self.once, place)), place)

    async def __call__(self, ctx: Context) -> Any:
        """Do the work of one step, and give what `work` returned."""
        ctx = await self.with_params(ctx)
        if not self._node.memory:
            return await self.chain(ctx)
        kept, lock = self._services.memory_of(ctx.live, self._node)
        async with lock:  # such a node takes its steps one at a time (4.1)
            return await self.chain(ctx.having(own_memory=Memory(kept)))

    async def with_params(self, ctx: Context) -> Context:
        """The context with the params of this step: filled in, validated, derived (12.1), secrets resolved (12.3)."""
        ctx = self._filled_in(ctx)
        if self._form is not None:
            if self._bounds_form:  # within the Deadline, which is in the chain
                return ctx
            ctx = await self._asked(ctx)
        return self._opened(ctx)

    def _opened(self, ctx: Context) -> Context:
        """The context with params whose secrets are resolved."""
        if self._sealed is None:
            return ctx
        params = self._sealed.opened(ctx.params, self._services.secrets, rendered=self._template is not None)
        # A worker process resolves them itself. They are resolved here as well, to be masked in what it gives.
        return ctx if self._node.isolation == "process" else ctx.having(params=params)

    async def _asked(self, ctx: Context) -> Context:
        """The context with what the functions of the node's form say of its params, and derive of them."""
        from ..forms.checking import checked
        from ..forms.telling import refused

        assert self._form is not None
        values, problems = await checked(self._form, ctx.params, self._services.asker)
        if problems:
            raise refused(ctx.node_id, problems)
        if self._form.model is None:
            return ctx.having(params=Values(values))
        computed = {field.name: values[field.name] for field in self._form.computed if field.name in values}
        return ctx.having(params=with_fields(ctx.params, computed))

    def _filled_in(self, ctx: Context) -> Context:
        """The context with the params of this step: templates filled in, then validated (12.1)."""
        node = self._node
        if self._template is not None:
            rendered = self._template.render(ctx.scope())
            # What an item's params are made of, other items' are made of too (8.4).
            values = {**self._given, **(rendered if ctx.own is None else owned(rendered))}
            return ctx.having(params=_validated(node, values, ctx.node_id))
        if self._lent:
            return ctx.having(params=with_fields(node.params, owned_of(node.params, self._lent)))
        return ctx

    async def once(self, ctx: Context) -> Any:
        """One attempt. What it changed in its memory is kept when it is done (4.7)."""
        if self._guarded:
            ctx = _guarded(ctx)
            if self._own_params:
                ctx = ctx.having(params=own_params(ctx.params))
        memory = ctx.own_memory
        if memory is not None:
            ctx = ctx.having(own_memory=memory.anew())
        if ctx.attempt > 1:
            self._metrics.retries += 1
        ctx.walk.context = ctx
        try:
            result = await self.call(ctx)
        except SystemExit as error:  # it is a failure for those around it too: tried again, counted, replaced
            raise as_failure(error, ctx.node_id) from error
        if ctx.own_memory is not None:
            ctx.own_memory.commit()
        return result


def _guarded(ctx: Context) -> Context:
    """The context of an attempt whose changes in place nobody else will see (4.7, 4.8)."""
    step = ctx.step
    own = Step(step.node, step.branch, step.ordinal, step.seed, lend(step.inputs), step.error, step.sources)
    return ctx.having(step=own, own=Own() if ctx.own is None else ctx.own.anew())


def _form_that_asks(node: Node) -> Form | None:
    """The node's form, where its author's functions have a say in every step: they derive values, or offer options."""
    kind = type(node)
    if not is_handwritten(kind, "schema") and not getattr(kind.params_model, "__depends__", False):
        return None
    form = form_of_node(kind)
    return form if form.asks else None


def _validated(node: Node, values: dict[str, Any], subject: str) -> Any:
    if is_handwritten(type(node), "schema"):
        from ..forms.checking import read_values

        return Values(read_values(form_of_node(type(node)), values, subject))
    if node.params_model is None:
        return Values(values)
    from ..forms.validating import validate

    return validate(node.params_model, values, subject=subject)
