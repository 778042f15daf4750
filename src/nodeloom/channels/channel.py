"""What a channel is, whatever carries its messages (semantics 9.2)."""

from __future__ import annotations

from typing import Protocol

import msgspec

from ..model.mailbox import Overflow
from ..model.message import Message

__all__ = ["ACCEPTED", "Channel", "Overflow", "Sent"]


class Sent(msgspec.Struct, frozen=True):
    """What became of a message that was sent.

    Attributes:
        accepted: it is in the channel. dropped: the messages that are not, for its sake or itself.
    """

    accepted: bool = True
    dropped: tuple[Message, ...] = ()


ACCEPTED = Sent()
"""What became of nearly all messages."""


class Channel(Protocol):
    """A bounded pipe for messages: many may send, many may receive, each message is received once."""

    async def send(self, message: Message) -> Sent:
        """Put a message in. With `overflow="block"`, wait for room.

        Returns:
            What became of it.

        Raises:
            ChannelFull: there is no room, and the channel refuses. ChannelClosed: nothing is taken in any more.
        """
        ...

    async def receive(self) -> Message:
        """Take the next message out: of those with the highest priority, the one that came first.

        Raises:
            ChannelClosed: there is none, and none will come.
        """
        ...

    async def close(self) -> None:
        """Take nothing in any more; what is inside can still be received. Who waits for room is refused."""
        ...

    async def drain(self) -> None:
        """Wait until everything was received."""
        ...

    @property
    def depth(self) -> int:
        """How many messages are inside."""
        ...
