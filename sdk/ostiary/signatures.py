"""Checking one signature with one key of the issuer (RFC 7518 §3, RFC 8037 §3.1, RFC 9864 §2.2)."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from ostiary.errors import TokenError, TokenErrorCode
from ostiary.jwk import VerificationKey

ES256_SIGNATURE_BYTES = 64


def check_signature(key: VerificationKey, *, signed: bytes, signature: bytes) -> None:
    """Raise TokenError unless the key's own algorithm accepts the signature. The token's header has no say here."""
    try:
        _verify(key, signed, signature)
    except (InvalidSignature, ValueError):
        raise TokenError(TokenErrorCode.BAD_SIGNATURE, "the signature does not prove this token") from None


def _verify(key: VerificationKey, signed: bytes, signature: bytes) -> None:
    match (key.alg, key.public):
        case ("ES256", EllipticCurvePublicKey() as public):
            public.verify(_der_from_raw(signature), signed, ECDSA(SHA256()))
        case ("RS256", RSAPublicKey() as public):
            public.verify(signature, signed, PKCS1v15(), SHA256())
        case ("PS256", RSAPublicKey() as public):
            public.verify(signature, signed, PSS(MGF1(SHA256()), SHA256.digest_size), SHA256())
        case ("Ed25519", Ed25519PublicKey() as public):
            public.verify(signature, signed)
        case _:
            raise ValueError("a key of another algorithm")


def _der_from_raw(signature: bytes) -> bytes:
    """JOSE writes r and s side by side, 32 bytes each (RFC 7518 §3.4); OpenSSL wants them as ASN.1."""
    if len(signature) != ES256_SIGNATURE_BYTES:
        raise ValueError("an ES256 signature has 64 bytes")
    half = ES256_SIGNATURE_BYTES // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
