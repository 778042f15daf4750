"""The secrets of a request: where they are sent, and where they are not."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from nodeloom import Secret
from nodeloom.forms.secret_places import secrets_in

from .http_errors import HttpError

if TYPE_CHECKING:
    import httpx2

__all__ = ["authorization", "leave_behind", "longest_secret", "masked", "twice_authorized", "without_secrets"]

PORTS = {"http": 80, "https": 443}


def twice_authorized(given: Mapping[str, Any]) -> tuple[str, str] | None:
    """The field that is one too many of those that say who asks, and why; None where all is well."""
    headers = given.get("headers")
    named = isinstance(headers, Mapping) and any(str(name).lower() == "authorization" for name in headers)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    ways = [*(["headers"] if named else []), *(name for name in ("token", "user") if given.get(name) is not None)]
    if len(ways) > 1:
        words = {"headers": "an Authorization header", "token": "a token", "user": "a user"}
        return f"params.{ways[1]}", f"give one authorization, not {' and '.join(words[way] for way in ways)}"
    if given.get("password") is not None and given.get("user") is None:
        return "params.password", "a password is a user's: give user, too"
    return None


def authorization(token: Secret | None, user: str | None, password: Secret | None) -> dict[str, str]:
    """The header that says who asks: by a token, or by user and password (RFC 6750, 7617); empty for nobody."""
    if token is not None:
        return {"Authorization": f"Bearer {token.reveal()}"}
    if user is None:
        return {}
    pair = f"{user}:{password.reveal() if password is not None else ''}"
    return {"Authorization": f"Basic {authorization_pair(pair)}"}


def authorization_pair(pair: str) -> str:
    """User and password as basic authentication writes them."""
    return base64.b64encode(pair.encode()).decode()


def leave_behind(params: Any, request: httpx2.Request, following: httpx2.Request, what: str) -> None:
    """Take from a request that follows a redirect to another place whatever says who asks, and every secret.

    Args:
        params: of the node. request: which was redirected. following: the next one. what: the request, in messages.

    Raises:
        HttpError: its body holds a secret, and would go there.
    """
    if _is_same_place(request.url, following.url):
        return
    following.headers.pop("authorization", None)
    for name, value in params.headers.items():
        if isinstance(value, Secret):
            following.headers.pop(name, None)
    holds_one = next(secrets_in([params.form, params.json]), None) is not None
    if following.headers.get("content-length", "0") != "0" and holds_one:
        raise HttpError(f"{what}: it redirects to another host, which is not sent a body that holds a secret")


def masked(text: str, params: Any) -> str:
    """What a server said, for an error, without the secrets that it was sent, in any of the ways they are sent."""
    found = [(form, secret.name) for secret in secrets_in(params) for form in _forms(secret.reveal(), params.user)]
    for form, name in sorted(found, key=lambda each: -len(each[0])):
        text = text.replace(form, f"[secret {name}]")
    return text


def longest_secret(params: Any) -> int:
    """Bytes that the longest of them takes, in any of these ways."""
    forms = [form for secret in secrets_in(params) for form in _forms(secret.reveal(), params.user)]
    return max((len(form.encode()) for form in forms), default=0)


def _forms(value: str, user: str | None) -> set[str]:
    """A value as it may stand in a request: as it is, in a URL, a form, JSON, or basic authentication."""
    basic = authorization_pair(f"{user or ''}:{value}")
    return {value, quote(value), quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], basic} - {""}


def without_secrets(url: httpx2.URL, query: Mapping[str, Any]) -> httpx2.URL:
    """A URL as an output tells it: without the values of its query that are secrets."""
    import httpx2

    secret = {each for value in query.values() for each in _texts_of(value)}
    if not secret:
        return url
    kept: list[tuple[str, Any]] = [(name, value) for name, value in url.params.multi_items() if value not in secret]
    return url.copy_with(params=httpx2.QueryParams(kept)) if kept else url.copy_with(query=None)


def _texts_of(value: Any) -> list[str]:
    """The values of the secrets in a value of the query."""
    parts: list[Any] = list(value) if isinstance(value, list | tuple) else [value]  # pyright: ignore[reportUnknownArgumentType]
    return [each.reveal() for each in parts if isinstance(each, Secret)]


def _is_same_place(one: httpx2.URL, other: httpx2.URL) -> bool:
    """Whether what one of them was told may be told to the other: the same host, or the same one more safely."""
    ours, theirs = [(each.scheme, each.port or PORTS.get(each.scheme)) for each in (one, other)]
    return one.host == other.host and (ours == theirs or (ours, theirs) == (("http", 80), ("https", 443)))
