"""S18, S39, I2: what the feed refuses is refused by the very next request, remembered or not."""

from collections.abc import Callable

import pytest

from ostiary import AccessToken, ConfigurationError, SyncVerifier, TokenError, TokenErrorCode, Verifier
from ostiary.failure_policy import FailurePolicy, Sensitivity
from ostiary.testing import FakeFeed, FakeIssuer, make_key
from tests.sdk.clocks import Clock
from tests.sdk.forging import refusal

CLAIMS = {"jti": "j", "grant": "g", "sid": "s", "sub": "p", "client_id": "c"}

REVOKE: dict[str, tuple[Callable[[FakeFeed], None], str]] = {
    "token": (lambda feed: feed.revoke_token("j"), "the token was revoked"),
    "grant": (lambda feed: feed.revoke_grant("g"), "the grant behind this token has ended"),
    "session": (lambda feed: feed.revoke_session("s"), "the session behind this token has ended"),
    "person": (lambda feed: feed.revoke_person("p"), "the person's earlier tokens were revoked"),
    "client": (lambda feed: feed.revoke_client("c"), "the client's earlier tokens were revoked"),
    "everyone": (lambda feed: feed.revoke_everyone(), "all earlier tokens were revoked"),
    "key": (lambda feed: feed.revoke_key(feed.fake_issuer.key.kid), "the key that signed this token was withdrawn"),
    "suspended": (lambda feed: feed.facts("p", suspended=True), "the account behind this token is suspended"),
}
OTHERS: tuple[Callable[[FakeFeed], None], ...] = (
    lambda feed: feed.revoke_token("p"),
    lambda feed: feed.revoke_grant("j"),
    lambda feed: feed.revoke_session("g"),
    lambda feed: feed.revoke_person("c"),
    lambda feed: feed.revoke_client("p"),
    lambda feed: feed.revoke_key("another"),
    lambda feed: feed.facts("q", suspended=True, risk=99),
    lambda feed: feed.new_policy("r"),
    lambda feed: feed.publish("a kind of next year", "j"),
)


@pytest.fixture
def feed(fake: FakeIssuer) -> FakeFeed:
    return FakeFeed(fake)


@pytest.fixture
def guarded(fake: FakeIssuer, feed: FakeFeed, clock: Clock) -> SyncVerifier:
    return SyncVerifier(fake.issuer, fake.audience, feed=feed, transport=fake.transport(), clock=clock, monotonic=clock)


@pytest.mark.parametrize("kind", REVOKE)
def test_a_remembered_token_is_refused_by_the_next_request(
    kind: str, fake: FakeIssuer, feed: FakeFeed, guarded: SyncVerifier
) -> None:
    """S18, S39, I2: and by every one after it."""
    revoke, words = REVOKE[kind]
    token = fake.mint(CLAIMS)
    for _ in range(3):
        assert guarded.verify(token).jti == "j"
    revoke(feed)
    for _ in range(2):
        assert refusal(guarded, token) == (TokenErrorCode.REVOKED, words)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", REVOKE)
async def test_so_does_the_async_verifier_and_for_tokens_that_it_never_saw(
    kind: str, fake: FakeIssuer, feed: FakeFeed, clock: Clock
) -> None:
    """S18, S39, I2."""
    revoke, words = REVOKE[kind]
    verifier = Verifier(fake.issuer, fake.audience, feed=feed, transport=fake.transport(), clock=clock, monotonic=clock)
    known, unseen = fake.mint(CLAIMS), fake.mint({**CLAIMS, "scope": "b"})
    await verifier.verify(known)
    revoke(feed)
    for token in (known, unseen, known):
        with pytest.raises(TokenError) as caught:
            await verifier.verify(token)
        assert (caught.value.code, caught.value.description) == (TokenErrorCode.REVOKED, words)


def test_what_revokes_others_leaves_the_token_and_does_not_prove_it_again(
    fake: FakeIssuer, feed: FakeFeed, guarded: SyncVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy feed costs a look into it, not a signature."""
    token = fake.mint(CLAIMS)
    first = guarded.verify(token)
    monkeypatch.setattr("ostiary.core.is_proven", lambda *_, **__: pytest.fail("proven again"))
    for revoke_another in OTHERS:
        revoke_another(feed)
        assert guarded.verify(token) is first


def test_a_refusal_is_not_remembered(fake: FakeIssuer, feed: FakeFeed, guarded: SyncVerifier) -> None:
    """S18: a person who is no longer suspended may go on with the same token."""
    token = fake.mint(CLAIMS)
    feed.facts("p", suspended=True)
    assert refusal(guarded, token)[0] is TokenErrorCode.REVOKED
    feed.facts("p", suspended=False)
    assert guarded.verify(token).sub == "p"


def test_newer_facts_stand_in_the_remembered_token(
    fake: FakeIssuer, feed: FakeFeed, guarded: SyncVerifier, clock: Clock
) -> None:
    """Risk and acr of a running session reach the service with the next request; the claims stay as signed."""
    token = fake.mint({**CLAIMS, "risk": 3, "acr": "urn:ostiary:aal1"})
    assert guarded.verify(token).risk == 3
    clock.pass_seconds(2)
    feed.facts("p", risk=88)
    feed.facts("s", acr="urn:ostiary:aal2")
    shown: AccessToken = guarded.verify(token)
    assert (shown.risk, shown.acr, shown.claims["risk"]) == (88, "urn:ostiary:aal2", 3)
    assert guarded.verify(token) is shown


def test_a_token_of_the_next_second_is_good_again(
    fake: FakeIssuer, feed: FakeFeed, guarded: SyncVerifier, clock: Clock
) -> None:
    """I2: not-before is exact to the second."""
    before = fake.mint(CLAIMS)
    feed.revoke_person("p", not_before=int(clock()))
    clock.pass_seconds(1)
    assert refusal(guarded, before)[0] is TokenErrorCode.REVOKED
    assert guarded.verify(fake.mint(CLAIMS)).sub == "p"


def test_a_withdrawn_key_is_refused_at_once_and_asked_for_anew_once(
    fake: FakeIssuer, feed: FakeFeed, guarded: SyncVerifier, clock: Clock
) -> None:
    """S39: in an emergency the key set is renewed without waiting for its time, so that the next key is known."""
    token = fake.mint(CLAIMS)
    guarded.verify(token)
    asked = len(fake.requests)
    feed.revoke_key(fake.key.kid)
    successor = make_key()
    fake.published.append(successor.as_jwk())
    for _ in range(5):
        assert refusal(guarded, token) == (TokenErrorCode.REVOKED, REVOKE["key"][1])
        assert refusal(guarded, fake.mint())[0] is TokenErrorCode.REVOKED
    while guarded._keys.find_usable(successor.kid, now=clock()) is None:
        pass
    assert guarded.verify(fake.mint(key=successor)).sub == "usr_test"
    for _ in range(5):
        assert refusal(guarded, token)[0] is TokenErrorCode.REVOKED
    assert len(fake.requests) == asked + 2, "one refresh: metadata and keys"


def test_settings_that_would_have_no_effect_are_refused(
    fake: FakeIssuer, feed: FakeFeed, guarded: SyncVerifier
) -> None:
    """Whoever thinks that tokens are introspected must not be wrong."""
    with pytest.raises(ConfigurationError, match="for a verifier with a feed"):
        SyncVerifier(fake.issuer, fake.audience, failure_policy=FailurePolicy())
    with pytest.raises(ConfigurationError, match="the feed of the verifier's issuer"):
        SyncVerifier("https://other.test", fake.audience, feed=feed)
    with pytest.raises(ConfigurationError, match="a member of Sensitivity"):
        guarded.verify(fake.mint(), "sensitive")  # type: ignore[arg-type]
    assert guarded.feed is feed
    assert guarded.failure_policy == FailurePolicy()
    assert guarded.verify(fake.mint(), Sensitivity.SENSITIVE).sub == "usr_test"
