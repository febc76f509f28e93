"""Revocation of access and refresh tokens by the client that holds them (RFC 7009)."""

from starlette.requests import Request

from base.ids import GRANT, show_id
from base.request import read_form
from identity.exchanged_tokens import TXN_TYPE
from identity.grant_store import find_grant, open_refresh_key
from identity.oauth.client_auth import authenticate_client
from identity.oauth.errors import OAuthError
from identity.oauth.refusals import record_token_refusal
from identity.oauth.token_request import TokenRequest
from identity.oauth.token_state import find_live_access_token
from identity.oauth.wire import Answer, Endpoint, json_answer
from identity.revocation import end_grant, revoke_token
from identity.services import Services, origin_of
from identity.tokens import parse_refresh_token


def revocation_endpoint(services: Services) -> Endpoint:
    """The endpoint for one deployment: 200 once nothing works any more, and for tokens that never did (RFC 7009 §2.2).

    A storage error answers 503 (S19); a token of another client is refused.
    """

    async def revoke(request: Request) -> Answer:
        form = await read_form(request)
        now = services.clock()
        client = await authenticate_client(services, request, form, now=now)
        text = form.get("token")
        if text is None:
            raise OAuthError("invalid_request", "token is missing")
        asked = TokenRequest(services, client, form, origin_of(request), now)
        try:
            if not await _revoke_grant(asked, text):
                await _revoke_access_token(asked, text)
        except OAuthError as error:
            await record_token_refusal(asked, error, grant_type="revocation")
            raise
        return json_answer(200, {})

    return revoke


async def _revoke_grant(asked: TokenRequest, text: str) -> bool:
    """Ends the grant behind a refresh token; False where the text is none."""
    services, now = asked.services, asked.now
    token = parse_refresh_token(text)
    if token is None:
        return False
    grant = await find_grant(services.database, token.grant_id, now=now)
    if grant is None or grant.refresh is None:
        return True
    key = open_refresh_key(services.sealer, grant.id, grant.refresh)
    if token.is_genuine(key):
        _check_owner(asked.client.client_id, grant.client_id)
        async with services.database.transaction() as db:
            await end_grant(
                db, services, grant.id, why="revoked", now=now, actor=asked.client.client_id, origin=asked.origin
            )
    return True


async def _revoke_access_token(asked: TokenRequest, text: str) -> None:
    services, now, client_id = asked.services, asked.now, asked.client.client_id
    access = await find_live_access_token(services, text, now=now)
    if access is None:
        if await find_live_access_token(services, text, now=now, expected_type=TXN_TYPE) is not None:
            # To say that it was revoked would be a lie (RFC 7009 §2.2.1).
            words = "such a token ends within a minute: revoke the grant or the session that it came from"
            raise OAuthError("unsupported_token_type", words)
        return
    _check_owner(client_id, access.text("client_id"))
    async with services.database.transaction() as db:
        await revoke_token(
            db,
            services,
            access.text("jti"),
            expires_at=access.expires_at,
            client_id=client_id,
            grant=show_id(GRANT, access.grant.id) if access.grant else None,
            now=now,
            origin=asked.origin,
        )


def _check_owner(caller: str, owner: str) -> None:
    if caller != owner:
        raise OAuthError("invalid_grant", "this token was issued to another client")
