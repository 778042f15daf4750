"""actors: a message handed on through ten actors, asked and answered, and through a bare channel; actors that idle.

Every actor returns {"n": state["n"] + 1} and its message goes to the next one's mailbox, which is bounded (nodeloom,
the queues) or not (Pykka, whose mailboxes have no bound). Mailboxes of nodeloom hold 1,000 messages, and senders wait.
"""

import asyncio
import gc
import threading
import time
import tracemalloc
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from benchmarks import linear
from benchmarks.harness import MILLISECONDS, Case, Contender, Sampler, Target, Workload, check, timed

ACTORS = 10
MESSAGES = 1_000
ASKS = 200
SIZE = 1_000


def by_queues() -> Case:
    """Tasks, each reading a bounded queue and writing to the next."""

    async def work(source: Any, target: Any) -> None:
        while True:
            state = await source.get()
            await target.put({"n": state["n"] + 1})

    async def once() -> object:
        queues: list[asyncio.Queue[dict[str, int]]] = [asyncio.Queue(SIZE) for _ in range(ACTORS + 1)]
        tasks = [asyncio.create_task(work(*pair)) for pair in pairwise(queues)]
        feeding = asyncio.create_task(_feed(queues[0]))
        for _ in range(MESSAGES):
            last = await queues[-1].get()
        await feeding
        for task in tasks:
            task.cancel()
        return last["n"]

    return Case(once, ACTORS)


async def _feed(queue: Any) -> None:
    for _ in range(MESSAGES):
        await queue.put({"n": 0})


def _chain(count: int) -> Any:
    from nodeloom import Graph, node

    @node("bench.step")
    async def step(state: Mapping[str, int]) -> dict[str, int]:
        return {"n": state["n"] + 1}

    chain = [step.copy(id=f"n{index}") for index in range(count)]
    for source, target in pairwise(chain):
        source >> target
    return Graph(chain[0] if count == ACTORS else chain, name="chain")


class Living:
    """The actors of a graph in the running loop, made once for it."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._loop: Any = None
        self._system: Any = None

    def here(self) -> Any:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._system = loop, self._graph.actors()
        return self._system


def by_actors() -> Case:
    living = Living(_chain(ACTORS))

    async def once() -> object:
        system = living.here()
        for _ in range(MESSAGES):
            await system.tell("n0", {"n": 0})
        await system.drain()
        return system[f"n{ACTORS - 1}"].stats().last_input["n"] + 1

    return Case(once, ACTORS)


def by_pykka() -> Case:
    import pykka

    class Step(pykka.ThreadingActor):
        use_daemon_thread = True

        def __init__(self, onward: Any, end: Any) -> None:
            super().__init__()
            self.onward, self.end = onward, end

        def on_receive(self, message: Any) -> None:
            message = {"n": message["n"] + 1}
            if self.onward is not None:
                self.onward.tell(message)
            else:
                self.end(message)

    left, done, last = MESSAGES, threading.Event(), {"n": 0}

    def end(message: Any) -> None:
        nonlocal left, last
        left, last = left - 1, message
        if not left:
            left = MESSAGES
            done.set()

    onward: Any = None
    for _ in range(ACTORS):
        onward = Step.start(onward, end)

    async def once() -> object:
        done.clear()
        for _ in range(MESSAGES):
            onward.tell({"n": 0})
        done.wait()
        return last["n"]

    return Case(once, ACTORS)


def asked_by_queues() -> Case:
    async def once() -> object:
        there: asyncio.Queue[dict[str, int]] = asyncio.Queue(SIZE)
        back: asyncio.Queue[dict[str, int]] = asyncio.Queue(SIZE)

        async def answer() -> None:
            while True:
                state = await there.get()
                await back.put({"n": state["n"] + 1})

        task, last = asyncio.create_task(answer()), {"n": 0}
        for _ in range(ASKS):
            await there.put({"n": 0})
            last = await back.get()
        task.cancel()
        return last["n"]

    return Case(once, 1)


def asked_of_actors() -> Case:
    living = Living(_chain(1))

    async def once() -> object:
        system, last = living.here(), {"n": 0}
        for _ in range(ASKS):
            last = await system.ask("n0", {"n": 0})
        return last["n"]

    return Case(once, 1)


def asked_of_pykka() -> Case:
    import pykka

    class Step(pykka.ThreadingActor):
        use_daemon_thread = True

        def on_receive(self, message: Any) -> Any:
            return {"n": message["n"] + 1}

    actor = Step.start()

    async def once() -> object:
        last: Any = {"n": 0}
        for _ in range(ASKS):
            last = actor.ask({"n": 0})
        return last["n"]

    return Case(once, 1)


def through_a_queue() -> Case:
    async def once() -> object:
        queue: asyncio.Queue[Any] = asyncio.Queue(SIZE)
        got = 0
        for _ in range(MESSAGES):
            await queue.put(_HELLO)
            got += await queue.get() is _HELLO
        return got

    return Case(once, MESSAGES)


def through_a_channel() -> Case:
    from nodeloom.channels import MemoryChannel, Message

    async def once() -> object:
        channel, message, got = MemoryChannel(SIZE), Message(_HELLO), 0
        for _ in range(MESSAGES):
            await channel.send(message)
            got += (await channel.receive()).body is _HELLO
        return got

    return Case(once, MESSAGES)


_HELLO = {"n": 0}


def _idle(count: int, memory: bool) -> Any:
    """Actors that are started and have nothing to do: ms to start them all, or KiB each, beside their graph."""

    def prepare() -> Sampler:
        graph = _chain(count)

        async def built() -> float:
            engine_is_up = await graph.run(check=False) if count < 100 else None
            del engine_is_up
            gc.collect()
            begun = time.perf_counter()
            if memory:
                tracemalloc.start()
            system = graph.actors()
            taken = (time.perf_counter() - begun) * MILLISECONDS
            if memory:
                taken = tracemalloc.get_traced_memory()[0] / 1024 / count
                tracemalloc.stop()
            check(len(system.actors), count)
            check(threading.active_count(), threads)
            await system.stop()
            return taken

        threads = threading.active_count()
        return lambda: asyncio.run(built())

    return prepare


def workloads(quick: bool) -> list[Workload]:
    count = 1_000 if quick else 10_000
    hops = MESSAGES * ACTORS
    return [
        Workload(
            "channel: put and get",
            "µs a message",
            [
                Contender("limit: asyncio.Queue", timed(through_a_queue, per=MESSAGES), "limit"),
                Contender("nodeloom", timed(through_a_channel, per=MESSAGES), "nodeloom"),
            ],
            [Target("limit", 0.67)],
        ),
        Workload(
            "actors: a message through ten",
            "µs an actor",
            [
                Contender("limit: tasks and queues", timed(by_queues, per=hops), "limit"),
                Contender("nodeloom", timed(by_actors, per=hops), "nodeloom"),
                Contender("a linear step", timed(linear.nodeloom, per=linear.STEPS)),
                Contender("Pykka", timed(by_pykka, per=hops)),
            ],
            [Target("peer", 1.2, "a linear step"), Target("peer", 0.5, "Pykka")],
        ),
        Workload(
            "actors: asked and answered",
            "µs an ask",
            [
                Contender("limit: two queues", timed(asked_by_queues, per=ASKS), "limit"),
                Contender("nodeloom", timed(asked_of_actors, per=ASKS), "nodeloom"),
                Contender("Pykka", timed(asked_of_pykka, per=ASKS)),
            ],
            [Target("limit", 2)],
        ),
        Workload(
            f"actors: {count:,} that idle",
            "ms to start",
            [Contender("nodeloom", _idle(count, memory=False), "nodeloom")],
            [Target("value", 1_000)],
        ),
        Workload(
            f"actors: {count:,} that idle, memory",
            "KiB each",
            [Contender("nodeloom", _idle(count, memory=True), "nodeloom")],
            [Target("value", 3)],
            rounds=1,
        ),
    ]
