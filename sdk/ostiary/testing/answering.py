"""A server without a network: plain functions that answer, reached by an httpx2 transport or served as ASGI."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl

import httpx2

Scope = MutableMapping[str, object]
Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ConnectionCut(Exception):
    """The other side is gone in the middle of an answer."""


class Chunks(Protocol):
    """A body that comes piece by piece, to threads and to event loops; raises ConnectionCut where it breaks off."""

    def __iter__(self) -> Iterator[bytes]: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def close(self) -> None:
        """The reader has left."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The body as a form."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: int
    body: bytes | Chunks = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(status: int, document: Mapping[str, object], **headers: str) -> Answer:
    """A JSON document; underscores in the names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(document).encode(), {"content-type": "application/json", **named})


class _Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """Chunks as httpx2 wants them: what breaks off is a transport's error."""

    def __init__(self, chunks: Chunks, request: httpx2.Request) -> None:
        self._chunks = chunks
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        except ConnectionCut as cut:
            raise httpx2.ReadError(str(cut), request=self._request) from cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._chunks:
                yield chunk
        except ConnectionCut as cut:
            raise httpx2.ReadError(str(cut), request=self._request) from cut

    def close(self) -> None:
        self._chunks.close()

    async def aclose(self) -> None:
        self._chunks.close()


class FakeTransport(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """A way to something that answers, for both kinds of httpx2 client; ConnectError where it raises ConnectionCut."""

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        self._answer = answer

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request of a blocking client."""
        return self._respond(request, request.read())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request of an async client."""
        return self._respond(request, await request.aread())

    def _respond(self, request: httpx2.Request, body: bytes) -> httpx2.Response:
        query = dict(request.url.params.items())
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            answer = self._answer(Asked(request.method, request.url.path, query, headers, body))
        except ConnectionCut as cut:
            raise httpx2.ConnectError(str(cut), request=request) from cut
        headers = dict(answer.headers)
        if not isinstance(answer.body, bytes):
            return httpx2.Response(answer.status, stream=_Body(answer.body, request), headers=headers)
        if answer.status not in (204, 304):
            headers["content-length"] = str(len(answer.body))
        # As a stream too: who reads raw bytes could not read a body that was set as content.
        return httpx2.Response(answer.status, stream=httpx2.ByteStream(answer.body), headers=headers)


async def serve(answer: Callable[[Asked], Answer], scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one HTTP request (ASGI 3.0); 503 where the connection would be refused, and broken off where it is cut."""
    if scope["type"] != "http":
        raise RuntimeError(f"there is nothing here for {scope['type']!r} connections")
    asked = await _read(scope, receive)
    try:
        answered = answer(asked)
    except ConnectionCut:
        answered = json_answer(503, {})
    headers = [(name.encode(), value.encode()) for name, value in answered.headers.items()]
    await send({"type": "http.response.start", "status": answered.status, "headers": headers})
    if isinstance(answered.body, bytes):
        await send({"type": "http.response.body", "body": answered.body})
        return
    try:
        async for chunk in answered.body:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except ConnectionCut:
        # An answer without its end makes the server drop the connection.
        return
    finally:
        answered.body.close()
    await send({"type": "http.response.body", "body": b""})


async def _read(scope: Scope, receive: Receive) -> Asked:
    body = b""
    more = True
    while more:
        message = await receive()
        part = message.get("body", b"")
        body += part if isinstance(part, bytes) else b""
        more = bool(message.get("more_body", False))
    pairs = scope["headers"]
    assert isinstance(pairs, list | tuple)  # noqa: S101 - ASGI says so
    query = scope.get("query_string", b"")
    assert isinstance(query, bytes)  # noqa: S101 - as above
    return Asked(
        str(scope["method"]),
        str(scope["path"]),
        dict(parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True)),
        {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs},
        body,
    )
