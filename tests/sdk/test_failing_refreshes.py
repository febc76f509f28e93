"""S48, I6: whatever a refresh meets, it ends in time, counts as a failure, and is never the token's fault."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import httpx2
import pytest

from ostiary import KeyPolicy, KeysUnavailable, SyncVerifier, Verifier
from ostiary.asgi import Message, RequireToken
from ostiary.testing import FakeIssuer
from tests.sdk.clocks import Clock

TIMEOUT_S = 0.2
GIVEN_UP_S = 1.5
PATIENCE = KeyPolicy(timeout_s=TIMEOUT_S)


class Faulty(httpx2.AsyncBaseTransport):
    """Raises the given error, counting how often."""

    def __init__(self, fault: Exception) -> None:
        self.asked = 0
        self._fault = fault

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        raise self._fault


class Deaf(httpx2.AsyncBaseTransport):
    """The fake issuer until it is told to block its thread, as a name look-up may: no cancellation reaches it."""

    def __init__(self, fake: FakeIssuer) -> None:
        self.hears = threading.Event()
        self.asked = 0
        self._inner = fake.transport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        self.hears.wait(GIVEN_UP_S * 2)
        return await self._inner.handle_async_request(request)


def drip(connection: socket.socket, ended: threading.Event) -> None:
    """Answer with one header byte each 20 ms until the other side leaves, the test ends, or 3 s are over."""
    with connection, suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(int(GIVEN_UP_S * 2 / 0.02)):
            if ended.wait(0.02):
                return
            connection.sendall(b"a")


@contextmanager
def dripping() -> Iterator[tuple[str, list[str]]]:
    """A dripping issuer on loopback, and what came to it."""
    taken: list[str] = []
    ended = threading.Event()

    def accept() -> None:
        while not ended.is_set():
            connection, address = listener.accept()
            taken.append(str(address))
            pool.submit(drip, connection, ended)

    with ThreadPoolExecutor(8) as pool, socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = pool.submit(accept)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", taken
        finally:
            ended.set()
            socket.create_connection(listener.getsockname()).close()
            accepting.result(10)


def time_out(verify: Callable[[str], object], token: str) -> tuple[float, bool]:
    """How many seconds the verifier took to give up for want of time, and whether the attempt was this caller's."""
    started = time.monotonic()
    with pytest.raises(KeysUnavailable) as caught:
        verify(token)
    assert caught.value.reason.startswith("TimeoutError")
    return time.monotonic() - started, isinstance(caught.value.__cause__, TimeoutError)


def refresher_is_alive() -> bool:
    return any(thread.name == "ostiary-keys" for thread in threading.enumerate())


def test_dripping_headers_hold_no_thread_longer_than_the_stated_time() -> None:
    """S48: one thread asks, those behind it are freed with it, and the work itself ends too."""
    with dripping() as (issuer, taken), ThreadPoolExecutor(4) as pool:
        fake = FakeIssuer(issuer)
        verifier = SyncVerifier(issuer, fake.audience, key_policy=PATIENCE)
        waits = [pool.submit(time_out, verifier.verify, fake.mint()) for _ in range(4)]
        ends = [wait.result(10) for wait in waits]
        assert max(seconds for seconds, _ in ends) < GIVEN_UP_S
        assert sum(is_own for _, is_own in ends) == 1
        assert len(taken) == 1
        given_up_at = time.monotonic()
        while refresher_is_alive():
            assert time.monotonic() - given_up_at < GIVEN_UP_S, "the abandoned refresh goes on"
            time.sleep(0.01)


def test_even_what_cannot_be_cancelled_frees_the_caller_in_time(fake: FakeIssuer) -> None:
    """S48."""
    transport = Deaf(fake)
    verifier = SyncVerifier(fake.issuer, fake.audience, transport=transport, key_policy=PATIENCE)
    seconds, is_own = time_out(verifier.verify, fake.mint())
    transport.hears.set()
    assert is_own
    assert TIMEOUT_S <= seconds < GIVEN_UP_S


def test_after_a_timeout_stale_keys_work_and_the_next_attempt_waits(fake: FakeIssuer, clock: Clock) -> None:
    """I6: a refresh that ran out of time is a failure like any other."""
    transport = Deaf(fake)
    transport.hears.set()
    verifier = SyncVerifier(
        fake.issuer, fake.audience, transport=transport, clock=clock, monotonic=clock, key_policy=PATIENCE
    )
    verifier.verify(fake.mint())
    transport.hears.clear()
    clock.pass_seconds(300)
    for _ in range(3):
        assert verifier.verify(fake.mint()).sub == "usr_test"
    assert transport.asked == 3, "two documents at first, then one attempt"
    transport.hears.set()
    while refresher_is_alive():
        time.sleep(0.01)
    clock.pass_seconds(1)
    fake.rotate(withdraw=True)
    assert verifier.verify(fake.mint()).sub == "usr_test"


@pytest.mark.anyio
@pytest.mark.parametrize("fault", [RuntimeError("no way"), ExceptionGroup("no way", [OSError("closed")])], ids=repr)
async def test_an_unforeseen_error_is_a_failure_with_a_cause_and_a_cool_down(
    fault: Exception, fake: FakeIssuer, clock: Clock
) -> None:
    """I6: 503, never a 500; and not asked again for each request."""
    awaited, blocking = Faulty(fault), Faulty(fault)
    verifier = Verifier(fake.issuer, fake.audience, transport=awaited, clock=clock, monotonic=clock)
    threaded = SyncVerifier(fake.issuer, fake.audience, transport=blocking, clock=clock, monotonic=clock)
    for cause in (fault, None, None):
        with pytest.raises(KeysUnavailable) as caught:
            await verifier.verify(fake.mint())
        with pytest.raises(KeysUnavailable) as caught_by_thread:
            threaded.verify(fake.mint())
        for error in (caught.value, caught_by_thread.value):
            assert error.__cause__ is cause
            assert error.reason == f"{type(fault).__name__}: {fault}"
            assert error.retry_after_s == 1
    assert (awaited.asked, blocking.asked) == (1, 1)


@pytest.mark.anyio
async def test_a_proxy_that_nobody_understands_is_answered_503(
    fake: FakeIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I6: the environment's mistake is no caller's fault. The client refuses the scheme before it opens anything."""
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "gopher://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(KeysUnavailable) as caught:
        SyncVerifier(fake.issuer, fake.audience).verify(fake.mint())
    assert isinstance(caught.value.__cause__, ValueError)
    answers: list[Message] = []

    async def send(message: Message) -> None:
        answers.append(message)

    async def unreachable(*_: object) -> None:
        raise AssertionError("the application was reached")

    guard = RequireToken(unreachable, Verifier(fake.issuer, fake.audience))
    headers = [(b"authorization", f"Bearer {fake.mint()}".encode())]
    await guard({"type": "http", "path": "/", "headers": headers}, unreachable, send)  # type: ignore[arg-type]
    assert answers[0]["status"] == 503
    assert dict(answers[0]["headers"])[b"retry-after"] in (b"1", b"2")  # type: ignore[call-overload]
