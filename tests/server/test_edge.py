"""The edge: ids, headers, caps, failures, cross-origin reading, counting and logging."""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from ipaddress import ip_network

import httpx2
import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from base.errors import StorageUnavailable
from base.pages import Pages
from base.request import read_body
from server.edge import FORM_BYTES, JSON_BYTES, Edge, EdgeParts
from server.failures import make_failure_answers
from server.logs import Access, AccessLog, access_line
from server.metrics import Metrics

pytestmark = pytest.mark.anyio

SHARED_HEADERS = [(b"content-type", b"application/json")]
HTML = {"accept": "text/html,application/xhtml+xml"}
CANARY = "canary-of-the-database-password"

Inner = Callable[[Scope, Receive, Send], Awaitable[None]]


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what the edge established; reads the body, as endpoints do."""
    body = await read_body(receive, limit=2 * JSON_BYTES)
    facts = {"address": scope["ostiary.address"], "request": scope["ostiary.request_id"], "bytes": len(body)}
    await send({"type": "http.response.start", "status": 200, "headers": SHARED_HEADERS})
    await send({"type": "http.response.body", "body": json.dumps(facts).encode()})


def failing(error: Exception) -> Inner:
    """An application that fails."""

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return fail


class Deployment:
    """An edge around `inner`, a caller, and what was counted and written."""

    def __init__(self, inner: Inner, *, proxies: tuple[str, ...] = (), hsts: bool = False) -> None:
        self.metrics = Metrics()
        self.written: list[bytes] = []
        self.access_log = AccessLog(self.written.append)
        parts = EdgeParts(
            fail=make_failure_answers(Pages(service_name="Ostiary", folders=())),
            origins=lambda: frozenset({"https://app.example.com"}),
            metrics=self.metrics,
            access_log=self.access_log,
            trusted_proxies=[ip_network(text) for text in proxies],
            sends_hsts=hsts,
            exact_paths=frozenset({"/oauth/token"}),
        )
        self.edge = Edge(inner, parts)

    async def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        content: bytes | AsyncIterator[bytes] | None = None,
    ) -> httpx2.Response:
        """One request from 198.51.100.7."""
        transport = httpx2.ASGITransport(self.edge, client=("198.51.100.7", 4000))
        async with httpx2.AsyncClient(transport=transport, base_url="https://id.example.com") as caller:
            return await caller.request(method, path, content=content, headers=headers)

    async def lines(self) -> list[dict[str, object]]:
        """The access log so far."""
        await self.access_log.close()
        return [json.loads(line) for line in b"".join(self.written).splitlines()]


async def test_every_answer_carries_a_request_id_and_the_security_headers() -> None:
    """S9"""
    edge = Deployment(answer, hsts=True)
    first, second = await edge.ask("GET", "/x"), await edge.ask("GET", "/x")
    assert first.headers["x-request-id"] == first.json()["request"] != second.json()["request"]
    assert first.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert first.headers["x-content-type-options"] == "nosniff"
    assert first.headers["cache-control"] == "no-store"
    assert first.headers["strict-transport-security"].startswith("max-age=31536000")
    assert len(SHARED_HEADERS) == 1, "the application's own list of headers was changed"


async def test_headers_that_the_application_chose_stay_as_they_are() -> None:
    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-security-policy", b"default-src 'self'"), (b"cache-control", b"max-age=60")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    response = await Deployment(page).ask("GET", "/x")
    assert response.headers.get_list("content-security-policy") == ["default-src 'self'"]
    assert response.headers.get_list("cache-control") == ["max-age=60"]
    assert "strict-transport-security" not in response.headers


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StorageUnavailable(CANARY), 503, "temporarily_unavailable"),
        (RuntimeError(CANARY), 500, "server_error"),
        (KeyError(CANARY), 500, "server_error"),
    ],
)
async def test_a_failure_is_answered_without_details_and_logged_with_the_request_id(
    error: Exception, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """I4, S46"""
    edge = Deployment(failing(error))
    with caplog.at_level(logging.ERROR, "ostiary.edge"):
        program = await edge.ask("POST", "/oauth/token", content=b"")
        person = await edge.ask("GET", "/signin", HTML)
    assert (program.status_code, person.status_code) == (status, status)
    assert program.json()["error"] == code
    assert program.json()["request_id"] == program.headers["x-request-id"]
    assert person.headers["content-type"].startswith("text/html")
    assert person.headers["x-request-id"] in person.text
    assert CANARY not in program.text + person.text
    assert [record.__dict__["request_id"] for record in caplog.records] == [
        program.headers["x-request-id"],
        person.headers["x-request-id"],
    ]


async def test_a_database_that_is_away_says_when_to_come_back() -> None:
    edge = Deployment(failing(StorageUnavailable("away")))
    assert (await edge.ask("POST", "/oauth/revoke", content=b"")).headers["retry-after"] == "2"
    assert (await edge.ask("GET", "/account", HTML)).headers["retry-after"] == "2"
    assert edge.metrics.storage_unavailable == 2


async def test_the_authorization_endpoint_fails_with_a_page_whatever_the_browser_accepts() -> None:
    response = await Deployment(failing(RuntimeError("x"))).ask("GET", "/oauth/authorize", {"accept": "*/*"})
    assert response.status_code == 500
    assert "Something went wrong" in response.text


@pytest.mark.parametrize(
    ("path", "cap", "told"),
    [
        ("/oauth/token", FORM_BYTES, {"error": "invalid_request"}),
        ("/signin", FORM_BYTES, {"error": "invalid_request"}),
        ("/api/v1/audit/events", JSON_BYTES, {"type": "about:blank", "status": 413}),
    ],
)
async def test_a_body_over_its_cap_is_refused_before_it_is_read(path: str, cap: int, told: dict[str, object]) -> None:
    """S48"""
    edge = Deployment(answer)
    assert (await edge.ask("POST", path, content=b"x" * cap)).json()["bytes"] == cap
    refused = await edge.ask("POST", path, content=b"x" * (cap + 1))
    assert refused.status_code == 413
    assert told.items() <= refused.json().items()


async def test_a_body_that_does_not_say_its_length_is_capped_while_it_comes() -> None:
    """S48"""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * FORM_BYTES:
            sent += 8192
            yield b"x" * 8192

    refused = await Deployment(answer).ask("POST", "/oauth/token", content=endless())
    assert refused.status_code == 413


@pytest.mark.parametrize("length", ["1e3", "-1", "99999999999999999999", "0x10"])
async def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    edge = Deployment(answer)
    assert (await edge.ask("POST", "/oauth/token", {"content-length": length}, content=b"x")).status_code == 413


async def test_the_address_is_the_peers_unless_a_trusted_proxy_vouches_for_another() -> None:
    """S34"""
    plain, behind = Deployment(answer), Deployment(answer, proxies=("198.51.100.0/24",))
    forged = {"x-forwarded-for": "203.0.113.9"}
    assert (await plain.ask("GET", "/x", forged)).json()["address"] == "198.51.100.7"
    assert (await behind.ask("GET", "/x", forged)).json()["address"] == "203.0.113.9"


async def test_only_registered_origins_may_read_and_never_with_cookies() -> None:
    """S9"""
    edge = Deployment(answer)
    allowed = await edge.ask("POST", "/oauth/token", {"origin": "https://app.example.com"}, content=b"")
    assert allowed.headers["access-control-allow-origin"] == "https://app.example.com"
    assert allowed.headers["vary"] == "origin"
    assert "access-control-allow-credentials" not in allowed.headers
    for origin in ("https://evil.example.com", "null", "https://app.example.com.evil.com"):
        refused = await edge.ask("POST", "/oauth/token", {"origin": origin}, content=b"")
        assert "access-control-allow-origin" not in refused.headers
        assert refused.headers["vary"] == "origin"


async def test_a_preflight_is_answered_at_the_edge() -> None:
    """S9"""
    edge = Deployment(failing(AssertionError("the application was asked")))
    asked = {"access-control-request-method": "POST", "origin": "https://app.example.com"}
    allowed = await edge.ask("OPTIONS", "/oauth/token", asked)
    assert (allowed.status_code, allowed.headers["access-control-allow-methods"]) == (204, "GET, POST")
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    foreign = await edge.ask("OPTIONS", "/oauth/token", {**asked, "origin": "https://evil.example.com"})
    assert "access-control-allow-methods" not in foreign.headers


@pytest.mark.parametrize("path", ["/oauth/authorize", "/signin", "/oauth/introspect", "/oauth/logout"])
async def test_no_other_path_may_be_read_across_origins(path: str) -> None:
    """S9"""
    response = await Deployment(answer).ask("GET", path, {"origin": "https://app.example.com"})
    assert not [name for name in response.headers if name.startswith("access-control-")]


async def test_the_access_log_hides_links_and_credentials_and_every_query() -> None:
    """S46"""
    edge = Deployment(answer)
    link = "olk_" + "A" * 43
    for path in (f"/setup/{link}", f"/not-me/{link}?code=oac_canary", f"/x/{link}", "/oauth/authorize?code=canary"):
        await edge.ask("GET", path)
    for jwt in ("eyJhbGciOi.eyJpc3MiOi.canary-1", "eyJhbGciOi.canary.canary.canary.canary", "eyJhbGciOi..canary"):
        await edge.ask("GET", f"/userinfo/{jwt}/x")
    lines = await edge.lines()
    hidden = ["/setup/***", "/not-me/***", "/x/***", "/oauth/authorize", *["/userinfo/***/x"] * 3]
    assert [line["path"] for line in lines] == hidden
    assert b"AAAA" not in b"".join(edge.written)
    assert b"canary" not in b"".join(edge.written)


async def test_what_a_caller_sends_stays_inside_its_line() -> None:
    """S46"""
    edge = Deployment(answer)
    await edge.ask("GET", "/a%0d%0aforged%1b%5b2J%e2%80%a8")
    await edge.access_log.close()
    assert b"".join(edge.written).count(b"\n") == 1
    line = access_line(Access(0.0, "id", "GET", "/a\r\nforged\x1b[2J\u2028", 200, 0.1, None, b"x\x85\x9by\n"))
    assert line.decode().isprintable()
    assert json.loads(line)["path"] == "/a\r\nforged\x1b[2J\u2028"


async def test_requests_are_counted_by_route_and_never_by_what_somebody_typed() -> None:
    edge = Deployment(answer)
    await edge.ask("POST", "/oauth/token", content=b"")
    await edge.ask("GET", "/whatever/1")
    await edge.ask("GET", "/whatever/2")
    await edge.ask("BREW", "/whatever/3")
    assert edge.metrics.requests == {
        ("/oauth/token", "POST", 200): 1,
        ("unmatched", "GET", 200): 2,
        ("unmatched", "other", 200): 1,
    }
    assert edge.metrics.in_flight == 0


async def test_a_caller_who_went_away_is_no_error() -> None:
    edge = Deployment(failing(ClientDisconnect()))
    transport_error = False
    try:
        await edge.ask("POST", "/oauth/token", content=b"")
    except AssertionError:
        # The transport insists on an answer; there is nobody to give one to.
        transport_error = True
    assert transport_error
    assert edge.metrics.unexpected_errors == 0
    assert [line["status"] for line in await edge.lines()] == [499]
