"""Which client asks: client_secret_basic, client_secret_post, or a public client's id (RFC 6749 §2.3)."""

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus

from starlette.requests import Request

from audit.catalogue import CLIENT_REFUSED
from audit.record import Event
from base.forms import Form
from base.request import header
from base.secret_values import CLIENT_SECRET, find_digest
from base.statements import Unit
from identity.client_values import Client
from identity.oauth.errors import OAuthError
from identity.services import Services, origin_of

# Wrong secrets for one client from one address in a minute, before answers become 429.
MAX_FAILURES = 10
WINDOW_S = 60


@dataclass(frozen=True, slots=True)
class Presented:
    """How a request names its client: the method used, the id, and the secret where there is one."""

    method: str
    client_id: str
    secret: str | None


def parse_credentials(authorization: str | None, form: Form, *, has_header: bool) -> Presented:
    """The client credentials of a request, in exactly one way; raises OAuthError `invalid_client`."""
    if has_header:
        if "client_secret" in form:
            raise OAuthError("invalid_client", "client credentials are given twice: in the header and in the form")
        presented = _parse_basic(authorization)
        if form.get("client_id", presented.client_id) != presented.client_id:
            raise OAuthError("invalid_client", "client_id differs from the Authorization header")
        return presented
    client_id = form.get("client_id")
    if client_id is None:
        raise OAuthError("invalid_client", "the request names no client: expected client_id or an Authorization header")
    secret = form.get("client_secret")
    return Presented("none" if secret is None else "client_secret_post", client_id, secret)


def _parse_basic(authorization: str | None) -> Presented:
    scheme, _, encoded = (authorization or "").partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError
        name, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        if not colon:
            raise ValueError
        # Both halves are urlencoded before they are joined (RFC 6749 §2.3.1).
        name, secret = unquote_plus(name, errors="strict"), unquote_plus(secret, errors="strict")
    except (ValueError, binascii.Error):
        expected = "expected one Authorization header: Basic base64(client_id:client_secret)"
        raise OAuthError("invalid_client", expected) from None
    return Presented("client_secret_basic", name, secret)


def check_secret(client: Client, secret: str | None, *, now: datetime) -> bool:
    """Whether a secret is one of the client's that still work; compares against every one in constant time."""
    given = find_digest(CLIENT_SECRET, secret) or bytes(32)
    fits = False
    for kept in client.secrets:
        if kept.expires_at is None or kept.expires_at > now:
            fits |= hmac.compare_digest(kept.digest, given)
    return fits


async def authenticate_client(services: Services, request: Request, form: Form, *, now: datetime) -> Client:
    """The client that proves itself in a request; raises OAuthError `invalid_client` and records the failure.

    A public client proves nothing: its id is taken, and what it may do is limited elsewhere (PKCE, rotation).
    """
    headers = request.scope["headers"]
    has_header = any(name == b"authorization" for name, _ in headers)
    try:
        presented = parse_credentials(header(request.scope, b"authorization"), form, has_header=has_header)
    except OAuthError as error:
        await _record_failure(services, request, Presented("none", "", None), error.reason, now=now)
        raise
    client = services.catalogue.find_client(presented.client_id)
    reason = _find_fault(client, presented, now=now)
    if reason is None and client is not None:
        return client
    await _record_failure(services, request, presented, reason or "unknown client", now=now)
    raise OAuthError("invalid_client", "client authentication failed")


def _find_fault(client: Client | None, presented: Presented, *, now: datetime) -> str | None:
    if client is None:
        return "unknown client"
    if client.auth_method != presented.method:
        return f"registered for {client.auth_method}, used {presented.method}"
    if not client.is_public and not check_secret(client, presented.secret, now=now):
        return "wrong secret"
    return "disabled" if client.disabled else None


async def _record_failure(
    services: Services, request: Request, presented: Presented, reason: str, *, now: datetime
) -> None:
    origin = origin_of(request)
    known = services.catalogue.find_client(presented.client_id) is not None
    key = f"client-auth:{presented.client_id if known else 'unknown'}:{origin.address}"
    verdict = await services.rates.hit(key, limit=MAX_FAILURES, window_s=WINDOW_S, now=now)
    if not verdict.allowed:
        # Already on record ten times in this minute: one more row each would let anyone fill the log.
        raise OAuthError(
            "invalid_client",
            f"too many failed attempts: try again in {verdict.retry_after_s} seconds",
            retry_after_s=verdict.retry_after_s,
        )
    event = Event(
        type=CLIENT_REFUSED,
        actor="anonymous",
        outcome="failure",
        client_id=presented.client_id if known else None,
        origin=origin,
        data={"method": presented.method, "reason": reason},
    )
    await services.database.write(Unit(rows=(await services.emitter.row(event, now=now),)))
