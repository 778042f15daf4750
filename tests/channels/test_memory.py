"""A channel in memory: room that is waited for, and what is said of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeloom.channels import ForwardingChannel, MemoryChannel, Message, Several
from nodeloom.errors import ChannelClosed, ChannelFull, DefinitionError
from nodeloom.testing import run_virtual


async def full(size: int = 1, **how: Any) -> MemoryChannel:
    channel = MemoryChannel(size, **how)
    for number in range(size):
        await channel.send(Message(number))
    return channel


async def test_a_sender_waits_for_room_and_has_it_in_the_order_of_asking() -> None:
    channel = await full()
    waiting = [asyncio.create_task(channel.send(Message(body))) for body in "abc"]
    await asyncio.sleep(0)
    assert not any(each.done() for each in waiting)
    got = [(await channel.receive()).body for _ in range(4)]
    assert got == [0, "a", "b", "c"]
    assert all([(await each).accepted for each in waiting])


async def test_a_full_channel_refuses_if_it_is_to() -> None:
    channel = await full(2, overflow="reject", name="mailbox of fetch")
    with pytest.raises(ChannelFull, match="mailbox of fetch is full: it holds 2 messages"):
        await channel.send(Message("one more"))
    assert (channel.depth, channel.dropped, channel.sent) == (2, 0, 2)


async def test_a_sender_that_is_cancelled_has_sent_nothing() -> None:
    channel = await full()
    first, second = (asyncio.create_task(channel.send(Message(body))) for body in "ab")
    await asyncio.sleep(0)
    await channel.receive()  # there is room for the first one now
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert [(await channel.receive()).body, channel.depth] == ["b", 0]
    assert (channel.sent, channel.received) == (2, 2)


async def test_who_waits_for_room_is_refused_when_it_closes() -> None:
    channel = await full(name="mailbox")
    waiting = asyncio.create_task(channel.send(Message("late")))
    await asyncio.sleep(0)
    await channel.close()
    with pytest.raises(ChannelClosed, match="mailbox was closed before there was room"):
        await waiting
    assert (await channel.receive()).body == 0
    with pytest.raises(ChannelClosed, match="everything in it was received"):
        await channel.receive()


async def test_drain_waits_for_those_who_wait_for_room_as_well() -> None:
    channel = await full()
    late = asyncio.create_task(channel.send(Message("late")))
    await asyncio.sleep(0)
    drained = asyncio.create_task(channel.drain())
    await channel.receive()
    await asyncio.sleep(0)
    assert not drained.done()
    await channel.receive()
    await asyncio.gather(late, drained)


@pytest.mark.parametrize("how", [{"maxsize": 0}, {"maxsize": True}, {"maxsize": 1.5}, {"overflow": "wait"}])
def test_settings_that_cannot_work_are_refused(how: Any) -> None:
    with pytest.raises(DefinitionError):
        MemoryChannel(**how)


async def test_several_channels_get_their_turn_each() -> None:
    busy, calm = MemoryChannel(), MemoryChannel()
    for number in range(3):
        await busy.send(Message(f"busy {number}"))
    await calm.send(Message("calm"))
    several = Several([busy, calm])
    assert [(await several.receive()).body for _ in range(4)] == ["busy 0", "calm", "busy 1", "busy 2"]
    waiting = asyncio.create_task(several.receive())
    await asyncio.sleep(0)
    await calm.send(Message("woken"))
    assert (await waiting).body == "woken"
    await busy.close()
    await calm.close()
    with pytest.raises(ChannelClosed, match="all channels"):
        await several.receive()


def test_several_channels_are_one_at_least() -> None:
    with pytest.raises(DefinitionError, match="there is none to read"):
        Several([])


async def test_a_subscriber_that_stops_reading_delays_nobody() -> None:
    """9.7."""
    news = ForwardingChannel(name="news")
    slow, quick = news.subscribe(2), news.subscribe(2, "drop_newest")
    got: list[Any] = []
    for number in range(1_000):
        await news.send(Message(number))
        got.append((await quick.receive()).body)
    assert got == list(range(1_000))
    assert ([(await slow.receive()).body for _ in range(2)], slow.dropped) == ([998, 999], 998)


async def test_a_forwarding_channel_says_what_became_of_a_message() -> None:
    news = ForwardingChannel(name="news")
    assert (await news.send(Message("nobody"))).accepted
    refusing, dropping = news.subscribe(1, "reject"), news.subscribe(1)
    assert (await news.send(Message(1))).dropped == ()
    sent = await news.send(Message(2))
    assert (sent.accepted, [message.body for message in sent.dropped]) == (True, [2, 1])
    news.unsubscribe(dropping)
    sent = await news.send(Message(3))
    assert (sent.accepted, [message.body for message in sent.dropped]) == (False, [3])
    assert (refusing.depth, news.depth) == (1, 1)


async def test_a_subscriber_cannot_block_and_none_comes_after_the_end() -> None:
    news = ForwardingChannel(name="news")
    with pytest.raises(DefinitionError, match="cannot block"):
        news.subscribe(overflow="block")
    await news.close()
    with pytest.raises(ChannelClosed):
        news.subscribe()


@settings(max_examples=100, deadline=None)
@given(
    size=st.integers(1, 3),
    steps=st.lists(st.sampled_from(["send", "receive", "cancel a sender", "cancel a receiver", "turn"]), max_size=50),
)
def test_with_senders_and_receivers_that_leave_nothing_is_lost_or_doubled(size: int, steps: list[str]) -> None:
    async def main() -> None:
        channel = MemoryChannel(size)
        senders: list[asyncio.Task[Any]] = []
        receivers: list[asyncio.Task[Message]] = []
        for number, step in enumerate(steps):
            if step == "send":
                senders.append(asyncio.create_task(channel.send(Message(number))))
                senders[-1].set_name(str(number))
            elif step == "receive":
                receivers.append(asyncio.create_task(channel.receive()))
            elif step == "cancel a sender" and senders:
                senders[number % len(senders)].cancel()
            elif step == "cancel a receiver" and receivers:
                receivers[number % len(receivers)].cancel()
            else:
                await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        left = sum(step == "cancel a receiver" for step in steps)
        assert channel.depth <= size + left  # what was given to who left is back, whether or not there is room
        for each in receivers:
            each.cancel()
        ended = await asyncio.gather(*receivers, return_exceptions=True)
        got = [each.body for each in ended if isinstance(each, Message)]
        while channel.depth:
            got.append((await channel.receive()).body)
            await asyncio.sleep(0)
        ended_sends = await asyncio.gather(*senders, return_exceptions=True)
        sent = [
            int(task.get_name())
            for task, end in zip(senders, ended_sends, strict=True)
            if not isinstance(end, BaseException)
        ]
        assert sorted(set(got)) == sorted(got)
        assert set(sent) <= set(got)

    run_virtual(main())
