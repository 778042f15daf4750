"""What every channel does: one suite for all of them (semantics 9.2, 9.7)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeloom.channels import ForwardingChannel, MemoryChannel, Message, Several
from nodeloom.errors import ChannelClosed
from nodeloom.testing import run_virtual


class Forwarded:
    """A forwarding channel with one subscriber, both ends at once."""

    def __init__(self, maxsize: int = 1_000, overflow: Any = "drop_oldest") -> None:
        self.way_in = ForwardingChannel()
        self.way_out = self.way_in.subscribe(maxsize, overflow)
        self.send, self.close, self.drain = self.way_in.send, self.way_in.close, self.way_in.drain
        self.receive = self.way_out.receive

    @property
    def depth(self) -> int:
        return self.way_in.depth


class Read:
    """A channel read through `Several`."""

    def __init__(self, maxsize: int = 1_000, overflow: Any = "block") -> None:
        self.way_in, self.beside = MemoryChannel(maxsize, overflow), MemoryChannel()
        self.send, self.drain = self.way_in.send, self.way_in.drain
        self.receive = Several([self.beside, self.way_in]).receive

    async def close(self) -> None:
        await self.beside.close()
        await self.way_in.close()

    @property
    def depth(self) -> int:
        return self.way_in.depth


KINDS: list[Callable[..., Any]] = [MemoryChannel, Forwarded, Read]

pytestmark = pytest.mark.parametrize("kind", KINDS)


async def receive_all(channel: Any) -> list[Any]:
    return [(await channel.receive()).body for _ in range(channel.depth)]


async def test_messages_come_out_in_the_order_in_which_they_were_sent(kind: Any) -> None:
    channel = kind()
    for number in range(5):
        assert (await channel.send(Message(number))).accepted
    assert channel.depth == 5
    assert await receive_all(channel) == [0, 1, 2, 3, 4]
    assert channel.depth == 0


async def test_a_receiver_waits_for_a_message(kind: Any) -> None:
    channel = kind()
    waiting = [asyncio.create_task(channel.receive()) for _ in range(2)]
    await asyncio.sleep(0)
    for number in range(2):
        await channel.send(Message(number))
    assert sorted([(await each).body for each in waiting]) == [0, 1]


async def test_a_higher_priority_is_received_first(kind: Any) -> None:
    channel = kind()
    for body, priority in (("a", 0), ("b", -1), ("c", 5), ("d", 0), ("e", 5)):
        await channel.send(Message(body, priority=priority))
    assert await receive_all(channel) == ["c", "e", "a", "d", "b"]


async def test_a_full_channel_drops_its_oldest(kind: Any) -> None:
    channel = kind(2, "drop_oldest")
    sent = [await channel.send(Message(number)) for number in range(4)]
    assert [[message.body for message in each.dropped] for each in sent] == [[], [], [0], [1]]
    assert all(each.accepted for each in sent)
    assert await receive_all(channel) == [2, 3]


async def test_a_full_channel_drops_the_newest(kind: Any) -> None:
    channel = kind(2, "drop_newest")
    sent = [await channel.send(Message(number)) for number in range(3)]
    assert [each.accepted for each in sent] == [True, True, False]
    assert [message.body for message in sent[2].dropped] == [2]
    assert await receive_all(channel) == [0, 1]


async def test_the_oldest_that_is_dropped_is_of_the_lowest_priority(kind: Any) -> None:
    channel = kind(2, "drop_oldest")
    await channel.send(Message("control", priority=9))
    await channel.send(Message("data"))
    assert (await channel.send(Message("more"))).dropped[0].body == "data"
    assert await receive_all(channel) == ["control", "more"]


async def test_a_closed_channel_gives_what_is_inside_and_then_says_that_it_is_closed(kind: Any) -> None:
    channel = kind()
    await channel.send(Message(1))
    await channel.close()
    with pytest.raises(ChannelClosed):
        await channel.send(Message(2))
    assert (await channel.receive()).body == 1
    with pytest.raises(ChannelClosed):
        await channel.receive()


async def test_who_waits_for_a_message_is_told_that_none_will_come(kind: Any) -> None:
    channel = kind()
    waiting = asyncio.create_task(channel.receive())
    await asyncio.sleep(0)
    await channel.close()
    with pytest.raises(ChannelClosed):
        await waiting


async def test_drain_waits_until_everything_was_received(kind: Any) -> None:
    channel = kind()
    for number in range(3):
        await channel.send(Message(number))
    drained = asyncio.create_task(channel.drain())
    for _ in range(3):
        await asyncio.sleep(0)
        assert not drained.done()
        await channel.receive()
    await drained
    await channel.drain()


async def test_a_receiver_that_is_cancelled_takes_nothing_with_it(kind: Any) -> None:
    channel = kind()
    first, second = (asyncio.create_task(channel.receive()) for _ in range(2))
    await asyncio.sleep(0)
    await channel.send(Message(1))
    first.cancel()
    assert (await second).body == 1
    with pytest.raises(asyncio.CancelledError):
        await first
    alone = asyncio.create_task(channel.receive())
    await asyncio.sleep(0)
    await channel.send(Message(2))
    alone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await alone
    assert (await channel.receive()).body == 2


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.sampled_from(["send", "receive", "cancel", "turn"]), max_size=40))
def test_whatever_is_cancelled_each_message_is_received_once_in_its_order(kind: Any, steps: list[str]) -> None:
    async def main() -> None:
        channel, sent = kind(1_000), 0
        receivers: list[asyncio.Task[Message]] = []
        for step in steps:
            if step == "send":
                await channel.send(Message(sent))
                sent += 1
            elif step == "receive":
                receivers.append(asyncio.create_task(channel.receive()))
            elif step == "cancel" and receivers:
                receivers[len(receivers) // 2].cancel()
            else:
                await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        for each in receivers:
            each.cancel()
        ended = await asyncio.gather(*receivers, return_exceptions=True)
        got = [each.body for each in ended if isinstance(each, Message)]
        rest = await receive_all(channel)
        assert sorted(got + rest) == list(range(sent))
        assert rest == sorted(rest)

    run_virtual(main())
