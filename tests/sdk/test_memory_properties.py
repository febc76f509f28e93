"""I2 by Hypothesis: whatever happens in whatever order, a verifier that remembers says what one without memory says."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary import FeedUnavailable, SyncVerifier, TokenError, Unavailable
from ostiary.failure_policy import Sensitivity
from ostiary.feed_lease import LeaseState
from ostiary.testing import FakeFeed, FakeIssuer
from tests.sdk.clocks import Clock


@pytest.fixture(autouse=True, scope="module")
def no_threads() -> Iterator[None]:
    """What is begun behind a request is done at once, so that no thread decides what a test sees."""

    def at_once(_: str, work: Callable[[], object]) -> bool:
        work()
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ostiary.sync_verifier._begin", at_once)
        yield


Step = tuple[str, int]
names = st.integers(0, 2)
steps = st.lists(
    st.tuples(
        st.sampled_from(
            "verify verify verify token grant session person client everyone key suspend relieve risk pass late fresh "
            "rotate withdraw".split()
        ),
        names,
    ),
    max_size=40,
)


class Play:
    """One issuer, its feed, and two verifiers that differ only in their memory."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.fake = FakeIssuer(clock=self.clock)
        self.feed = FakeFeed(self.fake)
        self.tokens = [self._mint(number) for number in range(3)]
        self.remembering, self.forgetful = self._verifier(64), self._verifier(0)
        self.steps: dict[str, Callable[[int], object]] = {
            "token": lambda number: self.feed.revoke_token(f"j{number}"),
            "grant": lambda number: self.feed.revoke_grant(f"g{number}"),
            "session": lambda number: self.feed.revoke_session(f"s{number}"),
            "person": lambda number: self.feed.revoke_person(f"p{number}"),
            "client": lambda number: self.feed.revoke_client(f"c{number}"),
            "everyone": lambda number: self.feed.revoke_everyone(),
            "key": lambda number: self.feed.revoke_key(self.fake.key.kid),
            "suspend": lambda number: self.feed.facts(f"p{number}", suspended=True),
            "relieve": lambda number: self.feed.facts(f"p{number}", suspended=False),
            "risk": lambda number: self.feed.facts(f"p{number}", risk=number),
            "pass": lambda number: self.clock.pass_seconds((1, 60, 299)[number]),
            "late": lambda number: self.feed.become((LeaseState.STALE, LeaseState.LOST, LeaseState.LOST)[number]),
            "fresh": lambda number: self.feed.become(LeaseState.FRESH),
            "rotate": lambda number: self._change(number, withdraw=False),
            "withdraw": lambda number: self._change(number, withdraw=True),
        }

    def _verifier(self, size: int) -> SyncVerifier:
        return SyncVerifier(
            self.fake.issuer, self.fake.audience, feed=self.feed, transport=self.fake.transport(), clock=self.clock,
            monotonic=self.clock, token_cache_size=size, token_cache_age_s=100,
        )  # fmt: skip

    def _mint(self, number: int) -> str:
        name = str(number)
        claims = {"jti": f"j{name}", "grant": f"g{name}", "sid": f"s{name}", "sub": f"p{name}", "client_id": f"c{name}"}
        return self.fake.mint(claims, ttl_s=(60, 300, 3600)[number])

    def _change(self, number: int, *, withdraw: bool) -> None:
        self.fake.rotate(withdraw=withdraw)
        self.tokens[number] = self._mint(number)

    def verdicts(self, number: int) -> list[object]:
        """What both say of the token, for each sensitivity: the token as it is shown, or the refusal."""
        asked = [(verifier, mark) for mark in Sensitivity for verifier in (self.remembering, self.forgetful)]
        return [verdict(verifier, self.tokens[number], mark) for verifier, mark in asked]


def verdict(verifier: SyncVerifier, token: str, mark: Sensitivity) -> object:
    try:
        return verifier.verify(token, mark)
    except TokenError as error:
        return error.code, error.description
    except Unavailable as error:
        return type(error)


@given(steps)
def test_remembering_never_changes_a_verdict(told: list[Step]) -> None:
    """I2, S18, S39: revocations of all kinds, facts, keys, time and the lease, in any order."""
    play = Play()
    for name, number in told:
        if name in play.steps:
            play.steps[name](number)
        for token in range(3) if name != "verify" else [number]:
            said = play.verdicts(token)
            assert said[0::2] == said[1::2], f"after {name} {number}"


@pytest.mark.parametrize("name", ["token", "grant", "session", "person", "client", "everyone", "key", "suspend"])
def test_the_play_can_tell_good_from_bad(name: str) -> None:
    """Both would be equal, too, if both always refused, or never."""
    play = Play()
    assert {type(said).__name__ for said in play.verdicts(1)} == {"AccessToken"}
    play.steps[name](1)
    assert {type(said).__name__ for said in play.verdicts(1)} == {"tuple"}
    play.feed.become(LeaseState.LOST)
    assert {type(said).__name__ for said in play.verdicts(1)} == {"tuple"}, "a known refusal needs no lease"
    other = Play()
    other.feed.become(LeaseState.LOST)
    assert set(other.verdicts(1)) == {FeedUnavailable}
