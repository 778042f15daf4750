"""What a tick is: a step of its node, and what follows from it before the next ticking node (semantics 10.3, 10.7)."""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol, cast

from ...model.advance import advance, start_at
from ...model.run import Completed, Failed, Outcome, Run, Send, Step
from ...model.values import EMPTY, Values
from ...nodes.context import Live, Walk
from ...nodes.graph import Graph
from .binding import Bound
from .reading import Given
from .ticker import Tick, Ticker

__all__ = ["Following", "drive"]

Follow = Coroutine[Any, Any, None]


class Around(Protocol):
    """What a tick is part of."""

    def live(self, run: Run, tick: Tick) -> Live:
        """A run of one of its steps, with what is alive about it."""
        ...

    def put(self, tick: Tick, target: Ticker, edge: int, given: Given) -> None:
        """Let outputs come to a ticking node."""
        ...

    def gave(self, tick: Tick, node_id: str, outputs: Values) -> bool:
        """A step has given outputs; False where they are nobody's any more."""
        ...

    def now(self) -> float:
        """The time."""
        ...


class Following:
    """How the ticks of a clock are performed.

    Args:
        graph: the clock's. bound: what performs the steps of each node, by index.
        tickers: by node index, those that tick. around: the clock. name: what the ids of its runs begin with.
    """

    def __init__(self, graph: Graph, bound: list[Bound], tickers: dict[int, Ticker], around: Around, name: str) -> None:
        self._name = name
        self._plan = graph.plan
        self._bound = bound
        self._tickers = tickers
        self._around = around

    async def tick(self, tick: Tick) -> None:
        """Perform a tick: a step for each of its inputs, and what follows from it."""
        for number, given in enumerate(tick.steps):
            if tick.given_up:
                return
            run_id = f"{self._name}:{tick.ticker.id}:{tick.number}" + (f".{number}" if number else "")
            await self._step(tick, run_id, given)

    async def _step(self, tick: Tick, run_id: str, given: Given) -> None:
        plan, bound, walk = self._plan, self._bound, tick.walk
        tick.run_id = run_id
        run = start_at(plan, run_id, given.values, tick.ticker.index)
        run.ready[0].error = given.error
        live = walk.live = self._around.live(run, tick)
        here = tick.ticker.here
        while run.ready and not tick.given_up:
            step = run.ready.pop(0)
            at = bound[step.node]
            if here and not at.here:
                here = False
                await _to_the_loop()
            began = self._around.now()
            outcome = await at.executable.perform(step, walk)
            at.metrics.count += 1
            at.metrics.seconds += self._around.now() - began
            outcome = self._delivered(tick, step, outcome)
            if not run.ready and type(outcome) is Completed and not (outcome.taken or outcome.sends or run.waiting):
                break  # the tick ends here, and nobody asks what its run became
            advance(plan, run, outcome)
        if live.exceptions:
            tick.failure = live.exceptions[0][1]

    def _delivered(self, tick: Tick, step: Step, outcome: Outcome) -> Outcome:
        """The outcome without the edges into ticking nodes, to which the outputs have come now."""
        if type(outcome) is Completed:
            if not self._around.gave(tick, self._plan.nodes[step.node].id, outcome.outputs):
                return Completed(step, outcome.outputs, ())
            given = Given(outcome.outputs, self._around.now())
            if outcome.sends is not None:
                sends = tuple(send for send in outcome.sends if not self._sent(tick, send, given))
                return Completed(step, outcome.outputs, (), sends)
            onward = tuple(edge for edge in outcome.taken if not self._put(tick, edge, given))
            return Completed(step, outcome.outputs, onward)
        if type(outcome) is Failed and outcome.taken:
            given = Given(step.inputs, self._around.now(), outcome.error)
            if self._put(tick, outcome.taken[0], given):
                return Completed(step, EMPTY, ())
        return outcome

    def _sent(self, tick: Tick, send: Send, given: Given) -> bool:
        return self._put(tick, send.edge, given if send.inputs is None else given._replace(values=send.inputs))

    def _put(self, tick: Tick, edge: int, given: Given) -> bool:
        """Let outputs come to the end of an edge, if it is a ticking node; whether it is."""
        target = self._tickers.get(self._plan.edges[edge].target)
        if target is None:
            return False
        self._around.put(tick, target, edge, given)
        return True


def drive(work: Follow, walk: Walk, go_on: Callable[[Follow], None]) -> bool:
    """Perform a tick where this is called, as far as it needs no loop; whether it is done.

    Args:
        work: the tick. walk: its own. go_on: lets the rest be performed on the loop.
    """
    try:
        with walk:
            work.send(None)
    except StopIteration:
        return True
    go_on(cast("Follow", _rest(work)))
    return False


@types.coroutine
def _to_the_loop() -> Generator[None, None, None]:
    yield


@types.coroutine
def _rest(work: Any) -> Generator[Any, Any, None]:
    yield from work
