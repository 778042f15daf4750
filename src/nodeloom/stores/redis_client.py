"""A Redis server as limits use it: scripts, leases that are renewed, and calls that nobody waits for."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from ..errors import NodeloomError, StoreUnavailable
from ..model.masks import MASKS

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

__all__ = ["RedisClient", "Word"]

T = TypeVar("T")
Word = str | bytes | int | float
log = logging.getLogger("nodeloom.stores.redis")
LONGEST = 200
"""Characters of a key that are kept as they are; of a longer one, its digest."""


class RedisClient:
    """Runs scripts on a server, and holds leases there while this process lives.

    Args:
        url: as `redis://host:6379/0`, `rediss://` with TLS, or `unix://path`.
        prefix: what its keys begin with. lease: seconds after which what a dead process held is free.
        timeout: seconds to wait for the server.
    """

    def __init__(self, url: str, prefix: str, lease: float, timeout: float) -> None:
        self.lease = lease
        self.process = os.urandom(8).hex()
        self._url = url
        self._prefix = prefix
        self._timeout = timeout
        self._redis: Redis | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scripts: dict[str, AsyncScript] = {}
        self._calls: set[asyncio.Task[Any]] = set()
        self._leases: dict[str, Callable[[], Awaitable[bool]]] = {}
        self._renewing: asyncio.Task[None] | None = None
        self._count = 0

    @property
    def lease_micros(self) -> int:
        """How long a lease lasts, in microseconds."""
        return int(self.lease * 1_000_000)

    def key(self, kind: str, name: str) -> str:
        """The key of a state on the server; what belongs to one state is told apart behind it.

        A name that is too long, or holds the value of a secret, is there as its digest.
        """
        fits = len(name) <= LONGEST and MASKS.text(name) == name
        short = name if fits else hashlib.sha256(name.encode()).hexdigest()
        return f"{self._prefix}{{{kind}:{short}}}"

    def token(self) -> str:
        """A word that nobody else has."""
        self._count += 1
        return f"{self.process}-{self._count}"

    async def run(self, script: str, keys: Sequence[str], args: Sequence[Word]) -> Any:
        """What a script gives.

        Raises:
            StoreUnavailable: the server cannot be reached, or does not do it.
        """
        from redis.exceptions import RedisError

        redis = self._connected()
        ready = self._scripts.get(script)
        if ready is None:
            ready = self._scripts[script] = redis.register_script(script)
        try:
            return await ready(keys=list(keys), args=list(args))
        except (RedisError, OSError) as error:
            raise StoreUnavailable(
                f"the Redis server at {self.where}, which limits are shared through, did not answer "
                f"({type(error).__name__}: {error}); nothing was let through. Start it, or give the engine no shared "
                f"limits"
            ) from error

    @property
    def where(self) -> str:
        """The server's place, without a password."""
        parts = urlsplit(self._url)
        return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path

    def _connected(self) -> Redis:
        """The client of the running loop: connections belong to one."""
        loop = asyncio.get_running_loop()
        if self._redis is None or self._loop is not loop:
            self._redis, self._loop = self._connect(), loop
            self._scripts.clear()
        return self._redis

    def _connect(self) -> Redis:
        try:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ModuleNotFoundError as error:
            raise NodeloomError("limits on a Redis server need its client: pip install 'nodeloom[redis]'") from error
        # Retried once and at once: a pooled connection may have been closed since; whoever waits longer is Retry.
        connected: Redis = cast("Any", Redis).from_url(
            self._url,
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            retry=Retry(NoBackoff(), 1),
        )
        return connected

    # --- calls that nobody waits for

    def later(self, call: Coroutine[Any, Any, Any], what: str, then: Callable[[], None] | None = None) -> None:
        """Make a call that nobody waits for, and do something when it is made; a failure is logged."""
        made = self.send(self.logged(call, what))
        if then is not None:
            made.add_done_callback(lambda _: then())

    def send(self, call: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Make a call that goes on when who waits for it does not, and is made before this is closed."""
        made = asyncio.create_task(call)
        self._calls.add(made)
        made.add_done_callback(self._calls.discard)
        return made

    async def logged(self, call: Coroutine[Any, Any, Any], what: str) -> None:
        """Make a call; that the server does not answer is logged."""
        try:
            await call
        except StoreUnavailable as error:
            log.warning("%s: %s", what, error)

    # --- leases

    def hold(self, token: str, renew: Callable[[], Awaitable[bool]]) -> None:
        """Renew a lease until it is let go; `renew` says whether it was still ours."""
        self._leases[token] = renew
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew_all())

    def let_go(self, token: str) -> None:
        """Renew a lease no more."""
        self._leases.pop(token, None)

    async def _renew_all(self) -> None:
        while self._leases:
            await asyncio.sleep(self.lease / 3)
            for token, renew in list(self._leases.items()):
                try:
                    kept = await renew()
                except StoreUnavailable as error:
                    log.warning("a lease could not be renewed: %s", error)
                    continue
                if not kept and self._leases.pop(token, None) is not None:
                    log.error("a lease on %s was lost: this process was held up for %g s or more", token, self.lease)

    async def close(self) -> None:
        """Finish what was begun, and disconnect."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=self._timeout)
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait({self._renewing})
        if self._redis is not None and self._loop is asyncio.get_running_loop():
            await self._redis.aclose()
        self._redis = None
