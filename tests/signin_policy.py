"""The starter set as tests ask it about sign-ins."""

from functools import cache

from ostiary.policy.engine import PolicyEngine
from policy.schema import schema_text
from policy.signin import SigninPolicy
from policy.starter import starter_set
from policy.values import Decision, SigninFacts, SigninRules

_FREE = SigninRules()


@cache
def starter_engine() -> PolicyEngine:
    """The shipped policies, parsed once a process."""
    texts = starter_set()
    return PolicyEngine(texts.policies, schema_text(texts.own_schema), revision=1)


@cache
def _asked(rules: SigninRules) -> SigninPolicy:
    return SigninPolicy(starter_engine, rules)


def decide(facts: SigninFacts, rules: SigninRules = _FREE) -> Decision:
    """What the starter set says of a sign-in."""
    return _asked(rules).decide(facts)


def told(decision: Decision) -> str:
    """A decision in a few words."""
    if decision.effect == "deny":
        return f"deny: {decision.reasons[0]}"
    return "; ".join(" ".join((one.kind, *one.methods)) for one in decision.obligations) or "allow"
