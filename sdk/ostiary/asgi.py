"""A guard for ASGI applications: no request reaches them without a proven access token."""

import asyncio
from asyncio import current_task
from collections.abc import Awaitable, Callable, Collection, Iterable

from ostiary.asgi_types import ASGIApp, Message, Receive, Scope, Send
from ostiary.bearer import (
    GUARD_ERRORS,
    BearerMissing,
    Refusal,
    find_credentials,
    parse_bearer,
    refusal_for,
)
from ostiary.errors import InsufficientScope, NotGuarded
from ostiary.exchange import ConnectionEnded, OpenConnection, TaskFinder, kind_of_stream, open_connection
from ostiary.failure_policy import Sensitivity
from ostiary.guard_rules import parse_rules
from ostiary.resource_metadata import ResourceMetadata
from ostiary.streaming import watch_of
from ostiary.token_cache import KnownHeader
from ostiary.values import AccessToken
from ostiary.verifier import Verifier

__all__ = [
    "ASGIApp",
    "Message",
    "Receive",
    "RequireToken",
    "Scope",
    "Send",
    "load_token",
    "require_authentication",
    "require_fresh",
    "require_scopes",
]

TOKEN_KEY = "ostiary.token"
VERIFIER_KEY = "ostiary.verifier"
POLICY_VIOLATION = 1008
_GUARDED = ("http", "websocket")
_NOTHING_OPENED: OpenConnection | None = None

_NOT_BEHIND = "this route is not behind ostiary.asgi.RequireToken, or is exempt from it"


def load_token(scope: Scope) -> AccessToken:
    """The proven token of a guarded request; NotGuarded where no guard stood before it."""
    token = scope.get(TOKEN_KEY)
    if not isinstance(token, AccessToken):
        raise NotGuarded(_NOT_BEHIND)
    return token


def require_scopes(scope: Scope, *names: str) -> AccessToken:
    """The proven token, for a route that needs these scopes too; InsufficientScope otherwise.

    The guard makes a 403 of the error when it comes out of the application. So the guard must stand inside of
    whatever turns unknown errors into a 500: in Starlette and FastAPI, add it by `add_middleware`.
    """
    token = load_token(scope)
    if not token.has_scopes(*names):
        raise InsufficientScope(names)
    return token


def require_authentication(
    scope: Scope, *, acr: str | Collection[str] = (), max_age_s: int | None = None
) -> AccessToken:
    """The proven token, for a route that needs a stronger or fresher sign-in; InsufficientAuthentication otherwise.

    `acr` is one acceptable class or several, `max_age_s` how old the sign-in may be. The guard makes the challenge of
    RFC 9470 §3 of the error, by which the application knows what to ask the issuer for; it must stand where
    `require_scopes` says.
    """
    token = load_token(scope)
    return _verifier_of(scope).require_authentication(token, acr=acr, max_age_s=max_age_s)


async def require_fresh(scope: Scope, sensitivity: Sensitivity = Sensitivity.SENSITIVE) -> AccessToken:
    """The token, proven once more by the rules of another sensitivity: for a route that can do harm at once.

    TokenError or Unavailable otherwise, of which the guard makes a 401 or a 503; it must stand where `require_scopes`
    says. While the feed is fresh this costs microseconds.
    """
    load_token(scope)
    return await _verifier_of(scope).verify(parse_bearer(_headers(scope)), sensitivity)


def _verifier_of(scope: Scope) -> Verifier:
    verifier = scope.get(VERIFIER_KEY)
    if not isinstance(verifier, Verifier):
        raise NotGuarded(_NOT_BEHIND)
    return verifier


class RequireToken:
    """The application behind a guard, for HTTP and WebSocket.

    `scopes` are needed by every request, and so is a sign-in by one of the classes `acr` that is at most `max_age_s`
    old; `exempt` are exact paths, mount prefix included, that need no token (health checks). `sensitivity` says how
    late the feed may be, for all or by a function of the scope. The proven token stands in `scope["ostiary.token"]`.

    Refusals are RFC 6750's: 401, 403 with the missing scopes, 400 for a malformed header; RFC 9470's 401 with the
    sign-in that is needed; 503 with `Retry-After` for our own trouble. `realm` names this API in them; `metadata` is
    served, and they point to it (RFC 9728). A preflight (OPTIONS) brings no token: CORS belongs outside of the guard.

    WebSockets and streamed responses end when their token stops holding: a WebSocket by the code 4401 (1013 for our
    own trouble), a stream of events at once, any other stream cut short. `ends_streams=False` lets them run on.
    """

    def __init__(
        self,
        app: ASGIApp,
        verifier: Verifier,
        *,
        scopes: Collection[str] = (),
        exempt: Collection[str] = (),
        acr: str | Collection[str] = (),
        max_age_s: int | None = None,
        sensitivity: Sensitivity | Callable[[Scope], Sensitivity] = Sensitivity.ORDINARY,
        realm: str = "api",
        metadata: ResourceMetadata | None = None,
        ends_streams: bool = True,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._rules = parse_rules(
            scopes=scopes, exempt=exempt, acr=acr, max_age_s=max_age_s, realm=realm, metadata=metadata
        )
        self._needs = self._rules.needs if self._rules.needs.any() else None
        self._unguarded = self._rules.exempt | ({metadata.path} if metadata is not None else set())
        self._sensitivity = sensitivity
        self._watch = watch_of(verifier) if ends_streams else None
        self._recall, self._tasks = verifier.recall_headers, TaskFinder()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI 3.0)."""
        # The way of nearly every request, in one piece: whatever it calls costs each of them.
        if scope["type"] not in _GUARDED or scope["path"] in self._unguarded:
            await self._serve_unguarded(scope, receive, send)
            return
        sensitivity = self._sensitivity if isinstance(self._sensitivity, Sensitivity) else self._sensitivity(scope)
        admitted: tuple[AccessToken, bytes] | KnownHeader | None = self._recall(scope["headers"])
        if admitted is None or (self._needs is not None and not self._needs.are_met_by_scopes(admitted[0])):
            admitted = await self._admit(scope, send, sensitivity)
        if admitted is None:
            return
        token, header, scope[VERIFIER_KEY] = admitted[0], admitted[1], self._verifier
        scope[TOKEN_KEY] = token
        watch, task = self._watch, current_task(self._tasks.loop) or self._tasks.find()
        opened, is_answered = _NOTHING_OPENED, False

        def pass_on(message: Message) -> Awaitable[None]:
            nonlocal opened, is_answered
            if opened is not None:
                return opened.send(message)
            is_answered = True
            is_last = message["type"] == "http.response.body" and "more_body" not in message
            if is_last or watch is None or task is None or (kind := kind_of_stream(message)) is None:
                return send(message)
            opened = open_connection(send, token, header, sensitivity, task, kind)
            watch.take(opened)
            return send(message)

        try:
            await self._app(scope, receive, pass_on)
        except (*GUARD_ERRORS, ConnectionEnded, asyncio.CancelledError) as error:
            await self._answer_error(error, scope, send, opened, is_answered=is_answered)
        finally:
            # Frameworks leave closures behind that hold `send`; the task must not wait for the collector with them.
            task = None
            if opened is not None and watch is not None:
                opened.leave()
                watch.leave(opened)
        if opened is not None and opened.ended is not None:
            await opened.finish()

    async def _admit(self, scope: Scope, send: Send, sensitivity: Sensitivity) -> tuple[AccessToken, bytes] | None:
        """Prove what the request brings and see whether it is enough: token and header; None once it was refused."""
        try:
            header = find_credentials(_headers(scope))
            token = await self._verifier.verify_header(header, sensitivity)
            if self._needs is not None:
                self._needs.check(token, self._verifier)
        except BearerMissing as error:
            await self._refuse(error.refusal, scope, send)
            return None
        except GUARD_ERRORS as error:
            await self._refuse(refusal_for(error), scope, send)
            return None
        return token, header or b""

    async def _answer_error(
        self, error: BaseException, scope: Scope, send: Send, opened: OpenConnection | None, *, is_answered: bool
    ) -> None:
        """What a route found insufficient becomes its 403 or 401 while nothing was answered; our own end is none."""
        if isinstance(error, GUARD_ERRORS) and not is_answered:
            await self._refuse(refusal_for(error), scope, send)
        elif isinstance(error, asyncio.CancelledError) and opened is not None and opened.was_stopped_by_us():
            pass
        elif not isinstance(error, ConnectionEnded):
            raise error

    async def _serve_unguarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind not in ("http", "websocket", "lifespan"):
            raise RuntimeError(f"RequireToken does not know how to guard {kind!r} connections")
        metadata = self._rules.metadata
        if kind == "http" and metadata is not None and scope["path"] == metadata.path:
            await _respond("http.response", *metadata.response(str(scope["method"])), send)
            return
        # Nobody upstream may have left a token there that this guard did not prove.
        scope.pop(TOKEN_KEY, None)
        scope.pop(VERIFIER_KEY, None)
        await self._app(scope, receive, send)

    async def _refuse(self, refusal: Refusal, scope: Scope, send: Send) -> None:
        headers, body = self._rules.answer(refusal)
        if scope["type"] == "http":
            sent = b"" if scope.get("method") == "HEAD" else body
            await _respond("http.response", refusal.status, headers, sent, send)
            return
        extensions = scope.get("extensions")
        if isinstance(extensions, dict) and "websocket.http.response" in extensions:
            await _respond("websocket.http.response", refusal.status, headers, body, send)
        else:
            # Closing before accepting is a plain 403 at the server: all that this protocol offers.
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal.error or ""})


def _headers(scope: Scope) -> Iterable[tuple[bytes, bytes]]:
    headers = scope["headers"]
    return headers if isinstance(headers, (list, tuple)) else ()


async def _respond(kind: str, status: int, headers: list[tuple[bytes, bytes]], body: bytes, send: Send) -> None:
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
