"""What is left of messages that were not done, and what of it can be sent again (semantics 9.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...errors import NodeloomError
from ...model.branches import state_of
from ...model.run import Step
from ...model.values import Values
from ...nodes.context import Live
from .delivery import Delivery, LeftMessage, state_at

__all__ = ["left_at", "left_behind", "left_of", "sendable"]


def left_of(delivery: Delivery, node: str, status: str = "waiting") -> LeftMessage:
    """What is left of a delivery to a node that nobody performed."""
    if not delivery.is_open:
        came = delivery.body
        return LeftMessage(node, delivery.id, came, came, status, came, delivery.priority, node)
    return left_at(delivery.live, delivery.step, status, delivery.priority)


def left_at(live: Live, step: Step, status: str = "waiting", priority: int = 0) -> LeftMessage:
    """What is left of a message at a step of it that nobody performed."""
    node = live.plan.nodes[step.node].id
    return _left(live, node, step.inputs, state_at(live, step), status, priority)


def left_behind(live: Live) -> Iterator[LeftMessage]:
    """What of a message is with no actor: ready to be sent on, or waiting at a join."""
    run = live.run
    for step in run.ready:
        yield left_at(live, step)
    for arrivals in run.waiting.values():
        for each in arrivals:
            state = Values(state_of(run, run.branches[each.branch], live.plan.state))
            yield _left(live, live.plan.nodes[each.node].id, each.inputs, state, "joining", 0)


def _left(live: Live, node: str, inputs: Values, state: Values, status: str, priority: int) -> LeftMessage:
    run = live.run
    entry = live.plan.nodes[live.entry].id if live.entry >= 0 else None
    is_torn = run.tokens > 1 and bool(live.plan.joins)
    return LeftMessage(node, run.id, inputs, state, status, run.inputs, priority, entry, is_torn)


def sendable(left: Iterable[LeftMessage]) -> Iterator[LeftMessage]:
    """What can be sent again: each as it was left; of one that is torn, the message that came in, once.

    Its parts would come to their join as messages of their own, and it would start for each of them.
    """
    left, whole = list(left), dict[str, int]()
    for each in left:
        if not isinstance(each, LeftMessage):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise NodeloomError(f"{each!r} was not left: a dead letter is sent again by dead_letters.send_again")
        whole[each.message_id] = max(each.priority, whole.get(each.message_id, 0))
    for each in left:
        if not each.is_torn:
            yield each
        elif (priority := whole.pop(each.message_id, None)) is not None:
            came, node = each.run_inputs, each.entry
            yield LeftMessage(node or "", each.message_id, came, came, "torn", came, priority, node)
