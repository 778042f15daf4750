"""Named resources: opened on first use, once for all, closed in order, whatever happens meanwhile (7.4)."""

import asyncio
import contextlib
import contextvars
import logging
import random
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from nodeloom.errors import DefinitionError, EngineClosed, NodeloomError
from nodeloom.resources.held import to_the_end
from nodeloom.resources.http import http
from nodeloom.resources.named import NamedResources
from nodeloom.testing import run_virtual


class Opener:
    """A resource that takes time, may fail, and writes down what happened to it and in which task."""

    def __init__(self, name: str = "db", story: list[str] | None = None, *, opening: float = 0.0, closing: float = 0.0):
        self.name = name
        self.story = [] if story is None else story
        self.opening, self.closing = opening, closing
        self.opened = 0
        self.failures: list[BaseException] = []
        self.closing_failure: BaseException | None = None
        self.tasks: list[Any] = []

    @contextlib.asynccontextmanager
    async def __call__(self) -> AsyncGenerator[str]:
        self.opened += 1
        self.tasks.append(asyncio.current_task())
        self.story.append(f"opening {self.name}")
        try:
            await asyncio.sleep(self.opening)
        except asyncio.CancelledError:
            await asyncio.sleep(0.5)  # tidying up takes a while too
            self.story.append(f"gave {self.name} up")
            raise
        if self.failures:
            raise self.failures.pop(0)
        self.story.append(f"opened {self.name}")
        try:
            yield f"{self.name} {self.opened}"
        finally:
            self.tasks.append(asyncio.current_task())
            await asyncio.sleep(self.closing)
            self.story.append(f"closed {self.name}")
            if self.closing_failure is not None:
                raise self.closing_failure


# --- opening


def test_nothing_is_opened_before_somebody_asks_and_then_once() -> None:
    """7.4."""
    opener = Opener(opening=1.0)

    async def main() -> None:
        resources = NamedResources({"db": opener})
        assert opener.opened == 0
        assert await asyncio.gather(*(resource(resources) for _ in range(50))) == ["db 1"] * 50
        asked = resources.resource("db")
        assert [await asked, await asked] == ["db 1", "db 1"]
        assert resources.opened == ["db"]
        await resources.close()
        assert resources.opened == []

    run_virtual(main())
    assert opener.story == ["opening db", "opened db", "closed db"]


async def resource(resources: NamedResources, name: str = "db") -> Any:
    return await resources.resource(name)


def test_the_task_that_opens_is_the_one_that_closes_and_nobodys_own() -> None:
    """7.4: context managers of anyio insist on it."""
    opener = Opener()

    async def main() -> None:
        resources = NamedResources({"db": opener})
        asker = asyncio.create_task(resource(resources))
        await asker
        await resources.close()
        opened, closed = opener.tasks
        assert opened is closed
        assert opened not in (asker, asyncio.current_task())

    run_virtual(main())


def test_a_failed_opening_is_told_to_all_who_waited_and_tried_again_by_the_next() -> None:
    """7.4."""
    opener = Opener(opening=1.0)
    opener.failures = [ConnectionError("no route")]

    async def main() -> None:
        resources = NamedResources({"db": opener})
        failures = await asyncio.gather(*(resource(resources) for _ in range(5)), return_exceptions=True)
        assert [str(failure) for failure in failures] == ["no route"] * 5
        assert resources.opened == []
        assert await resource(resources) == "db 2"
        await resources.close()

    run_virtual(main())
    assert opener.opened == 2


@pytest.mark.parametrize("failure", [StopIteration("odd"), asyncio.CancelledError(), SystemError("broken")])
def test_however_an_opening_fails_who_waits_is_told(failure: BaseException) -> None:
    """7.4: none of them is left waiting, and nobody is cancelled who was not."""

    class Fails:
        async def __aenter__(self) -> None:
            raise failure

        async def __aexit__(self, *_: object) -> None: ...

    def refuses() -> Any:
        raise failure

    async def main() -> None:
        resources = NamedResources({"db": Fails, "bucket": refuses})
        for name in ("db", "bucket"):
            async with asyncio.timeout(1):
                with pytest.raises((RuntimeError, NodeloomError, SystemError)):
                    await resources.resource(name)
        await resources.close()

    run_virtual(main())


def test_a_first_caller_who_leaves_does_not_take_the_opening_from_the_others() -> None:
    """7.4."""
    opener = Opener(opening=1.0)

    async def main() -> None:
        resources = NamedResources({"db": opener})
        first, second = (asyncio.create_task(resource(resources)) for _ in range(2))
        await asyncio.sleep(0.5)
        first.cancel()
        await asyncio.wait({first})
        assert first.cancelled()
        assert await second == "db 1"
        await resources.close()

    run_virtual(main())


def test_an_opening_that_nobody_waits_for_is_cancelled_and_awaited() -> None:
    """7.4: and whoever comes next begins after that."""
    opener = Opener(opening=1.0)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        resources = NamedResources({"db": opener})
        callers = [asyncio.create_task(resource(resources)) for _ in range(3)]
        await asyncio.sleep(0.5)
        for caller in callers:
            caller.cancel()
        await asyncio.sleep(0.1)
        late = asyncio.create_task(resource(resources))
        await asyncio.wait(callers)
        assert loop.time() == pytest.approx(1.0)
        assert await late == "db 2"
        assert opener.story == ["opening db", "gave db up", "opening db", "opened db"]
        await resources.close()

    run_virtual(main())


def test_what_is_opened_for_all_carries_no_variables_of_the_step_that_asked_first() -> None:
    """7.4: neither that step's name in the log, nor its run in memory."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nobody's")

    @contextlib.asynccontextmanager
    async def look() -> AsyncGenerator[str]:
        yield variable.get()

    async def main() -> None:
        variable.set("the first step's")
        resources = NamedResources({"db": look})
        assert await resources.resource("db") == "nobody's"
        await resources.close()

    run_virtual(main())


def test_a_resource_may_use_another_while_it_is_opened() -> None:
    """7.4: and is closed before it."""
    story: list[str] = []
    base = Opener("base", story, opening=1.0)
    resources = NamedResources({"base": base, "top": lambda: top()})

    @contextlib.asynccontextmanager
    async def top() -> AsyncGenerator[str]:
        below = await resources.resource("base")
        yield f"top on {below}"
        story.append("closed top")

    async def main() -> None:
        assert await resources.resource("top") == "top on base 1"
        await resources.close()

    run_virtual(main())
    assert story == ["opening base", "opened base", "closed top", "closed base"]


# --- closing


def test_they_are_closed_in_the_reverse_order_of_opening() -> None:
    """7.4: that of being open, not of being asked for."""
    story: list[str] = []
    openers = {name: Opener(name, story, opening=wait) for name, wait in (("a", 3.0), ("b", 1.0), ("c", 2.0))}

    async def main() -> None:
        resources = NamedResources(openers)
        await asyncio.gather(*(resource(resources, name) for name in "abc"))
        assert resources.opened == ["b", "c", "a"]
        await resources.close()
        await resources.close()

    run_virtual(main())
    assert story[-3:] == ["closed a", "closed c", "closed b"]


def test_one_that_fails_or_hangs_does_not_keep_the_others_open(caplog: pytest.LogCaptureFixture) -> None:
    """7.4: each has its time; what went wrong is logged."""
    story: list[str] = []
    a, b, c, d = (Opener(name, story) for name in "abcd")
    b.closing_failure = OSError("disk full")
    c.closing = 3600.0

    @contextlib.asynccontextmanager
    async def immovable() -> AsyncGenerator[None]:
        yield
        time = asyncio.get_running_loop().time
        end = time() + 60.0
        while time() < end:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(end - time())

    async def main() -> None:
        resources = NamedResources({"a": a, "b": b, "c": c, "d": d, "e": immovable}, grace=5.0)
        for name in "abcde":
            await resources.resource(name)
        await resources.close()
        assert asyncio.get_running_loop().time() == pytest.approx(15.0)  # e: 5, cancelled, 5; c: 5, cancelled

    with caplog.at_level(logging.ERROR, "nodeloom.resources"):
        run_virtual(main())
    assert [line for line in story if line.startswith("closed")] == ["closed d", "closed b", "closed a"]
    assert [record.getMessage() for record in caplog.records if record.name == "nodeloom.resources"] == [
        "closing resource e took more than 5 s and cannot be cancelled: it is left as it is",
        "closing resource c took more than 5 s and was cancelled",
        "closing resource b failed",
    ]


def test_a_cancelled_closing_is_finished_first() -> None:
    """7.4: the cancellation goes on afterwards, and is not lost."""
    story: list[str] = []
    openers = {name: Opener(name, story, closing=1.0) for name in "ab"}

    async def main() -> None:
        resources = NamedResources(openers)
        for name in "ab":
            await resources.resource(name)
        closing = asyncio.create_task(resources.close())
        for _ in range(3):
            await asyncio.sleep(0.3)
            closing.cancel()
        await asyncio.wait({closing})
        assert closing.cancelled()
        assert story[-2:] == ["closed b", "closed a"]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await to_the_end(asyncio.sleep(1.0))

    run_virtual(main())


def test_closing_gives_up_what_is_being_opened() -> None:
    """7.4: who waits for it learns why."""
    opener = Opener(opening=10.0)

    async def main() -> None:
        resources = NamedResources({"db": opener})
        waiting = asyncio.create_task(resource(resources))
        await asyncio.sleep(1.0)
        await resources.close()
        with pytest.raises(EngineClosed, match="closed while resource 'db' was being opened"):
            await waiting
        with pytest.raises(EngineClosed, match="resource 'db' is too"):
            resources.resource("db")

    run_virtual(main())
    assert opener.story == ["opening db", "gave db up"]


def test_who_waits_for_an_abandoned_opening_to_end_opens_nothing_after_the_closing() -> None:
    """7.4."""
    opener = Opener(opening=10.0)

    async def main() -> None:
        resources = NamedResources({"db": opener})
        first = asyncio.create_task(resource(resources))
        await asyncio.sleep(1.0)
        first.cancel()
        await asyncio.sleep(0.1)
        second = asyncio.create_task(resource(resources))
        await asyncio.sleep(0.1)
        await resources.close()
        with pytest.raises(EngineClosed):
            await second

    run_virtual(main())
    assert opener.opened == 1


def test_an_opening_asked_for_before_the_end_and_awaited_after_it_opens_nothing() -> None:
    """7.4."""
    opener = Opener()

    async def main() -> None:
        resources = NamedResources({"db": opener})
        asked = resources.resource("db")
        await resources.close()
        with pytest.raises(EngineClosed):
            await asked

    run_virtual(main())
    assert opener.opened == 0


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_opened_is_closed_under_cancellation_at_any_moment(seed: int) -> None:
    """7.4."""
    chance = random.Random(seed)
    story: list[str] = []
    openers = {name: Opener(name, story, opening=chance.random(), closing=chance.random()) for name in "abcd"}
    for opener in openers.values():
        opener.failures = [OSError("now and then")] * chance.randrange(3)

    async def main() -> None:
        resources = NamedResources(openers)

        async def use() -> None:
            await asyncio.sleep(chance.random() * 4)
            async with asyncio.timeout(chance.random()):
                await resources.resource(chance.choice("abcd"))

        users = [asyncio.create_task(use()) for _ in range(60)]
        closing = asyncio.create_task(asyncio.sleep(chance.random() * 4))
        closing.add_done_callback(lambda _: users.append(asyncio.ensure_future(resources.close())))
        await asyncio.sleep(6.0)
        users[-1].cancel()
        await asyncio.gather(*users, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())
    opened = [line.removeprefix("opened ") for line in story if line.startswith("opened")]
    closed = [line.removeprefix("closed ") for line in story if line.startswith("closed")]
    assert sorted(opened) == sorted(closed)
    open_now: list[str] = []
    for line in story:
        what, name = line.split(" ", 1)
        if what == "opened":
            assert name not in open_now
            open_now.append(name)
        elif what == "closed":
            open_now.remove(name)


def test_a_loop_that_ends_closes_what_was_opened_on_it() -> None:
    """7.4: an engine that nobody closed leaves nothing open."""
    opener = Opener()

    async def main() -> None:
        await NamedResources({"db": opener}).resource("db")

    run_virtual(main())
    assert opener.story[-1] == "closed db"


# --- what may be given


class Pool:
    async def __aenter__(self) -> str:
        return "pool"

    async def __aexit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("given", [Pool, Pool(), lambda: Pool(), contextlib.nullcontext("pool")])
def test_functions_classes_and_context_managers_open_resources(given: Any) -> None:
    """7.4."""

    async def main() -> None:
        resources = NamedResources({"pool": given})
        assert await resources.resource("pool") == "pool"
        await resources.close()

    run_virtual(main())


async def open_without_decorator() -> AsyncGenerator[int]:
    yield 1


async def open_as_coroutine() -> int:
    return 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (open_without_decorator, r"'db': open_without_decorator gives no async.*@asynccontextmanager"),
        (open_as_coroutine, r"'db': open_as_coroutine gives no async.*@asynccontextmanager"),
        ("sqlite:///x.db", r"'db': str opens nothing;.*sql\(\.\.\.\).*nullcontext"),
        (None, "'db': NoneType opens nothing"),
    ],
)
def test_what_opens_nothing_is_refused_when_it_is_given(given: Any, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        NamedResources({"db": given})


async def test_an_unknown_name_is_refused_with_the_nearest_and_all_there_are() -> None:
    resources = NamedResources({"database": Pool})
    says = r"no resource 'databas'; did you mean 'database'\? \(there are: database, http\): Engine\(resources="
    with pytest.raises(NodeloomError, match=says):
        resources.resource("databas")


async def test_the_client_is_there_at_once_and_can_be_awaited_too() -> None:
    """The public face: `ctx.http.get(...)`; and a second client of other settings by a name of one's own."""
    resources = NamedResources({"http": http(per_host=3), "slow": http(timeout=600)})
    client = resources.resource("http")
    assert await resources.resource("http") is client
    assert resources.resource("slow").timeout.read == 600
    assert resources.opened == ["http", "slow"]
    await resources.close()
    assert client.is_closed


async def test_a_thread_that_asks_while_it_is_closed_opens_nothing() -> None:
    """7.4: it may be past the first look."""
    resources = NamedResources()
    place = resources._place("http", None)
    await resources.close()
    with pytest.raises(EngineClosed):
        place.client("http", http())


async def test_a_resource_that_is_used_before_it_is_awaited_says_what_to_write() -> None:
    resources = NamedResources({"db": Pool})
    with pytest.raises(
        AttributeError, match=r"'db' has no 'begin' before it is open: `db = await ctx.resource\('db'\)"
    ):
        resources.resource("db").begin()


# --- threads and other loops


async def test_plain_code_on_a_thread_waits_for_a_resource() -> None:
    """1.6, 7.4: it is opened on the loop, and the thread has it."""
    opener = Opener(opening=0.01)
    resources = NamedResources({"db": opener})
    loop = asyncio.get_running_loop()

    def work() -> tuple[Any, Any]:
        return resources.resource("db", loop).result(5.0), resources.resource("http", loop)

    value, client = await asyncio.to_thread(work)
    assert value == "db 1"
    assert client is resources.resource("http")
    with pytest.raises(NodeloomError, match=r"would block the loop: write `await ctx.resource\('db'\)`"):
        resources.resource("db").result()
    await resources.close()


def test_a_thread_without_a_loop_is_told_that_it_needs_one() -> None:
    resources = NamedResources({"db": Pool})
    with pytest.raises(NodeloomError, match="belongs to an event loop, and none runs"):
        resources.resource("http")
    with pytest.raises(NodeloomError, match="belongs to an event loop, and none runs"):
        resources.resource("db").result()


def on_another_loop(work: Callable[[], Any], stop: threading.Event) -> tuple[threading.Thread, threading.Event]:
    """A thread with a loop of its own, as a clock has; it runs until it is told to stop."""
    ready = threading.Event()

    async def main() -> None:
        await work()
        ready.set()
        while not stop.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.002)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    return thread, ready


async def test_each_loop_has_a_resource_of_its_own_closed_on_that_loop() -> None:
    """7.4: one client per loop."""
    opener = Opener()
    resources = NamedResources({"db": opener})
    seen: list[Any] = [resources.resource("http"), await resources.resource("db")]
    stop = threading.Event()

    async def elsewhere() -> None:
        seen.extend([resources.resource("http"), await resources.resource("db")])

    thread, ready = on_another_loop(elsewhere, stop)
    assert await asyncio.to_thread(ready.wait, 5)
    assert seen[0] is not seen[2]
    assert (seen[1], seen[3]) == ("db 1", "db 2")
    await resources.close()
    assert seen[0].is_closed
    assert seen[2].is_closed
    assert [line for line in opener.story if line.startswith("closed")] == ["closed db", "closed db"]
    assert opener.tasks[-1].get_loop() is not opener.tasks[-2].get_loop()
    stop.set()
    await asyncio.to_thread(thread.join, 5)


async def test_a_loop_may_close_what_is_its_own_before_it_ends() -> None:
    """7.4: as a clock does; the engine goes on."""
    opener = Opener()
    resources = NamedResources({"db": opener})
    here = resources.resource("http")
    there: list[Any] = []

    async def elsewhere() -> None:
        there.append(resources.resource("http"))
        await resources.resource("db")
        await resources.close_here()

    await asyncio.to_thread(asyncio.run, elsewhere())
    assert there[0].is_closed
    assert opener.story[-1] == "closed db"
    assert not here.is_closed
    assert resources.opened == ["http"]
    await resources.close()


async def test_what_a_loop_has_left_open_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """7.4: nobody can close it any more."""
    resources = NamedResources()

    async def elsewhere() -> None:
        resources.resource("http")

    await asyncio.to_thread(asyncio.run, elsewhere())
    await resources.close()
    assert "a loop has ended and left these open: http" in caplog.text


async def test_one_context_manager_cannot_be_open_on_two_loops() -> None:
    """7.4."""
    resources = NamedResources({"pool": Pool()})

    async def elsewhere() -> None:
        with pytest.raises(NodeloomError, match="another loop has opened it; give a function that makes one"):
            await resources.resource("pool")

    await resources.resource("pool")
    await asyncio.to_thread(asyncio.run, elsewhere())
    await resources.close()
