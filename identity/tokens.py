"""The only place that signs and reads our own tokens: access tokens (RFC 9068), ID tokens, refresh tokens.

Refresh token n of a grant is `ort_` and 52 bytes: grant id, n, and HMAC-SHA256 of n under the grant's own random
key. Nothing of a token is stored, the same n gives the same token again (S10), and every older one is recognised.
"""

import binascii
import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

import msgspec
from joserfc import jws
from joserfc.errors import JoseError

from base.clock import to_seconds
from base.secret_values import REFRESH, b64url
from identity.keys import Jwk, KeyRing, Signer

ACCESS_TYPE = "at+jwt"
ID_TYPE = "JWT"
MAX_TOKEN_CHARS = 8192
REFRESH_KEY_BYTES = 32
_REFRESH_BYTES = 16 + 4 + 32

_encode = msgspec.json.Encoder().encode
_Claims = dict[str, object]


@lru_cache(maxsize=64)
def _header(kid: str, alg: str, token_type: str) -> bytes:
    return b64url(_encode({"alg": alg, "kid": kid, "typ": token_type})).encode()


def sign(signer: Signer, token_type: str, claims: Mapping[str, object]) -> str:
    """A compact JWS (RFC 7515 §7.1) of the claims under one of our keys."""
    message = _header(signer.kid, signer.alg, token_type) + b"." + b64url(_encode(claims)).encode()
    return f"{message.decode()}.{b64url(signer.sign(message))}"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What an access token says; `grant`, `session` and the facts of the authentication only under a person's grant.

    `risk` is the score of the session (0 to 100), None where none was ever made; `memberships` are the claims `roles`
    and `groups`, where their scopes were granted.
    """

    issuer: str
    subject: str
    audience: str
    client_id: str
    scope: str
    grant: str | None = None
    session: str | None = None
    auth_time: datetime | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    risk: int | None = None
    memberships: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Minted:
    """A signed token with what the caller must record of it."""

    text: str
    jti: str
    kid: str
    expires_in_s: int


def mint_access_token(signer: Signer, token: AccessToken, *, issued_at: datetime, ttl: timedelta) -> Minted:
    """A signed access token (RFC 9068 §2)."""
    issued = to_seconds(issued_at)
    expires_in_s = int(ttl.total_seconds())
    jti = secrets.token_urlsafe(16)
    claims: _Claims = {
        "iss": token.issuer,
        "sub": token.subject,
        "aud": token.audience,
        "exp": issued + expires_in_s,
        "iat": issued,
        "jti": jti,
        "client_id": token.client_id,
        "scope": token.scope,
    }
    if token.grant is not None and token.auth_time is not None:
        claims["grant"] = token.grant
        claims["auth_time"] = to_seconds(token.auth_time)
        claims["acr"] = token.acr
        claims["amr"] = token.amr
    if token.session is not None:
        claims["sid"] = token.session
    if token.risk is not None:
        claims["risk"] = token.risk
    claims |= token.memberships
    return Minted(sign(signer, ACCESS_TYPE, claims), jti, signer.kid, expires_in_s)


def left_half_hash(token: str) -> str:
    """`at_hash` of a token for 256-bit algorithms (OpenID Connect Core §3.1.3.6)."""
    return b64url(hashlib.sha256(token.encode()).digest()[:16])


def mint_id_token(signer: Signer, claims: Mapping[str, object], *, issued_at: datetime, ttl: timedelta) -> str:
    """A signed ID token; adds `iat` and `exp` to the claims."""
    issued = to_seconds(issued_at)
    return sign(signer, ID_TYPE, {**claims, "iat": issued, "exp": issued + int(ttl.total_seconds())})


def verify_own_token(
    token: str, ring: KeyRing, *, expected_type: str, expected_issuer: str, now: datetime, expired_too: bool = False
) -> _Claims | None:
    """The claims of a token that we signed, or None.

    Checks type, key, algorithm, signature, issuer and, unless `expired_too`, the expiry. Not checked here: audience,
    and whether the token, its grant, session or person still live.
    """
    if len(token) > MAX_TOKEN_CHARS or token.count(".") != 2:
        return None
    header = _decode_part(token.partition(".")[0])
    if header is None or header.get("typ") != expected_type or "crit" in header:
        return None
    known = ring.find_verifying(str(header.get("kid")), now=now)
    if known is None or header.get("alg") != known[1]:
        return None
    try:
        claims = msgspec.json.decode(_proven_payload(token, ring, *known), type=_Claims)
    except (JoseError, ValueError, RecursionError, msgspec.MsgspecError):
        return None
    expires = claims.get("exp")
    if claims.get("iss") != expected_issuer or not isinstance(expires, int):
        return None
    return claims if expired_too or expires > to_seconds(now) else None


def _proven_payload(token: str, ring: KeyRing, key: Jwk, alg: str) -> bytes:
    """The payload of a token with a good signature; raises JoseError and ValueError for a bad one."""
    payload = ring.proven.find(token, key)
    if payload is None:
        payload = jws.deserialize_compact(token, key, algorithms=[alg]).payload
        ring.proven.add(token, key, payload)
    return payload


def _decode_part(text: str) -> _Claims | None:
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.json.decode(raw, type=_Claims) if b64url(raw) == text else None
    except (ValueError, RecursionError, binascii.Error, msgspec.MsgspecError):
        return None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The parts of a refresh token's text; nothing is proven before `is_genuine`."""

    grant_id: bytes
    number: int
    mac: bytes

    def is_genuine(self, refresh_key: bytes) -> bool:
        """Whether this token was made under the grant's key."""
        return hmac.compare_digest(self.mac, _refresh_mac(refresh_key, self.grant_id, self.number))


def _refresh_mac(refresh_key: bytes, grant_id: bytes, number: int) -> bytes:
    return hmac.digest(refresh_key, grant_id + number.to_bytes(4, "big"), hashlib.sha256)


def refresh_token(refresh_key: bytes, grant_id: bytes, number: int) -> str:
    """The text of refresh token `number` of a grant."""
    return REFRESH + b64url(grant_id + number.to_bytes(4, "big") + _refresh_mac(refresh_key, grant_id, number))


def parse_refresh_token(text: str) -> RefreshToken | None:
    """The parts of a text that has exactly the form of a refresh token, or None (S16)."""
    if not text.startswith(REFRESH) or len(text) != len(REFRESH) + 70 or not text.isascii():
        return None
    body = text[len(REFRESH) :]
    try:
        raw = urlsafe_b64decode(body + "==")
    except binascii.Error:
        return None
    if len(raw) != _REFRESH_BYTES or b64url(raw) != body:
        return None
    return RefreshToken(raw[:16], int.from_bytes(raw[16:20], "big"), raw[20:])
