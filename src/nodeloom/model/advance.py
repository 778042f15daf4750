"""The pure core: a run is a fold of outcomes (semantics 1.2).

`start` gives a run its first steps and `advance` folds one outcome into it. Neither has a clock, does I/O or
awaits; what they decide is a function of their arguments alone. A run belongs to whoever drives it, and is
updated in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import MaxStepsExceeded
from .branches import absorb, drop, finish, fork, is_solo
from .joins import arrive, enter, leave, next_join, settle_failures
from .plan import Plan, PlanEdge, PlanNode
from .result import error_info, first_failure, result_of
from .run import (
    Arrival,
    Branch,
    Cancelled,
    Completed,
    ErrorInfo,
    Excused,
    Failed,
    Failure,
    Note,
    Outcome,
    Run,
    Seed,
    Send,
    Step,
    Suspended,
    seed_of_run,
)
from .state import start_values
from .values import Values, freeze, lend

__all__ = ["advance", "error_info", "first_failure", "result_of", "start", "start_at", "stop"]


def start(plan: Plan, run_id: str, inputs: Mapping[str, Any], *, notes: bool = False) -> Run:
    """A run of the plan, with its first steps ready.

    Args:
        plan: the compiled graph. run_id: what step ids derive from.
        inputs: the run's inputs; the flowing state begins as these.
        notes: keep notes of what folding decides, for watchers.
    """
    run = Run(run_id, freeze(inputs), notes=[] if notes else None)
    run.tokens = run.next_branch = 1
    root = Branch(1, seed_of_run(run_id), state=start_values(plan.state, run.inputs), outputs=Values())
    run.branches[root.id] = root
    root.solo = is_solo(plan, run, root)
    count = len(plan.starts)
    branches = fork(plan, run, root, count) if count > 1 else [root]
    for number, (index, branch) in enumerate(zip(plan.starts, branches, strict=True)):
        given = lend(run.inputs) if count > 1 else run.inputs
        _send(run, branch, Arrival(index, number - count, branch.id, -1, given))
    _settle(plan, run)
    _end(run)
    return run


def start_at(
    plan: Plan,
    run_id: str,
    inputs: Values,
    node: int,
    *,
    seed: Seed | None = None,
    state: Values | None = None,
    notes: bool = False,
) -> Run:
    """A run that begins at one node, whether or not the graph does: a message that comes in there, or a tick of it.

    Args:
        plan: the compiled graph. run_id: its name. inputs: the run's inputs, and the node's.
        node: its index in the plan. seed: what step ids derive from, where that is not the run's id.
        state: what the flowing state begins as, where it is not the inputs.
        notes: keep notes of what folding decides, for watchers.
    """
    run = Run(run_id, inputs, notes=[] if notes else None)
    run.tokens = run.next_branch = 1
    begun = start_values(plan.state, inputs if state is None else state)
    root = Branch(1, seed or seed_of_run(run_id), state=begun, outputs=Values())
    run.branches[1] = root
    root.solo = is_solo(plan, run, root)
    _ready(plan, run, root, plan.nodes[node], inputs)
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
        taken = outcome.taken
        if len(taken) == 1 and outcome.sends is None and not run.stopping:
            went = plan.ways[taken[0]](run, outcome.step, outcome.outputs)
            if went is None:
                return run
            if type(went) is Step:
                run.ready.append(went)
                return run
            _go_on(plan, run, outcome, plan.edges[taken[0]])
            if _is_settled(run):
                return run
        else:
            _completed(plan, run, outcome)
    elif type(outcome) is Suspended:
        run.branches[outcome.step.branch].wait = outcome.wait
        return run
    else:
        _interrupted(plan, run, outcome)
    if run.flight or run.waiting or run.stopping:
        _settle(plan, run)
    _end(run)
    return run


def stop(run: Run) -> None:
    """Start nothing more: what runs may end, and is folded, but goes nowhere."""
    run.stopping = True
    for branch in run.branches.values():
        branch.solo = False
    run.abandoned += run.ready
    run.ready.clear()


def _is_settled(run: Run) -> bool:
    """No token moves by itself, and no join's turn can have come."""
    return run.tokens > 0 and not (run.flight or run.late or run.stopping or run.stirred & run.waiting_mask)


def _end(run: Run) -> None:
    if not run.tokens:
        run.status = "failed" if run.failed or run.excused else "completed"


def _go_on(plan: Plan, run: Run, outcome: Completed, edge: PlanEdge) -> None:
    """One edge is taken: the token moves along it."""
    step = outcome.step
    branch = absorb(plan, run, step, outcome.outputs)
    place = plan.nodes[step.node].place
    if place:
        leave(plan, run, place)
    branch.ordinal = step.ordinal + 1
    target = plan.nodes[edge.target]
    if target.join is None:
        _ready(plan, run, branch, target, outcome.outputs)
        return
    branch.step, branch.heading = None, target.index
    arrival = Arrival(target.index, edge.index, branch.id, step.node, outcome.outputs)
    started = arrive(plan, run, target, branch, arrival)
    if started is not None:
        _begin(plan, run, *started)


def _completed(plan: Plan, run: Run, outcome: Completed) -> None:
    """No edge is taken, or several, or those of a Route; or the run has stopped."""
    branch = absorb(plan, run, outcome.step, outcome.outputs)
    node = plan.nodes[outcome.step.node]
    _leave(plan, run, branch, node)
    if run.stopping:
        finish(plan, run, branch, outcome.outputs)
        return
    sends = outcome.sends
    if sends is None:
        if len(outcome.taken) > 1 and _fan_out(plan, run, branch, outcome):
            return
        sends = tuple(Send(index) for index in outcome.taken)
    _spread(plan, run, branch, node, outcome.outputs, sends)


def _fan_out(plan: Plan, run: Run, branch: Branch, outcome: Completed) -> bool:
    """Fork into tokens that each start a node at once, if that is what all of them do; whether it was."""
    targets = [plan.nodes[plan.edges[index].target] for index in outcome.taken]
    if run.steps + len(targets) > plan.max_steps or any(target.join is not None for target in targets):
        return False
    outputs = outcome.outputs
    whole = lend(outputs) is outputs
    for target, child in zip(targets, fork(plan, run, branch, len(targets)), strict=True):
        _ready(plan, run, child, target, outputs if whole else lend(outputs))
    return True


def _interrupted(plan: Plan, run: Run, outcome: Outcome) -> None:
    if type(outcome) is Failed:
        _failed(plan, run, outcome)
    elif type(outcome) is Cancelled:
        _cancelled(plan, run, outcome)


def _failed(plan: Plan, run: Run, outcome: Failed) -> None:
    """An edge catches the failure, its token ends before a quorum, or the run fails (2.5, 2.6, 3.4)."""
    step = outcome.step
    branch = run.branches[step.branch]
    node = plan.nodes[step.node]
    if outcome.outputs is not None:
        absorb(plan, run, step, outcome.outputs)
    _leave(plan, run, branch, node)
    if outcome.taken and not run.stopping:
        edge = plan.edges[outcome.taken[0]]
        branch.ordinal += 1
        _send(run, branch, Arrival(edge.target, edge.index, branch.id, node.index, step.inputs, outcome.error))
    elif outcome.taken:
        _give_up(plan, run, branch)
    elif node.before_quorum and not outcome.fatal:
        run.tell(Note("branch_ended", node.id, {"error": str(outcome.error)}))
        before = plan.reaches[node.place] & plan.quorums
        if not any(before & _bit(plan, quorum) for quorum in branch.late):
            run.excused.append(Excused(Failure(node.index, outcome.error), before))
        drop(plan, run, branch)
    else:
        finish(plan, run, branch, failure=Failure(node.index, outcome.error))
        if plan.on_failure == "fail":
            stop(run)


def _bit(plan: Plan, index: int) -> int:
    join = plan.nodes[index].join
    return join.reach.bit if join is not None else 0


def _cancelled(plan: Plan, run: Run, outcome: Cancelled) -> None:
    branch = run.branches[outcome.step.branch]
    _leave(plan, run, branch, plan.nodes[outcome.step.node])
    _give_up(plan, run, branch)


def _give_up(plan: Plan, run: Run, branch: Branch) -> None:
    """A token that somebody stopped: of a cancelled run its state remains, of a failed one only the failure's."""
    if run.failed:
        drop(plan, run, branch)
    else:
        finish(plan, run, branch)


def _settle(plan: Plan, run: Run) -> None:
    """Bring tokens to where they go and start the joins whose turn has come, until nothing moves."""
    while not run.stopping:
        if run.flight:
            _land(plan, run)
        elif (started := next_join(plan, run)) is not None:
            _begin(plan, run, *started)
        else:
            return
    _abandon(plan, run)


def _land(plan: Plan, run: Run) -> None:
    flight, run.flight = run.flight, []
    for number, arrival in enumerate(flight):
        if run.stopping:
            run.flight = flight[number:] + run.flight
            return
        _arrive(plan, run, arrival)


def _arrive(plan: Plan, run: Run, arrival: Arrival) -> None:
    """A token reaches a node: it starts, or at a join it waits."""
    branch = run.branches[arrival.branch]
    node = plan.nodes[arrival.node]
    if node.join is None:
        _ready(plan, run, branch, node, arrival.inputs, arrival.error)
        return
    started = arrive(plan, run, node, branch, arrival)
    if started is not None:
        _begin(plan, run, *started)


def _begin(plan: Plan, run: Run, step: Step, error: ErrorInfo | None) -> None:
    """Make a join's step ready, or let it fail where it stands."""
    branch = run.branches[step.branch]
    node = plan.nodes[step.node]
    _ready(plan, run, branch, node, step.inputs, step.error, step.sources)
    if error is not None and branch.step is not None:
        taken = plan.caught(node, error.names)
        if taken and node.join is not None and node.join.quorum:
            settle_failures(run, node.join)
        _failed(plan, run, Failed(run.ready.pop(), error, taken))


def _send(run: Run, branch: Branch, arrival: Arrival) -> None:
    branch.step = None
    branch.heading = arrival.node
    run.flight.append(arrival)


def _ready(
    plan: Plan,
    run: Run,
    branch: Branch,
    node: PlanNode,
    inputs: Values,
    error: ErrorInfo | None = None,
    sources: tuple[int, ...] = (),
) -> None:
    if run.steps >= plan.max_steps:
        _run_away(plan, run, branch, node)
        return
    run.steps += 1
    if node.heads:
        try:
            run.rounds[node.index] += 1
        except KeyError:
            run.rounds[node.index] = 1
    step = Step(node.index, branch.id, branch.ordinal, branch.seed, inputs, error, sources)
    branch.step = step
    if node.place:
        enter(run, node.place)
    run.ready.append(step)


def _run_away(plan: Plan, run: Run, branch: Branch, node: PlanNode) -> None:
    """One step too many: the run fails, and says which loop took them (3.5)."""
    message = f"the run took its {plan.max_steps} steps, and {node.id} would be one more; raise max_steps"
    if run.rounds:
        worst = max(run.rounds, key=lambda index: run.rounds[index])
        loop = [plan.nodes[index].id for index in plan.cycle_of(worst)]
        message = (
            f"the run took its {plan.max_steps} steps; the loop {' -> '.join([*loop, loop[0]])} went round "
            f"{run.rounds[worst]} times. Give it a way out, or raise max_steps"
        )
    error = error_info(MaxStepsExceeded(message), node.id)
    finish(plan, run, branch, failure=Failure(node.index, error))
    stop(run)


def _spread(plan: Plan, run: Run, branch: Branch, node: PlanNode, outputs: Values, sends: Sequence[Send]) -> None:
    """Send a completed step's token along several edges, along one, or end it."""
    if not sends:
        if node.leaves:
            run.tell(Note("branch_ended", node.id, {}))
        finish(plan, run, branch, outputs)
        return
    several = len(sends) > 1
    branches = fork(plan, run, branch, len(sends)) if several else [branch]
    branch.ordinal += not several
    for send, each in zip(sends, branches, strict=True):
        edge = plan.edges[send.edge]
        inputs = outputs if send.inputs is None else send.inputs
        given = lend(inputs) if several else inputs
        _send(run, each, Arrival(edge.target, edge.index, each.id, node.index, given))


def _leave(plan: Plan, run: Run, branch: Branch, node: PlanNode) -> None:
    branch.step = branch.wait = None
    leave(plan, run, node.place)


def _abandon(plan: Plan, run: Run) -> None:
    """A stopped run waits for nothing: what was ready, on its way or waiting at a join ends where it is."""
    for step in run.abandoned:
        _cancelled(plan, run, Cancelled(step))
    for arrivals in (*run.waiting.values(), run.flight):
        for arrival in arrivals:
            _give_up(plan, run, run.branches[arrival.branch])
    run.abandoned.clear()
    run.flight.clear()
    run.waiting.clear()
    run.waiting_mask = run.stirred = 0
