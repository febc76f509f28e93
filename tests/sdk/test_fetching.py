"""S48 and S38 for the SDK's own requests: bounded, not redirected, not unpacked; and once over real sockets and TLS."""

import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import httpx2
import pytest
import trustme
import uvicorn

from ostiary import KeysUnavailable, SyncVerifier, Verifier
from ostiary.asgi import ASGIApp
from ostiary.fetch import MAX_DOCUMENT_BYTES
from ostiary.testing import FakeIssuer
from tests.sdk.clocks import Clock

Answer = Callable[[httpx2.Request], httpx2.Response]

KEYS_URL = "https://issuer.test/.well-known/jwks.json"


class Endless(httpx2.AsyncByteStream, httpx2.SyncByteStream):
    """A body without an end, counting what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.taken += 1
            yield b" " * 4096

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.__iter__():
            yield chunk


def answering(fake: FakeIssuer, for_keys: Answer) -> tuple[httpx2.MockTransport, list[str]]:
    """A transport with good metadata and the given answer for the keys; and the addresses that were asked."""
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        if request.url.path.endswith("openid-configuration"):
            return httpx2.Response(200, json={"issuer": fake.issuer, "jwks_uri": KEYS_URL})
        return for_keys(request)

    return httpx2.MockTransport(answer), asked


async def reason_of_both(fake: FakeIssuer, for_keys: Answer) -> str:
    """Why neither verifier gets keys; both must say the same."""
    transport, asked = answering(fake, for_keys)
    with pytest.raises(KeysUnavailable) as blocking:
        SyncVerifier(fake.issuer, fake.audience, transport=transport).verify(fake.mint())
    with pytest.raises(KeysUnavailable) as awaited:
        await Verifier(fake.issuer, fake.audience, transport=transport).verify(fake.mint())
    assert blocking.value.reason == awaited.value.reason
    assert set(asked) == {f"{fake.issuer}/.well-known/openid-configuration", KEYS_URL}, "no other address is asked"
    return awaited.value.reason


REFUSED: dict[str, tuple[Answer, str]] = {
    "a redirect": (
        lambda _: httpx2.Response(302, headers={"Location": "https://evil.test/keys"}),
        "the issuer answered 302",
    ),
    "an error page": (lambda _: httpx2.Response(500, text="oops"), "the issuer answered 500"),
    "not modified": (lambda _: httpx2.Response(304), "the issuer answered 304"),
    "a page": (lambda _: httpx2.Response(200, text="<html>"), "the key set is not a plain JSON object"),
    "nothing": (lambda _: httpx2.Response(200), "the key set is not a plain JSON object"),
    "a giant": (lambda _: httpx2.Response(200, content=b" " * (MAX_DOCUMENT_BYTES + 1)), "larger than 131072 bytes"),
    "a compressed answer": (
        lambda _: httpx2.Response(
            200,
            stream=httpx2.ByteStream(gzip.compress(b'{"keys":[]}')),
            headers={"Content-Encoding": "gzip"},
        ),
        "compressed against our wish",
    ),
}


@pytest.mark.anyio
@pytest.mark.parametrize("name", REFUSED)
async def test_an_answer_that_is_not_plainly_the_keys_leaves_the_keys_unavailable(name: str, fake: FakeIssuer) -> None:
    """S48, I6."""
    answer, words = REFUSED[name]
    assert words in await reason_of_both(fake, answer)


@pytest.mark.anyio
async def test_an_endless_answer_is_cut_at_the_cap(fake: FakeIssuer) -> None:
    """S38: memory stays flat; 131072 bytes are 32 chunks, the next one ends it."""
    bodies: list[Endless] = []

    def answer(_: httpx2.Request) -> httpx2.Response:
        bodies.append(Endless())
        return httpx2.Response(200, stream=bodies[-1])

    assert "larger than 131072 bytes" in await reason_of_both(fake, answer)
    assert [body.taken for body in bodies] == [33, 33]


@pytest.mark.anyio
async def test_the_request_asks_for_plain_json_and_carries_no_credentials(fake: FakeIssuer, clock: Clock) -> None:
    """S38: no compression is invited; nothing of the caller's token leaves."""
    requests: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(200, json={"keys": fake.published})

    transport, _ = answering(fake, answer)
    await Verifier(fake.issuer, fake.audience, transport=transport, clock=clock).verify(fake.mint())
    assert requests[0].headers["accept-encoding"] == "identity"
    assert not {"authorization", "cookie"} & set(requests[0].headers)


@contextmanager
def served(app: ASGIApp, listener: socket.socket, certificate: trustme.LeafCert | None = None) -> Iterator[None]:
    """The application behind a real server on the listener, over TLS where a certificate is given."""
    config = uvicorn.Config(app, log_config=None, lifespan="off")
    config.load()
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        config.ssl = context
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


@pytest.mark.anyio
async def test_both_verifiers_read_keys_over_real_loopback_sockets(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a proxy from the environment has no part in it."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    fake = FakeIssuer(f"http://localhost:{port_of(listener)}")
    with served(fake, listener):
        assert (await Verifier(fake.issuer, fake.audience).verify(fake.mint())).sub == "usr_test"
        assert SyncVerifier(fake.issuer, fake.audience).verify(fake.mint()).sub == "usr_test"


@pytest.mark.anyio
async def test_over_tls_only_a_trusted_certificate_counts(listener: socket.socket) -> None:
    """A private CA is trusted when it is given, and only then."""
    authority = trustme.CA()
    fake = FakeIssuer(f"https://localhost:{port_of(listener)}")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with served(fake, listener, authority.issue_cert("localhost")):
        verifier = Verifier(fake.issuer, fake.audience, ssl_context=trusting)
        assert (await verifier.verify(fake.mint())).iss == fake.issuer
        blocking = SyncVerifier(fake.issuer, fake.audience, ssl_context=trusting)
        assert blocking.verify(fake.mint()).iss == fake.issuer
        with pytest.raises(KeysUnavailable) as caught:
            await Verifier(fake.issuer, fake.audience).verify(fake.mint())
        assert "certificate" in caught.value.reason.lower()


def test_the_issuers_document_names_only_what_the_fake_has(fake: FakeIssuer) -> None:
    """The in-process issuer answers 404 for the rest."""
    with httpx2.Client(transport=fake.transport()) as client:
        document = json.loads(client.get(f"{fake.issuer}/.well-known/openid-configuration").content)
        assert client.get(f"{fake.issuer}/oauth/authorize").status_code == 404
        assert client.get(f"{fake.issuer}/oauth/token").status_code == 404, "it is asked by POST"
    assert document == {
        "issuer": fake.issuer,
        "jwks_uri": KEYS_URL,
        "token_endpoint": f"{fake.issuer}/oauth/token",
        "introspection_endpoint": f"{fake.issuer}/oauth/introspect",
    }
