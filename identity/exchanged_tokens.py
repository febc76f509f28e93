"""Tokens that stand for another one (RFC 8693): an access token, or a short-lived one for services within.

Both keep the grant and the session of the token that they came from, so that whatever ends those ends them, too. Who
acts stands in `act`, nested, the one who acts now outermost (§4.1).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_urlsafe

from base.clock import to_seconds
from identity.keys import Signer
from identity.tokens import ACCESS_TYPE, Minted, sign

# draft-ietf-oauth-transaction-tokens §5.1.
TXN_TYPE = "txntoken+jwt"
MAX_ACTORS = 4
# A token for services within goes with every request through several of them; many servers take 8 KB of headers.
MAX_TXN_CHARS = 1536


class TokenTooLarge(Exception):
    """The token would not fit beside other headers."""


@dataclass(frozen=True, slots=True)
class ExchangedToken:
    """What a token says that was given for another one.

    `application` is whom the first token of all was issued to, `requester` who exchanges now; `actors` act for the
    subject, the current one first. `kept` are further claims: grant, sid, auth_time, acr, amr, risk, roles and groups.
    """

    issuer: str
    subject: str
    audience: str
    scope: str
    application: str
    requester: str
    actors: tuple[str, ...] = ()
    kept: Mapping[str, object] = field(default_factory=dict)


def mint_exchanged_access_token(
    signer: Signer, token: ExchangedToken, *, issued_at: datetime, expires_at: datetime
) -> Minted:
    """A signed access token; `client_id` is who asked for it (RFC 8693 §4.3), `azp` the application behind it."""
    claims = _common(token, issued_at=issued_at, expires_at=expires_at)
    claims["client_id"] = token.requester
    if token.application != token.requester:
        claims["azp"] = token.application
    return _signed(signer, ACCESS_TYPE, claims)


def mint_txn_token(signer: Signer, token: ExchangedToken, *, issued_at: datetime, expires_at: datetime) -> Minted:
    """A signed token for services within; raises TokenTooLarge.

    `client_id` is the application behind the request, `req_wl` who asked for the token, `txn` the request's own id.
    """
    claims = _common(token, issued_at=issued_at, expires_at=expires_at)
    claims |= {"client_id": token.application, "req_wl": token.requester, "txn": claims["jti"]}
    minted = _signed(signer, TXN_TYPE, claims)
    if len(minted.text) > MAX_TXN_CHARS:
        raise TokenTooLarge
    return minted


def _common(token: ExchangedToken, *, issued_at: datetime, expires_at: datetime) -> dict[str, object]:
    claims: dict[str, object] = {
        "iss": token.issuer,
        "sub": token.subject,
        "aud": token.audience,
        "exp": to_seconds(expires_at),
        "iat": to_seconds(issued_at),
        "jti": token_urlsafe(16),
        "scope": token.scope,
        **token.kept,
    }
    act = _nested(token.actors)
    if act is not None:
        claims["act"] = act
    return claims


def _signed(signer: Signer, token_type: str, claims: Mapping[str, object]) -> Minted:
    text = sign(signer, token_type, claims)
    lives_s = int(str(claims["exp"])) - int(str(claims["iat"]))
    return Minted(text, str(claims["jti"]), signer.kid, lives_s)


def _nested(actors: Sequence[str]) -> dict[str, object] | None:
    """The `act` claim; None where nobody acts for another."""
    act: dict[str, object] | None = None
    for actor in reversed(actors):
        act = {"sub": actor} if act is None else {"sub": actor, "act": act}
    return act


def actors_of(claims: Mapping[str, object]) -> tuple[str, ...]:
    """Who acts for the subject of one of our own tokens, the current actor first."""
    return tuple(_actors(claims))


def _actors(claims: Mapping[str, object]) -> Iterator[str]:
    act = claims.get("act")
    while isinstance(act, dict):
        yield str(act["sub"])
        act = act.get("act")


def application_of(claims: Mapping[str, object]) -> str:
    """The application that the first token of all was issued to."""
    return str(claims.get("azp", claims["client_id"]))


def clients_of(claims: Mapping[str, object]) -> frozenset[str]:
    """Every client that one of our own tokens rests on: none of them may be closed."""
    return frozenset({str(claims["client_id"]), application_of(claims), *_actors(claims)})
