"""Sign-in as the policies decide it: they say what is forbidden and what would satisfy them, `settling` what is asked
for next.

A session begins only where they allow (S41). What may be put off for a while (`offer`) is asked about as though it were
there: nothing else may stand against it.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from base.clock import Clock, utc_now
from ostiary.policy.engine import PolicyEngine
from ostiary.policy.values import Answer, Question
from policy.settling import settle
from policy.signin_question import signin_question, with_classes
from policy.values import POLICY_ERROR, Decision, Effect, Obligation, SigninFacts, SigninRules

log = logging.getLogger("ostiary.policy")

# A sign-in asks the same several times in a row, and others ask in between.
_KEPT = 64
_NOTIFY = Obligation("notify")


class SigninPolicy:
    """Decides about sign-ins by the set in force; remembers a few of its newest decisions."""

    def __init__(self, active: Callable[[], PolicyEngine], rules: SigninRules, clock: Clock = utc_now) -> None:
        """`active` gives the engine of the set in force; `clock` tells the time where the facts do not."""
        self._active = active
        self._rules = rules
        self._clock = clock
        self._engine: PolicyEngine | None = None
        self._newest: OrderedDict[SigninFacts, Decision] = OrderedDict()

    def decide(self, facts: SigninFacts) -> Decision:
        """Denied, allowed, or allowed once its obligations are done; an error in a policy denies."""
        engine = self._active()
        if engine is not self._engine:
            self._engine = engine
            self._newest.clear()
        if facts.at is None:
            return self._decide(engine, facts, self._clock())
        known = self._newest.get(facts)
        if known is None:
            known = self._newest[facts] = self._decide(engine, facts, facts.at)
            if len(self._newest) > _KEPT:
                self._newest.popitem(last=False)
        return known

    def _decide(self, engine: PolicyEngine, facts: SigninFacts, now: datetime) -> Decision:
        question = signin_question(facts, self._rules, now)
        answer = engine.decide(question)
        decision = _allowed(answer) if answer.is_allowed else self._denied(engine, question, answer, facts)
        return replace(decision, revision=answer.revision, policies=answer.policies)

    def _denied(self, engine: PolicyEngine, question: Question, answer: Answer, facts: SigninFacts) -> Decision:
        """What is left to do, where every policy that forbids says what would satisfy it."""
        settled = settle(answer.demands, facts, self._rules) if _is_open(answer) else None
        if settled is None:
            return _deny(answer)
        if settled.effect is Effect.DENY or any(each.kind != "offer" for each in settled.obligations):
            return settled
        if firm := tuple(demand.reason for demand in answer.demands if not demand.is_soft):
            # It forbids, and what it demands is there.
            return Decision(Effect.DENY, reasons=firm)
        missing = frozenset(demand.classes[0] for demand in answer.demands if demand.classes)
        without = engine.decide(with_classes(question, missing))
        if not without.is_allowed:
            return _deny(without)
        if not _is_permitted(engine, question):
            return Decision(Effect.DENY, reasons=("not_allowed",))
        return replace(settled, obligations=(*settled.obligations, *_allowed(without).obligations))


def _is_open(answer: Answer) -> bool:
    return answer.error is None and bool(answer.demands)


def _is_permitted(engine: PolicyEngine, question: Question) -> bool:
    """Whether a policy permits it with what is there: one that asks for what is put off permits nothing yet."""
    return any(each.effect == "permit" and each.outcome == "satisfied" for each in engine.trace(question))


def _allowed(answer: Answer) -> Decision:
    is_told = any(each.kind == "notify" for each in answer.obligations)
    return Decision(Effect.ALLOW, (_NOTIFY,) if is_told else (), ("signed_in",))


def _deny(answer: Answer) -> Decision:
    if answer.error is not None:
        log.error("the policies of revision %d failed at a sign-in: %s", answer.revision, answer.error)
        return Decision(Effect.DENY, reasons=(POLICY_ERROR,))
    return Decision(Effect.DENY, reasons=answer.reasons or ("not_allowed",))
