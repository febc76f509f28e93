"""The test kit's feed with the SDK's own parts: a verifier that stands on it, and a `Feed` that follows it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ostiary import Feed, FeedUnavailable, SyncVerifier, TokenError, TokenErrorCode, Verifier
from ostiary.failure_policy import FailurePolicy, Sensitivity
from ostiary.feed_lease import LeaseState
from ostiary.testing import FakeFeed, FakeIssuer, FeedFaults, Lie
from tests.sdk.clocks import Clock

PATIENCE_S = 10.0


def verifier_on(feed: FakeFeed | Feed, fake: FakeIssuer, *, policy: FailurePolicy | None = None) -> SyncVerifier:
    return SyncVerifier(
        fake.issuer, fake.audience, transport=fake.transport(), clock=fake.clock, feed=feed, failure_policy=policy
    )


def test_a_verifier_obeys_at_the_very_next_request_also_for_a_remembered_token(fake: FakeIssuer) -> None:
    """S18, I2."""
    feed = FakeFeed(fake)
    verifier, token = verifier_on(feed, fake), fake.mint({"sid": "ses_1"})
    assert verifier.verify(token).sid == "ses_1"
    feed.revoke_session("ses_1")
    with pytest.raises(TokenError) as refused:
        verifier.verify(token)
    assert (refused.value.code, refused.value.description) == (
        TokenErrorCode.REVOKED,
        "the session behind this token has ended",
    )


@pytest.mark.anyio
async def test_the_async_verifier_takes_it_too(fake: FakeIssuer) -> None:
    """The same object for both."""
    feed = FakeFeed(fake)
    verifier = Verifier(fake.issuer, fake.audience, transport=fake.transport(), clock=fake.clock, feed=feed)
    token = fake.mint()
    assert (await verifier.verify(token)).sub == "usr_test"
    feed.revoke_key(fake.key.kid)
    with pytest.raises(TokenError):
        await verifier.verify(token)


@pytest.mark.parametrize(
    ("state", "sensitivity", "low_runs", "is_served"),
    [
        (LeaseState.FRESH, Sensitivity.SENSITIVE, False, True),
        (LeaseState.STALE, Sensitivity.SENSITIVE, False, False),
        (LeaseState.STALE, Sensitivity.ORDINARY, False, True),
        (LeaseState.LOST, Sensitivity.ORDINARY, False, False),
        (LeaseState.LOST, Sensitivity.LOW, False, False),
        (LeaseState.LOST, Sensitivity.LOW, True, True),
    ],
)
def test_each_state_can_be_played_and_none_answers_401_for_our_own_trouble(
    state: LeaseState, sensitivity: Sensitivity, low_runs: bool, is_served: bool, fake: FakeIssuer
) -> None:
    """I6: without anybody to ask, it is served or 503."""
    policy = FailurePolicy(low_runs_to_exp=low_runs)
    feed = FakeFeed(fake, failure_policy=policy)
    verifier, token = verifier_on(feed, fake, policy=policy), fake.mint()
    feed.become(state)
    if is_served:
        assert verifier.verify(token, sensitivity).sub == "usr_test"
        return
    with pytest.raises(FeedUnavailable) as refused:
        verifier.verify(token, sensitivity)
    assert refused.value.retry_after_s == policy.retry_after_s


@contextmanager
def following(feed: FakeFeed, *, clock: Clock) -> Iterator[Feed]:
    """A real `Feed` over the kit's transport, heard once."""
    made = Feed(feed.issuer, client_id="cli_1", client_secret="s", transport=feed.transport(), clock=clock)
    with made as follower:
        assert follower.wait_ready(PATIENCE_S), follower.stats
        yield follower


def comes_true(condition: Callable[[], bool]) -> bool:
    """Whether it does within a while."""
    ends_at = time.monotonic() + PATIENCE_S
    while not (is_so := condition()) and time.monotonic() < ends_at:
        time.sleep(0.01)
    return is_so


def settled(feed: FakeFeed, follower: Feed) -> bool:
    """Whether the follower knows all of the log by the end of a while, and says so to the server."""

    def is_settled() -> bool:
        known, place = follower.stats, (feed.epoch, feed.seq)
        return (known.epoch, known.seq) == place and place in feed.acknowledged.values()

    return comes_true(is_settled)


FAULTS = [
    FeedFaults(),
    FeedFaults(drop=0.5),
    FeedFaults(double=1),
    FeedFaults(reorder=1),
    FeedFaults(late=0.5),
    FeedFaults(cut=0.3),
    FeedFaults(piece_bytes=5),
    FeedFaults(drop=0.2, double=0.3, reorder=0.5, late=0.2, cut=0.1, delay_s=0.002, piece_bytes=40),
]


@pytest.mark.parametrize("faults", FAULTS, ids=str)
def test_a_feed_knows_all_that_was_revoked_whatever_the_way_does(
    faults: FeedFaults, fake: FakeIssuer, clock: Clock
) -> None:
    """S18 over a way that drops, doubles, reorders, delays and breaks."""
    feed = FakeFeed(fake, heartbeat_s=0.05, seed=7)
    with following(feed, clock=clock) as follower:
        feed.faults = faults
        for number in range(40):
            feed.revoke_token(f"jti-{number}")
        feed.faults = FeedFaults()
        assert settled(feed, follower), follower.stats
        verifier = verifier_on(follower, fake)
        for number in (0, 19, 39):
            with pytest.raises(TokenError, match="the token was revoked"):
                verifier.verify(fake.mint({"jti": f"jti-{number}"}))
        assert verifier.verify(fake.mint()).sub == "usr_test"


def test_a_feed_follows_another_epoch_a_roll_back_and_another_process(fake: FakeIssuer, clock: Clock) -> None:
    """Swapped whole: what the new log does not say is forgotten."""
    feed = FakeFeed(fake, heartbeat_s=0.05)
    with following(feed, clock=clock) as follower:
        verifier, token = verifier_on(follower, fake), fake.mint({"jti": "jti-1"})
        proven = verifier.verify(token)
        feed.revoke_token("jti-1")
        assert settled(feed, follower)
        feed.begin_epoch()
        assert settled(feed, follower)
        with pytest.raises(TokenError):
            verifier.verify(token)
        feed.roll_back(1)
        feed.revoke_token("jti-2")
        # The same number as before, under another chain.
        assert comes_true(lambda: follower.revocations.refusal(proven, "any key") is None), follower.stats
        assert verifier.verify(token).jti == "jti-1"
        feed.restart()
        feed.revoke_token("jti-1")
        assert settled(feed, follower)
        with pytest.raises(TokenError):
            verifier.verify(token)


@pytest.mark.parametrize("lie", [Lie.ISSUER, Lie.SIGNATURE, Lie.TYPE])
def test_a_feed_believes_no_lie_and_grows_old_instead(lie: Lie, fake: FakeIssuer, clock: Clock) -> None:
    """S36, S39: nothing vouches, so the lease runs; the truth is believed again."""
    feed = FakeFeed(fake, heartbeat_s=0.02)
    with following(feed, clock=clock) as follower:
        feed.faults = FeedFaults(lie=lie)
        feed.revoke_token("jti-1")
        before = follower.age_s()
        ends_at = time.monotonic() + 0.3
        while time.monotonic() < ends_at:
            feed.beat()
            time.sleep(0.02)
        assert follower.age_s() > before + 0.2
        feed.faults = FeedFaults()
        assert settled(feed, follower), follower.stats


def test_a_feed_that_hears_a_false_chain_loads_the_snapshot(fake: FakeIssuer, clock: Clock) -> None:
    """What came is not what the server says that it sent: nothing but the whole is believed."""
    feed = FakeFeed(fake, heartbeat_s=0.05)
    with following(feed, clock=clock) as follower:
        assert settled(feed, follower)
        before = feed.requests.count("/feed/v1/snapshot")
        feed.faults = FeedFaults(lie=Lie.CHAIN)
        feed.revoke_token("jti-1")
        assert comes_true(lambda: feed.requests.count("/feed/v1/snapshot") > before)
        feed.faults = FeedFaults()
        assert settled(feed, follower), follower.stats
