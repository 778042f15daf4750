"""Loops of thousands of rounds hold no more at the end than at the beginning (semantics 3.5, 4.9)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from tests.model.adapter import Driven, Seen
from tests.model.drawn import below, build, counts, gives
from tests.spec.graphs import REDUCERS
from tests.spec.reference import Join, SpecGraph

from nodeloom.model.run import Run

QUORUMS: dict[str, Join] = {"q": ("quorum", 2)}

LOOPS: dict[str, str] = {
    "linear": "s>h h>t t?h t~z",
    "a fork and a join in each round": "s>h h>a h>b a>t b>t t?h t~z",
    "a side branch ends in each round, declared before": "s>h h>d h>t t?h t~z",
    "a side branch ends in each round, declared after": "s>h h>t h>d t?h t~z",
    "in an open fork": "s>o s>h h>t t?h t~z o>z",
    "in an open fork, with a fork and a join": "s>o s>h h>a h>b a>t b>t t?h t~z o>z",
    "in an open fork, with forks that cross": "s>o s>h h>a h>b a>c a>e b>j c>j j>t e>t t?h t~z o>z",
    "in an open fork, with a side branch before": "s>o s>h h>d h>t t?h t~z o>z",
    "in an open fork, with a side branch after": "s>h s>o h>t h>d t?h t~z o>z",
    "in two open forks, with a side branch": "s>o s>p p>h p>w h>t h>d t?h t~z w>z o>z",
    "a quorum, and a late token each round": "s>h h>a h>b h>l a>q b>q l>q q>t t?h t~z",
    "a quorum, and late tokens, in an open fork": "s>o s>h h>a h>b h>l a>q b>q l>q q>t t?h t~z o>z",
}


def size_of(run: Run) -> dict[str, int]:
    """What a run holds, by kind."""
    stretches = run.stretches.values()
    branches = run.branches.values()
    return {
        "branches": len(run.branches),
        "stretches": len(run.stretches),
        "trails": sum(len(branch.trail) + len(branch.fresh) for branch in branches),
        "writes": sum(len(stretch.writes) + len(stretch.produced) + len(stretch.writers) for stretch in stretches),
        "readers": sum(len(stretch.seen_by) for stretch in stretches),
        "latest": sum(len(numbers) for branch in branches for numbers in (branch.latest or {}).values()),
        "waiting": sum(len(arrivals) for arrivals in run.waiting.values()),
        "places": len(run.live) + len(run.rounds),
    }


def slow(*open_forks: str, late: Sequence[str] = ("d", "l")) -> Any:
    """Steps of `open_forks` complete when nothing else runs; of those that run beside the loop, three lag behind."""

    def choose(running: Sequence[Seen]) -> int:
        for node in late:
            lagging = [index for index, seen in enumerate(running) if seen.node == node]
            if len(lagging) > 3:
                return lagging[0]
        names = [seen.node for seen in running]
        order = [index for index, name in enumerate(names) if name not in open_forks and name not in late]
        order += [index for index, name in enumerate(names) if name in late]
        return order[0] if order else 0

    return choose


def sizes(graph: SpecGraph, rounds: int, choose: Any) -> tuple[dict[str, int], dict[str, int], Driven]:
    """The most a run held of each kind in the first fifth of its rounds, and after that, until the last."""
    early: dict[str, int] = {}
    later: dict[str, int] = {}
    folds = count()

    def watch(run: Run) -> None:
        driven.notes.clear()
        if next(folds) % 7:
            return
        done = run.rounds.get(head, 0)
        most = early if done < rounds // 5 else later
        for kind, size in size_of(run).items() if done < rounds else ():
            most[kind] = max(size, most.get(kind, 0))

    driven = Driven(graph, {}, choose, watch=watch)
    head = driven.plan.by_id["h"]
    driven.to_end()
    return early, later, driven


@pytest.mark.parametrize(("rounds", "declared"), [(5_000, False), (1_500, True)], ids=["any key", "declared keys"])
@pytest.mark.parametrize("text", LOOPS.values(), ids=LOOPS)
def test_a_loop_holds_no_more_at_its_end_than_after_a_fifth(text: str, rounds: int, declared: bool) -> None:
    """3.5."""
    bodies = {"t": counts("n"), "d": gives(x=1), "o": gives(y=1), "h": gives(m=1), "l": gives(late=1)}
    keys = frozenset({"n", "x", "y", "m", "late"})
    options: dict[str, Any] = {"declared": declared, "declared_keys": keys, "max_steps": 1_000_000}
    graph = build(text, bodies, {"t?h": below("n", rounds)}, QUORUMS, **options)
    early, later, driven = sizes(graph, rounds, slow("o", "w"))
    assert (driven.result.status, driven.counts["h"]) == ("completed", rounds)
    assert {kind: size for kind, size in later.items() if size > early[kind]} == {}


def test_a_key_whose_reducer_combines_is_one_value_in_an_open_fork() -> None:
    """3.5: `add` folds two updates into one; `append` keeps each."""
    bodies = {"t": counts("n"), "h": gives(total=1, log=0)}
    reducers: Any = {"total": ("add", REDUCERS["add"]), "log": ("append", REDUCERS["append"])}
    graph = build("s>o s>h h>t t?h t~z o>z", bodies, {"t?h": below("n", 300)}, reducers=reducers, max_steps=10_000)
    kept: dict[str, int] = {}

    def watch(run: Run) -> None:
        for stretch in run.stretches.values():
            for key in reducers:
                kept[key] = max(kept.get(key, 0), len(stretch.writes.get(key, ())))

    driven = Driven(graph, {}, slow("o"), watch=watch)
    driven.to_end()
    assert kept == {"total": 1, "log": 300}
    assert (driven.result.state["total"], len(driven.result.state["log"])) == (300, 300)


@pytest.mark.parametrize("text", ["s>h h>d h>t t?h t~z", "s>h h>t h>d t?h t~z"], ids=["before", "after"])
def test_branches_that_lag_behind_cost_what_they_hold(text: str) -> None:
    """4.9: each of many live side branches adds its own past only, not that of all before it."""
    graph = build(text, {"t": counts("n")}, {"t?h": below("n", 200)}, max_steps=10_000)
    sizes: list[tuple[int, int]] = []

    def watch(run: Run) -> None:
        sizes.append((run.tokens, sum(len(branch.trail) for branch in run.branches.values())))

    driven = Driven(graph, {}, lambda running: next((at for at, one in enumerate(running) if one.node != "d"), 0))
    driven.watch = watch
    driven.to_end()
    assert max(tokens for tokens, _ in sizes) == 201
    assert max(trails for _, trails in sizes) <= 2 * 201
    assert (driven.result.state["d"], driven.result.state["n"]) == (1, 200)
