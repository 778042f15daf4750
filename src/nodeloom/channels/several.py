"""Reading several channels as one (semantics 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..errors import ChannelClosed, DefinitionError
from ..model.message import Message
from .memory import MemoryChannel

__all__ = ["Several"]


class Several:
    """The receiving end of several channels: the next message of any of them, each getting its turn.

    Args:
        channels: what is read.

    Example:
        >>> import asyncio
        >>> from nodeloom.channels import MemoryChannel, Message, Several
        >>> async def main():
        ...     left, right = MemoryChannel(), MemoryChannel()
        ...     await left.send(Message("a"))
        ...     await left.send(Message("b"))
        ...     await right.send(Message("c"))
        ...     several = Several([left, right])
        ...     return [(await several.receive()).body for _ in range(3)]
        >>> asyncio.run(main())
        ['a', 'c', 'b']
    """

    def __init__(self, channels: Sequence[MemoryChannel]) -> None:
        if not channels:
            raise DefinitionError("several channels are one at least: there is none to read")
        self._channels = list(channels)

    async def receive(self) -> Message:
        """Take the next message out of any channel.

        Raises:
            ChannelClosed: all of them are closed, and nothing is left.
        """
        while True:
            for place, channel in enumerate(self._channels):
                if channel.depth:
                    self._channels.append(self._channels.pop(place))  # the others come first next time
                    return await channel.receive()
            if all(channel.closed for channel in self._channels):
                raise ChannelClosed("all channels are closed, and everything in them was received")
            await self._wait()

    async def _wait(self) -> None:
        watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        here = [channel for channel in self._channels if not channel.closed]
        for channel in here:
            channel.watch(watcher)
        try:
            await watcher
        finally:
            for channel in here:
                channel.unwatch(watcher)
