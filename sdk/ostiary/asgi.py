"""A guard for ASGI applications: no request reaches them without a proven access token."""

from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping

from ostiary.bearer import BearerMissing, Refusal, parse_bearer, refusal_for, response_parts
from ostiary.errors import (
    ConfigurationError,
    InsufficientAuthentication,
    InsufficientScope,
    KeysUnavailable,
    NotGuarded,
    TokenError,
)
from ostiary.step_up import parse_needed
from ostiary.values import AccessToken
from ostiary.verifier import Verifier

TOKEN_KEY = "ostiary.token"
VERIFIER_KEY = "ostiary.verifier"
POLICY_VIOLATION = 1008

Scope = MutableMapping[str, object]
Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def load_token(scope: Scope) -> AccessToken:
    """The proven token of a guarded request; NotGuarded where no guard stood before it."""
    token = scope.get(TOKEN_KEY)
    if not isinstance(token, AccessToken):
        raise NotGuarded("this route is not behind ostiary.asgi.RequireToken, or is exempt from it")
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
    token, verifier = load_token(scope), scope.get(VERIFIER_KEY)
    if not isinstance(verifier, Verifier):
        raise NotGuarded("this route is not behind ostiary.asgi.RequireToken, or is exempt from it")
    return verifier.require_authentication(token, acr=acr, max_age_s=max_age_s)


class RequireToken:
    """The application behind a guard, for HTTP and WebSocket.

    `scopes` are needed by every request, and so is a sign-in by one of the classes `acr` that is at most `max_age_s`
    old; `exempt` are exact paths, mount prefix included, that need no token (health checks). The proven token stands
    in `scope["ostiary.token"]`. Refusals are RFC 6750's: 401, 403 with the missing scopes, 400 for a malformed header;
    RFC 9470's 401 with the sign-in that is needed; 503 with `Retry-After` when the issuer's keys cannot be had.
    `realm` names this API in them.
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
        realm: str = "api",
    ) -> None:
        if isinstance(scopes, str) or isinstance(exempt, str):
            raise ConfigurationError("scopes and exempt must be lists of strings")
        if not all(path.startswith("/") for path in exempt):
            raise ConfigurationError("exempt must name exact paths that begin with /")
        self._app = app
        self._verifier = verifier
        self._scopes = tuple(scopes)
        self._exempt = frozenset(exempt)
        self._needed = parse_needed(acr=acr, max_age_s=max_age_s)
        self._realm = realm

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI 3.0)."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._app(scope, receive, send)
            return
        if kind not in ("http", "websocket"):
            raise RuntimeError(f"RequireToken does not know how to guard {kind!r} connections")
        if scope["path"] in self._exempt:
            # Nobody upstream may have left a token there that this guard did not prove.
            bare = {name: value for name, value in scope.items() if name not in (TOKEN_KEY, VERIFIER_KEY)}
            await self._app(bare, receive, send)
            return
        try:
            token = await self._prove(scope)
        except BearerMissing as error:
            await self._refuse(error.refusal, scope, send)
        except (TokenError, KeysUnavailable, InsufficientScope, InsufficientAuthentication) as error:
            await self._refuse(refusal_for(error), scope, send)
        else:
            await self._let_through({**scope, TOKEN_KEY: token, VERIFIER_KEY: self._verifier}, receive, send)

    async def _prove(self, scope: Scope) -> AccessToken:
        token = await self._verifier.verify(parse_bearer(_headers(scope)))
        if not token.has_scopes(*self._scopes):
            raise InsufficientScope(self._scopes)
        if self._needed is not None:
            self._verifier.require_authentication(token, acr=self._needed.acr, max_age_s=self._needed.max_age_s)
        return token

    async def _let_through(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the application; what a route found insufficient becomes its 403 or 401 while nothing was answered."""
        answered = False

        async def note_answer(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._app(scope, receive, note_answer)
        except (InsufficientScope, InsufficientAuthentication) as error:
            if answered:
                raise
            await self._refuse(refusal_for(error), scope, send)

    async def _refuse(self, refusal: Refusal, scope: Scope, send: Send) -> None:
        headers, body = response_parts(refusal, realm=self._realm)
        if scope["type"] == "http":
            await _respond("http.response", refusal.status, headers, body, send)
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
