"""S36: what the header may say, and who decides about algorithms."""

import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ostiary import SyncVerifier, TokenErrorCode
from ostiary.testing import FakeIssuer, FakeKey, make_key
from tests.sdk.clocks import Clock
from tests.sdk.forging import decode, encode, forge, refusal, with_header


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "at+JWT", "Application/AT+JWT"])
def test_both_spellings_of_the_access_token_type_are_accepted(
    typ: str, fake: FakeIssuer, verifier: SyncVerifier
) -> None:
    """S36, RFC 9068 §4 (whose own example writes at+JWT)."""
    assert verifier.verify(fake.mint(headers={"typ": typ})).sub == "usr_test"


@pytest.mark.parametrize(
    "typ", ["JWT", "", "at+jwt ", "dpop+jwt", "logout+jwt", "secevent+jwt", "txntoken+jwt", "id+jwt", "at", 7, None]
)
def test_any_other_type_is_refused(typ: object, fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S36."""
    token = fake.sign(b"{}", headers={"typ": typ})
    assert refusal(verifier, token) == (
        TokenErrorCode.WRONG_TYPE,
        "typ must be at+jwt: only access tokens are accepted here",
    )


def test_an_id_token_is_refused_even_when_every_claim_would_fit(fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S36."""
    id_token = fake.mint({"nonce": "n", "auth_time": 1}, headers={"typ": "JWT"})
    assert refusal(verifier, id_token)[0] is TokenErrorCode.WRONG_TYPE
    without_typ = fake.mint({"nonce": "n"}, headers={"typ": ""})
    assert refusal(verifier, without_typ)[0] is TokenErrorCode.WRONG_TYPE


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "EdDSA", "ES384", None, 1]
)
def test_an_algorithm_off_the_list_is_refused_before_any_key_is_fetched(
    alg: object, fake: FakeIssuer, verifier: SyncVerifier
) -> None:
    """S36: with the good signature kept, with none, and without a request to the issuer."""
    good = with_header(fake.mint(), alg=alg)
    for token in (good, good.rpartition(".")[0] + ".AA", good.rpartition(".")[0] + "."):
        code, words = refusal(verifier, token)
        assert code in (TokenErrorCode.WRONG_ALGORITHM, TokenErrorCode.MALFORMED)
        assert len(words) < 100
    assert refusal(verifier, good)[0] is TokenErrorCode.WRONG_ALGORITHM
    assert fake.requests == []


@pytest.mark.parametrize("form", ["pem", "der", "raw", "point", "jwk"])
def test_hmac_with_any_encoding_of_the_public_key_is_refused(
    form: str, fake: FakeIssuer, verifier: SyncVerifier
) -> None:
    """S36: the classic confusion of a public key with a shared secret (RFC 8725 §2.1)."""
    public = fake.key.private.public_key()
    secret = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "raw": decode(str(fake.key.as_jwk()["x"])),
        "point": public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        "jwk": json.dumps(fake.key.as_jwk()).encode(),
    }[form]
    _, payload, _ = fake.mint().split(".")
    for alg in ("HS256", "ES256"):
        header = {"typ": "at+jwt", "alg": alg, "kid": fake.key.kid}
        signed = f"{encode(json.dumps(header).encode())}.{payload}"
        tag = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        code, _ = refusal(verifier, f"{signed}.{encode(tag)}")
        expected = TokenErrorCode.WRONG_ALGORITHM if alg == "HS256" else TokenErrorCode.BAD_SIGNATURE
        assert code is expected


def test_the_header_must_name_the_algorithm_of_the_key(fake: FakeIssuer, clock: Clock, rsa_key: FakeKey) -> None:
    """S36: a key is for one algorithm, even where the service accepts both."""
    fake.published.append(rsa_key.as_jwk())
    verifier = SyncVerifier(
        fake.issuer, fake.audience, algorithms=("ES256", "RS256", "PS256"), transport=fake.transport(), clock=clock
    )
    assert verifier.verify(fake.mint(key=rsa_key)).iss == fake.issuer
    as_pss = FakeKey(rsa_key.kid, "PS256", rsa_key.private)
    assert refusal(verifier, fake.mint(key=as_pss)) == (
        TokenErrorCode.WRONG_ALGORITHM,
        "alg must be the algorithm of the key that kid names",
    )


def test_rs256_is_refused_by_a_service_that_did_not_ask_for_it(
    fake: FakeIssuer, verifier: SyncVerifier, rsa_key: FakeKey
) -> None:
    """S36: ES256 alone is the default, though the issuer publishes its RS256 key too."""
    fake.published.append(rsa_key.as_jwk())
    assert refusal(verifier, fake.mint(key=rsa_key))[0] is TokenErrorCode.WRONG_ALGORITHM


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_in_the_header_is_refused_even_beside_a_good_signature(
    name: str, fake: FakeIssuer, verifier: SyncVerifier
) -> None:
    """S37."""
    token = fake.mint(headers={name: "https://evil.test/keys"})
    assert refusal(verifier, token) == (TokenErrorCode.KEY_IN_HEADER, "the header must not bring or point to a key")
    assert fake.requests == []


def test_a_token_that_brings_its_own_key_proves_nothing(fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S37."""
    own = make_key(kid=fake.key.kid)
    assert refusal(verifier, fake.mint(key=own, headers={"jwk": own.as_jwk()}))[0] is TokenErrorCode.KEY_IN_HEADER
    assert refusal(verifier, fake.mint(key=own))[0] is TokenErrorCode.BAD_SIGNATURE


@pytest.mark.parametrize("crit", [["exp"], ["b64"], ["urn:x"], [], "exp", None])
def test_crit_is_refused_since_nothing_critical_is_understood(
    crit: object, fake: FakeIssuer, verifier: SyncVerifier
) -> None:
    """S37, RFC 7515 §4.1.11."""
    header = {"typ": "at+jwt", "alg": "ES256", "kid": fake.key.kid, "crit": crit}
    assert refusal(verifier, forge(header, {}, b"\1" * 64)) == (
        TokenErrorCode.CRITICAL_HEADER,
        "crit names an extension that is not understood here",
    )


@pytest.mark.parametrize("b64", [False, True, None])
def test_b64_is_refused_since_it_would_change_what_is_signed(
    b64: object, fake: FakeIssuer, verifier: SyncVerifier
) -> None:
    """S37, RFC 7797 §6: it must be critical, and whoever writes it without that hopes for two readings."""
    header = {"typ": "at+jwt", "alg": "ES256", "kid": fake.key.kid, "b64": b64}
    assert refusal(verifier, forge(header, {}, b"\1" * 64))[0] is TokenErrorCode.CRITICAL_HEADER


@pytest.mark.parametrize("kid", [None, "", 5, ["a"], "k" * 257])
def test_a_token_must_name_its_key(kid: object, fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S37: no key is ever guessed."""
    token = forge({"typ": "at+jwt", "alg": "ES256", "kid": kid}, {}, b"\1" * 64)
    assert refusal(verifier, token) == (TokenErrorCode.MALFORMED, "kid must name the issuer's key")
    assert fake.requests == []
