"""What a system of actors has left goes on in another one, with its state (semantics 9.5)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nodeloom import Graph, Mailbox, node
from nodeloom.channels import MemoryChannel, Message
from nodeloom.errors import ActorStopped, ChannelFull, UnknownActor
from nodeloom.runners.actors.delivery import LeftMessage
from nodeloom.testing import run_virtual


@node
async def begin(inputs: Any) -> Any:
    return {"n": inputs["n"], "words": ["a", inputs["text"]]}


@node
async def middle(inputs: Any) -> Any:
    return {"middle": inputs["n"]}


@node(join="all")
async def tell(state: Any, ctx: Any) -> Any:
    return {**state, "from": dict(ctx.run_inputs)}


def chain() -> Graph:
    one, two, three = begin.copy(), middle.copy(), tell.copy()
    one >> two >> three
    return Graph(one, name="chain")


def joined() -> Graph:
    one, two, three = begin.copy(), middle.copy(), tell.copy()
    one >> two >> three
    one >> three
    return Graph(one, name="joined")


async def left_at(graph: Graph, paused: str, **options: Any) -> tuple[LeftMessage, ...]:
    """What is left of one message when an actor begins none."""
    system = graph.actors()
    await system.pause(paused)
    await system.tell("begin", {"n": 1, "text": "t"}, **options)
    return await system.stop(within=5.0)


async def told(graph: Graph, left: tuple[LeftMessage, ...]) -> tuple[list[Any], int]:
    seen: list[Any] = []
    async with graph.actors() as system:
        system["tell"].add_observer(lambda outputs: seen.append(dict(outputs)))
        count = await system.send_again(*left)
        await system.drain()
        return seen, count


FROM = {"n": 1, "text": "t"}
STATE = {**FROM, "words": ["a", "t"]}


@pytest.mark.parametrize("paused", ["begin", "middle", "tell"])
def test_what_is_left_goes_on_where_it_was_with_its_state(paused: str) -> None:
    async def main() -> Any:
        left = await left_at(chain(), paused, priority=4)
        return left, await told(chain(), left)

    (left,), (seen, count) = run_virtual(main())
    assert (left.node, left.run_inputs, left.priority) == (paused, FROM, 4)
    assert (seen, count) == ([{**STATE, "middle": 1, "from": FROM}], 1)


def test_what_waited_at_a_join_has_the_state_that_it_had_there() -> None:
    """4.3: also where its branch has not looked at it yet."""

    async def main() -> Any:
        left = await left_at(joined(), "middle")
        return left, await told(joined(), left)

    left, (seen, count) = run_virtual(main())
    assert {(each.node, each.status) for each in left} == {("middle", "waiting"), ("tell", "joining")}
    assert all((each.state, each.run_inputs) == (STATE, FROM) for each in left)
    assert (seen, count) == ([{**STATE, "middle": 1, "from": FROM}], 1)  # once, and anew


def test_what_was_read_from_a_channel_and_had_no_room_is_left_as_it_came() -> None:
    async def main() -> Any:
        full = begin.copy(mailbox=Mailbox(1))
        system, channel = Graph(full, name="reading").actors(), MemoryChannel()
        await system.pause()
        system["begin"].read(channel)
        for n in range(4):
            await channel.send(Message({"n": n, "text": "t"}, priority=n))
        await system.pause()
        return await system.stop(within=1.0)

    left = run_virtual(main())
    assert left
    assert all(each.inputs == each.state == each.run_inputs for each in left)
    assert [each.priority for each in left] == [each.inputs["n"] for each in left]


def test_what_cannot_be_sent_again_is_told() -> None:
    async def main() -> None:
        left = await left_at(chain(), "middle")
        async with Graph(begin.copy(), name="other").actors() as other:
            with pytest.raises(UnknownActor):
                await other.send_again(*left)
        with pytest.raises(ActorStopped):
            await other.send_again(*await left_at(Graph(begin.copy()), "begin"))
        full = Graph(begin.copy(mailbox=Mailbox(1, "reject")), name="full")
        async with full.actors() as system:
            await system.pause()
            again = await left_at(full, "begin")
            with pytest.raises(ChannelFull):
                await system.send_again(*again, *again, *again)
            await system.resume()

    run_virtual(main())


# --- what had forked


def diamond(seen: list[Any], seconds: float = 0.0) -> Graph:
    """`k` goes two ways, one of which takes its time, and meets again."""

    @node
    async def split(inputs: Any) -> Any:
        return {"k": inputs["k"]}

    @node
    async def slow(inputs: Any) -> Any:
        await asyncio.sleep(seconds)
        return {"slow": inputs["k"]}

    @node
    async def fast(inputs: Any) -> Any:
        return {"fast": inputs["k"]}

    @node
    async def save(state: Any) -> None:
        seen.append((state.get("k"), state.get("slow"), state.get("fast")))

    split >> [slow, fast] >> save
    return Graph(split, name="diamond")


@pytest.mark.parametrize("entered", ["tell", "send"])
def test_what_had_forked_towards_a_join_begins_anew_and_starts_it_once(entered: str) -> None:
    """9.5, 3.1: its parts would start the join once each, with half of what it is to have."""
    seen: list[Any] = []

    async def main() -> None:
        system = diamond(seen, 10.0).actors()
        for k in (1, 2, 3):
            if entered == "tell":
                await system.tell("split", {"k": k}, priority=k)
            else:
                await system.send({"k": k}, priority=k)
        left = await system.stop(within=15.0)  # time for one of them
        assert len(seen) == 1
        assert {(each.status, each.is_torn) for each in left} == {
            ("interrupted", True),
            ("waiting", True),
            ("joining", True),
        }
        assert {each.entry for each in left} == {"split" if entered == "tell" else None}
        async with diamond(seen).actors() as again:
            assert await again.send_again(*left) == 2

    run_virtual(main())
    assert sorted(seen) == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]


def test_what_has_met_again_goes_on_where_it_was() -> None:
    """9.5."""
    seen: list[Any] = []

    async def main() -> None:
        system = diamond(seen).actors()
        await system.pause("save")
        await system.tell("split", {"k": 1})
        (left,) = await system.stop(within=5.0)
        assert (left.node, left.is_torn, left.entry) == ("save", False, "split")
        async with diamond(seen).actors() as again:
            assert await again.send_again(left) == 1

    run_virtual(main())
    assert seen == [(1, 1, 1)]


@pytest.mark.parametrize("first", ["drain", "stop", "both"])
def test_draining_ends_with_the_system(first: str) -> None:
    """9.5: nothing comes any more; what was left is what was not done."""
    seen: list[Any] = []

    async def main() -> Any:
        system = diamond(seen, 10.0).actors()
        await system.tell("split", {"k": 1})
        if first == "drain":
            draining = asyncio.ensure_future(system.drain())
            await asyncio.sleep(1.0)
            return await system.stop(within=1.0), await draining
        if first == "stop":
            return await system.stop(within=1.0), await system.drain()
        return await asyncio.gather(system.stop(within=1.0), system.drain())

    stopped, drained = run_virtual(main())
    assert stopped == drained
    assert {each.status for each in stopped} == {"interrupted", "joining"}


@pytest.mark.parametrize("within", [0.0, 0.01, 0.06, 0.12])
async def test_what_was_taken_in_while_its_sender_waited_for_room_is_not_lost(within: float) -> None:
    """9.5: also where the actor has handed it on before its sender was told."""
    done: list[int] = []
    accepted: list[int] = []

    @node
    async def first(inputs: Any) -> Any:
        return {"i": inputs["i"]}

    @node
    async def second(inputs: Any) -> None:
        await asyncio.sleep(0.05)
        done.append(inputs["i"])

    first >> second
    system = Graph(first, name="narrow").actors(mailbox=Mailbox(1))

    async def feed() -> None:
        for number in range(8):
            await system.tell("first", {"i": number})
            accepted.append(number)

    feeding = asyncio.create_task(feed())
    await asyncio.sleep(0.01)
    left = await system.stop(within=within)
    with pytest.raises(ActorStopped):
        await feeding
    assert sorted([*done, *(each.inputs["i"] for each in left)]) == accepted
