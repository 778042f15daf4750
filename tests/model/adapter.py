"""Runs a specification's graph on the pure core, by hand: no runner, no executor, no loop.

`Driven` is one run. Its steps complete in the order somebody chooses; what a step returns is fixed by what it saw
when it started, as in the specification.
"""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.spec.reference import Predicate, SpecError, SpecFailure, SpecGraph, SpecNode, SpecResult, SpecRoute

from nodeloom.errors import RoutingError
from nodeloom.model.advance import advance, error_info, result_of, start
from nodeloom.model.branches import absorb, outputs_of, state_of
from nodeloom.model.codec import decode_run, encode_run
from nodeloom.model.compile import Declaration, compile_plan
from nodeloom.model.edge import Edge, EdgeCondition, Quorum
from nodeloom.model.plan import NodeSpec, Plan, PlanNode
from nodeloom.model.reducers import NAMED
from nodeloom.model.run import Cancelled, Completed, Failed, Note, Outcome, Run, RunResult, Send, Step
from nodeloom.model.state import StateSchema, fresh
from nodeloom.model.values import EMPTY, freeze

Choose = Callable[[Sequence["Seen"]], int]
"""Says which of the running steps completes next."""


@dataclass(frozen=True)
class Seen:
    """What a step saw when it started, and so what it returns."""

    step: Step
    id: str
    node: str
    inputs: Mapping[str, Any]
    state: Mapping[str, Any]
    outputs: Mapping[str, Mapping[str, Any]]
    arrivals: tuple[str | None, ...]
    error: SpecError | None


def declaration_of(graph: SpecGraph, **options: Any) -> Declaration:
    """The declaration of a specification's graph."""
    return Declaration(
        name="spec",
        nodes=tuple(NodeSpec(node.id, join=_join(node), routing=node.routing) for node in graph.nodes),
        edges=tuple(
            Edge(
                edge.source,
                edge.target,
                edge.kind,
                predicate=None if edge.predicate is None else _condition(edge.predicate),
                errors=() if edge.error_type is None else (edge.error_type,),
            )
            for edge in graph.edges
        ),
        starts=tuple(graph.starts),
        state=_schema(graph),
        on_failure=graph.on_failure,
        strict_routing=graph.strict_routing,
        max_steps=graph.max_steps,
        **{"bounded": True, **options},
    )


def plan_of(graph: SpecGraph) -> Plan:
    """The compiled plan of a specification's graph."""
    return compile_plan(declaration_of(graph))


def _join(node: SpecNode) -> Any:
    return Quorum(node.join[1]) if isinstance(node.join, tuple) else node.join


def _condition(predicate: Predicate) -> EdgeCondition:
    return EdgeCondition(lambda routing: predicate(routing.outputs, routing.state))


def _schema(graph: SpecGraph) -> StateSchema:
    reducers = {key: NAMED[name] for key, (name, _) in graph.reducers.items()}
    defaults = {key: fresh(value) for key, value in graph.defaults.items()}
    keys = graph.declared_keys | reducers.keys() if graph.declared else None
    return StateSchema(keys, defaults, reducers)


class Driven:
    """One run of a graph on the core.

    Args:
        graph, inputs: what to run. choose: the schedule; first in, first out by itself.
        resave: says, before each outcome and after, whether the run is encoded and decoded now.
        watch: is called after each fold.
    """

    def __init__(
        self,
        graph: SpecGraph,
        inputs: Mapping[str, Any] | None = None,
        choose: Choose = lambda running: 0,
        *,
        resave: Callable[[], bool] = lambda: False,
        watch: Callable[[Run], None] = lambda run: None,
    ) -> None:
        self.plan = plan_of(graph)
        self.bodies: dict[str, Callable[[Any], SpecResult]] = {node.id: node.body for node in graph.nodes}
        self.choose, self.resave, self.watch = choose, resave, watch
        self.seen: list[Seen] = []
        self.running: list[Seen] = []
        self.run = start(self.plan, "run", dict(inputs or {}), notes=True)
        self.notes: list[Note] = []
        self.result = RunResult("run", "completed", EMPTY, EMPTY, EMPTY, 0)

    @property
    def counts(self) -> dict[str, int]:
        """How often each node was executed."""
        return dict(Counter(seen.node for seen in self.seen))

    def to_end(self) -> RunResult:
        """Drive the run until nothing runs."""
        self._take_ready()
        while self.running:
            self.complete(self.choose(tuple(self.running)))
        assert not self.run.tokens, "a run without a running step has no live token"
        self.result = result_of(self.plan, self.run)
        return self.result

    def complete(self, index: int) -> None:
        """Let one of the running steps complete."""
        seen = self.running.pop(index)
        outcome = self.outcome_of(seen)
        self._save()
        advance(self.plan, self.run, outcome)
        self.watch(self.run)
        while self.run.stopping and self.running:
            advance(self.plan, self.run, Cancelled(self.running.pop(0).step))
        self._take_ready()

    def outcome_of(self, seen: Seen) -> Outcome:
        """What a step became, decided as a runner does."""
        node = self.plan.nodes[seen.step.node]
        result = self.bodies[seen.node](seen)
        if isinstance(result, SpecFailure):
            return self._failed(seen.step, _exception(result.type_name))
        if isinstance(result, SpecRoute):
            return self._routed(seen.step, node, result)
        outputs = freeze(result) if result else EMPTY
        if node.always:  # a runner looks at the state only where there are conditions
            return Completed(seen.step, outputs, node.always)
        branch = absorb(self.plan, self.run, seen.step, outputs)
        schema = self.plan.state
        scope = {
            "output": outputs,
            "inputs": seen.step.inputs,
            "state": state_of(self.run, branch, schema),
            "outputs": outputs_of(self.run, branch, schema),
        }
        try:
            taken = self.plan.taken(node, scope)
        except RoutingError as error:
            return Failed(seen.step, error_info(error, node.id), fatal=True)
        if not taken and node.leaves and self.plan.strict_routing:
            return self._strict(seen.step, node)
        return Completed(seen.step, outputs, taken)

    def _routed(self, step: Step, node: PlanNode, result: SpecRoute) -> Outcome:
        outputs = freeze(result.outputs)
        sends = []
        for target, inputs in result.sends:
            if target not in node.routes:
                return self._failed(step, RoutingError(f"no edge to {target}"))
            sends.append(Send(node.routes[target], None if inputs is None else freeze(inputs)))
        if not sends and node.leaves and self.plan.strict_routing:
            absorb(self.plan, self.run, step, outputs)
            return self._strict(step, node)
        return Completed(step, outputs, (), tuple(sends))

    def _strict(self, step: Step, node: PlanNode) -> Failed:
        return Failed(step, error_info(RoutingError("none taken"), node.id), fatal=True)

    def _failed(self, step: Step, error: Exception) -> Failed:
        node = self.plan.nodes[step.node]
        info = error_info(error, node.id)
        return Failed(step, info, self.plan.caught(node, info.names))

    def _take_ready(self) -> None:
        self._save()
        for step in self.run.ready:
            seen = self._seen(step)
            self.seen.append(seen)
            self.running.append(seen)
        self.run.ready.clear()

    def _seen(self, step: Step) -> Seen:
        branch = self.run.branches[step.branch]
        schema = self.plan.state
        names = [self.plan.nodes[source].id if source >= 0 else None for source in step.sources]
        return Seen(
            step=step,
            id=step.id(self.plan.nodes[step.node].id),
            node=self.plan.nodes[step.node].id,
            inputs=plain(step.inputs),
            state=plain(state_of(self.run, branch, schema)),
            outputs=plain(outputs_of(self.run, branch, schema)),
            arrivals=tuple(names),
            error=None if step.error is None else SpecError(step.error.type, step.error.node),
        )

    def _save(self) -> None:
        self.notes += self.run.notes or ()
        if self.run.notes:
            self.run.notes.clear()
        if self.resave():
            self.run = decode_run(encode_run(self.run))


def plain(values: Any) -> Any:
    """A plain copy, all the way down."""
    if isinstance(values, Mapping):
        return {key: plain(values[key]) for key in values}
    if isinstance(values, list):
        return [plain(value) for value in values]
    return values


def _exception(type_name: str) -> Exception:
    kind = getattr(builtins, type_name)
    error = kind(type_name)
    assert isinstance(error, Exception)
    return error
