"""The starter set decides about sign-ins as the model does, whatever the facts."""

from hypothesis import given, settings
from hypothesis import strategies as st

from policy.assurance import KNOWN_ACR
from policy.values import Decision, Effect, RiskThresholds, SigninFacts, SigninRules
from tests.policy.signin_model import expected
from tests.signin_policy import decide

METHODS = (
    "pwd", "totp", "backup_code", "mail_code", "recovery", "device", "passkey", "passkey_bound", "passkey_attested",
)  # fmt: skip
methods = st.frozensets(st.sampled_from(METHODS))
# What most people have: a password proven, and some factors.
likely = st.one_of(st.just(frozenset({"pwd"})), methods.map(lambda found: found | {"pwd"}), methods)
classes = st.lists(st.sampled_from([*KNOWN_ACR, "gold"]), max_size=3).map(tuple)
scores = st.none() | st.integers(0, 100) | st.sampled_from([29, 30, 59, 60, 89, 90])
# Also thresholds that no setting allows, since an application's own come from elsewhere.
thresholds = st.builds(RiskThresholds, st.integers(1, 100), st.integers(1, 100), st.integers(1, 100))
facts_of_any_kind = st.builds(
    SigninFacts,
    st.sampled_from(["active", "active", "active", "suspended", "disabled", "deleting"]),
    likely,
    methods,
    is_admin=st.booleans(),
    client_id=st.none() | st.just("cli_shop"),
    required_acr=classes,
    asked_acr=classes,
    is_overdue=st.booleans(),
    risk_score=scores,
    thresholds=st.none() | thresholds,
    refusal=st.sampled_from([None, None, None, "address_blocked", "taken_over"]),
    person=st.sampled_from(["", "sub-1"]),
)
rules_of_any_kind = st.builds(SigninRules, st.booleans(), st.booleans(), st.just(RiskThresholds()) | thresholds)


@settings(max_examples=2_000, deadline=None)
@given(facts_of_any_kind, rules_of_any_kind)
def test_policies_and_model_agree_about_every_sign_in(facts: SigninFacts, rules: SigninRules) -> None:
    """S28, S41: effect, what is left to do and in which order, and why."""
    assert shown(decide(facts, rules)) == shown(expected(facts, rules))


def shown(decision: Decision) -> tuple[Effect, object, str]:
    """What both must say; a refusal may have further reasons."""
    return decision.effect, decision.obligations, decision.reasons[0]
