"""A pooled SQL database as a resource: SQLAlchemy's, opened and closed with the engine (semantics 7.4)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any

from ..errors import NodeloomError

if TYPE_CHECKING:
    import sqlite3
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy import URL
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["sql"]

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
"""The driver that is meant where a URL names only the database."""


def sql(
    url: str, *, pool_size: int = 5, wait: float = 30.0, **options: Any
) -> Callable[[], AbstractAsyncContextManager[AsyncEngine]]:
    """A database, for `Engine(resources=...)`: steps await it and have SQLAlchemy's `AsyncEngine`.

    Connections are made when they are needed, checked before they are lent (`pool_pre_ping`), and closed with the
    engine. Needs `pip install "nodeloom[db]"`, for PostgreSQL `"nodeloom[postgres]"`.

    Args:
        url: as `sqlite:///file.db` or `postgresql://user@host/name`; a driver may be named.
        pool_size: how many connections there are at most; a step that finds all of them lent waits for one.
        wait: seconds a step waits for a connection, and with SQLite for another that writes.
        options: any other of SQLAlchemy's `create_async_engine`.

    Raises:
        ValueError: a size or a wait that is no limit.

    Example:
        Given `Engine(resources={"db": sql("sqlite:///shop.db")})`, a step writes::

            db = await ctx.resource("db")
            async with db.begin() as connection:
                await connection.execute(text("insert into orders values (:id)"), {"id": 42})
    """
    if pool_size < 1:
        raise ValueError(f"sql(pool_size={pool_size!r}): a size is a number of connections from 1")
    if not wait > 0:
        raise ValueError(f"sql(wait={wait!r}): a wait is a number of seconds above 0")

    @contextlib.asynccontextmanager
    async def database() -> AsyncGenerator[AsyncEngine]:
        engine = _connectable(url, pool_size, wait, options)
        try:
            yield engine
        finally:
            await engine.dispose()

    return database


def _connectable(url: str, pool_size: int, wait: float, options: dict[str, Any]) -> AsyncEngine:
    try:
        from sqlalchemy.exc import SQLAlchemyError
        from sqlalchemy.ext.asyncio import create_async_engine
        from sqlalchemy.pool import AsyncAdaptedQueuePool
    except ImportError as error:
        raise NodeloomError('a SQL resource needs SQLAlchemy: pip install "nodeloom[db]"') from error
    address = _address(url)
    settings: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": wait, "pool_pre_ping": True}
    if address.get_backend_name() == "sqlite":
        own = {"timeout": wait, "check_same_thread": False, "factory": _self_closing()}
        options = {**options, "connect_args": {**own, **options.get("connect_args", {})}}
        if address.database in (None, "", ":memory:"):  # where each connection would have a database of its own
            settings |= {"poolclass": AsyncAdaptedQueuePool, "pool_size": 1}
    try:
        return create_async_engine(address, **{**settings, **options})
    except ModuleNotFoundError as error:
        extra = "postgres" if address.get_backend_name() == "postgresql" else "db"
        raise NodeloomError(
            f'the database {address.render_as_string()} needs {error.name}: pip install "nodeloom[{extra}]"'
        ) from error
    except SQLAlchemyError as error:
        raise NodeloomError(f"the database {address.render_as_string()} cannot be opened: {error}") from error


def _self_closing() -> type[sqlite3.Connection]:
    """A connection that is closed when it is let go: aiosqlite lets go of one whose caller is cancelled meanwhile."""
    import sqlite3

    class SelfClosing(sqlite3.Connection):
        def __del__(self) -> None:
            self.close()

    return SelfClosing


def _address(url: str) -> URL:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        address = make_url(url)
    except ArgumentError:  # its message shows the URL, and that may hold a password
        raise NodeloomError("a database URL reads like sqlite:///file.db or postgresql://user@host/name") from None
    return address.set(drivername=DRIVERS.get(address.drivername, address.drivername))
