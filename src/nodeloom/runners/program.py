"""A graph as one engine runs it."""

from __future__ import annotations

from functools import partial

from ..executors.local import Bound, bind
from ..executors.metrics import Metrics
from ..model.batch import Batch
from ..model.plan import Plan
from ..nodes.graph import Graph
from .batch import BatchServices, batched

__all__ = ["Program"]


class Program:
    """A graph's nodes, bound to one engine. It does not hold the graph, which may go while its engine stays.

    Args:
        graph: the graph. services: the engine's. call: the settings of a call of `map`.
    """

    __slots__ = ("bound", "metrics", "plan")

    def __init__(self, graph: Graph, services: BatchServices, call: Batch | None = None) -> None:
        self.plan: Plan = graph.plan
        around = partial(batched, services=services, call=call)
        places = graph.plan.nodes
        self.bound: list[Bound] = [bind(graph.nodes[each.id], each, graph.plan, services, around) for each in places]
        self.metrics: list[Metrics] = [services.metrics_of(graph.name, graph.nodes[each.id]) for each in places]
