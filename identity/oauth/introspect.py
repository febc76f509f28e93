"""Introspection of access and refresh tokens (RFC 7662)."""

from starlette.requests import Request

from base.clock import to_seconds
from base.request import read_form
from identity.client_values import Client
from identity.oauth.client_auth import authenticate_client
from identity.oauth.errors import OAuthError
from identity.oauth.token_state import LiveRefreshToken, find_live_access_token, find_live_refresh_token
from identity.oauth.wire import Answer, Endpoint, json_answer
from identity.services import Services

INACTIVE = {"active": False}


def introspection_endpoint(services: Services) -> Endpoint:
    """The endpoint for one deployment. Anything that is not good, or not the caller's, is `{"active": false}` (S12)."""

    async def introspect(request: Request) -> Answer:
        form = await read_form(request)
        now = services.clock()
        caller = await authenticate_client(services, request, form, now=now)
        if caller.is_public:
            raise OAuthError("invalid_client", "introspection needs a client that authenticates")
        text = form.get("token")
        if text is None:
            raise OAuthError("invalid_request", "token is missing")
        if text.startswith("ort_"):
            refresh = await find_live_refresh_token(services, text, now=now)
            return json_answer(200, _describe_refresh(services, caller, refresh))
        access = await find_live_access_token(services, text, now=now)
        if access is None or not _may_see(caller, access.text("client_id"), access.text("aud")):
            return json_answer(200, INACTIVE)
        return json_answer(200, {"active": True, "token_type": "Bearer", **access.claims})

    return introspect


def _may_see(caller: Client, client_id: str, audience: str) -> bool:
    return caller.client_id == client_id or audience in caller.apis


def _describe_refresh(services: Services, caller: Client, token: LiveRefreshToken | None) -> dict[str, object]:
    if token is None or token.grant.client_id != caller.client_id:
        return {**INACTIVE}
    return {
        "active": True,
        "token_type": "refresh_token",
        "iss": services.settings.issuer,
        "sub": token.grant.sub,
        "aud": token.grant.audience,
        "client_id": token.grant.client_id,
        "scope": token.grant.scope,
        "exp": to_seconds(token.expires_at),
    }
