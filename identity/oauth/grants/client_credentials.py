"""The client credentials grant: a service asks for itself (RFC 6749 §4.4)."""

from audit.catalogue import TOKEN_ISSUED
from audit.record import Event
from base.statements import Unit
from identity.oauth.person_tokens import issue_moment
from identity.oauth.scopes import Access, resolve_access
from identity.oauth.token_request import TokenRequest
from identity.tokens import AccessToken, Minted, mint_access_token


async def redeem(request: TokenRequest) -> dict[str, object]:
    """The token response for a client itself. Raises OAuthError."""
    services, client, now = request.services, request.client, request.now
    access = resolve_access(
        client,
        request.form.get("scope"),
        request.form.all("resource"),
        issuer=services.settings.issuer,
        find_api=services.catalogue.find_api,
        for_client_itself=True,
    )
    token = AccessToken(
        issuer=services.settings.issuer,
        subject=client.client_id,
        audience=access.api.identifier,
        client_id=client.client_id,
        scope=access.scope,
    )
    minted = mint_access_token(
        services.keys.signer("ES256"),
        token,
        issued_at=issue_moment(now, client.not_before, services.catalogue.everyone_not_before),
        ttl=access.api.token_ttl(client, services.settings.access_token_ttl),
    )
    event = _issued(request, access, minted)
    await services.database.write(Unit(rows=(await services.emitter.row(event, now=now),)))
    return {
        "access_token": minted.text,
        "token_type": "Bearer",
        "expires_in": minted.expires_in_s,
        "scope": access.scope,
    }


def _issued(request: TokenRequest, access: Access, minted: Minted) -> Event:
    client_id = request.client.client_id
    return Event(
        type=TOKEN_ISSUED,
        actor=client_id,
        subject=client_id,
        client_id=client_id,
        origin=request.origin,
        data={
            "grant_type": "client_credentials",
            "jti": minted.jti,
            "scope": access.scope,
            "audience": access.api.identifier,
            "kid": minted.kid,
        },
    )
