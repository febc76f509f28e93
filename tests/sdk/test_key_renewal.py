"""S37, S39: keys are renewed behind the requests, and strangers' key ids cost next to nothing."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import anyio
import httpx2
import pytest
from anyio import to_thread

from ostiary import KeyPolicy, SyncVerifier, TokenError, TokenErrorCode, Verifier
from ostiary.jwk import parse_key_set
from ostiary.keyring import Ask, KeyRing
from ostiary.testing import FakeIssuer, make_key
from ostiary.unknown_keys import MOST_REMEMBERED, UnknownKeys
from tests.sdk.clocks import Clock
from tests.sdk.forging import refusal

ONE_REFRESH = ["/.well-known/openid-configuration", "/.well-known/jwks.json"]


class GatedTransport(httpx2.AsyncBaseTransport):
    """The fake issuer, answering only when the gate is open."""

    def __init__(self, fake: FakeIssuer) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self._inner = fake.transport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        while not self.gate.is_set():
            await anyio.sleep(0.005)
        return await self._inner.handle_async_request(request)


def wait_until(holds: Callable[[], bool]) -> None:
    given_up_at = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < given_up_at
        time.sleep(0.005)


def test_from_four_fifths_of_their_life_keys_are_renewed_behind_the_requests(fake: FakeIssuer, clock: Clock) -> None:
    """S39: threads; twenty requests, remembered and new ones, wait for nobody, and one asks."""
    transport = GatedTransport(fake)
    verifier = SyncVerifier(fake.issuer, fake.audience, transport=transport, clock=clock, monotonic=clock)
    remembered = fake.mint(ttl_s=3600)
    verifier.verify(remembered)
    clock.pass_seconds(239)
    verifier.verify(remembered)
    assert fake.requests == ONE_REFRESH
    clock.pass_seconds(1)
    transport.gate.clear()
    with ThreadPoolExecutor(10) as pool:
        tokens = [remembered, fake.mint()] * 10
        assert {verified.sub for verified in pool.map(verifier.verify, tokens, timeout=5)} == {"usr_test"}
    assert fake.requests == ONE_REFRESH, "the issuer has not answered yet"
    transport.gate.set()
    wait_until(lambda: verifier._keys.attempts == 2)
    assert fake.requests == ONE_REFRESH * 2
    clock.pass_seconds(239)
    verifier.verify(remembered)
    assert fake.requests == ONE_REFRESH * 2


@pytest.mark.anyio
async def test_so_does_the_async_verifier_by_a_task_that_it_holds(fake: FakeIssuer, clock: Clock) -> None:
    """S39."""
    transport = GatedTransport(fake)
    verifier = Verifier(fake.issuer, fake.audience, transport=transport, clock=clock, monotonic=clock)
    await verifier.verify(fake.mint())
    clock.pass_seconds(240)
    transport.gate.clear()
    with anyio.fail_after(2):
        for _ in range(20):
            assert (await verifier.verify(fake.mint())).sub == "usr_test"
    await anyio.sleep(0)
    assert len(verifier._behind) == 1
    transport.gate.set()
    with anyio.fail_after(5):
        while verifier._behind:
            await anyio.sleep(0.005)
    assert fake.requests == ONE_REFRESH * 2
    assert verifier._keys.attempts == 2


def test_while_the_issuer_is_away_stale_keys_make_nobody_wait(fake: FakeIssuer, clock: Clock) -> None:
    """I6: after the first failure the attempts go on behind the requests, for a day, and then it is 503."""
    transport = GatedTransport(fake)
    verifier = SyncVerifier(fake.issuer, fake.audience, transport=transport, clock=clock, monotonic=clock)
    verifier.verify(fake.mint())
    fake.go_down()
    clock.pass_seconds(300)
    assert verifier.verify(fake.mint()).sub == "usr_test", "the first one waited for the failure"
    transport.gate.clear()
    for _ in range(5):
        clock.pass_seconds(30)
        started = time.monotonic()
        assert verifier.verify(fake.mint()).sub == "usr_test"
        assert time.monotonic() - started < 1
    transport.gate.set()


def test_a_key_found_by_a_renewal_behind_is_known_without_another_request(fake: FakeIssuer, clock: Clock) -> None:
    """S39: keys are published a lifetime before their use."""
    verifier = SyncVerifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock)
    verifier.verify(fake.mint())
    old = fake.key
    successor = fake.rotate()
    clock.pass_seconds(240)
    verifier.verify(fake.mint(key=old))
    wait_until(lambda: verifier._keys.attempts == 2)
    assert verifier.verify(fake.mint(key=successor)).sub == "usr_test"
    assert fake.requests == ONE_REFRESH * 2


def test_three_thousand_strangers_cause_one_request_in_thirty_seconds(fake: FakeIssuer, clock: Clock) -> None:
    """S37: and memory stays flat."""
    verifier = SyncVerifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock)
    verifier.verify(fake.mint())
    _, payload, signature = fake.mint(key=STRANGER).split(".")
    clock.pass_seconds(30)
    fake.requests.clear()
    for number in range(3000):
        stranger = make_header(f"stranger-{number}")
        assert refusal(verifier, f"{stranger}.{payload}.{signature}")[0] is TokenErrorCode.UNKNOWN_KEY
        clock.pass_seconds(0.0099)
    assert fake.requests == ONE_REFRESH


def make_header(kid: str) -> str:
    return FakeIssuer().sign(b"{}", headers={"kid": kid}, key=STRANGER).partition(".")[0]


STRANGER = make_key()


def test_the_same_stranger_asks_once_in_five_minutes(fake: FakeIssuer, clock: Clock) -> None:
    """S37: a service with an old configuration does not cost a request each half minute."""
    verifier = SyncVerifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock)
    verifier.verify(fake.mint())
    fake.max_age_s = 3600
    clock.pass_seconds(31)
    stranger = make_key()
    for _ in range(9):
        assert refusal(verifier, fake.mint(key=stranger))[0] is TokenErrorCode.UNKNOWN_KEY
        clock.pass_seconds(31)
    assert fake.requests == ONE_REFRESH * 2
    fake.published.append(stranger.as_jwk())
    clock.pass_seconds(30)
    assert verifier.verify(fake.mint(key=stranger)).sub == "usr_test"
    assert fake.requests == ONE_REFRESH * 3


def test_the_memory_of_strangers_is_bounded_and_forgets_the_oldest() -> None:
    """S38."""
    unknown = UnknownKeys(300)
    for number in range(MOST_REMEMBERED + 10):
        unknown.remember(f"k{number}", now=number)
    assert len(unknown) == MOST_REMEMBERED
    assert not unknown.is_known("k9", now=100)
    assert unknown.is_known("k10", now=100)
    assert not unknown.is_known("k10", now=310)


def test_the_same_keys_published_again_are_no_change(fake: FakeIssuer, clock: Clock) -> None:
    """Remembered tokens are not looked at again because the key set was read again."""
    ring = KeyRing(KeyPolicy())
    body = httpx2.Response(200, json={"keys": fake.published}).content
    for expected in (1, 1):
        ring.record_keys(parse_key_set(body), fresh_for_s=60, now=clock())
        assert ring.version == expected
    fake.rotate()
    ring.record_keys(parse_key_set(httpx2.Response(200, json={"keys": fake.published}).content), fresh_for_s=60, now=0)
    assert ring.version == 2


def test_a_ring_says_when_to_ask_and_who_waits(fake: FakeIssuer) -> None:
    """The rules by themselves: S37, S39, I6."""
    ring, kid = KeyRing(KeyPolicy()), fake.key.kid
    keys = parse_key_set(httpx2.Response(200, json={"keys": fake.published}).content)
    assert ring.must_ask(kid, now=0) is Ask.WAIT
    ring.record_failure(TimeoutError(), now=0)
    assert [ring.must_ask(kid, now=now) for now in (0.9, 1)] == [Ask.NOT, Ask.WAIT]
    ring.record_keys(keys, fresh_for_s=100, now=0)
    assert [ring.must_ask(kid, now=now) for now in (79, 80, 99, 100)] == [Ask.NOT, Ask.BEHIND, Ask.BEHIND, Ask.WAIT]
    assert [ring.must_ask("?", now=now) for now in (29, 30)] == [Ask.NOT, Ask.WAIT]
    ring.record_failure(TimeoutError(), now=100)
    assert [ring.must_ask(kid, now=now) for now in (100, 101, 86_499, 86_500)] == [
        Ask.NOT, Ask.BEHIND, Ask.BEHIND, Ask.WAIT,
    ]  # fmt: skip
    ring.record_keys(keys, fresh_for_s=100, now=200)
    ring.doubt(kid)
    assert ring.must_ask(kid, now=200) is Ask.BEHIND
    ring.record_keys(keys, fresh_for_s=100, now=201)
    ring.doubt(kid)
    assert ring.must_ask(kid, now=201) is Ask.NOT, "a key is doubted once"


@pytest.mark.anyio
async def test_a_forked_child_refreshes_though_its_parent_was_about_to(fake: FakeIssuer, clock: Clock) -> None:
    """The lock of the refresh belongs to the process that took it; a child that inherits it must not wait for ever."""
    transport = GatedTransport(fake)
    verifier = SyncVerifier(fake.issuer, fake.audience, transport=transport, clock=clock, monotonic=clock)
    transport.gate.clear()
    asking = threading.Thread(target=verifier.verify, args=(fake.mint(),))
    asking.start()
    await to_thread.run_sync(wait_until, lambda: verifier._flight.is_taken)
    child = os.fork()
    if child == 0:
        transport.gate.set()
        try:
            os._exit(0 if verifier.verify(fake.mint()).sub == "usr_test" else 1)
        except TokenError:
            os._exit(2)
        finally:
            os._exit(3)
    transport.gate.set()
    asking.join(5)
    _, status = await to_thread.run_sync(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
