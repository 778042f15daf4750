"""Results that processes share, and the right to find one out, on a Redis server (semantics 5.7)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ..errors import NotStorable, PolicyError, RunFailed, StoreUnavailable
from ..model.codec import decode_value, encode_value
from ..model.edge import Route
from ..model.masks import MASKS
from ..model.result import error_info
from ..model.run import ErrorInfo, RunResult
from ..model.values import EMPTY
from ..policies.shared import Kept
from . import redis_scripts as scripts
from .redis_client import RedisClient

__all__ = ["RedisClaim", "claim"]

SOONEST, LATEST = 0.005, 0.1
"""Seconds between two looks at whether another process has found a result out: from, growing, to."""
WITHHELD = "withheld"
"""What is on the server in the place of a result that holds a secret."""
log = logging.getLogger("nodeloom.stores.redis")


Here = Callable[[str, Any, float], None]
"""Remembers a result in this process, by its key, for so many seconds."""


async def claim(client: RedisClient, key: str, here: Here) -> Kept | RedisClaim:
    """A remembered result, or the right to find it out; waits while another process has that right.

    Args:
        client: the server. key: whose result. here: remembers what must not be on the server.

    Raises:
        RunFailed: it failed there. StoreUnavailable: the server did not answer. PolicyError: it was found out in
            another process, and holds a secret.
    """
    mine = RedisClaim(client, key, here)
    holder, wait = "", SOONEST
    while True:
        try:
            answer, value, *left = await mine.ask(holder)
        except asyncio.CancelledError:  # it may have been given to us
            await mine.drop(None)
            raise
        if answer == b"kept":
            return _read(value, left[0] / 1000)
        if answer == b"failed":
            raise _failure(value)
        if answer == b"yours":
            return mine
        holder = value.decode()
        await asyncio.sleep(wait)
        wait = min(wait * 1.5, LATEST)


class RedisClaim:
    """The right to find out a result, leased until it is kept or dropped.

    Args:
        client: the server. key: whose result. here: remembers, in this process, what must not be on the server.
    """

    def __init__(self, client: RedisClient, key: str, here: Here) -> None:
        self._client = client
        self._key = key
        self._here = here
        self._token = client.token()
        self._result = client.key("result", key)
        self._lease = f"{self._result}:lease"
        self._lease_ms = int(client.lease * 1000)

    async def ask(self, holder: str) -> Any:
        """Ask for it once; `holder` is who was waited for."""
        keys = (self._result, self._lease, self._failed(holder))
        answer = await self._client.run(scripts.CLAIM, keys, (self._token, self._lease_ms, holder))
        if answer[0] == b"yours":
            self._client.hold(self._token, self._renew)
        return answer

    async def keep(self, result: Any, ttl: float) -> None:
        """Remember the result; when the server does not answer, it is logged: what was done is done.

        A result that holds the value of a secret is remembered in this process. The server is told that there is one.

        Raises:
            NotStorable: it is no plain data; who waits for it fails with that.
        """
        written = _written(result)
        if MASKS.data(written) is not written:  # masked, it would be another result; in clear it is in no store
            written = [WITHHELD]
            self._here(self._key, result, ttl)
            log.warning("a result holds the value of a secret: other processes cannot recall it: %s", self._result)
        try:
            value = encode_value([ttl, *written])
        except NotStorable as error:
            await self.drop(error)
            raise
        self._client.let_go(self._token)
        try:
            args = (self._token, value, max(int(ttl * 1000), 1))
            if not await self._client.run(scripts.KEEP, (self._result, self._lease), args):
                log.error("a result came after its lease was lost, and is not remembered: %s", self._result)
        except StoreUnavailable as error:
            log.warning("a result is not remembered, so an equal call will be made anew: %s", error)

    async def drop(self, error: BaseException | None) -> None:
        """Give it up. Who comes after a failure must not find it held, so the server is waited for."""
        self._client.let_go(self._token)
        failure = b"" if error is None else encode_value(error_info(error, ""))
        keys, args = (self._lease, self._failed(self._token)), (self._token, failure)
        dropping = self._client.logged(self._client.run(scripts.DROP, keys, args), "giving a claim up")
        dropped = self._client.send(dropping)
        if error is not None:
            await asyncio.shield(dropped)

    def _failed(self, holder: str) -> str:
        return f"{self._result}:failed:{holder}"

    async def _renew(self) -> bool:
        return bool(await self._client.run(scripts.EXTEND_CLAIM, (self._lease,), (self._token, self._lease_ms)))


def _written(result: Any) -> list[Any]:
    if isinstance(result, Route):
        return ["route", result.outputs, [list(send) for send in result.sends()]]
    return ["result", result]


def _read(value: bytes, left: float) -> Kept:
    """What was written, with so many seconds left of its time."""
    ttl, kind, *parts = decode_value(value)
    age = max(ttl - left, 0.0)
    if kind == WITHHELD:
        raise PolicyError(
            "Idempotency: an equal call was made in another process, and its outputs hold the value of a secret, which "
            "is in no store: they cannot be had here, and the call is not made again. Return no secrets from a node "
            "with Idempotency, but what was done with them"
        )
    if kind == "route":
        outputs, sends = parts
        return Kept(Route(outputs, [to if inputs is None else (to, inputs) for to, inputs in sends]), age)
    return Kept(parts[0], age)


def _failure(value: bytes) -> RunFailed:
    """What failed in another process, as an error whose name and code are those of what failed."""
    info: ErrorInfo = decode_value(value)
    result = RunResult("", "failed", EMPTY, EMPTY, EMPTY, 0, error=info, errors=(info,))
    return RunFailed(f"an equal call failed in another process: {info}", result)
