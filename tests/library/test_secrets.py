"""Secrets in the params of nodes that ship: sent where they belong, and written nowhere (12.3)."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from tests.library.conftest import Bench
from tests.library.web import Web, answer, serving

from nodeloom import Engine, Graph, Node, ParamsError, Registry, RunFailed, Secret
from nodeloom.errors import CommandFailed
from nodeloom.library import HttpError, HttpRequest, HttpStatusError, ShellRun
from nodeloom.model.masks import MASKS
from nodeloom.nodes.documents.loading import load_text

CANARY = "canary/quzwyx & so on"
PIECE = "quzwyx"


@pytest.fixture(autouse=True)
def canary(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A secret that no log of any library tells."""
    monkeypatch.setenv("NODELOOM_SECRET_TOK", CANARY)
    caplog.set_level(logging.DEBUG)
    yield
    MASKS.forget()
    assert PIECE not in caplog.text
    assert base64.b64encode(f"ada:{CANARY}".encode()).decode() not in caplog.text


@pytest.fixture
async def other() -> AsyncIterator[Web]:
    """A second server, which is another place than the first."""
    async with serving() as web:
        yield web


# --- http.request


async def test_headers_query_and_form_may_hold_secrets_in_a_document(web: Web, bench: Bench) -> None:
    text = f"""
        nodeloom: 1
        name: asks
        nodes:
          ask:
            type: http.request
            params:
              url: {web.url}/echo?a=1
              method: POST
              headers: {{X-Key: {{$secret: tok}}, X-Word: "{{{{ run.inputs.word }}}}"}}
              query: {{key: {{$secret: tok}}, keys: [{{$secret: tok}}, b], n: 2}}
              form: {{client_secret: {{$secret: tok}}, grant: all}}
    """
    graph = load_text(text, "asks.yaml")
    assert PIECE not in repr(graph.nodes["ask"].params)
    result = await bench.graph(graph, {"word": "w"})
    assert web.last.headers["x-key"] == CANARY
    assert web.last.headers["x-word"] == "w"
    assert web.last.target == "/echo?a=1" + "&key={0}&keys={0}&keys=b&n=2".format("canary%2Fquzwyx+%26+so+on")
    assert web.last.body == b"client_secret=canary%2Fquzwyx+%26+so+on&grant=all"
    assert result["url"] == web.url + "/echo?a=1&keys=b&n=2"
    again = Graph.from_document(graph.to_document(), Registry(HttpRequest))
    assert again.to_document() == graph.to_document()


async def test_secrets_are_given_in_python_too(web: Web, bench: Bench) -> None:
    await bench.run(HttpRequest(url=web.url + "/echo", headers={"X-Key": Secret("tok")}, query={"k": Secret("tok")}))
    assert web.last.headers["x-key"] == CANARY
    assert "canary" in web.last.target


async def test_a_url_whose_whole_query_is_secret_is_told_without(web: Web, bench: Bench) -> None:
    result = await bench.run(HttpRequest(url=web.url + "/echo", query={"key": Secret("tok")}))
    assert result["url"] == web.url + "/echo"


async def test_a_token_is_sent_as_bearer(web: Web, bench: Bench) -> None:
    await bench.run(HttpRequest(url=web.url + "/echo", token={"$secret": "tok"}))
    assert web.last.headers["authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize(("password", "pair"), [(Secret("tok"), f"ada:{CANARY}"), (None, "ada:")])
async def test_user_and_password_are_sent_as_basic(web: Web, bench: Bench, password: Secret | None, pair: str) -> None:
    await bench.run(HttpRequest(url=web.url + "/echo", user="ada", password=password))
    assert web.last.headers["authorization"] == "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"token": Secret("tok"), "headers": {"authorization": "x"}}, "not an Authorization header and a token"),
        ({"token": Secret("tok"), "user": "ada"}, "not a token and a user"),
        ({"password": Secret("tok")}, "params.password: a password is a user's"),
        ({"token": PIECE}, "params.token: a secret is given by its name"),
        ({"token": "{{ inputs.token }}"}, "params.token: a secret is given by its name"),
        ({"headers": {"X-Key": {"$secret": PIECE + "!"}}}, "params.headers.X-Key: a secret is named by letters"),
        ({"headers": {"X-Key": 5}}, r"params.headers.X-Key: Input should be a valid string\Z"),
        ({"query": {"keys": [{"$secret": PIECE + "!"}]}}, "params.query.keys: .*a secret is named by letters"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place_and_not_shown(given: dict, said: str) -> None:
    with pytest.raises(ParamsError, match=said) as caught:
        HttpRequest(url="http://localhost/", **given)
    assert PIECE not in str(caught.value)


async def test_a_url_with_a_user_and_a_token_are_one_too_many(web: Web, bench: Bench) -> None:
    with pytest.raises(ParamsError, match="give one authorization"):
        await bench.run(HttpRequest(url=web.url.replace("//", "//ada:pa55@"), token=Secret("tok")))


async def test_the_data_of_a_run_names_no_secret(web: Web, bench: Bench) -> None:
    """12.1."""
    with pytest.raises(Exception, match="was given secret 'tok' by a template"):
        await bench.run(HttpRequest(url=web.url + "/echo", headers="{{ inputs.h }}"), {"h": {"X": {"$secret": "tok"}}})
    assert not web.requests


@pytest.mark.parametrize(
    "given",
    [
        {"token": Secret("tok")},
        {"user": "ada", "password": Secret("tok")},
        {"headers": {"X-Key": Secret("tok"), "X-Word": "w"}},
        {"headers": {"Authorization": Secret("tok")}},
        {"query": {"key": Secret("tok")}},
    ],
)
async def test_another_host_is_sent_no_secret_and_the_same_one_is(
    web: Web, other: Web, bench: Bench, given: dict
) -> None:
    web.fixed["/away"] = answer("307 Temporary Redirect", location=other.url + "/echo")
    web.fixed["/near"] = answer("307 Temporary Redirect", location="/echo")
    await bench.run(HttpRequest(url=web.url + "/away", **given))
    first, second = web.last, other.last
    assert PIECE in f"{first.target} {first.headers}" or first.headers["authorization"].startswith("Basic ")
    assert PIECE not in f"{second.target} {second.headers}"
    assert "authorization" not in second.headers
    assert second.headers.get("x-word") == first.headers.get("x-word")
    await bench.run(HttpRequest(url=web.url + "/near", **given))
    sent = ("authorization", "x-key")
    assert [web.last.headers.get(name) for name in sent] == [first.headers.get(name) for name in sent]


async def test_a_form_that_holds_a_secret_does_not_follow_to_another_host(web: Web, other: Web, bench: Bench) -> None:
    web.fixed["/away"] = answer("307 Temporary Redirect", location=other.url + "/echo")
    web.fixed["/see"] = answer("303 See Other", location=other.url + "/echo")
    with pytest.raises(HttpError, match="redirects to another host, which is not sent a body that holds a secret"):
        await bench.run(HttpRequest(url=web.url + "/away", method="POST", form={"key": Secret("tok")}))
    assert not other.requests
    await bench.run(HttpRequest(url=web.url + "/see", method="POST", form={"key": Secret("tok")}))
    assert other.last.body == b""
    await bench.run(HttpRequest(url=web.url + "/away", method="POST", form={"key": "plain"}))
    assert other.last.body == b"key=plain"


async def test_json_may_hold_secrets_anywhere_in_it(web: Web, other: Web, bench: Bench) -> None:
    text = f"""
        nodeloom: 1
        name: logs_in
        nodes:
          ask:
            type: http.request
            params:
              url: {web.url}/echo
              method: POST
              json: {{user: "{{{{ run.inputs.user }}}}", of: [{{password: {{$secret: tok}}}}], n: 1}}
    """
    graph = load_text(text, "logs_in.yaml")
    assert PIECE not in repr(graph.nodes["ask"].params)
    await bench.graph(graph, {"user": "ada"})
    assert json.loads(web.last.body) == {"user": "ada", "of": [{"password": CANARY}], "n": 1}
    again = Graph.from_document(graph.to_document(), Registry(HttpRequest))
    assert again.to_document() == graph.to_document()
    assert {"$secret": "tok"} in again.to_document()["nodes"]["ask"]["params"]["json"]["of"][0].values()
    web.fixed["/away"] = answer("307 Temporary Redirect", location=other.url + "/echo")
    with pytest.raises(HttpError, match="not sent a body that holds a secret"):
        await bench.run(HttpRequest(url=web.url + "/away", method="POST", json={"key": [Secret("tok")]}))
    assert not other.requests


async def test_json_that_a_template_gives_names_no_secret(web: Web, bench: Bench) -> None:
    """12.1."""
    with pytest.raises(Exception, match="was given secret 'tok' by a template"):
        await bench.run(
            HttpRequest(url=web.url + "/echo", method="POST", json="{{ inputs.body }}"),
            {"body": {"key": {"$secret": "tok"}}},
        )
    assert not web.requests


@pytest.mark.parametrize("path", ["/missing", "/cut", "/broken-json", "/echoed"])
async def test_no_event_and_no_error_tells_a_secret(web: Web, path: str) -> None:
    web.fixed["/echoed"] = answer("400 Bad Request", f"no such key: {CANARY}".encode())
    given: dict[str, Any] = {
        "headers": {"X-Key": Secret("tok")},
        "query": {"key": Secret("tok")},
        "token": Secret("tok"),
    }
    graph = Graph(HttpRequest(url=web.url + path, **given), name="g")
    async with Engine() as engine:
        events = [event async for event in engine.stream(graph)]
        with pytest.raises(RunFailed) as caught:
            await engine.run(graph)
    errors = [caught.value, caught.value.__cause__]
    told = f"{events} {errors!r} {caught.value.result} {[getattr(each, 'body', '') for each in errors]}"
    assert PIECE not in told


@pytest.mark.parametrize("given", ["headers", "form", "query", "user", "json"])
async def test_the_body_of_an_error_holds_no_part_and_no_form_of_a_secret(web: Web, bench: Bench, given: str) -> None:
    """12.3: masked in whatever way it was sent, and before it is cut."""
    secret = Secret("tok")
    params: dict[str, Any] = {given: {"key": secret}} if given != "user" else {"user": "ada", "password": secret}
    ways = [CANARY, quote(CANARY), quote(CANARY, safe=""), quote_plus(CANARY), json.dumps(CANARY)[1:-1]]
    ways.append(base64.b64encode(f"ada:{CANARY}".encode()).decode())
    for start in (0, 1_990):
        web.fixed["/echoed"] = answer("500 Internal Server Error", ("x" * start + " ".join(ways)).encode())
        with pytest.raises(HttpStatusError) as caught:
            await bench.run(HttpRequest(url=web.url + "/echoed", method="POST", **params))
        body = caught.value.body
        assert len(body) <= 2_000
        assert not any(way[:6] in body for way in (ways if given == "user" else ways[:-1]))


async def test_a_header_that_cannot_be_sent_is_told_without_it(
    web: Web, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (f"{PIECE}\r\nX-Other: 1", f"{PIECE}ü"):
        monkeypatch.setenv("NODELOOM_SECRET_TOK", value)
        with pytest.raises(ParamsError) as caught:
            await bench.run(HttpRequest(url=web.url + "/echo", token=Secret("tok")))
        assert PIECE not in str(caught.value)


async def test_a_secret_that_is_nowhere_is_told_by_name(web: Web, bench: Bench) -> None:
    with pytest.raises(Exception, match="tik"):
        await bench.run(HttpRequest(url=web.url + "/echo", token=Secret("tik")))


def test_the_form_has_fields_for_what_is_secret() -> None:
    fields = {field["name"]: field for field in HttpRequest.schema()["fields"]}
    assert [fields[name]["type"] for name in ("token", "password", "headers")] == ["secret", "secret", "json"]
    headers = HttpRequest.schema()["json_schema"]["properties"]["headers"]["additionalProperties"]["anyOf"]
    assert headers[0] == {"type": "string"}
    assert "$secret" in headers[1]["properties"]


# --- shell.run


def shows(**settings: Any) -> Node:
    return ShellRun(argv=["sh", "-c", 'printf %s "$KEY"; printf "key %s" "$KEY" >&2; exit "$CODE"'], **settings)


async def test_the_environment_of_a_command_may_hold_secrets(bench: Bench) -> None:
    result = await bench.run(shows(env={"KEY": {"$secret": "tok"}, "CODE": 0}))
    assert result["stdout"] == CANARY  # what a command writes is its own affair


async def test_what_a_failed_command_says_is_masked(bench: Bench, root: Path) -> None:
    with pytest.raises(CommandFailed, match=r"key \[secret tok\]") as caught:
        await bench.run(shows(env={"KEY": Secret("tok"), "CODE": "3"}))
    assert PIECE not in f"{caught.value!r}"
