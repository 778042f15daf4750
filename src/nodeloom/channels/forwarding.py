"""A channel that sends to many: each has all of it, and a slow one delays itself alone (semantics 9.7)."""

from __future__ import annotations

from ..errors import ChannelClosed, ChannelFull, DefinitionError
from ..model.mailbox import Overflow
from ..model.message import Message
from .channel import ACCEPTED, Sent
from .memory import MemoryChannel

__all__ = ["ForwardingChannel"]


class ForwardingChannel:
    """Sends each message to every subscriber, who reads it from a channel of its own.

    Args:
        name: for messages about it.

    Example:
        >>> import asyncio
        >>> from nodeloom.channels import ForwardingChannel, Message
        >>> async def main():
        ...     news = ForwardingChannel()
        ...     one, two = news.subscribe(), news.subscribe(maxsize=1)
        ...     for n in range(3):
        ...         await news.send(Message(n))
        ...     return one.depth, two.depth, two.dropped
        >>> asyncio.run(main())
        (3, 1, 2)
    """

    def __init__(self, *, name: str = "channel") -> None:
        self.name = name
        self._subscribers: dict[int, MemoryChannel] = {}
        self._closed = False

    @property
    def subscribers(self) -> tuple[MemoryChannel, ...]:
        """The channels of those who read, in the order in which they came."""
        return tuple(self._subscribers.values())

    def subscribe(self, maxsize: int = 1_000, overflow: Overflow = "drop_oldest", *, name: str = "") -> MemoryChannel:
        """A channel that gets what is sent from now on.

        Args:
            maxsize: how many messages it holds. overflow: what it does with one more; a subscriber cannot block, for
                everybody else would wait with it. name: for messages about it.

        Raises:
            DefinitionError: settings that cannot work. ChannelClosed: nothing will be sent any more.
        """
        if self._closed:
            raise ChannelClosed(f"{self.name} is closed, and sends nothing any more")
        if overflow == "block":
            raise DefinitionError(
                f"a subscriber of {self.name} cannot block, for all others would wait with it: choose drop_oldest, "
                f"drop_newest or reject"
            )
        channel = MemoryChannel(
            maxsize, overflow, name=name or f"subscriber {len(self._subscribers) + 1} of {self.name}"
        )
        self._subscribers[id(channel)] = channel
        return channel

    def unsubscribe(self, channel: MemoryChannel) -> None:
        """Send nothing more to it; what is inside stays there."""
        self._subscribers.pop(id(channel), None)

    async def send(self, message: Message) -> Sent:
        """Send to everybody; see `forward`, which it is."""
        return self.forward(message)

    def forward(self, message: Message) -> Sent:
        """Send to everybody, without waiting for anybody.

        Returns:
            Whether somebody has it, and what was dropped. Who refuses it has not got it, and counts as who dropped it.

        Raises:
            ChannelClosed: nothing is sent any more.
        """
        if self._closed:
            raise ChannelClosed(f"{self.name} is closed, and takes no message any more")
        accepted, dropped = not self._subscribers, list[Message]()
        for channel in self._subscribers.values():
            if channel.offer(message):
                accepted = True
                continue
            sent = _sent(channel, message)
            accepted = accepted or sent.accepted
            dropped += sent.dropped
        return ACCEPTED if accepted and not dropped else Sent(accepted, tuple(dropped))

    async def close(self) -> None:
        """Send nothing any more, and close the channels of all subscribers."""
        self._closed = True
        for channel in self.subscribers:
            await channel.close()

    async def drain(self) -> None:
        """Wait until every subscriber has received everything."""
        for channel in self.subscribers:
            await channel.drain()

    @property
    def depth(self) -> int:
        """How many messages wait at the subscriber who is furthest behind."""
        return max((channel.depth for channel in self.subscribers), default=0)


def _sent(channel: MemoryChannel, message: Message) -> Sent:
    if channel.closed:
        return Sent(accepted=False, dropped=(message,))
    try:
        return channel.overflown(message)  # there was no room just now
    except ChannelFull:
        return Sent(accepted=False, dropped=(message,))
