"""The vectors' test key, and heads signed with it: deterministically (RFC 6979), so that the file stays as it is."""

import hashlib
import hmac
from collections.abc import Mapping

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from base.secret_values import b64url
from feed.wire import HEAD_TYPE

KID = "feed-test-1"
NEXT_KID = "feed-test-2"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def make_key(name: str) -> EllipticCurvePrivateKey:
    """A P-256 key that everybody can make again from its name: good for tests alone."""
    return derive_private_key(int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") % _ORDER, SECP256R1())


KEY = make_key("the feed's test key")
NEXT_KEY = make_key("the feed's next test key")
OTHER_KEY = make_key("a key that the issuer never published")


def show_key(key: EllipticCurvePrivateKey, *, kid: str = KID, private: bool = False) -> dict[str, str]:
    """The key as a JWK (RFC 7518 §6.2)."""
    numbers = key.private_numbers()
    place = numbers.public_numbers
    shown = {
        "kty": "EC",
        "crv": "P-256",
        "x": b64url(place.x.to_bytes(32, "big")),
        "y": b64url(place.y.to_bytes(32, "big")),
        "kid": kid,
        "alg": "ES256",
        "use": "sig",
    }
    return {**shown, "d": b64url(numbers.private_value.to_bytes(32, "big"))} if private else shown


def sign_head(
    payload: Mapping[str, object],
    *,
    header: Mapping[str, object] | None = None,
    key: EllipticCurvePrivateKey = KEY,
) -> str:
    """A head as a compact JWS with ES256; `header` replaces members of the right one, to make wrong heads."""
    signed = _signing_input({"alg": "ES256", "typ": HEAD_TYPE, "kid": KID, **(header or {})}, payload)
    r, s = decode_dss_signature(key.sign(signed, ECDSA(SHA256(), deterministic_signing=True)))
    return f"{signed.decode()}.{b64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def sign_with_public_key(payload: Mapping[str, object]) -> str:
    """What a forger tries: an HMAC whose secret is the public key's coordinate (RFC 8725 §2.1)."""
    signed = _signing_input({"alg": "HS256", "typ": HEAD_TYPE, "kid": KID}, payload)
    return f"{signed.decode()}.{b64url(hmac.digest(show_key(KEY)['x'].encode(), signed, 'sha256'))}"


def unsigned(payload: Mapping[str, object]) -> str:
    """A head without any signature."""
    return _signing_input({"alg": "none", "typ": HEAD_TYPE, "kid": KID}, payload).decode() + "."


def _signing_input(header: Mapping[str, object], payload: Mapping[str, object]) -> bytes:
    parts = (b64url(msgspec.json.encode(part)) for part in (dict(header), dict(payload)))
    return ".".join(parts).encode()
