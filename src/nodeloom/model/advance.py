"""The pure core: a run is a fold of outcomes (semantics 1.2).

`start` gives a run its first steps and `advance` folds one outcome into it. Neither has a clock, does I/O or
awaits; what they decide is a function of their arguments alone. A run belongs to whoever drives it, and is
updated in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .branches import absorb, drop, finish, fork, outputs_of, state_of
from .joins import arrive, enter, leave, next_join
from .order import in_order
from .plan import Plan, PlanNode
from .run import (
    Arrival,
    Branch,
    Cancelled,
    Completed,
    ErrorInfo,
    Failed,
    Failure,
    Note,
    Outcome,
    Run,
    RunResult,
    Send,
    Step,
    Suspended,
    seed_of_run,
)
from .state import apply_log, plain, start_values
from .values import EMPTY, Values, freeze, lend, merge

__all__ = ["advance", "error_info", "result_of", "start", "stop"]


def start(plan: Plan, run_id: str, inputs: Mapping[str, Any], *, notes: bool = False) -> Run:
    """A run of the plan, with its first steps ready.

    Args:
        plan: the compiled graph. run_id: what step ids derive from.
        inputs: the run's inputs; the flowing state begins as these.
        notes: keep notes of what folding decides, for watchers.
    """
    run = Run(run_id, freeze(inputs), notes=[] if notes else None)
    run.tokens = 1
    root = Branch(0, seed_of_run(run_id), [], start_values(plan.state, run.inputs), Values())
    run.branches[0] = root
    branches = fork(plan, run, root, len(plan.starts)) if len(plan.starts) > 1 else [root]
    for number, (index, branch) in enumerate(zip(plan.starts, branches, strict=True)):
        _deliver(plan, run, branch, plan.nodes[index], number - len(plan.starts), -1, run.inputs, None)
    _settle(plan, run)
    return run


def advance(plan: Plan, run: Run, outcome: Outcome) -> Run:
    """Fold one outcome into the run: merge what the step wrote, move its token, start what is ready.

    Args:
        plan: the compiled graph. run: the run it belongs to, updated in place.
        outcome: what a step of `run.ready` became. Steps are folded once each, in any order.

    Returns:
        The run; `run.ready` holds the steps to execute next.
    """
    if type(outcome) is Completed:
        _completed(plan, run, outcome)
    elif type(outcome) is Failed:
        _failed(plan, run, outcome)
    elif type(outcome) is Suspended:
        run.branches[outcome.step.branch].wait = outcome.wait
        return run
    else:
        _cancelled(plan, run, outcome)
    if run.waiting:
        _settle(plan, run)
    if not run.tokens:
        run.status = "failed" if run.failures else "completed"
    return run


def stop(run: Run) -> None:
    """Start nothing more: what runs may end, and is folded, but goes nowhere."""
    run.stopping = True
    run.ready.clear()


def result_of(plan: Plan, run: Run, status: str | None = None) -> RunResult:
    """What the run became, once no token is live.

    Args:
        plan: the compiled graph. run: the run. status: overrides the run's own, for a cancelled one.
    """
    root = run.ended or Branch(0, (b"", 0, 0), [], Values(), Values())
    state = Values(state_of(run, root, plan.state)) if root.state is not None else Values()
    outputs = Values(root.outputs or EMPTY)
    final = Values(run.final or EMPTY)
    if run.segments:
        merge(state, {key: base.kept() for key, base in run.base.items()})
        for segment in in_order(run):
            apply_log(state, segment.writes, plan.state)
            merge(outputs, segment.outputs)
            merge(final, segment.finals)
    for key in plan.state.reducers:
        if key in state:
            merge(state, {key: plain(state[key])})
    errors = tuple(failure.error for failure in _in_graph_order(run))
    word: Any = status or ("failed" if run.failures else run.status)
    return RunResult(run.id, word, state, outputs, final, run.steps, errors[0] if errors else None, errors)


def first_failure(run: Run) -> Failure | None:
    """The failure that comes first in the order of the graph (semantics 2.6)."""
    return next(iter(_in_graph_order(run)), None)


def error_info(error: BaseException, node: str) -> ErrorInfo:
    """An exception as data."""
    names: list[str] = []
    for each in type(error).__mro__[:-1]:
        names += [each.__name__, f"{each.__module__}.{each.__qualname__}"]
    code = getattr(error, "code", None)
    return ErrorInfo(
        type(error).__name__,
        code if isinstance(code, str) else _snake(type(error).__name__),
        str(error),
        node,
        bool(getattr(error, "retryable", False)),
        tuple(dict.fromkeys(names)),
    )


def _completed(plan: Plan, run: Run, outcome: Completed) -> None:
    step = outcome.step
    branch = absorb(plan, run, step, outcome.outputs)
    node = plan.nodes[step.node]
    taken = outcome.taken
    if run.stopping:
        _leave(plan, run, branch, node)
        finish(plan, run, branch, outcome.outputs)
    elif outcome.sends is not None:
        _leave(plan, run, branch, node)
        _spread(plan, run, branch, node, outcome.outputs, outcome.sends)
    elif len(taken) == 1:
        edge = plan.edges[taken[0]]
        target = plan.nodes[edge.target]
        if node.place:
            leave(plan, run, node.place)
        branch.ordinal += 1
        if target.join is None:
            _ready(plan, run, branch, target, outcome.outputs, None)
        else:
            _deliver(plan, run, branch, target, edge.index, node.index, outcome.outputs, None)
    else:
        _leave(plan, run, branch, node)
        _spread(plan, run, branch, node, outcome.outputs, [Send(index) for index in taken])


def _failed(plan: Plan, run: Run, outcome: Failed) -> None:
    step = outcome.step
    branch = run.branches[step.branch]
    node = plan.nodes[step.node]
    _leave(plan, run, branch, node)
    if outcome.taken and not run.stopping:
        edge = plan.edges[outcome.taken[0]]
        branch.ordinal += 1
        target = plan.nodes[edge.target]
        _deliver(plan, run, branch, target, edge.index, node.index, step.inputs, outcome.error)
    elif node.before_quorum and not outcome.fatal:
        run.tell(Note("branch_ended", node.id, {"error": str(outcome.error)}))
        drop(plan, run, branch)
    else:
        run.failures.append(Failure(branch.segment, branch.id, node.index, outcome.error))
        drop(plan, run, branch, pin=True)
        if plan.on_failure == "fail" or outcome.fatal:
            stop(run)
            _clear_waiting(plan, run)


def _cancelled(plan: Plan, run: Run, outcome: Cancelled) -> None:
    branch = run.branches[outcome.step.branch]
    _leave(plan, run, branch, plan.nodes[outcome.step.node])
    drop(plan, run, branch)


def _settle(plan: Plan, run: Run) -> None:
    if run.stopping:
        _clear_waiting(plan, run)
        return
    while not run.stopping and (started := next_join(plan, run)) is not None:
        _begin(plan, run, *started)


def _begin(plan: Plan, run: Run, step: Step, error: ErrorInfo | None) -> None:
    """Make a join's step ready, or let it fail where it stands."""
    branch = run.branches[step.branch]
    node = plan.nodes[step.node]
    _ready(plan, run, branch, node, step.inputs, step.error, step.sources)
    if error is not None:
        failed = run.ready.pop()
        _failed(plan, run, Failed(failed, error, plan.caught(node, error.names)))


def _deliver(
    plan: Plan,
    run: Run,
    branch: Branch,
    node: PlanNode,
    edge: int,
    source: int,
    inputs: Values,
    error: ErrorInfo | None,
) -> None:
    """Bring a token to a node: it starts, or at a join it waits."""
    if node.join is None:
        _ready(plan, run, branch, node, inputs, error)
        return
    branch.step = None
    for step, failure in arrive(plan, run, node, branch, Arrival(edge, branch.id, source, inputs, error)):
        _begin(plan, run, step, failure)


def _ready(
    plan: Plan,
    run: Run,
    branch: Branch,
    node: PlanNode,
    inputs: Values,
    error: ErrorInfo | None,
    sources: tuple[int, ...] = (),
) -> None:
    step = Step(node.index, branch.id, branch.ordinal, branch.seed, inputs, error, sources)
    branch.step = step
    if node.place:
        enter(run, node.place)
    run.steps += 1
    if node.loops:
        run.rounds[node.index] = run.rounds.get(node.index, 0) + 1
    run.ready.append(step)
    if run.steps > plan.max_steps:
        _run_away(plan, run, branch, node)


def _run_away(plan: Plan, run: Run, branch: Branch, node: PlanNode) -> None:
    """Too many steps: the run fails, and says which loop took them."""
    run.steps -= 1
    run.ready.pop()
    worst = max(run.rounds, key=lambda index: run.rounds[index], default=node.index)
    loop = [plan.nodes[index].id for index in plan.cycle_of(worst)]
    rounds = run.rounds.get(worst, 0)
    message = (
        f"the run took its {plan.max_steps} steps; the loop {' -> '.join([*loop, loop[0]])} went round "
        f"{rounds} times. Give it a way out, or raise max_steps"
    )
    error = ErrorInfo(
        "MaxStepsExceeded", "max_steps", message, node.id, names=("MaxStepsExceeded", "StepError")
    )
    _leave(plan, run, branch, node)
    run.failures.append(Failure(branch.segment, branch.id, node.index, error))
    drop(plan, run, branch, pin=True)
    stop(run)
    _clear_waiting(plan, run)


def _spread(
    plan: Plan, run: Run, branch: Branch, node: PlanNode, outputs: Values, sends: Sequence[Send]
) -> None:
    """Send a completed step's token along several edges, along one, or end it."""
    if not sends:
        if node.leaves:
            run.tell(Note("branch_ended", node.id, {}))
        finish(plan, run, branch, outputs)
        return
    branches = fork(plan, run, branch, len(sends)) if len(sends) > 1 else [branch]
    branch.step = None
    if len(sends) == 1:
        branch.ordinal += 1
    for send, each in zip(sends, branches, strict=True):
        edge = plan.edges[send.edge]
        inputs = outputs if send.inputs is None else send.inputs
        if len(sends) > 1:
            inputs = lend(inputs)
        _deliver(plan, run, each, plan.nodes[edge.target], edge.index, node.index, inputs, None)
        if run.stopping:
            break


def _leave(plan: Plan, run: Run, branch: Branch, node: PlanNode) -> None:
    branch.step = branch.wait = None
    leave(plan, run, node.place)


def _clear_waiting(plan: Plan, run: Run) -> None:
    """A stopped run waits for nothing: the arrivals at its joins end there."""
    for arrivals in list(run.waiting.values()):
        for arrival in arrivals:
            drop(plan, run, run.branches[arrival.branch])
    run.waiting.clear()
    run.waiting_mask = run.stirred = 0


def _in_graph_order(run: Run) -> list[Failure]:
    def place(failure: Failure) -> tuple[int, int]:
        segment = run.segments.get(failure.segment)
        return (segment.label if segment else 0, failure.node)

    return sorted(run.failures, key=place)


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() and at else char.lower() for at, char in enumerate(name))
