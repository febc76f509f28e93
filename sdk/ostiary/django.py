"""The guard for Django: a middleware for every path, a decorator for single views. Needs the package `django`.

settings.py: `MIDDLEWARE = ["ostiary.django.RequireToken", …]` and `OSTIARY = {"verifier": verifier, …}`, where
`verifier` is a SyncVerifier and the rest are arguments of `ostiary.asgi.RequireToken`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import wraps
from inspect import iscoroutinefunction
from typing import TypeVar, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from ostiary.bearer import GUARD_ERRORS, BearerMissing, Refusal, parse_credentials, refusal_for
from ostiary.errors import ConfigurationError, NotGuarded
from ostiary.failure_policy import Sensitivity
from ostiary.guard_rules import GuardRules, Needs, parse_needs, parse_rules
from ostiary.resource_metadata import ResourceMetadata
from ostiary.sync_verifier import SyncVerifier
from ostiary.values import AccessToken

SETTING = "OSTIARY"
TOKEN_ATTRIBUTE = "ostiary_token"

_KNOWN = ("verifier", "scopes", "exempt", "acr", "max_age_s", "sensitivity", "realm", "metadata")

# A view, or an async one: both come out as they went in.
View = TypeVar("View", bound=Callable[..., object])


def load_token(request: HttpRequest) -> AccessToken:
    """The proven token of this request; NotGuarded where no guard stood before it."""
    token = getattr(request, TOKEN_ATTRIBUTE, None)
    if not isinstance(token, AccessToken):
        raise NotGuarded("this view is neither behind ostiary.django.RequireToken nor under ostiary.django.require")
    return token


@dataclass(frozen=True, slots=True)
class _Guard:
    """What settings.OSTIARY says, checked."""

    verifier: SyncVerifier
    sensitivity: Sensitivity
    rules: GuardRules

    def prove(self, request: HttpRequest, sensitivity: Sensitivity, needs: Needs | None) -> HttpResponse | None:
        """None for a request that may go on, which then has its token; the refusal otherwise."""
        value = request.META.get("HTTP_AUTHORIZATION")
        try:
            raw = parse_credentials(value.encode("latin-1", "replace") if isinstance(value, str) else None)
            token = self.verifier.verify(raw, sensitivity=sensitivity)
            self.rules.needs.check(token, self.verifier)
            if needs is not None:
                needs.check(token, self.verifier)
        except BearerMissing as error:
            return self.refuse(error.refusal, request)
        except GUARD_ERRORS as error:
            return self.refuse(refusal_for(error), request)
        setattr(request, TOKEN_ATTRIBUTE, token)
        return None

    def refuse(self, refusal: Refusal, request: HttpRequest) -> HttpResponse:
        """The answer to a request that may not go on."""
        headers, body = self.rules.answer(refusal)
        return _response(refusal.status, headers, b"" if request.method == "HEAD" else body)


def _load_guard() -> _Guard:
    """Reads the settings; ConfigurationError names what is wrong in them."""
    said = getattr(settings, SETTING, None)
    if not isinstance(said, dict) or not isinstance(said.get("verifier"), SyncVerifier):
        raise ConfigurationError("settings.OSTIARY must be a dictionary with a SyncVerifier under verifier")
    unknown = sorted(set(said) - set(_KNOWN))
    if unknown:
        raise ConfigurationError(f"settings.OSTIARY has unknown entries: {', '.join(map(str, unknown))}")
    metadata = said.get("metadata")
    if metadata is not None and not isinstance(metadata, ResourceMetadata):
        raise ConfigurationError("settings.OSTIARY: metadata must be a ResourceMetadata")
    rules = parse_rules(
        scopes=said.get("scopes", ()),
        exempt=said.get("exempt", ()),
        acr=said.get("acr", ()),
        max_age_s=said.get("max_age_s"),
        realm=said.get("realm", "api"),
        metadata=metadata,
    )
    return _Guard(said["verifier"], Sensitivity(said.get("sensitivity", Sensitivity.ORDINARY)), rules)


class RequireToken:
    """Django middleware: no request but those of exempt paths reaches a view without a proven token.

    What a view finds insufficient (`load_token(request)` and the errors of the SDK) becomes its 401, 403 or 503.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._guard = _load_guard()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Serve one request."""
        rules = self._guard.rules
        if request.path in rules.exempt:
            return self._get_response(request)
        if rules.metadata is not None and rules.serves(request.path):
            return _response(*rules.metadata.response(request.method or ""))
        refused = self._guard.prove(request, self._guard.sensitivity, None)
        return refused if refused is not None else self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The answer to an error that came out of a view; None for errors that are not ours."""
        return self._guard.refuse(refusal_for(error), request) if isinstance(error, GUARD_ERRORS) else None


def require(
    *scopes: str,
    acr: str | Collection[str] = (),
    max_age_s: int | None = None,
    sensitivity: Sensitivity | None = None,
) -> Callable[[View], View]:
    """Decorates a view that needs a token, and these scopes and this sign-in, with or without the middleware."""
    needs = parse_needs(scopes=scopes, acr=acr, max_age_s=max_age_s)

    def prove(request: HttpRequest) -> HttpResponse | None:
        guard = _load_guard()
        return guard.prove(request, sensitivity or guard.sensitivity, needs)

    def decorate(view: View) -> View:
        return cast("View", _guarded_async(view, prove) if iscoroutinefunction(view) else _guarded(view, prove))

    return decorate


Prove = Callable[[HttpRequest], HttpResponse | None]


def _guarded(view: Callable[..., object], prove: Prove) -> Callable[..., object]:
    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> object:
        refused = prove(request)
        return refused if refused is not None else view(request, *args, **kwargs)

    return guarded


def _guarded_async(view: Callable[..., Awaitable[object]], prove: Prove) -> Callable[..., Awaitable[object]]:
    @wraps(view)
    async def guarded(request: HttpRequest, *args: object, **kwargs: object) -> object:
        # Keys may have to be fetched, which must not hold up the event loop.
        refused = await asyncio.to_thread(prove, request)
        return refused if refused is not None else await view(request, *args, **kwargs)

    return guarded


def _response(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> HttpResponse:
    return HttpResponse(body, status=status, headers={name.decode(): value.decode() for name, value in headers})
