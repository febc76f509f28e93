"""Tokens for the services behind: asked for once, kept for no longer than they hold, and never told to anybody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs

import httpx2
import pytest

from ostiary import (
    ConfigurationError,
    ExchangeRefused,
    ExchangeUnavailable,
    SyncTokenExchange,
    SyncVerifier,
    TokenExchange,
)
from ostiary.testing import FakeIssuer
from tests.sdk.clocks import Clock
from tests.sdk.feed_server import CLIENT_ID, SECRET

ISSUER = "https://issuer.test"
TYPE = "urn:ietf:params:oauth:token-type:"
STOCK = "https://stock.example.com"


class Endpoint:
    """A token endpoint without a network: what it was asked, and what it answers."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.credentials: set[str] = set()
        self.answer: dict[str, object] = {
            "issued_token_type": TYPE + "txn_token", "token_type": "N_A", "expires_in": 60,
        }  # fmt: skip
        self.status = 200
        self.headers: dict[str, str] = {}
        self.delay_s = 0.0
        self.at_once = self.most_at_once = 0
        self.opened: list[SyncTokenExchange] = []

    def open(self, clock: Clock, **settings: object) -> SyncTokenExchange:
        """An exchange with it."""
        exchange = SyncTokenExchange(
            ISSUER, client_id=CLIENT_ID, client_secret=SECRET, transport=self.transport(), monotonic=clock,
            **settings,  # type: ignore[arg-type]
        )  # fmt: skip
        self.opened.append(exchange)
        return exchange

    def transport(self) -> httpx2.MockTransport:
        """The way to it."""
        return httpx2.MockTransport(self._say)

    async def _say(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(200, json={"issuer": ISSUER, "token_endpoint": ISSUER + "/oauth/token"})
        told = parse_qs(request.content.decode())
        self.forms.append({name: values[0] for name, values in told.items()})
        number = len(self.forms)
        self.credentials.add(request.headers["authorization"])
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.delay_s)
        self.at_once -= 1
        given = {"access_token": f"token-{number}", **self.answer}
        return httpx2.Response(self.status, json=given, headers=self.headers)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    for exchange in made.opened:
        exchange.close()


def test_it_asks_for_a_small_token_in_the_name_of_the_caller(endpoint: Endpoint, clock: Clock) -> None:
    """RFC 8693 §2.1"""
    exchange = endpoint.open(clock)
    assert exchange.token("a.b.c", audience=STOCK, scope="stock:read") == "token-1"
    assert endpoint.forms == [
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": "a.b.c",
            "subject_token_type": TYPE + "access_token",
            "requested_token_type": TYPE + "txn_token",
            "audience": STOCK,
            "scope": "stock:read",
        }
    ]
    assert {value.partition(" ")[0] for value in endpoint.credentials} == {"Basic"}


def test_a_token_is_kept_for_its_audience_and_scope_and_never_beyond_its_end(endpoint: Endpoint, clock: Clock) -> None:
    exchange = endpoint.open(clock)
    first = exchange.token("a.b.c", audience=STOCK)
    clock.pass_seconds(54)
    assert exchange.token("a.b.c", audience=STOCK) == first
    others = [("x.y.z", STOCK, None), ("a.b.c", STOCK + "/", None), ("a.b.c", STOCK, "stock:read")]
    given = {exchange.token(token, audience=audience, scope=scope) for token, audience, scope in others}
    assert len(given | {first}) == 4
    clock.pass_seconds(1)
    assert exchange.token("a.b.c", audience=STOCK) == "token-5"


@pytest.mark.parametrize(("life", "used_s"), [(10, 8), (2, 1), (86_400 * 30, 86_000)])
def test_a_short_life_has_a_shorter_margin_and_a_long_one_is_bounded(
    endpoint: Endpoint, clock: Clock, life: int, used_s: int
) -> None:
    endpoint.answer["expires_in"] = life
    exchange = endpoint.open(clock)
    assert exchange.token("a.b.c", audience=STOCK) == "token-1"
    clock.pass_seconds(used_s - 0.5)
    assert exchange.token("a.b.c", audience=STOCK) == "token-1"
    clock.pass_seconds(min(life, 86_400) - used_s + 0.5)
    assert exchange.token("a.b.c", audience=STOCK) == "token-2"


def test_many_who_ask_for_the_same_are_one_request_and_a_few_at_once(endpoint: Endpoint, clock: Clock) -> None:
    endpoint.delay_s = 0.2
    exchange = endpoint.open(clock, most_at_once=3)
    with ThreadPoolExecutor(24) as pool:
        same = [pool.submit(exchange.token, "a.b.c", audience=STOCK) for _ in range(12)]
        other = [pool.submit(exchange.token, f"a.b.{number}", audience=STOCK) for number in range(12)]
        assert len({asked.result() for asked in same}) == 1
        assert len({asked.result() for asked in other}) == 12
    assert len(endpoint.forms) == 13
    assert endpoint.most_at_once == 3


def test_a_task_that_is_cancelled_takes_no_other_along(endpoint: Endpoint, clock: Clock) -> None:
    endpoint.delay_s = 0.3

    async def ask() -> list[object]:
        exchange = TokenExchange(
            ISSUER, client_id=CLIENT_ID, client_secret=SECRET, transport=endpoint.transport(), monotonic=clock
        )
        tasks = [asyncio.create_task(exchange.token("a.b.c", audience=STOCK)) for _ in range(3)]
        await asyncio.sleep(0.1)
        tasks[0].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        exchange.close()
        return list(outcomes)

    cancelled, *others = asyncio.run(ask())
    assert isinstance(cancelled, asyncio.CancelledError)
    assert others == ["token-1", "token-1"]


def test_only_so_many_are_remembered(endpoint: Endpoint, clock: Clock) -> None:
    exchange = endpoint.open(clock, most_tokens=2)
    for token in ("a.b.1", "a.b.2", "a.b.3"):
        exchange.token(token, audience=STOCK)
    assert exchange.token("a.b.3", audience=STOCK) == "token-3"
    assert exchange.token("a.b.1", audience=STOCK) == "token-4"
    forgetful = endpoint.open(clock, most_tokens=0)
    assert forgetful.token("a.b.3", audience=STOCK) != forgetful.token("a.b.3", audience=STOCK)


@pytest.mark.parametrize("error", ["invalid_request", "invalid_target", "invalid_scope"])
def test_a_refusal_is_about_this_token_and_is_believed_for_a_moment(
    endpoint: Endpoint, clock: Clock, error: str
) -> None:
    """I6: never another token in its place, and the issuer is asked about others at once."""
    exchange = endpoint.open(clock)
    endpoint.status, endpoint.answer = 400, {"error": error, "error_description": "a secret"}
    for _ in range(3):
        with pytest.raises(ExchangeRefused) as refused:
            exchange.token("a.b.c", audience=STOCK)
        assert refused.value.error == error
        assert "secret" not in str(refused.value)
    assert len(endpoint.forms) == 1
    with pytest.raises(ExchangeRefused):
        exchange.token("x.y.z", audience=STOCK)
    clock.pass_seconds(5)
    endpoint.status, endpoint.answer = 200, Endpoint().answer
    assert exchange.token("a.b.c", audience=STOCK) == "token-3"


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, "invalid_client"), (400, "unauthorized_client"), (400, "unsupported_grant_type"), (500, ""), (503, ""),
     (429, "invalid_request"), (400, "something_new")],
)  # fmt: skip
def test_trouble_is_ours_and_the_issuer_is_left_alone_for_a_moment(
    endpoint: Endpoint, clock: Clock, status: int, error: str
) -> None:
    exchange = endpoint.open(clock)
    endpoint.status, endpoint.answer, endpoint.headers = status, {"error": error}, {"retry-after": "2"}
    with pytest.raises(ExchangeUnavailable) as away:
        exchange.token("a.b.c", audience=STOCK)
    assert away.value.retry_after_s >= 1
    with pytest.raises(ExchangeUnavailable):
        exchange.token("x.y.z", audience=STOCK)
    assert len(endpoint.forms) == 1
    clock.pass_seconds(10)
    endpoint.status, endpoint.answer = 200, Endpoint().answer
    assert exchange.token("x.y.z", audience=STOCK) == "token-2"


def test_what_is_remembered_is_used_while_the_issuer_is_away(endpoint: Endpoint, clock: Clock) -> None:
    exchange = endpoint.open(clock)
    assert exchange.token("a.b.c", audience=STOCK) == "token-1"
    endpoint.status, endpoint.answer = 503, {}
    with pytest.raises(ExchangeUnavailable):
        exchange.token("x.y.z", audience=STOCK)
    assert exchange.token("a.b.c", audience=STOCK) == "token-1"


@pytest.mark.parametrize(
    "answer",
    [
        {"issued_token_type": TYPE + "access_token"},
        {"issued_token_type": None},
        {"token_type": "Bearer"},
        {"token_type": None},
        {"expires_in": 0},
        {"expires_in": "60"},
        {"expires_in": True},
        {"expires_in": None},
        {"access_token": "not a token"},
        {"access_token": None},
    ],
)
def test_another_kind_of_token_is_never_taken_for_it(
    endpoint: Endpoint, clock: Clock, answer: dict[str, object]
) -> None:
    """S36: an access token in the place of a small one would open more than was asked for."""
    endpoint.answer |= answer
    with pytest.raises(ExchangeUnavailable):
        endpoint.open(clock).token("a.b.c", audience=STOCK)


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "ü", "a" * 20_000])
def test_what_no_issuer_can_have_issued_is_not_sent_around(endpoint: Endpoint, clock: Clock, token: str) -> None:
    with pytest.raises(ExchangeRefused):
        endpoint.open(clock).token(token, audience=STOCK)
    assert endpoint.forms == []


def test_a_slow_issuer_is_given_up_in_time(endpoint: Endpoint, clock: Clock) -> None:
    endpoint.delay_s = 5
    with pytest.raises(ExchangeUnavailable):
        endpoint.open(clock, timeout_s=0.2).token("a.b.c", audience=STOCK)


def test_no_error_and_no_log_tells_a_token_or_the_secret(
    endpoint: Endpoint, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """S46"""
    caplog.set_level(logging.DEBUG)
    exchange = endpoint.open(clock)
    answers: list[tuple[int, dict[str, object]]] = [
        (400, {"error": "invalid_request"}),
        (500, {"x": "canary-token"}),
        (200, {"access_token": 1}),
    ]
    for status, answer in answers:
        endpoint.status, endpoint.answer = status, answer
        with pytest.raises((ExchangeRefused, ExchangeUnavailable)) as failed:
            exchange.token("canary.token.x", audience=STOCK)
        told = f"{failed.value} {failed.value!r} {getattr(failed.value, 'reason', '')}"
        assert "canary" not in told
        assert SECRET not in told
        clock.pass_seconds(20)
    assert "canary" not in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "settings",
    [{"timeout_s": 0}, {"timeout_s": 61}, {"most_tokens": -1}, {"most_at_once": 0}, {"typ": "JWT"}, {"typ": ""}],
)
def test_wrong_settings_are_told_at_once(endpoint: Endpoint, clock: Clock, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        endpoint.open(clock, **settings)


def test_a_closed_exchange_forgets_and_begins_anew(endpoint: Endpoint, clock: Clock) -> None:
    exchange = endpoint.open(clock)
    assert exchange.token("a.b.c", audience=STOCK) == "token-1"
    exchange.close()
    assert exchange.token("a.b.c", audience=STOCK) == "token-2"
    exchange.close()


@pytest.mark.parametrize("typ", ["txntoken+jwt", "at+jwt"])
def test_what_the_fake_issuer_gives_is_proven_by_the_service_behind(clock: Clock, typ: str) -> None:
    """The test kit's issuer exchanges as the server does: the other kind, another audience, and who acts."""
    fake = FakeIssuer(clock=clock)
    exchange = SyncTokenExchange(
        fake.issuer, client_id="cli_gateway", client_secret="x", typ=typ, transport=fake.transport(), monotonic=clock
    )
    caller = fake.mint({"sub": "usr_1", "scope": "orders:read", "sid": "ses_1", "acr": "phr"}, ttl_s=90)
    behind = SyncVerifier(fake.issuer, STOCK, typ=typ, transport=fake.transport(), clock=clock, monotonic=clock)
    token = behind.verify(exchange.token(caller, audience=STOCK))
    assert (token.sub, token.actors, token.sid, token.acr) == ("usr_1", ("cli_gateway",), "ses_1", "phr")
    assert token.client_id == ("cli_test" if typ == "txntoken+jwt" else "cli_gateway")
    assert (token.exp - token.iat).total_seconds() == (60 if typ == "txntoken+jwt" else 90)
    with pytest.raises(ExchangeRefused):
        exchange.token("a.b.c", audience=STOCK)
    exchange.close()
