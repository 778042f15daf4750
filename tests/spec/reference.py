"""Reference interpreter for the graph rules (semantics 2, 3 and 4): slow, naive, nothing cached.

It imports nothing from nodeloom. Every write is an immutable record that knows the whole set of writes its
step had seen; every token carries its full ordered history; reachability is searched each time it is asked.
Numbers in docstrings are those of the rules; "reading x" are the readings listed in READINGS below.

READINGS (where the rules leave room)
 a  A join J is blocked by a live token at u (a running step, or arrivals waiting at another join) when a path
    of at least one edge leads from u to J. Arrivals waiting at J do not block J.
 b  3.3: a strongly connected group of waiting joins with no blocker outside it: its first in declaration
    order starts; an unfilled quorum is passed over; if all are unfilled quorums the first one fails.
 c  Inputs of a join are its arrivals' inputs merged in arrival order. `error` is apart from the inputs; of
    several arrivals, the last one that has an error gives it.
 d  Arrivals are ordered by edge declaration (an arrival from the run's start comes before any edge), then
    by the token's place.
 e  Late marks are per quorum node, inherited; a join's token is late only if all its arrivals are. A failure
    without a matching on_error whose node can reach a quorum node only ends its token; if none of those
    quorums starts afterwards, and the token was late for none of them, the failure is the run's all the same.
 f  Only a token that ended normally is final; dropped and failed tokens are not.
 g  With on_failure="continue" the error reported is that of the first failed token by place.
 k  QuorumNotReached and StateConflict fail the join's step before its body: no execution counts, and the
    node's on_error edges apply (the token then carries the merged history). The step counts for max_steps.
 l  RoutingError (a failing condition, or strict_routing) is the run's failure: no on_error edge, no e.
 m  An error edge is not an "outgoing edge" for 2.4, and a Route may not use one.
 o  A token that is late for a quorum is dropped on arriving there (3.4), so it can reach (3.1) only what does not
    lie behind that quorum: a loop around a quorum does not wait, round by round, for whoever was too slow.
 n  The merge keeps writes that lost to a later edge without having been seen by the winner: they are part of
    the history (4.4 to the letter), can win a later merge, and such merges are listed in `contested`.
"""

from __future__ import annotations

import builtins
import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Values = Mapping[str, Any]
Join = Literal["any", "all"] | tuple[Literal["quorum"], int] | None
Routing = Literal["all", "first"]
EdgeKind = Literal["always", "when", "otherwise", "error", "route"]
Predicate = Callable[[Values, Values], bool]
Reducer = Callable[[Any, Any], Any]
Schedule = Callable[[Sequence["RunningStep"]], int]
Place = tuple[int, ...]
Send = tuple[int, str, Values | None]

EMPTY: dict[str, Any] = {"add": 0, "append": [], "extend": [], "max": 0, "min": 0, "union": set()}


# --- what a body sees and returns -----------------------------------------------------------------------


@dataclass(frozen=True)
class SpecError:
    """What an error edge hands over (2.5): the failure's type and the node that failed."""

    type: str
    node: str


@dataclass(frozen=True)
class SpecStep:
    """What one step sees: the only argument of a body. A `None` in `arrivals` is the run's start."""

    inputs: Values
    state: Values
    outputs: Mapping[str, Values]
    arrivals: tuple[str | None, ...]
    error: SpecError | None = None


@dataclass(frozen=True)
class SpecRoute:
    """Outputs and explicit next nodes (1.7, 3.7); inputs `None` means the outputs."""

    outputs: Values
    sends: Sequence[tuple[str, Values | None]]


@dataclass(frozen=True)
class SpecFailure:
    """A body that fails with an exception of this type."""

    type_name: str


SpecResult = Values | SpecRoute | SpecFailure
Body = Callable[[SpecStep], SpecResult]


# --- the graph ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SpecNode:
    """A definition (1.1)."""

    id: str
    body: Body
    join: Join = None
    routing: Routing = "all"


@dataclass(frozen=True)
class SpecEdge:
    """An edge (2.1); `predicate(outputs of the source, state after it)` for kind "when"."""

    source: str
    target: str
    kind: EdgeKind = "always"
    predicate: Predicate | None = None
    error_type: str | None = None


@dataclass(frozen=True)
class SpecGraph:
    """Nodes and edges in declaration order, and the graph's options (2.7). `defaults` is by key."""

    nodes: Sequence[SpecNode]
    edges: Sequence[SpecEdge]
    starts: Sequence[str]
    on_failure: Literal["fail", "continue"] = "fail"
    strict_routing: bool = False
    max_steps: int = 1_000_000
    reducers: Mapping[str, tuple[str, Reducer]] = field(default_factory=dict)
    declared: bool = False
    declared_keys: frozenset[str] = frozenset()
    defaults: Values = field(default_factory=dict)

    def node(self, node_id: str) -> SpecNode:
        """The node with this id."""
        return next(node for node in self.nodes if node.id == node_id)

    def is_join(self, node_id: str) -> bool:
        """3.1: more than one incoming edge, or `join=` declared; "any" never waits (3.4)."""
        node = self.node(node_id)
        incoming = sum(edge.target == node_id for edge in self.edges)
        return node.join != "any" and (node.join is not None or incoming > 1)

    def quorum(self, node_id: str) -> int | None:
        """The n of Quorum(n), or None."""
        join = self.node(node_id).join
        return join[1] if isinstance(join, tuple) else None

    def reaches(self, source: str, target: str, late: frozenset[str] = frozenset()) -> bool:
        """3.1, 3.4 (readings a, o): a path of at least one edge that enters none of the quorums a token is late for."""
        found: set[str] = set()
        todo = [source]
        while todo:
            here = todo.pop()
            for edge in self.edges:
                if edge.source == here and edge.target not in found | late:
                    found.add(edge.target)
                    todo.append(edge.target)
        return target in found

    def is_state_key(self, key: str) -> bool:
        """4.1: with a declared class only its keys are state; without one every key is."""
        return not self.declared or key in self.declared_keys or key in self.reducers


# --- histories (4.2 to 4.6) -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class SpecWrite:
    """One write: its identity (step, kind, key), maker, value and all the writes its step had seen."""

    step: str
    node: str
    kind: Literal["state", "output"]
    key: str
    value: Any
    seen: frozenset[tuple[str, str, str]]

    @property
    def uid(self) -> tuple[str, str, str]:
        """The identity by which a write reached by two paths is recognised (4.6)."""
        return (self.step, self.kind, self.key)


History = tuple[SpecWrite, ...]


def merge_histories(histories: Iterable[History]) -> History:
    """4.4, 4.6: each arrival's writes in the order they were made, first arrival first, each write once.

    What came before the nearest common fork is in the first history in its place, so it needs no case.
    """
    merged: list[SpecWrite] = []
    applied: set[Hashable] = set()
    for history in histories:
        for write in history:
            if write.uid not in applied:
                applied.add(write.uid)
                merged.append(write)
    return tuple(merged)


def unsuperseded(history: History, kind: str, key: str) -> list[SpecWrite]:
    """4.4: the replacing writes of a key that no later write had seen, in order."""
    writes = [write for write in history if write.kind == kind and write.key == key]
    return [write for write in writes if not any(write.uid in other.seen for other in writes)]


def keys_written(history: History, kind: str) -> list[str]:
    """The keys written in a history, in the order of their first write."""
    return list(dict.fromkeys(write.key for write in history if write.kind == kind))


def state_of(graph: SpecGraph, base: Values, history: History) -> dict[str, Any]:
    """4.1, 4.2: the run's inputs, then each key folded with its reducer, else its last unsuperseded write."""
    state = dict(base)
    for key in keys_written(history, "state"):
        if key in graph.reducers:
            state[key] = _reduced(graph, base, history, key)
        else:
            state[key] = unsuperseded(history, "state", key)[-1].value
    return state


def _reduced(graph: SpecGraph, base: Values, history: History, key: str) -> Any:
    """4.2: a missing base is the key's default, else the empty value."""
    name, reducer = graph.reducers[key]
    if key in base:
        value = base[key]
    else:
        value = graph.defaults[key] if key in graph.defaults else EMPTY[name]
    for write in history:
        if write.kind == "state" and write.key == key:
            value = reducer(value, write.value)
    return value


def outputs_of(history: History) -> dict[str, Values]:
    """4.2: what each node on the path returned last."""
    return {key: unsuperseded(history, "output", key)[-1].value for key in keys_written(history, "output")}


def conflicts(
    graph: SpecGraph, histories: Sequence[History], kind: Literal["state", "output"] = "state"
) -> list[tuple[str, str, str]]:
    """4.5: (key, node, node) of unsuperseded replacing writes that come from different arrivals only."""
    merged = merge_histories(histories)
    together = [{write.uid for write in history} for history in histories]
    found = []
    for key in keys_written(merged, kind):
        if kind == "state" and key in graph.reducers:
            continue
        last = unsuperseded(merged, kind, key)
        for index, first in enumerate(last):
            for second in last[index + 1 :]:
                if not any({first.uid, second.uid} <= one for one in together):
                    found.append((key, first.node, second.node))
    return found


# --- tokens and steps -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Token:
    """A token on its way to, or waiting at, `target`. `edge` is -1 for the run's start."""

    target: str
    edge: int
    source: str | None
    parent: str
    position: int
    place: Place
    history: History
    inputs: Values
    error: SpecError | None = None
    late: frozenset[str] = frozenset()

    @property
    def order(self) -> tuple[int, Place]:
        """4.4 (reading d): edge declaration, then place (compared where two places first differ)."""
        return (self.edge, self.place)


@dataclass(frozen=True)
class RunningStep:
    """One started step; what it returns is already fixed by what it saw."""

    id: str
    node: str
    saw: SpecStep
    place: Place
    history: History
    late: frozenset[str]
    result: SpecResult


@dataclass(frozen=True)
class SpecExecution:
    """One execution of a body: the step's identity (1.3), the node and what it saw."""

    step: str
    node: str
    saw: SpecStep


@dataclass(frozen=True)
class SpecDrop:
    """3.4: a late token dropped at a quorum node, and the node it came from."""

    quorum: str
    source: str | None


@dataclass(frozen=True)
class SpecFailed:
    """A failure with nobody to take it: type, node, place, and whether it failed the run.

    `before` are the quorums it came before: it only ended its token, unless none of them started afterwards.
    """

    type: str
    node: str
    place: Place
    fails_run: bool = True
    detail: tuple[str, ...] = ()
    before: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SpecFinal:
    """Reading f: a token that ended, with the outputs of its last step."""

    node: str
    place: Place
    history: History
    outputs: Values


@dataclass(frozen=True)
class SpecRunResult:
    """What a run came to.

    `outputs` are merged over the final tokens by 4.4; `last_outputs` are by completion order. `executions`
    are in the order they started, those cancelled by a failure included. State and outputs of a failed run
    are those of the tokens that had ended. `contested` lists the (node, key) of joins where one write won
    over another it had not seen (reading n), the final merge excluded; "outputs.x" is for the outputs of x.
    """

    status: Literal["completed", "failed"]
    error_type: str | None
    error_node: str | None
    state: Values
    outputs: Mapping[str, Values]
    last_outputs: Mapping[str, Values]
    output: Values
    executions: tuple[SpecExecution, ...]
    counts: Mapping[str, int]
    dropped: tuple[SpecDrop, ...]
    ended: tuple[str, ...]
    failures: tuple[SpecFailed, ...]
    contested: tuple[tuple[str, str], ...]
    finals: tuple[SpecFinal, ...]


def step_identity(node: str, parents: Sequence[tuple[str, int]]) -> str:
    """1.3: node id, parent step ids in arrival order, and position among the tokens each parent sent."""
    return hashlib.sha256(repr((node, list(parents))).encode()).hexdigest()[:24]


def type_matches(error_type: str | None, raised: str) -> bool:
    """2.5: by name along the MRO; None takes any."""
    raised_class = getattr(builtins, raised, None)
    names = [raised, "Exception"]
    if isinstance(raised_class, type):
        names = [one.__name__ for one in raised_class.__mro__]
    return error_type is None or error_type in names


# --- the interpreter ------------------------------------------------------------------------------------


def run(graph: SpecGraph, inputs: Values, schedule: Schedule) -> SpecRunResult:
    """Runs the graph; `schedule` says which of the running steps completes next (3.6)."""
    return _Run(graph, inputs, schedule).run()


class _StopRun(Exception):
    """Everything stops (reading g)."""


class _Run:
    """The state of one run (1.2)."""

    def __init__(self, graph: SpecGraph, inputs: Values, schedule: Schedule) -> None:
        self.graph, self.base, self.schedule = graph, dict(inputs), schedule
        self.flight: list[Token] = []
        self.waiting: dict[str, list[Token]] = {}
        self.running: list[RunningStep] = []
        self.finals: list[SpecFinal] = []
        self.executions: list[SpecExecution] = []
        self.failed_joins = 0
        self.dropped: list[SpecDrop] = []
        self.ended: list[str] = []
        self.excused: list[SpecFailed] = []
        self.failures: list[SpecFailed] = []
        self.contested: list[tuple[str, str]] = []
        self.last_outputs: dict[str, Values] = {}

    def run(self) -> SpecRunResult:
        """Starts, then completes one running step at a time until none is left."""
        many = len(self.graph.starts) > 1
        for index, node in enumerate(self.graph.starts):
            place = (index,) if many else ()
            self.flight.append(Token(node, -1, None, "", index, place, (), self.base))
        try:
            self.settle()
            while self.running:
                self.complete(self.running.pop(self.schedule(tuple(self.running))))
                self.settle()
        except _StopRun:
            pass
        else:
            assert not self.waiting, "3.3: a run never hangs on a join"
        return self.result()

    # Arrivals and joins

    def settle(self) -> None:
        """Delivers what is in flight and starts every join that may start, until nothing moves."""
        while True:
            while self.flight:
                self.arrive(self.flight.pop(0))
            movable = self.movable_join()
            if movable is None:
                return
            tokens = self.waiting.pop(movable)
            needed = self.graph.quorum(movable)
            self.begin(movable, tokens, "QuorumNotReached" if needed is not None else None)

    def arrive(self, token: Token) -> None:
        """3.1, 3.4: a node that is no join starts per arrival, a quorum at its nth, a join waits."""
        node = token.target
        if node in token.late:
            self.dropped.append(SpecDrop(node, token.source))
            return
        if not self.graph.is_join(node):
            self.begin(node, [token])
            return
        self.waiting.setdefault(node, []).append(token)
        if len(self.waiting[node]) == self.graph.quorum(node):
            arrived = self.waiting.pop(node)
            self.mark_late(node)
            self.begin(node, arrived)

    def mark_late(self, quorum: str) -> None:
        """3.4: live tokens that could still reach a quorum that starts are late for it."""

        mark = frozenset({quorum})
        self.excused = [failure for failure in self.excused if quorum not in failure.before]

        def late_at(place: str) -> frozenset[str]:
            return mark if self.graph.reaches(place, quorum) else frozenset()

        self.flight = [
            replace(token, late=token.late | (mark if token.target == quorum else late_at(token.target)))
            for token in self.flight
        ]
        self.running = [replace(step, late=step.late | late_at(step.node)) for step in self.running]
        for node, tokens in self.waiting.items():
            self.waiting[node] = [replace(token, late=token.late | late_at(node)) for token in tokens]

    def blocked_by_running(self, join: str) -> bool:
        """3.1: a running step can still reach the join (reading o)."""
        return any(self.graph.reaches(step.node, join, step.late) for step in self.running)

    def blocking_joins(self, join: str) -> set[str]:
        """3.1: the other joins where arrivals wait that can still reach this one (readings e, o)."""
        return {
            other
            for other, tokens in self.waiting.items()
            if other != join
            and self.graph.reaches(other, join, frozenset.intersection(*[token.late for token in tokens]))
        }

    def movable_join(self) -> str | None:
        """3.1, 3.3: a waiting join of a group that waits only on itself; see reading b."""
        in_order = [node.id for node in self.graph.nodes if node.id in self.waiting]
        blockers = {join: self.blocking_joins(join) for join in in_order}
        for join in in_order:
            group = _everything_behind(join, blockers)
            mutual = all(join in _everything_behind(other, blockers) for other in group - {join})
            if mutual and not any(self.blocked_by_running(other) for other in group):
                members = [other for other in in_order if other in group]
                fillable = [other for other in members if self.graph.quorum(other) is None]
                return (fillable or members)[0]
        return None

    # Steps

    def begin(self, node: str, tokens: Sequence[Token], failure: str | None = None) -> None:
        """Starts a step from its arrivals (4.4); a join that may not start fails instead (reading k)."""
        arrivals = sorted(tokens, key=lambda token: token.order)
        histories = [token.history for token in arrivals]
        history = merge_histories(histories)
        errors = [token.error for token in arrivals if token.error is not None]
        saw = SpecStep(
            inputs={key: value for token in arrivals for key, value in token.inputs.items()},
            state=state_of(self.graph, self.base, history),
            outputs=outputs_of(history),
            arrivals=tuple(token.source for token in arrivals),
            error=errors[-1] if errors else None,
        )
        found = conflicts(self.graph, histories)
        self.contested.extend((node, key) for key, _, _ in found)
        both = conflicts(self.graph, histories, "output")
        self.contested.extend((node, f"outputs.{key}") for key, _, _ in both)
        step_id = step_identity(node, [(token.parent, token.position) for token in arrivals])
        late = frozenset.intersection(*[token.late for token in arrivals])
        step = RunningStep(step_id, node, saw, arrivals[-1].place, history, late, {})
        self.count(step)
        if failure is not None:
            self.failed_joins += 1
            self.fail(step, failure)
        elif found and self.graph.declared:
            self.failed_joins += 1
            self.fail(step, "StateConflict", found[0])
        else:
            self.execute(step)

    def count(self, step: RunningStep) -> None:
        """3.5: max_steps counts every step, those of joins that fail before their body (reading k) with them."""
        if len(self.executions) + self.failed_joins >= self.graph.max_steps:
            self.failures = [SpecFailed("MaxStepsExceeded", step.node, step.place)]
            raise _StopRun

    def execute(self, step: RunningStep) -> None:
        """The body sees the step as it starts; its result is fixed then."""
        self.executions.append(SpecExecution(step.id, step.node, step.saw))
        self.running.append(replace(step, result=self.graph.node(step.node).body(step.saw)))

    def complete(self, step: RunningStep) -> None:
        """Records what a step returned and sends its tokens (2.1, 2.5)."""
        result = step.result
        if isinstance(result, SpecFailure):
            self.fail(step, result.type_name)
            return
        outputs = result.outputs if isinstance(result, SpecRoute) else result
        sends = result.sends if isinstance(result, SpecRoute) else ()
        if any(self.route_edge(step.node, to) is None for to, _ in sends):
            self.fail(step, "RoutingError")
            return
        self.last_outputs[step.node] = outputs
        written = replace(step, history=step.history + self.writes(step, outputs))
        if isinstance(result, SpecRoute):
            routed = [(self.route_edge(step.node, to) or 0, to, given) for to, given in sends]
            self.send(written, routed, outputs)
            return
        try:
            taken = self.taken(step.node, outputs, state_of(self.graph, self.base, written.history))
        except Exception:  # 2.3: whatever a condition raises is a RoutingError
            self.run_failure(SpecFailed("RoutingError", step.node, step.place))
            return
        self.send(written, [(index, self.graph.edges[index].target, None) for index in taken], outputs)

    def writes(self, step: RunningStep, outputs: Values) -> History:
        """4.2: the records a completed step adds: its outputs, and its updates of state keys."""
        seen = frozenset(write.uid for write in step.history)
        updates = [
            SpecWrite(step.id, step.node, "state", key, value, seen)
            for key, value in outputs.items()
            if self.graph.is_state_key(key)
        ]
        return (*updates, SpecWrite(step.id, step.node, "output", step.node, outputs, seen))

    # Edges

    def route_edge(self, node: str, target: str) -> int | None:
        """1.7: the first edge by which a Route may go there (reading m)."""
        for index, edge in enumerate(self.graph.edges):
            if (edge.source, edge.target) == (node, target) and edge.kind != "error":
                return index
        return None

    def taken(self, node: str, outputs: Values, state: Values) -> list[int]:
        """2.1: the edges that hold, in declaration order; with routing="first" only the first of them."""
        first = self.graph.node(node).routing == "first"
        mine = [(index, edge) for index, edge in enumerate(self.graph.edges) if edge.source == node]
        held: list[int] = []
        for index, edge in mine:
            if edge.kind == "otherwise":
                holds = not any(_holds(other, outputs, state) for _, other in mine if other.kind == "when")
            else:
                holds = edge.kind == "always" or _holds(edge, outputs, state)
            if holds:
                held.append(index)
                if first:
                    break
        return held

    def send(self, step: RunningStep, sends: Sequence[Send], outputs: Values) -> None:
        """2.1, 3.7, 4.3: one token per edge or send, forked; none taken ends the branch (2.4)."""
        if not sends:
            self.end(step, outputs)
            return
        fork = len(sends) > 1
        for position, (edge, target, given) in enumerate(sends):
            place = (*step.place, position) if fork else step.place
            inputs = outputs if given is None else given
            self.flight.append(
                Token(target, edge, step.node, step.id, position, place, step.history, inputs, None, step.late)
            )

    def end(self, step: RunningStep, outputs: Values) -> None:
        """2.4: a token ends; with outgoing edges that is recorded, or an error with strict_routing."""
        if any(edge.source == step.node and edge.kind != "error" for edge in self.graph.edges):
            self.ended.append(step.node)
            if self.graph.strict_routing:
                self.run_failure(SpecFailed("RoutingError", step.node, step.place))
                return
        self.finals.append(SpecFinal(step.node, step.place, step.history, outputs))

    # Failures

    def fail(self, step: RunningStep, type_name: str, detail: tuple[str, ...] = ()) -> None:
        """2.5, 2.6, 3.4: the first matching on_error edge, else the token ends, else the run fails."""
        for index, edge in enumerate(self.graph.edges):
            if edge.source == step.node and edge.kind == "error" and type_matches(edge.error_type, type_name):
                error = SpecError(type_name, step.node)
                if type_name == "QuorumNotReached":  # what kept it from being reached is dealt with
                    self.excused = [one for one in self.excused if step.node not in one.before]
                self.flight.append(
                    Token(
                        edge.target, index, step.node, step.id, 0, step.place,
                        step.history, step.saw.inputs, error, step.late,
                    )
                )  # fmt: skip
                return
        quorums = [node.id for node in self.graph.nodes if self.graph.quorum(node.id) is not None]
        before = frozenset(quorum for quorum in quorums if self.graph.reaches(step.node, quorum))
        self.run_failure(SpecFailed(type_name, step.node, step.place, not before, detail, before))
        if before and not before & step.late:
            self.excused.append(self.failures[-1])

    def run_failure(self, failure: SpecFailed) -> None:
        """2.6: records a failure; with on_failure="fail" everything stops."""
        self.failures.append(failure)
        if failure.fails_run and self.graph.on_failure == "fail":
            raise _StopRun

    # The end

    def result(self) -> SpecRunResult:
        """2.7 (reading f): the final tokens merged by 4.4, in the order of their places; no StateConflict."""
        finals = sorted(self.finals, key=lambda final: final.place)
        history = merge_histories(final.history for final in finals)
        places = [node.id for node in self.graph.nodes]
        excused = sorted(self.excused, key=lambda one: (places.index(one.node), one.type, one.detail))
        failing = [*sorted((one for one in self.failures if one.fails_run), key=lambda one: one.place), *excused]
        return SpecRunResult(
            status="failed" if failing else "completed",
            error_type=failing[0].type if failing else None,
            error_node=failing[0].node if failing else None,
            state=state_of(self.graph, self.base, history),
            outputs=outputs_of(history),
            last_outputs=self.last_outputs,
            output={key: value for final in finals for key, value in final.outputs.items()},
            executions=tuple(self.executions),
            counts=dict(Counter(execution.node for execution in self.executions)),
            dropped=tuple(self.dropped),
            ended=tuple(self.ended),
            failures=tuple(
                replace(one, fails_run=True) if any(one is each for each in self.excused) else one
                for one in self.failures
            ),
            contested=tuple(self.contested),
            finals=tuple(finals),
        )


def _holds(edge: SpecEdge, outputs: Values, state: Values) -> bool:
    """2.1, 2.3: whether a conditional edge's condition holds."""
    return edge.kind == "when" and edge.predicate is not None and bool(edge.predicate(outputs, state))


def _everything_behind(join: str, blockers: Mapping[str, set[str]]) -> set[str]:
    """The join itself and all it waits on, directly or not."""
    group: set[str] = set()
    todo = [join]
    while todo:
        here = todo.pop()
        if here not in group:
            group.add(here)
            todo.extend(blockers[here])
    return group
