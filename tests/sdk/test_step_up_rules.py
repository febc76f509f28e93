"""Which sign-in is enough for which demand: the rules, and that they say what the issuer's own rules say (S28)."""

from itertools import chain, combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary import ConfigurationError, InsufficientAuthentication, SyncVerifier
from ostiary.bearer import challenge, refusal_for
from ostiary.step_up import AAL1, AAL2, AAL3, PHR, meets_acr, parse_needed
from ostiary.testing import FakeIssuer
from policy import assurance
from tests.sdk.clocks import Clock

# Rows: what the token says. Columns: what the service asks for.
MET = {
    AAL1: {AAL1},
    AAL2: {AAL1, AAL2},
    PHR: {AAL1, AAL2, PHR},
    AAL3: {AAL1, AAL2, PHR, AAL3},
    "urn:other:gold": {"urn:other:gold"},
    "": set[str](),
}
METHODS = ("pwd", "totp", "backup_code", "mail_code", "device", "passkey", "passkey_bound", "passkey_attested")
COMBINATIONS = [frozenset(some) for some in chain(*(combinations(METHODS, size) for size in range(1, 9)))]


@pytest.mark.parametrize(("actual", "asked"), list(product(MET, (AAL1, AAL2, PHR, AAL3, "urn:other:gold"))))
def test_a_class_meets_itself_and_the_ones_it_implies_and_no_other(actual: str, asked: str) -> None:
    """S28: aal3 ⊃ phr ⊃ aal2 ⊃ aal1; what is not ours stands alone."""
    assert meets_acr(actual, [asked]) is (asked in MET[actual])


def test_one_acceptable_class_of_several_is_enough() -> None:
    assert meets_acr(AAL2, (AAL3, AAL2))
    assert meets_acr(AAL2, (AAL2, AAL3))
    assert not meets_acr(AAL2, (AAL3, PHR))
    assert not meets_acr(AAL3, ())


def test_a_token_that_states_no_class_meets_none() -> None:
    assert not meets_acr(None, (AAL1, ""))


def test_the_names_are_those_of_the_issuer() -> None:
    assert (AAL1, AAL2, AAL3, PHR) == assurance.KNOWN_ACR


@pytest.mark.parametrize("methods", COMBINATIONS, ids=lambda methods: "+".join(sorted(methods)))
def test_what_passes_here_was_really_proven_there(methods: frozenset[str]) -> None:
    """S28: whatever an application asks the issuer to state, no service believes more than what happened."""
    for wanted in ((), *((acr,) for acr in assurance.KNOWN_ACR), (PHR, AAL3), (AAL3, PHR)):
        stated = assurance.acr_of(methods, wanted)
        for asked in assurance.KNOWN_ACR:
            if meets_acr(stated, (asked,)) and assurance.met_by(methods):
                assert asked in assurance.met_by(methods), (stated, asked)


@pytest.mark.parametrize("methods", COMBINATIONS, ids=lambda methods: "+".join(sorted(methods)))
def test_what_was_proven_there_passes_here_once_it_was_asked_for(methods: frozenset[str]) -> None:
    """Or the person would be sent round in a circle."""
    for asked in assurance.met_by(methods):
        assert meets_acr(assurance.acr_of(methods, (asked,)), (asked,))


def minted(fake: FakeIssuer, **claims: object) -> str:
    """A token with these claims, without those that are None."""
    return fake.mint({name: value for name, value in claims.items() if value is not None})


@pytest.mark.parametrize(
    ("age_s", "passes"), [(0, True), (300, True), (309, True), (310, True), (311, False), (-10, True), (-11, False)]
)
def test_a_sign_in_is_fresh_for_max_age_and_the_clock_s_leeway(
    age_s: int, passes: bool, fake: FakeIssuer, clock: Clock, verifier: SyncVerifier
) -> None:
    """RFC 9470 §3; an `auth_time` in the future proves nothing."""
    token = verifier.verify(minted(fake, auth_time=int(clock()) - age_s))
    if passes:
        assert verifier.require_authentication(token, max_age_s=300) is token
        return
    with pytest.raises(InsufficientAuthentication, match="a more recent sign-in is needed"):
        verifier.require_authentication(token, max_age_s=300)


def test_a_remembered_token_grows_old_like_any_other(fake: FakeIssuer, clock: Clock, verifier: SyncVerifier) -> None:
    """The cache keeps what was proven, not that it was fresh."""
    text = fake.mint({"auth_time": int(clock())}, ttl_s=3600)
    verifier.require_authentication(verifier.verify(text), max_age_s=60)
    clock.pass_seconds(71)
    with pytest.raises(InsufficientAuthentication):
        verifier.require_authentication(verifier.verify(text), max_age_s=60)


@pytest.mark.parametrize("max_age_s", [0, 60, 10**9])
def test_a_token_that_does_not_say_when_is_never_fresh(
    max_age_s: int, fake: FakeIssuer, verifier: SyncVerifier
) -> None:
    token = verifier.verify(minted(fake, acr=AAL3))
    with pytest.raises(InsufficientAuthentication, match="a more recent sign-in is needed"):
        verifier.require_authentication(token, acr=AAL3, max_age_s=max_age_s)


@pytest.mark.parametrize("acr", [None, "", AAL1])
def test_a_weaker_sign_in_is_told_what_would_do(acr: str | None, fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """RFC 9470 §3: both demands stand in the answer, also where only one is missed."""
    token = verifier.verify(minted(fake, acr=acr, auth_time=int(fake.clock())))
    with pytest.raises(InsufficientAuthentication) as refused:
        verifier.require_authentication(token, acr=[AAL2, PHR], max_age_s=60)
    refusal = refusal_for(refused.value)
    assert refusal.status == 401
    assert challenge(refusal, realm="pay") == (
        'Bearer realm="pay", error="insufficient_user_authentication", '
        'error_description="a stronger sign-in is needed", acr_values="urn:ostiary:aal2 phr", max_age="60"'
    )


def test_a_passkey_s_token_passes_where_two_factors_are_asked_for(fake: FakeIssuer, verifier: SyncVerifier) -> None:
    token = verifier.verify(minted(fake, acr=PHR))
    assert verifier.require_authentication(token, acr=AAL2) is token
    with pytest.raises(InsufficientAuthentication):
        verifier.require_authentication(token, acr=AAL3)


@pytest.mark.parametrize(
    ("acr", "max_age_s", "words"),
    [
        ("", None, "acr must be"),
        (["urn:a", ""], None, "acr must be"),
        ("urn:a urn:b", None, "acr must be"),
        ('urn:"a', None, "acr must be"),
        ("urn:\\a", None, "acr must be"),
        ("urn:é", None, "acr must be"),
        ([None], None, "acr must be"),
        ((), -1, "max_age_s must be"),
        ((), 1.5, "max_age_s must be"),
        ((), True, "max_age_s must be"),
        ((), None, "must say what is needed"),
    ],
)
def test_a_demand_that_says_nothing_or_cannot_be_met_is_a_mistake_of_the_program(
    acr: str, max_age_s: int | None, words: str, fake: FakeIssuer, verifier: SyncVerifier
) -> None:
    token = verifier.verify(fake.mint())
    with pytest.raises(ConfigurationError, match=words):
        verifier.require_authentication(token, acr=acr, max_age_s=max_age_s)


@given(st.text(max_size=30), st.integers(0, 10**9))
def test_no_class_breaks_out_of_the_challenge(name: str, max_age_s: int) -> None:
    """What a program asks for stands in quotes in a header."""
    try:
        needed = parse_needed(acr=name, max_age_s=max_age_s)
    except ConfigurationError:
        return
    assert needed is not None
    text = challenge(
        refusal_for(InsufficientAuthentication("no", acr=needed.acr, max_age_s=needed.max_age_s)), realm="r"
    )
    assert f'acr_values="{name}", max_age="{max_age_s}"' in text
    assert text.count('"') == 10
