"""A token on its shortest way, remembered and asked for again: whatever may have happened since is looked at (S18)."""

from collections.abc import Callable

import pytest

from ostiary import SyncVerifier, TokenError, TokenErrorCode, Unavailable
from ostiary.failure_policy import FailurePolicy
from ostiary.feed_lease import LeaseState
from ostiary.testing import FakeFeed, FakeIssuer
from tests.sdk.clocks import Clock

CLAIMS = {"sub": "usr_1", "sid": "ses_1", "grant": "grt_1", "client_id": "cli_1", "jti": "jti_1"}
DAY_S = 86_400


class Room:
    """An issuer, its feed, a verifier, and a token that it remembers."""

    def __init__(self, fake: FakeIssuer, clock: Clock) -> None:
        self.fake, self.clock, self.feed = fake, clock, FakeFeed(fake)
        self.says_active = True
        self.verifier = SyncVerifier(
            fake.issuer, fake.audience, feed=self.feed, introspector=self, transport=fake.transport(),
            failure_policy=FailurePolicy(), clock=clock, monotonic=clock, token_cache_age_s=2 * DAY_S,
        )  # fmt: skip
        self.token = ""
        self.remember(ttl_s=3 * DAY_S)

    def remember(self, *, ttl_s: int) -> None:
        """A new token, which was just used."""
        self.token = self.fake.mint({**CLAIMS, "iat": int(self.clock())}, ttl_s=ttl_s)
        # The first time brings the keys, and what was proven while they came is looked at once more.
        for _ in range(2):
            self.verifier.verify(self.token)
        self.verifier._core.keep_header(f"Bearer {self.token}".encode(), self.token)

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Of a request that brings the token."""
        return [(b"Authorization", f"Bearer {self.token}".encode())]

    def introspect(self, _: str) -> bool:
        """As an introspector."""
        return self.says_active

    @property
    def is_recalled(self) -> bool:
        """Whether nothing but memory would be asked, for the token or for a header that brings it."""
        core = self.verifier._core
        of_header = core.header_recall(clock=self.clock, monotonic=self.clock)(self.headers)
        return core.recall(self.token, self.clock(), self.clock()) is not None or of_header is not None

    def found_inactive(self) -> None:
        """While the feed was cut off for a moment."""
        core = self.verifier._core
        proven = core._cache.find(self.token)
        assert proven is not None
        with pytest.raises(TokenError):
            core.take_answer(proven, False, asked_at=self.clock(), now=self.clock())

    def expire(self) -> None:
        """Soon, while all else is well; with the leeway."""
        self.remember(ttl_s=30)
        self.clock.pass_seconds(40)

    def lose_keys(self) -> None:
        """For longer than they may be used."""
        self.fake.go_down()
        self.clock.pass_seconds(DAY_S + 3700)

    def replace_keys(self) -> None:
        """The key is gone from the set, which another token brought to light."""
        self.fake.rotate(withdraw=True)
        self.clock.pass_seconds(31)
        self.verifier.verify(self.fake.mint())


@pytest.fixture
def room(fake: FakeIssuer, clock: Clock) -> Room:
    made = Room(fake, clock)
    assert made.is_recalled
    assert made.verifier._core.header_recall(clock=clock, monotonic=clock)(made.headers) is not None
    return made


REFUSED: dict[str, tuple[Callable[[Room], object], TokenErrorCode]] = {
    "token": (lambda room: room.feed.revoke_token("jti_1"), TokenErrorCode.REVOKED),
    "grant": (lambda room: room.feed.revoke_grant("grt_1"), TokenErrorCode.REVOKED),
    "session": (lambda room: room.feed.revoke_session("ses_1"), TokenErrorCode.REVOKED),
    "person": (lambda room: room.feed.revoke_person("usr_1"), TokenErrorCode.REVOKED),
    "client": (lambda room: room.feed.revoke_client("cli_1"), TokenErrorCode.REVOKED),
    "everyone": (lambda room: room.feed.revoke_everyone(), TokenErrorCode.REVOKED),
    "key": (lambda room: room.feed.revoke_key(room.fake.key.kid), TokenErrorCode.REVOKED),
    "suspended": (lambda room: room.feed.facts("usr_1", suspended=True), TokenErrorCode.REVOKED),
    "said to be inactive": (Room.found_inactive, TokenErrorCode.REVOKED),
    "expired": (Room.expire, TokenErrorCode.EXPIRED),
    "a clock that was set back": (lambda room: room.clock.pass_seconds(-60), TokenErrorCode.NOT_YET_VALID),
    "a key that is published no more": (Room.replace_keys, TokenErrorCode.UNKNOWN_KEY),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_remembered_token_is_refused_after(room: Room, name: str) -> None:
    """I2, S39"""
    happen, expected = REFUSED[name]
    happen(room)
    assert not room.is_recalled
    with pytest.raises(TokenError) as caught:
        room.verifier.verify(room.token)
    assert caught.value.code is expected


def test_a_remembered_token_is_not_good_for_longer_than_the_keys_are(room: Room) -> None:
    """I6"""
    room.lose_keys()
    with pytest.raises(Unavailable):
        room.verifier.verify(room.token)


def test_a_remembered_token_is_not_good_for_longer_than_the_feed_is(room: Room) -> None:
    """I6"""
    room.says_active = False
    room.feed.become(LeaseState.LOST)
    with pytest.raises(TokenError, match="the issuer says"):
        room.verifier.verify(room.token)


def test_a_remembered_token_says_what_is_known_since(room: Room) -> None:
    room.clock.pass_seconds(2)
    room.feed.facts("usr_1", risk=77, acr="urn:ostiary:aal1")
    for _ in range(2):
        token = room.verifier.verify(room.token)
        assert (token.risk, token.acr) == (77, "urn:ostiary:aal1")


def test_what_happened_to_others_leaves_it_remembered(room: Room) -> None:
    room.feed.revoke_session("ses_2")
    assert room.is_recalled
