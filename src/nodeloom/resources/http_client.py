"""The client behind `ctx.http`: httpx2's, with a line before each host. Imported when it is opened."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Self
from urllib.request import getproxies, proxy_bypass

import httpx2

from ..errors import EngineClosed

if TYPE_CHECKING:
    import ssl

__all__ = ["Client", "Line", "PerHost", "open_client"]

STREAMS = 100
"""Requests at once to a host that speaks HTTP/2: what the library allows one connection, if the server does."""

Host = tuple[str, str, int | None]


class Client(httpx2.AsyncClient):
    """An `httpx2.AsyncClient` that many share: its engine closes it, and nobody else.

    It is open from the beginning, so awaiting it gives itself: `await ctx.resource("http")` reads like any other.
    """

    def __await__(self) -> Generator[Any, None, Self]:
        yield from ()
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave it open: the next step wants it too."""


class Line:
    """Who may use a host now, and who is next: first come, first served.

    Args:
        limit: how many at once; it may be changed, and holds from then on.
    """

    __slots__ = ("inside", "limit", "waiting")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.inside = 0
        self.waiting: deque[asyncio.Future[None]] = deque()

    def enter_at_once(self) -> bool:
        """Enter if there is room. There is none while anybody waits: whoever leaves lets the next one in."""
        if self.inside >= self.limit:
            return False
        self.inside += 1
        return True

    async def enter(self) -> None:
        """Wait for one's turn. Whoever is cancelled while waiting has not entered, and holds nobody up."""
        if self.enter_at_once():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled() or turn.exception() is not None:
                with contextlib.suppress(ValueError):
                    self.waiting.remove(turn)
            else:  # the turn came in the same moment: it is the next one's
                self.leave()
            raise

    def leave(self) -> None:
        """Make room for the next."""
        self.inside -= 1
        self.admit()

    def admit(self) -> None:
        """Let in whom the limit allows."""
        while self.waiting and self.inside < self.limit:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self.inside += 1

    def close(self, error: Exception) -> None:
        """Send away all who wait."""
        for turn in self.waiting:
            if not turn.done():
                turn.set_exception(error)
        self.waiting.clear()

    @property
    def empty(self) -> bool:
        return not self.inside and not self.waiting


class PerHost(httpx2.AsyncBaseTransport):
    """Pooled connections, at most `per_host` of them to one host in use at once.

    Proxies are those of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY): a client that is given a
    transport looks for none itself.
    """

    def __init__(
        self, per_host: int, total: int, kept: int, *, http2: bool = True, verify: ssl.SSLContext | None = None
    ) -> None:
        self._per_host = per_host
        self._limits = httpx2.Limits(max_connections=total, max_keepalive_connections=kept, keepalive_expiry=5.0)
        self._http2 = http2
        self._tls = httpx2.create_ssl_context() if verify is None else verify
        self._lines: dict[Host, Line] = {}
        self._proxies = getproxies()
        self._direct = self._transport()
        addresses = {self._proxies[scheme] for scheme in ("http", "https", "all") if self._proxies.get(scheme)}
        self._through = {address: self._transport(address) for address in addresses}

    def _transport(self, proxy: str | None = None) -> httpx2.AsyncHTTPTransport:
        if proxy is not None and "://" not in proxy:
            proxy = f"http://{proxy}"
        return httpx2.AsyncHTTPTransport(
            verify=self._tls,
            http2=self._http2,
            limits=self._limits,
            retries=0,
            proxy=httpx2.Proxy(proxy) if proxy is not None else None,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Wait for the host's turn, send, and hold the place until the response is closed."""
        host = (request.url.scheme, request.url.host, request.url.port)
        line = self._lines.get(host)
        if line is None:
            line = self._lines[host] = Line(self._per_host)
        if not line.enter_at_once():
            await self._enter(host, line, request)
        try:
            response = await self._way_to(request.url).handle_async_request(request)
        except BaseException:
            self._leave(host, line)
            raise
        line.limit = STREAMS if response.http_version == "HTTP/2" else self._per_host
        line.admit()
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Held(response.stream, lambda: self._leave(host, line))
        return response

    async def _enter(self, host: Host, line: Line, request: httpx2.Request) -> None:
        patience: float | None = request.extensions.get("timeout", {}).get("pool")
        limit = asyncio.timeout(patience)
        try:
            async with limit:
                await line.enter()
        except TimeoutError as error:
            if not limit.expired():
                raise
            message = f"no turn came within {patience:g} s: {line.inside} requests to {host[1]} are under way"
            raise httpx2.PoolTimeout(message, request=request) from error
        finally:
            self._forget(host, line)

    def _leave(self, host: Host, line: Line) -> None:
        line.leave()
        self._forget(host, line)

    def _forget(self, host: Host, line: Line) -> None:
        """Keep no line where nobody stands: a run may ask a million hosts."""
        if line.empty and self._lines.get(host) is line:
            del self._lines[host]

    def _way_to(self, url: httpx2.URL) -> httpx2.AsyncHTTPTransport:
        address = self._proxies.get(url.scheme) or self._proxies.get("all")
        if not address or proxy_bypass(url.netloc.decode()):
            return self._direct
        return self._through[address]

    async def aclose(self) -> None:
        """Close every connection; who waits for a turn is sent away."""
        for line in list(self._lines.values()):
            line.close(EngineClosed("the HTTP client was closed with its engine while this request waited its turn"))
        for transport in (self._direct, *self._through.values()):
            await transport.aclose()


class _Held(httpx2.AsyncByteStream):
    """A response's body; closing it gives its place in the line to the next."""

    def __init__(self, stream: httpx2.AsyncByteStream, leave: Callable[[], None]) -> None:
        self._stream = stream
        self._leave: Callable[[], None] | None = leave

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            leave, self._leave = self._leave, None
            if leave is not None:
                leave()


def open_client(
    timeout: float | None, per_host: int, total: int, kept: int, *, http2: bool, verify: ssl.SSLContext | None
) -> Client:
    """A client; what the settings are, `http` says."""
    return Client(
        transport=PerHost(per_host, total, kept, http2=http2, verify=verify),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=True,
        timeout=httpx2.Timeout(timeout),
    )
