"""A message: an immutable body, and an envelope that says whose it is (semantics 9.1)."""

from __future__ import annotations

import itertools
import os
from typing import Any

import msgspec

__all__ = ["Message"]

_began = os.urandom(6).hex()
_count = itertools.count(1)


def _new_id() -> str:
    """An id that no other message has, in any process."""
    return f"{_began}-{next(_count):x}"


class Message(msgspec.Struct, frozen=True):
    """What a channel carries.

    Args:
        body: what is said; whoever receives it may read it, and nobody changes it.
        sender: who sent it; messages of one sender keep their order.
        priority: those with a higher one are received first. id: by default one of its own.
        trace_id: of what it belongs to. attempt: how often it was tried, from 1.

    Example:
        >>> from nodeloom.channels import Message
        >>> Message({"n": 1}, priority=5).body
        {'n': 1}
    """

    body: Any
    sender: str = ""
    priority: int = 0
    id: str = msgspec.field(default_factory=_new_id)
    trace_id: str = ""
    attempt: int = 1
