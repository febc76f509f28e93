"""A guard for WSGI applications: no request reaches them without a proven access token."""

import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator

from ostiary.bearer import GUARD_ERRORS, BearerMissing, Refusal, parse_credentials, refusal_for
from ostiary.errors import InsufficientScope, NotGuarded
from ostiary.failure_policy import Sensitivity
from ostiary.guard_rules import parse_rules
from ostiary.resource_metadata import ResourceMetadata
from ostiary.sync_verifier import SyncVerifier
from ostiary.values import AccessToken
from ostiary.wsgi_types import StartResponse, WSGIApp, WSGIEnviron, credentials_of, path_of, status_line

TOKEN_KEY = "ostiary.token"
VERIFIER_KEY = "ostiary.verifier"
CHECK_EVERY_S = 0.2

_NOT_BEHIND = "this route is not behind ostiary.wsgi.RequireToken, or is exempt from it"


def load_token(environ: WSGIEnviron) -> AccessToken:
    """The proven token of a guarded request; NotGuarded where no guard stood before it."""
    token = environ.get(TOKEN_KEY)
    if not isinstance(token, AccessToken):
        raise NotGuarded(_NOT_BEHIND)
    return token


def require_scopes(environ: WSGIEnviron, *names: str) -> AccessToken:
    """The proven token, for a route that needs these scopes too; InsufficientScope otherwise.

    The guard makes a 403 of the error when it comes out of the application; a framework that makes a 500 of it needs
    its own guard (`ostiary.flask`, `ostiary.django`).
    """
    token = load_token(environ)
    if not token.has_scopes(*names):
        raise InsufficientScope(names)
    return token


def require_authentication(
    environ: WSGIEnviron, *, acr: str | Collection[str] = (), max_age_s: int | None = None
) -> AccessToken:
    """The proven token, for a route that needs a stronger or fresher sign-in; InsufficientAuthentication otherwise."""
    token = load_token(environ)
    return _verifier_of(environ).require_authentication(token, acr=acr, max_age_s=max_age_s)


def require_fresh(environ: WSGIEnviron, sensitivity: Sensitivity = Sensitivity.SENSITIVE) -> AccessToken:
    """The token, proven once more by the rules of another sensitivity; TokenError or Unavailable otherwise."""
    load_token(environ)
    return _verifier_of(environ).verify(parse_credentials(credentials_of(environ)), sensitivity=sensitivity)


def _verifier_of(environ: WSGIEnviron) -> SyncVerifier:
    verifier = environ.get(VERIFIER_KEY)
    if not isinstance(verifier, SyncVerifier):
        raise NotGuarded(_NOT_BEHIND)
    return verifier


class RequireToken:
    """The application behind a guard. The arguments and answers are those of `ostiary.asgi.RequireToken`.

    The proven token stands in `environ["ostiary.token"]`. A streamed answer stops at the first part that would go out
    after its token stopped holding; what the application waits for in between cannot be interrupted here.
    """

    def __init__(
        self,
        app: WSGIApp,
        verifier: SyncVerifier,
        *,
        scopes: Collection[str] = (),
        exempt: Collection[str] = (),
        acr: str | Collection[str] = (),
        max_age_s: int | None = None,
        sensitivity: Sensitivity | Callable[[WSGIEnviron], Sensitivity] = Sensitivity.ORDINARY,
        realm: str = "api",
        metadata: ResourceMetadata | None = None,
        ends_streams: bool = True,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._rules = parse_rules(
            scopes=scopes, exempt=exempt, acr=acr, max_age_s=max_age_s, realm=realm, metadata=metadata
        )
        self._sensitivity = sensitivity
        self._ends_streams = ends_streams

    def __call__(self, environ: WSGIEnviron, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request (PEP 3333)."""
        path = path_of(environ)
        if path in self._rules.exempt:
            environ.pop(TOKEN_KEY, None)
            environ.pop(VERIFIER_KEY, None)
            return self._app(environ, start_response)
        if self._rules.metadata is not None and self._rules.serves(path):
            return _answer(*self._rules.metadata.response(str(environ["REQUEST_METHOD"])), start_response)
        asked = self._sensitivity
        sensitivity = asked if isinstance(asked, Sensitivity) else asked(environ)
        try:
            raw = parse_credentials(credentials_of(environ))
            token = self._verifier.verify(raw, sensitivity=sensitivity)
            self._rules.needs.check(token, self._verifier)
        except BearerMissing as error:
            return self._refuse(error.refusal, environ, start_response)
        except GUARD_ERRORS as error:
            return self._refuse(refusal_for(error), environ, start_response)
        return self._let_through(
            {**environ, TOKEN_KEY: token, VERIFIER_KEY: self._verifier},
            start_response,
            lambda: self._verifier.verify(raw, sensitivity=sensitivity),
        )

    def _let_through(
        self, environ: WSGIEnviron, start_response: StartResponse, prove: Callable[[], AccessToken]
    ) -> Iterable[bytes]:
        """Serve the application; what a route found insufficient becomes its 403 or 401 while nothing was sent."""
        try:
            body = self._app(environ, start_response)
        except GUARD_ERRORS as error:
            return self._refuse(refusal_for(error), environ, start_response, exc_info=sys.exc_info())
        if not self._ends_streams or isinstance(body, (list, tuple)) or _is_file(body, environ):
            return body
        return GuardedBody(body, prove)

    def _refuse(
        self, refusal: Refusal, environ: WSGIEnviron, start_response: StartResponse, *, exc_info: object = None
    ) -> Iterable[bytes]:
        headers, body = self._rules.answer(refusal)
        sent = b"" if environ.get("REQUEST_METHOD") == "HEAD" else body
        return _answer(refusal.status, headers, sent, start_response, exc_info=exc_info)


class GuardedBody:
    """The parts of a streamed answer; before a part goes out, the token is proven again, a few times a second at most.

    TokenError or Unavailable cuts the answer: the server closes the connection, as after any fault of a stream.
    """

    def __init__(
        self,
        body: Iterable[bytes],
        prove: Callable[[], AccessToken],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._body = body
        self._parts = iter(body)
        self._prove = prove
        self._monotonic = monotonic
        self._proven_at = monotonic()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        part = next(self._parts)
        now = self._monotonic()
        if now >= self._proven_at + CHECK_EVERY_S:
            self._prove()
            self._proven_at = now
        return part

    def close(self) -> None:
        """Let the application clean up (PEP 3333 asks for it)."""
        close = getattr(self._body, "close", None)
        if callable(close):
            close()


def _is_file(body: object, environ: WSGIEnviron) -> bool:
    """Whether the server sends the file itself, without us in between."""
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)


def _answer(
    status: int,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    start_response: StartResponse,
    *,
    exc_info: object = None,
) -> Iterable[bytes]:
    told = [(name.decode(), value.decode()) for name, value in headers]
    if exc_info is None:
        start_response(status_line(status), told)
    else:
        # Raises the application's error again where its answer is already under way.
        start_response(status_line(status), told, exc_info)
    return [body] if body else []
