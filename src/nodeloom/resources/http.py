"""The HTTP client that every node of an engine shares, and its settings (semantics 7.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import ssl

    import httpx2

__all__ = ["Http", "http"]


class Http(msgspec.Struct, frozen=True):
    """The settings of an engine's HTTP client; `http` makes them, and says what each of them is."""

    timeout: float | None = 30.0
    per_host: int = 50
    total: int = 200
    kept: int = 50
    http2: bool = True
    verify: ssl.SSLContext | None = None

    def open(self) -> httpx2.AsyncClient:
        """A client; its `aclose` closes it."""
        from .http_client import open_client

        return open_client(self.timeout, self.per_host, self.total, self.kept, http2=self.http2, verify=self.verify)


def http(
    *,
    timeout: float | None = 30.0,
    per_host: int = 50,
    total: int = 200,
    kept: int = 50,
    http2: bool = True,
    verify: ssl.SSLContext | None = None,
) -> Http:
    """Settings for the client that steps have as `ctx.http`: an `httpx2.AsyncClient`.

    It does not retry, for that is a policy's work, and keeps no cookies, for one run's are none of another's.
    Requests to one host wait for one another in the order they came.

    Args:
        timeout: seconds for connecting, for each read, for each write, and for the wait for a free connection; a
            request may have its own. None: no limit.
        per_host: how many connections to one host (scheme, name and port) are in use at once. A host that speaks
            HTTP/2 answers up to 100 requests at once over one.
        total: how many connections there are at once, to all hosts. kept: how many of them are kept when idle.
        http2: whether HTTP/2 is spoken to hosts that offer it, over TLS.
        verify: whom to trust, and as whom to appear; by default what the system, or SSL_CERT_FILE, says.

    Raises:
        ValueError: a setting that is no limit.

    Example:
        `Engine(resources={"http": http(timeout=10.0, per_host=5)})`
    """
    if timeout is not None and not timeout > 0:
        raise ValueError(f"http(timeout={timeout!r}): a timeout is a number of seconds above 0, or None for no limit")
    for name, count, least in (("per_host", per_host, 1), ("total", total, 1), ("kept", kept, 0)):
        if count < least:
            raise ValueError(f"http({name}={count!r}): a limit is a number of connections from {least}")
    return Http(timeout, per_host, total, kept, http2, verify)
