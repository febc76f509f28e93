"""What becomes of a set's answer at a sign-in: nothing is let in that the policies do not allow (S41)."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ostiary.policy.engine import PolicyEngine
from ostiary.policy.values import EntityRef
from policy.assurance import AAL2
from policy.schema import schema_text
from policy.signin import SigninPolicy
from policy.starter import starter_set
from policy.values import Decision, Effect, SigninFacts, SigninRules
from tests.signin_policy import told

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
PASSWORD = SigninFacts("active", frozenset({"pwd"}), frozenset({"pwd"}), person="sub-1", at=NOW)
WITH_TOTP = replace(PASSWORD, factors=frozenset({"pwd", "totp"}))
REQUIRED = SigninRules(mfa_required=True)
PERMIT = '@id("people") permit (principal, action == Ostiary::Action::"signIn", resource);'
SOFT = (
    '@id("two") @reason("mfa_required") @demand("urn:ostiary:aal2") @soft("")'
    ' forbid (principal, action == Ostiary::Action::"signIn", resource)'
    ' unless { context has authentication && context.authentication.classes.contains("urn:ostiary:aal2") };'
)


def decided(policies: str, facts: SigninFacts = PASSWORD, rules: SigninRules = SigninRules()) -> Decision:  # noqa: B008
    engine = PolicyEngine(policies, schema_text(), revision=7)
    return SigninPolicy(lambda: engine, rules).decide(facts)


def forbid(annotations: str, when: str = "true") -> str:
    return f'{annotations} forbid (principal, action == Ostiary::Action::"signIn", resource) when {{ {when} }};'


def test_what_no_policy_permits_is_denied() -> None:
    assert told(decided("")) == "deny: not_allowed"


def test_a_decision_names_its_revision_and_its_policies() -> None:
    decision = decided(PERMIT)
    assert (decision.effect, decision.revision, decision.policies) == (Effect.ALLOW, 7, ("people",))


def test_an_enrolment_is_put_off_only_where_everything_else_allows_the_sign_in() -> None:
    """S41: a forbid that may be put off does not stand in for a permit."""
    assert told(decided(PERMIT + SOFT)) == "offer passkey totp"
    assert told(decided(SOFT)) == "deny: not_allowed"
    assert told(decided(PERMIT + SOFT, replace(PASSWORD, is_overdue=True))) == "enrol passkey totp"


def test_what_may_be_put_off_permits_nothing_by_itself() -> None:
    """S41: a permit that asks for a second factor is not had by promising one."""
    strict = PERMIT.replace(";", ' when { context has authentication && context.authentication.classes.contains("')
    strict += f'{AAL2}") }};'
    assert told(decided(strict)) == "deny: not_allowed"
    assert told(decided(strict + SOFT)) == "deny: not_allowed"
    proven = replace(WITH_TOTP, methods=frozenset({"pwd", "totp"}))
    assert told(decided(strict + SOFT, proven)) == "allow"


def test_a_forbid_without_a_demand_denies_whatever_others_demand() -> None:
    flat = forbid('@id("flat") @reason("closed_today")')
    decision = decided(PERMIT + SOFT + flat)
    assert decision.effect is Effect.DENY
    assert "closed_today" in decision.reasons
    assert told(decided(PERMIT + flat, WITH_TOTP)) == "deny: closed_today"


def test_a_policy_that_forbids_although_its_demand_is_met_denies() -> None:
    """Its words promise more than it keeps: nothing can be asked of the person."""
    lying = forbid(f'@id("lying") @reason("never_enough") @demand("{AAL2}")')
    proven = replace(WITH_TOTP, methods=frozenset({"pwd", "totp"}))
    assert told(decided(PERMIT + lying, WITH_TOTP)) == "prove totp"
    assert told(decided(PERMIT + lying, proven)) == "deny: never_enough"
    # Nor does an enrolment that may be put off get in beside it.
    beside = forbid('@id("lying") @reason("never_enough") @demand("urn:ostiary:aal1")', "!context.mfa_required || true")
    assert told(decided(PERMIT + SOFT + beside)) == "deny: never_enough"


def test_a_demand_of_ones_own_is_asked_for_and_told_by_its_reason() -> None:
    abroad = forbid(
        '@id("shop.sensitive") @reason("shop_wants_more") @demand("phr") @enrol("never")',
        'resource == Ostiary::Application::"cli_shop" && !context.authentication.classes.contains("phr")',
    ).replace("when { ", "when { context has authentication && ")
    facts = replace(PASSWORD, client_id="cli_shop", factors=frozenset({"pwd", "passkey"}))
    assert decided(PERMIT + abroad, facts).reasons == ("shop_wants_more",)
    assert told(decided(PERMIT + abroad, facts)) == "prove passkey"
    assert told(decided(PERMIT + abroad, replace(facts, factors=frozenset({"pwd"})))) == "deny: shop_wants_more_unmet"
    assert told(decided(PERMIT + abroad, replace(facts, client_id="cli_other"))) == "allow"


def test_roles_groups_and_the_hour_can_be_looked_at() -> None:
    rules = PERMIT + forbid(
        '@id("contractors") @reason("not_at_night")',
        'principal in Ostiary::Group::"contractors" && context.time.hour < 6',
    )
    facts = replace(PASSWORD, memberships=(EntityRef("Ostiary::Group", "contractors"),))
    assert told(decided(rules, facts)) == "allow"
    assert told(decided(rules, replace(facts, at=NOW.replace(hour=5)))) == "deny: not_at_night"
    assert told(decided(rules, replace(PASSWORD, at=NOW.replace(hour=5)))) == "allow"


def test_an_error_in_a_policy_denies() -> None:
    """S41: Cedar would skip the policy that failed."""
    overflow = forbid('@id("sum") @reason("never")', "context.time.epoch_s * 9223372036854775807 < 0")
    assert told(decided(PERMIT + overflow)) == "deny: policy_error"


def test_a_set_that_comes_into_force_alters_the_next_decision_also_about_the_same_facts() -> None:
    sets = [PolicyEngine(PERMIT, schema_text(), revision=1)]
    policy = SigninPolicy(lambda: sets[-1], SigninRules())
    assert [policy.decide(PASSWORD).revision for _ in range(2)] == [1, 1]
    sets.append(PolicyEngine(forbid('@id("closed") @reason("closed")'), schema_text(), revision=2))
    assert (told(policy.decide(PASSWORD)), policy.decide(PASSWORD).revision) == ("deny: closed", 2)


def test_the_same_is_decided_once() -> None:
    """A sign-in asks the same several times in a row."""
    policy = SigninPolicy(lambda: engine, REQUIRED)
    engine = PolicyEngine(starter_set().policies, schema_text(), revision=1)
    assert policy.decide(PASSWORD) is policy.decide(replace(PASSWORD))
    assert policy.decide(PASSWORD) is not policy.decide(replace(PASSWORD, at=NOW.replace(minute=1)))
    for number in range(200):
        policy.decide(replace(PASSWORD, person=f"sub-{number}"))
    assert policy.decide(PASSWORD) == policy.decide(replace(PASSWORD))


@pytest.mark.parametrize("score", [None, 0, 29, 30, 100])
def test_a_letter_is_written_where_a_session_begins(score: int | None) -> None:
    facts = replace(PASSWORD, risk_score=score, methods=frozenset({"pwd", "mail_code"}))
    expected = "allow" if score is None or score < 30 else "notify"
    engine = PolicyEngine(starter_set().policies, schema_text(), revision=1)
    assert told(SigninPolicy(lambda: engine, SigninRules()).decide(facts)) == expected
    put_off = SigninPolicy(lambda: engine, REQUIRED).decide(facts)
    assert told(put_off).removesuffix("; notify") == "offer passkey totp"
    assert told(put_off).endswith("; notify") is (expected == "notify")
