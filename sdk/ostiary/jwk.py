"""The issuer's published keys (RFC 7517, RFC 7518 §6, RFC 8037 §2): which of them may prove a token, and why not."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ostiary.compact import MAX_KID_CHARS
from ostiary.errors import KeyFetchError, TokenError
from ostiary.signatures import PublicKey, SignatureCheck, signature_check
from ostiary.strict import parse_base64url, parse_json_object

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
MAX_SET_BRACKETS = 512

PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

# One curve an algorithm, and how long its coordinates are (RFC 7518 §3.4, §6.2.1.2).
CURVES: Mapping[tuple[str, object], tuple[EllipticCurve, int]] = {
    ("ES256", "P-256"): (SECP256R1(), 32),
    ("ES384", "P-384"): (SECP384R1(), 48),
    ("ES512", "P-521"): (SECP521R1(), 66),
}


class UnusableKey(Exception):
    """A published key that may not prove tokens; the text says why, for the log."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One key, fixed to one algorithm. `fingerprint` changes when either does; `check` checks its signatures."""

    kid: str
    alg: str
    public: PublicKey
    fingerprint: bytes
    check: SignatureCheck = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class KeySet:
    """Usable keys by id, and why the others were refused (for the log)."""

    usable: Mapping[str, VerificationKey]
    refused: tuple[str, ...]


def parse_key_set(body: bytes) -> KeySet:
    """The keys of a JWK set; KeyFetchError when the document itself is broken.

    One bad key never harms its neighbours. Two keys under one id are both refused: picking one would be guessing.
    """
    try:
        document = parse_json_object(body, name="key set", max_brackets=MAX_SET_BRACKETS)
    except TokenError as error:
        raise KeyFetchError("the key set is not a plain JSON object") from error
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise KeyFetchError("the key set has no list named keys")
    seen = Counter(entry["kid"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("kid"), str))
    usable: dict[str, VerificationKey] = {}
    refused: list[str] = []
    for position, entry in enumerate(entries):
        try:
            key = parse_key(entry)
            _demand(seen[key.kid] == 1, "kid stands more than once in the set")
            usable[key.kid] = key
        except (UnusableKey, TokenError, ValueError, UnsupportedAlgorithm) as error:
            refused.append(f"key {position}: {error}")
    return KeySet(usable, tuple(refused))


def parse_key(entry: object) -> VerificationKey:
    """One key that may verify signatures; UnusableKey, TokenError, ValueError or UnsupportedAlgorithm otherwise."""
    if not isinstance(entry, dict):
        raise UnusableKey("a key must be an object")
    kid, alg, use, key_ops = (entry.get(name) for name in ("kid", "alg", "use", "key_ops"))
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID_CHARS:
        raise UnusableKey("kid must be a short text")
    _demand(PRIVATE_MEMBERS.isdisjoint(entry), "a published key must not carry private or symmetric parts")
    _demand(use in (None, "sig"), "use must be sig")
    _demand(key_ops is None or (isinstance(key_ops, list) and "verify" in key_ops), "key_ops must contain verify")
    if not isinstance(alg, str):
        raise UnusableKey("alg must be named: a key is for one algorithm")
    public = _parse_public(entry, alg=alg)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    fingerprint = hashlib.sha256(alg.encode() + b"\0" + der).digest()
    return VerificationKey(kid, alg, public, fingerprint, signature_check(alg, public))


def _parse_public(entry: Mapping[str, object], *, alg: str) -> PublicKey:
    crv = entry.get("crv")
    match (alg, entry.get("kty"), crv):
        case ("ES256", "EC", "P-256") | ("ES384", "EC", "P-384") | ("ES512", "EC", "P-521"):
            curve, size = CURVES[alg, crv]
            x, y = _member(entry, "x", size=size), _member(entry, "y", size=size)
            return EllipticCurvePublicNumbers(_number(x), _number(y), curve).public_key()
        case ("RS256" | "PS256", "RSA", None):
            return _parse_rsa(_number(_member(entry, "n")), _number(_member(entry, "e")))
        case ("Ed25519", "OKP", "Ed25519"):
            return Ed25519PublicKey.from_public_bytes(_member(entry, "x", size=32))
        case _:
            raise UnusableKey("alg, kty and crv must belong together and be known here")


def _parse_rsa(modulus: int, exponent: int) -> RSAPublicKey:
    _demand(MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS, f"RSA keys must have {MIN_RSA_BITS} bits or more")
    # A giant exponent makes every verification slow; every key in use has 65537 (NIST SP 800-56B §6.2).
    _demand(65537 <= exponent < 2**32, "the RSA exponent must be 65537 or a little more")
    return RSAPublicNumbers(exponent, modulus).public_key()


def _member(entry: Mapping[str, object], name: str, *, size: int | None = None) -> bytes:
    text = entry.get(name)
    if not isinstance(text, str):
        raise UnusableKey(f"{name} must be text")
    raw = parse_base64url(text.encode(), name=name)
    _demand(size is None or len(raw) == size, f"{name} must be {size} bytes long")
    return raw


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def _demand(holds: bool, words: str) -> None:
    if not holds:
        raise UnusableKey(words)
