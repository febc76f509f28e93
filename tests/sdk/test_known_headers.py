"""The shortest way of a guard: the header of a remembered token, and everything that must send it the long way."""

import asyncio
import contextlib

import pytest
from hypothesis import given

from ostiary import Feed, SyncVerifier, Verifier
from ostiary.asgi import Message, Receive, RequireToken, Scope, Send
from ostiary.errors import TokenError, Unavailable
from ostiary.feed_lease import Lease
from ostiary.revocations import Revocations
from ostiary.testing import FakeFeed, FakeIssuer
from tests.sdk.clocks import Clock
from tests.sdk.connections import Connection
from tests.sdk.test_memory_properties import Play, Step, steps

Headers = list[tuple[bytes, bytes]]


def bearer(token: str, name: bytes = b"authorization") -> Headers:
    return [(b"host", b"api.test"), (name, f"Bearer {token}".encode())]


@given(steps)
def test_a_known_header_never_brings_what_its_token_would_not(told: list[Step]) -> None:
    """I2, S18, S39: revocations of all kinds, facts, keys, time and the lease, in any order."""
    play = Play()
    core = play.remembering._core
    recall = core.header_recall(clock=play.clock, monotonic=play.clock)
    for name, number in told:
        if name in play.steps:
            play.steps[name](number)
        for token in play.tokens:
            found, headers = recall(bearer(token)), bearer(token)
            try:
                verified = play.forgetful.verify(token)
            except (TokenError, Unavailable):
                assert found is None, f"after {name} {number}"
                continue
            assert found is None or found[0] == verified
            # It was asked less often than the other, so its keys may be older: it may refuse more, and then keeps none.
            with contextlib.suppress(TokenError, Unavailable):
                play.remembering.verify(token)
                core.keep_header(headers[1][1], token)


def test_the_header_of_a_remembered_token_is_known(fake: FakeIssuer, clock: Clock) -> None:
    """Otherwise nothing above could fail."""
    verifier = SyncVerifier(
        fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock, feed=FakeFeed(fake)
    )
    core, token = verifier._core, fake.mint()
    recall = core.header_recall(clock=clock, monotonic=clock)
    for _ in range(2):
        verifier.verify(token)
        core.keep_header(bearer(token)[1][1], token)
    found = recall(bearer(token, b"Authorization"))
    assert found is not None
    assert found[0] == verifier.verify(token)
    same_end = [(b"authorization", b"Bearer x" + token.encode()[1:])]
    assert recall(same_end) is None, "the end alone is not enough"
    assert recall(iter(bearer(token))) is None
    assert recall([]) is None


def test_a_flood_of_headers_leaves_as_few_as_of_tokens(fake: FakeIssuer, clock: Clock) -> None:
    """S38: a header goes with its token, and a forged token leaves none."""
    verifier = SyncVerifier(
        fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock, token_cache_size=8
    )
    core, token = verifier._core, ""
    for _ in range(50):
        token = fake.mint()
        verifier.verify(token)
        core.keep_header(bearer(token)[1][1], token)
        core.keep_header(b"Bearer forged" + token.encode()[::-1], "forged")
        assert core._cache.headers.keys() <= {text[-32:].encode() for text in core._cache.young}
        assert len(core._cache.headers) <= 4
    core._cache.forget(token)
    assert token[-32:].encode() not in core._cache.headers


class OwnFeed:
    """A feed that nobody follows; how old it is goes by a real lease."""

    def __init__(self, issuer: str, clock: Clock) -> None:
        self.issuer, self.revocations, self.lease, self._clock = issuer, Revocations(), Lease(), clock

    def age_s(self) -> float:
        return self.lease.age_s(self._clock())

    def lease_by(self, monotonic: object) -> Lease:
        return self.lease

    def start(self) -> None:
        return None


def test_a_header_is_forgotten_by_the_mere_passing_of_time(fake: FakeIssuer, clock: Clock) -> None:
    """I6: no event tells that a feed went stale."""
    feed = OwnFeed(fake.issuer, clock)
    verifier = SyncVerifier(
        fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock, feed=feed
    )
    core, token = verifier._core, fake.mint()
    recall = core.header_recall(clock=clock, monotonic=clock)
    feed.lease.vouched_at = clock()
    for _ in range(2):
        verifier.verify(token)
        core.keep_header(bearer(token)[1][1], token)
    clock.pass_seconds(4.5)
    assert recall(bearer(token)) is not None
    clock.pass_seconds(0.5)
    assert recall(bearer(token)) is None
    feed.lease.vouched_at = clock()
    assert recall(bearer(token)) is not None


def test_a_lease_is_not_read_by_another_clock(fake: FakeIssuer, clock: Clock) -> None:
    """Two clocks with different beginnings would make an old feed young."""
    feed = Feed(fake.issuer, client_id="orders", client_secret="secret", monotonic=clock)
    assert feed.lease_by(clock) is feed.lease_by(clock)
    assert feed.lease_by(lambda: 0.0).age_s(1e12) == float("inf")


@pytest.mark.anyio
@pytest.mark.parametrize("name", [b"authorization", b"Authorization"])
async def test_a_second_header_is_refused_where_the_first_is_known(name: bytes, fake: FakeIssuer, clock: Clock) -> None:
    """RFC 6750 §2: never a choice between two."""
    verifier = Verifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock)
    statuses: list[object] = []

    async def hello(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async def nothing() -> Message:
        return {"type": "http.request"}

    async def note(message: Message) -> None:
        statuses.append(message.get("status"))

    guard, token = RequireToken(hello, verifier), fake.mint()
    one, other = bearer(token)[1], (name, b"Bearer " + token.encode())
    for headers in ([one], [one], [one, other], [other, one], [one, other, one], [one]):
        await guard({"type": "http", "path": "/", "method": "GET", "headers": headers}, nothing, note)
    assert [status for status in statuses if status] == [200, 200, 400, 400, 400, 200]


def test_a_stream_ends_in_the_second_loop_of_a_thread_too() -> None:
    """S18: the guard remembers which loop this thread runs, and must see when it runs another."""
    issuer = FakeIssuer()
    feed = FakeFeed(issuer)

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        async def begin() -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/csv")]})

        # Frameworks stream from a task of their own; the one to stop is that of the request.
        await asyncio.create_task(begin())
        await asyncio.sleep(60)

    guard = RequireToken(wait, Verifier(issuer.issuer, issuer.audience, transport=issuer.transport(), feed=feed))

    async def serve(grant: str) -> None:
        async with Connection(guard, "http", issuer.mint({"grant": grant})) as connection:
            await connection.answered()
            feed.revoke_grant(grant)
            await connection.end(within_s=1)

    for grant in ("grt_1", "grt_2"):
        asyncio.run(serve(grant))
