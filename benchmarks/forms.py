"""forms: 200 fields in chains of ten, each choosing among options that depend on the one before it; ms.

No function waits. The limit of a whole evaluation is what the issue allows, 10 ms; there is no peer that does it.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.harness import MILLISECONDS, Case, Contender, Target, Workload, timed

CHAINS, LENGTH = 20, 10


def of_parent(parent: str) -> Callable[..., Any]:
    """An options function whose one parameter has that name."""
    space: dict[str, Any] = {}
    exec(f"async def options({parent}): return [{parent} + '.', 'v']", space)  # noqa: S102 - a name from above
    function: Callable[..., Any] = space["options"]
    return function


def params(*, asks: bool) -> Any:
    from nodeloom import Field, Params

    space: dict[str, Any] = {"__annotations__": {}}
    for chain in range(CHAINS):
        for place in range(LENGTH):
            name, before = f"f{chain}_{place}", f"f{chain}_{place - 1}"
            space["__annotations__"][name] = str
            if not place:
                space[name] = Field("v")
            elif asks:
                space[name] = Field("v", options=of_parent(before), ttl=0)
            else:
                space[name] = Field("v", visible_when=f"{before} == 'v'")
    return type("Chains", (Params,), space)


def whole(*, asks: bool) -> Case:
    from nodeloom.forms import Evaluator, form_of

    form = form_of(params(asks=asks))

    async def once() -> int:
        evaluator = Evaluator(form)
        await evaluator.update({})
        return len(evaluator.states)

    return Case(once, CHAINS * LENGTH)


def change(*, asks: bool) -> Case:
    from nodeloom.forms import Evaluator, form_of

    evaluator = Evaluator(form_of(params(asks=asks)))
    begun = False
    place = 0

    async def once() -> int:
        nonlocal begun, place
        if not begun:
            await evaluator.update({})
            begun = True
        place += 1
        return len(await evaluator.change(f3_0=f"v{place}"))

    return Case(once, LENGTH)


def by_hand() -> Case:
    """The same questions, asked in order by code that knows them."""
    functions = [[of_parent(f"f{chain}_{place - 1}") for place in range(1, LENGTH)] for chain in range(CHAINS)]

    async def ask(chain: int) -> int:
        for place, function in enumerate(functions[chain]):
            if "v" not in await function(**{f"f{chain}_{place}": "v"}):
                return 0
        return LENGTH

    async def once() -> int:
        return sum(await asyncio.gather(*map(ask, range(CHAINS))))

    return Case(once, CHAINS * LENGTH)


def workloads(quick: bool) -> list[Workload]:
    def of(make: Callable[..., Case], **settings: Any) -> Any:
        return timed(partial(make, **settings), per=1, scale=MILLISECONDS)

    evaluation = [
        Contender("limit: the same questions, by hand", of(by_hand), "limit"),
        Contender("nodeloom", of(whole, asks=True), "nodeloom"),
        Contender("nodeloom, conditions only", of(whole, asks=False), "variant"),
    ]
    one = [
        Contender("nodeloom", of(change, asks=True), "nodeloom"),
        Contender("nodeloom, conditions only", of(change, asks=False), "variant"),
    ]
    return [
        Workload("form of 200 fields in chains of 10, whole", "ms", evaluation, [Target("value", 10)]),
        Workload("form of 200 fields in chains of 10, one change", "ms", one),
    ]
