"""An engine that lets itself be seen: who can look, what they are told, and what strangers can do (10.5, 12.3)."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.cli.living import ROBOT, SHOP, Fake

from nodeloom import Engine
from nodeloom.errors import NodeloomError
from nodeloom.model.masks import MASKS
from nodeloom.runners.glimpse import glimpse
from nodeloom.runners.readings import MOST, Ask, Reading, ranked, read
from nodeloom.runners.seen import AT_ONCE, LONGEST_ASK
from nodeloom.runners.sockets import places
from nodeloom.runners.stats import ActorStats, TickStats

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sockets of POSIX")


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for a user's session, with a path as short as a socket's must be."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


async def said_to(path: Path | None, line: bytes) -> bytes:
    """What is answered to a line."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(line)
    try:
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_who_asks_is_told_the_figures_of_all_that_lives_there(session: Path) -> None:
    """10.5: live at any time."""
    async with Engine() as engine, engine.seen() as seen:
        engine.live_on(SHOP)
        engine.live_on(ROBOT)
        reading = msgspec.json.decode(await said_to(seen.path, b"{}\n"), type=Reading)
    assert reading.pid == os.getpid()
    shop, robot = reading.views
    assert (shop.name, shop.kind, shop.count, shop.totals["processed"]) == ("shop", "actors", 3, 32745)
    assert {each.node: each.depth for each in shop.actors} == {"take_order": 3, "pack": 850, "send": 20}
    assert (robot.kind, robot.totals["misses"]) == ("clock", 12)
    assert next(each for each in robot.ticks if each.node == "lidar").health == "hung"


async def test_an_engine_tells_what_lives_on_it_now() -> None:
    async with Engine() as engine:
        engine.live_on(SHOP)
        engine.live_on(ROBOT)
        assert list(engine.living) == [SHOP, ROBOT]
        engine.forget(SHOP)
        assert list(engine.living) == [ROBOT]


async def test_the_socket_is_its_users_alone_and_gone_afterwards(session: Path) -> None:
    """12.3: nobody else looks."""
    async with Engine() as engine, engine.seen() as seen:
        assert seen.path is not None
        path = seen.path
        assert path.parent == session / "nodeloom"
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [(each.pid, each.path) for each in places()] == [(os.getpid(), path)]
    assert list(path.parent.iterdir()) == []


async def test_without_a_folder_of_the_session_there_is_one_below_the_temporary_one(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(tempfile, "tempdir", str(session))
    async with Engine() as engine, engine.seen() as seen:
        assert seen.path is not None
        assert seen.path.parent == session / f"nodeloom-{os.geteuid()}"
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(session))  # whoever looks may have one
        assert [each.path for each in places()] == [seen.path]


@pytest.mark.parametrize("spoil", ["open", "link", "file"])
async def test_a_folder_that_is_not_to_be_trusted_is_not_used(session: Path, spoil: str) -> None:
    folder = session / "nodeloom"
    if spoil == "open":
        folder.mkdir()
        folder.chmod(0o755)
    elif spoil == "link":
        (session / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(session / "elsewhere")
    else:
        folder.write_text("")
    async with Engine() as engine:
        with pytest.raises(NodeloomError, match=r"nobody can see this process.*nodeloom"):
            async with engine.seen():
                pytest.fail("it was used")
    assert places() == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives folders away")
async def test_a_folder_of_somebody_else_is_not_used(session: Path) -> None:
    (session / "nodeloom").mkdir(mode=0o700)
    os.chown(session / "nodeloom", 12345, 12345)
    async with Engine() as engine:
        with pytest.raises(NodeloomError, match="belongs to somebody else, user 12345"):
            await engine.seen().__aenter__()


async def test_two_engines_of_one_process_are_both_seen(session: Path) -> None:
    async with Engine() as one, Engine() as other, one.seen(), other.seen():
        assert [each.pid for each in places()] == [os.getpid()] * 2


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfe\n",
        b'{"sort": "__class__"}\n',
        b'{"limit": 1001}\n',
        b'{"eval": 1}\n',
    ],
)
async def test_a_question_that_is_none_has_an_answer_that_says_so(session: Path, line: bytes) -> None:
    async with Engine() as engine, engine.seen() as seen:
        engine.live_on(SHOP)
        assert "no such question" in json.loads(await said_to(seen.path, line))["error"]
        assert b"take_order" in await said_to(seen.path, b"{}\n")


async def test_a_stranger_that_never_ends_its_line_is_cut_off(session: Path) -> None:
    async with Engine() as engine, engine.seen() as seen:
        assert await said_to(seen.path, b"x" * LONGEST_ASK * 100) == b""
        assert json.loads(await said_to(seen.path, b"{}\n"))["views"] == []


async def test_who_only_connects_holds_up_nobody(session: Path) -> None:
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(Engine())
        seen = await stack.enter_async_context(engine.seen())
        idle = [await asyncio.open_unix_connection(str(seen.path)) for _ in range(AT_ONCE)]
        assert await said_to(seen.path, b"{}\n") == b""  # turned away
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()
        assert any([await said_to(seen.path, b"{}\n") for _ in range(100)])


async def test_leaving_does_not_wait_for_who_looks(session: Path) -> None:
    async with Engine() as engine, asyncio.timeout(1):
        async with engine.seen() as seen:
            reader, writer = await asyncio.open_unix_connection(str(seen.path))
            await asyncio.sleep(0)
        assert await reader.read() == b""
        writer.close()


async def test_who_asks_all_the_time_costs_what_is_looked_at_little(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    class Counted(Fake):
        def stats(self) -> Any:
            looks.append(1)
            return super().stats()

    monkeypatch.setattr("nodeloom.runners.seen.FRESH", 3600.0)
    async with Engine() as engine, engine.seen() as seen:
        engine.live_on(Counted("shop", "actors", SHOP.nodes))
        answers = {await said_to(seen.path, b"{}\n") for _ in range(20)}
        assert (len(answers), len(looks)) == (1, 1)
        assert await said_to(seen.path, b'{"limit": 1}\n') not in answers
        assert len(looks) == 2


async def test_the_sockets_of_dead_processes_are_swept_and_nothing_else_is(session: Path) -> None:
    folder = session / "nodeloom"
    folder.mkdir(mode=0o700)
    dead = folder / "99.0123abcd.sock"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(dead))
    other = folder / "notes.txt"
    other.write_text("mine")
    async with Engine() as engine, engine.seen() as seen:
        assert [each.path for each in places()] == [seen.path]
        assert not dead.exists()
        assert other.exists()


async def test_ten_thousand_actors_are_one_short_answer_with_the_worst_first(session: Path) -> None:
    crowd = [ActorStats(f"a{number}", processed=1) for number in range(10_000)]
    crowd[7777] = ActorStats("sick", "restarting", failed=3, dead_letters=3)
    async with Engine() as engine, engine.seen() as seen:
        engine.live_on(Fake("crowd", "actors", crowd))
        line = await said_to(seen.path, b'{"limit": 1000}\n')
    reading = msgspec.json.decode(line, type=Reading)
    (view,) = reading.views
    assert (view.count, len(view.actors), view.totals["processed"]) == (10_000, MOST, 9_999)
    assert view.actors[0].node == "sick"
    assert len(line) < 512 * 1024


def test_the_order_is_the_one_that_was_asked_for() -> None:
    nodes = [
        ActorStats("calm"),
        ActorStats("busy", rate_in=100.0, rate_out=100.0),
        ActorStats("slow", latency_p99=3.0),
        ActorStats("full", depth=10, maxsize=10),
    ]
    assert [each.node for each in ranked(nodes, "worst", 3)] == ["full", "busy", "calm", "slow"]
    assert [each.node for each in ranked(nodes, "worst", 4)] == ["full", "calm", "busy", "slow"]
    assert ranked(nodes, "busy", 4)[0].node == "busy"
    assert ranked(nodes, "slow", 4)[0].node == "slow"
    assert [each.node for each in ranked(nodes, "name", 4)] == ["busy", "calm", "full", "slow"]


def test_a_hung_node_stands_before_one_that_has_missed_much() -> None:
    nodes = [
        TickStats("fine", health="healthy"),
        TickStats("late", misses=900, health="late"),
        TickStats("gone", health="hung"),
    ]
    assert [each.node for each in ranked(nodes, "worst", 9)] == ["gone", "late", "fine"]
    assert ranked([TickStats("slow", 10.0, 5.0), TickStats("quick", 10.0, 9.0)], "busy", 9)[0].node == "quick"


def test_small_differences_do_not_make_lines_dance() -> None:
    alike = [ActorStats("a", rate_in=10.1), ActorStats("b", rate_in=10.9)]
    assert [each.node for each in ranked(alike, "worst", 1)] == ["a", "b"]
    assert [each.node for each in ranked([*alike, ActorStats("c", rate_in=99)], "worst", 1)] == ["c", "a", "b"]


def test_what_is_told_of_an_input_is_short_and_holds_no_secret() -> None:
    """12.3: cut before it is masked, half of it would be left."""
    MASKS.remember("token", "s3cret-token-value")
    try:
        text = "x" * 110 + "s3cret-token-value"
        stats = ActorStats("a", last_input={"text": text, "url": "http://h/?t=s3cret-token-value"})
        ill = TickStats("b", reason="ValueError: s3cret-token-value")
        actors, clock = read([Fake("s", "actors", [stats]), Fake("c", "clock", [ill])], Ask()).views
    finally:
        MASKS.forget()
    assert "s3cret" not in actors.actors[0].last_input
    assert len(actors.actors[0].last_input) <= 120
    assert clock.ticks[0].reason == "ValueError: [secret token]"


class Loud:
    """An author's object, whose code is not to be run by who looks."""

    def __repr__(self) -> str:
        raise AssertionError("it was run")

    __str__ = __iter__ = __len__ = __repr__


class LoudDict(dict[str, Any]):
    def items(self) -> Any:
        raise AssertionError("it was run")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"n": 1, "ok": True, "none": None}, "{'n': 1, 'ok': True, 'none': None}"),
        ([1.5, (2,)], "[1.5, (2)]"),
        ({"a": Loud()}, "{'a': <Loud>}"),
        (LoudDict(a=1), "<LoudDict>"),
        (b"\x00" * 5, "<bytes>"),
        ("a\x1b[2J\nb", "'a [2J b'"),
        ("x" * 20_000, "<20,000 characters>"),
        (list(range(100)), "[0, 1, 2, 3, 4, 5, 6, 7, …]"),
        ({"a": {"b": {"c": {"d": 1}}}}, "{'a': {'b': {'c': <dict>}}}"),
        (1 << 20_000, "<int>"),
    ],
    ids=range(10),
)
def test_a_glimpse_is_one_short_line_and_runs_nobodys_code(value: Any, text: str) -> None:
    assert glimpse(value) == text


def test_a_glimpse_of_something_large_costs_little() -> None:
    large = {f"k{number}": ["x" * 9_000] * 1000 for number in range(1000)}
    assert glimpse(large).startswith("{'k0': ['xxx")
    assert len(glimpse(large)) == 120
