"""Topics: values published under a name, read by whoever wants them, on any thread (semantics 10.6)."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar, cast

from ..errors import DefinitionError
from ..nodes.context import Context
from .held import running_loop

__all__ = ["KEPT", "Topic", "TopicOfNode", "TopicQueue", "Topics"]

T = TypeVar("T")

KEPT = 1_000
"""How many messages wait for one reader of a queue; the oldest are dropped."""


class Message(NamedTuple):
    """A value, and when it was sent."""

    value: Any
    at: float


class Topic(Generic[T]):
    """Values under one name: the newest for who wants to know how it is, a queue for who wants each.

    Values arrive as they were sent, the same objects: who sends a list and goes on changing it shares it.

    Args:
        name: what it is called. kind: what its values are; anything by default.

    Attributes:
        count: how many messages were sent.

    Example:
        >>> topic = Topic("speed", float)
        >>> queue = topic.queue()
        >>> topic.send(1.5)
        >>> topic.send(2.5)
        >>> topic.latest(), queue.take(), queue.take()
        (2.5, [1.5, 2.5], [])
    """

    def __init__(self, name: str, kind: type[T] | None = None) -> None:
        self.name = name
        self.kind = kind
        self.count = 0
        self._newest: Message | None = None
        self._queues: weakref.WeakSet[TopicQueue[T]] = weakref.WeakSet()
        self._lock = threading.Lock()

    def send(self, value: T) -> None:
        """Publish a value, from any thread; None is one too.

        Raises:
            DefinitionError: it is not of the topic's type.
        """
        if self.kind is not None and not isinstance(value, self.kind):
            raise DefinitionError(
                f"topic {self.name!r} carries {self.kind.__qualname__}, and was sent a {type(value).__qualname__}"
            )
        with self._lock:
            self._newest = Message(value, _now())
            self.count += 1
            for queue in self._queues:
                queue.put(self._newest)

    def latest(self, default: Any = None) -> Any:
        """The newest value, again and again; the default before the first."""
        newest = self._newest
        return default if newest is None else newest.value

    @property
    def age(self) -> float | None:
        """How many seconds old the newest value is; None before the first."""
        newest = self._newest
        return None if newest is None else _now() - newest.at

    def queue(self, kept: int = KEPT, *, with_newest: bool = False) -> TopicQueue[T]:
        """A reader of its own, to which each value comes once, in order, from now on and as long as it is held.

        Args:
            kept: how many values wait for it; the oldest are dropped, and counted.
            with_newest: what was sent last comes to it as well.
        """
        queue = TopicQueue[T](self, kept)
        with self._lock:
            if with_newest and self._newest is not None:
                queue.put(self._newest)
            self._queues.add(queue)
        return queue

    def leave(self, queue: TopicQueue[T]) -> None:
        """Keep nothing for a reader any more."""
        with self._lock:
            self._queues.discard(queue)

    def __repr__(self) -> str:
        kind = "" if self.kind is None else f" of {self.kind.__qualname__}"
        return f"<Topic {self.name!r}{kind}>"


class TopicQueue(Generic[T]):
    """The values of a topic that one reader has not taken yet.

    Attributes:
        lost: how many were dropped, for it did not take them in time.
    """

    def __init__(self, topic: Topic[T], kept: int) -> None:
        self._topic = topic
        self._waiting: deque[Message] = deque(maxlen=kept)
        self.lost = 0

    def put(self, message: Message) -> None:
        """Let a value wait; with the topic's lock held."""
        self.lost += len(self._waiting) == self._waiting.maxlen
        self._waiting.append(message)

    def take(self) -> list[T]:
        """What has come since, each once, in order."""
        waiting, taken = self._waiting, list[T]()
        while waiting:  # beside who sends: a deque may be used by both
            taken.append(cast("T", waiting.popleft().value))
        return taken

    def close(self) -> None:
        """Read no more."""
        self._topic.leave(self)


class TopicOfNode:
    """A topic, as one node reads it; see `nodes.topic.TopicView`.

    Args:
        topic: the topic. queue: gives the queue of the node. on_read: is told how old what it reads is.
    """

    __slots__ = ("_on_read", "_queue", "_topic")

    def __init__(
        self, topic: Topic[Any], queue: Callable[[], TopicQueue[Any]], on_read: Callable[[float], None] | None
    ) -> None:
        self._topic = topic
        self._queue = queue
        self._on_read = on_read

    @property
    def age(self) -> float | None:
        return self._topic.age

    def send(self, value: Any) -> None:
        """Publish a value."""
        self._topic.send(value)

    def latest(self, default: Any = None) -> Any:
        """The newest value, again and again."""
        self._read()
        return self._topic.latest(default)

    def take(self) -> list[Any]:
        """What has come since the node took some last."""
        self._read()
        return self._queue().take()

    def _read(self) -> None:
        if self._on_read is not None and (age := self._topic.age) is not None:
            self._on_read(age)


_Queues = dict[tuple[str, str, str], TopicQueue[Any]]


class Topics:
    """The topics of an engine."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic[Any]] = {}
        self._queues: weakref.WeakKeyDictionary[object, _Queues] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def topic(self, name: str, kind: type[T] | None = None) -> Topic[T]:
        """The topic of that name; it is made when it is first asked for.

        Args:
            name: of the topic. kind: what its values are; who does not know says nothing.

        Raises:
            DefinitionError: its values are of another type.
        """
        with self._lock:
            topic = self._topics.setdefault(name, Topic[Any](name, kind))
            known = topic.kind = topic.kind or kind
        if kind is not None and known is not kind:
            carries = "" if known is None else known.__qualname__
            raise DefinitionError(f"topic {name!r} carries {carries}, and was asked for as one of {kind.__qualname__}")
        return topic

    def of_step(self, ctx: Context, name: str) -> TopicOfNode:
        """A topic, as the node of a step reads it in its place; its queues go with what lives on there."""
        topic: Topic[Any] = self.topic(name)
        place = (name, ctx.graph.name if ctx.graph is not None else "", ctx.node_id)
        home: object = self if ctx.live.home is None else ctx.live.home

        def queue() -> TopicQueue[Any]:
            with self._lock:
                queues = self._queues.setdefault(home, {})
                known = queues.get(place)
                if known is None:
                    known = queues[place] = topic.queue(with_newest=True)
            return known

        return TopicOfNode(topic, queue, ctx.live.on_read)


def _now() -> float:
    """Seconds of the loop's time, virtual or not; on a thread, of what a loop's time is made of."""
    loop = running_loop()
    return time.monotonic() if loop is None else loop.time()
