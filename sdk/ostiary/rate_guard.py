"""Rate limits before an application, for ASGI and for WSGI, inside of `RequireToken`, which proves who calls.

`Middleware(RequireToken, verifier), Middleware(LimitRates, RateLimiter(RateLimits()))` in Starlette.
"""

from collections.abc import Collection, Iterable

from ostiary.asgi import POLICY_VIOLATION, TOKEN_KEY
from ostiary.asgi_types import ASGIApp, Message, Receive, Scope, Send
from ostiary.errors import ConfigurationError
from ostiary.rate_limits import Headers, RateAnswer, RateLimiter, SyncRateLimiter
from ostiary.values import AccessToken
from ostiary.wsgi_types import (
    ExcInfo,
    StartResponse,
    WriteBody,
    WSGIApp,
    WSGIEnviron,
    WSGIHeaders,
    path_of,
    status_line,
)


def _check_exempt(exempt: Collection[str]) -> frozenset[str]:
    if isinstance(exempt, str) or not all(path.startswith("/") for path in exempt):
        raise ConfigurationError("exempt must be a list of exact paths that begin with /")
    return frozenset(exempt)


class LimitRates:
    """The application behind rate limits, for HTTP; opening a WebSocket counts as one request.

    Answers carry `RateLimit-Policy` and `RateLimit`; who is over a limit gets 429 with `Retry-After`. A request without
    a proven token falls under the limit for everyone alone. `exempt` are exact paths that are never counted.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter, *, exempt: Collection[str] = ()) -> None:
        self._app = app
        self._limiter = limiter
        self._exempt = _check_exempt(exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI 3.0)."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in self._exempt:
            await self._app(scope, receive, send)
            return
        answer = await self._limiter.hit(_token_in(scope.get(TOKEN_KEY)))
        if not answer.allowed:
            await _refuse(answer, scope, send)
            return
        told = answer.headers()

        async def send_with_limits(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                before = message.get("headers")
                message = {**message, "headers": [*(before if isinstance(before, (list, tuple)) else ()), *told]}
            await send(message)

        await self._app(scope, receive, send_with_limits)


async def _refuse(answer: RateAnswer, scope: Scope, send: Send) -> None:
    headers, body = answer.refusal()
    extensions = scope.get("extensions")
    if scope["type"] == "http":
        kind = "http.response"
    elif isinstance(extensions, dict) and "websocket.http.response" in extensions:
        kind = "websocket.http.response"
    else:
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "too many requests"})
        return
    await send({"type": f"{kind}.start", "status": 429, "headers": headers})
    await send({"type": f"{kind}.body", "body": b"" if scope.get("method") == "HEAD" else body})


class LimitRatesWSGI:
    """`LimitRates` for WSGI, over a `SyncRateLimiter`."""

    def __init__(self, app: WSGIApp, limiter: SyncRateLimiter, *, exempt: Collection[str] = ()) -> None:
        self._app = app
        self._limiter = limiter
        self._exempt = _check_exempt(exempt)

    def __call__(self, environ: WSGIEnviron, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request (PEP 3333)."""
        if path_of(environ) in self._exempt:
            return self._app(environ, start_response)
        answer = self._limiter.hit(_token_in(environ.get(TOKEN_KEY)))
        if not answer.allowed:
            headers, body = answer.refusal()
            start_response(status_line(429), _as_text(headers))
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
        told = _as_text(answer.headers())

        def start_with_limits(status: str, headers: WSGIHeaders, exc_info: ExcInfo | None = None) -> WriteBody:
            return start_response(status, [*headers, *told], exc_info)

        return self._app(environ, start_with_limits)


def _token_in(value: object) -> AccessToken | None:
    return value if isinstance(value, AccessToken) else None


def _as_text(headers: Headers) -> WSGIHeaders:
    return [(name.decode(), value.decode()) for name, value in headers]
