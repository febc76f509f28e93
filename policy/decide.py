"""The built-in rules: what is decided before an administrator has written a policy.

Two steps. `demands` says what a sign-in must reach; `settle` says what is left to do for it. A policy engine replaces
the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from policy.assurance import AAL1, AAL2, AAL3, KNOWN_ACR, PHR, STRONG, met_by
from policy.values import Decision, Effect, Obligation, SigninFacts, SigninRules

# What a person can enrol by themselves.
ENROLABLE = ("passkey", "totp")
_HARDNESS = {AAL1: 1, AAL2: 2, PHR: 3, AAL3: 4}
# The order in which proofs are asked for.
_ORDER = ("passkey_attested", "passkey_bound", "passkey", "totp", "backup_code", "mail_code")


@dataclass(frozen=True, slots=True)
class Demand:
    """One thing that a sign-in must reach: any one of `classes`, or, where `is_soft`, what stands in for AAL2.

    A soft demand comes from the deployment and not from an application; its enrolment may be put off for a while.
    """

    classes: tuple[str, ...]
    reason: str
    is_soft: bool = False


_NO_RULES = SigninRules()
_BEFORE_ENROLLING = Demand((AAL2,), "before_enrolling")


def decide(facts: SigninFacts, rules: SigninRules = _NO_RULES) -> Decision:
    """The decision about a sign-in: denied, allowed, or allowed once its obligations are done."""
    if facts.person_state != "active":
        return Decision(Effect.DENY, reasons=("account_not_active",))
    if not met_by(facts.methods):
        return Decision(Effect.DENY, reasons=("nothing_proven",))
    return settle(demands(facts, rules), facts, rules)


def demands(facts: SigninFacts, rules: SigninRules) -> tuple[Demand, ...]:
    """What this sign-in must reach, the hardest first."""
    found = [Demand((acr,), "required_acr") for acr in facts.required_acr]
    asked = tuple(acr for acr in facts.asked_acr if acr in KNOWN_ACR)
    if asked:
        found.append(Demand(asked, "asked_acr"))
    if rules.mfa_required:
        found.append(Demand((AAL2,), "mfa_required", is_soft=True))
    elif facts.factors & STRONG:
        found.append(Demand((AAL2,), "has_second_factor", is_soft=True))
    return tuple(sorted(found, key=lambda demand: min(map(_hardness, demand.classes)), reverse=True))


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
    if not met_by(methods).isdisjoint(demand.classes):
        return True
    if not demand.is_soft or "pwd" not in methods:
        return False
    return "device" in methods or (rules.mail_code and "mail_code" in methods)
