"""State along the branches of a run: forked, written, merged (semantics 4.3 to 4.6).

While a fork is open each branch keeps what it wrote since; where branches meet, those writes are applied in the
order of the arrivals, once each. A branch with a single child left is folded into it, so a run holds what its
live tokens need and not what it has done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import StateConflict
from .order import close, discard, forget, insert_after, open_first, place_of, record
from .plan import Plan
from .run import Branch, Run, Step, joined_seed, parent_key
from .state import StateSchema, apply, apply_log, concat, log
from .values import EMPTY, Values, lend, merge

__all__ = ["absorb", "drop", "finish", "fork", "join", "outputs_of", "state_of"]


def state_of(run: Run, branch: Branch, schema: StateSchema) -> Values:
    """The branch's view of the flowing state, made when it is first asked for."""
    if branch.state is None:
        state = lend(state_of(run, run.branches[branch.parents[0]], schema))
        if branch.writes:
            state = state if type(state) is not Values else Values(state)
            apply_log(state, branch.writes, schema)
        elif type(state) is Values:
            state = Values(state)
        branch.state = state
    return branch.state


def outputs_of(run: Run, branch: Branch, schema: StateSchema) -> Values:
    """What each node on the branch's path returned last, by node id."""
    if branch.outputs is None:
        outputs = lend(outputs_of(run, run.branches[branch.parents[0]], schema))
        outputs = Values(outputs) if type(outputs) is Values else outputs
        merge(outputs, branch.produced or EMPTY)
        branch.outputs = outputs
    return branch.outputs


def absorb(plan: Plan, run: Run, step: Step, outputs: Values) -> Branch:
    """Merge a completed step's outputs into its branch; a second call for the same step does nothing."""
    branch = run.branches[step.branch]
    if branch.absorbed == step.ordinal:
        return branch
    branch.absorbed = step.ordinal
    schema = plan.state
    node_id = plan.nodes[step.node].id
    updates = outputs if schema.keys is None else schema.select(outputs)
    if branch.state is not None:
        apply(branch.state, updates, schema)
    if branch.outputs is not None:
        dict.__setitem__(branch.outputs, node_id, outputs)
    if branch.segment >= 0:
        record(run, branch, updates, node_id, outputs, schema)
    if branch.writes is not None:
        _track(branch, updates, step.node, outputs, node_id, schema)
    return branch


def fork(plan: Plan, run: Run, branch: Branch, count: int) -> list[Branch]:
    """Branches for `count` tokens, in order; the branch itself ends here and is their parent."""
    outputs_of(run, branch, plan.state)
    open_first(run, branch, state_of(run, branch, plan.state), plan.state)
    key = parent_key(branch)
    children = []
    for position, segment in enumerate(insert_after(run, branch.segment, count)):
        child = _branch(run, (key, 0, position), [branch.id], plan.state)
        child.segment = segment
        child.late = branch.late
        branch.children.add(child.id)
        children.append(child)
    run.tokens += count - 1
    return children


def join(plan: Plan, run: Run, arrived: Sequence[Branch]) -> tuple[Branch, StateConflict | None]:
    """The branch on which several go on as one, in arrival order; and the conflict, if they disagree (4.5)."""
    seed = joined_seed(list(arrived))
    late = frozenset.intersection(*(branch.late for branch in arrived))
    last = max(arrived, key=lambda branch: place_of(run, branch))
    segment = insert_after(run, last.segment, 1)[0]
    parent = _closed_fork(run, arrived)
    over_now = [branch.segment for branch in arrived] + ([parent.segment] if parent else [])
    joined, conflict = _merge_fork(plan, run, parent, arrived) if parent else _merge(plan, run, arrived)
    for over in over_now:
        close(run, over, plan.state)
    joined.seed, joined.ordinal, joined.absorbed = seed, 0, -1
    joined.late, joined.segment = late, segment
    run.tokens -= len(arrived) - 1
    _simplify(plan, run, joined)
    forget(run, joined)
    return joined, conflict


def finish(plan: Plan, run: Run, branch: Branch, outputs: Values) -> None:
    """The branch's token has ended: what it returned last and what it wrote belong to the result."""
    run.tokens -= 1
    branch.step = None
    if branch.segment < 0:
        run.ended, run.final = branch, outputs
        return
    run.kept = True
    run.segments[branch.segment].finals.update(outputs)
    close(run, branch.segment, plan.state)
    _release(plan, run, branch)


def drop(plan: Plan, run: Run, branch: Branch, pin: bool = False) -> None:
    """The branch's token is gone without a trace; `pin` keeps its place, for the order of failures."""
    run.tokens -= 1
    branch.step = None
    if branch.segment < 0:
        run.ended = branch
        return
    run.segments[branch.segment].pinned = pin
    discard(run, branch.segment, plan.state)
    _release(plan, run, branch)
    if run.tokens == 1:
        forget(run, next(branch for branch in run.branches.values() if not branch.children))


def _branch(run: Run, seed: tuple[bytes, int, int], parents: list[int], schema: StateSchema) -> Branch:
    run.next_branch += 1
    branch = Branch(run.next_branch, seed, parents, writes={}, produced={})
    if schema.keys is not None:
        branch.writers = {}
    run.branches[branch.id] = branch
    return branch


def _track(
    branch: Branch, updates: Mapping[str, Any], node: int, outputs: Values, node_id: str, schema: StateSchema
) -> None:
    assert branch.writes is not None and branch.produced is not None
    log(branch.writes, updates, schema)
    branch.produced[node_id] = outputs
    if branch.writers is not None:
        branch.writers.update(dict.fromkeys(updates, node))


def _closed_fork(run: Run, arrived: Sequence[Branch]) -> Branch | None:
    """The fork whose tokens these are, all of them; None when others of it are still about."""
    parents = arrived[0].parents
    if len(parents) != 1 or any(branch.parents != parents for branch in arrived):
        return None
    parent = run.branches[parents[0]]
    return parent if len(parent.children) == len(arrived) else None


def _merge_fork(
    plan: Plan, run: Run, parent: Branch, arrived: Sequence[Branch]
) -> tuple[Branch, StateConflict | None]:
    """All tokens of a fork have met: the forked branch goes on, with what they wrote."""
    conflict = _conflict(plan, run, arrived) if plan.state.declared else None
    parent.children.clear()
    for branch in arrived:
        _take_writes(parent, branch, plan.state)
        del run.branches[branch.id]
    return parent, conflict


def _merge(plan: Plan, run: Run, arrived: Sequence[Branch]) -> tuple[Branch, StateConflict | None]:
    """Tokens of forks that stay open: a branch with several parents, whose writes are merged once each."""
    conflict = _conflict(plan, run, arrived) if plan.state.declared else None
    first = arrived[0]
    joined = _branch(run, first.seed, [branch.id for branch in arrived], plan.state)
    joined.state = _own_view(state_of(run, first, plan.state))
    joined.outputs = _own_view(outputs_of(run, first, plan.state))
    seen = _ancestors(run, first)
    for branch in arrived:
        for each in _unseen(run, branch, seen):
            apply_log(joined.state, each.writes or {}, plan.state)
            merge(joined.outputs, each.produced or {})
        branch.children.add(joined.id)
        branch.step = None
    return joined, conflict


def _own_view(values: Values) -> Values:
    view = lend(values)
    return Values(view) if type(view) is Values else view


def _take_writes(into: Branch, other: Branch, schema: StateSchema) -> None:
    """Let a branch have written what another did, after its own."""
    if into.state is not None:
        apply_log(into.state, other.writes or {}, schema)
    if into.outputs is not None:
        merge(into.outputs, other.produced or {})
    if into.writes is not None and into.produced is not None:
        concat(into.writes, other.writes or {}, schema)
        into.produced.update(other.produced or {})
        if into.writers is not None:
            into.writers.update(other.writers or {})


def _ancestors(run: Run, branch: Branch) -> set[int]:
    """The branch and all it comes from."""
    found: set[int] = set()
    todo = [branch.id]
    while todo:
        at = todo.pop()
        if at not in found:
            found.add(at)
            todo.extend(run.branches[at].parents)
    return found


def _unseen(run: Run, branch: Branch, seen: set[int]) -> Iterable[Branch]:
    """What the branch comes from and is not seen yet, in the order it was written; it is seen from then on."""
    order: list[Branch] = []
    todo: list[tuple[int, bool]] = [(branch.id, False)]
    while todo:
        at, ready = todo.pop()
        if ready:
            order.append(run.branches[at])
        elif at not in seen:
            seen.add(at)
            todo.append((at, True))
            todo.extend((parent, False) for parent in reversed(run.branches[at].parents))
    return order


def _conflict(plan: Plan, run: Run, arrived: Sequence[Branch]) -> StateConflict | None:
    """Two branches replaced one key, and neither had seen the other's write (semantics 4.5)."""
    last: dict[str, Branch] = {}
    seen: set[int] = set()
    for arrival in arrived:
        for branch in _unseen(run, arrival, seen):
            for key, node in (branch.writers or {}).items():
                if key in plan.state.reducers:
                    continue
                other = last.get(key)
                if other is not None and other.id not in _ancestors(run, branch):
                    first = plan.nodes[(other.writers or {})[key]].id
                    return StateConflict(
                        f"nodes {first} and {plan.nodes[node].id} both replaced state key {key!r} in branches "
                        f"that met; declare a reducer for it (Annotated[..., append]) or let only one write it"
                    )
                last[key] = branch
    return None


def _release(plan: Plan, run: Run, branch: Branch) -> None:
    """Forget a branch without children, and the ancestors that were there for it alone."""
    todo = [branch]
    while todo:
        gone = todo.pop()
        del run.branches[gone.id]
        if not gone.parents:
            run.ended = gone
        for parent_id in gone.parents:
            parent = run.branches[parent_id]
            parent.children.discard(gone.id)
            if not parent.children:
                close(run, parent.segment, plan.state)
                todo.append(parent)
            elif len(parent.children) == 1:
                _simplify(plan, run, run.branches[next(iter(parent.children))])


def _simplify(plan: Plan, run: Run, branch: Branch) -> None:
    """Fold into the branch the ancestors that nobody else comes from."""
    while branch.parents:
        parents = [run.branches[parent] for parent in branch.parents]
        if len(parents) == 1:
            if len(parents[0].children) > 1:
                return
            _fold(plan, run, parents[0], branch)
        elif not _fold_twins(plan, run, parents, branch):
            return


def _fold(plan: Plan, run: Run, parent: Branch, child: Branch) -> None:
    """The parent's only child takes its place."""
    if child.state is None and parent.state is not None:
        child.state = parent.state
        apply_log(child.state, child.writes or {}, plan.state)
    if child.outputs is None and parent.outputs is not None:
        child.outputs = parent.outputs
        merge(child.outputs, child.produced or {})
    if parent.writes is None:
        child.writes, child.produced, child.writers = None, None, None
    else:
        _prepend(parent, child, plan.state)
    child.parents = parent.parents
    for grandparent in parent.parents:
        children = run.branches[grandparent].children
        children.discard(parent.id)
        children.add(child.id)
    close(run, parent.segment, plan.state)
    del run.branches[parent.id]


def _prepend(parent: Branch, child: Branch, schema: StateSchema) -> None:
    concat(parent.writes or {}, child.writes or {}, schema)
    child.writes = parent.writes
    child.produced = {**(parent.produced or {}), **(child.produced or {})}
    if child.writers is not None:
        child.writers = {**(parent.writers or {}), **child.writers}


def _fold_twins(plan: Plan, run: Run, parents: list[Branch], branch: Branch) -> bool:
    """Make one of two neighbouring parents that come from the same place and have this child alone."""
    for left, right in zip(parents, parents[1:], strict=False):
        alone = len(left.children) == 1 and len(right.children) == 1
        if alone and left.parents == right.parents and left.parents:
            left.state = left.outputs = None
            _take_writes(left, right, plan.state)
            for parent in right.parents:
                run.branches[parent].children.discard(right.id)
            close(run, right.segment, plan.state)
            del run.branches[right.id]
            branch.parents.remove(right.id)
            return True
    return False
