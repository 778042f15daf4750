"""What a step is shown of a topic (semantics 10.6)."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["TopicView"]


class TopicView(Protocol):
    """What `ctx.topic(name)` gives: a topic, as one node reads it.

    Attributes:
        age: how many seconds old its newest message is; None before the first.
    """

    @property
    def age(self) -> float | None: ...

    def send(self, value: Any) -> None:
        """Publish a value; None is one too."""
        ...

    def latest(self, default: Any = None) -> Any:
        """The newest message, again and again; the default before the first."""
        ...

    def take(self) -> list[Any]:
        """All messages since this node took some last, each once, in order; at first the newest."""
        ...
