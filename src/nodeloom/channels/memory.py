"""A channel within one event loop: a deque, and futures for those who wait."""

from __future__ import annotations

import asyncio
from collections import deque

from ..errors import ChannelClosed, ChannelFull, DefinitionError
from ..model.mailbox import OVERFLOWS, Overflow
from ..model.message import Message
from .channel import ACCEPTED, Sent

__all__ = ["MemoryChannel"]

Waiting = tuple[asyncio.Future[None], Message, bool]
"""A sender who waits for room, what it sends, and whether it waits before those that are not ahead."""


class MemoryChannel:
    """A bounded channel in memory, for one event loop.

    A message goes straight to who waits for one; else it waits inside. Messages of one priority keep their order. Who
    waits for room gets it in the order of asking, those first whose message has a higher priority.

    Args:
        maxsize: how many messages it holds. overflow: what it does with one more. name: for messages about it.

    Attributes:
        sent, received, dropped: how many messages were taken in, taken out, and lost to an overflow.

    Raises:
        DefinitionError: settings that cannot work.

    Example:
        >>> import asyncio
        >>> from nodeloom.channels import MemoryChannel, Message
        >>> async def main():
        ...     channel = MemoryChannel(2, overflow="drop_oldest")
        ...     for n in range(3):
        ...         sent = await channel.send(Message(n))
        ...     return sent.dropped[0].body, (await channel.receive()).body
        >>> asyncio.run(main())
        (0, 1)
    """

    __slots__ = (
        "_closed",
        "_drains",
        "_lanes",
        "_overflow",
        "_queue",
        "_receivers",
        "_senders",
        "_watchers",
        "dropped",
        "maxsize",
        "name",
        "received",
        "sent",
    )

    def __init__(self, maxsize: int = 1_000, overflow: Overflow = "block", *, name: str = "channel") -> None:
        if type(maxsize) is not int or maxsize < 1:
            raise DefinitionError(f"maxsize of {name} is a whole number from 1, not {maxsize!r}")
        if overflow not in OVERFLOWS:
            raise DefinitionError(f"overflow of {name} is one of {', '.join(OVERFLOWS)}, not {overflow!r}")
        self.maxsize = maxsize
        self.name = name
        self.sent = self.received = self.dropped = 0
        self._overflow: Overflow = overflow
        self._queue: deque[Message] = deque()  # those of priority 0, which nearly all are
        self._lanes: dict[int, deque[Message]] = {}  # the others, by priority
        self._receivers: deque[asyncio.Future[Message]] = deque()
        self._senders: deque[Waiting] = deque()
        self._watchers: set[asyncio.Future[None]] = set()
        self._drains: list[asyncio.Future[None]] = []
        self._closed = False

    @property
    def depth(self) -> int:
        """How many messages are inside."""
        return len(self._queue) + (sum(map(len, self._lanes.values())) if self._lanes else 0)

    @property
    def closed(self) -> bool:
        """Nothing is taken in any more."""
        return self._closed

    # --- sending

    async def send(self, message: Message, *, ahead: bool = False) -> Sent:
        """Put a message in; see `Channel.send`.

        Args:
            message: what is sent. ahead: where it waits for room, it waits before those of its priority that are not.
        """
        if self._closed or self._overflow != "block":
            return self.push(message)
        if self.offer(message):
            return ACCEPTED
        place = self.line_up(message, ahead=ahead)
        try:
            await place
        except asyncio.CancelledError:
            self.withdraw(message, place)
            raise
        return ACCEPTED

    def push(self, message: Message) -> Sent:
        """Put a message in without waiting, whatever that means for a full channel.

        Raises:
            ChannelFull: there is no room, and the channel would wait, or refuses. ChannelClosed: as of `send`.
        """
        if self.offer(message):
            return ACCEPTED
        if self._closed:
            raise ChannelClosed(f"{self.name} is closed, and takes no message any more")
        return self.overflown(message)

    def offer(self, message: Message) -> bool:
        """Put a message in at once, if there is room; False where there is none, or the channel is closed."""
        queue = self._queue
        if self._closed or len(queue) >= self.maxsize or (self._lanes and self.depth >= self.maxsize):
            return False
        if self._receivers or self._watchers or message.priority:
            self._put(message)
        else:
            self.sent += 1
            queue.append(message)
        return True

    def _put(self, message: Message) -> None:
        self.sent += 1
        if self._receivers and self._hand_over(message):
            return
        self._lane(message.priority).append(message)
        if self._watchers:
            self._wake_watchers()

    def _hand_over(self, message: Message) -> bool:
        """Give a message to who waits for one."""
        while self._receivers:
            receiver = self._receivers.popleft()
            if not receiver.done():
                receiver.set_result(message)
                return True
        return False

    def _lane(self, priority: int) -> deque[Message]:
        return self._queue if not priority else self._lanes.setdefault(priority, deque())

    def overflown(self, message: Message) -> Sent:
        """What a full channel does with one message more, without waiting; see `push`, which looks for room first."""
        if self._overflow in ("reject", "block"):
            raise ChannelFull(f"{self.name} is full: it holds {self.maxsize} messages, and refuses more")
        self.dropped += 1
        if self._overflow == "drop_oldest" and not (self._lanes or message.priority):
            self.sent += 1  # it is full, so that nobody waits for a message
            self._queue.append(message)
            return Sent(True, (self._queue.popleft(),))
        if self._overflow == "drop_newest":
            return Sent(accepted=False, dropped=(message,))
        if self._lanes and not self._queue and message.priority < min(self._lanes):
            return Sent(accepted=False, dropped=(message,))  # all that wait come before it
        oldest = self._pop(lowest=True)
        self._put(message)
        return Sent(dropped=(oldest,))

    def line_up(self, message: Message, *, ahead: bool = False) -> asyncio.Future[None]:
        """Wait for room; the future is done when the message was put in. See `send`."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        senders, rank = self._senders, (message.priority, ahead)
        at = len(senders)
        if at and rank > _rank(senders[-1]):
            at = next(at for at, each in enumerate(senders) if rank > _rank(each))
        senders.insert(at, (place, message, ahead))
        return place

    def withdraw(self, message: Message, place: asyncio.Future[None]) -> bool:
        """Who waited for room, or has just got it, does so no more; False where somebody has the message already."""
        if not place.done() or place.cancelled() or place.exception() is not None:
            place.cancel()
            return True
        lane = self._lanes.get(message.priority) if message.priority else self._queue
        at = next((at for at, each in enumerate(lane or ()) if each is message), None)
        if lane is None or at is None:
            return False
        del lane[at]
        if not lane and message.priority:
            del self._lanes[message.priority]
        self.sent -= 1
        self._after_one()
        return True

    # --- receiving

    async def receive(self) -> Message:
        """Take the next message out; see `Channel.receive`."""
        message = self.take()
        return await self._wait_for_message() if message is None else message

    def take(self) -> Message | None:
        """Take the next message out at once; None where there is none."""
        if not self._queue and not self._lanes:
            return None
        message = self._pop() if self._lanes else self._queue.popleft()
        self.received += 1
        if self._senders or self._drains:
            self._after_one()
        return message

    async def _wait_for_message(self) -> Message:
        if self._closed:
            raise ChannelClosed(f"{self.name} is closed, and everything in it was received")
        receiver: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._receivers.append(receiver)
        try:
            message = await receiver
        except asyncio.CancelledError:
            if receiver.done() and not receiver.cancelled() and receiver.exception() is None:
                self._put_back(receiver.result())
            raise
        self.received += 1
        return message

    def _put_back(self, message: Message) -> None:
        """Who was given it was cancelled before taking it: it is the next again, even where that is one too many."""
        if not self._hand_over(message):
            self._lane(message.priority).appendleft(message)
            self._wake_watchers()

    def _pop(self, *, lowest: bool = False) -> Message:
        """The next message; `lowest`: the one to drop, the oldest of the lowest priority."""
        if not self._lanes:
            return self._queue.popleft()
        priorities = [*self._lanes, *([0] if self._queue else [])]
        priority = min(priorities) if lowest else max(priorities)
        if not priority:
            return self._queue.popleft()
        lane = self._lanes[priority]
        message = lane.popleft()
        if not lane:
            del self._lanes[priority]
        return message

    def _after_one(self) -> None:
        """A message has left: there is room for who waits, or nothing left."""
        while self._senders:
            place, message, _ = self._senders.popleft()
            if not place.done():
                self._put(message)
                place.set_result(None)
                return
        if not self.depth:
            for drained in self._drains:
                if not drained.done():
                    drained.set_result(None)
            self._drains.clear()

    # --- looking, ending

    def waiting(self) -> list[Message]:
        """The messages inside, next one first; they stay there."""
        lanes = {**self._lanes, **({0: self._queue} if self._queue else {})}
        return [message for priority in sorted(lanes, reverse=True) for message in lanes[priority]]

    def watch(self, watcher: asyncio.Future[None]) -> None:
        """Have a future told when there is a message, or none will come."""
        self._watchers.add(watcher)
        if self.depth or self._closed:
            self._wake_watchers()

    def unwatch(self, watcher: asyncio.Future[None]) -> None:
        """Tell it no more."""
        self._watchers.discard(watcher)

    def _wake_watchers(self) -> None:
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)
        self._watchers.clear()

    async def close(self) -> None:
        """Take nothing in any more; see `Channel.close`."""
        self._closed = True
        refused = ChannelClosed(f"{self.name} was closed before there was room for the message")
        while self._senders:
            place, _, _ = self._senders.popleft()
            if not place.done():
                place.set_exception(refused)
        over = ChannelClosed(f"{self.name} is closed, and everything in it was received")
        while self._receivers:
            receiver = self._receivers.popleft()
            if not receiver.done():
                receiver.set_exception(over)
        self._wake_watchers()

    async def drain(self) -> None:
        """Wait until everything was received; see `Channel.drain`."""
        while self.depth or self._senders:
            drained: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._drains.append(drained)
            await drained


def _rank(waiting: Waiting) -> tuple[int, bool]:
    """Who waits for room gets it before those of a lower one."""
    return waiting[1].priority, waiting[2]
