"""S38: verified tokens are remembered within bounds, and no longer than they may."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from ostiary import ConfigurationError, SyncVerifier, TokenErrorCode
from ostiary.signatures import SignatureCheck, is_proven
from ostiary.testing import FakeFeed, FakeIssuer
from ostiary.token_cache import MAX_KEPT_CHARS, ProvenToken, TokenCache
from tests.sdk.clocks import Clock
from tests.sdk.forging import refusal


@pytest.fixture
def proofs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one for each signature that is checked."""
    made: list[int] = []

    def counted(check: SignatureCheck, *, signed: bytes, signature: bytes) -> bool:
        made.append(1)
        return is_proven(check, signed=signed, signature=signature)

    monkeypatch.setattr("ostiary.core.is_proven", counted)
    return made


def any_proven(verifier: SyncVerifier, fake: FakeIssuer) -> ProvenToken:
    token = fake.mint()
    verifier.verify(token)
    return verifier._core._cache.young[token]


def test_the_memory_is_bounded_and_keeps_what_is_used(fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S38: however many tokens come by."""
    proven = any_proven(verifier, fake)
    cache = TokenCache(4)
    cache.keep("used", proven)
    for number in range(1000):
        cache.keep(f"t{number}", proven)
        found = cache.find("used")
        assert found is proven
        cache.keep("used", found)
        assert len(cache) <= 4
    assert cache.find("t0") is None
    cache.forget("used")
    assert cache.find("used") is None


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_a_memory_of_any_size_holds_no_more_than_was_said(size: int) -> None:
    """S38: odd sizes too."""
    cache, most = TokenCache(size), 0
    for number in range(20):
        cache.keep(f"t{number}", object())  # type: ignore[arg-type]
        assert cache.find(f"t{number}") is not None
        most = max(most, len(cache))
    assert size - 1 <= most <= size


def test_no_size_means_no_memory(fake: FakeIssuer, clock: Clock, proofs: list[int]) -> None:
    verifier = SyncVerifier(
        fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock, token_cache_size=0
    )
    token = fake.mint()
    for _ in range(3):
        verifier.verify(token)
    assert len(proofs) == 3


def test_a_giant_is_proven_each_time(fake: FakeIssuer, verifier: SyncVerifier, proofs: list[int]) -> None:
    """S38: the memory holds a number of tokens, so each of them must be small."""
    giant = fake.mint({"padding": "x" * MAX_KEPT_CHARS})
    for _ in range(2):
        assert verifier.verify(giant).sub == "usr_test"
    assert len(proofs) == 2


def test_a_flood_of_distinct_tokens_leaves_memory_flat(fake: FakeIssuer, clock: Clock) -> None:
    """S38: good ones and forged ones, the latter leaving nothing at all."""
    verifier = SyncVerifier(
        fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock, token_cache_size=64
    )
    good = [fake.mint() for _ in range(400)]
    forged = [token[:-6] + "AAAAAA" for token in good]

    def flood() -> None:
        for token, bad in zip(good, forged, strict=True):
            verifier.verify(token)
            assert refusal(verifier, bad)[0] in (TokenErrorCode.BAD_SIGNATURE, TokenErrorCode.MALFORMED)

    flood()
    tracemalloc.start()
    flood()
    before = tracemalloc.get_traced_memory()[0]
    flood()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(verifier._core._cache) <= 64
    assert after - before < 100_000


def test_an_entry_ends_with_its_token_or_at_the_stated_age(fake: FakeIssuer, clock: Clock, proofs: list[int]) -> None:
    """S37: the earlier of the two; the age counts from the proof and not from the last use."""
    verifier = SyncVerifier(
        fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock, token_cache_age_s=60
    )
    long, short = fake.mint(ttl_s=3600), fake.mint(ttl_s=30)
    for token in (long, short):
        verifier.verify(token)
    for _ in range(3):
        clock.pass_seconds(13)
        assert {verifier.verify(long).jti, verifier.verify(short).jti}
    assert len(proofs) == 2
    clock.pass_seconds(1)
    assert refusal(verifier, short)[0] is TokenErrorCode.EXPIRED
    clock.pass_seconds(20)
    verifier.verify(long)
    assert len(proofs) == 4, "the expired one was proven again before it was refused"


def test_a_clock_set_back_lets_nothing_live_longer(fake: FakeIssuer, verifier: SyncVerifier, clock: Clock) -> None:
    """What was proven in the future is proven again."""
    token = fake.mint({"iat": int(clock())})
    verifier.verify(token)
    clock.pass_seconds(-60)
    assert refusal(verifier, token)[0] is TokenErrorCode.NOT_YET_VALID


def test_one_verifier_never_answers_for_another(fake: FakeIssuer, clock: Clock) -> None:
    """S37: the same token, two audiences."""
    other = SyncVerifier(fake.issuer, "https://other.test", transport=fake.transport(), clock=clock, monotonic=clock)
    own = SyncVerifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock)
    token = fake.mint()
    own.verify(token)
    assert refusal(other, token)[0] is TokenErrorCode.WRONG_AUDIENCE


def test_threads_racing_a_revocation_never_see_the_token_afterwards(fake: FakeIssuer, clock: Clock) -> None:
    """I2: from the moment that the revocation is known, whatever is remembered by whom."""
    feed = FakeFeed(fake)
    verifier = SyncVerifier(
        fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock, feed=feed,
        token_cache_size=8,
    )  # fmt: skip
    verifier.verify(fake.mint())

    def race(number: int) -> str:
        token = fake.mint({"jti": f"j{number}"})
        for _ in range(20):
            verifier.verify(token)
        feed.revoke_token(f"j{number}")
        return refusal(verifier, token)[0]

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(race, range(64))) == {TokenErrorCode.REVOKED}


@pytest.mark.parametrize("numbers", [{"token_cache_size": -1}, {"token_cache_age_s": 0}, {"token_cache_age_s": -1}])
def test_odd_bounds_are_refused(numbers: dict[str, int], fake: FakeIssuer) -> None:
    with pytest.raises(ConfigurationError, match="token_cache_"):
        SyncVerifier(fake.issuer, fake.audience, **numbers)  # type: ignore[arg-type]
