"""The examples of RFC 7515, 7517, 7518, 7520 and 8037: proven here, and what their texts forbid is refused."""

import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary import SyncVerifier, TokenErrorCode
from ostiary.core import verify_statement
from ostiary.jwk import UnusableKey, parse_key, parse_key_set
from ostiary.signatures import is_proven
from ostiary.testing import FakeIssuer, FakeKey
from tests.sdk.forging import decode, encode, refusal, with_header, words_of_refusal
from tests.sdk.rfc_vectors import (
    EXAMPLES,
    RFC7515_A3,
    RFC7515_A4,
    RFC7517_EC,
    RFC7517_RSA,
    RFC7520_43,
    RFC7638_DIGEST,
    RFC8037_A4,
    Example,
)


def parts(example: Example) -> tuple[bytes, bytes]:
    """What is signed, and the signature."""
    signed, _, signature = example.compact.rpartition(".")
    return signed.encode(), decode(signature)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.source)
def test_a_published_example_is_proven_by_its_key(example: Example) -> None:
    """The key comes through our reader, which wants an id and an algorithm, and so does the signature check."""
    key = parse_key({"kid": "k", **example.key, "alg": example.alg})
    signed, signature = parts(example)
    assert is_proven(key.check, signed=signed, signature=signature)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.source)
def test_no_bit_of_an_example_can_be_changed(example: Example) -> None:
    """S36: every byte of the signature and of the header, one bit each."""
    key = parse_key({"kid": "k", **example.key, "alg": example.alg})
    signed, signature = parts(example)
    for position in range(len(signature)):
        spoiled = bytearray(signature)
        spoiled[position] ^= 1 << position % 8
        assert not is_proven(key.check, signed=signed, signature=bytes(spoiled))
    for position in range(20):
        changed = bytearray(signed)
        changed[position] ^= 1
        assert not is_proven(key.check, signed=bytes(changed), signature=signature)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.source)
def test_the_key_of_one_example_proves_no_other(example: Example) -> None:
    key = parse_key({"kid": "k", **example.key, "alg": example.alg})
    for other in EXAMPLES:
        signed, signature = parts(other)
        assert is_proven(key.check, signed=signed, signature=signature) is (other is example)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.source)
def test_no_example_passes_for_an_access_token(example: Example, fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S36: they have no type; and the name EdDSA was retired (RFC 9864)."""
    assert refusal(verifier, example.compact)[0] in (TokenErrorCode.WRONG_TYPE, TokenErrorCode.WRONG_ALGORITHM)
    assert fake.requests == []


def test_the_example_key_set_is_read_as_its_text_says() -> None:
    """RFC 7517 A.1: the key for encryption proves nothing, the other is the one whose digest RFC 7638 §3.1 prints."""
    document = json.dumps({"keys": [RFC7517_EC, RFC7517_RSA]}).encode()
    key_set = parse_key_set(document)
    assert list(key_set.usable) == ["2011-04-29"]
    assert key_set.usable["2011-04-29"].alg == "RS256"
    assert key_set.refused == ("key 0: use must be sig",)
    canonical = json.dumps({name: RFC7517_RSA[name] for name in ("e", "kty", "n")}, separators=(",", ":"))
    assert encode(hashlib.sha256(canonical.encode()).digest()) == RFC7638_DIGEST


@pytest.mark.parametrize("members", [{"d": "AAAA"}, {"p": "AAAA"}, {"k": "AAAA"}])
def test_a_private_key_as_in_rfc7517_a2_is_no_published_key(members: dict[str, object]) -> None:
    """S37: whoever publishes it has lost it."""
    assert parse_key_set(json.dumps({"keys": [{**RFC7517_RSA, **members}]}).encode()).usable == {}


@pytest.mark.parametrize("example", [RFC7515_A3, RFC7515_A4, RFC7520_43], ids=lambda example: example.source)
def test_coordinates_have_the_full_length_of_their_curve(example: Example) -> None:
    """RFC 7518 §6.2.1.2: leading zeros are kept (those of P-521 nearly always), and nothing is added."""
    for name in ("x", "y"):
        raw = decode(str(example.key[name]))
        for other in (raw[1:], b"\0" + raw, raw + b"\0"):
            bad = {**example.key, "kid": "k", "alg": example.alg, name: encode(other)}
            with pytest.raises(UnusableKey, match="bytes long"):
                parse_key(bad)


@pytest.mark.parametrize("example", [RFC7515_A3, RFC7515_A4, RFC7520_43], ids=lambda example: example.source)
def test_an_ecdsa_signature_has_the_full_length_of_its_curve(example: Example) -> None:
    """RFC 7518 §3.4: r and s keep their leading zeros; the ASN.1 form is not the one."""
    key = parse_key({"kid": "k", **example.key, "alg": example.alg})
    signed, signature = parts(example)
    half = len(signature) // 2
    for other in (signature[1:], b"\0" + signature, signature[:half] + b"\0" + signature[half:], b""):
        assert not is_proven(key.check, signed=signed, signature=other)


@pytest.mark.parametrize(
    ("alg", "crv"), [("ES256", "P-521"), ("ES512", "P-256"), ("ES384", "P-521"), ("RS256", "P-521"), ("EdDSA", "P-521")]
)
def test_each_ecdsa_algorithm_has_its_own_curve(alg: str, crv: str) -> None:
    """RFC 7518 §3.4, S36."""
    with pytest.raises(UnusableKey, match="belong together"):
        parse_key({**RFC7520_43.key, "alg": alg, "crv": crv})


def test_the_retired_name_of_the_rfc8037_example_names_no_key() -> None:
    """RFC 9864 §2.2: the key is for Ed25519, and is called so."""
    with pytest.raises(UnusableKey, match="belong together"):
        parse_key({"kid": "k", **RFC8037_A4.key, "alg": "EdDSA"})


def test_a_point_at_infinity_or_off_the_curve_is_no_key() -> None:
    """S37: invalid-curve attacks begin with such keys."""
    zero = encode(bytes(32))
    for point in ({"x": zero, "y": zero}, {"y": RFC7515_A3.key["x"]}):
        assert (
            parse_key_set(
                json.dumps({"keys": [{"kid": "k", "alg": "ES256", **RFC7515_A3.key, **point}]}).encode()
            ).usable
            == {}
        )


@pytest.mark.parametrize(("alg", "curve"), [("ES384", ec.SECP384R1()), ("ES512", ec.SECP521R1())])
def test_access_tokens_of_the_longer_curves_are_accepted_by_who_names_them(
    alg: str, curve: ec.EllipticCurve, fake: FakeIssuer, verifier: SyncVerifier
) -> None:
    """S36: and by nobody else."""
    key = FakeKey("long", alg, ec.generate_private_key(curve))
    fake.published.append(key.as_jwk())
    wide = SyncVerifier(
        fake.issuer, fake.audience, algorithms=("ES256", alg), transport=fake.transport(), clock=verifier._clock
    )
    token = fake.mint(key=key)
    assert wide.verify(token).sub == "usr_test"
    assert refusal(verifier, token)[0] is TokenErrorCode.WRONG_ALGORITHM
    assert refusal(wide, with_header(token, alg="ES256"))[0] is TokenErrorCode.WRONG_ALGORITHM


def test_a_statement_is_proven_with_its_type_and_refused_with_any_other(fake: FakeIssuer) -> None:
    """S36: heads of the feed and access tokens are signed by the same keys and never pass for each other."""
    key = parse_key(fake.key.as_jwk())
    statement = fake.sign(b'{"seq":7}', headers={"typ": "ostiary-feed+jwt"})

    def read(text: str, typ: str = "ostiary-feed+jwt", kid: str = fake.key.kid) -> object:
        return verify_statement(text, typ=typ, find_key={kid: key}.get)

    assert read(statement) == {"seq": 7}
    assert words_of_refusal(lambda: read(statement, "at+jwt")) == "typ must be at+jwt"
    assert words_of_refusal(lambda: read(fake.mint())) == "typ must be ostiary-feed+jwt"
    assert words_of_refusal(lambda: read(statement, kid="other")) == "kid names no key that the issuer publishes"
    assert "does not prove" in words_of_refusal(lambda: read(statement[:-4] + "AAAA"))
    assert "alg must be" in words_of_refusal(lambda: read(with_header(statement, alg="none")))
