"""What the starter set says of a sign-in, each rule as a table of facts and what follows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.assurance import AAL1, AAL2, AAL3, KNOWN_ACR, PASSKEYS, PHR, met_by
from policy.values import Effect, SigninFacts, SigninRules
from tests.signin_policy import decide, told

PASSWORD = SigninFacts("active", frozenset({"pwd"}), frozenset({"pwd"}))
WITH_TOTP = replace(PASSWORD, factors=frozenset({"pwd", "totp", "backup_code"}))
WITH_BOTH = replace(PASSWORD, factors=frozenset({"pwd", "totp", "passkey"}))
WITH_MAIL = replace(PASSWORD, factors=frozenset({"pwd", "mail_code"}))
REQUIRED, MAILED = SigninRules(mfa_required=True), SigninRules(mfa_required=True, mail_code=True)
FREE = SigninRules()


CASES = {
    "a password where nothing more is wanted": (PASSWORD, FREE, "allow"),
    "who has a second factor is asked": (WITH_TOTP, FREE, "prove totp backup_code"),
    "a passkey comes first": (WITH_BOTH, FREE, "prove passkey totp"),
    "codes alone make nobody safer": (replace(PASSWORD, factors=frozenset({"pwd", "backup_code"})), FREE, "allow"),
    "the second factor is proven": (replace(WITH_TOTP, methods=frozenset({"pwd", "totp"})), FREE, "allow"),
    "a remembered browser": (replace(WITH_TOTP, methods=frozenset({"pwd", "device"})), FREE, "allow"),
    "a remembered browser alone": (
        replace(WITH_TOTP, methods=frozenset({"device", "totp"})), FREE, "deny: nothing_proven",
    ),
    "required, nothing there": (PASSWORD, REQUIRED, "offer passkey totp"),
    "required and overdue": (replace(PASSWORD, is_overdue=True), REQUIRED, "enrol passkey totp"),
    "required, a mailed code will not do": (WITH_MAIL, REQUIRED, "offer passkey totp"),
    "required, a mailed code will do": (WITH_MAIL, MAILED, "prove mail_code"),
    "required, and mailed": (replace(WITH_MAIL, methods=frozenset({"pwd", "mail_code"})), MAILED, "allow"),
    "an application never takes a mailed code": (
        replace(WITH_MAIL, methods=frozenset({"pwd", "mail_code"}), required_acr=(AAL2,)),
        MAILED,
        "enrol passkey totp",
    ),
    "an application never takes a remembered browser": (
        replace(WITH_TOTP, methods=frozenset({"pwd", "device"}), asked_acr=(AAL2,)), FREE, "prove totp backup_code",
    ),
    "one of several classes": (replace(PASSWORD, asked_acr=(AAL2, AAL1)), FREE, "allow"),
    "unknown classes": (replace(PASSWORD, asked_acr=("gold",)), FREE, "allow"),
    "a class that the person can reach": (replace(WITH_BOTH, asked_acr=(PHR,)), FREE, "prove passkey"),
    "a class for which a factor is missing": (replace(PASSWORD, asked_acr=(PHR,)), FREE, "enrol passkey"),
    "what can be proven comes before adding": (replace(WITH_TOTP, asked_acr=(PHR,)), FREE, "prove totp backup_code"),
    "on a remembered browser, too": (
        replace(WITH_TOTP, methods=frozenset({"pwd", "device"}), asked_acr=(PHR,)), FREE, "prove totp backup_code",
    ),
    "and then it is added": (
        replace(WITH_TOTP, methods=frozenset({"pwd", "totp"}), asked_acr=(PHR,)), FREE, "enrol passkey",
    ),
    "nobody adds an attested key alone": (replace(PASSWORD, required_acr=(AAL3,)), FREE, "deny: unmet_acr"),
    "an attested key": (
        replace(PASSWORD, factors=frozenset({"pwd", "passkey_attested"}), required_acr=(AAL3,)),
        FREE,
        "prove passkey_attested",
    ),
    "an unknown class that is required": (replace(PASSWORD, required_acr=("gold",)), FREE, "deny: unmet_acr"),
    "a closed account": (replace(PASSWORD, person_state="suspended"), FREE, "deny: account_not_active"),
    "nothing proven": (replace(PASSWORD, methods=frozenset()), FREE, "deny: nothing_proven"),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "rules", "expected"), CASES.values(), ids=CASES.keys())
def test_what_follows_from_the_facts(facts: SigninFacts, rules: SigninRules, expected: str) -> None:
    """S28, S29"""
    assert told(decide(facts, rules)) == expected


methods = st.frozensets(st.sampled_from(["pwd", "totp", "backup_code", "mail_code", "device", *sorted(PASSKEYS)]))
acrs = st.lists(st.sampled_from([*KNOWN_ACR, "gold"]), max_size=3).map(tuple)
facts_of_any_kind = st.builds(
    SigninFacts,
    st.sampled_from(["active", "suspended", "disabled", "deleted"]),
    methods,
    methods,
    required_acr=acrs,
    asked_acr=acrs,
    is_overdue=st.booleans(),
)
rules_of_any_kind = st.builds(SigninRules, st.booleans(), st.booleans())


@given(facts_of_any_kind, rules_of_any_kind)
def test_nothing_is_allowed_outright_below_what_is_demanded(facts: SigninFacts, rules: SigninRules) -> None:
    """S28, S41: whatever the facts, an ALLOW without obligations has met every demand of an application."""
    decision = decide(facts, rules)
    if decision.effect is Effect.DENY or decision.obligations:
        return
    met = met_by(facts.methods)
    assert facts.person_state == "active"
    assert set(facts.required_acr) <= met
    asked = set(facts.asked_acr) & set(KNOWN_ACR)
    assert not asked or asked & met
    if rules.mfa_required or facts.factors & (PASSKEYS | {"totp"}):
        stands_in = {"device"} | ({"mail_code"} if rules.mail_code else set())
        assert AAL2 in met or ("pwd" in facts.methods and facts.methods & stands_in)


@given(facts_of_any_kind, rules_of_any_kind)
def test_nobody_with_a_second_factor_adds_another_on_a_password_alone(facts: SigninFacts, rules: SigninRules) -> None:
    """S29"""
    kinds = {one.kind for one in decide(facts, rules).obligations}
    if kinds & {"enrol", "offer"} and facts.factors & (PASSKEYS | {"totp"}) and "pwd" in facts.methods:
        assert AAL2 in met_by(facts.methods)


@given(facts_of_any_kind, rules_of_any_kind)
def test_each_step_that_is_asked_for_brings_the_sign_in_nearer(facts: SigninFacts, rules: SigninRules) -> None:
    """Whoever does as told is let in or told no after a few steps."""
    for _ in range(6):
        decision = decide(facts, rules)
        if decision.effect is Effect.DENY or not decision.obligations:
            return
        method = decision.obligations[0].methods[0]
        facts = replace(facts, methods=facts.methods | {method}, factors=facts.factors | {method})
    raise AssertionError(f"never ends: {facts}")
