"""What can go wrong with a request, and what a message may show of it: never a URL's credentials or query."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nodeloom.errors import StepError

if TYPE_CHECKING:
    import httpx2

__all__ = ["HttpConnectionError", "HttpError", "HttpStatusError", "HttpTimeout", "reason_of", "retry_after", "shown"]


YEAR = 31_536_000.0
"""Seconds: the longest that a server may ask to wait."""

_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")


class HttpError(StepError):
    """A request that cannot be made, or an answer that cannot be used."""

    code = "http"


class HttpStatusError(HttpError):
    """The answer's status is not the expected one.

    Attributes:
        status: the status. body: the beginning of the answer's body, as text.
        retryable: for 408, 429 and 5xx. retry_after: seconds that the server asks to wait, or None.
    """

    code = "http_status"

    def __init__(self, message: str, status: int = 0, retry_after: float | None = None, body: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.body = body
        self.retryable = status in (408, 429) or status >= 500


class HttpConnectionError(HttpError, ConnectionError):
    """The host cannot be reached, or the connection was lost."""

    code = "http_connection"
    retryable = True


class HttpTimeout(HttpError, TimeoutError):
    """No complete answer within the timeout."""

    code = "http_timeout"
    retryable = True


def shown(url: httpx2.URL) -> str:
    """A URL as messages show it: without user, password, query and fragment, for any may be a secret."""
    port = f":{url.port}" if url.port else ""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}{port}{url.path}{'?…' if url.query else ''}"


def reason_of(error: BaseException) -> str:
    """Why a connection failed, in the system's words where it has some."""
    cause: BaseException | None = error
    found = str(error)
    for _ in range(10):  # from what the client says down to what the system said
        if cause is None:
            break
        if isinstance(cause, OSError) and (said := cause.strerror or str(cause)):
            found = said
        cause = cause.__cause__ or cause.__context__
    return found or type(error).__name__


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until the server wants to be asked again: `Retry-After` as seconds or as a date (RFC 9110, 10.2.3).

    Beyond the RFC, fractions of a second are taken as they are meant; more than a year is a year.
    """
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), YEAR)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return min(max(0.0, (date - datetime.now(UTC)).total_seconds()), YEAR)
