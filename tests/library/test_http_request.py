"""`http.request` against a real server on the loopback."""

from __future__ import annotations

import asyncio
import base64
import logging
import socket
import tracemalloc

import pytest
from tests.library.conftest import Bench
from tests.library.web import Web

from nodeloom import Graph, ParamsError, node
from nodeloom.errors import LimitExceeded
from nodeloom.library import (
    ContentError,
    HttpConnectionError,
    HttpError,
    HttpRequest,
    HttpStatusError,
    HttpTimeout,
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- what is sent


async def test_query_headers_and_method_reach_the_server(web: Web, bench: Bench) -> None:
    request = HttpRequest(url=web.url + "/echo?a=1", method="post", headers={"X-Word": "w"}, query={"b": [2, 3]})
    result = await bench.run(request)
    assert (result["status"], result["json"]["method"]) == (200, "POST")
    assert result["json"]["target"] == "/echo?a=1&b=2&b=3"
    assert result["json"]["headers"]["x-word"] == "w"
    assert result["url"] == web.url + "/echo?a=1&b=2&b=3"
    assert result["headers"]["content-type"] == "application/json"
    assert result["elapsed"] > 0


@pytest.mark.parametrize(
    ("body", "sent", "kind"),
    [
        ({"json": {"a": [1, None]}}, '{"a":[1,null]}', "application/json"),
        ({"json": 0}, "0", "application/json"),
        ({"json": {}}, "{}", "application/json"),
        ({"text": "grüß"}, "grüß", None),
        ({"text": ""}, "", None),
        ({"form": {"a": "1 2", "b": "ü"}}, "a=1+2&b=%C3%BC", "application/x-www-form-urlencoded"),
    ],
)
async def test_a_body_is_json_text_or_a_form_and_falsy_ones_are_bodies(
    web: Web, bench: Bench, body: dict, sent: str, kind: str | None
) -> None:
    """1.8."""
    await bench.run(HttpRequest(url=web.url + "/echo", method="POST", **body))
    assert web.last.body.decode() == sent
    if kind is not None:
        assert web.last.headers["content-type"] == kind


async def test_a_template_in_a_value_of_the_url_is_sent_quoted(web: Web, bench: Bench) -> None:
    """12.1."""
    request = HttpRequest(url=web.url + "/echo", query={"q": "{{ inputs.word }}"})
    result = await bench.run(request, {"word": "a&b={{ 1 }}"})
    assert result["json"]["target"] == "/echo?q=a%26b%3D%7B%7B+1+%7D%7D"


async def test_credentials_of_a_url_are_a_header_and_stand_in_no_output_and_no_log(
    web: Web, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = web.url.replace("http://", "http://user:pa55@") + "/echo"
    result = await bench.run(HttpRequest(url=url))
    assert web.last.headers["authorization"] == "Basic " + base64.b64encode(b"user:pa55").decode()
    assert result["url"] == web.url + "/echo"
    assert "pa55" not in caplog.text


async def test_cookies_of_one_request_are_not_sent_with_another(web: Web, bench: Bench) -> None:
    await bench.run(HttpRequest(url=web.url + "/echo"))
    await bench.run(HttpRequest(url=web.url + "/echo"))
    assert "cookie" not in web.last.headers
    await bench.run(HttpRequest(url=web.url + "/echo", headers={"Cookie": "mine=1"}))
    assert web.last.headers["cookie"] == "mine=1"


# --- what comes back


@pytest.mark.parametrize(
    ("path", "parse", "body", "value"),
    [
        ("/text", "auto", "grüß dich", None),
        ("/text", "bytes", "grüß dich".encode("latin-1"), None),
        ("/odd", "auto", "abc", None),
        ("/image", "auto", b"\x89PNG\xff", None),
        ("/unnamed", "auto", "plain", None),
        ("/empty", "auto", "", None),
        ("/gzip", "auto", "packed", None),
        ("/broken-json", "text", '{"a": 1,\n oops}', None),
    ],
)
async def test_a_body_is_read_as_its_content_type_says(
    web: Web, bench: Bench, path: str, parse: str, body: object, value: object
) -> None:
    result = await bench.run(HttpRequest(url=web.url + path, parse=parse))
    assert (result["body"], result["json"]) == (body, value)


async def test_a_large_json_body_is_parsed_on_a_thread(web: Web, bench: Bench) -> None:
    result = await bench.run(HttpRequest(url=web.url + "/big-json"))
    assert len(result["json"]) == 400


async def test_a_broken_json_body_is_one_message_with_line_and_column(web: Web, bench: Bench) -> None:
    with pytest.raises(
        ContentError, match=r"body of GET http://127.0.0.1:\d+/broken-json is not JSON: line 2, column 2"
    ):
        await bench.run(HttpRequest(url=web.url + "/broken-json"))


async def test_a_body_that_is_not_packed_as_it_says_is_one_message(web: Web, bench: Bench) -> None:
    with pytest.raises(HttpError, match="/not-gzip: the body is not what its content-encoding says"):
        await bench.run(HttpRequest(url=web.url + "/not-gzip"))


# --- limits


@pytest.mark.parametrize("path", ["/big", "/endless"])
async def test_a_body_past_the_limit_fails_and_its_connection_is_closed(web: Web, bench: Bench, path: str) -> None:
    with pytest.raises(LimitExceeded, match=r"the body is larger than 99,999 bytes \(max_bytes\)"):
        await bench.run(HttpRequest(url=web.url + path, max_bytes=99_999))
    await web.quiet()


async def test_a_body_of_exactly_the_limit_is_read(web: Web, bench: Bench) -> None:
    assert len((await bench.run(HttpRequest(url=web.url + "/big", max_bytes=100_000)))["body"]) == 100_000


@pytest.mark.parametrize("path", ["/bomb", "/bomb-redirect"])
async def test_a_small_body_that_unpacks_to_200_mb_costs_no_such_memory(web: Web, bench: Bench, path: str) -> None:
    request = HttpRequest(url=web.url + path, max_bytes=1_000_000)
    await bench.run(HttpRequest(url=web.url + "/text"))
    tracemalloc.start()
    try:
        if path == "/bomb":
            with pytest.raises(LimitExceeded):
                await bench.run(request)
        else:
            assert (await bench.run(request))["body"] == "grüß dich"
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("path", ["/slow", "/drip"])
async def test_the_timeout_is_for_the_whole_exchange_however_often_a_byte_comes(
    web: Web, bench: Bench, path: str
) -> None:
    with pytest.raises(HttpTimeout, match=r"no complete answer within 0.2 s \(timeout\)") as caught:
        await bench.run(HttpRequest(url=web.url + path, timeout=0.2))
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.retryable
    await web.quiet()


async def test_a_cancelled_request_leaves_no_connection(web: Web, bench: Bench) -> None:
    running = asyncio.create_task(bench.run(HttpRequest(url=web.url + "/slow")))
    while not web.requests:  # noqa: ASYNC110 - bounded by the test's timeout
        await asyncio.sleep(0.005)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await web.quiet()


async def test_a_hundred_requests_at_once_share_one_pool(web: Web, bench: Bench) -> None:
    """7.4: the client is a shared resource, closed with the engine."""
    request = HttpRequest(url=web.url + "/short-wait")
    results = await asyncio.gather(*[bench.run(request) for _ in range(100)])
    assert [result["body"] for result in results] == ["ok"] * 100
    assert 1 < web.busiest <= 100
    accepted = web.accepted
    await asyncio.gather(*[bench.run(request) for _ in range(10)])
    assert web.accepted == accepted
    await bench.engine.close()
    await web.quiet()


# --- statuses


async def test_an_unexpected_status_fails_with_its_code_and_the_beginning_of_its_body(web: Web, bench: Bench) -> None:
    with pytest.raises(HttpStatusError, match=r"/missing: status 404 Not Found, expected 2xx") as caught:
        await bench.run(HttpRequest(url=web.url + "/missing"))
    error = caught.value
    assert (error.code, error.status, error.retryable, error.body) == ("http_status", 404, False, "no such page")


@pytest.mark.parametrize("expected", ["404", 404, "2xx, 404", "4xx", "any"])
async def test_a_status_can_be_expected(web: Web, bench: Bench, expected: object) -> None:
    result = await bench.run(HttpRequest(url=web.url + "/missing", expected_status=expected))
    assert result["status"] == 404


@pytest.mark.parametrize(
    ("path", "low", "high"),
    [("/busy", 7, 7), ("/busy-date", 50, 60), ("/busy-part", 0.3, 0.3), ("/busy-for-ever", 31_536_000, 31_536_000)],
)
async def test_retry_after_is_read_as_seconds_and_as_a_date(
    web: Web, bench: Bench, path: str, low: float, high: float
) -> None:
    """5.3: what a Retry will honour."""
    with pytest.raises(HttpStatusError) as caught:
        await bench.run(HttpRequest(url=web.url + path))
    assert caught.value.retryable
    assert caught.value.retry_after is not None
    assert low <= caught.value.retry_after <= high


async def test_a_retry_after_that_says_nothing_is_none(web: Web, bench: Bench) -> None:
    with pytest.raises(HttpStatusError) as caught:
        await bench.run(HttpRequest(url=web.url + "/busy-odd"))
    assert caught.value.retry_after is None


async def test_an_error_edge_by_registered_name_takes_a_status(web: Web, bench: Bench) -> None:
    """2.5."""

    @node
    def sorry(ctx):
        return {"code": ctx.error["code"], "retryable": ctx.error["retryable"]}

    fetch = HttpRequest(url=web.url + "/busy", id="fetch")
    fetch.on_error("HttpStatusError") >> sorry
    assert await bench.graph(Graph(fetch)) == {"code": "http_status", "retryable": True}


# --- redirects


async def test_a_redirect_is_followed_and_the_last_url_is_told(web: Web, bench: Bench) -> None:
    result = await bench.run(HttpRequest(url=web.url + "/moved"))
    assert result["url"] == web.url + "/echo?moved=1"


async def test_see_other_is_followed_with_get_and_without_a_body(web: Web, bench: Bench) -> None:
    result = await bench.run(HttpRequest(url=web.url + "/see-other", method="POST", text="x"))
    assert (result["json"]["method"], result["json"]["body"]) == ("GET", "")


async def test_a_redirect_that_is_not_followed_is_an_answer(web: Web, bench: Bench) -> None:
    request = HttpRequest(url=web.url + "/moved", follow_redirects=False, expected_status="3xx")
    result = await bench.run(request)
    assert (result["status"], result["headers"]["location"]) == (302, "/echo?moved=1")


async def test_redirects_without_an_end_are_one_message(web: Web, bench: Bench) -> None:
    with pytest.raises(HttpError, match="/loop: more than 20 redirects"):
        await bench.run(HttpRequest(url=web.url + "/loop"))


async def test_a_redirect_to_a_file_is_refused(web: Web, bench: Bench) -> None:
    with pytest.raises(HttpError, match="it redirects to what is no http or https URL"):
        await bench.run(HttpRequest(url=web.url + "/to-file"))


async def test_credentials_do_not_follow_a_redirect_to_another_host(web: Web, bench: Bench) -> None:
    from tests.library.web import answer, serving

    async with serving() as other:
        import tests.library.web as served

        served.FIXED["/away"] = lambda: answer("302 Found", location=other.url + "/echo")
        url = web.url.replace("http://", "http://user:pa55@") + "/away"
        await bench.run(HttpRequest(url=url))
        del served.FIXED["/away"]
        assert "authorization" in web.last.headers
        assert "authorization" not in other.last.headers


# --- what cannot work


async def test_a_refused_connection_is_one_retryable_message_with_host_and_reason(bench: Bench) -> None:
    port = free_port()
    with pytest.raises(HttpConnectionError) as caught:
        await bench.run(HttpRequest(url=f"http://user:pa55@127.0.0.1:{port}/x?token=t0ken"))
    message = str(caught.value)
    assert message.startswith(f"GET http://127.0.0.1:{port}/x?…: no answer from 127.0.0.1:{port}: ")
    assert "refused" in message.lower() or "connect" in message.lower()
    assert "pa55" not in message
    assert "t0ken" not in message
    assert caught.value.retryable
    assert isinstance(caught.value, ConnectionError)


async def test_an_unknown_host_is_one_retryable_message(bench: Bench) -> None:
    with pytest.raises(HttpConnectionError, match=r"no answer from nowhere\.invalid:80: "):
        await bench.run(HttpRequest(url="http://nowhere.invalid/"))


@pytest.mark.parametrize("path", ["/cut", "/nonsense"])
async def test_a_connection_that_ends_halfway_is_one_retryable_message(web: Web, bench: Bench, path: str) -> None:
    with pytest.raises(HttpConnectionError, match=f"GET http://127.0.0.1:[0-9]+{path}: no answer from"):
        await bench.run(HttpRequest(url=web.url + path))


@pytest.mark.parametrize("url", ["ftp://u:pa55@host/x", "file:///etc/passwd", "example.org", ""])
def test_only_http_and_https_are_taken_and_the_message_shows_no_url(url: str) -> None:
    with pytest.raises(ParamsError, match=r"params.url: a URL here begins with http:// or https://") as caught:
        HttpRequest(url=url)
    assert "pa55" not in str(caught.value)
    assert caught.value.problems[0].field == "params.url"


async def test_a_url_that_a_template_makes_is_checked_when_it_is_made(bench: Bench) -> None:
    """12.1: a param that is a template is validated after rendering."""
    with pytest.raises(ParamsError, match="begins with http"):
        await bench.run(HttpRequest(url="{{ inputs.url }}"), {"url": "gopher://x"})


@pytest.mark.parametrize(
    "url", ["http://", "http:///path", "http://u:pa55@[::1", "http://u:pa55@host:port/", "http://u:pa55@ho\x00st/"]
)
async def test_a_malformed_url_is_one_message_without_its_secrets(bench: Bench, url: str) -> None:
    with pytest.raises(ParamsError, match=r"params\.url") as caught:
        await bench.run(HttpRequest(url=url))
    assert "pa55" not in str(caught.value)


@pytest.mark.parametrize("value", ["tok\r\nX-Evil: 1", "tok\u20ac", "tok\x00"])
async def test_a_header_that_http_does_not_allow_is_refused_without_its_value(
    web: Web, bench: Bench, value: str
) -> None:
    with pytest.raises(ParamsError) as caught:
        await bench.run(HttpRequest(url=web.url + "/echo", headers={"Authorization": value}))
    assert "tok" not in str(caught.value)


def test_two_bodies_are_refused() -> None:
    with pytest.raises(ParamsError, match=r"give one body, not json and text"):
        HttpRequest(url="http://x", json={}, text="")


@pytest.mark.parametrize("wrong", ["2x", "200-299", "", "999x", "600"])
def test_an_expected_status_is_statuses_classes_or_any(wrong: str) -> None:
    with pytest.raises(ParamsError, match=r"params\.expected_status"):
        HttpRequest(url="http://x", expected_status=wrong)
