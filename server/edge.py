"""The outermost layer: one pure ASGI application around everything that answers people and applications.

It gives each request an id, the caller's address and, where a trusted proxy tells them, their place and how they
connected (S34), caps bodies (S48), adds the headers that every answer carries, turns failures into answers without
details (I4), and counts and logs. `server/app.py` puts it together.
"""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter, time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from base.errors import StorageUnavailable
from base.request import BodyTooLarge, Network, client_address, header, is_from_proxy
from risk.places.edge_places import EdgeHeaders, read_edge_place, read_handshake
from server.cors import PATHS as CORS_PATHS
from server.cors import Headers, cors_headers, is_preflight
from server.failures import Failure, answer_failure
from server.logs import Access, AccessLog
from server.metrics import Metrics

log = logging.getLogger("ostiary.edge")

FORM_BYTES = 64 * 1024
JSON_BYTES = 1024 * 1024
_JSON_PATHS = ("/api/", "/access/", "/scim/")
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
_KNOWN_ADDRESSES = 4096
_MAX_REQUEST_ID = 1024

# What an answer that is not a page gets; pages bring their own policy, fit for what they show.
_PLAIN_HEADERS: Headers = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_NO_STORE = (b"cache-control", b"no-store")


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeParts:
    """What the edge works with. `origins` gives the registered origins of now; `fail` makes an error's answer."""

    fail: Callable[[Scope, Failure], ASGIApp]
    origins: Callable[[], frozenset[str]]
    metrics: Metrics
    access_log: AccessLog | None
    trusted_proxies: Sequence[Network] = ()
    place_headers: EdgeHeaders | None = None
    tls_header: bytes | None = None
    sends_hsts: bool = False
    exact_paths: frozenset[str] = frozenset()


class Edge:
    """The ASGI application that servers run."""

    def __init__(self, inner: ASGIApp, parts: EdgeParts) -> None:
        self._inner = inner
        self._parts = parts
        self._addresses: dict[str, str | None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one connection's request; a server's lifespan messages are acknowledged."""
        if scope["type"] != "http":
            await _answer_other(scope, receive, send)
            return
        began = perf_counter()
        request_id = scope["ostiary.request_id"] = os.urandom(8).hex()
        scope["ostiary.address"] = self._address(scope)
        self._take_edge_headers(scope)
        answer = _Answer(send, self._extra_headers(scope, request_id))
        metrics = self._parts.metrics
        metrics.in_flight += 1
        try:
            await self._run(scope, receive, answer)
        finally:
            metrics.in_flight -= 1
            seconds = perf_counter() - began
            metrics.count(self._route(scope), scope["method"], answer.status, seconds)
            if self._parts.access_log is not None:
                self._parts.access_log.add(_entry(scope, answer.status, seconds))

    def _take_edge_headers(self, scope: Scope) -> None:
        """What a trusted proxy says beside the caller's address; nobody else is asked (S34)."""
        names, tls = self._parts.place_headers, self._parts.tls_header
        if (names is None and tls is None) or not is_from_proxy(scope, self._parts.trusted_proxies):
            return
        if names is not None:
            scope["ostiary.edge_place"] = read_edge_place(scope["headers"], names)
        if tls is not None:
            scope["ostiary.tls_fact"] = read_handshake(scope["headers"], tls)

    async def _run(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        failure = None
        try:
            if scope["path"] in CORS_PATHS and is_preflight(scope["method"], scope["headers"]):
                await _answer_preflight(answer.send)
                return
            if scope["method"] not in _WITHOUT_BODY:
                receive = _capped(scope, receive)
            await self._inner(scope, receive, answer.send)
        except ClientDisconnect:
            answer.status = answer.status or 499
        except Exception as error:
            # The one broad catch of the server: whatever it is, the caller gets an answer and no details.
            failure = self._note(scope, error)
            if answer.status:
                # Half an answer went out already; closing the connection is all that can be said.
                raise
        if failure is not None:
            await answer_failure(self._parts.fail, failure, scope, receive, answer.send)

    def _note(self, scope: Scope, error: Exception) -> Failure:
        if isinstance(error, BodyTooLarge):
            return Failure.TOO_LARGE
        extra = {"request_id": scope["ostiary.request_id"]}
        if isinstance(error, StorageUnavailable):
            self._parts.metrics.storage_unavailable += 1
            if scope["method"] not in _WITHOUT_BODY:
                # What changes something leaves an event, in one transaction (S44).
                self._parts.metrics.audit_write_failures += 1
            log.error("the database did not answer: %s", error, extra=extra)
            return Failure.STORAGE
        self._parts.metrics.unexpected_errors += 1
        log.error("unexpected error", exc_info=error, extra=extra)
        return Failure.UNEXPECTED

    def _address(self, scope: Scope) -> str | None:
        trusted = self._parts.trusted_proxies
        peer = scope.get("client")
        if trusted or not peer:
            return client_address(scope, trusted)
        # Reading an address costs two microseconds; the same peers come again and again.
        known = self._addresses
        if peer[0] not in known:
            if len(known) >= _KNOWN_ADDRESSES:
                known.clear()
            known[peer[0]] = client_address(scope, ())
        return known[peer[0]]

    def _extra_headers(self, scope: Scope, request_id: str) -> Headers:
        extra: Headers = [(b"x-request-id", _told_request_id(scope) or request_id.encode())]
        if self._parts.sends_hsts:
            extra.append(_HSTS)
        if scope["path"] in CORS_PATHS:
            preflight = scope["method"] == "OPTIONS"
            extra += cors_headers(scope["headers"], self._parts.origins, preflight=preflight)
        return extra

    def _route(self, scope: Scope) -> str:
        route = scope.get("route")
        if route is not None:
            return str(getattr(route, "path", "unmatched"))
        path = scope["path"]
        return path if path in self._parts.exact_paths else "unmatched"


class _Answer:
    """Remembers the status and adds the headers that the inner application did not set."""

    __slots__ = ("_extra", "_send", "status")

    def __init__(self, send: Send, extra: Headers) -> None:
        self._send = send
        self._extra = extra
        self.status = 0

    async def send(self, message: Message) -> None:
        """Passes a message on; the first one with its headers completed."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = message.get("headers", ())
            names = {name for name, _ in given}
            # The list may be a constant that many answers share, so a new one is made.
            headers = [*given, *self._extra]
            if b"content-security-policy" not in names:
                headers += [header for header in _PLAIN_HEADERS if header[0] not in names]
            if b"x-content-type-options" not in names:
                headers.append(_NOSNIFF)
            if b"cache-control" not in names:
                headers.append(_NO_STORE)
            message["headers"] = headers
        await self._send(message)


def _told_request_id(scope: Scope) -> bytes | None:
    """What a caller of the Authorization API calls its request, which the answer repeats (AuthZEN 1.0 §10.1.4)."""
    if not scope["path"].startswith("/access/"):
        return None
    told = header(scope, b"x-request-id") or ""
    return told.encode("latin-1") if told and told.isprintable() and len(told) <= _MAX_REQUEST_ID else None


def _capped(scope: Scope, receive: Receive) -> Receive:
    """A `receive` that raises BodyTooLarge; a body whose declared length is over the cap is not read at all."""
    cap = JSON_BYTES if scope["path"].startswith(_JSON_PATHS) else FORM_BYTES
    for name, value in scope["headers"]:
        if name == b"content-length":
            # The server refuses bodies that are longer than they say.
            if len(value) > 10 or not value.isdigit() or int(value) > cap:
                raise BodyTooLarge
            return receive
    seen = 0

    async def receive_counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > cap:
            raise BodyTooLarge
        return message

    return receive_counted


def _entry(scope: Scope, status: int, seconds: float) -> Access:
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    request_id, address = scope["ostiary.request_id"], scope["ostiary.address"]
    return Access(time(), request_id, scope["method"], scope["path"], status, seconds, address, agent)


async def _answer_preflight(send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def _answer_other(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1003})
