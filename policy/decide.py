"""The built-in rules: what is decided before an administrator has written a policy.

Two steps. `demands` says what a sign-in must reach; `settle` says what is left to do for it. A policy engine replaces
the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from policy.assurance import AAL1, AAL2, AAL3, KNOWN_ACR, PHR, STRONG, met_by
from policy.values import Decision, Effect, Obligation, RiskThresholds, SigninFacts, SigninRules

# What a person can enrol by themselves.
ENROLABLE = ("passkey", "totp")
_HARDNESS = {AAL1: 1, AAL2: 2, PHR: 3, AAL3: 4}
# The order in which proofs are asked for.
_ORDER = ("passkey_attested", "passkey_bound", "passkey", "totp", "backup_code", "mail_code")


@dataclass(frozen=True, slots=True)
class Demand:
    """One thing that a sign-in must reach: any one of `classes`, or one of `methods`; where `is_soft`, what stands in
    for AAL2 will do, too.

    A soft demand comes from the deployment and not from an application; its enrolment may be put off for a while.
    Nobody whose sign-in looks like somebody else's may add a factor to meet a demand: then `may_enrol` is False.
    """

    classes: tuple[str, ...]
    reason: str
    is_soft: bool = False
    methods: frozenset[str] = frozenset()
    may_enrol: bool = True


_NO_RULES = SigninRules()
_BEFORE_ENROLLING = Demand((AAL2,), "before_enrolling")
_MAILED = frozenset({"mail_code"})
_NOTIFY = Obligation("notify")


def decide(facts: SigninFacts, rules: SigninRules = _NO_RULES) -> Decision:
    """The decision about a sign-in: denied, allowed, or allowed once its obligations are done."""
    if facts.person_state != "active":
        return Decision(Effect.DENY, reasons=("account_not_active",))
    if not met_by(facts.methods):
        return Decision(Effect.DENY, reasons=("nothing_proven",))
    if facts.refusal is not None:
        return Decision(Effect.DENY, reasons=(facts.refusal,))
    decision = settle(demands(facts, rules), facts, rules)
    if decision.effect is Effect.ALLOW and _score(facts) >= _thresholds(facts, rules).notice:
        return replace(decision, obligations=(*decision.obligations, _NOTIFY))
    return decision


def _score(facts: SigninFacts) -> int:
    return -1 if facts.risk_score is None else facts.risk_score


def _thresholds(facts: SigninFacts, rules: SigninRules) -> RiskThresholds:
    return facts.thresholds or rules.risk


def demands(facts: SigninFacts, rules: SigninRules) -> tuple[Demand, ...]:
    """What this sign-in must reach, the hardest first."""
    found = [Demand((acr,), "required_acr") for acr in facts.required_acr]
    found += _risk_demands(facts, rules)
    asked = tuple(acr for acr in facts.asked_acr if acr in KNOWN_ACR)
    if asked:
        found.append(Demand(asked, "asked_acr"))
    if rules.mfa_required:
        found.append(Demand((AAL2,), "mfa_required", is_soft=True))
    elif facts.factors & STRONG:
        found.append(Demand((AAL2,), "has_second_factor", is_soft=True))
    return tuple(sorted(found, key=lambda demand: min(map(_hardness, demand.classes)), reverse=True))


def _risk_demands(facts: SigninFacts, rules: SigninRules) -> list[Demand]:
    """What the score demands; a remembered browser meets none of it, and nobody enrols their way out of it."""
    score, thresholds = _score(facts), _thresholds(facts, rules)
    if score >= thresholds.strong:
        return [Demand((PHR,), "risk_critical", methods=_MAILED, may_enrol=False)]
    if score >= thresholds.step_up:
        # Whoever has a second factor proves that one.
        instead = frozenset() if facts.factors & STRONG else _MAILED
        return [Demand((AAL2,), "risk_high", methods=instead, may_enrol=False)]
    return []


def _hardness(acr: str) -> int:
    return _HARDNESS.get(acr, 9)


def settle(wanted: Sequence[Demand], facts: SigninFacts, rules: SigninRules) -> Decision:
    """What is left to do for the first demand that is not met; denied where nothing that the person can do would do.

    All that can be proven comes before any enrolment, and who has a second factor proves it before adding another:
    or a stolen password would be enough to add one's own.
    """
    unmet = [demand for demand in wanted if not _is_met(demand, facts.methods, rules)]
    for demand in unmet:
        if provable := _provable(demand, facts, rules):
            return Decision(Effect.ALLOW, (Obligation("prove", provable),), (demand.reason,))
    beyond = next((demand for demand in unmet if not demand.may_enrol), None)
    if beyond is not None:
        return Decision(Effect.DENY, reasons=(f"{beyond.reason}_unmet",))
    for demand in unmet:
        enrolable = tuple(method for method in ENROLABLE if _helps(demand, method, facts, rules))
        if not enrolable:
            return Decision(Effect.DENY, reasons=("unmet_acr",))
        if facts.factors & STRONG and (provable := _provable(_BEFORE_ENROLLING, facts, rules)):
            return Decision(Effect.ALLOW, (Obligation("prove", provable),), (_BEFORE_ENROLLING.reason,))
        kind: Literal["offer", "enrol"] = "offer" if demand.is_soft and not facts.is_overdue else "enrol"
        return Decision(Effect.ALLOW, (Obligation(kind, enrolable),), (demand.reason,))
    return Decision(Effect.ALLOW, reasons=("signed_in",))


def _provable(demand: Demand, facts: SigninFacts, rules: SigninRules) -> tuple[str, ...]:
    if _is_met(demand, facts.methods, rules):
        return ()
    return tuple(method for method in _ORDER if method in facts.factors and _helps(demand, method, facts, rules))


def _helps(demand: Demand, method: str, facts: SigninFacts, rules: SigninRules) -> bool:
    return _is_met(demand, facts.methods | {method}, rules)


def _is_met(demand: Demand, methods: frozenset[str], rules: SigninRules) -> bool:
    if not met_by(methods).isdisjoint(demand.classes) or (demand.methods & methods and met_by(methods)):
        return True
    if not demand.is_soft or "pwd" not in methods:
        return False
    return "device" in methods or (rules.mail_code and "mail_code" in methods)


def within_session(
    before: int | None, now: int, methods: frozenset[str], thresholds: RiskThresholds
) -> Literal["keep", "step_up", "end"]:
    """What follows where the score of a running session moves from `before` to `now`; only a threshold that is crossed
    counts, so that a person who has met a demand is not asked at every turn."""
    met, was = met_by(methods), -1 if before is None else before
    if was < thresholds.strong <= now and PHR not in met:
        return "end"
    return "step_up" if was < thresholds.step_up <= now and PHR not in met else "keep"
