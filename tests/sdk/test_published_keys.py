"""S37: which published keys may prove a token, and that a bad one harms only itself."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ostiary import SyncVerifier, TokenErrorCode
from ostiary.errors import KeyFetchError
from ostiary.jwk import parse_key_set
from ostiary.testing import FakeIssuer, FakeKey, make_key
from tests.sdk.clocks import Clock
from tests.sdk.forging import encode, refusal

GOOD = make_key(kid="good").as_jwk()
PRIVATE_D = encode(b"\7" * 32)
OFF_CURVE = encode(b"\1" * 32)

BAD_VARIANTS: list[tuple[str, object]] = [
    ("use must be sig", GOOD | {"use": "enc"}),
    ("use must be sig", GOOD | {"use": ["sig"]}),
    ("key_ops must contain verify", GOOD | {"key_ops": ["sign"]}),
    ("key_ops must contain verify", GOOD | {"key_ops": "verify"}),
    ("key_ops must contain verify", GOOD | {"key_ops": []}),
    ("private or symmetric", GOOD | {"d": PRIVATE_D}),
    ("private or symmetric", {"kty": "oct", "kid": "bad", "alg": "HS256", "k": PRIVATE_D}),
    ("alg must be named", {name: value for name, value in GOOD.items() if name != "alg"}),
    ("belong together", GOOD | {"alg": "RS256"}),
    ("belong together", GOOD | {"alg": "none"}),
    ("belong together", GOOD | {"alg": "HS256"}),
    ("belong together", GOOD | {"crv": "P-384"}),
    ("belong together", GOOD | {"kty": "OKP"}),
    ("x must be text", GOOD | {"x": 7}),
    ("x must be 32 bytes", GOOD | {"x": encode(b"\1" * 31)}),
    ("base64url", GOOD | {"x": str(GOOD["x"]) + "="}),
    ("base64url", GOOD | {"x": "ü"}),
    ("", GOOD | {"x": OFF_CURVE, "y": OFF_CURVE}),
    ("kid must be a short text", {name: value for name, value in GOOD.items() if name != "kid"}),
    ("an object", "not a key"),
    ("an object", None),
]


def as_body(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


@pytest.mark.parametrize(("words", "bad"), BAD_VARIANTS)
def test_a_bad_key_is_refused_with_its_reason_and_its_neighbour_still_works(words: str, bad: object) -> None:
    """S37."""
    bad = bad | {"kid": "bad"} if isinstance(bad, dict) and "kid" in bad else bad
    key_set = parse_key_set(as_body(bad, GOOD))
    assert list(key_set.usable) == ["good"]
    assert len(key_set.refused) == 1
    assert words in key_set.refused[0]
    assert PRIVATE_D not in key_set.refused[0]


@pytest.mark.parametrize("other", [make_key(kid="good").as_jwk(), GOOD, GOOD | {"use": "enc"}, {"kid": "good"}])
def test_two_keys_under_one_id_are_both_refused(other: dict[str, object]) -> None:
    """S37: even when one of them could not be used anyway."""
    neighbour = make_key(kid="neighbour").as_jwk()
    for body in (as_body(GOOD, other, neighbour), as_body(other, neighbour, GOOD)):
        assert list(parse_key_set(body).usable) == ["neighbour"]


@pytest.mark.parametrize(("bits", "usable"), [(1024, False), (2047, False), (2048, True)])
def test_rsa_keys_need_2048_bits(bits: int, usable: bool) -> None:
    """S37."""
    private = rsa.generate_private_key(65537, bits)
    key = FakeKey("rsa", "RS256", private)
    key_set = parse_key_set(as_body(key.as_jwk()))
    assert bool(key_set.usable) is usable
    assert usable or "2048 bits" in key_set.refused[0]


@pytest.mark.parametrize("exponent", [1, 3, 2**32 + 1, 2**2000 + 1])
def test_odd_rsa_exponents_are_refused(exponent: int, rsa_key: FakeKey) -> None:
    """S38: a giant exponent would make each verification slow."""
    jwk = rsa_key.as_jwk() | {"e": encode(exponent.to_bytes((exponent.bit_length() + 7) // 8, "big"))}
    assert parse_key_set(as_body(jwk)).usable == {}


def test_a_giant_rsa_modulus_is_refused_before_any_arithmetic() -> None:
    """S38."""
    jwk = {"kty": "RSA", "kid": "big", "alg": "RS256", "n": encode(b"\xff" * 8192), "e": "AQAB"}
    assert parse_key_set(as_body(jwk)).usable == {}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{}", b'{"keys":{}}', b'{"keys":[],"keys":[]}', b"\xff", b'{"keys":[' + b"[" * 600,
     b"<html></html>"],
)  # fmt: skip
def test_a_broken_key_set_is_an_error_and_not_an_empty_set(body: bytes) -> None:
    """S37: an error page must not look like the withdrawal of every key."""
    with pytest.raises(KeyFetchError):
        parse_key_set(body)


def test_a_token_of_a_refused_key_is_refused(fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S37, through the whole verifier."""
    fake.published = [fake.key.as_jwk() | {"use": "enc"}]
    assert refusal(verifier, fake.mint())[0] is TokenErrorCode.UNKNOWN_KEY


def test_a_token_of_a_doubled_key_id_is_refused_and_the_neighbour_accepted(
    fake: FakeIssuer, verifier: SyncVerifier
) -> None:
    """S37."""
    neighbour = make_key(kid="neighbour")
    fake.published += [make_key(kid=fake.key.kid).as_jwk(), neighbour.as_jwk()]
    assert refusal(verifier, fake.mint())[0] is TokenErrorCode.UNKNOWN_KEY
    assert verifier.verify(fake.mint(key=neighbour)).iss == fake.issuer


def test_a_key_on_another_curve_cannot_pass_as_es256(fake: FakeIssuer, clock: Clock) -> None:
    """S36: ES256 is P-256 and nothing else."""
    other = FakeKey("p384", "ES384", ec.generate_private_key(ec.SECP384R1()))
    fake.published.append(other.as_jwk() | {"alg": "ES256"})
    verifier = SyncVerifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock)
    assert refusal(verifier, fake.mint(key=other))[0] is TokenErrorCode.WRONG_ALGORITHM
    assert "p384" not in parse_key_set(as_body(*fake.published)).usable
