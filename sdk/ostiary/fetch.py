"""Reading the issuer's two documents over HTTP: bounded in time and size, never redirected, never decompressed."""

import ssl
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from threading import Thread

import anyio
import httpx2

from ostiary.discovery import IssuerAddress, parse_freshness, parse_jwks_uri
from ostiary.errors import KeyFetchError
from ostiary.jwk import KeySet, parse_key_set

MAX_DOCUMENT_BYTES = 131_072

# Asking for the plain form, and refusing any other before the body is read, keeps a compression bomb packed (S38).
REQUEST_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "ostiary-sdk"}


@dataclass(frozen=True, slots=True)
class Document:
    """A body and how long it stays fresh by its own headers (None: they do not say)."""

    body: bytes
    fresh_for_s: float | None


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """What the issuer publishes at this moment."""

    keys: KeySet
    fresh_for_s: float | None


@dataclass(frozen=True, slots=True)
class Route:
    """How to reach the issuer."""

    address: IssuerAddress
    timeout_s: float
    ssl_context: ssl.SSLContext | None

    @property
    def trusts_environment(self) -> bool:
        """False on loopback: a proxy from the environment has no business between two programs of one machine."""
        return not self.address.is_loopback

    @property
    def verify(self) -> ssl.SSLContext | bool:
        """The TLS trust: the given context, or the system's."""
        return self.ssl_context or True


async def fetch_keys(route: Route, *, transport: httpx2.AsyncBaseTransport | None) -> PublishedKeys:
    """Metadata, then keys, both within `timeout_s`.

    KeyFetchError when an answer cannot be believed; anything else that the network, TLS, a proxy setting or a
    transport raises comes out as it is. A transport, where given, replaces the network (tests, in-process issuers).
    """
    with anyio.fail_after(route.timeout_s):
        async with httpx2.AsyncClient(
            transport=transport,
            verify=route.verify,
            trust_env=route.trusts_environment,
            timeout=route.timeout_s,
            headers=REQUEST_HEADERS,
        ) as client:
            metadata = await _read(client, route.address.metadata_url)
            document = await _read(client, parse_jwks_uri(metadata.body, expected=route.address))
    return PublishedKeys(parse_key_set(document.body), document.fresh_for_s)


def fetch_keys_blocking(route: Route, *, transport: httpx2.AsyncBaseTransport | None) -> PublishedKeys:
    """`fetch_keys` for threads: the same errors, and TimeoutError after `timeout_s` whatever the issuer does.

    It runs on an event loop of its own, because a blocking client bounds each read but not their sum: headers that
    drip would hold it for days. The deadline there ends the work, the wait here frees the caller even from what
    cannot be cancelled (a name look-up).
    """
    done: Future[PublishedKeys] = Future()

    def work() -> None:
        try:
            done.set_result(anyio.run(partial(fetch_keys, route, transport=transport)))
        except BaseException as error:  # noqa: BLE001 - whoever waits shall hear of it
            done.set_exception(error)

    Thread(target=work, name="ostiary-keys", daemon=True).start()
    return done.result(route.timeout_s)


async def _read(client: httpx2.AsyncClient, url: str) -> Document:
    body = bytearray()
    async with client.stream("GET", url, follow_redirects=False) as response:
        _check_answer(response.status_code, response.headers)
        async for chunk in response.aiter_bytes():
            _take(chunk, body)
    return _document(body, response.headers)


def _check_answer(status: int, headers: Mapping[str, str]) -> None:
    if status != 200:
        raise KeyFetchError(f"the issuer answered {status}")
    if headers.get("content-encoding", "identity") != "identity":
        raise KeyFetchError("the issuer's answer is compressed against our wish")


def _take(chunk: bytes, body: bytearray) -> None:
    body += chunk
    if len(body) > MAX_DOCUMENT_BYTES:
        raise KeyFetchError(f"the issuer's answer is larger than {MAX_DOCUMENT_BYTES} bytes")


def _document(body: bytearray, headers: Mapping[str, str]) -> Document:
    return Document(bytes(body), parse_freshness(headers.get("cache-control", ""), headers.get("age", "")))
