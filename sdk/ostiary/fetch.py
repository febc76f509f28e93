"""Reading the issuer's two documents over HTTP: bounded in time and size, never redirected, never decompressed."""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass

import anyio
import httpx2

from ostiary.discovery import IssuerAddress, parse_freshness, parse_jwks_uri
from ostiary.errors import KeyFetchError
from ostiary.jwk import KeySet, parse_key_set

MAX_DOCUMENT_BYTES = 131_072

# Asking for the plain form, and refusing any other before the body is read, keeps a compression bomb packed (S38).
REQUEST_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "ostiary-sdk"}

TRANSPORT_ERRORS = (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError)


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
    """Metadata, then keys; KeyFetchError when either cannot be had or believed within the time.

    A transport, where given, replaces the network (tests, in-process issuers).
    """
    try:
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
    except TRANSPORT_ERRORS as error:
        raise KeyFetchError(f"{type(error).__name__}: {error}") from error
    return PublishedKeys(parse_key_set(document.body), document.fresh_for_s)


def fetch_keys_blocking(route: Route, *, transport: httpx2.BaseTransport | None) -> PublishedKeys:
    """`fetch_keys` for threads."""
    deadline = time.monotonic() + route.timeout_s
    try:
        with httpx2.Client(
            transport=transport,
            verify=route.verify,
            trust_env=route.trusts_environment,
            timeout=route.timeout_s,
            headers=REQUEST_HEADERS,
        ) as client:
            metadata = _read_blocking(client, route.address.metadata_url, deadline=deadline)
            jwks_uri = parse_jwks_uri(metadata.body, expected=route.address)
            document = _read_blocking(client, jwks_uri, deadline=deadline)
    except TRANSPORT_ERRORS as error:
        raise KeyFetchError(f"{type(error).__name__}: {error}") from error
    return PublishedKeys(parse_key_set(document.body), document.fresh_for_s)


async def _read(client: httpx2.AsyncClient, url: str) -> Document:
    body = bytearray()
    async with client.stream("GET", url, follow_redirects=False) as response:
        _check_answer(response.status_code, response.headers)
        async for chunk in response.aiter_bytes():
            _take(chunk, body)
    return _document(body, response.headers)


def _read_blocking(client: httpx2.Client, url: str, *, deadline: float) -> Document:
    body = bytearray()
    with client.stream("GET", url, follow_redirects=False) as response:
        _check_answer(response.status_code, response.headers)
        for chunk in response.iter_bytes():
            if time.monotonic() > deadline:
                raise KeyFetchError("the issuer answers too slowly")
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
