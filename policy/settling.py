"""What is left to do for what the policies demand of a sign-in: pure mechanics, without a word on what is demanded.

All that can be proven comes before any enrolment, and who has a second factor proves it before adding another: or a
stolen password would be enough to add one's own.
"""

from collections.abc import Sequence
from typing import Literal

from ostiary.policy.values import Demand
from policy.assurance import AAL1, AAL2, AAL3, PHR, STRONG, met_by
from policy.values import Decision, Effect, Obligation, SigninFacts, SigninRules

# What a person can enrol by themselves.
ENROLABLE = ("passkey", "totp")
_HARDNESS = {AAL1: 1, AAL2: 2, PHR: 3, AAL3: 4}
# The order in which proofs are asked for.
_ORDER = ("passkey_attested", "passkey_bound", "passkey", "totp", "backup_code", "mail_code")
_BEFORE_ENROLLING = Demand(
    classes=(AAL2,), methods=frozenset(), reason="before_enrolling", is_soft=False, may_enrol=False
)


def settle(demands: Sequence[Demand], facts: SigninFacts, rules: SigninRules) -> Decision | None:
    """What is left to do for the first demand that is not met, the hardest first; denied where nothing that the person
    can do would do. None where all of them are met, though a policy still forbids."""
    unmet = [demand for demand in _hardest_first(demands) if not _is_met(demand, facts.methods, rules)]
    for demand in unmet:
        if provable := _provable(demand, facts, rules):
            return Decision(Effect.ALLOW, (Obligation("prove", provable),), (demand.reason,))
    beyond = next((demand for demand in unmet if not demand.may_enrol), None)
    if beyond is not None:
        return Decision(Effect.DENY, reasons=(f"{beyond.reason}_unmet",))
    return _enrol(unmet[0], facts, rules) if unmet else None


def _enrol(demand: Demand, facts: SigninFacts, rules: SigninRules) -> Decision:
    enrolable = tuple(method for method in ENROLABLE if _helps(demand, method, facts, rules))
    if not enrolable:
        return Decision(Effect.DENY, reasons=("unmet_acr",))
    if facts.factors & STRONG and (provable := _provable(_BEFORE_ENROLLING, facts, rules)):
        return Decision(Effect.ALLOW, (Obligation("prove", provable),), (_BEFORE_ENROLLING.reason,))
    kind: Literal["offer", "enrol"] = "offer" if demand.is_soft and not facts.is_overdue else "enrol"
    return Decision(Effect.ALLOW, (Obligation(kind, enrolable),), (demand.reason,))


def _hardest_first(demands: Sequence[Demand]) -> list[Demand]:
    """What is soft comes last, so that nothing is put off while something that may not be is missing."""
    return sorted(demands, key=lambda demand: (demand.is_soft, -min(map(_hardness, demand.classes), default=0)))


def _hardness(acr: str) -> int:
    return _HARDNESS.get(acr, 9)


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
