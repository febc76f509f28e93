"""The authorization endpoint: trust, checks, then the sign-in flow (RFC 6749 §3.1)."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from audit.catalogue import LOGIN_REFUSED
from audit.record import Event
from base.forms import Form, FormRefused, parse_form
from base.request import read_form
from identity.oauth.answers import send_back
from identity.oauth.authorize_checks import (
    RESPONSE_MODES,
    Draft,
    Trusted,
    VerifyHint,
    parse_authorize_request,
    trust_request,
)
from identity.oauth.errors import OAuthError, UntrustedRequest
from identity.refusal_events import record_refusal
from identity.services import Services, origin_of
from identity.signin import flow
from identity.tokens import ID_TYPE, verify_own_token

MAX_QUERY_CHARS = 16_000


class Authorize:
    """The endpoint for one deployment: GET and POST."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, request: Request) -> Response:
        """The next page of the sign-in, the way back to the application, or an error page."""
        fault = None
        try:
            form = await _read(request)
        except FormRefused as refused:
            if refused.rest is None or refused.repeated & {"client_id", "redirect_uri"}:
                return await self._refuse(request, _sentence(str(refused)))
            form, fault = refused.rest, OAuthError("invalid_request", str(refused))
        try:
            trusted = trust_request(form, self._services.catalogue.find_client)
        except UntrustedRequest as untrusted:
            return await self._refuse(request, str(untrusted))
        if request.method == "POST" and fault is None:
            return await self._to_ourselves(request, form)
        try:
            if fault is not None:
                raise fault
            authorize = parse_authorize_request(self._draft(form, trusted))
        except OAuthError as error:
            return await self._send_error(request, form, trusted, error)
        return await flow.begin(self._services, request, authorize)

    def _draft(self, form: Form, trusted: Trusted) -> Draft:
        return Draft(
            form=form,
            trusted=trusted,
            issuer=self._services.settings.issuer,
            find_api=self._services.catalogue.find_api,
            verify_hint=hint_verifier(self._services),
        )

    async def _to_ourselves(self, request: Request, form: Form) -> Response:
        # A POST from another site carries no Lax cookie; the GET that follows does (S9).
        pairs = [(name, form[name]) for name in form if name != "resource"]
        pairs += [("resource", value) for value in form.all("resource")]
        query = urlencode(pairs)
        if len(query) > MAX_QUERY_CHARS:
            return await self._refuse(request, "The application's request is too long.")
        return Response(status_code=303, headers={"Location": f"/oauth/authorize?{query}", "Cache-Control": "no-store"})

    async def _send_error(self, request: Request, form: Form, trusted: Trusted, error: OAuthError) -> Response:
        await self._record(request, error.code, client_id=trusted.client.client_id)
        mode = form.get("response_mode", "query")
        return send_back(
            self._services,
            request,
            redirect_uri=trusted.redirect_uri,
            response_mode=mode if mode in RESPONSE_MODES else "query",
            state=form.get("state"),
            params={"error": error.code, "error_description": error.description},
        )

    async def _refuse(self, request: Request, message: str) -> Response:
        await self._record(request, "untrusted_request", client_id=None)
        return self._services.pages.error(request, 400, "This sign-in link does not work", message)

    async def _record(self, request: Request, reason: str, *, client_id: str | None) -> None:
        event = Event(
            type=LOGIN_REFUSED,
            actor="anonymous",
            outcome="denied",
            client_id=client_id,
            origin=origin_of(request),
            data={"reason": reason},
        )
        await record_refusal(self._services, event)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


async def _read(request: Request) -> Form:
    """The parameters, from the query of a GET or the body of a POST; raises FormRefused."""
    if request.method == "POST":
        return await read_form(request)
    query: bytes = request.scope["query_string"]
    if len(query) > MAX_QUERY_CHARS:
        raise FormRefused(f"the request is longer than {MAX_QUERY_CHARS} characters")
    return parse_form(query)


def hint_verifier(services: Services) -> VerifyHint:
    """Reads ID tokens of ours as hints: subject and audience, whether or not the token has expired."""

    def verify_hint(token: str) -> tuple[str, str] | None:
        claims = verify_own_token(
            token,
            services.keys,
            expected_type=ID_TYPE,
            expected_issuer=services.settings.issuer,
            now=services.clock(),
            expired_too=True,
        )
        return None if claims is None else (str(claims.get("sub")), str(claims.get("aud")))

    return verify_hint
