"""The guard for Flask: every route, or single ones. Needs the package `flask`."""

from collections.abc import Callable, Collection
from functools import wraps
from typing import ParamSpec

from flask import Flask, Response, current_app, g, request
from flask.typing import ResponseReturnValue

from ostiary.bearer import GUARD_ERRORS, BearerMissing, GuardError, Refusal, parse_credentials, refusal_for
from ostiary.errors import NotGuarded
from ostiary.failure_policy import Sensitivity
from ostiary.guard_rules import Needs, parse_needs, parse_rules
from ostiary.resource_metadata import ResourceMetadata
from ostiary.sync_verifier import SyncVerifier
from ostiary.values import AccessToken
from ostiary.wsgi_types import credentials_of, path_of

Arguments = ParamSpec("Arguments")

_KEY = "ostiary_token"


def load_token() -> AccessToken:
    """The proven token of this request; NotGuarded where no guard stood before it."""
    token = g.get(_KEY)
    if not isinstance(token, AccessToken):
        raise NotGuarded("this view is neither behind ostiary.flask.Guard.init_app nor under its require()")
    return token


class Guard:
    """Proves the token of Flask requests. `init_app` guards every route, `require` says what single views need.

    Arguments and answers are those of `ostiary.asgi.RequireToken`. `load_token()` has the token.
    """

    def __init__(
        self,
        verifier: SyncVerifier,
        *,
        scopes: Collection[str] = (),
        exempt: Collection[str] = (),
        acr: str | Collection[str] = (),
        max_age_s: int | None = None,
        sensitivity: Sensitivity = Sensitivity.ORDINARY,
        realm: str = "api",
        metadata: ResourceMetadata | None = None,
    ) -> None:
        self._verifier = verifier
        self._rules = parse_rules(
            scopes=scopes, exempt=exempt, acr=acr, max_age_s=max_age_s, realm=realm, metadata=metadata
        )
        self._sensitivity = sensitivity

    def init_app(self, app: Flask) -> None:
        """Guard all of the application, static files and unknown paths too, but for the exempt paths."""
        app.before_request(self._before)
        for kind in GUARD_ERRORS:
            app.register_error_handler(kind, self._on_error)

    def require(
        self,
        *scopes: str,
        acr: str | Collection[str] = (),
        max_age_s: int | None = None,
        sensitivity: Sensitivity | None = None,
    ) -> Callable[[Callable[Arguments, ResponseReturnValue]], Callable[Arguments, ResponseReturnValue]]:
        """Decorates a view that needs a token, and these scopes and this sign-in. It goes below `@app.route`."""
        needs, wanted = parse_needs(scopes=scopes, acr=acr, max_age_s=max_age_s), sensitivity or self._sensitivity

        def decorate(view: Callable[Arguments, ResponseReturnValue]) -> Callable[Arguments, ResponseReturnValue]:
            @wraps(view)
            def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> ResponseReturnValue:
                refused = self._prove(wanted, needs)
                if refused is not None:
                    return refused
                answer: ResponseReturnValue = current_app.ensure_sync(view)(*args, **kwargs)
                return answer

            return guarded

        return decorate

    def _before(self) -> Response | None:
        # As it came: `request.path` has lost doubled slashes, and exempt paths are exact.
        path = path_of(request.environ)
        if path in self._rules.exempt:
            return None
        if self._rules.metadata is not None and self._rules.serves(path):
            status, headers, body = self._rules.metadata.response(request.method)
            return _response(status, headers, body)
        return self._prove(self._sensitivity, None)

    def _prove(self, sensitivity: Sensitivity, needs: Needs | None) -> Response | None:
        """None for a request that may go on, which then has its token; the refusal otherwise."""
        try:
            token = self._verifier.verify(parse_credentials(credentials_of(request.environ)), sensitivity=sensitivity)
            self._rules.needs.check(token, self._verifier)
            if needs is not None:
                needs.check(token, self._verifier)
        except BearerMissing as error:
            return self._refuse(error.refusal)
        except GUARD_ERRORS as error:
            return self._refuse(refusal_for(error))
        setattr(g, _KEY, token)
        return None

    def _on_error(self, error: GuardError) -> Response:
        return self._refuse(refusal_for(error))

    def _refuse(self, refusal: Refusal) -> Response:
        return _response(refusal.status, *self._rules.answer(refusal))


def _response(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Response:
    # Flask itself leaves the body out of answers to HEAD.
    return Response(body, status, [(name.decode(), value.decode()) for name, value in headers])
