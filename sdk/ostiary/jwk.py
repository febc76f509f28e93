"""The issuer's published keys (RFC 7517, RFC 7518 §6, RFC 8037 §2): which of them may prove a token, and why not."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ostiary.compact import MAX_KID_CHARS
from ostiary.errors import KeyFetchError, TokenError
from ostiary.strict import parse_base64url, parse_json_object

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
MAX_SET_BRACKETS = 512

PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

PublicKey = EllipticCurvePublicKey | RSAPublicKey | Ed25519PublicKey


class UnusableKey(Exception):
    """A published key that may not prove tokens; the text says why, for the log."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One key, fixed to one algorithm. `fingerprint` changes when either does."""

    kid: str
    alg: str
    public: PublicKey
    fingerprint: bytes


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
        except (UnusableKey, TokenError, ValueError) as error:
            refused.append(f"key {position}: {error}")
    return KeySet(usable, tuple(refused))


def parse_key(entry: object) -> VerificationKey:
    """One key that may verify signatures; UnusableKey, TokenError or ValueError saying why not."""
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
    return VerificationKey(kid, alg, public, hashlib.sha256(alg.encode() + b"\0" + der).digest())


def _parse_public(entry: Mapping[str, object], *, alg: str) -> PublicKey:
    match (alg, entry.get("kty"), entry.get("crv")):
        case ("ES256", "EC", "P-256"):
            x, y = _member(entry, "x", size=32), _member(entry, "y", size=32)
            return EllipticCurvePublicNumbers(_number(x), _number(y), SECP256R1()).public_key()
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
