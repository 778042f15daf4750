"""Random graphs as plain data, for the reference and, through an adapter, for any other runtime.

A graph is a `GraphData`: frozen, hashable, printable. What its nodes do is a `Behaviour`, interpreted by
`behave(behaviour, step)`, which both sides share: `step` is anything with the mappings `inputs`, `state` and
`outputs`. Conditions are `Test`s; `test.holds(output, state)` gives their value.

Strategies: `structured_graphs()` (grown by substituting edges), `digraphs()` (fully random, bounded by
max_steps), `graphs()` (either), `schedules()` (ints for `choices`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from hypothesis import strategies as st

from .reference import (
    EdgeKind,
    Join,
    Predicate,
    Reducer,
    Routing,
    RunningStep,
    Schedule,
    SpecEdge,
    SpecFailure,
    SpecGraph,
    SpecNode,
    SpecResult,
    SpecRoute,
    Values,
)

REDUCERS: dict[str, Reducer] = {
    "add": lambda base, update: base + update,
    "append": lambda base, update: [*base, update],
    "extend": lambda base, update: [*base, *update],
    "max": lambda base, update: max(base, update),
}
REDUCED_KEYS = (("total", "add"), ("log", "append"), ("many", "extend"), ("top", "max"))
REPLACED_KEYS = ("x", "y")
NEVER = -1


# --- data -----------------------------------------------------------------------------------------------


class StepView(Protocol):
    """What `behave` reads of a step: the reference's SpecStep, or an adapter's object."""

    @property
    def inputs(self) -> Mapping[str, Any]: ...

    @property
    def state(self) -> Mapping[str, Any]: ...

    @property
    def outputs(self) -> Mapping[str, Mapping[str, Any]]: ...


@dataclass(frozen=True)
class Test:
    """A condition on one whole number; a missing key makes every comparison false (2.3).

    `unfinished` holds while the number is no multiple of `value` (a loop of `value` rounds); `broken` raises.
    """

    __test__ = False
    scope: Literal["state", "output"]
    key: str
    op: Literal["lt", "ge", "odd", "unfinished", "never", "broken"]
    value: int = 0

    def holds(self, output: Values, state: Values) -> bool:
        """The value of the condition, given the source's own output and the state after it."""
        if self.op == "broken":
            raise TypeError("a text compared with a number")
        source = state if self.scope == "state" else output
        if self.key not in source or self.op == "never":
            return False
        number = source[self.key]
        if not isinstance(number, int):
            return False
        tests = {
            "lt": number < self.value,
            "ge": number >= self.value,
            "odd": number % 2 == 1,
            "unfinished": bool(self.value) and number % self.value != 0,
        }
        return tests[self.op]


@dataclass(frozen=True)
class Write:
    """One key of the outputs.

    `count` adds to the key's own value in the state, `total` and `taken` add up the numbers in the state and
    in the inputs, `seen` counts the nodes in the outputs.
    """

    key: str
    kind: Literal["const", "count", "total", "taken", "seen"]
    value: int = 1
    many: bool = False


@dataclass(frozen=True)
class Fail:
    """The node fails with this builtin exception, always or when its state meets a test."""

    type_name: str
    when: Test | None = None


@dataclass(frozen=True)
class Send:
    """One token of a Route; `None` sends the outputs."""

    target: str
    inputs: tuple[tuple[str, int], ...] | None = None


@dataclass(frozen=True)
class Behaviour:
    """What a node does: its outputs, whether it fails, whether it returns a Route."""

    writes: tuple[Write, ...] = ()
    fail: Fail | None = None
    route: tuple[Send, ...] | None = None


@dataclass(frozen=True)
class NodeData:
    """A node."""

    id: str
    behaviour: Behaviour = Behaviour()
    join: Join = None
    routing: Routing = "all"


@dataclass(frozen=True)
class EdgeData:
    """An edge; `test` for kind "when", `error_type` for kind "error" (None takes any)."""

    source: str
    target: str
    kind: EdgeKind = "always"
    test: Test | None = None
    error_type: str | None = None


@dataclass(frozen=True)
class GraphData:
    """A graph and the inputs to run it with. Nodes and edges are in declaration order."""

    nodes: tuple[NodeData, ...]
    edges: tuple[EdgeData, ...]
    starts: tuple[str, ...]
    on_failure: Literal["fail", "continue"] = "fail"
    strict_routing: bool = False
    max_steps: int = 300
    reducers: tuple[tuple[str, str], ...] = ()
    declared: bool = False
    declared_keys: tuple[str, ...] = ()
    inputs: tuple[tuple[str, int], ...] = ()

    def to_spec(self) -> SpecGraph:
        """The same graph for the reference."""
        return SpecGraph(
            nodes=[SpecNode(one.id, body_of(one.behaviour), one.join, one.routing) for one in self.nodes],
            edges=[
                SpecEdge(one.source, one.target, one.kind, predicate_of(one.test), one.error_type) for one in self.edges
            ],
            starts=self.starts,
            on_failure=self.on_failure,
            strict_routing=self.strict_routing,
            max_steps=self.max_steps,
            reducers={key: (name, REDUCERS[name]) for key, name in self.reducers},
            declared=self.declared,
            declared_keys=frozenset(self.declared_keys),
        )

    @property
    def has_quorum(self) -> bool:
        """Results of a quorum depend on timing (3.4)."""
        return any(isinstance(node.join, tuple) for node in self.nodes)


def behave(behaviour: Behaviour, step: StepView) -> SpecResult:
    """What a node with this behaviour returns: a dict, a SpecRoute or a SpecFailure. Pure."""
    fail = behaviour.fail
    if fail is not None and (fail.when is None or fail.when.holds({}, step.state)):
        return SpecFailure(fail.type_name)
    outputs = {write.key: _value(write, step) for write in behaviour.writes}
    if behaviour.route is None:
        return outputs
    sends = [(one.target, None if one.inputs is None else dict(one.inputs)) for one in behaviour.route]
    return SpecRoute(outputs, sends)


def _value(write: Write, step: StepView) -> Any:
    """The value of one write; numbers are kept small."""
    value = write.value
    if write.kind == "count":
        known = step.state.get(write.key, 0)
        value += known if isinstance(known, int) else 0
    elif write.kind == "total":
        value = (value + _sum(step.state)) % 1009
    elif write.kind == "taken":
        value = (value + _sum(step.inputs)) % 1009
    elif write.kind == "seen":
        value += 10 * len(list(step.outputs))
    return [value] if write.many else value


def _sum(values: Mapping[str, Any]) -> int:
    """The sum of the whole numbers, and of those in lists, of a mapping."""
    total = 0
    for key in values:
        value = values[key]
        parts = value if isinstance(value, list | tuple) else [value]
        total += sum(part for part in parts if isinstance(part, int))
    return total


def body_of(behaviour: Behaviour) -> Callable[[StepView], SpecResult]:
    """The body of a node for the reference."""
    return lambda step: behave(behaviour, step)


def predicate_of(test: Test | None) -> Predicate | None:
    """The condition of an edge for the reference."""
    return None if test is None else test.holds


def choices(numbers: Sequence[int]) -> Schedule:
    """A schedule that uses the numbers in turn, again and again; none means first in, first out."""
    turn = [0]

    def choose(running: Sequence[RunningStep]) -> int:
        turn[0] += 1
        return numbers[turn[0] % len(numbers)] % len(running) if numbers else 0

    return choose


def schedules() -> st.SearchStrategy[tuple[int, ...]]:
    """Numbers for `choices`."""
    return st.lists(st.integers(0, 7), max_size=24).map(tuple)


# --- growing a graph by substitution --------------------------------------------------------------------


@dataclass(frozen=True)
class Options:
    """What the strategies may use. Reducers need a declared state class (4.2) unless told otherwise."""

    quorums: bool = True
    any_joins: bool = True
    errors: bool = True
    unhandled: bool = True
    routes: bool = True
    cycles: bool = True
    broken_conditions: bool = True
    declared: bool | None = None
    reducers_undeclared: bool = False
    shuffle_nodes: bool = True
    shuffle_edges: bool = True
    max_growth: int = 6


@dataclass
class _Draft:
    """A graph while it grows. `order` lists the nodes that lie on forward paths, in a topological order."""

    draw: st.DrawFn
    options: Options
    declared: bool
    reduced: bool
    nodes: dict[str, NodeData] = field(default_factory=dict)
    edges: list[EdgeData] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    counters: list[str] = field(default_factory=list)

    def new(self, prefix: str, join: Join = None, routing: Routing = "all") -> str:
        """Adds a node with random writes."""
        node_id = f"{prefix}{len(self.nodes)}"
        self.nodes[node_id] = NodeData(node_id, Behaviour(self.writes()), join, routing)
        return node_id

    def writes(self) -> tuple[Write, ...]:
        """Zero to two writes of random keys; replaced keys are rare where they would be conflicts."""
        replaced: list[Write] = [Write(key, "const") for key in REPLACED_KEYS]
        reduced = [Write(key, "const", 1, name == "extend") for key, name in REDUCED_KEYS]
        pool = reduced * 3 + replaced if self.reduced and self.declared else replaced
        pool = pool + reduced if self.reduced else pool
        chosen = self.draw(st.lists(st.sampled_from(pool), max_size=2, unique_by=lambda write: write.key))
        return tuple(
            replace(
                write,
                kind=self.draw(st.sampled_from(("const", "total", "taken", "seen"))),
                value=self.draw(st.integers(1, 9)),
            )
            for write in chosen
        )

    def set(self, node_id: str, **changes: Any) -> None:
        """Changes a node's behaviour."""
        node = self.nodes[node_id]
        self.nodes[node_id] = replace(node, behaviour=replace(node.behaviour, **changes))

    def counter(self, node_id: str) -> str:
        """Makes a node count its executions along the path, in a key of its own."""
        key = f"n{len(self.counters)}"
        self.counters.append(key)
        self.set(node_id, writes=(*self.nodes[node_id].behaviour.writes, Write(key, "count")))
        return key

    def rounds(self, node_id: str) -> Test:
        """The condition of a back edge out of this node: some rounds each time the loop is entered."""
        return Test("state", self.counter(node_id), "unfinished", self.draw(st.integers(2, 3)))

    def test(self) -> Test:
        """A condition on what the paths wrote."""
        ops: tuple[Any, ...] = ("ge", "odd", "odd", "never")
        if self.options.broken_conditions and self.draw(st.integers(0, 19)) == 0:
            ops = ("broken",)
        scope: Any = self.draw(st.sampled_from(("state", "output")))
        return Test(scope, self.draw(st.sampled_from(REPLACED_KEYS)), self.draw(st.sampled_from(ops)), 3)

    def splice(self, index: int, first: str, last: str, new: Sequence[str], exit_edge: EdgeData | None = None) -> None:
        """Puts first ... last into an edge; `exit_edge` leaves for the old target (default: always)."""
        old = self.edges[index]
        self.edges[index] = replace(old, target=first)
        way_out = exit_edge or EdgeData(last, old.target)
        self.edges.append(replace(way_out, target=old.target))
        here = self.order.index(old.source) if old.source in self.order else -1
        if here >= 0 and old.target in self.order[here + 1 :]:
            self.order[here + 1 : here + 1] = new

    def fork_edges(self, fork: str, branches: Sequence[str], conditions: bool) -> None:
        """Edges from a fork to its branches, some conditional, perhaps one `otherwise`."""
        kinds: tuple[EdgeKind, ...] = ("always", "always", "when", "otherwise")
        for branch in branches:
            kind = self.draw(st.sampled_from(kinds)) if conditions else kinds[0]
            self.edges.append(EdgeData(fork, branch, kind, self.test() if kind == "when" else None))


def _chain(draft: _Draft, index: int) -> None:
    """u -> m -> v."""
    node = draft.new("c")
    draft.splice(index, node, node, [node])


def _diamond(draft: _Draft, index: int, join: Join = None) -> None:
    """u -> f -> several -> j -> v; branches may be conditional."""
    routing: Routing = draft.draw(st.sampled_from(("all", "all", "all", "first")))
    fork, width = draft.new("f", routing=routing), draft.draw(st.integers(2, 3))
    branches = [draft.new("b") for _ in range(width)]
    meet = draft.new("j", join)
    draft.fork_edges(fork, branches, draft.draw(st.booleans()))
    draft.edges.extend(EdgeData(branch, meet) for branch in branches)
    draft.splice(index, fork, meet, [fork, *branches, meet])


def _quorum(draft: _Draft, index: int) -> None:
    """A diamond whose join is a quorum, sometimes one that cannot be reached."""
    _diamond(draft, index, ("quorum", draft.draw(st.sampled_from((1, 2, 2, 2, 3)))))


def _any(draft: _Draft, index: int) -> None:
    """A diamond whose last node starts once per arrival."""
    _diamond(draft, index, "any")


def _loop(draft: _Draft, index: int) -> None:
    """u -> h -> t, t -> h for some rounds, then t -> v; or h alone. Sometimes v hears of every round."""
    head = draft.new("h")
    tail = draft.new("t") if draft.draw(st.booleans()) else head
    if tail != head:
        draft.edges.append(EdgeData(head, tail))
    draft.edges.append(EdgeData(tail, head, "when", draft.rounds(tail)))
    leaky = draft.draw(st.integers(0, 4)) == 0
    way_out = EdgeData(tail, tail, "always" if leaky else "otherwise")
    draft.splice(index, head, tail, [head, tail] if tail != head else [head], way_out)


def _two_entries(draft: _Draft, index: int) -> None:
    """3.3: u -> f -> a and b, a -> b, b -> a for some rounds, then b -> v."""
    fork, one, two = draft.new("f"), draft.new("a"), draft.new("b")
    draft.edges.extend([EdgeData(fork, one), EdgeData(fork, two), EdgeData(one, two)])
    draft.edges.append(EdgeData(two, one, "when", draft.rounds(two)))
    draft.splice(index, fork, two, [fork, one, two], EdgeData(two, two, "otherwise"))


def _dead_end(draft: _Draft, index: int) -> None:
    """2.4: u -> f -> v, and a branch that ends before v each time."""
    fork, dead = draft.new("f"), draft.new("d")
    target = draft.edges[index].target
    draft.edges.append(EdgeData(fork, dead))
    draft.edges.append(EdgeData(dead, target, "when", Test("state", "x", "never", NEVER)))
    draft.splice(index, fork, fork, [fork, dead])


def _error(draft: _Draft, index: int) -> None:
    """2.5: u -> a -> v where a fails, always or at times, and r handles it, or does not match."""
    risky, handler = draft.new("e"), draft.new("r")
    when = draft.test() if draft.draw(st.booleans()) else None
    if when is not None and when.op == "broken":
        when = None
    draft.set(risky, fail=Fail(draft.draw(st.sampled_from(("ValueError", "KeyError"))), when))
    types = (None, "ValueError", "LookupError") if draft.options.unhandled else (None,)
    draft.edges.append(EdgeData(risky, handler, "error", None, draft.draw(st.sampled_from(types))))
    draft.edges.append(EdgeData(handler, draft.edges[index].target))
    draft.splice(index, risky, risky, [risky, handler])


def _route(draft: _Draft, index: int) -> None:
    """3.7: u -> f, a Route that sends w several tokens; a join="all" gathers them."""
    fork, worker, gather = draft.new("f"), draft.new("w"), draft.new("g", "all")
    count = draft.draw(st.integers(0, 3))
    sends = [Send(worker, (("item", position),) if position != 1 else None) for position in range(count)]
    draft.set(fork, route=tuple(sends))
    draft.edges.extend([EdgeData(fork, worker, "route"), EdgeData(worker, gather)])
    draft.splice(index, fork, gather, [fork, worker, gather])


def _cross(draft: _Draft, index: int) -> None:
    """One more edge between two nodes on forward paths: shapes that do not nest, skips, late arrivals."""
    at = draft.draw(st.integers(0, len(draft.order) - 2))
    to = draft.draw(st.integers(at + 1, len(draft.order) - 1))
    source, target = draft.order[at], draft.order[to]
    if not any((edge.source, edge.target) == (source, target) for edge in draft.edges):
        test = draft.test() if draft.draw(st.booleans()) else None
        draft.edges.append(EdgeData(source, target, "when" if test else "always", test))


def _growers(options: Options) -> list[Callable[[_Draft, int], None]]:
    """The substitutions allowed, the common ones more often."""
    found: list[Callable[[_Draft, int], None]] = [_chain, _diamond, _diamond, _dead_end, _cross, _cross]
    found += [_loop, _loop, _two_entries] if options.cycles else []
    found += [_quorum] if options.quorums else []
    found += [_any] if options.any_joins else []
    found += [_error] if options.errors else []
    found += [_route] if options.routes else []
    return found


def _finish(draft: _Draft, starts: tuple[str, ...], max_steps: int) -> GraphData:
    """Freezes a draft, with nodes and edges declared in some other order at times."""
    draw, options = draft.draw, draft.options
    nodes, edges = list(draft.nodes.values()), draft.edges
    if options.shuffle_nodes and draw(st.booleans()):
        nodes = draw(st.permutations(nodes))
    if options.shuffle_edges and draw(st.booleans()):
        edges = draw(st.permutations(edges))
    reducers = REDUCED_KEYS if draft.reduced else ()
    keys = (*REPLACED_KEYS, *draft.counters, *(key for key, _ in reducers), "item")
    return GraphData(
        nodes=tuple(nodes),
        edges=tuple(edges),
        starts=starts,
        on_failure=draw(st.sampled_from(("fail", "continue"))),
        strict_routing=draw(st.integers(0, 7)) == 0,
        max_steps=max_steps,
        reducers=reducers,
        declared=draft.declared,
        declared_keys=keys if draft.declared else (),
        inputs=tuple((key, 0) for key in REPLACED_KEYS),
    )


def _draft(draw: st.DrawFn, options: Options) -> _Draft:
    """An empty draft."""
    declared = draw(st.booleans()) if options.declared is None else options.declared
    reduced = (declared or options.reducers_undeclared) and draw(st.integers(0, 3)) > 0
    return _Draft(draw, options, declared, reduced)


@st.composite
def structured_graphs(draw: st.DrawFn, options: Options = Options()) -> GraphData:
    """Graphs grown from one edge by substituting edges: nested and crossing forks, loops, joins."""
    draft = _draft(draw, options)
    first, last = draft.new("s"), draft.new("z")
    draft.edges.append(EdgeData(first, last))
    draft.order = [first, last]
    for _ in range(draw(st.integers(0, options.max_growth))):
        grow = draw(st.sampled_from(_growers(options)))
        free = [index for index, edge in enumerate(draft.edges) if edge.kind != "route"]
        grow(draft, draw(st.sampled_from(free)))
    if options.errors and options.unhandled and draw(st.integers(0, 4)) == 0:
        victim = draw(st.sampled_from(sorted(draft.nodes)))
        draft.set(victim, fail=Fail("ValueError"))
    return _finish(draft, (first,), 300)


# --- fully random digraphs ------------------------------------------------------------------------------


@st.composite
def digraphs(draw: st.DrawFn, options: Options = Options()) -> GraphData:
    """Any small digraph; edges that go back are conditional, and max_steps ends what runs away."""
    draft = _draft(draw, options)
    ids = [draft.new("v", _random_join(draw, options)) for _ in range(draw(st.integers(2, 7)))]
    pairs = st.tuples(st.integers(0, len(ids) - 1), st.integers(0, len(ids) - 1))
    for source, target in draw(st.lists(pairs, min_size=1, max_size=12, unique=True)):
        if source < target:
            draft.fork_edges(ids[source], [ids[target]], True)
        elif options.cycles:
            draft.edges.append(EdgeData(ids[source], ids[target], "when", draft.rounds(ids[source])))
    starts = tuple(ids[: draw(st.integers(1, 2))])
    kept = _reachable(starts, draft.edges)
    draft.nodes = {key: node for key, node in draft.nodes.items() if key in kept}
    draft.edges = [edge for edge in draft.edges if edge.source in kept]
    return _finish(draft, starts, 60)


def _random_join(draw: st.DrawFn, options: Options) -> Join:
    """Mostly none declared."""
    kinds: list[Join] = [None, None, None, None, None, "all"]
    kinds += ["any"] if options.any_joins else []
    kinds += [("quorum", 2)] if options.quorums else []
    return draw(st.sampled_from(kinds))


def _reachable(starts: Sequence[str], edges: Sequence[EdgeData]) -> set[str]:
    """The nodes that a start can reach."""
    found, todo = set(starts), list(starts)
    while todo:
        here = todo.pop()
        for edge in edges:
            if edge.source == here and edge.target not in found:
                found.add(edge.target)
                todo.append(edge.target)
    return found


def graphs(options: Options = Options()) -> st.SearchStrategy[GraphData]:
    """Structured graphs mostly, random digraphs else."""
    return st.one_of(structured_graphs(options), structured_graphs(options), digraphs(options))
