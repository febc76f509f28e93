"""The authorization code grant (RFC 6749 §4.1.3, RFC 7636 §4.5)."""

import secrets

from audit.catalogue import TOKEN_ISSUED
from audit.record import Event
from base.ids import GRANT, PERSON, show_id
from base.secret_values import CODE, find_digest
from identity.grant_store import Code, Grant, Refresh, find_code, find_grant, redeem_code, seal_refresh_key
from identity.oauth.errors import OAuthError
from identity.oauth.person_tokens import mint_for_grant
from identity.oauth.pkce import verifier_fits
from identity.oauth.refusals import end_for_reuse
from identity.oauth.token_request import TokenRequest
from identity.tokens import REFRESH_KEY_BYTES, refresh_token

REFUSED = "the authorization code is not valid: unknown, expired, used, or given to another client"


async def redeem(request: TokenRequest) -> dict[str, object]:
    """The token response for a code; a code that was spent before ends its whole grant (S5). Raises OAuthError."""
    services, now = request.services, request.now
    text = request.form.get("code")
    if text is None:
        raise OAuthError("invalid_request", "code is missing")
    digest = find_digest(CODE, text)
    code = digest and await find_code(services.database, digest)
    if not digest or not code:
        raise OAuthError("invalid_grant", REFUSED, reason="unknown code")
    if code.client_id != request.client.client_id:
        raise OAuthError("invalid_grant", REFUSED, reason="code of another client")
    grant = await find_grant(services.database, code.grant_id, now=now)
    if grant is None:
        raise OAuthError("invalid_grant", REFUSED, reason="grant is gone")
    if code.is_used:
        await end_for_reuse(request, grant, kind="code")
        raise OAuthError("invalid_grant", REFUSED, reason="code used before")
    _check_code(request, code, grant)
    return await _exchange(request, digest, code, grant)


def _check_code(request: TokenRequest, code: Code, grant: Grant) -> None:
    if code.expires_at <= request.now or not grant.is_alive:
        raise OAuthError("invalid_grant", REFUSED, reason="code expired, or its grant ended")
    redirect_uri = request.form.get("redirect_uri")
    expected = code.payload["redirect_uri"]
    if redirect_uri != expected and not (redirect_uri is None and code.payload["redirect_uri_given"] is None):
        raise OAuthError("invalid_grant", "redirect_uri differs from the authorization request's")
    if not verifier_fits(request.form.get("code_verifier"), code.payload["challenge"]):
        raise OAuthError("invalid_grant", "code_verifier does not answer the code_challenge (S256)")
    resources = request.form.all("resource")
    if resources and set(resources) != {grant.audience}:
        raise OAuthError("invalid_target", "the resource is not the one that was authorized")


async def _exchange(request: TokenRequest, digest: bytes, code: Code, grant: Grant) -> dict[str, object]:
    services, now, client = request.services, request.now, request.client
    nonce = code.payload["nonce"]
    access, body = await mint_for_grant(services, client, grant, scope=grant.scope, nonce=nonce, now=now)
    refresh = None
    if "refresh_token" in client.grants:
        key = secrets.token_bytes(REFRESH_KEY_BYTES)
        body["refresh_token"] = refresh_token(key, grant.id, 1)
        settings = services.settings
        sealed = seal_refresh_key(services.sealer, grant.id, key)
        refresh = Refresh(sealed, 1, now, now + settings.refresh_idle, now + settings.refresh_absolute)
    event = Event(
        type=TOKEN_ISSUED,
        actor=client.client_id,
        subject=show_id(PERSON, grant.person_id),
        person=grant.person_id,
        client_id=client.client_id,
        session_id=grant.session_id,
        origin=request.origin,
        data={
            "grant_type": "authorization_code",
            "grant": show_id(GRANT, grant.id),
            "jti": access.jti,
            "scope": grant.scope,
            "audience": grant.audience,
            "kid": access.kid,
        },
    )
    rows = (await services.emitter.row(event, now=now),)
    if not await redeem_code(services.database, digest, client.client_id, refresh, now=now, rows=rows):
        again = await find_code(services.database, digest)
        if again is None or not again.is_used:
            raise OAuthError("invalid_grant", REFUSED, reason="the grant ended meanwhile")
        # Somebody was faster with the same code: neither may keep what it got.
        await end_for_reuse(request, grant, kind="code")
        raise OAuthError("invalid_grant", REFUSED, reason="code used in a race")
    return body
