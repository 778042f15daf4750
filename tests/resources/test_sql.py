"""SQL databases as resources: pooled, shared by all steps, closed with the engine (7.4)."""

import asyncio
import contextlib
import gc
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.servers_postgres import Postgres, postgres

from nodeloom.errors import NodeloomError
from nodeloom.resources.named import NamedResources
from nodeloom.resources.sql import sql

__all__ = ["postgres"]


@contextlib.asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[AsyncEngine]:
    """The database, as a step has it."""
    resources = NamedResources({"db": sql(url, **settings)})
    try:
        yield await resources.resource("db")
    finally:
        await resources.close()


# --- SQLite


async def test_steps_share_a_file_and_lose_no_update(tmp_path: Path) -> None:
    """7.4: a hundred at once, over five connections."""
    before = threading.active_count()
    async with opened(f"sqlite:///{tmp_path}/shop.db") as db:
        async with db.begin() as connection:
            await connection.execute(text("create table counter (n integer)"))
            await connection.execute(text("insert into counter values (0)"))

        async def step() -> None:
            async with db.begin() as connection:
                await connection.execute(text("update counter set n = n + 1"))

        await asyncio.gather(*(step() for _ in range(100)))
        async with db.connect() as connection:
            assert (await connection.execute(text("select n from counter"))).scalar() == 100
        assert 1 <= threading.active_count() - before <= 5
    async with asyncio.timeout(5):
        while threading.active_count() > before:  # noqa: ASYNC110 - the last of them are on their way out
            await asyncio.sleep(0.005)


async def test_a_failure_and_a_cancellation_undo_what_their_step_wrote(tmp_path: Path) -> None:
    """7.4: and give their connection back."""
    async with opened(f"sqlite:///{tmp_path}/shop.db", pool_size=1, wait=5.0) as db:
        async with db.begin() as connection:
            await connection.execute(text("create table orders (id integer)"))

        async def fails() -> None:
            async with db.begin() as connection:
                await connection.execute(text("insert into orders values (1)"))
                raise ValueError("no")

        async def hangs() -> None:
            async with db.begin() as connection:
                await connection.execute(text("insert into orders values (2)"))
                began.set()
                await asyncio.Event().wait()

        with pytest.raises(ValueError, match="no"):
            await fails()
        began = asyncio.Event()
        hanging = asyncio.create_task(hangs())
        await began.wait()
        hanging.cancel()
        await asyncio.wait({hanging})
        async with db.connect() as connection:
            assert (await connection.execute(text("select count(*) from orders"))).scalar() == 0


async def test_a_step_that_is_cancelled_while_it_connects_leaves_no_connection(tmp_path: Path) -> None:
    """7.4: whenever that is; from Python 3.13 on it would be told of as a warning."""
    before = threading.active_count()
    async with opened(f"sqlite:///{tmp_path}/shop.db") as db:

        async def step() -> None:
            async with db.connect():
                pass

        for turns in range(60):
            connecting = asyncio.create_task(step())
            for _ in range(turns % 8 + 1):
                await asyncio.sleep(0)
            connecting.cancel()
            await asyncio.wait({connecting})
    async with asyncio.timeout(5):
        while threading.active_count() > before:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    gc.collect()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite+aiosqlite://"])
async def test_a_database_in_memory_is_one_for_all(url: str) -> None:
    """7.4: not one for each connection."""
    async with opened(url) as db:
        async with db.begin() as connection:
            await connection.execute(text("create table t (n integer)"))
        async with db.begin() as connection:
            await connection.execute(text("insert into t values (1)"))
        async with db.connect() as connection:
            assert (await connection.execute(text("select n from t"))).scalar() == 1


async def test_steps_on_a_database_in_memory_do_not_meet_in_one_transaction() -> None:
    """7.4: what one undoes is not what another has written."""
    async with opened("sqlite://") as db:
        async with db.begin() as connection:
            await connection.execute(text("create table t (n integer)"))

        async def step(n: int) -> None:
            async with db.begin() as connection:
                await connection.execute(text("insert into t values (:n)"), {"n": n})
                await asyncio.sleep(0)
                if n % 2:
                    raise ValueError("odd")

        await asyncio.gather(*(step(n) for n in range(10)), return_exceptions=True)
        async with db.connect() as connection:
            found = (await connection.execute(text("select n from t order by n"))).scalars().all()
    assert found == [0, 2, 4, 6, 8]


async def test_waiting_for_a_connection_has_a_limit(tmp_path: Path) -> None:
    """7.4."""
    async with opened(f"sqlite:///{tmp_path}/x.db", pool_size=1, wait=0.05) as db, db.connect():
        with pytest.raises(NoConnection, match=r"QueuePool limit of size 1"):
            async with db.connect():
                pass


async def test_other_settings_go_through_to_sqlalchemy(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/x.db", echo=True, pool_pre_ping=False) as db:
        assert db.echo is True


# --- what can be wrong


@pytest.mark.parametrize(("settings", "says"), [({"pool_size": 0}, "pool_size=0"), ({"wait": 0}, "wait=0")])
def test_a_setting_that_is_no_limit_is_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=rf"sql\({says}\)"):
        sql("sqlite://", **settings)


async def test_a_url_that_is_none_is_refused_without_showing_it() -> None:
    """12.3: it may hold a password."""
    with pytest.raises(NodeloomError, match=r"reads like sqlite:///file.db") as caught:
        async with opened("postgresql/user:hunter2@host"):
            pass
    assert "hunter2" not in str(caught.value)


async def test_an_unknown_database_is_named_without_its_password() -> None:
    """12.3."""
    with pytest.raises(NodeloomError, match=r"odd://user:\*\*\*@host/x cannot be opened") as caught:
        async with opened("odd://user:hunter2@host/x"):
            pass
    assert "hunter2" not in str(caught.value)


async def test_a_driver_that_is_not_async_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NodeloomError, match=r"cannot be opened:.*asyncio extension requires an async driver"):
        async with opened(f"sqlite+pysqlite:///{tmp_path}/x.db"):
            pass


@pytest.mark.parametrize(
    ("missing", "url", "says"),
    [
        ("sqlalchemy", "sqlite://", 'a SQL resource needs SQLAlchemy: pip install "nodeloom[db]"'),
        ("aiosqlite", "sqlite://", 'the database sqlite+aiosqlite:// needs aiosqlite: pip install "nodeloom[db]"'),
        ("psycopg", "postgresql://h/x", 'postgresql+psycopg://h/x needs psycopg: pip install "nodeloom[postgres]"'),
    ],
)
async def test_an_extra_that_is_not_installed_is_named_with_the_command(
    missing: str, url: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries: what is imported lazily gives one clear error where it is missing."""
    for name in [missing, *(name for name in sys.modules if name.startswith(f"{missing}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NodeloomError, match=re.escape(says)):
        async with opened(url):
            pass


def test_a_database_that_is_only_named_loads_nothing() -> None:
    """Libraries: an engine that is given one stays light until a step asks for it."""
    code = (
        "import sys; from nodeloom.resources.sql import sql; sql('sqlite://');"
        "print([name for name in ('sqlalchemy', 'aiosqlite', 'httpx2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- PostgreSQL


def sessions(postgres: Postgres, name: str) -> int:
    """How many connections of this name the server has, seen from beside."""
    with psycopg.connect(postgres.url) as connection:
        found = connection.execute("select count(*) from pg_stat_activity where application_name = %s", [name])
        return int(found.fetchone()[0])  # type: ignore[index]


async def none_left(postgres: Postgres, name: str) -> bool:
    """Whether the server has let go of all of them; it takes note of a closed connection a moment later."""
    for _ in range(100):
        if await asyncio.to_thread(sessions, postgres, name) == 0:
            return True
        await asyncio.sleep(0.02)
    return False


async def test_fifty_steps_share_five_connections_and_leave_none(postgres: Postgres) -> None:
    """7.4: on a real server, which is asked."""
    seen: set[int] = set()
    async with opened(f"{postgres.url}&application_name=fifty") as db:

        async def step(n: int) -> int:
            async with db.begin() as connection:
                row = (
                    await connection.execute(text("select pg_backend_pid(), :n * 2, pg_sleep(0.01)"), {"n": n})
                ).one()
            seen.add(row[0])
            return int(row[1])

        assert await asyncio.gather(*(step(n) for n in range(50))) == [n * 2 for n in range(50)]
        assert len(seen) == 5
        assert await asyncio.to_thread(sessions, postgres, "fifty") == 5
    assert await none_left(postgres, "fifty")


async def test_a_cancelled_query_gives_its_connection_back(postgres: Postgres) -> None:
    """7.4: though the server was in the middle of it."""
    async with opened(f"{postgres.url}&application_name=cancelled", pool_size=2, wait=5.0) as db:

        async def step() -> None:
            async with db.begin() as connection:
                await connection.execute(text("select pg_sleep(30)"))

        for _ in range(3):
            steps = [asyncio.create_task(step()) for _ in range(4)]
            await asyncio.sleep(0.05)
            for each in steps:
                each.cancel()
            await asyncio.wait(steps)
        async with asyncio.timeout(5), db.connect() as connection:
            assert (await connection.execute(text("select 1"))).scalar() == 1
    assert await none_left(postgres, "cancelled")


async def test_a_connection_that_the_server_has_dropped_is_replaced(postgres: Postgres) -> None:
    """7.4: it is looked at before it is lent."""
    async with opened(f"{postgres.url}&application_name=dropped", pool_size=1) as db:
        async with db.connect() as connection:
            first = (await connection.execute(text("select pg_backend_pid()"))).scalar()
        with psycopg.connect(postgres.url) as beside:
            beside.execute("select pg_terminate_backend(%s)", [first])
        async with db.connect() as connection:
            assert (await connection.execute(text("select pg_backend_pid()"))).scalar() != first
