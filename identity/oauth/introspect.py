"""Introspection of access and refresh tokens (RFC 7662)."""

from dataclasses import dataclass, replace
from datetime import datetime

from starlette.requests import Request

from audit.record import Origin
from base.clock import to_seconds
from base.forms import Form
from base.request import read_form
from identity.assessing.rescoring import rescore_grant, see_caller
from identity.client_values import Client
from identity.exchanged_tokens import TXN_TYPE
from identity.grant_store import Grant
from identity.oauth.client_auth import authenticate_client
from identity.oauth.errors import OAuthError
from identity.oauth.token_state import (
    LiveAccessToken,
    LiveRefreshToken,
    find_live_access_token,
    find_live_refresh_token,
)
from identity.oauth.wire import Answer, Endpoint, json_answer
from identity.services import Services, origin_of
from policy.assurance import AAL1
from risk.keys import networks_of

INACTIVE = {"active": False}
MAX_ADDRESS, MAX_USER_AGENT = 64, 1024


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
        asked = _Asked(services, caller, parse_seen_client(form), origin_of(request), now)
        if text.startswith("ort_"):
            refresh = await find_live_refresh_token(services, text, now=now)
            return json_answer(200, await _describe_refresh(asked, refresh))
        access = await find_live_access_token(services, text, now=now)
        access = access or await find_live_access_token(services, text, now=now, expected_type=TXN_TYPE)
        if access is None or not _may_see(caller, access.text("client_id"), access.text("aud")):
            return json_answer(200, INACTIVE)
        return json_answer(200, await _describe_access(asked, access))

    return introspect


@dataclass(frozen=True, slots=True)
class SeenClient:
    """Whoever brought a token to a service, as the service saw them."""

    address: str
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class _Asked:
    services: Services
    caller: Client
    seen: SeenClient | None
    origin: Origin
    now: datetime


def parse_seen_client(form: Form) -> SeenClient | None:
    """What a service says of whoever brought the token: `client_address`, and `client_user_agent`; raises OAuthError.

    They may be left out; then nothing is assessed.
    """
    address, user_agent = form.get("client_address"), form.get("client_user_agent")
    if user_agent is not None and (len(user_agent) > MAX_USER_AGENT or not user_agent.isprintable()):
        words = f"client_user_agent: expected at most {MAX_USER_AGENT} characters without control characters"
        raise OAuthError("invalid_request", words)
    if address is None and user_agent is not None:
        raise OAuthError("invalid_request", "client_user_agent: expected client_address beside it")
    if address is not None and (len(address) > MAX_ADDRESS or networks_of(address) is None):
        raise OAuthError("invalid_request", "client_address: expected an IPv4 or IPv6 address")
    return None if address is None else SeenClient(address, user_agent)


async def _look_again(asked: _Asked, grant: Grant) -> Grant:
    """The grant after its session was assessed by what the service saw, where it said anything."""
    if asked.seen is None:
        return grant
    services, seen, now = asked.services, asked.seen, asked.now
    seeing = see_caller(services, seen.address, seen.user_agent, now=now)
    # What the event tells is where the person was seen, not where the service stands.
    origin = replace(asked.origin, address=seen.address, user_agent=seen.user_agent)
    return await rescore_grant(services, grant, seeing, why="introspection", now=now, origin=origin)


async def _describe_access(asked: _Asked, token: LiveAccessToken) -> dict[str, object]:
    """The token's claims, and of a person's what is known by now: the score, and a lowered class."""
    kind = "N_A" if "txn" in token.claims else "Bearer"
    told: dict[str, object] = {"active": True, "token_type": kind, **token.claims}
    if token.grant is None:
        return told
    grant = await _look_again(asked, token.grant)
    if not grant.is_alive:
        return {**INACTIVE}
    told |= {"acr": grant.claims.get("acr", [AAL1])[0], "amr": grant.claims["amr"]}
    return told | ({} if grant.risk is None else {"risk": grant.risk})


def _may_see(caller: Client, client_id: str, audience: str) -> bool:
    return caller.client_id == client_id or audience in caller.apis


async def _describe_refresh(asked: _Asked, token: LiveRefreshToken | None) -> dict[str, object]:
    if token is None or token.grant.client_id != asked.caller.client_id:
        return {**INACTIVE}
    grant = await _look_again(asked, token.grant)
    if not grant.is_alive:
        return {**INACTIVE}
    return {
        "active": True,
        "token_type": "refresh_token",
        "iss": asked.services.settings.issuer,
        "sub": grant.sub,
        "aud": grant.audience,
        "client_id": grant.client_id,
        "scope": grant.scope,
        "exp": to_seconds(token.expires_at),
    }
