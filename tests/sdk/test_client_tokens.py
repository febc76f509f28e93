"""A service's own tokens: asked for once, renewed ahead, and never told to anybody."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs

import httpx2
import pytest
import requests

from ostiary import AuditEmitter, ClientTokens, ClientTokenUnavailable, ConfigurationError, SyncClientTokens
from ostiary.httpx_auth import ClientAuth
from ostiary.requests_auth import ClientAuth as RequestsAuth
from tests.sdk.clocks import Clock
from tests.sdk.feed_server import CLIENT_ID, SECRET, FeedServer, Handler
from tests.sdk.intake_server import QUICK, Intake, until

ISSUER = "https://issuer.test"


class Endpoint:
    """A token endpoint without a network: what it was asked, and what it answers."""

    def __init__(self) -> None:
        self.asked: list[httpx2.Request] = []
        self.answer: dict[str, object] = {"token_type": "Bearer", "expires_in": 300}
        self.status = 200
        self.headers: dict[str, str] = {}
        self.where = ISSUER + "/oauth/token"
        self.delay_s = 0.0

    def transport(self) -> httpx2.MockTransport:
        """The way to it."""
        return httpx2.MockTransport(self._say)

    def tokens(self, clock: Clock, *, scope: str | None = None, resource: str | None = None) -> SyncClientTokens:
        """Tokens of it."""
        return SyncClientTokens(
            ISSUER, client_id=CLIENT_ID, client_secret=SECRET, scope=scope, resource=resource,
            transport=self.transport(), monotonic=clock,
        )  # fmt: skip

    async def _say(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(200, json={"issuer": ISSUER, "token_endpoint": self.where})
        self.asked.append(request)
        await asyncio.sleep(self.delay_s)
        given = {"access_token": f"token-{len(self.asked)}", **self.answer}
        return httpx2.Response(self.status, json=given, headers=self.headers)


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


def test_it_asks_with_the_secret_in_the_header_and_for_the_scope_and_resource(endpoint: Endpoint, clock: Clock) -> None:
    """RFC 6749 §2.3.1, §4.4.2; RFC 8707."""
    tokens = endpoint.tokens(clock, scope="orders:read orders:write", resource="https://orders.test")
    assert tokens.token() == "token-1"
    (request,) = endpoint.asked
    name, secret = httpx2.BasicAuth("cli_orders", "ocs_the+secret%2Bof%3Aorders"), request.headers["authorization"]
    assert secret == name._auth_header
    assert parse_qs(request.content.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["orders:read orders:write"],
        "resource": ["https://orders.test"],
    }


def test_a_token_is_used_until_four_fifths_of_its_life_and_then_renewed_beside_it(
    endpoint: Endpoint, clock: Clock
) -> None:
    tokens = endpoint.tokens(clock)
    assert tokens.token() == "token-1"
    clock.pass_seconds(239)
    assert tokens.token() == "token-1"
    clock.pass_seconds(2)
    assert tokens.token() == "token-1", "the old one is good while a new one is asked for"
    until(lambda: tokens.token() == "token-2")
    assert len(endpoint.asked) == 2


def test_a_token_is_not_used_in_its_last_seconds(endpoint: Endpoint, clock: Clock) -> None:
    tokens = endpoint.tokens(clock)
    tokens.token()
    endpoint.status = 503
    clock.pass_seconds(296)
    with pytest.raises(ClientTokenUnavailable):
        tokens.token()


def test_twenty_threads_and_twenty_tasks_cause_one_request(endpoint: Endpoint, clock: Clock) -> None:
    endpoint.delay_s = 0.1
    tokens = endpoint.tokens(clock)
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(lambda _: tokens.token(), range(20))) == {"token-1"}
    shared = ClientTokens(ISSUER, client_id=CLIENT_ID, client_secret=SECRET, transport=endpoint.transport())

    async def all_at_once() -> set[str]:
        first, *others = [asyncio.create_task(shared.token()) for _ in range(20)]
        await asyncio.sleep(0.02)
        first.cancel()
        return set(await asyncio.gather(*others))

    assert asyncio.run(all_at_once()) == {"token-2"}
    # Another loop, the same token.
    assert asyncio.run(shared.token()) == "token-2"
    assert len(endpoint.asked) == 2


def test_an_issuer_that_fails_is_left_alone_for_a_while_and_longer_each_time(endpoint: Endpoint, clock: Clock) -> None:
    endpoint.status = 500
    tokens = endpoint.tokens(clock)
    pauses = []
    for _ in range(8):
        with pytest.raises(ClientTokenUnavailable) as told:
            tokens.token()
        count = len(endpoint.asked)
        began = clock()
        while len(endpoint.asked) == count:
            clock.pass_seconds(0.05)
            with pytest.raises(ClientTokenUnavailable):
                tokens.token()
        pauses.append(clock() - began)
        assert told.value.retry_after_s >= 1
    assert pauses[0] <= 0.6
    assert pauses[-1] >= 5
    assert all(pause <= 10.1 for pause in pauses)


def test_an_issuer_that_says_when_to_come_back_is_obeyed(endpoint: Endpoint, clock: Clock) -> None:
    endpoint.status, endpoint.headers = 429, {"Retry-After": "9"}
    tokens = endpoint.tokens(clock)
    with pytest.raises(ClientTokenUnavailable):
        tokens.token()
    clock.pass_seconds(8)
    with pytest.raises(ClientTokenUnavailable) as told:
        tokens.token()
    assert 1 <= told.value.retry_after_s <= 6, "by chance half as long again as it was said"
    assert len(endpoint.asked) == 1
    endpoint.status = 200
    clock.pass_seconds(told.value.retry_after_s)
    assert tokens.token() == "token-2"


@pytest.mark.parametrize(
    "answer",
    [
        {"access_token": None},
        {"access_token": "with\r\nheader: x"},
        {"access_token": ""},
        {"token_type": "DPoP"},
        {"expires_in": "soon"},
        {"expires_in": -1},
        {"expires_in": True},
        {"padding": "x" * 200_000},
    ],
)
def test_an_answer_that_is_none_is_no_token(endpoint: Endpoint, clock: Clock, answer: dict[str, object]) -> None:
    endpoint.answer |= answer
    with pytest.raises(ClientTokenUnavailable):
        endpoint.tokens(clock).token()


def test_the_secret_goes_to_the_issuers_own_origin_only(endpoint: Endpoint, clock: Clock) -> None:
    """Whatever the metadata says."""
    endpoint.where = "https://elsewhere.test/oauth/token"
    with pytest.raises(ClientTokenUnavailable) as told:
        endpoint.tokens(clock).token()
    assert "origin" in told.value.reason
    assert endpoint.asked == []


def test_no_error_and_no_log_tells_the_secret(
    endpoint: Endpoint, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even when the issuer says it back."""
    endpoint.status, endpoint.answer = 401, {"error": SECRET, "error_description": SECRET}
    tokens = endpoint.tokens(clock)
    with caplog.at_level(logging.DEBUG), pytest.raises(ClientTokenUnavailable) as told:
        tokens.token()
    said = f"{told.value} {told.value.reason} {told.value!r} {tokens!r} {tokens._credentials!r} {caplog.text}"
    assert "401" in told.value.reason
    assert "secret" not in said


def test_a_refused_token_is_replaced_and_not_more_than_once_in_five_seconds(endpoint: Endpoint, clock: Clock) -> None:
    """A resource that refuses everything is no flood of requests to the issuer."""
    tokens = endpoint.tokens(clock)
    for _ in range(100):
        tokens.forget(tokens.token())
    assert len(endpoint.asked) == 2
    clock.pass_seconds(5)
    tokens.forget(tokens.token())
    assert tokens.token() == "token-3"


@pytest.mark.parametrize("changes", [{"client_id": ""}, {"client_secret": ""}, {"timeout_s": 0}])
def test_wrong_settings_are_told_at_once(changes: dict[str, object]) -> None:
    usual: dict[str, object] = {"client_id": CLIENT_ID, "client_secret": SECRET}
    with pytest.raises(ConfigurationError, match=next(iter(changes))):
        ClientTokens(ISSUER, **{**usual, **changes})  # type: ignore[arg-type]


def test_a_forked_child_asks_for_itself(server: FeedServer) -> None:
    """A request that was under way in the parent never ends in the child."""
    tokens = SyncClientTokens(server.issuer, client_id=CLIENT_ID, client_secret=SECRET)
    gate = time.monotonic() + 0.5

    def wait(handler: Handler) -> None:
        time.sleep(max(gate - time.monotonic(), 0))
        handler.say(200, json.dumps({"access_token": "token-1", "token_type": "Bearer", "expires_in": 60}).encode())

    server.answers["token"] = wait
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(tokens.token)
        until(lambda: server.asked("token"))
        child = os.fork()
        if child == 0:
            os._exit(0 if tokens.token() == "token-1" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert asked.result() == "token-1"
    assert server.asked("token") == 2


@pytest.mark.parametrize("kind", [ClientTokens, SyncClientTokens])
def test_the_emitter_takes_the_tokens_as_they_are(
    intake: Intake, server: FeedServer, kind: type[ClientTokens] | type[SyncClientTokens]
) -> None:
    tokens = kind(server.issuer, client_id=CLIENT_ID, client_secret=SECRET, scope="audit:write")
    intake.token = "token-1"
    with AuditEmitter(intake.issuer, tokens.token, spool_dir=None, limits=QUICK) as emitter:
        for _ in range(3):
            emitter.emit("order.placed")
            until(lambda: not emitter.stats.spooled and not emitter.stats.buffered)
    assert intake.names() == ["order.placed"] * 3
    assert server.bearers == 1


def orders(server: FeedServer) -> list[str]:
    """A resource that refuses the first token; it fills the list with the tokens it saw."""
    seen: list[str] = []

    def answer(handler: Handler) -> None:
        seen.append(handler.headers.get("authorization", ""))
        handler.say(401 if seen[-1] == "Bearer token-1" else 200, b"{}")

    server.answers["orders"] = answer
    return seen


def test_httpx2_calls_others_with_a_token_and_once_more_after_a_refusal(server: FeedServer) -> None:
    seen = orders(server)
    auth = ClientAuth(SyncClientTokens(server.issuer, client_id=CLIENT_ID, client_secret=SECRET), origin=server.issuer)
    with httpx2.Client(auth=auth, trust_env=False) as client:
        assert client.get(server.issuer + "/orders").status_code == 200
        assert client.post(server.issuer + "/orders", json={"a": 1}).status_code == 200
    assert seen == ["Bearer token-1", "Bearer token-2", "Bearer token-2"]


def test_httpx2_async_does_so_too_and_takes_the_token_nowhere_else(server: FeedServer) -> None:
    seen = orders(server)
    auth = ClientAuth(ClientTokens(server.issuer, client_id=CLIENT_ID, client_secret=SECRET), origin=server.issuer)

    async def call() -> list[int]:
        async with httpx2.AsyncClient(auth=auth, trust_env=False) as client:
            elsewhere = server.issuer.replace("127.0.0.1", "localhost")
            return [(await client.get(base + "/orders")).status_code for base in (server.issuer, elsewhere)]

    assert asyncio.run(call()) == [200, 200]
    assert seen == ["Bearer token-1", "Bearer token-2", ""]


def test_requests_calls_others_with_a_token_and_once_more_after_a_refusal(server: FeedServer) -> None:
    seen = orders(server)
    with requests.Session() as session:
        session.trust_env = False
        session.auth = RequestsAuth(
            SyncClientTokens(server.issuer, client_id=CLIENT_ID, client_secret=SECRET), origin=server.issuer
        )
        answer = session.post(server.issuer + "/orders", json={"a": 1}, timeout=5)
        assert (answer.status_code, [each.status_code for each in answer.history]) == (200, [401])
        assert session.get(server.issuer.replace("127.0.0.1", "localhost") + "/orders", timeout=5).status_code == 200
    assert seen == ["Bearer token-1", "Bearer token-2", ""]
