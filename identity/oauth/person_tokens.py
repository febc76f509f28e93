"""The tokens of a person's grant: an access token, and an ID token where `openid` was granted."""

from datetime import datetime, timedelta

from base.clock import to_seconds
from base.ids import GRANT, SESSION, show_id
from identity.client_values import Client
from identity.grant_store import Grant
from identity.oauth.claims import select_claims
from identity.oauth.errors import OAuthError
from identity.oauth.person_claims import fit_for_tokens, load_known_claims, load_memberships
from identity.services import Services
from identity.tokens import AccessToken, Minted, left_half_hash, mint_access_token, mint_id_token
from policy.assurance import AAL1


def issue_moment(now: datetime, *not_before: datetime | None) -> datetime:
    """When a token says that it was issued: now, or the second after the last `not_before` of its owners."""
    return max([now, *(at + timedelta(seconds=1) for at in not_before if at is not None)])


async def mint_for_grant(
    services: Services, client: Client, grant: Grant, *, scope: str, nonce: str | None, now: datetime
) -> tuple[Minted, dict[str, object]]:
    """The access token's record, and the body of the token response without a refresh token."""
    api = services.catalogue.find_api(grant.audience)
    if api is None:
        raise OAuthError("invalid_target", "the API of this grant is no longer registered")
    everyone = services.catalogue.everyone_not_before
    issued_at = issue_moment(now, grant.person_not_before, client.not_before, everyone)
    amr = tuple(grant.claims["amr"])
    told = fit_for_tokens(await load_memberships(services.database, grant.person_id, scope.split(" ")))
    session = None if grant.offline or grant.session_id is None else show_id(SESSION, grant.session_id)
    token = AccessToken(
        issuer=services.settings.issuer,
        subject=grant.sub,
        audience=grant.audience,
        client_id=client.client_id,
        scope=scope,
        grant=show_id(GRANT, grant.id),
        session=session,
        auth_time=grant.auth_time,
        acr=grant.claims.get("acr", [AAL1])[0],
        amr=amr,
        risk=grant.risk,
        memberships=told,
    )
    ttl = api.token_ttl(client, services.settings.access_token_ttl)
    access = mint_access_token(services.keys.signer("ES256"), token, issued_at=issued_at, ttl=ttl)
    body: dict[str, object] = {
        "access_token": access.text,
        "token_type": "Bearer",
        "expires_in": access.expires_in_s,
        "scope": scope,
    }
    if "openid" in scope.split(" "):
        claims = await _id_token_claims(services, client, grant, token, access, nonce=nonce)
        signer = services.keys.signer(client.id_token_alg)
        body["id_token"] = mint_id_token(signer, claims, issued_at=issued_at, ttl=services.settings.id_token_ttl)
    return access, body


async def _id_token_claims(
    services: Services, client: Client, grant: Grant, token: AccessToken, access: Minted, *, nonce: str | None
) -> dict[str, object]:
    claims: dict[str, object] = {
        "iss": token.issuer,
        "sub": token.subject,
        "aud": client.client_id,
        "auth_time": to_seconds(grant.auth_time),
        "acr": token.acr,
        "amr": token.amr,
        "at_hash": left_half_hash(access.text),
        **token.memberships,
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if grant.session_id is not None:
        claims["sid"] = show_id(SESSION, grant.session_id)
    requested = grant.claims.get("id_token", [])
    if requested:
        known = await load_known_claims(services.database, grant.person_id, wanted=())
        known |= fit_for_tokens(await load_memberships(services.database, grant.person_id, requested))
        claims = {**select_claims(known, (), requested), **claims}
    return claims
