"""The branches of a run: forked, joined, ended, dropped, and their views of the state (semantics 4.3 to 4.6).

A fork lends its state to its branches. When they have met again, wherever, what is left of them takes the
forked branch's place and its state; so a run holds what its live tokens need, and not what it has done.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import StateConflict
from .order import replace, unlink
from .plan import Plan
from .run import Branch, Failure, Run, Seed, Step, joined_seed, parent_key
from .state import StateSchema, apply, apply_log
from .stretches import conflict_of, forget_all, forget_branch, given, join_pasts, tidy, unseen, write
from .values import Values, merge, writable

_update = dict.update
_set = dict.__setitem__

__all__ = ["absorb", "drop", "finish", "fork", "is_solo", "join", "outputs_of", "state_of"]


def state_of(run: Run, branch: Branch, schema: StateSchema) -> Values:
    """The branch's view of the flowing state, made when it is first asked for."""
    if branch.state is None:
        parent = run.branches[branch.parent]
        own = writable(state_of(run, parent, schema))
        branch.state = _with_unseen_writes(run, own, branch, parent, schema)
    return branch.state


def outputs_of(run: Run, branch: Branch, schema: StateSchema) -> Values:
    """What each node on the branch's path returned last, by node id."""
    if branch.outputs is None:
        parent = run.branches[branch.parent]
        own = writable(outputs_of(run, parent, schema))
        branch.outputs = _with_unseen_outputs(run, own, branch, parent)
    return branch.outputs


def absorb(plan: Plan, run: Run, step: Step, outputs: Values) -> Branch:
    """Merge a completed step's outputs into its branch; a second call for the same step does nothing."""
    branch = run.branches[step.branch]
    if branch.absorbed == step.ordinal:
        return branch
    branch.absorbed = step.ordinal
    if branch.solo and type(outputs) is Values:
        _update(branch.state, outputs)  # type: ignore[arg-type]
        _set(branch.outputs, plan.nodes[step.node].id, outputs)  # type: ignore[arg-type]
        return branch
    schema = plan.state
    updates = outputs if schema.keys is None else schema.select(outputs)
    if branch.state is not None:
        apply(branch.state, updates, schema)
    if branch.outputs is not None:
        merge(branch.outputs, {plan.nodes[step.node].id: outputs})
    if len(run.branches) > 1:
        write(plan, run, branch, updates, step.node, outputs)
    return branch


def is_solo(plan: Plan, branch: Branch) -> bool:
    """Whether what the only branch writes needs no care: nothing to reduce, to select, to copy or to remember."""
    plain = plan.state.plain and not plan.shadows
    return plain and type(branch.state) is Values and type(branch.outputs) is Values


def fork(plan: Plan, run: Run, branch: Branch, count: int) -> list[Branch]:
    """Branches for `count` tokens, in order; the branch itself is their parent from here on."""
    state_of(run, branch, plan.state)
    outputs_of(run, branch, plan.state)
    branch.stretch = branch.heading = -1
    branch.solo = False
    key = parent_key(branch)
    children = [_branch(run, (key, 0, position), branch.id) for position in range(count)]
    for child in children:
        child.trail = branch.trail.copy()
        child.latest = branch.latest.copy()
        child.late = branch.late
        branch.children.add(child.id)
    for number in branch.trail:
        run.stretches[number].seen_by |= branch.children
    replace(run, branch, children)
    run.tokens += count - 1
    if branch.late:
        run.late += count - 1
    return children


def join(plan: Plan, run: Run, arrived: Sequence[Branch]) -> tuple[Branch, StateConflict | None]:
    """The branch on which several go on as one, in arrival order; and the conflict, if they disagree (4.5).

    Its place is that of the last arrival.
    """
    fork = _common_fork(run, arrived)
    joined = _branch(run, joined_seed(list(arrived)), fork.id)
    fork.children.add(joined.id)
    join_pasts(run, arrived, joined)
    conflict = conflict_of(plan, run, arrived, joined) if plan.state.declared else None
    joined.late = frozenset.intersection(*(branch.late for branch in arrived))
    run.late += bool(joined.late) - sum(bool(branch.late) for branch in arrived)
    run.tokens -= len(arrived) - 1
    replace(run, arrived[-1], [joined])
    for branch in arrived[:-1]:
        _unlink(plan, run, branch)
    for branch in arrived:
        _leave_fork(plan, run, branch)
        _remove(run, branch)
    _settle_past(plan, run, joined)
    return joined, conflict


def finish(plan: Plan, run: Run, branch: Branch, outputs: Values | None = None, failure: Failure | None = None) -> None:
    """The branch's token has ended: what it wrote, returned last or failed with is the result's."""
    _end_token(run, branch)
    branch.final = dict(outputs or {})
    if failure is not None:
        branch.failures = (failure,)
        run.failed = True
    before, after = run.branches.get(branch.before), run.branches.get(branch.after)
    if before is None or not before.over:
        state_of(run, branch, plan.state)
        outputs_of(run, branch, plan.state)
    _leave_fork(plan, run, branch)
    branch.over = True
    if before is not None and before.over:
        _end_as_one(plan, run, before, branch)
        branch = before
    if after is not None and after.over:
        _end_as_one(plan, run, branch, after)
    _settle_past(plan, run, branch)


def drop(plan: Plan, run: Run, branch: Branch) -> None:
    """The branch's token is gone without a trace."""
    _end_token(run, branch)
    _leave_fork(plan, run, branch)
    _unlink(plan, run, branch)
    near = next(
        (each for number in reversed(branch.trail) for each in run.stretches[number].seen_by if each != branch.id),
        -1,
    )
    _remove(run, branch)
    if run.branches:
        left = run.branches[near] if near >= 0 else next(iter(run.branches.values()))
        _settle_past(plan, run, left)


def _branch(run: Run, seed: Seed, parent: int) -> Branch:
    run.next_branch += 1
    branch = Branch(run.next_branch, seed, parent)
    run.branches[branch.id] = branch
    return branch


def _with_unseen_writes(run: Run, state: Values, branch: Branch, fork: Branch, schema: StateSchema) -> Values:
    for stretch in unseen(run, branch.trail, fork.trail):
        apply_log(state, given(stretch, stretch.writes), schema)
    return state


def _with_unseen_outputs(run: Run, outputs: Values, branch: Branch, fork: Branch) -> Values:
    for stretch in unseen(run, branch.trail, fork.trail):
        merge(outputs, given(stretch, stretch.produced))
    return outputs


def _end_token(run: Run, branch: Branch) -> None:
    run.tokens -= 1
    run.late -= bool(branch.late)
    branch.step = None
    branch.heading = -1


def _remove(run: Run, branch: Branch) -> None:
    forget_branch(run, branch)
    del run.branches[branch.id]


def _settle_past(plan: Plan, run: Run, branch: Branch) -> None:
    if len(run.branches) == 1:
        forget_all(run, branch)
        branch.solo = is_solo(plan, branch)
    else:
        tidy(run, branch, plan.state)


def _common_fork(run: Run, arrived: Sequence[Branch]) -> Branch:
    """The nearest open fork that all come from."""
    first, *others = arrived
    forks = _forks_of(run, first)
    for branch in others:
        if branch.parent != forks[0]:
            theirs = set(_forks_of(run, branch))
            forks = [fork for fork in forks if fork in theirs]
    return run.branches[forks[0]]


def _forks_of(run: Run, branch: Branch) -> list[int]:
    found: list[int] = []
    while branch.parent >= 0:
        found.append(branch.parent)
        branch = run.branches[branch.parent]
    return found


def _leave_fork(plan: Plan, run: Run, branch: Branch) -> None:
    """The branch is no part of its fork any more; the last one left there takes the fork's place."""
    if branch.parent < 0:
        return
    fork = run.branches[branch.parent]
    fork.children.discard(branch.id)
    branch.parent = -1
    if len(fork.children) == 1:
        _take_place(plan, run, fork, run.branches[next(iter(fork.children))])


def _take_place(plan: Plan, run: Run, fork: Branch, child: Branch) -> None:
    """Nobody else shares the fork's state: its only child has it, and goes on as the branch that forked."""
    if child.state is None:
        child.state = _with_unseen_writes(run, state_of(run, fork, plan.state), child, fork, plan.state)
    if child.outputs is None:
        child.outputs = _with_unseen_outputs(run, outputs_of(run, fork, plan.state), child, fork)
    child.parent = fork.parent
    if fork.parent >= 0:
        siblings = run.branches[fork.parent].children
        siblings.discard(fork.id)
        siblings.add(child.id)
    _remove(run, fork)


def _unlink(plan: Plan, run: Run, branch: Branch) -> None:
    """Take a branch out of the order; ended ones that are neighbours now are one."""
    unlink(run, branch)
    before, after = run.branches.get(branch.before), run.branches.get(branch.after)
    if before is not None and after is not None and before.over and after.over:
        _end_as_one(plan, run, before, after)


def _end_as_one(plan: Plan, run: Run, first: Branch, second: Branch) -> None:
    """Two ended branches with none between them: merged as their tokens will be at the end (2.7)."""
    assert first.state is not None
    assert first.outputs is not None
    for stretch in unseen(run, second.trail, first.trail):
        apply_log(first.state, stretch.writes, plan.state)
        merge(first.outputs, stretch.produced)
    join_pasts(run, (first, second), first)
    first.latest = {}
    first.final = (first.final or {}) | (second.final or {})
    first.failures += second.failures
    unlink(run, second)
    _remove(run, second)
