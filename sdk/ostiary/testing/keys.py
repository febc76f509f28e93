"""Signing keys for tests, and signing by PyJWT."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt import PyJWS, PyJWTError
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class FakeKey:
    """A signing key of the fake issuer and what it publishes of it."""

    kid: str
    alg: str
    private: PrivateKey = field(repr=False)

    def as_jwk(self) -> dict[str, object]:
        """The public half as the issuer publishes it (RFC 7517)."""
        return {**_public_members(self.private), "kid": self.kid, "alg": self.alg, "use": "sig"}


def _public_members(private: PrivateKey) -> dict[str, object]:
    match private:
        case ec.EllipticCurvePrivateKey():
            return ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        case rsa.RSAPrivateKey():
            return RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
        case ed25519.Ed25519PrivateKey():
            return OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)


def make_key(alg: str = "ES256", *, kid: str | None = None) -> FakeKey:
    """A new key for ES256, RS256, PS256 or Ed25519."""
    name = kid or secrets.token_hex(8)
    match alg:
        case "ES256":
            return FakeKey(name, alg, ec.generate_private_key(ec.SECP256R1()))
        case "RS256" | "PS256":
            return FakeKey(name, alg, rsa.generate_private_key(65537, 2048))
        case "Ed25519":
            return FakeKey(name, alg, ed25519.Ed25519PrivateKey.generate())
        case _:
            raise ValueError("alg must be ES256, RS256, PS256 or Ed25519")


def sign_compact(payload: bytes, key: FakeKey, headers: Mapping[str, object]) -> str:
    """A compact JWS over any bytes (RFC 7515 §3.1); `headers` join `alg` and `kid`, or replace `kid`."""
    return _jws().encode(payload, key.private, algorithm=key.alg, headers={"kid": key.kid, **headers})


def find_payload(token: str, key: FakeKey) -> bytes | None:
    """What the key signed, or None where it did not sign this."""
    try:
        # PyJWT's own words for it; whether it has expired is not asked here.
        payload = _jws().decode(token, key.private.public_key(), algorithms=[key.alg])
    except (ValueError, PyJWTError):
        return None
    return bytes(payload)


def _jws() -> PyJWS:
    jws = PyJWS()
    if "Ed25519" not in jws.get_algorithms():
        jws.register_algorithm("Ed25519", OKPAlgorithm())
    return jws
