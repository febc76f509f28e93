"""The verifier for threads: the same rules as the async one, with real threads."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import httpx2
import pytest
from anyio import to_thread

from ostiary import KeysUnavailable, SyncVerifier, TokenErrorCode
from ostiary.testing import FakeIssuer, make_key
from tests.sdk.clocks import Clock
from tests.sdk.forging import refusal

ONE_REFRESH = ["/.well-known/openid-configuration", "/.well-known/jwks.json"]


class GatedTransport(httpx2.AsyncBaseTransport):
    """The fake issuer for threads, answering only when the gate is open."""

    def __init__(self, fake: FakeIssuer) -> None:
        self.gate = Event()
        self.asked = Event()
        self._inner = fake.transport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.set()
        assert await to_thread.run_sync(self.gate.wait, 10)
        return await self._inner.handle_async_request(request)


def test_twenty_threads_cause_one_refresh(fake: FakeIssuer, clock: Clock) -> None:
    """S37."""
    transport = GatedTransport(fake)
    verifier = SyncVerifier(fake.issuer, fake.audience, transport=transport, clock=clock, monotonic=clock)
    together = Barrier(21)

    def verify_one() -> str:
        together.wait(10)
        return verifier.verify(fake.mint()).sub

    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(verify_one) for _ in range(20)]
        together.wait(10)
        assert transport.asked.wait(10)
        transport.gate.set()
        assert {answer.result(10) for answer in answers} == {"usr_test"}
    assert fake.requests == ONE_REFRESH


def test_threads_with_stale_keys_do_not_wait_for_the_one_that_refreshes(fake: FakeIssuer, clock: Clock) -> None:
    """A slow issuer costs one thread a wait."""
    transport = GatedTransport(fake)
    transport.gate.set()
    verifier = SyncVerifier(fake.issuer, fake.audience, transport=transport, clock=clock, monotonic=clock)
    verifier.verify(fake.mint())
    clock.pass_seconds(300)
    transport.gate.clear()
    transport.asked.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(verifier.verify, fake.mint())
        assert transport.asked.wait(10)
        assert verifier.verify(fake.mint()).sub == "usr_test"
        assert not slow.done()
        transport.gate.set()
        assert slow.result(10).sub == "usr_test"
    assert fake.requests == ONE_REFRESH * 2


def test_unknown_keys_cool_down_and_a_rotation_is_found(fake: FakeIssuer, verifier: SyncVerifier, clock: Clock) -> None:
    """S37, S39."""
    verifier.verify(fake.mint())
    clock.pass_seconds(30)
    for _ in range(5):
        assert refusal(verifier, fake.mint(key=make_key())) == (
            TokenErrorCode.UNKNOWN_KEY,
            "kid names no key that the issuer publishes for access tokens",
        )
    assert fake.requests == ONE_REFRESH * 2
    fake.rotate()
    clock.pass_seconds(30)
    assert verifier.verify(fake.mint()).sub == "usr_test"


def test_the_issuer_away_is_never_the_tokens_fault(fake: FakeIssuer, verifier: SyncVerifier, clock: Clock) -> None:
    """I6."""
    fake.go_down()
    with pytest.raises(KeysUnavailable):
        verifier.verify(fake.mint())
    fake.come_back()
    clock.pass_seconds(1)
    assert verifier.verify(fake.mint()).sub == "usr_test"
    fake.go_down()
    clock.pass_seconds(300 + 86_400)
    with pytest.raises(KeysUnavailable):
        verifier.verify(fake.mint())


def test_a_remembered_token_is_not_proven_again(
    fake: FakeIssuer, verifier: SyncVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same object comes back, and no signature is checked for it."""
    token = fake.mint()
    first = verifier.verify(token)
    checks: list[int] = []

    def counted(*_: object, **__: object) -> bool:
        checks.append(1)
        return True

    monkeypatch.setattr("ostiary.core.is_proven", counted)
    assert verifier.verify(token) is first
    assert checks == []
    verifier.verify(fake.mint())
    assert checks == [1]


def test_a_refused_token_is_never_remembered(fake: FakeIssuer, verifier: SyncVerifier, clock: Clock) -> None:
    """S37: not before it is good, and not after it expired."""
    early = fake.mint({"nbf": int(clock()) + 60})
    assert refusal(verifier, early)[0] is TokenErrorCode.NOT_YET_VALID
    clock.pass_seconds(60)
    assert verifier.verify(early).sub == "usr_test"
    clock.pass_seconds(300)
    assert refusal(verifier, early)[0] is TokenErrorCode.EXPIRED
    clock.pass_seconds(-300)
    assert verifier.verify(early).sub == "usr_test"
