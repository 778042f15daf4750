"""What a sender or a receiver is told by a channel."""

from __future__ import annotations

from .definitions import NodeloomError

__all__ = ["ChannelClosed", "ChannelError", "ChannelFull"]


class ChannelError(NodeloomError):
    """A channel did not take a message, or has none to give."""

    code = "channel"


class ChannelClosed(ChannelError):
    """Nothing is taken in any more; or everything was received, and nothing will come."""

    code = "channel_closed"


class ChannelFull(ChannelError):
    """There is no room, and the channel refuses instead of waiting or dropping."""

    code = "channel_full"
    retryable = True
