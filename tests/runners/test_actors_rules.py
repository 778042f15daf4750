"""Actors by their rules (semantics 9): a mailbox each, one message at a time, one bad message stops nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nodeloom import (
    Context,
    Engine,
    Graph,
    Mailbox,
    Node,
    Params,
    Retry,
    Supervision,
    Timeout,
    actors,
    node,
)
from nodeloom.channels import MemoryChannel, Message
from nodeloom.errors import (
    ActorStopped,
    AskTimeout,
    ChannelFull,
    MessageDropped,
    ParamsError,
    UnknownActor,
)
from nodeloom.testing import run_virtual


class Boom(Exception):
    """What a message fails with."""


@node
async def work(inputs: dict[str, Any]) -> dict[str, Any]:
    """Do as the message says."""
    if inputs.get("fails"):
        raise Boom(str(inputs.get("n")))
    return {"n": inputs.get("n"), "done": True}


@node
async def after(inputs: dict[str, Any]) -> dict[str, Any]:
    """Come after `work`."""
    return {"after": inputs.get("n")}


class Gate:
    """A node's work that waits until the test lets it go."""

    def __init__(self) -> None:
        self.entered: list[Any] = []
        self.done: list[Any] = []
        self.inside = asyncio.Semaphore(0)
        self.open = asyncio.Event()
        self.most = self.now = 0

    def node(self, id: str = "gate", **settings: Any) -> Node:
        async def gate(inputs: dict[str, Any]) -> dict[str, Any]:
            self.entered.append(inputs.get("n"))
            self.now += 1
            self.most = max(self.most, self.now)
            self.inside.release()
            try:
                await self.open.wait()
            finally:
                self.now -= 1
            self.done.append(inputs.get("n"))
            return {"n": inputs.get("n")}

        return node(id=id, **settings)(gate)


# --- 9.1


async def test_an_actor_handles_one_message_at_a_time() -> None:
    """9.1: however many have come."""
    gate = Gate()
    async with actors(gate.node()) as system:
        for n in range(5):
            await system.tell("gate", {"n": n})
        await gate.inside.acquire()
        assert gate.entered == [0]
        assert system["gate"].stats().depth == 4
        gate.open.set()
    assert gate.most == 1
    assert gate.done == [0, 1, 2, 3, 4]


async def test_actors_work_at_the_same_time_as_one_another() -> None:
    """9.1: one at a time is of one actor."""
    gate = Gate()
    async with actors([gate.node("left"), gate.node("right")]) as system:
        await system.tell("left", {"n": 0})
        await system.tell("right", {"n": 1})
        await gate.inside.acquire()
        await gate.inside.acquire()
        assert gate.most == 2
        gate.open.set()


async def test_what_a_sender_does_to_its_mapping_later_the_actor_does_not_see() -> None:
    """9.1: messages are immutable."""
    gate = Gate()
    seen = []

    @node
    async def look(inputs: dict[str, Any]) -> None:
        seen.append(dict(inputs))

    async with actors([gate.node(), look]) as system:
        await system.pause("look")
        said = {"n": 1}
        await system.tell("look", said)
        said["n"] = 2
        await system.resume("look")
        await system.drain()
    assert seen == [{"n": 1}]


async def test_an_actor_that_changes_what_it_got_changes_nothing_for_its_sibling() -> None:
    """9.1, 4.8: a message that goes to two is read by two."""
    seen = []

    @node
    async def begin(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"items": [1]}

    @node
    async def spoil(inputs: dict[str, Any]) -> dict[str, Any]:
        inputs["items"].append(666)
        return {}

    @node
    async def read(inputs: dict[str, Any]) -> dict[str, Any]:
        seen.append(list(inputs["items"]))
        return {}

    begin >> [spoil, read]
    async with Graph(begin).actors() as system:
        await system.pause("read")
        await system.tell("begin")
        await asyncio.wait_for(_until(lambda: system["spoil"].stats().processed == 1), 5)
        await system.resume("read")
        await system.drain()
    assert seen == [[1]]


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came")


async def test_a_nodes_retries_hooks_and_context_are_those_of_a_graph() -> None:
    """9.1: the same policies, hooks, memory and context."""
    told: list[Any] = []

    class Flaky(Node):
        """Fails twice."""

        class Params(Params):
            """What it is made with."""

            times: int = 2

        async def on_start(self, ctx: Context) -> None:
            told.append("start")

        async def work(self, inputs: dict[str, Any], ctx: Context, params: Params) -> dict[str, Any]:
            told.append(("work", ctx.attempt, ctx.node_id))
            if ctx.attempt <= params.times:
                raise Boom
            return {"attempt": ctx.attempt, "run": ctx.run_id}

        async def on_finish(self, result: Any) -> None:
            told.append("finish")

        async def on_stop(self) -> None:
            told.append("stop")

    async with Engine() as engine:
        system = engine.actors(Graph(Flaky(id="flaky", policies=[Retry(3, wait=0.0, jitter=False)])))
        assert (await system.ask("flaky", {}))["attempt"] == 3
        await system.stop()
    assert told == [
        "start",
        ("work", 1, "flaky"),
        ("work", 2, "flaky"),
        ("work", 3, "flaky"),
        "finish",
        "stop",
    ]


async def test_memory_is_kept_from_message_to_message_of_one_system_and_is_not_the_next_ones() -> None:
    """9.1, 4.1: `memory=True` lives as long as the system of actors."""

    @node(memory=True)
    async def count(ctx: Context) -> dict[str, Any]:
        ctx.memory["n"] = ctx.memory.get("n", 0) + 1
        return {"n": ctx.memory["n"]}

    graph = Graph(count)
    async with graph.actors() as one, graph.actors() as other:
        assert [(await one.ask("count"))["n"] for _ in range(3)] == [1, 2, 3]
        assert (await other.ask("count"))["n"] == 1
        one["count"].reset_memory()
        assert (await one.ask("count"))["n"] == 1
    async with graph.actors() as third:
        assert (await third.ask("count"))["n"] == 1


async def test_a_failed_message_leaves_no_trace_in_memory() -> None:
    """9.1, 4.7: also where nobody tries again."""

    @node(memory=True)
    async def count(inputs: dict[str, Any], ctx: Context) -> dict[str, Any]:
        ctx.memory["n"] = ctx.memory.get("n", 0) + 1
        ctx.memory.setdefault("list", []).append(1)
        if inputs.get("fails"):
            raise Boom
        return {"n": ctx.memory["n"], "list": len(ctx.memory["list"])}

    async with actors(count) as system:
        assert await system.ask("count") == {"n": 1, "list": 1}
        with pytest.raises(Boom):
            await system.ask("count", {"fails": True})
        assert await system.ask("count") == {"n": 2, "list": 2}


def test_a_timeout_of_the_node_fails_the_message_and_not_the_actor() -> None:
    """9.1, 5.4: the policy is the graph's."""

    @node(policies=[Timeout(1.0)])
    async def slow(inputs: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(inputs["seconds"])
        return {"ok": True}

    async def main() -> None:
        async with actors(slow) as system:
            with pytest.raises(TimeoutError):
                await system.ask("slow", {"seconds": 5})
            assert await system.ask("slow", {"seconds": 0.5}) == {"ok": True}
            assert [letter.error.type for letter in system.dead_letters] == ["StepTimeout"]

    run_virtual(main())


# --- 9.2


async def test_a_mailbox_holds_1000_messages_where_nobody_says() -> None:
    """9.2: bounded (1,000), and the next sender waits."""
    gate = Gate()
    async with actors(gate.node()) as system:
        await system.tell("gate", {"n": -1})
        await gate.inside.acquire()
        for n in range(1000):
            await asyncio.wait_for(system.tell("gate", {"n": n}), 1)
        one_more = asyncio.ensure_future(system.tell("gate", {"n": 1000}))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not one_more.done()
        gate.open.set()
        assert (await one_more).accepted
    assert gate.done == [-1, *range(1001)]


@pytest.mark.parametrize(
    ("overflow", "kept"), [("drop_oldest", [0, 3, 4]), ("drop_newest", [0, 1, 2])], ids=lambda each: str(each)
)
async def test_a_sender_is_told_what_an_overflow_dropped(overflow: Any, kept: list[int]) -> None:
    """9.2: `send` tells the truth about what happened."""
    gate = Gate()
    async with actors(gate.node(), mailbox=Mailbox(2, overflow)) as system:
        await system.tell("gate", {"n": 0})
        await gate.inside.acquire()
        sents = [await system.tell("gate", {"n": n}) for n in range(1, 5)]
        gate.open.set()
        if overflow == "drop_oldest":
            assert [sent.accepted for sent in sents] == [True] * 4
        else:
            assert [sent.accepted for sent in sents] == [True, True, False, False]
        assert [len(sent.dropped) for sent in sents] == [0, 0, 1, 1]
        dropped = [sent.dropped[0] for sent in sents[2:]]
        assert [message.body["n"] for message in dropped] == ([1, 2] if overflow == "drop_oldest" else [3, 4])
        await system.drain()
        assert system["gate"].stats().dropped == 2
    assert gate.done == kept


async def test_a_mailbox_that_refuses_raises_and_has_not_taken_the_message() -> None:
    """9.2: `reject`."""
    gate = Gate()
    async with actors(gate.node(mailbox=Mailbox(1, "reject"))) as system:
        await system.tell("gate", {"n": 0})
        await gate.inside.acquire()
        await system.tell("gate", {"n": 1})
        with pytest.raises(ChannelFull, match="gate"):
            await system.tell("gate", {"n": 2})
        gate.open.set()
    assert gate.done == [0, 1]
    assert not system.dead_letters


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
async def test_who_asked_with_a_message_that_was_dropped_is_told_so(overflow: Any) -> None:
    """9.2, 9.3: nobody waits for a reply that cannot come."""
    gate = Gate()
    async with actors(gate.node(), mailbox=Mailbox(1, overflow)) as system:
        await system.tell("gate", {"n": 0})
        await gate.inside.acquire()
        first = asyncio.ensure_future(system.ask("gate", {"n": 1}))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(system.ask("gate", {"n": 2}))
        loser, winner = (first, second) if overflow == "drop_oldest" else (second, first)
        with pytest.raises(MessageDropped, match="gate"):
            await asyncio.wait_for(loser, 5)
        gate.open.set()
        assert (await winner)["n"] in (1, 2)


async def test_messages_with_a_higher_priority_are_handled_first_and_those_of_one_priority_in_order() -> None:
    """9.2: control ahead of data, and FIFO otherwise."""
    gate = Gate()
    async with actors(gate.node()) as system:
        await system.tell("gate", {"n": "first"})
        await gate.inside.acquire()
        for n in range(3):
            await system.tell("gate", {"n": n})
            await system.tell("gate", {"n": f"high {n}"}, priority=5)
            await system.tell("gate", {"n": f"low {n}"}, priority=-1)
        gate.open.set()
    assert gate.done == ["first", "high 0", "high 1", "high 2", 0, 1, 2, "low 0", "low 1", "low 2"]


async def test_a_message_with_a_priority_gets_room_before_data_that_waits_for_it() -> None:
    """9.2: control signals do not queue behind data, also where the mailbox is full."""
    gate = Gate()
    async with actors(gate.node(), mailbox=Mailbox(1)) as system:
        await system.tell("gate", {"n": 0})
        await gate.inside.acquire()
        await system.tell("gate", {"n": 1})
        waiting = [asyncio.ensure_future(system.tell("gate", {"n": n})) for n in (2, 3, 4)]
        await asyncio.sleep(0)
        urgent = asyncio.ensure_future(system.tell("gate", {"n": "urgent"}, priority=9))
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(urgent, *waiting)
    assert gate.done.index("urgent") <= 2
    assert [n for n in gate.done if n != "urgent"] == [0, 1, 2, 3, 4]


async def test_pausing_and_stopping_do_not_queue_behind_data() -> None:
    """9.2: control signals go around a full mailbox."""
    gate = Gate()
    async with actors(gate.node(), mailbox=Mailbox(3)) as system:
        for n in range(4):
            await system.tell("gate", {"n": n})
        await gate.inside.acquire()
        pausing = asyncio.ensure_future(system.pause("gate"))
        await asyncio.sleep(0)
        assert not pausing.done()
        gate.open.set()
        assert await asyncio.wait_for(pausing, 5) == ()
        assert gate.done == [0]
        assert system["gate"].stats().state == "paused"
        left = await asyncio.wait_for(system.stop(), 5)
    assert gate.done == [0]
    assert [each.inputs["n"] for each in left] == [1, 2, 3]


async def test_the_messages_of_each_sender_keep_their_order_though_they_wait_for_room() -> None:
    """9.2: FIFO per sender."""
    got = []

    @node
    async def take(inputs: dict[str, Any]) -> None:
        got.append((inputs["who"], inputs["n"]))
        await asyncio.sleep(0)

    async with actors(take, mailbox=Mailbox(2)) as system:

        async def send(who: int) -> None:
            for n in range(20):
                await system.tell("take", {"who": who, "n": n})

        await asyncio.gather(*(send(who) for who in range(5)))
        await system.drain()
    for who in range(5):
        assert [n for sender, n in got if sender == who] == list(range(20))


async def test_an_actor_reads_several_channels_beside_its_mailbox() -> None:
    """9.2: each message once."""
    got = []

    @node
    async def take(inputs: dict[str, Any]) -> None:
        got.append(inputs["n"])

    one, two = MemoryChannel(3), MemoryChannel(3)
    async with actors(take) as system:
        system["take"].read(one)
        system["take"].read(two)
        for n in range(10):
            await one.send(Message({"n": n}))
            await two.send(Message({"n": 100 + n}))
            await system.tell("take", {"n": 200 + n})
        await one.close()
        await two.close()
        await one.drain()
        await two.drain()
        await asyncio.wait_for(_until(lambda: len(got) == 30), 5)
    assert sorted(got) == [*range(10), *range(100, 110), *range(200, 210)]
    assert [n for n in got if n < 100] == list(range(10))


# --- 9.3


async def test_ask_gives_the_error_of_the_step_itself() -> None:
    """9.3: reply or error."""
    async with actors(work) as system:
        with pytest.raises(Boom, match="7"):
            await system.ask("work", {"n": 7, "fails": True})


def test_ask_waits_no_longer_than_its_timeout_and_what_was_asked_goes_on() -> None:
    """9.3: with a timeout."""
    done = []

    @node
    async def slow(inputs: dict[str, Any]) -> None:
        await asyncio.sleep(10)
        done.append(inputs["n"])

    async def main() -> None:
        async with actors(slow) as system:
            with pytest.raises(AskTimeout):
                await system.ask("slow", {"n": 1}, timeout=1.0)
            assert done == []
            await system.drain()
            assert done == [1]

    run_virtual(main())


def test_the_timeout_of_ask_counts_while_there_is_no_room() -> None:
    """9.3: a full mailbox is no way to wait for ever."""

    @node
    async def slow(inputs: dict[str, Any]) -> None:
        await asyncio.sleep(10)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with actors(slow, mailbox=Mailbox(1)) as system:
            await system.tell("slow")
            await asyncio.sleep(0)
            await system.tell("slow")
            then = loop.time()
            with pytest.raises(AskTimeout):
                await system.ask("slow", {"n": 1}, timeout=1.0)
            assert loop.time() - then == pytest.approx(1.0)

    run_virtual(main())


async def test_a_message_counts_as_done_when_it_was_processed() -> None:
    """9.3: an ack means processed, not received."""
    gate = Gate()
    async with actors(gate.node()) as system:
        await system.tell("gate", {"n": 0})
        await gate.inside.acquire()
        assert system["gate"].stats().processed == 0
        draining = asyncio.ensure_future(system.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        gate.open.set()
        assert await draining == ()
        assert system["gate"].stats().processed == 1


async def test_a_message_for_nobody_says_who_there_is() -> None:
    """9.3: bad input gets one clear paragraph."""
    async with actors([work, after]) as system:
        with pytest.raises(UnknownActor) as caught:
            await system.tell("wrok", {})
        assert "wrok" in str(caught.value)
        assert "work" in str(caught.value).replace("wrok", "")
        with pytest.raises(ParamsError):
            await system.tell("work", 5)
        with pytest.raises(UnknownActor):
            system["nobody"]


# --- 9.4


async def test_one_bad_message_stops_neither_its_actor_nor_its_peers() -> None:
    """9.4: it goes to the dead letters with its error, and the rest is done."""
    async with actors([work.copy(), after.copy()]) as system:
        for n in range(10):
            await system.tell("work", {"n": n, "fails": n == 3})
            await system.tell("after", {"n": n})
        await system.drain()
        stats = system.stats()
        assert (stats["work"].processed, stats["work"].failed, stats["work"].restarts) == (10, 1, 0)
        assert (stats["after"].processed, stats["after"].failed) == (10, 0)
        [letter] = system.dead_letters
        assert letter.node == "work"
        assert letter.inputs == {"n": 3, "fails": True}
        assert letter.run_inputs == {"n": 3, "fails": True}
        assert (letter.error.type, letter.error.message, letter.attempts) == ("Boom", "3", 1)


@pytest.mark.parametrize("directive", ["resume", "restart"])
def test_a_poison_message_in_1000_is_one_dead_letter_and_no_storm_of_restarts(directive: Any) -> None:
    """9.4: 999 processed, one dead letter."""
    got = []
    starts = []

    class Take(Node):
        """Counts its starts."""

        async def on_start(self, ctx: Context) -> None:
            starts.append(1)

        async def work(self, inputs: dict[str, Any]) -> None:
            if inputs["n"] == 500:
                raise Boom
            got.append(inputs["n"])

    async def main() -> None:
        async with actors(Take(id="take"), supervision=Supervision(directive)) as system:
            for n in range(1000):
                await system.tell("take", {"n": n})
            await system.drain()
            assert len(system.dead_letters) == 1
            assert system.stats()["take"].restarts == (directive == "restart")
        assert sorted(got) == [n for n in range(1000) if n != 500]
        assert len(starts) == 1 + (directive == "restart")

    run_virtual(main())


async def test_attempts_of_a_message_come_before_its_dead_letter() -> None:
    """9.4: after its retries."""
    tried = []

    @node(policies=[Retry(3, wait=0.0, jitter=False)])
    async def never(ctx: Context) -> None:
        tried.append(ctx.attempt)
        raise Boom

    async with actors(never) as system:
        await system.tell("never")
        await system.drain()
        assert tried == [1, 2, 3]
        assert system.dead_letters[0].attempts == 3


def test_a_restart_forgets_memory_and_starts_the_node_anew() -> None:
    """9.4: `restart`, with backoff."""
    told = []
    loop_times = []

    class Take(Node):
        """Remembers."""

        memory = True

        async def on_start(self, ctx: Context) -> None:
            told.append("start")

        async def on_stop(self) -> None:
            told.append("stop")

        async def work(self, inputs: dict[str, Any], ctx: Context) -> dict[str, Any]:
            loop_times.append(asyncio.get_running_loop().time())
            ctx.memory["n"] = ctx.memory.get("n", 0) + 1
            if inputs.get("fails"):
                raise Boom
            return {"n": ctx.memory["n"]}

    async def main() -> None:
        async with actors(Take(id="take"), supervision=Supervision("restart", backoff=2.0)) as system:
            assert await system.ask("take", {}) == {"n": 1}
            assert await system.ask("take", {}) == {"n": 2}
            await system.tell("take", {"fails": True})
            assert await system.ask("take", {}) == {"n": 1}
            assert told == ["start", "stop", "start"]
            assert loop_times[-1] - loop_times[-2] == pytest.approx(2.0)

    run_virtual(main())


def test_too_many_restarts_within_the_window_stop_the_actor_and_few_over_a_long_time_do_not() -> None:
    """9.4: a limit within a window."""

    async def main() -> None:
        rule = Supervision("restart", max_restarts=2, within=60.0, backoff=1.0)
        async with actors(work.copy(), supervision=rule) as system:
            for _ in range(6):
                with pytest.raises(Boom):
                    await system.ask("work", {"fails": True})
                await asyncio.sleep(40)
            assert system.stats()["work"].state == "idle"
            await asyncio.sleep(60)
            for _ in range(3):
                with pytest.raises(Boom):
                    await system.ask("work", {"fails": True})
            with pytest.raises(ActorStopped, match="work"):
                await asyncio.wait_for(system.ask("work", {}), 100)
            assert system.stats()["work"].state == "stopped"

    run_virtual(main())


async def test_an_actor_that_stopped_leaves_its_messages_to_the_dead_letters_and_its_peers_alone() -> None:
    """9.4: `stop`; nothing is lost without a word."""
    gate = Gate()
    async with actors([gate.node(), work.copy()], supervision={"work": Supervision("stop")}) as system:
        await system.pause("work")
        await system.tell("work", {"fails": True})
        told = [await system.tell("work", {"n": n}) for n in range(3)]
        asked = asyncio.ensure_future(system.ask("work", {"n": 9}))
        await asyncio.sleep(0)
        await system.resume("work")
        with pytest.raises(ActorStopped):
            await asyncio.wait_for(asked, 5)
        gate.open.set()
        assert await system.ask("gate", {"n": 1}) == {"n": 1}
        assert all(sent.accepted for sent in told)
        assert len(system.dead_letters) == 5
        with pytest.raises(ActorStopped):
            await system.tell("work", {})


async def test_a_dead_letter_is_sent_again_with_its_state_and_is_none_any_more() -> None:
    """9.4: a way to look and to send again."""
    broken = [True]
    got = []

    @node
    async def first(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"a": 1}

    @node
    async def second(inputs: dict[str, Any], state: Any) -> dict[str, Any]:
        if broken[0]:
            raise Boom
        got.append(dict(state))
        return {"b": 2}

    first >> second
    async with Graph(first).actors() as system:
        await system.tell("first", {"x": 0})
        await system.drain()
        assert len(system.dead_letters) == 1
        assert await system.dead_letters.send_again() == 1
        await system.drain()
        assert (len(system.dead_letters), system.dead_letters.total) == (1, 2)
        broken[0] = False
        assert await system.dead_letters.send_again(system.dead_letters[0]) == 1
        await system.drain()
        assert len(system.dead_letters) == 0
    assert got == [{"x": 0, "a": 1}]
