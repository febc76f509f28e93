"""JSON in and out of the protocol endpoints, without a layer that the hot path would pay for."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from base.forms import FormRefused
from identity.oauth.errors import OAuthError

Headers = tuple[tuple[bytes, bytes], ...]

JSON = (b"content-type", b"application/json")
NO_STORE: Headers = ((b"cache-control", b"no-store"), (b"pragma", b"no-cache"))

_encode = msgspec.json.Encoder().encode


class Answer:
    """A finished answer: an ASGI application that sends status, headers and body."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, headers: Headers) -> None:
        self.status = status
        self.body = body
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = (b"content-length", str(len(self.body)).encode())
        await send({"type": "http.response.start", "status": self.status, "headers": [*self.headers, length]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else self.body})


def json_answer(status: int, value: object, *headers: tuple[bytes, bytes]) -> Answer:
    """A JSON answer that nobody keeps (RFC 6749 §5.1)."""
    return Answer(status, _encode(value), (JSON, *NO_STORE, *headers))


def error_answer(error: OAuthError) -> Answer:
    """An error as JSON; a failed client authentication carries its challenge (RFC 6749 §5.2)."""
    headers: Headers = ()
    if error.status == 401:
        headers = ((b"www-authenticate", b'Basic realm="Ostiary", charset="UTF-8"'),)
    if error.retry_after_s is not None:
        headers = ((b"retry-after", str(error.retry_after_s).encode()),)
    body = {"error": error.code, "error_description": error.description}
    return json_answer(error.status, body, *headers)


Endpoint = Callable[[Request], Awaitable[Answer]]


class PostEndpoint:
    """An ASGI application around an endpoint that takes POST only and answers protocol errors as JSON."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            description = "this endpoint takes POST requests"
            refusal = json_answer(
                405, {"error": "invalid_request", "error_description": description}, (b"allow", b"POST")
            )
            await refusal(scope, receive, send)
            return
        try:
            answer = await self._endpoint(Request(scope, receive))
        except FormRefused as refused:
            answer = error_answer(OAuthError("invalid_request", str(refused)))
        except OAuthError as error:
            answer = error_answer(error)
        await answer(scope, receive, send)
