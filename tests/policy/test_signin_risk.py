"""What follows from a risk score, as a table; and that a higher score never makes anything easier."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.assurance import AAL2, PASSKEYS, met_by
from policy.running import within_session
from policy.values import Decision, Effect, RiskThresholds, SigninFacts, SigninRules
from tests.signin_policy import decide, told

ALONE = SigninFacts("active", frozenset({"pwd"}), frozenset({"pwd"}))
MAIL = replace(ALONE, factors=frozenset({"pwd", "mail_code"}))
TOTP = replace(ALONE, factors=frozenset({"pwd", "totp", "backup_code", "mail_code"}))
KEYS = replace(ALONE, factors=frozenset({"pwd", "totp", "passkey", "mail_code"}))


CASES = {
    "nothing was assessed": (ALONE, None, "allow"),
    "low": (ALONE, 29, "allow"),
    "the person is told": (ALONE, 30, "notify"),
    "and still no more than told": (ALONE, 59, "notify"),
    "high, by mail where there is no second factor": (MAIL, 60, "prove mail_code"),
    "high, and nothing to prove it with": (ALONE, 60, "deny: risk_high_unmet"),
    "high, with a second factor": (TOTP, 89, "prove totp backup_code"),
    "high on a remembered browser": (
        replace(TOTP, methods=frozenset({"pwd", "device"})), 60, "prove totp backup_code",
    ),
    "low on a remembered browser": (replace(TOTP, methods=frozenset({"pwd", "device"})), 29, "allow"),
    "high and proven": (replace(TOTP, methods=frozenset({"pwd", "totp"})), 89, "notify"),
    "critical: a code of an app can be phished": (
        replace(TOTP, methods=frozenset({"pwd", "totp"})), 90, "prove mail_code",
    ),
    "critical: a passkey first": (KEYS, 90, "prove passkey mail_code"),
    "critical, and came with a passkey": (replace(KEYS, methods=frozenset({"passkey"})), 100, "notify"),
    "critical, and mailed": (replace(TOTP, methods=frozenset({"pwd", "totp", "mail_code"})), 100, "notify"),
    "critical, and nothing to prove it with": (ALONE, 90, "deny: risk_critical_unmet"),
    "blocked, whatever the score": (replace(KEYS, refusal="address_blocked"), 0, "deny: address_blocked"),
    "taken over, with a passkey": (
        replace(KEYS, methods=frozenset({"passkey"}), refusal="taken_over"), 0, "deny: taken_over",
    ),
    "an application that is stricter": (
        replace(TOTP, thresholds=RiskThresholds(5, 10, 20)), 10, "prove totp backup_code",
    ),
    "an application that is milder": (replace(ALONE, thresholds=RiskThresholds(70, 80, 95)), 69, "allow"),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "score", "expected"), CASES.values(), ids=CASES.keys())
def test_what_follows_from_a_score(facts: SigninFacts, score: int | None, expected: str) -> None:
    assert told(decide(replace(facts, risk_score=score))) == expected


def test_nobody_adds_a_factor_to_meet_what_the_score_demands() -> None:
    """S29: a stolen password on a strange machine must not become a factor of the thief's own."""
    facts = replace(ALONE, risk_score=75, is_overdue=True)
    assert told(decide(facts, SigninRules(mfa_required=True))) == "deny: risk_high_unmet"


METHODS = st.frozensets(st.sampled_from(["pwd", "totp", "backup_code", "mail_code", "device", "passkey"]))


@given(methods=METHODS, factors=METHODS, low=st.integers(0, 100), high=st.integers(0, 100), required=st.booleans())
def test_a_higher_score_never_makes_a_sign_in_easier(
    methods: frozenset[str], factors: frozenset[str], low: int, high: int, required: bool
) -> None:
    low, high = sorted((low, high))
    facts = SigninFacts("active", methods, factors | methods - {"device"})
    easier, harder = (decide(replace(facts, risk_score=score), SigninRules(required)) for score in (low, high))
    if is_complete(harder):
        assert is_complete(easier)
    if high >= 90 and is_complete(harder):
        assert methods & (PASSKEYS | {"mail_code"})
    if high >= 60 and is_complete(harder):
        assert met_by(methods) & {AAL2} or "mail_code" in methods


def is_complete(decision: Decision) -> bool:
    """Whether a session may begin."""
    held = any(one.kind in ("prove", "enrol") for one in decision.obligations)
    return decision.effect is Effect.ALLOW and not held


SESSIONS = {
    "below all": (10, 59, "keep"),
    "crossed": (59, 60, "step_up"),
    "crossed long ago": (60, 80, "keep"),
    "fell": (95, 70, "keep"),
    "to the top": (10, 90, "end"),
    "from high to the top": (75, 90, "end"),
    "never assessed before": (None, 95, "end"),
}


@pytest.mark.parametrize(("before", "now", "expected"), SESSIONS.values(), ids=SESSIONS.keys())
def test_what_follows_within_a_session(before: int | None, now: int, expected: str) -> None:
    assert within_session(before, now, RiskThresholds()) == expected
