"""Tokens for services within, through the SDK: a verifier takes the kind that it was made for and no other (S36)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from identity.exchanged_tokens import ExchangedToken, mint_exchanged_access_token, mint_txn_token
from identity.keys import Signer
from ostiary import ConfigurationError, SyncVerifier, TokenErrorCode, Verifier
from ostiary.testing import FakeFeed, FakeIssuer
from tests.sdk.clocks import Clock
from tests.sdk.forging import refusal
from tests.sdk.test_server_tokens import signer

__all__ = ["signer"]

KEPT = {"grant": "grt_1", "sid": "ses_1", "acr": "urn:ostiary:aal2", "amr": ["pwd"], "risk": 7, "roles": ["support"]}


def within(fake: FakeIssuer, **parts: object) -> ExchangedToken:
    """What a gateway is given for a person's token."""
    usual = {"actors": ("cli_gateway",), "kept": KEPT, **parts}
    return ExchangedToken(
        fake.issuer, "person-1", fake.audience, "orders:read", "cli_app", "cli_gateway", **usual  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def text(signer: Signer, fake: FakeIssuer, clock: Clock) -> str:
    """A token for services within, as the server signs it."""
    now = datetime.fromtimestamp(clock(), UTC)
    return mint_txn_token(signer, within(fake), issued_at=now, expires_at=now + timedelta(seconds=60)).text


def within_verifier(fake: FakeIssuer, clock: Clock, **parts: object) -> SyncVerifier:
    return SyncVerifier(
        fake.issuer, fake.audience, typ="txntoken+jwt", transport=fake.transport(), clock=clock, **parts  # type: ignore[arg-type]
    )  # fmt: skip


def test_what_the_server_signs_arrives_with_every_claim(text: str, fake: FakeIssuer, clock: Clock) -> None:
    token = within_verifier(fake, clock).verify(text)
    assert (token.sub, token.client_id, token.actors) == ("person-1", "cli_app", ("cli_gateway",))
    assert (token.grant, token.sid, token.acr, token.risk) == ("grt_1", "ses_1", "urn:ostiary:aal2", 7)
    assert token.claims["roles"] == ("support",)
    assert token.claims["txn"] == token.jti


def test_a_verifier_of_access_tokens_refuses_it(text: str, verifier: SyncVerifier) -> None:
    """S36"""
    code, words = refusal(verifier, text)[:2]
    assert (code, "at+jwt" in words) == (TokenErrorCode.WRONG_TYPE, True)


def test_a_verifier_of_tokens_within_refuses_access_tokens(fake: FakeIssuer, clock: Clock) -> None:
    """S36: whatever it has already taken, and however the type is written."""
    strict = within_verifier(fake, clock)
    good = fake.mint(headers={"typ": "txntoken+jwt"})
    assert strict.verify(good).sub == "usr_test"
    assert strict.verify(fake.mint(headers={"typ": "application/txntoken+JWT"})).sub == "usr_test"
    for typ in ("at+jwt", "application/at+jwt", "JWT", "", "txntoken", "txntoken+jwt ", None):
        code, words = refusal(strict, fake.mint(headers={"typ": typ}))[:2]
        assert (code, "txntoken+jwt" in words) == (TokenErrorCode.WRONG_TYPE, True)


@pytest.mark.parametrize("typ", ["", "JWT", "at+jwt ", "logout+jwt", "AT+JWT"])
def test_another_kind_is_a_mistake_of_the_program(fake: FakeIssuer, typ: str) -> None:
    with pytest.raises(ConfigurationError, match="typ must be one of at\\+jwt, txntoken\\+jwt"):
        SyncVerifier(fake.issuer, fake.audience, typ=typ)
    with pytest.raises(ConfigurationError, match="typ must be"):
        Verifier(fake.issuer, fake.audience, typ=typ)


@pytest.mark.parametrize(
    "act", ["cli_1", {}, {"sub": ""}, {"sub": 1}, {"sub": "a", "act": "b"}, ["a"], {"sub": "a", "act": 0}, None]
)
def test_an_actor_that_cannot_be_read_refuses_the_token(fake: FakeIssuer, verifier: SyncVerifier, act: object) -> None:
    """An actor that is overlooked would be a service that acts unseen."""
    assert refusal(verifier, fake.mint({"act": act}))[0] in (TokenErrorCode.INVALID_CLAIM, TokenErrorCode.MISSING_CLAIM)


def test_a_chain_without_end_is_refused(fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S38"""
    act: dict[str, object] = {"sub": "cli_0"}
    for number in range(15):
        act = {"sub": f"cli_{number}", "act": act}
    assert len(verifier.verify(fake.mint({"act": act})).actors) == 16
    assert refusal(verifier, fake.mint({"act": {"sub": "one", "act": act}}))[0] is TokenErrorCode.INVALID_CLAIM


REVOKE: dict[str, Callable[[FakeFeed], None]] = {
    "the grant": lambda feed: feed.revoke_grant("grt_1"),
    "the session": lambda feed: feed.revoke_session("ses_1"),
    "the person": lambda feed: feed.revoke_person("person-1"),
    "the person is suspended": lambda feed: feed.facts("person-1", suspended=True),
    "the application": lambda feed: feed.revoke_client("cli_app"),
    "the gateway": lambda feed: feed.revoke_client("cli_gateway"),
    "who acted before": lambda feed: feed.revoke_client("cli_before"),
    "everyone": lambda feed: feed.revoke_everyone(),
}


@pytest.mark.parametrize("kind", ["within", "access"])
@pytest.mark.parametrize("end", REVOKE)
def test_what_ends_the_token_that_it_stands_for_ends_it_by_the_next_request(
    signer: Signer, fake: FakeIssuer, clock: Clock, end: str, kind: str
) -> None:
    """S18, I2: grant and session are the person's, and every client that it came through may be closed."""
    feed = FakeFeed(fake)
    now = datetime.fromtimestamp(clock(), UTC)
    mint = mint_txn_token if kind == "within" else mint_exchanged_access_token
    told = within(fake, actors=("cli_gateway", "cli_before"))
    text = mint(signer, told, issued_at=now, expires_at=now + timedelta(seconds=60)).text
    typ = "txntoken+jwt" if kind == "within" else "at+jwt"
    guarded = SyncVerifier(
        fake.issuer, fake.audience, typ=typ, feed=feed, transport=fake.transport(), clock=clock, monotonic=clock
    )
    for other in ("cli_other", "person-1", "grt_1"):
        feed.revoke_client(other)
        assert guarded.verify(text).sub == "person-1"
    REVOKE[end](feed)
    for _ in range(2):
        assert refusal(guarded, text)[0] is TokenErrorCode.REVOKED
