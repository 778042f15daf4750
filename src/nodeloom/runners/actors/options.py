"""What a system of actors is made with, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict, cast

from ...errors import DefinitionError, UnknownActor
from ...expressions.wording import nearest
from ...model.mailbox import Mailbox, Supervision
from ...nodes.event import Event
from ...nodes.graph import Graph

__all__ = ["Given", "check_options", "supervision_of"]


class Given(TypedDict, total=False):
    """What is given with actors, as with a run."""

    metadata: Mapping[str, Any]
    config: Mapping[str, Any]
    watch: Callable[[Event], None]


def check_options(mailbox: Any, kept: Any, given: Mapping[str, Any]) -> None:
    """Refuse what actors cannot be given.

    Raises:
        DefinitionError: with what would be right.
    """
    for name in given:
        if name not in Given.__annotations__:
            known = ("mailbox", "supervision", "kept", "grace", *Given.__annotations__)
            raise DefinitionError(f"actors take no {name}; they take: {', '.join(known)}{nearest(name, known)}")
    if not isinstance(mailbox, Mailbox | None):
        raise DefinitionError(f"mailbox of actors is a Mailbox, not {mailbox!r}")
    if type(kept) is not int or kept < 0:
        raise DefinitionError(f"kept is how many dead letters are, a whole number from 0, not {kept!r}")


def _are_rules(given: Any) -> bool:
    rules = cast("Mapping[str, Any]", given).values() if isinstance(given, Mapping) else (None,)
    return all(isinstance(each, Supervision) for each in rules)


def supervision_of(given: Supervision | Mapping[str, Supervision] | None, graph: Graph) -> Callable[[str], Supervision]:
    """How each actor is supervised: as was said with the actors, else as its node says."""
    default = Supervision()
    if isinstance(given, Supervision):
        return lambda _: given
    if given is not None and not _are_rules(given):
        raise DefinitionError(f"supervision is a Supervision for all actors, or one each by node id, not {given!r}")
    named: Mapping[str, Supervision] = given or {}
    unknown = [name for name in named if name not in graph.nodes]
    if unknown:
        known = ", ".join(graph.nodes)
        raise UnknownActor(f"supervision of {', '.join(unknown)}, of which there is no actor; there are: {known}")
    return lambda node_id: named.get(node_id) or graph.nodes[node_id].supervision or default
