"""I6: while the feed is late nobody is let through by hope, and nobody hears 401 for our own trouble."""

import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import anyio
import pytest

from ostiary import FeedUnavailable, SyncVerifier, TokenError, TokenErrorCode, Unavailable, Verifier
from ostiary.failure_policy import FailurePolicy, Sensitivity
from ostiary.feed_lease import LeaseState
from ostiary.introspection import Introspector
from ostiary.testing import FakeFeed, FakeIssuer
from tests.sdk.clocks import Clock
from tests.sdk.forging import refusal

pytestmark = pytest.mark.anyio

SENSITIVE, ORDINARY, LOW = Sensitivity.SENSITIVE, Sensitivity.ORDINARY, Sensitivity.LOW
FRESH, STALE, LOST = LeaseState.FRESH, LeaseState.STALE, LeaseState.LOST
INACTIVE = "the issuer says that the token is no longer active"


class Oracle:
    """Answers as it is told: True, False, anything else, or by raising an error. Serves threads."""

    def __init__(self, answer: object = True) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def introspect(self, token: str) -> bool:
        self.asked.append(token)
        self.gate.wait(5)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]


class AsyncOracle(Oracle):
    """The same for coroutines."""

    async def introspect(self, token: str) -> bool:  # type: ignore[override]
        return super().introspect(token)


@pytest.fixture
def feed(fake: FakeIssuer) -> FakeFeed:
    return FakeFeed(fake)


MakeVerifier = Callable[..., SyncVerifier]


@pytest.fixture
def make(fake: FakeIssuer, feed: FakeFeed, clock: Clock) -> MakeVerifier:
    def made(oracle: Oracle | None = None, policy: FailurePolicy | None = None) -> SyncVerifier:
        return SyncVerifier(
            fake.issuer, fake.audience, feed=feed, introspector=oracle, failure_policy=policy,
            transport=fake.transport(), clock=clock, monotonic=clock,
        )  # fmt: skip

    return made


def make_async(
    fake: FakeIssuer, feed: FakeFeed, clock: Clock, oracle: AsyncOracle, policy: FailurePolicy | None = None
) -> Verifier:
    return Verifier(
        fake.issuer, fake.audience, feed=feed, introspector=oracle, failure_policy=policy,
        transport=fake.transport(), clock=clock, monotonic=clock,
    )  # fmt: skip


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not holds():
            await anyio.sleep(0.005)


def outcome(verify: Callable[[], object]) -> str:
    try:
        verify()
    except TokenError as error:
        return error.code.value
    except FeedUnavailable as error:
        return "unavailable" if error.retry_after_s == 5 else "with another time to wait"
    return "accepted"


async def async_outcome(verify: Awaitable[object]) -> str:
    try:
        await verify
    except TokenError as error:
        return error.code.value
    except FeedUnavailable as error:
        return "unavailable" if error.retry_after_s == 5 else "with another time to wait"
    return "accepted"


ANSWERS: dict[str, Callable[[], object]] = {
    "yes": lambda: True, "no": lambda: False, "away": lambda: OSError("closed"), "odd": lambda: "yes",
}  # fmt: skip
# What the first request gets: by sensitivity, state, and what the issuer says when it is asked ("": nobody can ask).
TABLE: list[tuple[Sensitivity, LeaseState, str, str]] = [
    *((sensitivity, FRESH, answer, "accepted") for sensitivity in Sensitivity for answer in ("", "no", "away")),
    *((sensitivity, state, answer, expected)
      for sensitivity, state in ((SENSITIVE, STALE), (SENSITIVE, LOST), (ORDINARY, LOST), (LOW, LOST))
      for answer, expected in (("", "unavailable"), ("yes", "accepted"), ("no", "revoked"), ("away", "unavailable"),
                               ("odd", "unavailable"))),
    *((sensitivity, STALE, answer, "accepted") for sensitivity in (ORDINARY, LOW) for answer in ("", *ANSWERS)),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids="-".join)
@pytest.mark.parametrize("is_remembered", [False, True])
async def test_what_a_request_gets_while_the_feed_is_late(
    row: tuple[Sensitivity, LeaseState, str, str], is_remembered: bool,
    fake: FakeIssuer, feed: FakeFeed, make: MakeVerifier, clock: Clock,
) -> None:  # fmt: skip
    """I6: a remembered token has no privilege; threads and coroutines get the same."""
    sensitivity, state, answer, expected = row
    said = ANSWERS[answer]() if answer else None
    blocking = make(Oracle(said) if answer else None)
    awaited = Verifier(
        fake.issuer, fake.audience, feed=feed, introspector=AsyncOracle(said) if answer else None,
        transport=fake.transport(), clock=clock, monotonic=clock,
    )  # fmt: skip
    token = fake.mint()
    if is_remembered:
        blocking.verify(token)
        await awaited.verify(token)
    feed.become(state)
    assert outcome(lambda: blocking.verify(token, sensitivity)) == expected
    assert await async_outcome(awaited.verify(token, sensitivity)) == expected


async def test_reads_marked_low_run_to_exp_only_where_configured(
    fake: FakeIssuer, feed: FakeFeed, make: MakeVerifier, clock: Clock
) -> None:
    """I6."""
    verifier = make(None, FailurePolicy(low_runs_to_exp=True))
    token = fake.mint()
    feed.become(LOST)
    assert outcome(lambda: verifier.verify(token, LOW)) == "accepted"
    assert outcome(lambda: verifier.verify(token, ORDINARY)) == "unavailable"
    clock.pass_seconds(310)
    assert refusal(verifier, token)[0] is TokenErrorCode.EXPIRED


async def test_a_token_found_inactive_behind_its_request_is_refused_from_then_on(
    fake: FakeIssuer, feed: FakeFeed, make: MakeVerifier, clock: Clock
) -> None:
    """I2: by threads and by coroutines, also when the feed is fresh again."""
    oracle, awaited_oracle = Oracle(False), AsyncOracle(False)
    verifier, awaited = make(oracle), make_async(fake, feed, clock, awaited_oracle)
    token, other = fake.mint(), fake.mint()
    verifier.verify(other)
    feed.become(STALE)
    assert outcome(lambda: verifier.verify(token)) == "accepted"
    assert await async_outcome(awaited.verify(token)) == "accepted"
    await until(lambda: verifier._core.standing.answers.version == 1)  # type: ignore[union-attr]
    await until(lambda: awaited._core.standing.answers.version == 1)  # type: ignore[union-attr]
    for state in (STALE, FRESH, LOST):
        feed.become(state)
        assert refusal(verifier, token) == (TokenErrorCode.REVOKED, INACTIVE)
        assert await async_outcome(awaited.verify(token)) == "revoked"
    feed.become(FRESH)
    assert outcome(lambda: verifier.verify(other)) == "accepted"
    assert (oracle.asked, awaited_oracle.asked) == ([token], [token])


async def test_an_answer_is_believed_for_the_stated_time(
    fake: FakeIssuer, feed: FakeFeed, make: MakeVerifier, clock: Clock
) -> None:
    """Not every request asks, and a sensitive route obeys within five seconds, whatever the introspector remembers."""
    oracle = Oracle(True)
    verifier = make(oracle)
    token = fake.mint()
    feed.become(STALE)
    for _ in range(3):
        assert outcome(lambda: verifier.verify(token, SENSITIVE)) == "accepted"
    oracle.answer = False
    clock.pass_seconds(3.9)
    assert outcome(lambda: verifier.verify(token, SENSITIVE)) == "accepted"
    assert len(oracle.asked) == 1
    clock.pass_seconds(0.1)
    assert outcome(lambda: verifier.verify(token, SENSITIVE)) == "revoked"


@pytest.fixture
def gated() -> Iterator[Oracle]:
    oracle = Oracle(True)
    oracle.gate.clear()
    yield oracle
    oracle.gate.set()


async def test_behind_requests_one_question_a_token_and_a_bounded_number_of_them(
    gated: Oracle, fake: FakeIssuer, feed: FakeFeed, make: MakeVerifier
) -> None:
    """S48: a late feed must not become a flood of threads and questions."""
    verifier = make(gated, FailurePolicy(introspections_behind=2))
    tokens = [fake.mint() for _ in range(5)]
    feed.become(STALE)
    for token in tokens * 3:
        verifier.verify(token)
    await until(lambda: len(gated.asked) == 2)
    assert sorted(gated.asked) == sorted(tokens[:2])
    gated.gate.set()


async def test_after_a_question_in_vain_nobody_asks_behind_for_a_second(
    fake: FakeIssuer, feed: FakeFeed, make: MakeVerifier, clock: Clock
) -> None:
    """S48: an issuer in trouble is left alone; waiting requests still ask."""
    oracle = Oracle(OSError("closed"))
    verifier = make(oracle)
    feed.become(STALE)
    assert outcome(lambda: verifier.verify(fake.mint(), SENSITIVE)) == "unavailable"
    for _ in range(5):
        assert outcome(lambda: verifier.verify(fake.mint())) == "accepted"
    assert len(oracle.asked) == 1
    clock.pass_seconds(1)
    verifier.verify(fake.mint())
    await until(lambda: len(oracle.asked) == 2)


async def test_an_introspector_that_never_answers_is_given_up_after_the_stated_time(
    fake: FakeIssuer, feed: FakeFeed, clock: Clock
) -> None:
    """S48: 503, and the cause is in the reason."""

    class Deaf(AsyncOracle):
        async def introspect(self, token: str) -> bool:  # type: ignore[override]
            await anyio.sleep_forever()
            raise AssertionError

    verifier = make_async(fake, feed, clock, Deaf(), FailurePolicy(introspection_timeout_s=0.1))
    feed.become(LOST)
    started = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        await verifier.verify(fake.mint())
    assert time.monotonic() - started < 2
    assert isinstance(caught.value, FeedUnavailable)
    assert caught.value.reason.startswith("TimeoutError")


async def test_the_real_introspector_decides_while_the_feed_is_lost(
    fake: FakeIssuer, feed: FakeFeed, clock: Clock
) -> None:
    """I2, I6: over HTTP, by RFC 7662, with the fake issuer as the one who knows."""
    introspector = Introspector(
        fake.issuer, client_id="cli_orders", client_secret="s" * 32, transport=fake.transport()
    )  # fmt: skip
    verifier = Verifier(
        fake.issuer, fake.audience, feed=feed, introspector=introspector, transport=fake.transport(),
        clock=clock, monotonic=clock,
    )  # fmt: skip
    good, bad = fake.mint(), fake.mint({"jti": "j"})
    await verifier.verify(bad)
    feed.become(LOST)
    feed.revoke_token("j")
    assert await async_outcome(verifier.verify(good)) == "accepted"
    assert await async_outcome(verifier.verify(bad)) == "revoked"
    fake.go_down()
    assert await async_outcome(verifier.verify(fake.mint())) == "unavailable"
