"""Which edges a completed step takes: decided once, when it completes (semantics 1.2, 2.1 to 2.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ExpressionError, RoutingError
from ..model.branches import absorb, outputs_of, state_of
from ..model.edge import Route
from ..model.plan import Plan, PlanNode
from ..model.run import Branch, Send, Step
from ..model.values import Values, as_values, freeze
from ..model.ways import Kept, Way
from ..nodes.context import Live, current_context

__all__ = ["Choose", "Taken", "choice_of", "nowhere", "sends_of"]

Taken = tuple[tuple[int, ...], Way]
"""The edges a step takes, and the way along them of a token that is alone."""

Choose = Callable[[Step, Live, Kept], Taken]
"""Of a step, its run and its outputs, what it takes; a RoutingError when that cannot be told."""

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


def choice_of(plan: Plan, place: PlanNode) -> Choose:
    """How the way on from a node is chosen, by what its conditions look at."""
    if place.always is not None:
        choose = _always(plan, place.always)
    elif len(place.tests) == 1 and place.names <= {"output"}:
        choose = _on_its_output(plan, place)
    else:
        choose = _on_anything(plan, place)
    return _strict(choose, place.id) if plan.strict_routing and place.leaves else choose


def _always(plan: Plan, taken: tuple[int, ...]) -> Choose:
    always = (taken, plan.way(taken))
    return lambda step, live, outputs: always


def _on_its_output(plan: Plan, place: PlanNode) -> Choose:
    """One condition, over the step's own output: the way of most loops."""
    edge, onward, end = plan.edges[place.tests[0]], (place.tests, plan.way(place.tests)), ((), plan.way(()))
    assert edge.condition is not None  # a predicate would look at the state too
    evaluate, test = edge.condition.evaluator, edge.condition.test

    def choose(step: Step, live: Live, outputs: Kept) -> Taken:
        try:
            holds = evaluate({"output": outputs})
            if holds is not True and holds is not False:
                holds = test({"output": outputs})
            return onward if holds else end
        except (ExpressionError, RecursionError) as error:
            raise edge.undecided(error) from error

    return choose


def _on_anything(plan: Plan, place: PlanNode) -> Choose:
    names = [(name, _NAMES[name]) for name in sorted(place.names)]

    def choose(step: Step, live: Live, outputs: Kept) -> Taken:
        outputs = as_values(outputs)
        branch = absorb(plan, live.run, step, outputs)
        taken = plan.taken(place, {name: make(step, live, branch, outputs) for name, make in names})
        return taken, plan.way(taken)

    return choose


def _strict(choose: Choose, node_id: str) -> Choose:
    def strictly(step: Step, live: Live, outputs: Kept) -> Taken:
        taken = choose(step, live, outputs)
        if not taken[0]:
            raise nowhere(node_id)
        return taken

    return strictly


def nowhere(node_id: str) -> RoutingError:
    """What is wrong with a step that takes none of its edges, where that is an error (2.4)."""
    return RoutingError(f"{node_id} has edges, and takes none of them (strict_routing)")


def sends_of(place: PlanNode, route: Route) -> tuple[Send, ...]:
    """The tokens a Route sends, each along an edge the node has.

    Raises:
        RoutingError: it names a node to which there is no edge.
    """
    sends: list[Send] = []
    for target, inputs in route.sends():
        edge = place.routes.get(target)
        if edge is None:
            known = ", ".join(place.routes) or "none"
            raise RoutingError(
                f"node {place.id} routes to {target!r}, to which it has no edge (edges to: {known}); "
                f"declare one with {place.id}.may_route({target})"
            )
        sends.append(Send(edge, None if inputs is None else freeze(inputs)))
    return tuple(sends)


def _current_params() -> dict[str, Any]:
    """The params of the step that has just completed, as it was given them."""
    ctx = current_context()
    return {} if ctx is None or ctx.params is None else dict(ctx.params)
