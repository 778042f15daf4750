"""The branches of a run: forked, joined, ended, dropped, and their views of the state (semantics 4.3 to 4.6).

Branches form a tree: a fork keeps the forked branch as the parent of those it makes, and lends them its state. What
several become is a branch of the nearest fork they have in common, and a fork that has one branch left is replaced
by it: so a run holds what its live tokens need, and not what it has done.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ReducerFailed, StateConflict
from .order import replace, unlink
from .plan import Plan
from .run import Branch, Failure, Run, Seed, Step, joined_seed, parent_key
from .state import StateSchema, apply, apply_all
from .stretches import (
    Past,
    apply_trail,
    conflict_of,
    forget_past,
    join_pasts,
    keep,
    log_fresh,
    merge_trail,
    past_of,
    take_past,
    tidy,
)
from .values import Values, as_values, lend, merge, put_all, sort_from, writable

__all__ = ["absorb", "drop", "finish", "fork", "is_solo", "join", "outputs_of", "shares_state", "state_of"]


def state_of(run: Run, branch: Branch, schema: StateSchema) -> Values:
    """The branch's view of the flowing state, made when it is first asked for."""
    if branch.state is None:
        parent = run.branches[branch.parent]
        branch.state = apply_trail(run, branch, writable(state_of(run, parent, schema)), schema)
    return branch.state


def outputs_of(run: Run, branch: Branch, schema: StateSchema) -> Values:
    """What each node on the branch's path returned last, by node id."""
    if branch.outputs is None:
        parent = run.branches[branch.parent]
        branch.outputs = merge_trail(run, branch, writable(outputs_of(run, parent, schema)))
    if run.unread:
        put_all(branch.outputs, {name: as_values(outputs) for name, outputs in run.unread.items()})
        run.unread.clear()
    return branch.outputs


def absorb(plan: Plan, run: Run, step: Step, outputs: Values) -> Branch:
    """Merge a completed step's outputs into its branch; a second call for the same step does nothing."""
    branch = run.branches[step.branch]
    if branch.absorbed == step.ordinal:
        return branch
    branch.absorbed = step.ordinal
    if branch.solo and type(outputs) is Values:
        put_all(branch.state, outputs)
        run.unread[plan.nodes[step.node].id] = outputs
        return branch
    schema, node_id = plan.state, plan.nodes[step.node].id
    if shares_state(run, branch):
        branch.state = None
    elif branch.state is not None:
        try:
            apply(branch.state, schema.select(outputs), schema)
        except ReducerFailed as error:
            error.node = node_id
            raise
    if branch.outputs is not None:
        merge(outputs_of(run, branch, schema), {node_id: outputs})
    if len(run.branches) > 1:
        keep(plan, run, branch, node_id, outputs)
    return branch


def shares_state(run: Run, branch: Branch) -> bool:
    """Whether the branch's view of the state is its fork's, which is not its own to write to."""
    return branch.parent >= 0 and branch.state is run.branches[branch.parent].state


def is_solo(plan: Plan, run: Run, branch: Branch) -> bool:
    """Whether what the only branch writes needs no care: nothing to reduce, to select, to copy or to remember."""
    plain = plan.state.plain and not plan.shadows and not run.stopping
    return plain and type(branch.state) is Values and type(branch.outputs) is Values


def fork(plan: Plan, run: Run, branch: Branch, count: int) -> list[Branch]:
    """Branches for `count` tokens, in order; the branch itself is their parent from here on."""
    state = state_of(run, branch, plan.state)
    outputs_of(run, branch, plan.state)
    log_fresh(plan, run, branch)
    branch.stretch = branch.heading = -1
    branch.solo = False
    key, parent, late, known = parent_key(branch), branch.id, branch.late, run.branches
    shared = state if type(state) is Values and lend(state) is state else None
    first = run.next_branch + 1
    run.next_branch += count
    children = [Branch(first + place, (key, 0, place), parent, shared, late=late) for place in range(count)]
    for child in children:
        known[child.id] = child
    branch.children = set(range(first, first + count))
    replace(run, branch, children)
    run.tokens += count - 1
    if branch.late:
        run.late += count - 1
    return children


def join(plan: Plan, run: Run, arrived: Sequence[Branch]) -> tuple[Branch, StateConflict | None]:
    """The branch on which several go on as one, in arrival order; and the conflict, if they disagree (4.5).

    Its place is that of the last arrival.
    """
    if _are_all_there_is(run, arrived) and not _replaced_twice(arrived, plan.state):
        return _reunite(plan, run, arrived), None
    joined, pasts = _meet(plan, run, arrived, joined_seed(arrived))
    conflict = conflict_of(plan, run, joined, pasts) if plan.state.declared else None
    joined.late = arrived[0].late
    for branch in arrived:
        joined.late &= branch.late
    run.late += bool(joined.late) - sum(bool(branch.late) for branch in arrived)
    run.tokens -= len(arrived) - 1
    _replace_by(plan, run, arrived, joined)
    state_of(run, joined, plan.state)
    outputs_of(run, joined, plan.state)
    return joined, conflict


def _are_all_there_is(run: Run, arrived: Sequence[Branch]) -> bool:
    """They are the children of the only fork, nothing has forked since, and none is late or wrote much."""
    return len(run.branches) == len(arrived) + 1 and not run.stretches and not run.late


def _replaced_twice(arrived: Sequence[Branch], schema: StateSchema) -> bool:
    """Two of these branches replaced one key of a declared state, which may be a conflict."""
    replaced: set[str] = set()
    if schema.replaced:
        for branch in arrived:
            own = {key for _, outputs in branch.fresh for key in schema.replaced.intersection(outputs)}
            if not replaced.isdisjoint(own):
                return True
            replaced |= own
    return False


def _reunite(plan: Plan, run: Run, arrived: Sequence[Branch]) -> Branch:
    """All that a fork made goes on as one, with the fork's state and what they wrote, in arrival order."""
    fork = run.branches[arrived[0].parent]
    state, outputs = state_of(run, fork, plan.state), outputs_of(run, fork, plan.state)
    fresh = [each for branch in arrived for each in branch.fresh]
    known = len(state)
    apply_all(state, [written for _, written in fresh], plan.state)
    sort_from(state, known)
    produced = dict(fresh)
    merge(outputs, {node_id: produced[node_id] for node_id in sorted(produced)})
    seed = joined_seed(arrived)
    run.branches.clear()
    run.tokens = 1
    joined = _branch(run, seed, -1)
    joined.state, joined.outputs, joined.joined = state, outputs, True
    joined.solo = is_solo(plan, run, joined)
    return joined


def finish(plan: Plan, run: Run, branch: Branch, outputs: Values | None = None, failure: Failure | None = None) -> None:
    """The branch's token has ended: what it wrote, returned last or failed with is the result's."""
    _end_token(run, branch)
    branch.over = True
    branch.final = dict(outputs or {})
    if failure is not None:
        branch.failures = (failure,)
        run.failed = True
    before, after = run.branches.get(branch.before), run.branches.get(branch.after)
    if before is not None and before.over:
        branch = _end_as_one(plan, run, before, branch)
    if after is not None and after.over:
        _end_as_one(plan, run, branch, after)


def drop(plan: Plan, run: Run, branch: Branch) -> None:
    """The branch's token is gone without a trace."""
    _end_token(run, branch)
    before, after = unlink(run, branch)
    with_it = {each for number in branch.trail for each in run.stretches[number].seen_by}
    _leave_fork(plan, run, branch, None)
    _remove(run, branch)
    if before is not None and after is not None and before.over and after.over:
        _end_as_one(plan, run, before, after)
    for each in with_it & run.branches.keys():
        tidy(run, run.branches[each], plan.state)


def _branch(run: Run, seed: Seed, parent: int) -> Branch:
    run.next_branch += 1
    branch = Branch(run.next_branch, seed, parent)
    run.branches[branch.id] = branch
    return branch


def _meet(plan: Plan, run: Run, arrived: Sequence[Branch], seed: Seed) -> tuple[Branch, list[Past]]:
    """A branch that has the pasts of several, beside them."""
    fork = _common_fork(run, arrived)
    joined = _branch(run, seed, fork.id)
    joined.joined = True
    _children_of(fork).add(joined.id)
    for branch in arrived:
        log_fresh(plan, run, branch)
    pasts = [past_of(run, branch, fork) for branch in arrived]
    join_pasts(run, pasts, joined)
    return joined, pasts


def _replace_by(plan: Plan, run: Run, arrived: Sequence[Branch], joined: Branch) -> None:
    """The arrived branches are no more: the joined one has the place of the last of them."""
    replace(run, arrived[-1], [joined])
    for branch in arrived[:-1]:
        before, after = unlink(run, branch)
        if before is not None and after is not None and before.over and after.over:
            _end_as_one(plan, run, before, after)
    for branch in arrived:
        forget_past(run, branch)
    _leave_forks(plan, run, arrived, joined)
    for branch in arrived:
        _remove(run, branch)
    tidy(run, joined, plan.state)


def _end_as_one(plan: Plan, run: Run, first: Branch, second: Branch) -> Branch:
    """Two ended branches with none between them: merged as their tokens will be at the end (2.7)."""
    joined, _ = _meet(plan, run, (first, second), first.seed)
    joined.over = True
    joined.final = (first.final or {}) | (second.final or {})
    joined.failures = first.failures + second.failures
    unlink(run, first)
    _replace_by(plan, run, (second,), joined)
    _leave_fork(plan, run, first, joined)
    _remove(run, first)
    tidy(run, joined, plan.state)
    return joined


def _end_token(run: Run, branch: Branch) -> None:
    run.tokens -= 1
    run.late -= bool(branch.late)
    branch.step = None
    branch.heading = -1


def _children_of(fork: Branch) -> set[int]:
    """The branches of a fork; those that have not forked share one empty set."""
    assert isinstance(fork.children, set)
    return fork.children


def _remove(run: Run, branch: Branch) -> None:
    forget_past(run, branch)
    del run.branches[branch.id]


def _common_fork(run: Run, arrived: Sequence[Branch]) -> Branch:
    """The nearest open fork that all come from."""
    first, *others = arrived
    if all(branch.parent == first.parent for branch in others):
        return run.branches[first.parent]
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


def _leave_forks(plan: Plan, run: Run, branches: Sequence[Branch], joined: Branch) -> None:
    """The branches are no part of their forks any more; the last one left of a fork takes its place."""
    parent = branches[0].parent
    if parent < 0 or any(branch.parent != parent for branch in branches):
        for branch in branches:
            _leave_fork(plan, run, branch, joined)
        return
    fork = run.branches[parent]
    for branch in branches:
        _children_of(fork).discard(branch.id)
        branch.parent = -1
    _close(plan, run, fork, joined)


def _leave_fork(plan: Plan, run: Run, branch: Branch, joined: Branch | None) -> None:
    """The branch is no part of its fork any more; the last one left there takes the fork's place."""
    if branch.parent < 0:
        return
    fork = run.branches[branch.parent]
    _children_of(fork).discard(branch.id)
    branch.parent = -1
    _close(plan, run, fork, joined)


def _close(plan: Plan, run: Run, fork: Branch, joined: Branch | None) -> None:
    """Where a fork has one child left, that takes its place.

    Args:
        joined: what those who left it went on as, who have seen the fork's state; None where they are gone.
    """
    if len(fork.children) == 1:
        child = run.branches[next(iter(fork.children))]
        _take_place(plan, run, fork, child, shares=joined is not None and joined is not child)


def _take_place(plan: Plan, run: Run, fork: Branch, child: Branch, *, shares: bool) -> None:
    """A fork's only child has its state, and goes on as the branch that forked.

    Args:
        shares: others have gone on with what is in it, so that it is still lent (4.8).
    """
    if child.state is None:
        state = state_of(run, fork, plan.state)
        child.state = apply_trail(run, child, writable(state) if shares else state, plan.state)
    if child.outputs is None:
        outputs = outputs_of(run, fork, plan.state)
        child.outputs = merge_trail(run, child, writable(outputs) if shares else outputs)
    child.parent = fork.parent
    del run.branches[fork.id]
    if fork.parent < 0:
        forget_past(run, child)
        if not child.children:
            child.label = 0
            child.solo = is_solo(plan, run, child)
    else:
        siblings = _children_of(run.branches[fork.parent])
        siblings.discard(fork.id)
        siblings.add(child.id)
        take_past(run, fork, child)
        tidy(run, child, plan.state)
