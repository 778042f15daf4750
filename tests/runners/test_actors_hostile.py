"""Actors whose nodes, senders and observers mean no good (semantics 9): nothing hangs, nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable
from typing import Annotated, Any, TypeVar, cast

import pytest

from nodeloom import (
    Context,
    DefinitionError,
    Engine,
    Graph,
    GraphError,
    Mailbox,
    Node,
    NodeloomError,
    Quorum,
    Route,
    State,
    Supervision,
    actors,
    node,
)
from nodeloom.channels import MemoryChannel, Message
from nodeloom.errors import ActorStopped, MailboxDeadlock

T = TypeVar("T")


class Boom(Exception):
    """What a message fails with."""


class Evil(BaseException):
    """No Exception."""


async def soon(what: Awaitable[T]) -> T:
    """What must not hang."""
    return await asyncio.wait_for(what, 5)


async def turns(count: int = 10) -> None:
    """Let others go on."""
    for _ in range(count):
        await asyncio.sleep(0)


@node
async def work(inputs: dict[str, Any]) -> dict[str, Any]:
    """Do as the message says."""
    if inputs.get("fails"):
        raise Boom(str(inputs.get("n")))
    return {"n": inputs.get("n")}


def blocked(id: str = "blocked", **settings: Any) -> tuple[Node, asyncio.Event, asyncio.Semaphore]:
    """A node that waits to be let go, and tells that it waits."""
    let_go, inside = asyncio.Event(), asyncio.Semaphore(0)

    async def wait(inputs: dict[str, Any]) -> dict[str, Any]:
        inside.release()
        await let_go.wait()
        if inputs.get("fails"):
            raise Boom
        return {"n": inputs.get("n")}

    return node(id=id, **settings)(wait), let_go, inside


# --- senders who are cancelled


@pytest.mark.parametrize("priority", [0, 5])
async def test_a_sender_cancelled_just_when_its_message_got_room_harms_no_channel(priority: int) -> None:
    """9.2: it is not sent, and the channel goes on."""
    channel = MemoryChannel(1)
    await channel.send(Message(1))
    sender = asyncio.ensure_future(channel.send(Message(2, priority=priority)))
    await turns()
    assert (await channel.receive()).body == 1
    sender.cancel()
    await turns()
    assert channel.depth == 0
    assert channel.take() is None
    await channel.send(Message(3))
    assert (await soon(channel.receive())).body == 3


@pytest.mark.parametrize("priority", [0, 5])
async def test_a_sender_cancelled_when_its_message_was_just_taken_harms_no_channel(priority: int) -> None:
    """9.2: it is received once."""
    channel = MemoryChannel(1)
    await channel.send(Message(1))
    sender = asyncio.ensure_future(channel.send(Message(2, priority=priority)))
    await turns()
    assert (await channel.receive()).body == 1
    assert (await channel.receive()).body == 2
    sender.cancel()
    await turns()
    assert channel.take() is None
    assert channel.depth == 0


async def test_a_message_whose_sender_was_cancelled_when_it_was_taken_is_still_waited_for() -> None:
    """9.5: it is under way, so drain waits for it."""
    senders: list[asyncio.Future[Any]] = []
    inside, let_go, done = asyncio.Event(), asyncio.Event(), list[int]()

    @node(id="work")
    async def cancels(inputs: dict[str, Any]) -> None:
        if inputs["n"] == 2:  # taken in one go with the one before, so that its sender does not know yet
            senders[0].cancel()
            inside.set()
            await let_go.wait()
        done.append(inputs["n"])

    async with actors(cancels, mailbox=Mailbox(1)) as system:
        await system.pause("work")
        await system.tell("work", {"n": 0})
        await turns()
        await system.tell("work", {"n": 1})
        senders.append(asyncio.ensure_future(system.tell("work", {"n": 2})))
        await turns()
        await system.resume("work")
        await soon(inside.wait())
        await asyncio.wait(senders)
        draining = asyncio.ensure_future(system.drain())
        await turns()
        assert not draining.done()
        let_go.set()
        assert await soon(draining) == ()
        assert done == [0, 1, 2]


async def test_a_sender_cancelled_while_a_paused_actor_holds_its_message_does_not_confuse_drain() -> None:
    """9.5: counted once."""
    gate, let_go, inside = blocked()
    async with actors(gate, mailbox=Mailbox(1)) as system:
        await system.tell("blocked", {"n": 0})
        await inside.acquire()
        sender, second = (asyncio.ensure_future(system.tell("blocked", {"n": n})) for n in (1, 2))
        await turns()
        pausing = asyncio.ensure_future(system.pause("blocked"))
        await asyncio.sleep(0)
        let_go.set()
        while system["blocked"].state != "paused":
            await asyncio.sleep(0)
            if system["blocked"].state == "paused":
                second.cancel()
        await pausing
        await asyncio.wait({sender, second})
        await system.resume("blocked")
        assert await soon(system.drain()) == ()
        assert cast("Any", system).entered == 0


async def test_a_cancelled_send_to_the_start_leaves_nothing_that_is_waited_for() -> None:
    """9.5: `send` that was cancelled while there was no room."""
    gate, let_go, inside = blocked()
    async with actors(gate, mailbox=Mailbox(1)) as system:
        await system.send({"n": 0})
        await inside.acquire()
        await system.send({"n": 1})
        sender = asyncio.ensure_future(system.send({"n": 2}))
        await turns()
        sender.cancel()
        await asyncio.wait({sender})
        let_go.set()
        assert await soon(system.drain()) == ()
        assert system.stats()["blocked"].processed == 2


async def test_drain_ends_though_who_waited_for_room_is_refused_by_an_actor_that_stops() -> None:
    """9.4, 9.5."""
    gate, let_go, inside = blocked()
    async with actors(gate, mailbox=Mailbox(1), supervision=Supervision("stop")) as system:
        await system.tell("blocked", {"fails": True})
        await inside.acquire()
        await system.tell("blocked", {"n": 1})
        sender = asyncio.ensure_future(system.tell("blocked", {"n": 2}))
        await turns()
        draining = asyncio.ensure_future(system.drain())
        await turns()
        let_go.set()
        with pytest.raises(ActorStopped):
            await soon(sender)
        assert await soon(draining) == ()
        assert len(system.dead_letters) == 2


# --- what is left is told once


async def test_what_waits_for_room_at_the_next_actor_is_left_there_once() -> None:
    """9.5: what is left is returned: each message once, at the actor it was on its way to."""
    gate, _, inside = blocked()

    @node
    async def first(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"n": inputs["n"]}

    first >> gate
    system = Graph(first).actors(mailbox=Mailbox(1))
    for n in range(4):
        await system.tell("first", {"n": n})
        await turns()
    await inside.acquire()
    left = await soon(system.stop(within=0.0))
    assert sorted((each.inputs["n"], each.node, each.status) for each in left) == [
        (0, "blocked", "interrupted"),
        (1, "blocked", "waiting"),
        (2, "blocked", "waiting"),
        (3, "first", "waiting"),
    ]


async def test_what_waits_for_room_is_told_by_drain_at_where_it_goes() -> None:
    """9.5: the same while it goes on."""
    gate, let_go, inside = blocked()

    @node
    async def first(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"n": inputs["n"]}

    first >> gate
    async with Graph(first).actors(mailbox=Mailbox(1)) as system:
        for n in range(4):
            await system.tell("first", {"n": n})
            await turns()
        await inside.acquire()
        left = await soon(system.drain(within=0.001))
        let_go.set()
        assert sorted((each.inputs["n"], each.node) for each in left) == [
            (0, "blocked"),
            (1, "blocked"),
            (2, "blocked"),
            (3, "first"),
        ]
        assert await soon(system.drain()) == ()


async def test_of_a_fan_out_that_waits_for_room_every_branch_is_left() -> None:
    """9.5: also those behind the one that waits."""
    gate, _, inside = blocked()
    other, _, other_inside = blocked("other")

    @node
    async def first(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"n": inputs["n"]}

    first >> [gate, other]
    system = Graph(first).actors(mailbox=Mailbox(1))
    for n in range(3):
        await system.tell("first", {"n": n})
        await turns()
    await inside.acquire()
    await other_inside.acquire()
    left = await soon(system.stop(within=0.0))
    assert sorted((each.inputs["n"], each.node) for each in left) == [
        (0, "blocked"),
        (0, "other"),
        (1, "blocked"),
        (1, "other"),
        (2, "blocked"),
        (2, "other"),
    ]


async def test_a_message_that_died_is_not_left_too_while_its_actor_waits_to_be_restarted() -> None:
    """9.4, 9.5: accounted for once."""
    system = actors(work.copy(), supervision=Supervision("restart", backoff=20.0))
    with pytest.raises(Boom):
        await system.ask("work", {"fails": True})
    await system.tell("work", {"n": 1})
    left = await soon(system.stop(within=0.0))
    assert len(system.dead_letters) == 1
    assert [each.inputs for each in left] == [{"n": 1}]


# --- work that means no good


@pytest.mark.parametrize("kind", ["async", "thread", "inline"])
@pytest.mark.parametrize("error", [Evil, GeneratorExit, StopIteration, StopAsyncIteration, asyncio.CancelledError])
async def test_whatever_work_raises_is_one_dead_letter(error: type[BaseException], kind: str) -> None:
    """9.4: one bad message never stops an actor."""

    def raise_it(inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs.get("fails"):
            raise error
        return {"n": inputs["n"]}

    async def raise_async(inputs: dict[str, Any]) -> dict[str, Any]:
        return raise_it(inputs)

    made = node(id="work")(raise_async) if kind == "async" else node(id="work", isolation=kind)(raise_it)
    async with actors(made, grace=0.5) as system:
        with pytest.raises(BaseException):  # noqa: B017
            await soon(system.ask("work", {"fails": True}))
        await system.tell("work", {"fails": True})
        assert await soon(system.ask("work", {"n": 1})) == {"n": 1}
        assert len(system.dead_letters) == 2


@pytest.mark.parametrize("result", [5, "text", [1], object(), {1: 2}, (x for x in "ab"), Boom(), Boom])
async def test_nonsense_that_work_returns_is_one_dead_letter(result: Any) -> None:
    """9.4, 1.7."""

    @node(id="work")
    async def odd(inputs: dict[str, Any]) -> Any:
        return {"n": 1} if inputs.get("n") else result

    async with actors(odd, grace=0.5) as system:
        await system.tell("work", {})
        assert await soon(system.ask("work", {"n": 1})) == {"n": 1}
        assert [letter.error.code for letter in system.dead_letters] in (["output"], [])


async def test_work_that_swallows_its_cancelling_cannot_hold_up_a_stop_nor_begin_another_message() -> None:
    """9.5: within a deadline; what is left is returned."""
    begun = []

    @node
    async def first(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"n": inputs["n"]}

    @node
    async def stubborn(inputs: dict[str, Any]) -> dict[str, Any]:
        begun.append(inputs["n"])
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return {}

    first >> stubborn
    system = Graph(first).actors()
    for n in range(3):
        await system.tell("first", {"n": n})
    await turns()
    assert begun
    left = await soon(system.stop(within=0.01))
    assert begun == [0]
    assert [each.inputs["n"] for each in left if each.status == "waiting"] == [1, 2]


async def test_work_that_never_lets_go_is_named_and_the_stop_ends() -> None:
    """9.5: within a deadline, whatever work does."""
    over = asyncio.Event()

    @node
    async def stubborn(inputs: dict[str, Any]) -> dict[str, Any]:
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await over.wait()
        return {}

    system = actors(stubborn)
    await system.tell("stubborn", {"n": 0})
    await system.tell("stubborn", {"n": 1})
    await turns()
    stopping = asyncio.ensure_future(system.stop(within=0.01))
    try:
        left = await asyncio.wait_for(asyncio.shield(stopping), 15)
        assert [each.inputs["n"] for each in left] == [0, 1]
    finally:
        over.set()
        await stopping


async def test_an_on_stop_that_hangs_cannot_hold_up_a_stop() -> None:
    """9.5: `on_stop`, within a deadline."""
    stuck = asyncio.Event()

    class Stuck(Node):
        """Never stops."""

        async def work(self) -> None:
            pass

        async def on_stop(self) -> None:
            await stuck.wait()

    system = actors(Stuck(id="stuck"))
    await system.ask("stuck")
    stopping = asyncio.ensure_future(system.stop(within=0.01))
    try:
        assert await asyncio.wait_for(asyncio.shield(stopping), 15) == ()
    finally:
        stuck.set()
        await stopping


async def test_an_observer_that_swallows_its_cancelling_cannot_hold_up_a_stop() -> None:
    """9.5, 9.9."""
    over = asyncio.Event()

    async def stubborn(outputs: Any) -> None:
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await over.wait()

    system = actors(work.copy())
    system["work"].add_observer(stubborn)
    await system.ask("work", {})
    stopping = asyncio.ensure_future(system.stop(within=0.01))
    try:
        assert await asyncio.wait_for(asyncio.shield(stopping), 10) == ()
    finally:
        over.set()
        await stopping


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("error", [Evil, asyncio.CancelledError, Boom])
async def test_whatever_an_observer_raises_is_its_own(error: type[BaseException], kind: str) -> None:
    """9.9: recorded and isolated."""

    def plain(outputs: Any) -> None:
        raise error

    async def coroutine(outputs: Any) -> None:
        raise error

    async with actors(work.copy(), grace=0.5) as system:
        system["work"].add_observer(plain if kind == "plain" else coroutine)
        for n in range(3):
            assert await soon(system.ask("work", {"n": n})) == {"n": n}
        await turns()
        assert system["work"].observers.failures == 3
        assert not system.dead_letters


async def test_an_observer_that_is_a_plain_function_of_a_coroutine_is_no_silence() -> None:
    """9.9: it is called, or its failure recorded."""
    seen = []

    async def look(outputs: Any) -> None:
        seen.append(outputs)

    async with actors(work.copy()) as system:
        system["work"].add_observer(lambda outputs: look(outputs))
        await system.ask("work", {"n": 1})
        await turns()
        assert len(seen) + system["work"].observers.failures == 1


async def test_an_actor_that_asks_itself_is_told_or_at_least_can_be_stopped() -> None:
    """9.5, 9.8: nobody can ever answer."""
    systems: list[Any] = []

    @node
    async def narcissus(inputs: dict[str, Any]) -> dict[str, Any]:
        return dict(await systems[0].ask("narcissus", {}))

    system = actors(narcissus)
    systems.append(system)
    asking = asyncio.ensure_future(system.ask("narcissus", {}))
    await turns()
    left = await soon(system.stop(within=0.01))
    with pytest.raises(NodeloomError):
        await soon(asking)
    assert [each.status for each in left] in (["interrupted", "waiting"], [])


async def test_an_actor_that_tells_itself_into_its_full_mailbox_is_told_so() -> None:
    """9.8: a circle of one."""
    systems: list[Any] = []
    errors: list[Exception] = []

    @node
    async def echo(inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["n"]:
            for _ in range(2):
                try:
                    await systems[0].tell("echo", {"n": 0})
                except MailboxDeadlock as error:
                    errors.append(error)
        return {}

    async with actors(echo, mailbox=Mailbox(1)) as system:
        systems.append(system)
        await system.tell("echo", {"n": 1})
        assert await soon(system.drain()) == ()
        assert len(errors) == 1
        assert "echo -> echo" in str(errors[0])
        assert system.stats()["echo"].processed == 2


async def test_a_circle_of_full_mailboxes_is_named_and_ended() -> None:
    """9.8: all senders blocked in a cycle; the message that would close it is a dead letter."""

    @node
    async def a(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"left": inputs["left"] - 1}

    @node
    async def b(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"left": inputs["left"] - 1}

    @node
    async def c(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"left": inputs["left"] - 1}

    a >> b >> c
    c.on(left__gt=0) >> a
    async with Graph(a, outputs=None).actors(mailbox=Mailbox(1)) as system:
        await soon(asyncio.gather(*(system.tell("a", {"left": 30}) for _ in range(20))))
        assert await soon(system.drain()) == ()
        assert cast("Any", system).deadlocks == len(system.dead_letters) > 0
        for letter in system.dead_letters:
            assert letter.error.type == "MailboxDeadlock"
            for name in ("a", "b", "c"):
                assert f"{name} holds 1" in letter.error.message


@pytest.mark.parametrize(("width", "size"), [(8, 1), (3_000, 1_000)])
async def test_a_fan_out_that_is_wider_than_a_mailbox_waits_for_room(width: int, size: int) -> None:
    """9.8: there is no circle; and the actor that makes the room does not send on what is another's to send."""
    seen: list[int] = []

    @node
    async def spread() -> Route:
        return Route({}, to=[(work, {"i": number}) for number in range(width)])

    @node(mailbox=Mailbox(size))
    async def work(inputs: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"i": inputs["i"]}

    @node(join="any")
    async def count(inputs: dict[str, Any]) -> None:
        seen.append(inputs["i"])

    spread >> work >> count
    async with Graph(spread, name="wide", max_steps=10_000).actors() as system:
        await system.tell("spread", {})
        assert await soon(system.drain()) == ()
        assert (system.deadlocks, len(system.dead_letters)) == (0, 0)
    assert seen == list(range(width))


@pytest.mark.parametrize("width", [2, 3, 5])
async def test_a_circle_that_fans_out_names_no_other_circle_and_goes_on(width: int) -> None:
    """9.8: each time that it would stand still."""
    done: list[str] = []

    @node(join="any", mailbox=Mailbox(2))
    async def left(inputs: dict[str, Any]) -> Route:
        done.append("left")
        return Route({}, to=[(right, {})] * width)

    @node(join="any", mailbox=Mailbox(2))
    async def right(inputs: dict[str, Any]) -> Route:
        done.append("right")
        return Route({}, to=[(left, {})] * width if len(done) < 500 else [])

    left >> right
    right >> left
    async with Graph(left, name="circle", max_steps=100_000).actors() as system:
        await system.tell("left", {})
        assert await soon(system.drain()) == ()
        assert system.deadlocks == len(system.dead_letters) > 0
        for letter in system.dead_letters:
            assert "of right -> left -> right are full" in letter.error.message or (
                "of left -> right -> left are full" in letter.error.message
            )
    assert len(done) >= 500


async def test_pausing_does_not_wait_for_who_waits_for_room() -> None:
    """6.2: its work is done, and the room may never come while others are paused."""

    @node
    async def before(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"n": inputs["n"]}

    @node(mailbox=Mailbox(1))
    async def behind(inputs: dict[str, Any]) -> None:
        pass

    before >> behind
    async with Graph(before, name="held").actors() as system:
        await system.pause("behind")
        for number in range(6):
            await system.tell("before", {"n": number})
        await asyncio.sleep(0.05)
        assert await soon(system.pause()) == ()
        await system.resume()
        assert await soon(system.drain()) == ()
        assert system.stats()["behind"].processed == 6


def refuse(old: list[int], new: int) -> list[int]:
    if new == 13:
        raise ArithmeticError("no luck")
    return [*old, new]


class Lucky(State):
    key: Annotated[list[int], refuse] = []


async def test_a_reducer_that_fails_makes_a_dead_letter_and_ends_the_message() -> None:
    """9.4, 4.2: and nothing else."""

    @node
    async def begin(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"n": inputs["n"]}

    @node
    async def one(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"key": inputs["n"]}

    @node
    async def other() -> dict[str, Any]:
        return {"key": 3}

    @node
    async def both(state: Any) -> None:
        pass

    begin >> [one, other] >> both
    async with Graph(begin, name="unlucky", state=Lucky).actors() as system:
        for number in (1, 13, 2):
            await system.tell("begin", {"n": number})
        assert await soon(system.drain()) == ()
        assert {(letter.error.type, letter.run_inputs["n"]) for letter in system.dead_letters} == {
            ("ReducerFailed", 13)
        }
        assert system.stats()["both"].processed == 2
        assert await soon(system.stop()) == ()


async def test_a_step_may_stop_its_own_system() -> None:
    """9.5: without waiting for itself."""
    systems: list[Any] = []

    @node
    async def last(inputs: dict[str, Any]) -> dict[str, Any]:
        assert await systems[0].stop() == ()
        return {"n": 1}

    system = actors(last)
    systems.append(system)
    assert await soon(system.ask("last")) == {"n": 1}
    assert await soon(system.stop()) == ()
    with pytest.raises(ActorStopped):
        await system.tell("last")


async def test_tell_from_thread_on_the_loop_itself_is_refused() -> None:
    """9.3: it would wait for itself for ever."""
    async with actors(work.copy()) as system:
        told: list[Any] = []

        def tell() -> None:
            try:
                told.append(cast("Any", system).tell_from_thread("work", {}))
            except BaseException as error:
                told.append(error)

        thread = threading.Thread(target=tell)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert told[0].accepted
        with pytest.raises(NodeloomError, match="tell_from_thread"):
            cast("Any", system).tell_from_thread("work", {})


# --- input that is no good


@pytest.mark.parametrize("priority", ["high", object(), [1], float("nan"), {}])
async def test_a_priority_that_is_no_number_harms_nobody_but_its_sender(priority: Any) -> None:
    """9.2: bad input is refused where it comes in."""
    gate, let_go, inside = blocked()
    async with actors(gate, grace=0.5) as system:
        await system.tell("blocked", {"n": 0}, priority=1)
        await inside.acquire()
        await system.tell("blocked", {"n": 0}, priority=2)
        with pytest.raises((TypeError, ValueError, NodeloomError), match="priority"):
            await system.tell("blocked", {"n": 1}, priority=priority)
        let_go.set()
        assert await soon(system.drain()) == ()


@pytest.mark.parametrize(
    "options",
    [
        {"mailbx": Mailbox(1)},
        {"mailbox": 5},
        {"supervision": "restart"},
        {"supervision": {"work": "restart"}},
        {"kept": -1},
        {"kept": "many"},
        {"grace": -1},
        {"grace": "long"},
    ],
    ids=repr,
)
async def test_options_that_cannot_work_are_refused_by_name(options: dict[str, Any]) -> None:
    """9: bad input gets one clear paragraph, when it is given."""
    name = next(iter(options))
    with pytest.raises((DefinitionError, TypeError, ValueError, NodeloomError), match=name):
        actors(work.copy(), **options)


@pytest.mark.parametrize("timeout", [-1, "soon", float("nan")])
async def test_a_timeout_of_ask_that_cannot_be_is_refused(timeout: Any) -> None:
    """9.3."""
    async with actors(work.copy()) as system:
        with pytest.raises((DefinitionError, NodeloomError, ValueError, TypeError), match="timeout"):
            await system.ask("work", {}, timeout=timeout)


async def test_letters_that_do_not_fit_any_more_are_counted_as_lost() -> None:
    """9.4: also where one is put back that could not be sent again."""
    gate, let_go, _inside = blocked()
    let_go.set()
    async with actors(gate, mailbox=Mailbox(1, "reject"), kept=2) as system:
        for n in range(2):
            await system.tell("blocked", {"n": n, "fails": True})
            await system.drain()
        let_go.clear()
        await system.tell("blocked", {"n": 2, "fails": True})
        await turns()
        await system.tell("blocked", {"n": 3})
        with pytest.raises(NodeloomError):
            await system.dead_letters.send_again(system.dead_letters[1])
        assert [letter.inputs["n"] for letter in system.dead_letters] == [0, 1]
        let_go.set()
        await system.drain()
        assert system.dead_letters.total == 3
        assert system.dead_letters.lost == 1


# --- two at once


async def test_the_end_of_one_system_does_not_stop_the_nodes_of_another_of_the_same_graph() -> None:
    """9.5, 6.1: `on_stop` comes when nobody lives on the node any more."""
    told: list[str] = []

    class Connected(Node):
        """Has something open."""

        async def on_start(self, ctx: Context) -> None:
            told.append("start")

        async def work(self, inputs: dict[str, Any]) -> dict[str, Any]:
            told.append("work")
            return {}

        async def on_stop(self) -> None:
            told.append("stop")

    async with Engine() as engine:
        graph = Graph(Connected(id="connected"))
        one, two = engine.actors(graph), engine.actors(graph)
        await one.ask("connected")
        await two.ask("connected")
        await one.stop()
        await two.ask("connected")
        await two.stop()
    assert told == ["start", "work", "work", "work", "stop"]


# --- waiting for one another


async def test_actors_that_ask_one_another_in_a_circle_are_named_instead_of_waiting_for_ever() -> None:
    """9.8, 9.3: an actor that waits for a reply handles no other message."""
    systems: list[Any] = []

    @node
    async def first():
        return dict(await systems[0].ask("second"))

    @node
    async def second():
        return dict(await systems[0].ask("first"))

    @node
    async def alone():
        return dict(await systems[0].ask("alone", timeout=60.0))

    async with actors([first, second, alone]) as system:
        systems.append(system)
        with pytest.raises(MailboxDeadlock, match="second -> first -> second would wait for one another's replies"):
            await system.ask("first", timeout=60.0)
        with pytest.raises(MailboxDeadlock, match="alone -> alone"):
            await system.ask("alone", timeout=60.0)
        await system.drain()
        assert system.deadlocks == 2


async def test_the_letter_of_a_join_that_failed_is_not_sent_again_as_one_with_inputs() -> None:
    """9.4: what it would be given came in several messages; the one from outside can be sent anew."""

    @node
    async def begin():
        return {}

    @node
    async def left():
        return {}

    @node(join=Quorum(2))
    async def both():
        return {}

    @node
    async def right():
        return {}

    begin >> [left, right]
    left >> both
    right.on(come="too") >> both
    async with Graph(begin, name="short").actors() as system:
        await system.tell("begin")
        await system.drain()
        [letter] = system.dead_letters
        assert (letter.node, letter.error.type) == ("both", "QuorumNotReached")
        with pytest.raises(NodeloomError, match="is a join's"):
            await system.dead_letters.send_again(letter)
        assert await system.dead_letters.send_again() == 0
        assert list(system.dead_letters) == [letter]


@pytest.mark.parametrize("overflow", ["drop_newest", "drop_oldest"])
async def test_a_letter_that_is_dropped_when_it_is_sent_again_stays_one(overflow: Any) -> None:
    """9.2, 9.4: what a full mailbox does not take is not lost, nor what it would drop for it."""

    @node(mailbox=Mailbox(1, overflow))
    async def fussy(inputs):
        raise ValueError("no")

    async with actors(fussy) as system:
        await system.tell("fussy", {"n": 1})
        await system.drain()
        await system.pause()
        for n in (2, 3):  # one is held, one waits
            await system.tell("fussy", {"n": n})
            await asyncio.sleep(0)
        assert await system.dead_letters.send_again() == 0
        assert [letter.inputs for letter in system.dead_letters] == [{"n": 1}]
        await system.resume()
        await system.drain()
        assert [letter.inputs["n"] for letter in system.dead_letters] == [1, 2, 3]


async def test_the_log_says_when_letters_are_not_kept_any_more(caplog: pytest.LogCaptureFixture) -> None:
    """9.4"""

    @node
    async def fussy(inputs):
        raise ValueError("no")

    async with actors(fussy, kept=2) as system:
        for n in range(5):
            await system.tell("fussy", {"n": n})
        await system.drain()
        letters = system.dead_letters
        assert ([letter.inputs["n"] for letter in letters], letters.total, letters.lost) == ([3, 4], 5, 3)
    told = [record.getMessage() for record in caplog.records if "not kept any more" in record.getMessage()]
    assert told == ["there are more than 2 dead letters: the oldest are not kept any more"]


async def test_the_figures_of_an_actor_that_was_stopped_add_up() -> None:
    """9.4: what it had no time for is a dead letter, and neither done nor failed."""

    @node
    async def fragile(inputs):
        return {"n": 1 / (inputs["n"] - 2)}

    async with actors(fragile, supervision=Supervision("stop")) as system:
        await system.pause()
        for n in range(6):
            await system.tell("fragile", {"n": n})
        await system.resume()
        await system.drain()
        stats = system["fragile"].stats()
    assert (stats.processed, stats.failed, stats.dead_letters) == (3, 1, 4)


def test_nothing_is_no_graph_and_said_to_be_nothing() -> None:
    """2.7."""
    with pytest.raises(GraphError, match="there are no nodes at all"):
        Graph([])
