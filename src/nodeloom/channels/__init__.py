"""Bounded pipes for messages: what actors read from, and what connects them."""

from __future__ import annotations

from ..model.mailbox import Overflow
from ..model.message import Message
from .channel import ACCEPTED, Channel, Sent
from .forwarding import ForwardingChannel
from .memory import MemoryChannel
from .several import Several

__all__ = [
    "ACCEPTED",
    "Channel",
    "ForwardingChannel",
    "MemoryChannel",
    "Message",
    "Overflow",
    "Sent",
    "Several",
]
