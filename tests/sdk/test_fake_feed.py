"""The feed of the test kit, in the place of `Feed`: every kind of revocation, and the lease by hand."""

from collections.abc import Callable

import httpx2
import jwt
import pytest

from ostiary import SyncVerifier
from ostiary.feed_lease import LeaseState
from ostiary.testing import FakeFeed, FakeIssuer
from ostiary.values import AccessToken
from tests.sdk.clocks import Clock

REVOKING: list[tuple[Callable[[FakeFeed], None], str]] = [
    (lambda feed: feed.revoke_token("jti-1"), "the token was revoked"),
    (lambda feed: feed.revoke_grant("gra_test"), "the grant behind this token has ended"),
    (lambda feed: feed.revoke_session("ses_1"), "the session behind this token has ended"),
    (lambda feed: feed.revoke_person("usr_test"), "the person's earlier tokens were revoked"),
    (lambda feed: feed.revoke_client("cli_test"), "the client's earlier tokens were revoked"),
    (lambda feed: feed.revoke_everyone(), "all earlier tokens were revoked"),
    (lambda feed: feed.revoke_key(feed.fake_issuer.key.kid), "the key that signed this token was withdrawn"),
    (lambda feed: feed.facts("usr_test", suspended=True), "the account behind this token is suspended"),
]


@pytest.fixture
def feed(fake: FakeIssuer) -> FakeFeed:
    return FakeFeed(fake)


def mint(fake: FakeIssuer) -> str:
    return fake.mint({"jti": "jti-1", "sid": "ses_1"})


def words(feed: FakeFeed, token: AccessToken) -> str | None:
    """Why a verifier with this feed would refuse the token."""
    return feed.revocations.refusal(token, feed.fake_issuer.key.kid)


def is_active(fake: FakeIssuer, token: str) -> bool:
    with httpx2.Client(transport=fake.transport(), base_url=fake.issuer) as client:
        return bool(client.post("/oauth/introspect", data={"token": token}, auth=("a", "b")).json()["active"])


@pytest.mark.parametrize(("revoke", "expected"), REVOKING)
def test_each_kind_of_revocation_is_known_at_once_and_introspection_agrees(
    revoke: Callable[[FakeFeed], None], expected: str, fake: FakeIssuer, feed: FakeFeed, verifier: SyncVerifier
) -> None:
    """S18; two judges that share no code: the SDK's table and the kit's plain lines."""
    raw = mint(fake)
    token = verifier.verify(raw)
    assert (words(feed, token), is_active(fake, raw)) == (None, True)
    before = feed.revocations.version
    revoke(feed)
    assert (words(feed, token), is_active(fake, raw)) == (expected, False)
    assert feed.revocations.version > before


def test_a_neighbour_is_left_alone(fake: FakeIssuer, feed: FakeFeed, verifier: SyncVerifier) -> None:
    """What is revoked for one is not for all."""
    others = fake.mint({"sub": "usr_2", "client_id": "cli_2", "grant": "gra_2", "sid": "ses_2"})
    for revoke, _ in REVOKING[:5]:
        revoke(feed)
    feed.revoke_key("another-key")
    feed.facts("usr_test", suspended=True)
    feed.new_policy("rev_2")
    feed.publish("a-kind-of-tomorrow", "anything", colour="green")
    assert (words(feed, verifier.verify(others)), is_active(fake, others)) == (None, True)


def test_who_signs_in_again_in_the_second_of_their_revocation_gets_in(
    fake: FakeIssuer, feed: FakeFeed, verifier: SyncVerifier
) -> None:
    """Not-before is exact to the second, and tokens are minted behind it."""
    feed.revoke_person("usr_test")
    raw = fake.mint()
    assert jwt.decode(raw, options={"verify_signature": False})["iat"] == int(fake.clock()) + 1
    assert (words(feed, verifier.verify(raw)), is_active(fake, raw)) == (None, True)
    early = fake.mint({"iat": int(fake.clock())})
    assert words(feed, verifier.verify(early)) == "the person's earlier tokens were revoked"


def test_facts_reach_the_token_and_a_lifted_suspension_lets_in_again(
    fake: FakeIssuer, feed: FakeFeed, verifier: SyncVerifier, clock: Clock
) -> None:
    """Newer ones replace what the token says."""
    token = verifier.verify(fake.mint({"risk": 10}))
    clock.pass_seconds(2)
    feed.facts("usr_test", risk=80, acr="urn:ostiary:aal1", suspended=True)
    told = feed.revocations.overlay(token)
    assert (told.risk, told.acr) == (80, "urn:ostiary:aal1")
    feed.facts("usr_test", suspended=False)
    assert words(feed, token) is None


def test_cut_off_the_verifier_hears_of_nothing_until_it_is_fresh_again(
    fake: FakeIssuer, feed: FakeFeed, verifier: SyncVerifier
) -> None:
    """What a real network does: introspection knows, the feed does not."""
    raw = mint(fake)
    token, heard = verifier.verify(raw), list[LeaseState]()
    feed.on_change(lambda: heard.append(feed.state()))
    assert (feed.state(), feed.wait_ready()) == (LeaseState.FRESH, True)
    for state in (LeaseState.STALE, LeaseState.LOST):
        feed.become(state)
        feed.revoke_token("jti-1")
        assert (feed.state(), feed.wait_ready()) == (state, state is LeaseState.STALE)
        assert (words(feed, token), is_active(fake, raw)) == (None, False)
    feed.become(LeaseState.FRESH)
    assert words(feed, token) == "the token was revoked"
    assert heard == [LeaseState.STALE, LeaseState.LOST, LeaseState.FRESH]


def test_another_epoch_and_a_roll_back_are_followed_whole(
    fake: FakeIssuer, feed: FakeFeed, verifier: SyncVerifier
) -> None:
    """Swapped, so what is gone from the log is gone here."""
    token = verifier.verify(mint(fake))
    feed.revoke_token("jti-1")
    first = feed.epoch
    feed.begin_epoch()
    assert (feed.epoch != first, feed.seq, words(feed, token)) == (True, 1, "the token was revoked")
    feed.roll_back(1)
    assert (feed.seq, words(feed, token)) == (0, None)
    feed.revoke_grant("gra_test")
    feed.begin_epoch(keeps=False)
    assert (feed.seq, words(feed, token)) == (0, None)


def test_entries_end_as_they_were_told_to(fake: FakeIssuer, clock: Clock, verifier: SyncVerifier) -> None:
    """Then they are forgotten, as a follower forgets them when the next head comes."""
    feed = FakeFeed(fake, entry_ttl_s=60)
    token = verifier.verify(mint(fake))
    feed.revoke_token("jti-1")
    clock.pass_seconds(59)
    feed.new_policy("rev_2")
    assert words(feed, token) == "the token was revoked"
    clock.pass_seconds(2)
    feed.new_policy("rev_3")
    assert words(feed, token) is None
