"""The refresh token grant with rotation (RFC 6749 §6, RFC 9700 §4.14.2)."""

from dataclasses import dataclass

from audit.catalogue import TOKEN_REFRESHED
from audit.record import Event
from base.ids import GRANT, PERSON, show_id
from identity.assessing.rescoring import rescore_grant, see_caller
from identity.grant_store import Grant, Refresh, find_grant, open_refresh_key, turn_refresh
from identity.oauth.errors import OAuthError
from identity.oauth.person_tokens import mint_for_grant
from identity.oauth.refusals import end_for_reuse
from identity.oauth.scopes import narrow
from identity.oauth.token_request import TokenRequest
from identity.tokens import Minted, RefreshToken, parse_refresh_token, refresh_token

REFUSED = "the refresh token is not valid: unknown, expired, used, revoked, or given to another client"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one use of a refresh token does to its family: the number it must find, and the number it leaves."""

    number: int
    next_number: int


def plan_turn(presented: int, refresh: Refresh, *, rotates: bool, in_grace: bool) -> Turn | None:
    """How a genuine token is to be treated; None for reuse: anything later or older than the grace allows (S10)."""
    if presented == refresh.number:
        return Turn(presented, presented + 1 if rotates else presented)
    if presented == refresh.number - 1 and in_grace:
        # The same successor again, as long as nobody has used it: the answer may have been lost on its way.
        return Turn(refresh.number, refresh.number)
    return None


async def redeem(request: TokenRequest) -> dict[str, object]:
    """The token response for a refresh token. Raises OAuthError."""
    text = request.form.get("refresh_token")
    if text is None:
        raise OAuthError("invalid_request", "refresh_token is missing")
    token = parse_refresh_token(text)
    if token is None:
        raise OAuthError("invalid_grant", REFUSED, reason="not a refresh token")
    # A race over the same token has one winner; whoever lost looks again and finds the winner's successor.
    for _ in range(3):
        body = await _try_once(request, token)
        if body is not None:
            return body
    raise OAuthError("invalid_grant", REFUSED, reason="grant ended while its token was refreshed")


async def _try_once(request: TokenRequest, token: RefreshToken) -> dict[str, object] | None:
    services, now, client = request.services, request.now, request.client
    grant, refresh, key = await _load_family(request, token)
    in_grace = now < refresh.refreshed_at + services.settings.refresh_grace
    turn = plan_turn(token.number, refresh, rotates=client.is_public or client.rotate_refresh, in_grace=in_grace)
    if turn is None:
        await end_for_reuse(request, grant, kind="refresh_token")
        raise OAuthError("invalid_grant", REFUSED, reason="refresh token used before")
    scope = narrow(grant.scope, request.form.get("scope"))
    resources = request.form.all("resource")
    if resources and set(resources) != {grant.audience}:
        raise OAuthError("invalid_target", "the resource is not the one that was authorized")
    grant = await _rescored(request, grant)
    access, body = await mint_for_grant(services, client, grant, scope=scope, nonce=None, now=now)
    body["refresh_token"] = refresh_token(key, grant.id, turn.next_number)
    event = _refreshed(request, grant, access, number=turn.next_number, scope=scope)
    rotated = turn.number != turn.next_number
    is_newest = token.number == refresh.number
    turned = await turn_refresh(
        services.database,
        grant.id,
        number=turn.number,
        next_number=turn.next_number,
        refreshed_at=now if rotated else refresh.refreshed_at,
        idle_expires_at=now + services.settings.refresh_idle if is_newest else refresh.idle_expires_at,
        now=now,
        rows=(await services.emitter.row(event, now=now),),
    )
    return body if turned else None


async def _rescored(request: TokenRequest, grant: Grant) -> Grant:
    """The grant with the score that its tokens will say; raises OAuthError where its session ended for it.

    A public client calls from the person's own device. Any other calls from its server, which says nothing of them.
    """
    services, origin, now = request.services, request.origin, request.now
    seeing = None
    if request.client.is_public:
        seeing = see_caller(services, origin.address, origin.user_agent, edge_place=request.edge_place, now=now)
    grant = await rescore_grant(services, grant, seeing, why="refresh", now=now, origin=origin)
    if not grant.is_alive:
        raise OAuthError("invalid_grant", REFUSED, reason="the session was ended for its risk")
    return grant


def _refreshed(request: TokenRequest, grant: Grant, access: Minted, *, number: int, scope: str) -> Event:
    return Event(
        type=TOKEN_REFRESHED,
        actor=request.client.client_id,
        subject=show_id(PERSON, grant.person_id),
        person=grant.person_id,
        client_id=grant.client_id,
        session_id=grant.session_id,
        origin=request.origin,
        data={
            "grant": show_id(GRANT, grant.id),
            "jti": access.jti,
            "number": number,
            "scope": scope,
            "kid": access.kid,
        },
    )


async def _load_family(request: TokenRequest, token: RefreshToken) -> tuple[Grant, Refresh, bytes]:
    """The living grant of a genuine token of this client; raises OAuthError `invalid_grant`."""
    services, now = request.services, request.now
    grant = await find_grant(services.database, token.grant_id, now=now)
    if grant is None or grant.refresh is None:
        raise OAuthError("invalid_grant", REFUSED, reason="unknown refresh token")
    key = open_refresh_key(services.sealer, grant.id, grant.refresh)
    if not token.is_genuine(key):
        raise OAuthError("invalid_grant", REFUSED, reason="forged refresh token")
    if grant.client_id != request.client.client_id:
        raise OAuthError("invalid_grant", REFUSED, reason="refresh token of another client")
    if not grant.is_alive:
        raise OAuthError("invalid_grant", REFUSED, reason="the grant, its session or its person has ended")
    if min(grant.refresh.idle_expires_at, grant.refresh.expires_at) <= now:
        raise OAuthError("invalid_grant", REFUSED, reason="refresh token expired")
    return grant, grant.refresh, key
