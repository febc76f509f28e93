"""Claims about the signed-in person, for a bearer of an access token with `openid` (OpenID Connect Core §5.3)."""

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from audit.catalogue import TOKEN_REFUSED
from audit.record import Event
from base.forms import Form, FormRefused, parse_form
from base.request import header, read_body
from identity.oauth.claims import select_claims
from identity.oauth.person_claims import load_known_claims
from identity.oauth.token_state import find_live_access_token
from identity.oauth.wire import Answer, json_answer
from identity.refusal_events import record_refusal
from identity.services import Services, origin_of

_NO_TOKEN = "the request has no access token: expected the header Authorization: Bearer"


def _challenge(status: int, error: str | None, description: str) -> Answer:
    """A bearer challenge (RFC 6750 §3); without any token it names no error."""
    named = f', error="{error}", error_description="{description}"' if error else ""
    body = {"error": error or "invalid_token", "error_description": description}
    return json_answer(status, body, (b"www-authenticate", f'Bearer realm="Ostiary"{named}'.encode()))


class Userinfo:
    """The endpoint: GET, or POST with the token in the header or the form (RFC 6750 §2.1, §2.2)."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answer(Request(scope, receive))
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Answer:
        if request.method not in ("GET", "HEAD", "POST"):
            body = {"error": "invalid_request", "error_description": "this endpoint takes GET and POST requests"}
            return json_answer(405, body, (b"allow", b"GET, POST"))
        try:
            token = await _find_bearer(request)
        except FormRefused as refused:
            return _challenge(400, "invalid_request", str(refused))
        if token is None:
            return _challenge(401, None, _NO_TOKEN)
        live = await find_live_access_token(self._services, token, now=self._services.clock())
        if live is None or live.grant is None:
            event = Event(
                type=TOKEN_REFUSED,
                actor="anonymous",
                outcome="failure",
                origin=origin_of(request),
                data={"error": "invalid_token", "reason": "not a living access token of a person"},
            )
            await record_refusal(self._services, event)
            return _challenge(401, "invalid_token", "the access token is not valid: unknown, expired or revoked")
        if "openid" not in live.scopes:
            return _challenge(403, "insufficient_scope", "the access token lacks the scope openid")
        requested = live.grant.claims.get("userinfo", [])
        wanted = live.scopes.union(requested)
        known = await load_known_claims(self._services.database, live.grant.person_id, wanted=wanted)
        return json_answer(200, {**select_claims(known, live.scopes, requested), "sub": live.grant.sub})


async def _find_bearer(request: Request) -> str | None:
    """The bearer token of a request; one in the query string is never looked at (S12). Raises FormRefused."""
    form = await _find_form(request)
    in_form = form.get("access_token")
    authorization = header(request.scope, b"authorization")
    if authorization is None:
        if any(name == b"authorization" for name, _ in request.scope["headers"]):
            raise FormRefused("the Authorization header is given more than once")
        return in_form
    if in_form is not None:
        raise FormRefused("the access token is given twice: in the header and in the form")
    scheme, _, token = authorization.partition(" ")
    return token if scheme.lower() == "bearer" and token else None


async def _find_form(request: Request) -> Form:
    kind = header(request.scope, b"content-type") or ""
    if request.method == "POST" and kind.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        return parse_form(await read_body(request.receive))
    return Form({}, {})
