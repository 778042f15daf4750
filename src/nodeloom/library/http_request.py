"""`http.request`: one exchange over the engine's pooled client."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import field_serializer, field_validator

from nodeloom import Context, Field, Node, Params, Secret
from nodeloom.errors import LimitExceeded, ParamsError, Problem
from nodeloom.forms import OrSecret, revealed
from nodeloom.forms.secret_places import with_references, with_secrets

from .http_errors import (
    HttpConnectionError,
    HttpError,
    HttpStatusError,
    HttpTimeout,
    reason_of,
    retry_after,
    shown,
)
from .http_secrets import authorization, leave_behind, longest_secret, masked, twice_authorized, without_secrets
from .texts import from_json

if TYPE_CHECKING:
    import httpx2

__all__ = ["HttpConnectionError", "HttpError", "HttpRequest", "HttpStatusError", "HttpTimeout"]

MAX_REDIRECTS = 20
SHOWN = 2_000  # bytes of a body that an error holds
LONG = 256_000  # bytes from which a body is read on a thread
STATUS = r"[1-5](xx|[0-9]{2})"
TEXTUAL = ("json", "xml", "javascript", "x-www-form-urlencoded", "yaml", "csv")

Text = Annotated[str | Secret, OrSecret()]
Value = Annotated[Any | Secret, OrSecret()]

with warnings.catch_warnings():
    # `json` is what everyone calls it; pydantic's method of that name has been replaced by `model_dump_json`.
    warnings.filterwarnings("ignore", "Field name .json.")

    class RequestParams(Params):
        url: str = Field(label="URL", placeholder="https://", description="http or https.")
        method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = Field("GET", label="Method")
        headers: dict[str, Text] = Field(default_factory=dict, label="Headers", description="A value may be a secret.")
        query: dict[str, Value] = Field(
            default_factory=dict,
            label="Query",
            description="Added to the URL's own; a list repeats its name. A value may be a secret.",
        )
        token: Secret | None = Field(
            None, label="Token", group="Authorization", description="Sent as `Authorization: Bearer ...`."
        )
        user: str | None = Field(None, label="User", group="Authorization", description="Of basic authentication.")
        password: Secret | None = Field(None, label="Password", group="Authorization", description="The user's.")
        json: Value = Field(  # type: ignore[assignment] # pyright: ignore[reportIncompatibleMethodOverride]
            None, label="JSON", group="Body", description="A value to send as JSON; what is in it may be a secret."
        )
        text: str | None = Field(None, label="Text", group="Body", description="Text to send as it is.")
        form: dict[str, Value] | None = Field(
            None, label="Form", group="Body", description="Fields to send as a form. A value may be a secret."
        )
        timeout: float = Field(30.0, gt=0, le=3600, label="Timeout", description="Seconds for the whole exchange.")
        max_bytes: int = Field(
            10_000_000, ge=0, label="Largest body", description="Bytes, once unpacked; a larger body fails."
        )
        follow_redirects: bool = Field(True, label="Follow redirects", description="At most 20.")
        expected_status: str = Field(
            "2xx",
            pattern=rf"^(any|{STATUS}(\s*,\s*{STATUS})*)$",
            label="Expected status",
            description="As 2xx, or 200, 404, or any; another status fails.",
        )
        parse: Literal["auto", "json", "text", "bytes"] = Field(
            "auto", label="Read as", description="`auto` goes by the content type."
        )

        @field_validator("json", mode="before")
        @classmethod
        def _with_secrets(cls, value: Any) -> Any:
            return with_references(value, [])

        @field_serializer("json", when_used="json")
        def _with_references(self, value: Any) -> Any:
            return with_secrets(value, Secret.as_reference)

        @field_validator("method", mode="before")
        @classmethod
        def _upper(cls, value: Any) -> Any:
            return value.upper() if isinstance(value, str) else value

        @field_validator("expected_status", mode="before")
        @classmethod
        def _as_text(cls, value: Any) -> Any:
            return str(value) if isinstance(value, int) else value

    class Answer(Params):
        status: int
        headers: dict[str, str] = Field(description="By name in lower case.")
        body: Any = Field(description="Text; bytes for what is no text.")
        json: Any = Field(description="The value of a JSON body, else null.")
        url: str = Field(description="Where the answer came from, after redirects; without credentials and secrets.")
        elapsed: float = Field(description="Seconds.")


class HttpRequest(Node):
    """Send an HTTP request and read the answer.

    Connections are pooled, cookies are not kept, nothing is retried (Retry is a policy). Raises: HttpStatusError
    for another status than the expected; HttpConnectionError, HttpTimeout; LimitExceeded for a body that is too
    large, HttpError for one that is broken, ContentError for bad JSON; ParamsError for a URL that is none.

    Example:
        `HttpRequest(url="https://example.org/items", query={"page": 2})`
    """

    identifier = "http.request"
    display_name = "HTTP request"
    icon = "globe"
    category = "Web"
    Outputs = Answer

    def __init__(self, params: Mapping[str, Any] | None = None, **values: Any) -> None:
        super().__init__(params, **values)
        _check(self.given)

    async def work(self, params: RequestParams, ctx: Context) -> dict[str, Any]:
        _check(dict(params))
        request, what = _request(params, ctx.http)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(params.timeout):
                response, body = await _exchange(request, params, ctx.http, what)
        except TimeoutError as error:
            if isinstance(error, HttpTimeout):
                raise
            raise HttpTimeout(f"{what}: no complete answer within {params.timeout:g} s (timeout)") from None
        elapsed = time.perf_counter() - started
        content, value = await _read(response, body, params.parse, ctx, what)
        return {
            "status": response.status_code,
            "headers": dict(response.headers),
            "body": content,
            "json": value,
            "url": str(without_secrets(response.url, params.query)),
            "elapsed": elapsed,
        }


def _check(given: Mapping[str, Any]) -> None:
    """What a model cannot say, for its messages show the value, and a URL may hold a password."""
    bodies = [name for name in ("json", "text", "form") if given.get(name) is not None]
    if len(bodies) > 1:
        raise _refused("params." + bodies[1], f"give one body, not {' and '.join(bodies)}")
    problem = twice_authorized(given)
    if problem is not None:
        raise _refused(*problem)
    url = given.get("url")
    if isinstance(url, str) and "{{" not in url and not url.lower().startswith(("http://", "https://")):
        raise _refused("params.url", "a URL here begins with http:// or https://")


def _refused(field: str, message: str) -> ParamsError:
    return ParamsError(f"http.request: {field}: {message}", [Problem("params", message, field=field)])


def _request(params: RequestParams, client: httpx2.AsyncClient) -> tuple[httpx2.Request, str]:
    """The request, and what messages call it."""
    import httpx2

    try:
        url = httpx2.URL(params.url)
        request = client.build_request(
            params.method,
            url.copy_merge_params(revealed(params.query)) if params.query else url,
            headers={**revealed(params.headers), **authorization(params.token, params.user, params.password)},
            json=revealed(params.json),
            content=params.text,
            data=revealed(params.form),
            timeout=None,  # the whole exchange has one
        )
    except (httpx2.InvalidURL, UnicodeError):
        raise _refused("params.url", "the URL, or a header, cannot be sent: it is malformed") from None
    if not request.url.host:
        raise _refused("params.url", "the URL names no host")
    if request.url.userinfo and (params.token is not None or params.user is not None):
        raise _refused("params.url", "the URL holds a user, and so do other params: give one authorization")
    return request, f"{params.method} {shown(request.url)}"


async def _exchange(
    request: httpx2.Request, params: RequestParams, client: httpx2.AsyncClient, what: str
) -> tuple[httpx2.Response, bytes]:
    """Send, follow redirects, and read the body of the answer, up to the limit."""
    import httpx2

    own_cookies = any(name.lower() == "cookie" for name in params.headers)
    following = request
    try:
        for _ in range(MAX_REDIRECTS + 1):
            response = await _send(following, client, own_cookies and following is request)
            async with aclosing(response):
                if params.follow_redirects and response.has_redirect_location:
                    following = _next(response, what)
                    leave_behind(params, response.request, following, what)
                    continue
                await _expect(response, params, what)
                return response, await _body(response, params.max_bytes, what)
        raise HttpError(f"{what}: more than {MAX_REDIRECTS} redirects")
    except httpx2.LocalProtocolError:
        raise _refused("params.headers", "a header holds what HTTP does not allow") from None
    except httpx2.DecodingError:
        raise HttpError(f"{what}: the body is not what its content-encoding says") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        if isinstance(error, HttpError | TimeoutError):
            raise
        host = f"{following.url.host}:{following.url.port or ('443' if following.url.scheme == 'https' else '80')}"
        raise HttpConnectionError(f"{what}: no answer from {host}: {reason_of(error)}") from None


async def _send(request: httpx2.Request, client: httpx2.AsyncClient, own_cookies: bool) -> httpx2.Response:
    """Send one request, without following.

    Credentials go from the URL to their header, for clients log URLs. The client is shared by every run of the
    engine, so cookies it may have kept are those of others.
    """
    import httpx2

    user, password = request.url.username, request.url.password
    auth = httpx2.BasicAuth(user, password) if user or password else None
    request.url = request.url.copy_with(username=None, password=None)
    if not own_cookies:
        request.headers.pop("cookie", None)
    return await client.send(request, stream=True, follow_redirects=False, auth=auth)


def _next(response: httpx2.Response, what: str) -> httpx2.Request:
    following = response.next_request
    if following is None or following.url.scheme not in ("http", "https") or not following.url.host:
        raise HttpError(f"{what}: it redirects to what is no http or https URL")
    return following


async def _expect(response: httpx2.Response, params: RequestParams, what: str) -> None:
    """Refuse a status that is not expected."""
    status, expected = response.status_code, [word.strip() for word in params.expected_status.split(",")]
    if "any" in expected or str(status) in expected or f"{status // 100}xx" in expected:
        return
    # Masked first, and then cut: half of a secret would not be known for one.
    async with aclosing(response.aiter_bytes(SHOWN + longest_secret(params))) as chunks:
        beginning = await anext(chunks, b"")
    message = f"{what}: status {status} {response.reason_phrase}".rstrip() + f", expected {params.expected_status}"
    body = masked(beginning.decode("utf-8", "replace"), params)[:SHOWN]
    raise HttpStatusError(message, status, retry_after(response.headers), body)


async def _body(response: httpx2.Response, limit: int, what: str) -> bytes:
    """The body, unpacked piece by piece, so that a small one that unpacks to a huge one stops at the limit."""
    found = bytearray()
    async with aclosing(response.aiter_bytes()) as chunks:
        async for chunk in chunks:
            found += chunk
            if len(found) > limit:
                raise LimitExceeded(f"{what}: the body is larger than {limit:,} bytes (max_bytes)")
    return bytes(found)


async def _read(response: httpx2.Response, body: bytes, parse: str, ctx: Context, what: str) -> tuple[Any, Any]:
    """The body as text or bytes, and the value of a JSON body."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = parse == "json" or (parse == "auto" and kind.endswith(("/json", "+json")) and body != b"")
    if parse == "bytes" or (parse == "auto" and not is_json and not _is_text(kind, body)):
        return body, None
    text = _decoded(body, response.charset_encoding or "utf-8")
    if not is_json:
        return text, None
    source = f"the body of {what}"
    if len(body) > LONG:
        return text, await ctx.offload(from_json, text, source)
    return text, from_json(text, source)


def _is_text(kind: str, body: bytes) -> bool:
    if kind:
        return kind.startswith("text/") or any(word in kind for word in TEXTUAL)
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decoded(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset, "replace")
    except LookupError:  # the server names an encoding that nobody knows
        return body.decode("utf-8", "replace")
