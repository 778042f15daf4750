"""The HTTP client that every node of an engine shares: one pool of connections, with limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

__all__ = ["open_http"]


def open_http() -> httpx2.AsyncClient:
    """A client with pooled connections; it never waits without a limit.

    30 s for a request's connecting, reading and writing each, 100 connections of which 20 are kept; it does not
    retry, for that is a policy's work, and keeps no cookies, for one run's are none of another's.
    """
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx2

    return httpx2.AsyncClient(
        http2=True,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=True,
        timeout=httpx2.Timeout(30.0),
        limits=httpx2.Limits(max_connections=100, max_keepalive_connections=20),
    )
