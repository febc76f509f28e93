"""The verifier against signers and a verifier that share no code with it: PyJWT (in the test kit) and joserfc."""

import json

import jwt
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, KeyParameters, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from ostiary import SyncVerifier, TokenError, TokenErrorCode
from ostiary.testing import FakeIssuer, FakeKey, make_key
from tests.sdk.clocks import Clock
from tests.sdk.forging import refusal

ALGORITHMS = ("ES256", "RS256", "PS256", "Ed25519")


def verifier_for(fake: FakeIssuer, clock: Clock) -> SyncVerifier:
    return SyncVerifier(
        fake.issuer, fake.audience, algorithms=ALGORITHMS, transport=fake.transport(), clock=clock, monotonic=clock
    )


def joserfc_key(alg: str) -> ECKey | RSAKey | OKPKey:
    parameters: KeyParameters = {"kid": f"joserfc-{alg}", "alg": alg, "use": "sig"}
    match alg:
        case "ES256":
            return ECKey.generate_key("P-256", parameters)
        case "Ed25519":
            return OKPKey.generate_key("Ed25519", parameters)
        case _:
            return RSAKey.generate_key(2048, parameters)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_tokens_of_both_signers_are_accepted_and_spoiled_ones_refused(alg: str, fake: FakeIssuer, clock: Clock) -> None:
    """S36: each algorithm, two signers, and one flipped bit in each part that is signed."""
    peer = joserfc_key(alg)
    own = make_key(alg)
    fake.published += [dict(peer.as_dict(private=False)), own.as_jwk()]
    verifier = verifier_for(fake, clock)
    by_pyjwt = fake.mint({"sub": "usr_pyjwt"}, key=own)
    claims = dict(verifier.verify(by_pyjwt).claims) | {"sub": "usr_joserfc"}
    header = {"alg": alg, "typ": "at+jwt", "kid": f"joserfc-{alg}"}
    by_joserfc = jws.serialize_compact(
        header, json.dumps(claims).encode(), peer, registry=JWSRegistry(algorithms=[alg])
    )
    assert verifier.verify(by_joserfc).sub == "usr_joserfc"
    for token in (by_pyjwt, by_joserfc):
        head, payload, signature = token.split(".")
        other = "B" if payload[10] != "B" else "C"
        spoiled = f"{head}.{payload[:10]}{other}{payload[11:]}.{signature}"
        assert refusal(verifier, spoiled)[0] is TokenErrorCode.BAD_SIGNATURE
        flipped = signature[:5] + ("B" if signature[5] != "B" else "C") + signature[6:]
        assert refusal(verifier, f"{head}.{payload}.{flipped}")[0] is TokenErrorCode.BAD_SIGNATURE


def test_another_issuers_key_under_the_same_id_is_refused(fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S36."""
    stranger = make_key(kid=fake.key.kid)
    words = "the signature does not prove this token"
    assert refusal(verifier, fake.mint(key=stranger)) == (TokenErrorCode.BAD_SIGNATURE, words)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aud": ["https://api.test", "b"]},
        {"aud": "b"},
        {"iss": "https://evil.test"},
        {"exp": 1},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
        {"exp": "soon"},
        {"sub": 7},
        {"aud": 7},
    ],
)
def test_the_verdict_is_the_one_of_pyjwt(changes: dict[str, object]) -> None:
    """An independent verifier as the oracle, on the claims that RFC 7519 knows (with the real clock)."""
    fake = FakeIssuer()
    token = fake.mint(changes)
    try:
        jwt.decode(
            token,
            fake.key.private.public_key(),
            algorithms=["ES256"],
            audience=fake.audience,
            issuer=fake.issuer,
            leeway=10,
            options={"require": ["iss", "sub", "aud", "exp", "iat", "jti"], "verify_sub": True},
        )
        accepted_by_pyjwt = True
    except jwt.PyJWTError:
        accepted_by_pyjwt = False
    try:
        SyncVerifier(fake.issuer, fake.audience, transport=fake.transport()).verify(token)
        accepted = True
    except TokenError:
        accepted = False
    assert accepted is accepted_by_pyjwt


def test_a_pss_signature_is_no_pkcs1_signature(fake: FakeIssuer, clock: Clock, rsa_key: FakeKey) -> None:
    """S36: RS256 and PS256 share keys in other people's sets, never here."""
    fake.published.append(FakeKey("pss", "PS256", rsa_key.private).as_jwk())
    verifier = verifier_for(fake, clock)
    assert verifier.verify(fake.mint(key=FakeKey("pss", "PS256", rsa_key.private))).sub == "usr_test"
    as_rs256 = fake.mint(key=FakeKey("pss", "RS256", rsa_key.private))
    assert refusal(verifier, as_rs256)[0] is TokenErrorCode.WRONG_ALGORITHM
