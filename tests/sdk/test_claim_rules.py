"""S37: the claims that must stand in an access token, their types, and exact matching."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import pytest

from ostiary import ConfigurationError, SyncVerifier, TokenErrorCode, Verifier
from ostiary.testing import FakeIssuer
from tests.sdk.clocks import Clock
from tests.sdk.forging import refusal

REQUIRED = ("iss", "sub", "aud", "exp", "iat", "jti", "client_id")


def test_a_good_token_becomes_typed_claims(fake: FakeIssuer, verifier: SyncVerifier, clock: Clock) -> None:
    """The claims of interface.md, each in its type."""
    now = int(clock())
    token = verifier.verify(
        fake.mint(
            {
                "sub": "usr_1",
                "aud": ["https://other.test", fake.audience],
                "scope": "orders:read orders:write",
                "sid": "ses_1",
                "auth_time": now - 60,
                "acr": "urn:ostiary:mfa",
                "amr": ["pwd", "otp"],
                "risk": 12,
                "tenant": {"ids": [1, 2]},
            }
        )
    )
    assert (token.iss, token.sub, token.client_id, token.grant) == (fake.issuer, "usr_1", "cli_test", "gra_test")
    assert token.aud == ("https://other.test", fake.audience)
    assert token.exp == datetime.fromtimestamp(now + 300, UTC)
    assert token.iat.tzinfo is UTC
    assert token.auth_time == datetime.fromtimestamp(now - 60, UTC)
    assert token.scope == {"orders:read", "orders:write"}
    assert token.has_scopes("orders:read")
    assert not token.has_scopes("orders:read", "orders:delete")
    assert (token.sid, token.acr, token.amr) == ("ses_1", "urn:ostiary:mfa", ("pwd", "otp"))
    assert (token.risk, token.cnf) == (12, None)
    assert token.claims["tenant"] == MappingProxyType({"ids": (1, 2)})


def test_what_a_token_does_not_say_is_none_and_never_made_up(fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """`risk` above all: an absent score is not a score of 0."""
    token = verifier.verify(fake.mint(omit=("scope", "grant")))
    assert (token.grant, token.sid, token.auth_time, token.acr, token.risk, token.cnf) == (None,) * 6
    assert (token.scope, token.amr) == (frozenset(), ())


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_claim_that_is_missing_is_named(name: str, fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S37, RFC 9068 §2.2."""
    assert refusal(verifier, fake.mint(omit=(name,))) == (TokenErrorCode.MISSING_CLAIM, f"{name} is missing")


WRONG_VALUES: list[tuple[tuple[str, ...], list[object]]] = [
    (("iss", "sub", "jti", "client_id"), [7, True, None, [], ["x"], {}, ""]),
    (("aud",), [7, True, None, {}, [7], ["https://api.test", None], {"a": "https://api.test"}]),
    (("exp", "iat", "nbf", "auth_time"), [True, "1", 1.5, None, -1, 10**12, []]),
    (("scope", "grant", "sid", "acr"), [7, None, ["a"], {}, False]),
    (("amr",), ["pwd", [1], None, {}]),
    (("risk",), [True, -1, 101, "5", 5.0, None]),
    (("cnf",), ["x", [], None, 1]),
]


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for names, values in WRONG_VALUES for name in names for value in values]
)
def test_a_claim_of_the_wrong_type_is_refused_and_named(
    name: str, value: object, fake: FakeIssuer, verifier: SyncVerifier
) -> None:
    """S37: True is no number, a list is no text, 1e3 is no whole second."""
    code, words = refusal(verifier, fake.mint({name: value}))
    assert code is TokenErrorCode.INVALID_CLAIM
    assert words.startswith(f"{name} must be ")


@pytest.mark.parametrize("value", [2**53, 2**63, 2**64, 10**30, 253_402_300_800])
def test_a_giant_time_is_refused_and_never_an_overflow(value: int, fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S38."""
    assert refusal(verifier, fake.mint({"exp": value}))[0] in (TokenErrorCode.INVALID_CLAIM, TokenErrorCode.MALFORMED)


@pytest.mark.parametrize(
    "iss",
    ["https://issuer.test/", "https://ISSUER.test", "http://issuer.test", "https://issuer.test:443", "https://evil.test",
     " https://issuer.test"],
)  # fmt: skip
def test_the_issuer_must_match_exactly(iss: str, fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S37."""
    words = "iss must be the issuer that this service trusts"
    assert refusal(verifier, fake.mint({"iss": iss})) == (TokenErrorCode.WRONG_ISSUER, words)


@pytest.mark.parametrize(
    "aud",
    ["https://api.test/", "https://API.test", "https://api.tes", "https://other.test", "https://api.test https://x.test",
     [], ["https://other.test", "https://api.test/v1"], [""]],
)  # fmt: skip
def test_the_audience_must_match_exactly(aud: object, fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S37: no prefix, no splitting, no folding of case."""
    assert refusal(verifier, fake.mint({"aud": aud})) == (
        TokenErrorCode.WRONG_AUDIENCE,
        "aud must contain this service",
    )


@pytest.mark.parametrize("audience", ["", " ", " https://api.test", None])
def test_a_verifier_without_an_audience_cannot_be_made(audience: str) -> None:
    """S37: the error names the argument."""
    for kind in (Verifier, SyncVerifier):
        with pytest.raises(ConfigurationError, match="audience must be a non-empty string"):
            kind("https://issuer.test", audience)


def test_a_token_lives_until_exp_and_the_leeway_not_a_second_longer(
    fake: FakeIssuer, verifier: SyncVerifier, clock: Clock
) -> None:
    """S37: the default leeway is 10 seconds; the remembered token obeys the same clock."""
    token = fake.mint(ttl_s=100)
    verifier.verify(token)
    clock.pass_seconds(109)
    verifier.verify(token)
    clock.pass_seconds(1)
    assert refusal(verifier, token) == (TokenErrorCode.EXPIRED, "exp has passed")
    fresh = SyncVerifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock)
    assert refusal(fresh, token)[0] is TokenErrorCode.EXPIRED


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_a_token_from_the_future_is_refused_beyond_the_leeway(
    name: str, fake: FakeIssuer, verifier: SyncVerifier, clock: Clock
) -> None:
    """S37."""
    now = int(clock())
    assert verifier.verify(fake.mint({name: now + 10})).sub == "usr_test"
    code, words = refusal(verifier, fake.mint({name: now + 11}))
    assert (code, words) == (TokenErrorCode.NOT_YET_VALID, f"{name} lies in the future")


def test_a_token_bound_to_a_key_is_no_bearer_token(fake: FakeIssuer, verifier: SyncVerifier, clock: Clock) -> None:
    """RFC 9449 §7.2, RFC 8705 §3: without the proof a stolen token would work; whoever checks it says so."""
    token = fake.mint({"cnf": {"jkt": "thumb"}})
    words = "cnf binds the token to a key; it is no bearer token"
    assert refusal(verifier, token) == (TokenErrorCode.PROOF_REQUIRED, words)
    checks_proofs = SyncVerifier(
        fake.issuer, fake.audience, accepts_bound=True, transport=fake.transport(), clock=clock
    )
    assert checks_proofs.verify(token).cnf == {"jkt": "thumb"}


def test_verified_claims_cannot_be_changed_at_any_depth(fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """One request must not be able to edit what the cache hands to the next."""
    claims = verifier.verify(fake.mint({"roles": ["reader"], "org": {"id": [1]}})).claims
    assert claims["roles"] == ("reader",)
    org = claims["org"]
    assert isinstance(org, Mapping)
    assert not hasattr(org, "__setitem__")
    assert org["id"] == (1,)


@pytest.mark.parametrize("algorithms", [(), ("HS256",), ("none",), ("ES256", "EdDSA"), "ES256"])
def test_only_known_asymmetric_algorithms_can_be_asked_for(algorithms: tuple[str, ...]) -> None:
    """S36."""
    with pytest.raises(ConfigurationError, match="algorithms must be some of ES256, RS256, PS256, Ed25519"):
        SyncVerifier("https://issuer.test", "https://api.test", algorithms=algorithms)


@pytest.mark.parametrize("leeway_s", [-1, 61, float("nan"), float("inf")])
def test_the_leeway_is_bounded(leeway_s: float) -> None:
    """A generous leeway would quietly lengthen every token's life."""
    with pytest.raises(ConfigurationError, match="leeway_s must be between 0 and 60"):
        SyncVerifier("https://issuer.test", "https://api.test", leeway_s=leeway_s)
