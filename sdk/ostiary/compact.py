"""Taking a token apart: the compact form and its header, before any key is asked for (RFC 7515 §3.1, RFC 8725 §3)."""

from collections.abc import Mapping, Set
from types import MappingProxyType
from typing import NamedTuple

from ostiary.errors import TokenError, TokenErrorCode
from ostiary.strict import parse_base64url, parse_json_object

MAX_TOKEN_CHARS = 16_384
MAX_KID_CHARS = 256

ACCESS_TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt"})
TXN_TOKEN_TYPES = frozenset({"txntoken+jwt", "application/txntoken+jwt"})
TYPES = {"at+jwt": ACCESS_TOKEN_TYPES, "txntoken+jwt": TXN_TOKEN_TYPES}

# A token that brings its own key proves nothing, and following a URL in it would be a gift to an attacker.
# Refusing is louder than ignoring, and Ostiary's own tokens never carry any of these.
KEY_HEADERS = frozenset({"jwk", "jku", "x5u", "x5c"})

_WRONG = {
    ACCESS_TOKEN_TYPES: "at+jwt: only access tokens are accepted here",
    TXN_TOKEN_TYPES: "txntoken+jwt: only tokens for services within are accepted here",
}

NO_HEADERS: Mapping[bytes, tuple[str, str]] = MappingProxyType({})


class UnprovenToken(NamedTuple):
    """A token's parts. Nothing in it is proven yet; `head` and `payload` are still encoded on purpose."""

    alg: str
    kid: str
    head: bytes
    signed: bytes
    payload: bytes
    signature: bytes


def parse_shape(token: str) -> bytes:
    """The token as bytes, when its size and alphabet allow it to be one; TokenError before any costly step (S38)."""
    if not isinstance(token, str):
        raise TokenError(TokenErrorCode.MALFORMED, "the token must be text")
    if len(token) > MAX_TOKEN_CHARS:
        raise TokenError(TokenErrorCode.TOO_LARGE, f"the token must be at most {MAX_TOKEN_CHARS} characters long")
    if not token.isascii() or token.count(".") != 2:
        raise TokenError(TokenErrorCode.MALFORMED, "the token must be three base64url parts joined by dots")
    return token.encode("ascii")


def parse_unproven(
    raw: bytes,
    *,
    algorithms: Set[str],
    types: Set[str] = ACCESS_TOKEN_TYPES,
    known_headers: Mapping[bytes, tuple[str, str]] = NO_HEADERS,
) -> UnprovenToken:
    """The parts of a token whose header is acceptable, or TokenError. Only the header is read.

    `raw` comes from `parse_shape`; `types` are written in small letters. An issuer's tokens share one header:
    `known_headers` are the encoded ones, with their alg and kid, that were acceptable before.
    """
    signed, _, signature = raw.rpartition(b".")
    head, _, payload = signed.partition(b".")
    known = known_headers.get(head)
    if known is None:
        header = parse_json_object(parse_base64url(head, name="header"), name="header")
        known = _parse_header(header, algorithms=algorithms, types=types)
    alg, kid = known
    return UnprovenToken(alg, kid, head, signed, payload, parse_base64url(signature, name="signature"))


def _parse_header(header: dict[str, object], *, algorithms: Set[str], types: Set[str]) -> tuple[str, str]:
    alg, kid, typ = header.get("alg"), header.get("kid"), header.get("typ")
    if not isinstance(alg, str) or alg not in algorithms:
        raise TokenError(TokenErrorCode.WRONG_ALGORITHM, "alg must be an algorithm that this service accepts")
    if not isinstance(typ, str) or typ.lower() not in types:
        words = _WRONG.get(types) if isinstance(types, frozenset) else None
        words = words or " or ".join(types)
        raise TokenError(TokenErrorCode.WRONG_TYPE, f"typ must be {words}")
    # `b64` changes what is signed and must be critical (RFC 7797 §6); without that others may read it as they like.
    if "crit" in header or "b64" in header:
        raise TokenError(TokenErrorCode.CRITICAL_HEADER, "crit names an extension that is not understood here")
    if not KEY_HEADERS.isdisjoint(header):
        raise TokenError(TokenErrorCode.KEY_IN_HEADER, "the header must not bring or point to a key")
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID_CHARS:
        raise TokenError(TokenErrorCode.MALFORMED, "kid must name the issuer's key")
    return alg, kid
