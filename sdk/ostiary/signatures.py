"""Checking one signature with one key of the issuer (RFC 7518 §3, RFC 8037 §3.1, RFC 9864 §2.2).

Which check a key makes is fixed when the key is read; a token's header has no say in it.
"""

from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

PublicKey = EllipticCurvePublicKey | RSAPublicKey | Ed25519PublicKey

# Takes the signature and what is signed; InvalidSignature or ValueError where it does not prove that.
SignatureCheck = Callable[[bytes, bytes], None]


def signature_check(alg: str, public: PublicKey) -> SignatureCheck:
    """How signatures of this key are checked; ValueError where algorithm and key do not belong together."""
    match (alg, public):
        case ("ES256", EllipticCurvePublicKey()):
            return _ecdsa(public, SHA256(), half=32)
        case ("ES384", EllipticCurvePublicKey()):
            return _ecdsa(public, SHA384(), half=48)
        case ("ES512", EllipticCurvePublicKey()):
            return _ecdsa(public, SHA512(), half=66)
        case ("RS256", RSAPublicKey()):
            return _pkcs1(public)
        case ("PS256", RSAPublicKey()):
            return _pss(public)
        case ("Ed25519", Ed25519PublicKey()):
            return public.verify
        case _:
            raise ValueError("a key of another algorithm")


def is_proven(check: SignatureCheck, *, signed: bytes, signature: bytes) -> bool:
    """Whether the signature proves what is signed."""
    try:
        check(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _ecdsa(public: EllipticCurvePublicKey, digest: HashAlgorithm, *, half: int) -> SignatureCheck:
    """JOSE writes r and s side by side, each of fixed length (RFC 7518 §3.4); OpenSSL wants them as ASN.1."""
    algorithm, verify, number = ECDSA(digest), public.verify, int.from_bytes

    def check(signature: bytes, signed: bytes) -> None:
        if len(signature) != 2 * half:
            raise ValueError("an ECDSA signature has a fixed length")
        verify(
            encode_dss_signature(number(signature[:half], "big"), number(signature[half:], "big")), signed, algorithm
        )

    return check


def _pkcs1(public: RSAPublicKey) -> SignatureCheck:
    padding, digest, verify = PKCS1v15(), SHA256(), public.verify
    return lambda signature, signed: verify(signature, signed, padding, digest)


def _pss(public: RSAPublicKey) -> SignatureCheck:
    padding, digest, verify = PSS(MGF1(SHA256()), SHA256.digest_size), SHA256(), public.verify
    return lambda signature, signed: verify(signature, signed, padding, digest)
