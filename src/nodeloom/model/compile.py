"""Judge a graph and make its plan: every problem at once, or a plan that holds nothing of any run."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Literal, NamedTuple

import msgspec

from ..errors import ExpressionError, GraphError, Problem
from ..expressions import Expression, Path, from_keywords, never_holds, parse
from .edge import Edge, Quorum
from .plan import Join, NodeSpec, Plan, PlanEdge, PlanNode
from .reach import Reach, components, reach_of
from .state import StateSchema
from .values import shadows
from .ways import way_along

__all__ = [
    "CONDITION_NAMES",
    "Declaration",
    "Judgement",
    "compile_plan",
    "judge",
    "nearest",
    "output_problem",
    "path_problem",
]

CONDITION_NAMES = ("output", "inputs", "state", "outputs", "run", "params", "error")
RUN_NAMES = ("inputs", "id")


class Declaration(msgspec.Struct, frozen=True):
    """A graph as it was declared, whatever it was declared in.

    Attributes:
        nodes, edges: in declaration order. starts: node ids.
        bounded: the author set `max_steps`, so a cycle without a way out is meant.
    """

    name: str
    nodes: tuple[NodeSpec, ...]
    edges: tuple[Edge, ...]
    starts: tuple[str, ...]
    state: StateSchema
    on_failure: Literal["fail", "continue"] = "fail"
    strict_routing: bool = False
    max_steps: int = 1_000_000
    bounded: bool = False


class Judgement(NamedTuple):
    """The problems of a graph, and its conditions by edge index."""

    problems: list[Problem]
    conditions: dict[int, Expression]


def compile_plan(graph: Declaration, judged: Judgement | None = None) -> Plan:
    """The plan of a declared graph.

    Args:
        graph: the declaration. judged: what `judge` said of it, if it was asked already.

    Raises:
        GraphError: with every problem there is.
    """
    problems, conditions = judged or judge(graph)
    if any(problem.severity == "error" for problem in problems):
        raise GraphError(problems, f"graph {graph.name}")
    by_id = {node.id: index for index, node in enumerate(graph.nodes)}
    edges = tuple(
        PlanEdge(index, by_id[edge.source], by_id[edge.target], edge, conditions.get(index))
        for index, edge in enumerate(graph.edges)
    )
    outgoing: list[list[PlanEdge]] = [[] for _ in graph.nodes]
    for edge in edges:
        outgoing[edge.source].append(edge)
    successors = [[edge.target for edge in each] for each in outgoing]
    joins = _joins(graph, successors)
    reach = reach_of(successors, joins)
    quorums = sum(reach.joins[node].bit for node in joins if isinstance(graph.nodes[node].join, Quorum))
    cycles = {node: component for component in components(successors) for node in component}
    nodes = _plan_nodes(graph, outgoing, joins, reach, cycles)
    return Plan(
        name=graph.name,
        nodes=nodes,
        edges=edges,
        ways=tuple(way_along(edge.index, nodes[edge.source], nodes[edge.target], graph.max_steps) for edge in edges),
        by_id=by_id,
        starts=tuple(by_id[start] for start in graph.starts),
        joins={reach.joins[node].bit: node for node in joins},
        reaches=reach.reaches,
        leads={1 << at: sum(1 << each for each in places) for at, places in enumerate(reach.next)} if quorums else {},
        quorums=quorums,
        state=graph.state,
        on_failure=graph.on_failure,
        strict_routing=graph.strict_routing,
        max_steps=graph.max_steps,
        shadows=shadows(by_id),
    )


def nearest(name: str, known: Collection[str], what: str = "there are") -> str:
    """Words that help with an unknown name: the nearest that exists, and what exists."""
    near = difflib.get_close_matches(name, list(islice(known, 500)), 1)
    listed = ", ".join(sorted(known)[:12]) + (", ..." if len(known) > 12 else "")
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{hint} ({what}: {listed})" if known else f"{hint} (there are none)"


def path_problem(path: Path, node_ids: Collection[str], state: StateSchema) -> str | None:
    """What is wrong with a path whose root is known, as far as it can be known before a run (12.2)."""
    parts = path.parts
    if path.optional or len(parts) < 2 or not isinstance(parts[1], str):
        return None
    root, key = parts[0], parts[1]
    if root == "outputs" and key not in node_ids:
        return f"outputs.{key}: no node has the id {key!r}{nearest(key, node_ids, 'nodes')}"
    if root == "run" and key not in RUN_NAMES:
        return f"run.{key}: run has only inputs and id"
    if root == "state" and state.keys is not None and key not in state.keys:
        return f"state.{key}: the declared state has no key {key!r}{nearest(key, state.keys, 'keys')}"
    return None


def output_problem(path: Path, produced: Mapping[str, Collection[str] | None]) -> str | None:
    """What is wrong with `outputs.<node>.<name>`, where it is known which outputs that node will have (12.2)."""
    root, node, name = (*path.parts, None, None)[:3]
    known = produced.get(node) if root == "outputs" and isinstance(node, str) and not path.optional else None
    if known is None or not isinstance(name, str) or name in known:
        return None
    return f"outputs.{node}.{name}: {node} declares no output {name!r}{nearest(name, known, 'outputs')}"


def judge(graph: Declaration) -> Judgement:
    """Everything that is wrong with a declared graph, warnings included, and its conditions parsed."""
    ids = [node.id for node in graph.nodes]
    problems = list(_id_problems(graph))
    problems += _edge_problems(graph, frozenset(ids))
    conditions, found = _conditions(graph, frozenset(ids))
    problems += found
    if not graph.starts:
        why = "every node has an incoming edge; name one as start" if ids else "there are no nodes at all"
        problems.append(Problem("no_start", f"no node to start at: {why}"))
    for start in graph.starts:
        if start not in ids:
            problems.append(Problem("unknown_node", f"start names no node {start!r}{nearest(start, ids, 'nodes')}"))
    if not problems:
        problems += _unreachable(graph)
        problems += _endless(graph, conditions)
    return Judgement(problems, conditions)


def _id_problems(graph: Declaration) -> list[Problem]:
    problems: list[Problem] = []
    seen: dict[str, NodeSpec] = {}
    for node in graph.nodes:
        if not node.id.isidentifier() or not node.id.isascii():
            what = f"{node.id!r} is no node id: use letters, digits and underscores, as fetch_page"
            problems.append(Problem("bad_id", what, node=node.id, line=node.line))
        if node.id in seen:
            what = f"two nodes have the id {node.id!r}; give one of them another, as id={node.id + '_2'!r}"
            problems.append(Problem("duplicate_id", what, node=node.id, line=node.line))
        seen[node.id] = node
    return problems


def _edge_problems(graph: Declaration, ids: frozenset[str]) -> list[Problem]:
    problems: list[Problem] = []
    for edge in graph.edges:
        for end in (edge.source, edge.target):
            if end not in ids:
                what = f"no node has the id {end!r}{nearest(end, ids, 'nodes')}"
                problems.append(Problem("unknown_node", what, edge=str(edge), line=edge.line))
    return problems


def _conditions(graph: Declaration, ids: frozenset[str]) -> tuple[dict[int, Expression], list[Problem]]:
    """The parsed conditions by edge index, and what is wrong with the others."""
    parsed: dict[int, Expression] = {}
    problems: list[Problem] = []
    produced = {node.id: node.outputs for node in graph.nodes}
    for index, edge in enumerate(graph.edges):
        if edge.when is None:
            continue
        try:
            condition = _parse(edge)
        except ExpressionError as error:
            problems.append(Problem("condition", str(error), edge=str(edge), field="when", line=edge.line))
            continue
        parsed[index] = condition
        problems += [
            Problem("condition", reason, edge=str(edge), field="when", line=edge.line)
            for reason in _condition_reasons(condition, ids, graph.state, edge.source, produced)
        ]
    return parsed, problems


def _parse(edge: Edge) -> Expression:
    if isinstance(edge.when, str):
        return parse(edge.when, CONDITION_NAMES)
    return from_keywords(dict(edge.when or ()))


def _condition_reasons(
    condition: Expression,
    ids: frozenset[str],
    state: StateSchema,
    source: str,
    produced: Mapping[str, frozenset[str] | None],
) -> list[str]:
    reasons: list[str] = []
    for path in condition.paths:
        reason = path_problem(path, ids, state)
        parts = path.parts
        if reason is None and _is_unknown_output(path, produced.get(source)):
            known = produced.get(source) or ()
            reason = f"output.{parts[1]}: the node declares no such output{nearest(str(parts[1]), known)}"
        reason = reason or output_problem(path, produced)
        if reason:
            reasons.append(str(ExpressionError(reason, condition.text, path.position)))
    never = never_holds(condition)
    if never:
        reasons.append(f"the condition {condition.text!r} can never hold: {never}")
    return reasons


def _is_unknown_output(path: Path, produced: frozenset[str] | None) -> bool:
    if produced is None or path.optional or path.parts[0] != "output":
        return False
    return any(part not in produced for part in path.parts[1:2])


def _unreachable(graph: Declaration) -> list[Problem]:
    targets: dict[str, list[str]] = {}
    for edge in graph.edges:
        targets.setdefault(edge.source, []).append(edge.target)
    reached = set(graph.starts)
    todo = list(graph.starts)
    while todo:
        for target in targets.get(todo.pop(), ()):
            if target not in reached:
                reached.add(target)
                todo.append(target)
    return [
        Problem(
            "unreachable",
            f"{node.id} cannot be reached from {', '.join(graph.starts)}; add an edge to it or remove it",
            node=node.id,
            line=node.line,
        )
        for node in graph.nodes
        if node.id not in reached
    ]


def _endless(graph: Declaration, conditions: Mapping[int, Expression]) -> list[Problem]:
    """Cycles in which every token goes round for ever, whatever the nodes return."""
    by_id = {node.id: index for index, node in enumerate(graph.nodes)}
    outgoing: list[list[tuple[int, Edge]]] = [[] for _ in graph.nodes]
    for index, edge in enumerate(graph.edges):
        outgoing[by_id[edge.source]].append((index, edge))
    successors = [[by_id[edge.target] for _, edge in each] for each in outgoing]
    problems: list[Problem] = []
    for component in components(successors):
        members = set(component)
        if len(component) == 1 and component[0] not in successors[component[0]]:
            continue
        if all(_goes_on(outgoing[node], conditions, members, by_id) for node in component):
            ids = [graph.nodes[node].id for node in sorted(component)]
            what = f"the cycle {' -> '.join([*ids, ids[0]])} has no way out: give an edge of it a condition"
            line = graph.nodes[min(component)].line
            severity = "warning" if graph.bounded else "error"
            problems.append(Problem("endless_cycle", what, node=ids[0], line=line, severity=severity))
    return problems


def _goes_on(
    edges: Sequence[tuple[int, Edge]],
    conditions: Mapping[int, Expression],
    members: Collection[int],
    by_id: Mapping[str, int],
) -> bool:
    """A token at this node surely goes on inside the cycle, and nowhere else."""
    if any(by_id[edge.target] not in members or edge.kind == "route" for _, edge in edges):
        return False
    return any(
        edge.kind in ("always", "otherwise") or (edge.kind == "when" and _always_true(conditions.get(index)))
        for index, edge in edges
    )


def _always_true(condition: Expression | None) -> bool:
    return condition is not None and condition.constant is True


def _joins(graph: Declaration, successors: Sequence[Sequence[int]]) -> list[int]:
    """The nodes that wait: more than one incoming edge, or a declared join; `any` never waits."""
    incoming = [0] * len(graph.nodes)
    for targets in successors:
        for target in targets:
            incoming[target] += 1
    return [
        index
        for index, node in enumerate(graph.nodes)
        if node.join != "any" and (incoming[index] > 1 or node.join is not None)
    ]


def _plan_nodes(
    graph: Declaration,
    outgoing: Sequence[Sequence[PlanEdge]],
    joins: Sequence[int],
    reach: Reach,
    cycles: Mapping[int, Sequence[int]],
) -> tuple[PlanNode, ...]:
    waits = {
        node: Join(reach.joins[node], mode.n if isinstance(mode := graph.nodes[node].join, Quorum) else 0)
        for node in joins
    }
    quorums = sum(each.reach.bit for each in waits.values() if each.quorum)
    heads = _heads(outgoing, cycles)
    made: list[PlanNode] = []
    for index, spec in enumerate(graph.nodes):
        place = reach.running[index]
        before_quorum = bool(quorums and place and reach.reaches[place] & quorums)
        made.append(_plan_node(index, spec, outgoing[index], waits.get(index), place, index in heads, before_quorum))
    return tuple(made)


def _heads(outgoing: Sequence[Sequence[PlanEdge]], cycles: Mapping[int, Sequence[int]]) -> set[int]:
    """The nodes that an edge leads back to: every cycle has one, so counting these counts rounds."""
    return {
        edge.target
        for edges in outgoing
        for edge in edges
        if edge.target <= edge.source and cycles[edge.target] is cycles[edge.source]
    }


def _plan_node(
    index: int,
    spec: NodeSpec,
    edges: Sequence[PlanEdge],
    join: Join | None,
    place: int,
    heads: bool,
    before_quorum: bool,
) -> PlanNode:
    def of_kind(*kinds: str) -> tuple[int, ...]:
        return tuple(edge.index for edge in edges if edge.edge.kind in kinds)

    tests = of_kind("always", "when", "otherwise")
    conditional = of_kind("when")
    first = spec.routing == "first"
    return PlanNode(
        index=index,
        id=spec.id,
        type=spec.type,
        always=None if conditional else tests[:1] if first else tests,
        tests=tests,
        conditional=conditional,
        first=first,
        errors=of_kind("error"),
        routes={edge.edge.target: edge.index for edge in reversed(edges) if edge.edge.kind != "error"},
        leaves=any(edge.edge.kind != "error" for edge in edges),
        join=join,
        place=place,
        heads=heads,
        before_quorum=before_quorum,
        names=_names([edge for edge in edges if edge.edge.kind == "when"]),
    )


def _names(edges: Sequence[PlanEdge]) -> frozenset[str]:
    """The names a node's conditions look at; a predicate may look at all a `Routing` has."""
    names: set[str] = set()
    for edge in edges:
        if edge.condition is None:
            names |= {"output", "inputs", "state"}
        else:
            names |= {str(path.parts[0]) for path in edge.condition.paths}
    return frozenset(names)
