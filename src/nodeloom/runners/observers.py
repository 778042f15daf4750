"""Those who are given every output of a node that lives on (semantics 9.9)."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from ..channels import ForwardingChannel, MemoryChannel, Message
from ..errors import ChannelClosed
from ..model.mailbox import Overflow
from ..nodes.context import being_cancelled

__all__ = ["Observer", "Observers"]

Observer = Callable[[Any], Any]
"""Is given the outputs of a step, or a dead letter; plain, or a coroutine function."""

log = logging.getLogger("nodeloom.observers")


class _Reader(NamedTuple):
    """What an async observer has of its own."""

    channel: MemoryChannel
    task: asyncio.Task[None]


class Observers:
    """The observers of one node, or of dead letters.

    A plain one is called when the output is there. An async one has a channel and a task of its own: one that is slow
    delays itself alone, and loses the oldest outputs when it is 1,000 behind.

    Args:
        whose: the node, or what else, for messages.
    """

    __slots__ = ("_async", "_channel", "_plain", "_whose", "failures")

    def __init__(self, whose: str) -> None:
        self._whose = whose
        self._plain: list[Observer] = []
        self._async: dict[Observer, _Reader | None] = {}  # None before there is anything to read
        self._channel: ForwardingChannel | None = None
        self.failures = 0

    def __bool__(self) -> bool:
        """Whether there is anybody."""
        return bool(self._plain or self._async or self._channel)

    def add(self, observer: Observer) -> None:
        """Give it every output from now on."""
        if not _is_async(observer):
            self._plain.append(observer)
        elif observer not in self._async:
            self._async[observer] = None

    def remove(self, observer: Observer) -> None:
        """Give it nothing more; of one that is not there, nothing."""
        if observer in self._plain:
            self._plain.remove(observer)
        elif (reader := self._async.pop(observer, None)) is not None:
            self._forwarding().unsubscribe(reader.channel)
            reader.task.cancel()

    def subscribe(self, maxsize: int, overflow: Overflow) -> MemoryChannel:
        """A channel that gets every output from now on, as the body of a message."""
        return self._forwarding().subscribe(maxsize, overflow)

    def unsubscribe(self, channel: MemoryChannel) -> None:
        """Send it nothing more."""
        self._forwarding().unsubscribe(channel)

    def _forwarding(self) -> ForwardingChannel:
        if self._channel is None:
            self._channel = ForwardingChannel(name=f"outputs of {self._whose}")
        return self._channel

    def tell(self, outputs: Any) -> None:
        """Give everybody an output; nobody's failure is anybody else's."""
        for observer in list(self._plain):
            try:
                _refuse_coroutine(observer(outputs))
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:
                self._failed(observer, error)
        for observer, reader in list(self._async.items()):
            if reader is None:
                self._async[observer] = self._reading(observer)
        if self._channel is not None:
            self._channel.forward(Message(outputs, self._whose))

    def _reading(self, observer: Observer) -> _Reader:
        channel = self.subscribe(1_000, "drop_oldest")
        task = asyncio.create_task(self._observe(observer, channel), name=f"observer of {self._whose}")
        return _Reader(channel, task)

    async def _observe(self, observer: Callable[[Any], Awaitable[Any]], channel: MemoryChannel) -> None:
        while True:
            try:
                message = await channel.receive()
            except ChannelClosed:
                return
            try:
                await observer(message.body)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt | SystemExit) or being_cancelled():
                    raise
                self._failed(observer, error)

    def _failed(self, observer: Observer, error: BaseException) -> None:
        self.failures += 1
        what = getattr(observer, "__qualname__", observer)
        log.error("observer %s of %s failed", what, self._whose, exc_info=error)

    async def close(self, within: float) -> None:
        """Let async observers finish what they have, for these seconds at most; channels of others are closed."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()
        tasks = [reader.task for reader in self._async.values() if reader is not None]
        self._async = dict.fromkeys(self._async)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within)
            for task in late:
                task.cancel()
            if late:
                _, late = await asyncio.wait(late, timeout=within)
            for task in late:
                log.error("%s does not let its cancelling through, and is not waited for", task.get_name())


def _refuse_coroutine(answer: Any) -> None:
    if inspect.iscoroutine(answer):
        answer.close()
        raise TypeError("it gave a coroutine, which nobody awaits: add the async function itself")


def _is_async(observer: Observer) -> bool:
    return inspect.iscoroutinefunction(observer) or inspect.iscoroutinefunction(type(observer).__call__)
