"""What a sign-in meets, told without any policy language: the model that the starter set is compared with."""

from dataclasses import dataclass
from typing import Literal

from policy.assurance import AAL1, AAL2, AAL3, PHR, STRONG, met_by
from policy.values import Decision, Effect, Obligation, SigninFacts, SigninRules

CLASSES = (AAL1, AAL2, PHR, AAL3)
PROOFS = ("passkey_attested", "passkey_bound", "passkey", "totp", "backup_code", "mail_code")
MAILBOX = frozenset({"mail_code", "recovery"})


@dataclass(frozen=True)
class Want:
    """Something that a sign-in must reach: one of `classes`, or one of the methods `or_by`."""

    reason: str
    classes: tuple[str, ...]
    or_by: frozenset[str] = frozenset()
    is_soft: bool = False
    may_enrol: bool = True

    @property
    def hardness(self) -> int:
        """How hard its easiest class is; what nobody knows is the hardest."""
        return min(CLASSES.index(each) if each in CLASSES else len(CLASSES) for each in self.classes)

    def is_met(self, methods: frozenset[str], rules: SigninRules) -> bool:
        """Whether these methods are enough."""
        met = met_by(methods)
        if met & set(self.classes) or (met and self.or_by & methods):
            return True
        stand_ins = {"device", "mail_code"} if rules.mail_code else {"device"}
        return self.is_soft and "pwd" in methods and bool(methods & stand_ins)


def wants(facts: SigninFacts, rules: SigninRules) -> list[Want]:
    """All of them, the hardest first."""
    found = [Want("required_acr", (acr,)) for acr in facts.required_acr]
    score, limits = facts.risk_score, facts.thresholds or rules.risk
    if score is not None and score >= limits.strong:
        found.append(Want("risk_critical", (PHR,), or_by=MAILBOX, may_enrol=False))
    elif score is not None and score >= limits.step_up:
        by = frozenset() if facts.factors & STRONG else MAILBOX
        found.append(Want("risk_high", (AAL2,), or_by=by, may_enrol=False))
    if known := tuple(acr for acr in facts.asked_acr if acr in CLASSES):
        found.append(Want("asked_acr", known))
    if rules.mfa_required or facts.factors & STRONG:
        reason = "mfa_required" if rules.mfa_required else "has_second_factor"
        found.append(Want(reason, (AAL2,), is_soft=True))
    return sorted(found, key=lambda want: -want.hardness)


def expected(facts: SigninFacts, rules: SigninRules) -> Decision:
    """What has to be decided; of a refusal the first reason alone."""
    for reason, is_so in (
        ("account_not_active", facts.person_state != "active"),
        ("nothing_proven", not met_by(facts.methods)),
        (str(facts.refusal), facts.refusal is not None),
    ):
        if is_so:
            return _deny(reason)
    decision = _left(facts, rules)
    begins = all(each.kind == "offer" for each in decision.obligations)
    limit = (facts.thresholds or rules.risk).notice
    if decision.effect is Effect.ALLOW and begins and facts.risk_score is not None and facts.risk_score >= limit:
        return Decision(Effect.ALLOW, (*decision.obligations, Obligation("notify")), decision.reasons)
    return decision


def _left(facts: SigninFacts, rules: SigninRules) -> Decision:
    unmet = [want for want in wants(facts, rules) if not want.is_met(facts.methods, rules)]
    for want in unmet:
        if provable := _provable(want, facts, rules):
            return _ask("prove", provable, want.reason)
    for want in unmet:
        if not want.may_enrol:
            return _deny(f"{want.reason}_unmet")
    if not unmet:
        return Decision(Effect.ALLOW, reasons=("signed_in",))
    enrolable = tuple(each for each in ("passkey", "totp") if unmet[0].is_met(facts.methods | {each}, rules))
    if not enrolable:
        return _deny("unmet_acr")
    first = Want("before_enrolling", (AAL2,))
    if facts.factors & STRONG and not first.is_met(facts.methods, rules):
        return _ask("prove", _provable(first, facts, rules), first.reason)
    return _ask("offer" if unmet[0].is_soft and not facts.is_overdue else "enrol", enrolable, unmet[0].reason)


def _provable(want: Want, facts: SigninFacts, rules: SigninRules) -> tuple[str, ...]:
    return tuple(each for each in PROOFS if each in facts.factors and want.is_met(facts.methods | {each}, rules))


def _ask(kind: Literal["prove", "enrol", "offer"], methods: tuple[str, ...], reason: str) -> Decision:
    return Decision(Effect.ALLOW, (Obligation(kind, methods),), (reason,))


def _deny(reason: str) -> Decision:
    return Decision(Effect.DENY, reasons=(reason,))
